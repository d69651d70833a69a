//! Which incoming handshakes may go on: how many at once, how many steps per turn, and for how
//! long.
//!
//! A handshake costs 50 KB while it lasts and 0.3 to 0.6 ms of signing, and whoever can reach the
//! port can ask for one. Three bounds hold:
//!
//! * **In flight.** A connection takes a slot only once its first bytes are there, so that those
//!   who connect and say nothing cost a descriptor and a hundred bytes, never a slot. When all
//!   slots are taken, connections whose bytes are there are parked, and a slot that falls free goes
//!   to the one that was parked *last*. In a storm a queue served in order makes everyone wait
//!   until they have given up: each slot is then spent on a peer that is gone. The newest is the
//!   one most likely to be there still. None waits for ever, because of the third bound.
//! * **Per turn.** Steps of handshakes beyond the turn's budget wait for the next turn, so that
//!   commands are served in between.
//! * **Deadline.** Counted from accept, parked or not.
//! * **Contended slots.** While connections are parked, a handshake that has held its slot for
//!   longer than an honest one needs, and waits for its peer, gives it up. It is what takes slots
//!   away from peers that dribble, long before their deadline.
//!
//! Invariants:
//! 1. `in_flight` counts the incoming connections in phase Handshaking.
//! 2. A free slot and a parked connection never last together: who frees a slot, or drops a
//!    connection that was woken for one, calls `next_parked`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::connection::ConnId;

/// Bounds on incoming handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes under way at once; at least 1.
    pub handshakes_in_flight: usize,
    /// Steps of handshakes (each at most one flight of messages) in one turn of the loop; at least
    /// 1.
    pub handshakes_per_turn: u32,
    /// Milliseconds from accept to the end of the handshake; 0 is for ever.
    pub handshake_timeout_ms: u64,
    /// Milliseconds that a handshake may hold its slot while others wait for one; at least 1.
    pub contended_slot_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes_in_flight: 512,
            handshakes_per_turn: 32,
            handshake_timeout_ms: 10_000,
            contended_slot_ms: 1000,
        }
    }
}

pub(crate) struct Admission {
    limits: Limits,
    in_flight: usize,
    /// The turn that `steps` counts, and how many were made in it.
    turn: u32,
    steps: u32,
    parked: Vec<ConnId>,
    /// Since when connections hold a slot, in order.
    holders: VecDeque<(Instant, ConnId)>,
    /// In order, unless the timeout was shortened meanwhile; then a deadline is met late by as
    /// much.
    deadlines: VecDeque<(Instant, ConnId)>,
}

/// Why a handshake is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overdue {
    /// Its deadline has passed.
    Deadline,
    /// Others wait for its slot.
    Contended,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            in_flight: 0,
            turn: 0,
            steps: 0,
            parked: Vec::new(),
            holders: VecDeque::new(),
            deadlines: VecDeque::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn has_slot(&self) -> bool {
        self.in_flight < self.limits.handshakes_in_flight.max(1)
    }

    pub(crate) fn take_slot(&mut self, now: Instant, id: ConnId) {
        self.in_flight += 1;
        self.holders.push_back((now, id));
    }

    /// Lets one that was overdue keep its slot for as long again.
    pub(crate) fn keep_slot(&mut self, now: Instant, id: ConnId) {
        self.holders.push_back((now, id));
    }

    pub(crate) fn free_slot(&mut self) {
        debug_assert!(self.in_flight > 0, "a slot was freed twice");
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Spends one step of the budget of `turn`; false if there is none left.
    pub(crate) fn spend(&mut self, turn: u32) -> bool {
        if self.turn != turn {
            (self.turn, self.steps) = (turn, 0);
        }
        if self.steps >= self.limits.handshakes_per_turn.max(1) {
            return false;
        }
        self.steps += 1;
        true
    }

    /// Puts a connection aside until a slot is free. True if it is the only one.
    pub(crate) fn park(&mut self, id: ConnId) -> bool {
        self.parked.push(id);
        self.parked.len() == 1
    }

    /// The connection that is to be woken next, if a slot is free. It may be gone; then ask again.
    pub(crate) fn next_parked(&mut self) -> Option<ConnId> {
        if self.has_slot() {
            self.parked.pop()
        } else {
            None
        }
    }

    /// Starts the clock of a connection that was accepted.
    pub(crate) fn begin(&mut self, now: Instant, id: ConnId) {
        let timeout_ms = self.limits.handshake_timeout_ms;
        if timeout_ms > 0 {
            self.deadlines
                .push_back((now + Duration::from_millis(timeout_ms), id));
        }
    }

    /// Time from `now` until a handshake is to be given up, among connections that `is_live`; others
    /// are dropped on the way.
    pub(crate) fn soonest(
        &mut self,
        now: Instant,
        is_live: impl Fn(ConnId) -> bool,
    ) -> Option<Duration> {
        for queue in [&mut self.deadlines, &mut self.holders] {
            while queue.pop_front_if(|&mut (_, id)| !is_live(id)).is_some() {}
        }
        let deadline = self.deadlines.front().map(|&(deadline, _)| deadline);
        let contended = self.contended();
        deadline
            .into_iter()
            .chain(contended)
            .min()
            .map(|first| first.saturating_duration_since(now))
    }

    /// The next connection whose time is over. It may be done long since, or gone.
    pub(crate) fn overdue(&mut self, now: Instant) -> Option<(ConnId, Overdue)> {
        let passed = self
            .deadlines
            .pop_front_if(|(deadline, _)| *deadline <= now);
        if let Some((_, id)) = passed {
            return Some((id, Overdue::Deadline));
        }
        self.contended().filter(|&end| end <= now)?;
        let (_, id) = self.holders.pop_front()?;
        Some((id, Overdue::Contended))
    }

    /// When the oldest slot is to be given up, if somebody waits for it.
    fn contended(&self) -> Option<Instant> {
        let &(since, _) = self.holders.front()?;
        let most = Duration::from_millis(self.limits.contended_slot_ms.max(1));
        (!self.parked.is_empty()).then_some(since + most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: usize) -> ConnId {
        ConnId::new(index, 1)
    }

    fn admission(handshakes_in_flight: usize, handshakes_per_turn: u32) -> Admission {
        Admission::new(Limits {
            handshakes_in_flight,
            handshakes_per_turn,
            handshake_timeout_ms: 100,
            contended_slot_ms: 20,
        })
    }

    #[test]
    fn a_freed_slot_goes_to_the_newest() {
        let mut admission = admission(1, 9);
        assert!(admission.has_slot());
        admission.take_slot(Instant::now(), id(0));
        for n in 1..=3 {
            admission.park(id(n));
        }
        assert_eq!(admission.next_parked(), None);
        admission.free_slot();
        assert_eq!(admission.next_parked(), Some(id(3)));
        assert_eq!(admission.next_parked(), Some(id(2)));
    }

    #[test]
    fn a_budget_begins_anew_with_each_turn() {
        let mut admission = admission(9, 2);
        assert_eq!(
            [1, 1, 1, 2, 2, 2].map(|turn| admission.spend(turn)),
            [true, true, false, true, true, false]
        );
    }

    #[test]
    fn a_limit_of_nothing_still_lets_one_through() {
        let mut admission = admission(0, 0);
        assert!(admission.has_slot());
        assert!(admission.spend(1));
        assert!(!admission.spend(1));
    }

    #[test]
    fn deadlines_count_from_accept() {
        let mut admission = admission(9, 9);
        let start = Instant::now();
        let ms = Duration::from_millis;
        for n in 0..3 {
            admission.begin(start + ms(10 * n), id(n as usize));
        }
        assert_eq!(admission.soonest(start, |_| true), Some(ms(100)));
        assert_eq!(admission.soonest(start, |id| id.index() > 0), Some(ms(110)));
        let passed = |n| Some((id(n), Overdue::Deadline));
        assert_eq!(admission.overdue(start + ms(109)), None);
        assert_eq!(admission.overdue(start + ms(120)), passed(1));
        assert_eq!(admission.overdue(start + ms(120)), passed(2));
        assert_eq!(admission.soonest(start, |_| true), None);
    }

    #[test]
    fn slots_that_others_wait_for_are_given_up() {
        let mut admission = admission(2, 9);
        let start = Instant::now();
        let ms = Duration::from_millis;
        for n in 0..2 {
            admission.take_slot(start + ms(10 * n), id(n as usize));
        }
        assert_eq!(admission.soonest(start, |_| true), None);
        assert_eq!(admission.overdue(start + ms(99)), None);
        assert!(admission.park(id(2)));
        assert!(!admission.park(id(3)));
        assert_eq!(admission.soonest(start, |_| true), Some(ms(20)));
        assert_eq!(admission.overdue(start + ms(19)), None);
        let given_up = Some((id(0), Overdue::Contended));
        assert_eq!(admission.overdue(start + ms(20)), given_up);
        assert_eq!(admission.soonest(start, |_| true), Some(ms(30)));
    }
}
