//! Facts about this process that never change, or only by the clock.

use crate::config::params::Params;
use crate::config::values::OomScoreAdj;

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

impl ProcessInfo {
    /// `oom_score_adj` of a process of a class (0 a primary, 1 a replica, 2 a child); `None` when it is the system's affair.
    pub fn oom_score(&self, config: &Params, class: usize) -> Option<i32> {
        let value = config.oom_score_adj_values[class] as i32;
        let score = match config.oom_score_adj {
            OomScoreAdj::No => return None,
            OomScoreAdj::Relative => self.oom_score_base.unwrap_or(0) + value,
            OomScoreAdj::Absolute => value,
        };
        Some(score.clamp(-1000, 1000))
    }
}
