//! Switches that DEBUG turns for tests.

/// What DEBUG has changed.
pub struct DebugState {
    /// DEBUG PAUSE-CRON.
    pub pause_cron: bool,
    /// DEBUG REPLYBUFFER PEAK-RESET-TIME, milliseconds; negative is never.
    pub reply_peak_reset_ms: i64,
    /// DEBUG REPLYBUFFER RESIZING.
    pub reply_resizing: bool,
}

/// How often a client's reply peak is forgotten, in milliseconds.
pub const REPLY_PEAK_RESET_MS: i64 = 5000;

impl Default for DebugState {
    fn default() -> Self {
        DebugState {
            pause_cron: false,
            reply_peak_reset_ms: REPLY_PEAK_RESET_MS,
            reply_resizing: true,
        }
    }
}
