//! The child process, of which there is at most one, and its progress reports.
//!
//! Format of a report, numbers little-endian:
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 8 | keys processed |
//! | 8 | 8 | bytes of memory copied because of the child |
//! | 16 | 8 | when those were measured: microseconds of the monotonic clock |

use std::io::{PipeReader, Read};

/// Size of a report, in bytes.
pub const REPORT: usize = 24;

/// The purpose of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// BGSAVE, save points, and replicas that receive a file.
    Save,
    /// Replicas that receive what the child writes to a pipe.
    Stream,
    /// The base of the append-only file.
    Rewrite,
}

impl Purpose {
    /// The title of the process.
    pub fn title(self) -> &'static str {
        match self {
            Purpose::Save => "redis-rdb-bgsave",
            Purpose::Stream => "redis-rdb-to-slaves",
            Purpose::Rewrite => "redis-aof-rewrite",
        }
    }

    /// What the log calls it.
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Save | Purpose::Stream => "RDB",
            Purpose::Rewrite => "AOF rewrite",
        }
    }
}

/// A progress report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Keys processed.
    pub keys: u64,
    /// Bytes of memory copied because of the child.
    pub cow: u64,
    /// When those were measured, monotonic microseconds.
    pub cow_at_us: u64,
}

impl Report {
    /// Encodes the report for the pipe.
    pub fn encode(self) -> [u8; REPORT] {
        let mut bytes = [0; REPORT];
        let numbers = [self.keys, self.cow, self.cow_at_us];
        for (place, number) in bytes.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }

    /// Decodes a report from the pipe.
    pub fn decode(bytes: [u8; REPORT]) -> Self {
        let mut numbers = bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|number| u64::from_le_bytes(*number));
        let mut next = || numbers.next().unwrap_or(0);
        Report {
            keys: next(),
            cow: next(),
            cow_at_us: next(),
        }
    }
}

/// A running child.
pub struct Child {
    /// The process.
    pub pid: i32,
    /// Its purpose.
    pub purpose: Purpose,
    /// Number of keys at the fork.
    pub keys_total: u64,
    /// Its latest report.
    pub latest: Report,
    /// Peak of the memory copied because of it, in bytes.
    pub cow_peak: u64,
    reports: PipeReader,
}

impl Child {
    /// A child that was just forked and reports through `reports`, a non-blocking pipe.
    pub fn new(pid: i32, purpose: Purpose, keys_total: u64, reports: PipeReader) -> Self {
        Child {
            pid,
            purpose,
            keys_total,
            latest: Report::default(),
            cow_peak: 0,
            reports,
        }
    }

    /// Reads new reports. A report is smaller than PIPE_BUF, so none arrives in parts.
    pub fn hear(&mut self) {
        let mut bytes = [0; REPORT];
        while self.reports.read_exact(&mut bytes).is_ok() {
            self.latest = Report::decode(bytes);
            self.cow_peak = self.cow_peak.max(self.latest.cow);
        }
    }

    /// Progress, per cent.
    pub fn percent(&self) -> f64 {
        if self.keys_total == 0 {
            return 0.0;
        }
        self.latest.keys as f64 / self.keys_total as f64 * 100.0
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    #[test]
    fn a_report_survives_the_pipe() {
        let report = Report {
            keys: 1,
            cow: u64::MAX,
            cow_at_us: 1 << 40,
        };
        assert_eq!(Report::decode(report.encode()), report);
    }
}
