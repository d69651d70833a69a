//! This server as a node of a cluster, and keys that move between servers.
//!
//! The protocol is the crate `cluster`: it is told what happens ([`events::tell`]) and answers with actions, which
//! [`drive::settle`] performs before the loop sleeps and before the reply to a CLUSTER command is sent.

pub mod bus;
pub mod drive;
pub mod events;
pub mod file;
pub mod migrate;
pub mod slots;
pub mod start;
