//! The counters that the loops of a run share.
//!
//! A batch of any length costs one addition when it is sent and two when its replies were received.
//! The counters synchronize nothing else, so they use relaxed ordering.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

/// The counters.
#[derive(Debug)]
pub struct Tally {
    /// When the run began.
    pub began: Instant,
    wanted: u64,
    issued: AtomicU64,
    finished: AtomicU64,
    /// Microseconds over all replies.
    latency_us: AtomicU64,
    live: AtomicUsize,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub at: Instant,
    /// Replies received.
    pub finished: u64,
    /// Sum of their latencies in microseconds.
    pub latency_us: u64,
}

impl Snapshot {
    /// Replies per second and mean latency in milliseconds since `earlier`; 0 without replies.
    pub fn since(&self, earlier: &Self) -> (f64, f64) {
        let seconds = (self.at - earlier.at).as_secs_f64();
        let replies = (self.finished - earlier.finished) as f64;
        let us = self.latency_us.saturating_sub(earlier.latency_us) as f64;
        let over = |n: f64, d: f64| if d > 0.0 { n / d } else { 0.0 };
        (over(replies, seconds), over(us / 1000.0, replies))
    }
}

impl Tally {
    /// The counters of a run with this many requests and connections, which begins now.
    pub fn new(wanted: u64, clients: usize) -> Self {
        Self {
            began: Instant::now(),
            wanted,
            issued: AtomicU64::new(0),
            finished: AtomicU64::new(0),
            latency_us: AtomicU64::new(0),
            live: AtomicUsize::new(clients),
        }
    }

    /// Claims a batch to send; false when all requests were sent. The last batch may exceed their
    /// number.
    pub fn claim(&self, batch: u64) -> bool {
        !self.is_issued() && self.issued.fetch_add(batch, Ordering::Relaxed) < self.wanted
    }

    /// True when all requests were sent.
    pub fn is_issued(&self) -> bool {
        self.issued.load(Ordering::Relaxed) >= self.wanted
    }

    /// Counts replies; returns how many of them are within the number of requests.
    pub fn finish(&self, replies: u64, latency_us: u64) -> u64 {
        let before = self.finished.fetch_add(replies, Ordering::Relaxed);
        self.latency_us
            .fetch_add(replies.saturating_mul(latency_us), Ordering::Relaxed);
        replies.min(self.wanted.saturating_sub(before))
    }

    /// Replies received.
    pub fn finished(&self) -> u64 {
        self.finished.load(Ordering::Relaxed)
    }

    /// Connections that have not failed.
    pub fn live(&self) -> usize {
        self.live.load(Ordering::Relaxed)
    }

    /// Counts a connection that has failed; returns how many are left.
    pub fn lose_one(&self) -> usize {
        self.live.fetch_sub(1, Ordering::Relaxed) - 1
    }

    /// The counters at the beginning.
    pub fn start(&self) -> Snapshot {
        Snapshot {
            at: self.began,
            finished: 0,
            latency_us: 0,
        }
    }

    /// The counters now.
    pub fn now(&self) -> Snapshot {
        Snapshot {
            at: Instant::now(),
            finished: self.finished(),
            latency_us: self.latency_us.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Snapshot, Tally};

    #[test]
    fn the_last_batch_may_go_beyond() {
        let tally = Tally::new(20, 2);
        assert!(tally.claim(16));
        assert!(tally.claim(16));
        assert!(!tally.claim(16));
        assert!(tally.is_issued());
        assert_eq!(tally.finish(16, 10), 16);
        assert_eq!(tally.finish(16, 10), 4);
        assert_eq!(tally.finish(1, 10), 0);
        assert_eq!(tally.finished(), 33);
        assert_eq!(tally.now().latency_us, 330);
        assert_eq!((tally.lose_one(), tally.live()), (1, 1));
    }

    #[test]
    fn rates_are_those_between_two_moments() {
        let start = Tally::new(1, 1).start();
        let later = Snapshot {
            at: start.at + Duration::from_millis(500),
            finished: 100,
            latency_us: 50_000,
        };
        assert_eq!(later.since(&start), (200.0, 0.5));
        assert_eq!(start.since(&start), (0.0, 0.0));
    }
}
