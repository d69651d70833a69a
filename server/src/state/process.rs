//! Facts about this process that never change, or only by the clock.

/// Who and where this process is.
#[derive(Default)]
pub struct ProcessInfo {
    /// Path of the binary.
    pub executable: String,
    /// Absolute path of the configuration file; empty without one.
    pub config_file: String,
    /// The arguments it was started with.
    pub args: Vec<String>,
    /// 40 random hex digits, new at each start.
    pub run_id: String,
    /// Unix time of the start, in milliseconds.
    pub started_ms: i64,
    /// Processor architecture in bits.
    pub arch_bits: u32,
    /// Started under a supervisor that wants to be told.
    pub supervised: bool,
    /// The pid file was written and is ours to remove.
    pub wrote_pidfile: bool,
    /// `oom_score_adj` from before this server set it; `None` while it does not.
    pub oom_score_base: Option<i32>,
}
