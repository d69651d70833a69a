//! Which clients an fsync waits for (`appendfsync always`).
//!
//! Clients that are sent replies usually have a next request at once. If an fsync starts before it arrives, the clients fall
//! into two groups that wait for each other's fsync, and each fsync covers the writes of half the clients:
//!
//! ```text
//! at once:    a │── fsync a ──│── fsync b ──│── fsync a ──│── fsync b ──│
//! gathering:  a, b │─ fsync a, b ─│ ·· a, b return ·· │─ fsync a, b ─│
//! ```
//!
//! So an fsync is put off until as many clients have returned as can be expected. It pays as long as the wait is shorter than
//! the fsync that it saves. A client that writes alone is never waited for: the write to be synced is its own.
//!
//! # Invariants
//! 1. No fsync is put off for longer than [`Gather::LIMIT_US`], or than an fsync usually takes.
//! 2. Clients that do not return in time are not waited for the next time ([`Gather::absent`]).

/// The clients that were sent replies when the latest fsync had ended (a round), and those of them that have returned.
#[derive(Debug, Default)]
pub struct Gather {
    /// The number of the round; a client knows the one in which it was sent its reply.
    round: u32,
    released: usize,
    returned: usize,
    /// How many clients did not return in time lately.
    absent: usize,
    /// Rounds since then in which all returned that were expected.
    complete: u32,
    /// Whether it still is of interest who returns.
    is_open: bool,
    /// When the round began, and when a client last returned, in microseconds of monotonic time.
    began_us: u64,
    latest_us: u64,
    /// How long an fsync usually takes, in microseconds.
    usual_us: u64,
}

impl Gather {
    /// Longest wait, in microseconds.
    const LIMIT_US: u64 = 5000;
    /// Nothing is gained before an fsync that takes less than this, in microseconds.
    const WORTH_US: u64 = 200;
    /// Part of the duration of an fsync within which a further client must return.
    const PATIENCE: u64 = 4;
    /// After this many complete rounds, more clients are expected again.
    const PROBE: u32 = 16;

    /// Takes into account that an fsync has taken `us` microseconds; 0 stands for none. One that is exceptionally long counts
    /// little.
    pub fn note_fsync(&mut self, us: u64) {
        if self.usual_us == 0 {
            self.usual_us = us;
        } else if us > 0 {
            let us = us.min(4 * self.usual_us.max(Self::WORTH_US));
            self.usual_us = (7 * self.usual_us + us) / 8;
        }
    }

    /// An fsync has ended, and `released` clients are about to be sent replies.
    pub fn begin(&mut self, released: usize, now_us: u64) {
        self.close();
        self.round = self.round.wrapping_add(1);
        self.released = released;
        self.returned = 0;
        self.began_us = now_us;
        self.latest_us = now_us;
        self.is_open = self.usual_us >= Self::WORTH_US;
    }

    /// The number of the round.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// The replies are sent.
    pub fn note_sent(&mut self, now_us: u64) {
        self.latest_us = now_us;
    }

    /// A client has new output that was sent its last one in round `last`. Whether it is of those that have just returned.
    pub fn note_output(&mut self, last: u32, now_us: u64) -> bool {
        let is_awaited = self.is_open && last == self.round;
        if is_awaited {
            self.returned += 1;
            self.latest_us = now_us;
        }
        is_awaited
    }

    /// The next fsync has begun, or need not wait: who has not returned is not expected the next time.
    pub fn close(&mut self) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        if self.returned < self.expected() {
            self.absent = self.released - self.returned;
            self.complete = 0;
            return;
        }
        self.absent = self.absent.min(self.released.saturating_sub(self.returned));
        self.complete = self.complete.wrapping_add(1);
        if self.complete.is_multiple_of(Self::PROBE) {
            self.absent /= 2;
        }
    }

    fn expected(&self) -> usize {
        self.released.saturating_sub(self.absent)
    }

    /// Whether the round is open.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Until when an fsync waits for more clients, in microseconds of monotonic time; `None` if it need not wait.
    pub fn wait_until(&self) -> Option<u64> {
        if !self.is_open || self.returned >= self.expected() {
            return None;
        }
        let patience = self.latest_us + self.usual_us / Self::PATIENCE;
        let limit = self.began_us + self.usual_us.min(Self::LIMIT_US);
        Some(patience.min(limit))
    }
}

#[cfg(test)]
mod tests {
    use super::Gather;

    /// A round that began at 0 with fsyncs of 4 ms and `released` clients.
    fn round(released: usize) -> Gather {
        let mut gather = Gather::default();
        gather.note_fsync(4000);
        gather.begin(released, 0);
        gather
    }

    #[test]
    fn an_fsync_waits_until_the_clients_have_returned() {
        let mut gather = round(2);
        assert_eq!(gather.wait_until(), Some(1000));
        assert!(gather.note_output(gather.round(), 100));
        assert_eq!(gather.wait_until(), Some(1100));
        assert!(!gather.note_output(gather.round() - 1, 200), "another one");
        assert!(gather.note_output(gather.round(), 300));
        assert_eq!(gather.wait_until(), None);
    }

    #[test]
    fn the_wait_is_shorter_than_an_fsync() {
        let mut gather = round(1000);
        for us in (0..4000).step_by(100) {
            gather.note_output(gather.round(), us);
        }
        assert_eq!(gather.wait_until(), Some(4000));
    }

    #[test]
    fn a_slow_disk_is_waited_for_within_the_limit() {
        let mut gather = Gather::default();
        gather.note_fsync(100_000);
        gather.begin(1000, 0);
        for us in (0..4900).step_by(100) {
            gather.note_output(gather.round(), us);
        }
        assert_eq!(gather.wait_until(), Some(Gather::LIMIT_US));
    }

    #[test]
    fn the_usual_duration_follows_the_disk_but_not_one_fsync() {
        let mut gather = round(1);
        gather.note_fsync(0);
        assert_eq!(gather.usual_us, 4000);
        gather.note_fsync(1_000_000);
        assert_eq!(gather.usual_us, 5500);
        gather.usual_us = 1;
        for _ in 0..40 {
            gather.note_fsync(4000);
        }
        assert!(gather.usual_us > 3000, "{}", gather.usual_us);
    }

    #[test]
    fn a_fast_disk_is_not_waited_for() {
        let mut gather = Gather::default();
        gather.note_fsync(50);
        gather.begin(10, 0);
        assert_eq!(gather.wait_until(), None);
    }

    #[test]
    fn clients_that_do_not_return_are_not_expected_again_until_a_probe() {
        let mut gather = round(3);
        gather.note_output(gather.round(), 100);
        gather.note_output(gather.round(), 100);
        let mut waits = 0;
        for _ in 0..3 * Gather::PROBE {
            gather.begin(3, 0);
            gather.note_output(gather.round(), 100);
            gather.note_output(gather.round(), 100);
            waits += u32::from(gather.wait_until().is_some());
        }
        assert!((1..=3).contains(&waits), "{waits} waits");
    }
}
