//! The TLS context for new connections, and the results of loading it.

use conn::tls::context::TlsContext;

/// The state of TLS.
#[derive(Default)]
pub struct TlsState {
    /// The context that new connections use. `None` until TLS is first used (`uses_tls`); it stays when
    /// TLS is switched off again.
    pub context: Option<TlsContext>,
    /// Loads that succeeded since start, the first included.
    pub reloads: u64,
    /// Why the latest load failed; empty after a success.
    pub last_error: String,
    /// Unix day on which expiring certificates were last logged.
    pub warned_day: i64,
}
