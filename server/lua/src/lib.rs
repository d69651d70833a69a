//! Lua 5.1 for scripts: an interpreter that a stranger's script cannot break out of, with an interface that is safe to call.
//!
//! * [`interpreter`]: an interpreter, its memory, its garbage collection, the host that its functions work on.
//! * [`stack`]: values as a function sees them. All access is raw, so nothing here runs a script's code but
//!   [`stack::Stack::call`].
//! * [`frames`]: which functions are running.
//! * [`function`]: Rust functions that a script can call; [`arguments`] checks what they are given, [`bulk`] is what the
//!   libraries need of a stack besides, [`lists`] what the host needs.
//! * [`json`], [`msgpack`], [`structs`], [`bits`]: the libraries `cjson`, `cmsgpack`, `struct` and `bit`.
//! * [`sandbox`]: the libraries and globals that scripts have, none of which they can change.
//! * [`interrupt`]: a function that is called while a script runs, and that can end it; [`trace`]: one that is called
//!   before each line, for a debugger.
//!
//! # Errors
//!
//! Lua raises an error by `longjmp`, which skips destructors. So nothing that Rust calls may raise one but `lua_error`,
//! the last act of [`function`]'s trampoline, where no value is alive that has a destructor:
//!
//! 1. While Rust code runs, the allocator refuses nothing (`interpreter::Shared::strict`), so no call fails for memory.
//! 2. Access is raw: no metamethods. Keys, table flags and the room on the stack are checked before the call; `builder` and
//!    `reader` know them instead, by their invariants.
//! 3. `__gc` is never called (an edit, see `build/edits.rs`), so collecting garbage runs no code.
//! 4. Code of scripts runs in [`stack::Stack::call`] and [`stack::Stack::load`] only, which are protected calls.

#![allow(unsafe_code)]

pub mod arguments;
pub mod bits;
mod builder;
pub mod bulk;
pub mod frames;
pub mod function;
pub mod interpreter;
pub mod interrupt;
pub mod json;
mod limits;
pub mod lists;
pub mod msgpack;
mod random;
mod reader;
pub mod sandbox;
pub mod stack;
pub mod structs;
pub mod trace;

#[cfg(test)]
mod library_tests;
