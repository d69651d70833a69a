//! Facts about this process.

use crate::config::params::Params;
use crate::config::values::OomScoreAdj;

/// Identity and environment of this process.
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
    /// It was started under a supervisor that is to be notified.
    pub supervised: bool,
    /// The pid file was written by this process, which removes it at the end.
    pub wrote_pidfile: bool,
    /// `oom_score_adj` before this server changed it; `None` while it does not.
    pub oom_score_base: Option<i32>,
}

/// The class of child processes for [`ProcessInfo::oom_score`].
pub const CHILD: usize = 2;

impl ProcessInfo {
    /// `oom_score_adj` for a process class (0 primary, 1 replica, [`CHILD`]); `None` if the server does not set it.
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
