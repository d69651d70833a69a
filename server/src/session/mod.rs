//! A client's own side of things, changed by more than one command.

pub mod auth;
pub mod block;
pub mod close;
pub mod deadline;
pub mod name;
pub mod pause;
pub mod reset;
pub mod transaction;
