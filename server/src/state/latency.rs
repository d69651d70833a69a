//! The latency monitor: for each kind of event the latest samples that took at least `latency-monitor-threshold`.

use std::collections::{BTreeMap, VecDeque};

/// Samples kept per event.
const SAMPLES: usize = 160;

/// What took long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A cycle of active defragmentation.
    ActiveDefragCycle,
    /// An fsync of the append-only file that replies waited for.
    AofFsyncAlways,
    /// Renaming a rewritten append-only file.
    AofRename,
    /// Writing to the append-only file.
    AofWrite,
    /// The same while a child is running.
    AofWriteActiveChild,
    /// The same with neither a child nor an fsync.
    AofWriteAlone,
    /// The same while an fsync is running.
    AofWritePendingFsync,
    /// A command.
    Command,
    /// A command whose row says that it is fast.
    FastCommand,
    /// A cycle of eviction.
    EvictionCycle,
    /// Deleting one evicted key.
    EvictionDel,
    /// Waiting for evicted values to be freed in the background.
    EvictionLazyfree,
    /// A cycle of active expiry.
    ExpireCycle,
    /// Deleting one expired key.
    ExpireDel,
    /// fork().
    Fork,
    /// Deleting the temporary file of a snapshot.
    RdbUnlinkTempFile,
    /// What a command that takes long does in place of cron.
    WhileBlockedCron,
}

impl Event {
    /// Its name in LATENCY.
    pub fn name(self) -> &'static str {
        match self {
            Event::ActiveDefragCycle => "active-defrag-cycle",
            Event::AofFsyncAlways => "aof-fsync-always",
            Event::AofRename => "aof-rename",
            Event::AofWrite => "aof-write",
            Event::AofWriteActiveChild => "aof-write-active-child",
            Event::AofWriteAlone => "aof-write-alone",
            Event::AofWritePendingFsync => "aof-write-pending-fsync",
            Event::Command => "command",
            Event::FastCommand => "fast-command",
            Event::EvictionCycle => "eviction-cycle",
            Event::EvictionDel => "eviction-del",
            Event::EvictionLazyfree => "eviction-lazyfree",
            Event::ExpireCycle => "expire-cycle",
            Event::ExpireDel => "expire-del",
            Event::Fork => "fork",
            Event::RdbUnlinkTempFile => "rdb-unlink-temp-file",
            Event::WhileBlockedCron => "while-blocked-cron",
        }
    }
}

/// The worst latency of one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When, Unix seconds.
    pub time: i64,
    /// How long, in milliseconds.
    pub ms: u64,
}

/// The samples of one event.
#[derive(Debug, Default)]
pub struct Series {
    /// The latest samples, oldest first; never empty.
    pub samples: VecDeque<Sample>,
    /// The worst latency since the series began, in milliseconds.
    pub max_ms: u64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.max_ms = self.max_ms.max(sample.ms);
        if let Some(last) = self.samples.back_mut()
            && last.time == sample.time
        {
            last.ms = last.ms.max(sample.ms);
            return;
        }
        if self.samples.len() == SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
    }

    /// Figures over all samples; `now` is Unix seconds.
    pub fn summary(&self, now: i64) -> Summary {
        let count = self.samples.len().max(1) as u64;
        let mean_ms = self.samples.iter().map(|sample| sample.ms).sum::<u64>() / count;
        let deviations = self
            .samples
            .iter()
            .map(|sample| sample.ms.abs_diff(mean_ms));
        let deviation_ms = deviations.sum::<u64>() / count;
        let first = self.samples.front().map_or(now, |sample| sample.time);
        Summary {
            count,
            mean_ms,
            deviation_ms,
            seconds: (now - first).max(1),
        }
    }
}

/// What LATENCY DOCTOR says of a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Samples.
    pub count: u64,
    /// Their mean, in milliseconds.
    pub mean_ms: u64,
    /// Their mean absolute deviation, in milliseconds.
    pub deviation_ms: u64,
    /// Seconds since the first one.
    pub seconds: i64,
}

/// All series.
#[derive(Debug, Default)]
pub struct LatencyMonitor {
    series: BTreeMap<Event, Series>,
}

impl LatencyMonitor {
    /// Adds a sample if the duration reaches the threshold (`latency-monitor-threshold`; 0 turns the monitor off).
    #[inline]
    pub fn note(&mut self, event: Event, threshold_ms: i64, duration_ms: u64, now: i64) {
        if threshold_ms > 0 && duration_ms >= threshold_ms as u64 {
            let sample = Sample {
                time: now,
                ms: duration_ms,
            };
            self.series.entry(event).or_default().add(sample);
        }
    }

    /// Events with samples.
    pub fn series(&self) -> impl ExactSizeIterator<Item = (Event, &Series)> {
        self.series.iter().map(|(&event, series)| (event, series))
    }

    /// The series of the event with this name.
    pub fn named(&self, name: &[u8]) -> Option<(Event, &Series)> {
        self.series()
            .find(|(event, _)| event.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Drops the series of one event; whether there was one.
    pub fn reset(&mut self, event: Event) -> bool {
        self.series.remove(&event).is_some()
    }

    /// Drops all series; how many there were.
    pub fn reset_all(&mut self) -> usize {
        std::mem::take(&mut self.series).len()
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, LatencyMonitor, Sample, Series};

    #[test]
    fn a_second_has_one_sample() {
        let mut series = Series::default();
        for (time, ms) in [(10, 5), (10, 9), (10, 7), (12, 1)] {
            series.add(Sample { time, ms });
        }
        let samples: Vec<_> = series
            .samples
            .iter()
            .map(|each| (each.time, each.ms))
            .collect();
        assert_eq!(samples, [(10, 9), (12, 1)]);
        let summary = series.summary(20);
        assert_eq!(
            (summary.mean_ms, summary.deviation_ms, summary.seconds),
            (5, 4, 10)
        );
    }

    #[test]
    fn the_oldest_samples_make_room() {
        let mut series = Series::default();
        for time in 0..200 {
            series.add(Sample { time, ms: 1 });
        }
        assert_eq!(series.samples.len(), super::SAMPLES);
        assert_eq!(series.samples[0].time, 40);
    }

    #[test]
    fn only_what_reaches_the_threshold_is_noted() {
        let mut monitor = LatencyMonitor::default();
        for (threshold, ms) in [(0, 1000), (10, 9)] {
            monitor.note(Event::Fork, threshold, ms, 1);
        }
        assert_eq!(monitor.series().len(), 0);
        monitor.note(Event::Fork, 10, 10, 1);
        assert!(monitor.named(b"FORK").is_some());
        assert!(monitor.reset(Event::Fork) && !monitor.reset(Event::Fork));
    }
}
