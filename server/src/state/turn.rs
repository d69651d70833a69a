//! The turn of the event loop: its clocks, and figures that begin anew with it.

use crate::sys::clock;

/// Clocks and figures of this turn.
#[derive(Default)]
pub struct Turn {
    /// Monotonic time at which the latest command ended, in nanoseconds: the next one in a pipeline starts there.
    pub clock_ns: u64,
    /// What is added to monotonic time to get Unix time, in nanoseconds.
    pub clock_offset_ns: i64,
    /// Monotonic time at which it began, in microseconds.
    pub began_us: u64,
    /// Commands that had been executed by then.
    pub began_at: u64,
    /// How often cron has run.
    pub cron_ticks: u64,
    /// Hashes of the keys of a batch; kept for its memory.
    pub hashes: Vec<u64>,
}

impl Turn {
    /// Reads both clocks, once per turn; Unix time in milliseconds.
    pub fn refresh(&mut self) -> i64 {
        self.clock_ns = clock::monotonic_ns();
        let unix_us = clock::unix_us();
        self.clock_offset_ns = unix_us * 1000 - self.clock_ns as i64;
        unix_us / 1000
    }

    /// Reads the monotonic clock; Unix time in milliseconds.
    #[inline]
    pub fn tick(&mut self) -> i64 {
        self.clock_ns = clock::monotonic_ns();
        (self.clock_ns as i64 + self.clock_offset_ns) / 1_000_000
    }
}
