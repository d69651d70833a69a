//! Replication, with this server as a replica and as a primary.

pub mod cron;
pub mod failover;
pub mod primary;
pub mod replica;
