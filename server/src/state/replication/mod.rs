//! Replication: the stream of writes and its names, the replicas that follow it, the primary that is followed.

pub mod blocks;
pub mod failover;
pub mod id;
pub mod link;
pub mod replica;
pub mod stream;
pub mod transfer;
