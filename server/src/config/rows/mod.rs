//! The directives, by subject.

pub mod cluster;
pub mod memory;
pub mod network;
pub mod persistence;
pub mod process;
pub mod replication;
pub mod tls;
