//! This server as a primary.

pub mod cron;
pub mod diskless;
pub mod served;
pub mod snapshot;
pub mod sync;
