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
    /// The hash of a key of the command being executed, if it is known.
    pub key_hash: KeyHash,
}

/// The hash of one argument, which is told from others by where it is in memory. It holds as long as nothing can be in
/// that place but the argument: while its command is executed.
#[derive(Clone, Copy)]
pub struct KeyHash {
    address: usize,
    len: usize,
    hash: u64,
}

impl Default for KeyHash {
    fn default() -> Self {
        KeyHash::NONE
    }
}

impl KeyHash {
    /// No hash is known.
    pub const NONE: KeyHash = KeyHash {
        address: 0,
        len: 0,
        hash: 0,
    };

    /// The hash of a key.
    #[inline]
    pub fn of((key, hash): (&[u8], u64)) -> Self {
        KeyHash {
            address: key.as_ptr() as usize,
            len: key.len(),
            hash,
        }
    }

    /// The hash of `key`, if it is the argument whose hash is known.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<u64> {
        // An empty slice may have any address.
        let is_same = self.address == key.as_ptr() as usize && self.len == key.len();
        (is_same && self.len > 0).then_some(self.hash)
    }
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

    /// Monotonic time at which the latest command ended, in milliseconds.
    pub fn clock_ms(&self) -> u64 {
        self.clock_ns / 1_000_000
    }
}
