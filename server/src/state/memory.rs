//! Figures of the allocator and the system, which take 20 µs to query: they are sampled when someone asks for them, at
//! most ten times per second, and by cron every five seconds.

use crate::sys::memory::{self, Arena};
use crate::sys::{clock, host};

/// Age up to which a sample is used, in milliseconds.
const MAX_AGE_MS: u64 = 100;

/// Samples, in bytes.
#[derive(Default)]
pub struct MemorySamples {
    /// Right after start, before any key exists.
    pub startup: usize,
    /// The process's resident set.
    pub rss: usize,
    /// The allocator's figures.
    pub arena: Arena,
    /// Monotonic milliseconds of the sample.
    sampled_ms: u64,
}

impl MemorySamples {
    /// Samples anew unless the latest sample is recent.
    pub fn refresh(&mut self) {
        let now_ms = clock::monotonic_ms();
        if self.sampled_ms != 0 && now_ms.saturating_sub(self.sampled_ms) < MAX_AGE_MS {
            return;
        }
        self.rss = host::resident();
        self.arena = memory::arena();
        self.sampled_ms = now_ms;
    }
}
