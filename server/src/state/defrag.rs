//! Active defragmentation: how much time it may take, and where the pass through the databases is.

use std::collections::VecDeque;

use crate::config::params::Params;
use crate::sys::fragmentation::{Fragmentation, Slabs};

/// A key whose value is relocated in slices.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The key, which may be deleted, or hold another value, before the next slice.
    pub key: Box<[u8]>,
    /// The cursor of the next slice.
    pub cursor: u64,
    /// Whether any of its allocations was moved.
    pub is_moved: bool,
}

/// The place of a pass.
#[derive(Debug, Default)]
pub struct Pass {
    /// The number of the database; behind the last one are the scripts.
    pub db: usize,
    /// The cursor of the walk there.
    pub cursor: u64,
    /// Keys of that database which were visited and have more to visit; they come before the next key.
    pub unfinished: VecDeque<Unfinished>,
    /// Whether any key was visited.
    pub is_begun: bool,
    /// When it was decided on, monotonic microseconds.
    pub began_us: u64,
    /// Allocations that were moved.
    pub moved: u64,
    /// Bytes of fragmentation when it began.
    pub bytes: usize,
}

impl Pass {
    /// Whether the pass has lowered the fragmentation to `bytes` noticeably.
    pub fn has_helped(&self, bytes: usize) -> bool {
        bytes <= self.bytes - self.bytes / 16
    }
}

/// Active defragmentation.
#[derive(Debug, Default)]
pub struct Defrag {
    /// Processor time that passes may take, per cent (`active_defrag_running`). After the last pass it stays until the
    /// next measurement, so that an operator who looks now and then sees even a short pass; then it is 0.
    pub percent: i64,
    /// The pass in progress.
    pub pass: Option<Pass>,
    /// Since when passes follow each other, monotonic microseconds.
    pub running_since_us: Option<u64>,
    /// When the last cycle began, monotonic microseconds.
    pub cycle_us: u64,
    /// When the fragmentation was measured last, monotonic microseconds.
    pub measured_us: u64,
    /// No pass begins before this time, monotonic microseconds.
    pub paused_until_us: u64,
    /// The slabs of the allocator; `None` until the first pass.
    pub slabs: Option<Slabs>,
}

impl Defrag {
    /// Time since passes follow each other, microseconds.
    pub fn elapsed_us(&self, now_us: u64) -> u64 {
        self.running_since_us
            .map_or(0, |since_us| now_us.saturating_sub(since_us))
    }
}

/// The processor time that a fragmentation calls for, per cent: `active-defrag-cycle-min` at the lower threshold,
/// `-max` at the upper one. `None` if it is too little to start a pass.
pub fn effort(config: &Params, fragmentation: Fragmentation, is_running: bool) -> Option<i64> {
    let (lower, upper) = (
        config.active_defrag_threshold_lower as f32,
        config.active_defrag_threshold_upper as f32,
    );
    let is_little = fragmentation.percent < lower
        || fragmentation.bytes < config.active_defrag_ignore_bytes as usize;
    if is_little && !is_running {
        return None;
    }
    let (min, max) = (
        config.active_defrag_cycle_min,
        config.active_defrag_cycle_max,
    );
    // With equal thresholds the slope is infinite, or no number, which becomes 0 as an integer.
    let slope = (max - min) as f32 / (upper - lower);
    let percent = (min as f32 + (fragmentation.percent - lower) * slope) as i64;
    Some(if percent < min { min } else { percent.min(max) })
}

#[cfg(test)]
mod tests {
    use super::effort;
    use crate::config::params::Params;
    use crate::sys::fragmentation::Fragmentation;

    #[test]
    fn effort_rises_between_the_thresholds() {
        // Thresholds, cycles, fragmentation, running: the effort.
        for (thresholds, cycles, percent, bytes, is_running, expected) in [
            ((10, 100), (1, 25), 9.9, 5000, false, None),
            ((10, 100), (1, 25), 50.0, 999, false, None),
            ((10, 100), (1, 25), 10.0, 1000, false, Some(1)),
            ((10, 100), (1, 25), 55.0, 1000, false, Some(13)),
            ((10, 100), (1, 25), 100.0, 1000, false, Some(25)),
            ((10, 100), (1, 25), 900.0, 1000, false, Some(25)),
            // A pass in progress goes on whatever the fragmentation is.
            ((10, 100), (1, 25), 2.0, 10, true, Some(1)),
            ((10, 10), (5, 25), 10.0, 1000, false, Some(5)),
            ((10, 10), (5, 25), 11.0, 1000, false, Some(25)),
            // Limits in the wrong order, as Redis accepts them.
            ((10, 100), (60, 20), 10.0, 1000, false, Some(20)),
            ((10, 100), (60, 20), 100.0, 1000, false, Some(60)),
        ] {
            let config = Params {
                active_defrag_ignore_bytes: 1000,
                active_defrag_threshold_lower: thresholds.0,
                active_defrag_threshold_upper: thresholds.1,
                active_defrag_cycle_min: cycles.0,
                active_defrag_cycle_max: cycles.1,
                ..Params::default()
            };
            let fragmentation = Fragmentation { percent, bytes };
            let got = effort(&config, fragmentation, is_running);
            assert_eq!(got, expected, "{thresholds:?} {cycles:?} {percent}");
        }
    }
}
