//! Memory as cron saw it last: reading the allocator's own figures is too slow for a command.

use crate::sys::memory::Arena;

/// Samples, in bytes.
#[derive(Default)]
pub struct MemorySamples {
    /// Right after start, before any key.
    pub startup: usize,
    /// The process's resident set.
    pub rss: usize,
    /// The allocator's figures.
    pub arena: Arena,
    /// Monotonic milliseconds of the sample.
    pub sampled_ms: u64,
}
