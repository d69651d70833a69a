//! Facts about this process.

use crate::config::params::Params;
use crate::config::values::{OomScoreAdj, Supervised};
use crate::sys::{host, process};
use crate::warning;

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
    /// The supervisor under which this process was started: systemd, upstart or none.
    pub supervised: Supervised,
    /// The pid file was written by this process, which removes it at the end.
    pub wrote_pidfile: bool,
    /// `oom_score_adj` before this server changed it; `None` while it does not.
    pub oom_score_base: Option<i32>,
}

/// The class of child processes for [`ProcessInfo::oom_score`].
pub const CHILD: usize = 2;

impl ProcessInfo {
    /// Sends `state`, lines of `sd_notify(3)`, to systemd if it supervises this process. A failure is logged.
    pub fn notify(&self, state: &str) {
        if self.supervised == Supervised::Systemd
            && let Err(error) = process::notify_systemd(state)
        {
            warning!("systemd supervision error: {}", host::reason(&error));
        }
    }

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
