//! This server as the one that others are replicas of.

pub mod cron;
pub mod diskless;
pub mod served;
pub mod snapshot;
pub mod sync;
