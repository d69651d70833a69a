//! Scripts: running them, and what they can call.
//!
//! * `interpreter`: an interpreter with its libraries and the table `redis`.
//! * `cache`: from the source of a script to its function.
//! * `library`: loading the libraries of functions; `register`: what their code calls.
//! * `memory`: how much a script may take, and collection of garbage.
//! * `arguments`: keys and arguments, as commands have them and as scripts see them.
//! * `run`: whether a script may run now, its call, and the reply made of its result.
//! * `call`: `redis.call`, one command within a script; `convert`: replies as values of Lua and back.
//! * `api`: the other functions of `redis`; `error`: tables that are errors; `interrupt`: what happens in long scripts.
//! * `debug`: the debugger.
//!
//! A script is a command that calls others: each of its commands is a call within the unit of EVAL, as those of a
//! transaction are. So their writes are propagated together when the unit ends, and they see one instant of time.

pub mod api;
pub mod arguments;
pub mod cache;
pub mod call;
pub mod convert;
pub mod debug;
pub mod error;
pub mod interpreter;
pub mod interrupt;
pub mod kill;
pub mod library;
pub mod memory;
pub mod register;
pub mod run;
