//! Counters for INFO, counted since start or CONFIG RESETSTAT, except those that describe the present state.

use std::collections::BTreeMap;

use table::CmdId;

/// Number of samples behind an instantaneous rate.
const SAMPLES: usize = 16;
const SUB_BITS: u32 = 7;
/// Number of buckets of a histogram into which each power of two of nanoseconds is divided.
const SUB: usize = 1 << SUB_BITS;
/// Maximum number of distinct error codes that are counted; more would come from a client that invents them.
pub const MAX_ERROR_CODES: usize = 128;

/// A rate, sampled by cron.
#[derive(Default, Clone, Copy)]
pub struct Rate {
    samples: [u64; SAMPLES],
    next: usize,
    last_value: u64,
    last_ms: u64,
}

impl Rate {
    /// Samples a counter at a monotonic time in milliseconds.
    pub fn sample(&mut self, value: u64, now_ms: u64) {
        let elapsed = now_ms.saturating_sub(self.last_ms);
        let growth = value.saturating_sub(self.last_value) * 1000;
        if let Some(rate) = growth.checked_div(elapsed) {
            self.samples[self.next] = rate;
            self.next = (self.next + 1) % SAMPLES;
        }
        self.last_value = value;
        self.last_ms = now_ms;
    }

    /// Mean over the latest samples, per second.
    pub fn per_second(&self) -> u64 {
        self.samples.iter().sum::<u64>() / SAMPLES as u64
    }
}

/// Log-linear histogram of durations in nanoseconds, buckets of at most 0.8 %: the buckets of an HdrHistogram with two
/// significant digits, as Redis uses. Longer durations are counted in the last bucket.
#[derive(Clone, Default)]
pub struct Histogram<const LONGEST_NS: u64> {
    counts: Vec<u32>,
}

/// The durations of a command.
pub type Latency = Histogram<1_000_000_000>;

/// The durations of handshakes, which may exceed their timeout: with `tls-mixed-port` silence precedes them.
pub type HandshakeLatency = Histogram<60_000_000_000>;

impl<const LONGEST_NS: u64> Histogram<LONGEST_NS> {
    /// Counts one duration.
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let index = Self::index(ns.clamp(1, LONGEST_NS));
        match self.counts.get_mut(index) {
            Some(count) => *count = count.saturating_add(1),
            None => self.record_first(index),
        }
    }

    /// The counts are allocated when a duration is counted for the first time.
    #[cold]
    fn record_first(&mut self, index: usize) {
        self.counts.resize(Self::index(LONGEST_NS) + 1, 0);
        self.counts[index] += 1;
    }

    #[inline]
    fn index(ns: u64) -> usize {
        let exponent = (63 - ns.leading_zeros()).max(SUB_BITS) - SUB_BITS;
        exponent as usize * SUB + (ns >> exponent) as usize
    }

    /// Upper edge in nanoseconds of the bucket with this index.
    fn edge(index: usize) -> u64 {
        let exponent = (index / SUB).saturating_sub(1);
        let mantissa = (index - exponent * SUB) as u64;
        ((mantissa + 1) << exponent) - 1
    }

    /// Number of durations counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().copied().map(u64::from).sum()
    }

    /// The duration in nanoseconds that `percentile` per cent of all do not exceed.
    pub fn percentile(&self, percentile: f64) -> u64 {
        let target = ((percentile / 100.0 * self.count() as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            if seen >= target {
                return Self::edge(index);
            }
        }
        0
    }

    /// Cumulative counts at powers of two of 1024 nanoseconds, as LATENCY HISTOGRAM shows them: (µs, count).
    pub fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut rows = Vec::new();
        let total = self.count();
        let (mut seen, mut shown, mut bound_ns) = (0u64, 0u64, 1024u64);
        for (index, &count) in self.counts.iter().enumerate() {
            seen += u64::from(count);
            // The bucket that holds the bound ends a row.
            if index != Self::index(bound_ns) && index + 1 != self.counts.len() {
                continue;
            }
            bound_ns *= 2;
            if seen > shown {
                rows.push((Self::edge(index) / 1000, seen));
                shown = seen;
            }
            if seen == total {
                break;
            }
        }
        rows
    }
}

/// Counters of one command.
#[derive(Clone, Default)]
pub struct CommandStats {
    /// Executions.
    pub calls: u64,
    /// Execution time, nanoseconds.
    pub time_ns: u64,
    /// Calls refused before execution.
    pub rejected: u64,
    /// Calls that ended in an error.
    pub failed: u64,
    /// Distribution of the execution time.
    pub latency: Latency,
}

/// Counters of the server.
#[derive(Default)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Commands executed.
    pub commands: u64,
    /// How long handshakes of TLS took, from accept.
    pub handshakes: HandshakeLatency,
    /// Connections refused: by `maxclients`, by protected mode, or for their certificate.
    pub rejected_connections: u64,
    /// Bytes read from clients.
    pub input_bytes: u64,
    /// Bytes sent to clients.
    pub output_bytes: u64,
    /// Bytes of snapshots and of the stream sent to replicas.
    pub replica_output_bytes: u64,
    /// Full synchronizations of replicas.
    pub sync_full: u64,
    /// Partial resynchronizations that were granted.
    pub sync_partial_ok: u64,
    /// Partial resynchronizations that were refused.
    pub sync_partial_err: u64,
    /// Read events.
    pub reads: u64,
    /// Write events.
    pub writes: u64,
    /// Keys deleted because they had expired.
    pub expired_keys: u64,
    /// Keys evicted because more than `maxmemory` was in use.
    pub evicted_keys: u64,
    /// Clients closed because clients used more than `maxmemory-clients`.
    pub evicted_clients: u64,
    /// Time during which more than `maxmemory` was in use, microseconds; without the present period.
    pub eviction_exceeded_us: u64,
    /// Estimated share of expired keys that were not deleted yet, per cent.
    pub expired_stale_perc: f64,
    /// Cycles of active expiry that reached their time limit.
    pub expired_time_cap_reached: u64,
    /// Time spent in active expiry, microseconds.
    pub expire_cycle_us: u64,
    /// Allocations that active defragmentation has moved.
    pub defrag_hits: u64,
    /// Allocations that it has left where they are.
    pub defrag_misses: u64,
    /// Keys of which it has moved an allocation.
    pub defrag_key_hits: u64,
    /// Keys of which it has moved none.
    pub defrag_key_misses: u64,
    /// Time during which passes of it followed each other, microseconds; without the present period.
    pub defrag_us: u64,
    /// Lookups that found a key.
    pub hits: u64,
    /// Lookups that found none.
    pub misses: u64,
    /// Bytes received from the primary.
    pub repl_input_bytes: u64,
    /// Commands of the primary that failed, and error replies to replicas.
    pub unexpected_error_replies: u64,
    /// Error replies.
    pub error_replies: u64,
    /// Error replies by code.
    pub errors: BTreeMap<Vec<u8>, u64>,
    /// Clients closed for `client-query-buffer-limit`.
    pub query_buffer_disconnects: u64,
    /// Clients closed for their output limit.
    pub output_buffer_disconnects: u64,
    /// Reply buffers that were shrunk.
    pub reply_buffer_shrinks: u64,
    /// Reply buffers that were enlarged.
    pub reply_buffer_expands: u64,
    /// Changes since the last save: `rdb_changes_since_last_save`.
    pub dirty: u64,
    /// Duration of the latest fork, microseconds.
    pub fork_us: u64,
    /// Speed of the latest fork: memory in use per second, in GiB.
    pub fork_rate: f64,
    /// Forks.
    pub forks: u64,
    /// Commands per second.
    pub command_rate: Rate,
    /// Bytes read per second.
    pub input_rate: Rate,
    /// Bytes sent per second.
    pub output_rate: Rate,
    /// Turns of the event loop.
    pub loop_turns: u64,
    /// Busy time of all turns, microseconds.
    pub loop_us: u64,
    /// The longest turn, microseconds without the sleep.
    pub loop_max_us: u64,
    /// The most commands in one turn.
    pub loop_max_commands: u64,
    /// Time spent on the append-only file, microseconds.
    pub aof_us: u64,
    /// Time spent in cron, microseconds.
    pub cron_us: u64,
    /// Turns of the event loop per second.
    pub loop_rate: Rate,
    /// Busy time of turns per second, microseconds.
    pub loop_time_rate: Rate,
    /// Per command.
    pub by_command: ByCommand,
}

/// The counters of all commands, by index.
pub struct ByCommand(Box<[CommandStats]>);

impl Default for ByCommand {
    fn default() -> Self {
        ByCommand(vec![CommandStats::default(); table::COUNT].into())
    }
}

impl ByCommand {
    /// The counters of one command.
    pub fn get(&self, id: CmdId) -> &CommandStats {
        &self.0[id.index()]
    }

    /// The counters of all commands, in the order of their indices.
    pub fn iter(&self) -> impl Iterator<Item = &CommandStats> {
        self.0.iter()
    }
}

impl Stats {
    /// Counts a fork that took `us` microseconds while `used` bytes were in use.
    pub fn note_fork(&mut self, us: u64, used: usize) {
        let gib = used as f64 / f64::from(1 << 30);
        self.fork_us = us;
        self.fork_rate = gib / (us.max(1) as f64 / 1e6);
        self.forks += 1;
    }

    /// The counters of one command.
    #[inline]
    pub fn command(&mut self, id: CmdId) -> &mut CommandStats {
        &mut self.by_command.0[id.index()]
    }

    /// Counts an error reply under its code.
    pub fn count_error(&mut self, code: &[u8]) {
        self.error_replies += 1;
        if self.errors.len() < MAX_ERROR_CODES || self.errors.contains_key(code) {
            *self.errors.entry(code.to_vec()).or_default() += 1;
        }
    }

    /// CONFIG RESETSTAT: resets everything but the number of changes, and what bounds the number of warnings.
    pub fn reset(&mut self) {
        *self = Stats {
            dirty: self.dirty,
            ..Stats::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{HandshakeLatency, Latency, Rate};

    #[test]
    fn percentiles_are_within_a_bucket() {
        let mut latency = Latency::default();
        for ns in 1..=100_000u64 {
            latency.record(ns);
        }
        for (percentile, exact) in [(50.0, 50_000.0), (99.0, 99_000.0), (100.0, 100_000.0)] {
            let got = latency.percentile(percentile) as f64;
            assert!((got / exact - 1.0).abs() < 0.04, "{percentile}: {got}");
        }
        let rows = latency.cumulative();
        assert_eq!(rows.last().map(|row| row.1), Some(100_000));
        assert!(
            rows.windows(2)
                .all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1)
        );
    }

    #[test]
    fn handshakes_that_take_seconds_are_told_apart() {
        let mut latency = HandshakeLatency::default();
        for seconds in [2, 9, 30, 3600] {
            latency.record(seconds * 1_000_000_000);
        }
        for (percentile, exact) in [(25.0, 2e9), (50.0, 9e9), (75.0, 30e9), (100.0, 60e9)] {
            let got = latency.percentile(percentile) as f64;
            assert!((got / exact - 1.0).abs() < 0.01, "{percentile}: {got}");
        }
    }

    #[test]
    fn every_duration_lies_in_its_bucket() {
        for ns in
            (0..30).flat_map(|shift| [(1u64 << shift), (1u64 << shift) + 1, (3u64 << shift) / 2])
        {
            let index = Latency::index(ns);
            assert!(ns <= Latency::edge(index), "{ns}");
            assert!(index == 0 || ns > Latency::edge(index - 1), "{ns}");
        }
    }

    #[test]
    fn a_rate_is_the_mean_of_its_samples() {
        let mut rate = Rate::default();
        for i in 0..=16 {
            rate.sample(i * 50, 1 + i * 100);
        }
        assert!(
            (490..=530).contains(&rate.per_second()),
            "{}",
            rate.per_second()
        );
    }
}
