//! The one timer that wakes the loop for the earliest deadline of blocked clients and pauses.

use ae::time::TimerId;

/// The timer, if a deadline is known.
#[derive(Debug, Default)]
pub struct Wakeup {
    /// Its name in the loop.
    pub timer: Option<TimerId>,
    /// The deadline it was set for, in milliseconds of Unix time.
    pub at_ms: i64,
}
