//! Shutdown in progress.

use crate::config::values::ShutdownFlags;

/// State of the shutdown.
#[derive(Default)]
pub struct Shutdown {
    /// A shutdown that has begun.
    pub asap: Option<ShutdownFlags>,
    /// A shutdown that waits for replicas until a time in milliseconds of Unix time.
    pub waiting: Option<(ShutdownFlags, i64)>,
}
