//! The TLS context for new connections, the results of loading it, and the watch over its files.

use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use conn::connection::ConnId;
use conn::tls::context::TlsContext;
use crossbeam_channel::Receiver;

use crate::state::networks::Networks;
use crate::state::throttle::Throttle;
use crate::sys::file_watch::{FileWatch, Snapshot};

/// One load of the files.
#[derive(Debug)]
pub struct Load {
    /// The state of the files when it began.
    pub seen: Snapshot,
    /// The context, or why there is none.
    pub context: Result<TlsContext, String>,
}

/// Loads of files that had changed.
pub type Loads = Receiver<Load>;

/// Held by a thread while it loads.
pub type LoadLock = Arc<Mutex<()>>;

/// The thread that watches the files and loads them anew.
#[derive(Debug)]
pub struct Watch {
    /// Ends the thread when it is dropped.
    pub files: FileWatch,
    /// What it has loaded.
    pub loads: Loads,
    /// The failure that was logged last; a file that stays broken is logged once.
    pub logged: Option<String>,
}

/// The state of TLS.
#[derive(Default)]
pub struct TlsState {
    /// The context that new connections use. `None` until TLS is first used (`uses_tls`); it stays when
    /// TLS is switched off again.
    pub context: Option<TlsContext>,
    /// The state of the files from which it was loaded.
    pub seen: Snapshot,
    /// Loads that succeeded since start, the first included.
    pub reloads: u64,
    /// Loads that failed since start.
    pub failed_reloads: u64,
    /// When the latest load ended, in seconds of Unix time.
    pub last_reload: i64,
    /// Why the latest load failed; empty after a success.
    pub last_error: String,
    /// Held by the thread of a watch while it loads, also by that of a watch that has ended since.
    pub loading: LoadLock,
    /// The watch over the files, with `tls-auto-reload`.
    pub watch: Option<Watch>,
    /// The networks whose handshakes failed most often.
    pub failures: Networks,
    /// Limits lines of the log about connections that are refused.
    pub throttle: Throttle<50, 2000>,
    /// Connections to be checked for a revoked certificate.
    pub unchecked: Vec<ConnId>,
    /// How many connections were ended for a revoked certificate since start.
    pub revoked_connections: u64,
    /// Whether it was logged that revocation lists have expired.
    pub expired_lists_logged: bool,
    /// Unix day on which expiring certificates were last logged.
    pub warned_day: i64,
}

/// Keeps the watch from loading for as long as the guard lives: for a fork whose child goes on with OpenSSL, where a
/// lock that the thread of the watch holds would stay locked. `None` during a load, which takes milliseconds unless the
/// disk is slow.
pub fn hold_loads(loading: &LoadLock) -> Option<MutexGuard<'_, ()>> {
    match loading.try_lock() {
        Ok(guard) => Some(guard),
        // It guards no data.
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{LoadLock, hold_loads};

    #[test]
    fn nothing_is_held_during_a_load() {
        let loading = LoadLock::default();
        assert!(hold_loads(&loading).is_some());
        let held = loading.lock().expect("free");
        assert!(hold_loads(&loading).is_none());
        drop(held);
        assert!(hold_loads(&loading).is_some());
        // A load that has panicked does not count.
        let other = Arc::clone(&loading);
        let panicked = std::thread::spawn(move || {
            let _held = other.lock().expect("free");
            panic!("as intended");
        });
        assert!(panicked.join().is_err());
        assert!(hold_loads(&loading).is_some());
    }
}
