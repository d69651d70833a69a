//! Replication: the stream of writes, the replicas that follow it, and the link to a primary.

pub mod blocks;
pub mod failover;
pub mod id;
pub mod link;
pub mod replica;
pub mod stream;
pub mod transfer;
