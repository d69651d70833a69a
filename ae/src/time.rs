//! Timers: a deadline, a proc, a data word.
//!
//! They are kept in one `Vec` in order of deadline, earliest last. A server has a handful of timers
//! (cron, one deadline per subsystem), for which moving the tail on insertion is cheaper than a heap.
//! It is not meant for a timer per client: such users keep their own queue and one timer for its
//! earliest deadline.
//!
//! # Invariants
//! 1. Deadlines do not increase from one element to the next.
//! 2. A timer runs at most once per pass, whatever its proc answers, and not in the pass in which it
//!    was added.
//! 3. The timer whose proc runs stays in place, marked `running`, so its proc may remove it, and a
//!    nested pass skips it.
//! 4. The clock is monotonic; setting the wall clock does not affect timers.

use std::time::{Duration, Instant};

/// Names a timer. Never used twice by one loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId(u64);

/// Called when a timer is due: the host, the timer, its data word.
pub type TimeProc<S> = fn(&mut S, TimerId, u64) -> Next;

/// What happens to a timer whose proc has run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Again, this many milliseconds from the end of the proc.
    In(u64),
    /// Removed.
    Never,
}

struct Timer<S> {
    deadline: Instant,
    id: TimerId,
    proc: TimeProc<S>,
    data: u64,
    /// The pass in which it was added or last ran.
    pass: u64,
    running: bool,
}

pub(crate) struct Timers<S> {
    timers: Vec<Timer<S>>,
    next_id: u64,
    pass: u64,
}

impl<S> Timers<S> {
    pub(crate) fn new() -> Self {
        Self {
            timers: Vec::new(),
            next_id: 1,
            pass: 0,
        }
    }

    pub(crate) fn add(&mut self, now: Instant, ms: u64, proc: TimeProc<S>, data: u64) -> TimerId {
        let id = TimerId(self.next_id);
        self.next_id += 1;
        self.insert(Timer {
            deadline: after(now, ms),
            id,
            proc,
            data,
            pass: self.pass,
            running: false,
        });
        id
    }

    pub(crate) fn remove(&mut self, id: TimerId) -> bool {
        self.take(id).is_some()
    }

    /// Time from `now` to the earliest deadline of a timer that is not running.
    pub(crate) fn soonest(&self, now: Instant) -> Option<Duration> {
        let timer = self.timers.iter().rev().find(|timer| !timer.running)?;
        Some(timer.deadline.saturating_duration_since(now))
    }

    /// Begins a pass; its number is what `next_due` asks for.
    pub(crate) fn begin(&mut self) -> u64 {
        self.pass += 1;
        self.pass
    }

    /// The earliest timer that is due at `now` and may run in `pass`; it counts as running until
    /// `reschedule`.
    pub(crate) fn next_due(
        &mut self,
        now: Instant,
        pass: u64,
    ) -> Option<(TimerId, TimeProc<S>, u64)> {
        let due = self
            .timers
            .iter_mut()
            .rev()
            .take_while(|timer| timer.deadline <= now);
        let timer = due
            .into_iter()
            .find(|timer| !timer.running && timer.pass < pass)?;
        timer.running = true;
        Some((timer.id, timer.proc, timer.data))
    }

    /// Applies the answer of the proc of `id`, unless that proc has removed its own timer.
    pub(crate) fn reschedule(&mut self, now: Instant, id: TimerId, next: Next) {
        let Some(timer) = self.take(id) else { return };
        if let Next::In(ms) = next {
            self.insert(Timer {
                deadline: after(now, ms),
                pass: self.pass,
                running: false,
                ..timer
            });
        }
    }

    fn take(&mut self, id: TimerId) -> Option<Timer<S>> {
        let index = self.timers.iter().rposition(|timer| timer.id == id)?;
        Some(self.timers.remove(index))
    }

    fn insert(&mut self, timer: Timer<S>) {
        // Of equal deadlines the one added first runs first, so the new one goes in front of them.
        let index = self
            .timers
            .partition_point(|other| other.deadline > timer.deadline);
        self.timers.insert(index, timer);
    }
}

/// A sum that saturates about three hundred years ahead instead of overflowing.
fn after(now: Instant, ms: u64) -> Instant {
    let far = Duration::from_secs(10_000_000_000);
    now.checked_add(Duration::from_millis(ms))
        .unwrap_or_else(|| now + far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stay(_: &mut (), _: TimerId, _: u64) -> Next {
        Next::Never
    }

    /// Takes everything due at `ms` after `start`, each answering `next`, and returns the data
    /// words in order.
    fn pass(timers: &mut Timers<()>, start: Instant, ms: u64, next: Next) -> Vec<u64> {
        let now = after(start, ms);
        let pass = timers.begin();
        let mut ran = Vec::new();
        while let Some((id, _, data)) = timers.next_due(now, pass) {
            ran.push(data);
            timers.reschedule(now, id, next);
        }
        ran
    }

    #[test]
    fn timers_run_in_order_of_deadline_then_of_insertion() {
        let start = Instant::now();
        let mut timers = Timers::new();
        for (ms, data) in [(30, 1), (10, 2), (20, 3), (10, 4), (40, 5)] {
            timers.add(start, ms, stay, data);
        }
        assert_eq!(timers.soonest(start), Some(Duration::from_millis(10)));
        assert_eq!(pass(&mut timers, start, 30, Next::Never), [2, 4, 3, 1]);
        assert_eq!(pass(&mut timers, start, 39, Next::Never), [0; 0]);
        assert_eq!(pass(&mut timers, start, 40, Next::Never), [5]);
        assert_eq!(timers.soonest(start), None);
    }

    #[test]
    fn a_timer_that_asks_for_no_delay_runs_once_per_pass() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.add(start, 0, stay, 7);
        assert_eq!(pass(&mut timers, start, 0, Next::In(0)), [7]);
        assert_eq!(pass(&mut timers, start, 0, Next::In(0)), [7]);
    }

    #[test]
    fn a_timer_added_during_a_pass_waits_for_the_next() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let number = timers.begin();
        timers.add(start, 0, stay, 1);
        assert!(timers.next_due(start, number).is_none());
        assert_eq!(pass(&mut timers, start, 0, Next::Never), [1]);
    }

    #[test]
    fn a_running_timer_is_skipped_and_can_be_removed() {
        let start = Instant::now();
        let mut timers = Timers::new();
        let id = timers.add(start, 0, stay, 1);
        let outer = timers.begin();
        assert!(timers.next_due(start, outer).is_some());
        let inner = timers.begin();
        assert!(timers.next_due(start, inner).is_none());
        assert_eq!(timers.soonest(start), None);
        assert!(timers.remove(id));
        assert!(!timers.remove(id));
        timers.reschedule(start, id, Next::In(5));
        assert_eq!(timers.soonest(start), None);
    }

    #[test]
    fn an_unrepresentable_delay_saturates() {
        let start = Instant::now();
        let mut timers = Timers::new();
        timers.add(start, u64::MAX, stay, 1);
        assert!(timers.soonest(start) > Some(Duration::from_secs(1_000_000_000)));
    }
}
