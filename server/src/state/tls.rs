//! The TLS contexts in use, and the outcome of their reloads.

use conn::tls::context::TlsContext;

/// What the server keeps about its certificates.
#[derive(Default)]
pub struct TlsState {
    /// The context that new connections use; `None` while TLS is off.
    pub context: Option<TlsContext>,
    /// Successful loads since start.
    pub reloads: u64,
    /// Why the latest load failed; empty after a good one.
    pub last_error: String,
    /// Unix time in milliseconds of the latest attempt.
    pub last_load_ms: i64,
    /// Unix day on which expiring certificates were last logged.
    pub warned_day: i64,
}
