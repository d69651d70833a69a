//! Settings of the DEBUG command, for tests.

use data::ds::node::{ListLimits, PLAIN_FROM};

use crate::config::params::Params;

/// Settings of DEBUG.
pub struct DebugState {
    /// DEBUG PAUSE-CRON.
    pub pause_cron: bool,
    /// DEBUG REPLYBUFFER PEAK-RESET-TIME, milliseconds; negative is never.
    pub reply_peak_reset_ms: i64,
    /// DEBUG REPLYBUFFER RESIZING.
    pub reply_resizing: bool,
    /// DEBUG QUICKLIST-PACKED-THRESHOLD: elements of this size and more get a node of their own, in bytes.
    pub list_plain_from: usize,
    /// DEBUG SET-SKIP-CHECKSUM-VALIDATION: checksums of snapshots and payloads are ignored.
    pub skip_checksums: bool,
    /// DEBUG SET-DISABLE-DENY-SCRIPTS: scripts may call every command.
    pub scripts_may_call_all: bool,
    /// DEBUG AOF-FLUSH-SLEEP: microseconds to sleep before the append-only file is written.
    pub aof_flush_sleep_us: u64,
}

/// Interval after which a client's reply peak is reset, in milliseconds.
pub const REPLY_PEAK_RESET_MS: i64 = 5000;

impl Default for DebugState {
    fn default() -> Self {
        DebugState {
            pause_cron: false,
            reply_peak_reset_ms: REPLY_PEAK_RESET_MS,
            reply_resizing: true,
            list_plain_from: PLAIN_FROM,
            skip_checksums: false,
            scripts_may_call_all: false,
            aof_flush_sleep_us: 0,
        }
    }
}

impl DebugState {
    /// Limits of list nodes, by the directives `list-*` and DEBUG.
    pub fn list_limits(&self, config: &Params) -> ListLimits {
        ListLimits {
            fill: config.list_max_listpack_size,
            depth: usize::try_from(config.list_compress_depth).unwrap_or(0),
            plain_from: self.list_plain_from,
        }
    }
}
