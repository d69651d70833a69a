//! Waiting for a condition.

use std::thread;
use std::time::{Duration, Instant};

/// The timeout of every wait in the tests.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until `ask` returns a value.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "timed out waiting for {what}");
        thread::yield_now();
    }
}
