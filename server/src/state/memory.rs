//! Memory figures sampled by cron; querying the allocator is too slow for a command.

use crate::sys::memory::Arena;

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
    pub sampled_ms: u64,
}
