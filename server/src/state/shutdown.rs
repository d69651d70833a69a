//! Whether the server is on its way out.

use crate::config::values::ShutdownFlags;

/// State of the shutdown.
#[derive(Default)]
pub struct Shutdown {
    /// A shutdown is under way.
    pub asap: Option<ShutdownFlags>,
}
