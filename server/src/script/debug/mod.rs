//! The debugger of scripts: SCRIPT DEBUG and the EVAL that follows it.
//!
//! * `session`: its begin, by a fork or in the server itself, and its end; the children of the server.
//! * `stop`: called before each line of the script; where it stops the client is asked what to do.
//! * `request`: what the client sends; `commands`: what it can ask for.
//! * `show`: values and replies as text; `echo`: commands and errors of the script, as the client sees them.
//!
//! The script stops inside of a hook of Lua, and nothing else happens in the process meanwhile: the connection is read
//! and written by calls that wait (`conn::wait`). In a child that harms nobody. SCRIPT DEBUG SYNC stops the server, which
//! is what it is for: it shows the data set that the server has.
//!
//! # Invariants
//! 1. After the fork the client's connection belongs to the child. The parent closes its end without sending anything.
//! 2. A child ends soon after its client is gone, whatever it is doing: nobody else sees what it does.
//! 3. The child leaves by `exit`, from within EVAL: what its commands have queued for other clients, for replicas and for
//!    the append-only file is never sent.

pub mod commands;
pub mod echo;
pub mod request;
pub mod session;
pub mod show;
pub mod stop;
