//! Who is told of executed commands: the slow log, the latency monitor, and clients in MONITOR.
//!
//! One comparison per command tells whether anybody wants it: that of its duration with [`Observers::from_ns`].
//!
//! # Invariants
//! 1. `from_ns` is 0 while a client is in MONITOR, and else the lower one of both thresholds.

use crate::state::client_id::ClientId;

/// No command takes so long, in nanoseconds.
const NEVER: u64 = u64::MAX;

/// Those who are told of executed commands.
#[derive(Debug)]
pub struct Observers {
    monitors: Vec<ClientId>,
    slow_ns: u64,
    latency_ns: u64,
    from_ns: u64,
}

impl Observers {
    /// Observers with these thresholds: `slowlog-log-slower-than` in microseconds, negative for none, and
    /// `latency-monitor-threshold` in milliseconds, 0 for none.
    pub fn new(slower_than_us: i64, latency_ms: i64) -> Self {
        let mut observers = Observers {
            monitors: Vec::new(),
            slow_ns: NEVER,
            latency_ns: NEVER,
            from_ns: NEVER,
        };
        observers.set_thresholds(slower_than_us, latency_ms);
        observers
    }

    /// Changes the thresholds; see [`Observers::new`].
    pub fn set_thresholds(&mut self, slower_than_us: i64, latency_ms: i64) {
        self.slow_ns = u64::try_from(slower_than_us).map_or(NEVER, |us| us.saturating_mul(1000));
        self.latency_ns = match u64::try_from(latency_ms) {
            Ok(0) | Err(_) => NEVER,
            Ok(ms) => ms.saturating_mul(1_000_000),
        };
        self.settle();
    }

    /// The duration in nanoseconds from which on somebody is told of a command.
    #[inline]
    pub fn from_ns(&self) -> u64 {
        self.from_ns
    }

    /// Whether the slow log keeps a command that took `ns` nanoseconds.
    #[inline]
    pub fn is_slow(&self, ns: u64) -> bool {
        ns >= self.slow_ns && self.slow_ns != NEVER
    }

    /// Whether the slow log is kept at all.
    pub fn has_slow_log(&self) -> bool {
        self.slow_ns != NEVER
    }

    /// The clients in MONITOR.
    pub fn monitors(&self) -> &[ClientId] {
        &self.monitors
    }

    /// A client is in MONITOR from now on.
    pub fn add_monitor(&mut self, id: ClientId) {
        self.monitors.push(id);
        self.settle();
    }

    /// A client is no longer in MONITOR.
    pub fn remove_monitor(&mut self, id: ClientId) {
        self.monitors.retain(|&other| other != id);
        self.settle();
    }

    fn settle(&mut self) {
        self.from_ns = if self.monitors.is_empty() {
            self.slow_ns.min(self.latency_ns)
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::{NEVER, Observers};
    use crate::state::client_id::ClientId;

    #[test]
    fn the_lowest_threshold_counts() {
        let cases = [
            (-1, 0, NEVER),
            (0, 0, 0),
            (10, 0, 10_000),
            (-1, 3, 3_000_000),
            (10_000, 3, 3_000_000),
            (1, 3, 1000),
            (i64::MAX, i64::MAX, NEVER),
        ];
        for (slow_us, latency_ms, from_ns) in cases {
            let mut observers = Observers::new(slow_us, latency_ms);
            assert_eq!(observers.from_ns(), from_ns, "{slow_us} {latency_ms}");
            let id = ClientId::from_word(1);
            observers.add_monitor(id);
            assert_eq!(observers.from_ns(), 0);
            observers.set_thresholds(slow_us, latency_ms);
            assert_eq!(observers.from_ns(), 0);
            observers.remove_monitor(id);
            assert_eq!(observers.from_ns(), from_ns, "{slow_us} {latency_ms}");
        }
    }

    #[test]
    fn the_slow_log_has_a_threshold_of_its_own() {
        assert!(Observers::new(0, 0).is_slow(0));
        assert!(!Observers::new(-1, 0).is_slow(NEVER));
        assert!(Observers::new(5, 0).is_slow(5000) && !Observers::new(5, 0).is_slow(4999));
    }
}
