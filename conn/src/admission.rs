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
//! * **Deadline.** Counted from accept, parked or not. It is what takes slots away from peers that
//!   dribble.
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
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            handshakes_in_flight: 512,
            handshakes_per_turn: 32,
            handshake_timeout_ms: 10_000,
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
    /// In order, unless the timeout was shortened meanwhile; then a deadline is met late by as
    /// much.
    deadlines: VecDeque<(Instant, ConnId)>,
}

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            in_flight: 0,
            turn: 0,
            steps: 0,
            parked: Vec::new(),
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

    pub(crate) fn take_slot(&mut self) {
        self.in_flight += 1;
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

    pub(crate) fn park(&mut self, id: ConnId) {
        self.parked.push(id);
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

    /// Time from `now` to the first deadline among connections that `is_live`; others are dropped
    /// on the way.
    pub(crate) fn soonest(
        &mut self,
        now: Instant,
        is_live: impl Fn(ConnId) -> bool,
    ) -> Option<Duration> {
        while let Some(&(deadline, id)) = self.deadlines.front() {
            if is_live(id) {
                return Some(deadline.saturating_duration_since(now));
            }
            self.deadlines.pop_front();
        }
        None
    }

    /// The next connection whose deadline has passed. It may be done long since, or gone.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<ConnId> {
        self.deadlines
            .pop_front_if(|(deadline, _)| *deadline <= now)
            .map(|(_, id)| id)
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
        })
    }

    #[test]
    fn a_freed_slot_goes_to_the_newest() {
        let mut admission = admission(1, 9);
        assert!(admission.has_slot());
        admission.take_slot();
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
        assert_eq!(admission.expired(start + ms(109)), None);
        assert_eq!(admission.expired(start + ms(120)), Some(id(1)));
        assert_eq!(admission.expired(start + ms(120)), Some(id(2)));
        assert_eq!(admission.soonest(start, |_| true), None);
    }
}
