//! Whether the server is on its way out.

use crate::config::values::ShutdownFlags;

/// State of the shutdown.
#[derive(Default)]
pub struct Shutdown {
    /// A shutdown is under way.
    pub asap: Option<ShutdownFlags>,
    /// One waits for replicas to catch up, until a time in milliseconds of Unix time.
    pub waiting: Option<(ShutdownFlags, i64)>,
}
