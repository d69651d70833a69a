//! Connections and bytes on their way in.

pub mod accept;
pub mod input;
pub mod listen;
