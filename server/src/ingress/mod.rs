//! Incoming connections and their input.

pub mod accept;
pub mod input;
pub mod listen;
pub mod refusals;
