//! The unit of execution: how deep the stack of commands is, and the instant it sees.

use table::CmdId;

use crate::state::client_id::ClientId;
use crate::sys::clock;

/// What is being executed.
#[derive(Default)]
pub struct Unit {
    /// Commands on the stack; queues are drained at 0 only.
    pub depth: u32,
    /// The client whose input is being processed.
    pub current: Option<ClientId>,
    /// The command being executed, or the last one that was.
    pub command: Option<CmdId>,
    /// The command being executed leaves the recency of keys alone (CLIENT NO-TOUCH).
    pub no_touch: bool,
    /// Unix time in milliseconds that the unit sees.
    pub now_ms: i64,
    /// Monotonic time at which the latest command ended, in nanoseconds: the next one in a pipeline starts there.
    pub clock_ns: u64,
    /// What is added to monotonic time to get Unix time, in nanoseconds.
    pub clock_offset_ns: i64,
    /// Monotonic time at which this turn of the loop began, in microseconds.
    pub turn_began_us: u64,
    /// Commands that had been executed by then.
    pub turn_began_at: u64,
    /// How often the clockwork (`house/cron`) has run.
    pub cron_ticks: u64,
    /// Hashes of the keys of a batch; kept for its memory.
    pub hashes: Vec<u64>,
}

impl Unit {
    /// Reads both clocks: at each turn of the loop.
    pub fn refresh(&mut self) {
        self.clock_ns = clock::monotonic_ns();
        let unix_us = clock::unix_us();
        self.clock_offset_ns = unix_us * 1000 - self.clock_ns as i64;
        self.now_ms = unix_us / 1000;
    }

    /// Reads the monotonic clock: before a batch of commands.
    #[inline]
    pub fn begin(&mut self) {
        self.clock_ns = clock::monotonic_ns();
        self.now_ms = (self.clock_ns as i64 + self.clock_offset_ns) / 1_000_000;
    }
}
