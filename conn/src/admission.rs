//! Which incoming handshakes may proceed: how many at once, how many steps per turn, and for how
//! long.
//!
//! A handshake costs 50 KB while it lasts and 0.3 to 0.6 ms of signing, and anyone who can reach the
//! port can start one. Four bounds apply:
//!
//! * **In flight.** A connection takes a slot when its first bytes have arrived, so a peer that
//!   connects and sends nothing costs a descriptor and a few hundred bytes, but no slot. If all slots
//!   are taken, connections whose bytes have arrived are parked, and a slot that becomes free goes to
//!   the one that was parked *last*. In a storm a queue in order of arrival makes every peer wait
//!   until it has given up, and each slot is then spent on a peer that is gone; the newest is the one
//!   most likely to be still there. None waits without limit, because of the deadline.
//! * **Per turn.** Steps of handshakes beyond the turn's budget, in number or in time, wait for the next turn,
//!   so that commands are served in between. One step is made in any case.
//! * **Deadline.** Counted from accept, whether parked or not.
//! * **Contended slots.** While connections are parked, a handshake that has held its slot for longer
//!   than an honest one needs, and waits for its peer, loses it. This takes slots away from peers that
//!   send slowly, long before their deadline.
//!
//! Every connection between accept and the end of its handshake has an `Entry`, which says in which
//! of the three ordered sets it is; `end` removes it from all of them at once.
//!
//! # Invariants
//! 1. The sets hold live connections only: `begin` adds one, and `end` is called whenever a handshake
//!    is done, fails, or its connection is closed. `holders` is exactly the incoming connections in
//!    phase Handshaking, `parked` those that wait for a slot.
//! 2. A connection is in at most one of `holders` and `parked`.
//! 3. A free slot and a parked connection do not last together: whoever calls `end` or `set_limits`
//!    then wakes connections with `wake_parked`.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use crate::connection::ConnId;

/// Bounds on incoming handshakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Handshakes at once; at least 1.
    pub handshakes_in_flight: usize,
    /// Steps of handshakes (each at most one flight of messages) in one turn of the loop; at least
    /// 1.
    pub handshakes_per_turn: u32,
    /// Microseconds after which no further step is begun in that turn; 0 means no limit.
    pub handshakes_turn_us: u64,
    /// Milliseconds from accept to the end of the handshake; 0 means no limit.
    pub handshake_timeout_ms: u64,
    /// Milliseconds that a handshake may hold its slot while others wait for one; at least 1.
    pub contended_slot_ms: u64,
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            handshakes_in_flight: 512,
            handshakes_per_turn: 32,
            handshakes_turn_us: 0,
            handshake_timeout_ms: 10_000,
            contended_slot_ms: 1000,
        }
    }
}

/// Where a connection stands.
#[derive(Clone, Copy)]
enum Standing {
    /// Its first bytes have not arrived.
    Waiting,
    /// Parked, with its number in `parked`.
    Parked(u64),
    /// Was woken for a slot that it has not taken yet.
    Woken,
    /// Holds a slot, since (or renewed at) this time.
    Holding(Instant),
}

struct Entry {
    deadline: Option<Instant>,
    standing: Standing,
}

/// The steps of one turn.
#[derive(Clone, Copy)]
struct Spent {
    turn: u32,
    steps: u32,
    /// When the first step began.
    since: Instant,
}

pub(crate) struct Admission {
    limits: HandshakeLimits,
    /// What the latest turn with a step has spent.
    spent: Option<Spent>,
    entries: HashMap<ConnId, Entry>,
    /// In order of parking.
    parked: BTreeMap<u64, ConnId>,
    last_parked: u64,
    /// Slots that are kept for connections that were woken.
    woken: usize,
    holders: BTreeSet<(Instant, ConnId)>,
    deadlines: BTreeSet<(Instant, ConnId)>,
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
    pub(crate) fn new(limits: HandshakeLimits) -> Self {
        Self {
            limits,
            spent: None,
            entries: HashMap::new(),
            parked: BTreeMap::new(),
            last_parked: 0,
            woken: 0,
            holders: BTreeSet::new(),
            deadlines: BTreeSet::new(),
        }
    }

    pub(crate) fn set_limits(&mut self, limits: HandshakeLimits) {
        self.limits = limits;
    }

    /// Slots that are taken.
    pub(crate) fn in_flight(&self) -> usize {
        self.holders.len()
    }

    /// Connections whose handshake has not begun.
    pub(crate) fn waiting(&self) -> usize {
        self.entries.len() - self.holders.len()
    }

    /// Whether a connection may begin its handshake: a slot was kept for it, or one is free.
    pub(crate) fn has_slot_for(&self, id: ConnId) -> bool {
        let standing = self.entries.get(&id).map(|entry| entry.standing);
        matches!(standing, Some(Standing::Woken)) || self.has_free_slot()
    }

    fn has_free_slot(&self) -> bool {
        self.holders.len() + self.woken < self.limits.handshakes_in_flight.max(1)
    }

    /// Spends one step of the budget of `turn`; false if none is left.
    pub(crate) fn spend(&mut self, turn: u32, now: Instant) -> bool {
        let spent = self.spent.filter(|spent| spent.turn == turn);
        let Some(Spent { steps, since, .. }) = spent else {
            self.spent = Some(Spent {
                turn,
                steps: 1,
                since: now,
            });
            return true;
        };
        let most = Duration::from_micros(self.limits.handshakes_turn_us);
        let is_late = !most.is_zero() && now.saturating_duration_since(since) >= most;
        if is_late || steps >= self.limits.handshakes_per_turn {
            return false;
        }
        self.spent = Some(Spent {
            turn,
            steps: steps + 1,
            since,
        });
        true
    }

    /// Starts the clock of a connection that was accepted.
    pub(crate) fn begin(&mut self, now: Instant, id: ConnId) {
        let timeout_ms = self.limits.handshake_timeout_ms;
        let deadline = (timeout_ms > 0).then(|| now + Duration::from_millis(timeout_ms));
        if let Some(deadline) = deadline {
            self.deadlines.insert((deadline, id));
        }
        let standing = Standing::Waiting;
        self.entries.insert(id, Entry { deadline, standing });
    }

    /// Takes a slot, or renews the time of one that was overdue.
    pub(crate) fn take_slot(&mut self, now: Instant, id: ConnId) {
        if self.move_to(id, Standing::Holding(now)) {
            self.holders.insert((now, id));
        }
    }

    /// Puts a connection aside until a slot is free. True if it is the only one.
    pub(crate) fn park(&mut self, id: ConnId) -> bool {
        self.last_parked += 1;
        if self.move_to(id, Standing::Parked(self.last_parked)) {
            self.parked.insert(self.last_parked, id);
        }
        self.parked.len() == 1
    }

    /// Removes a connection whose handshake is done or has failed, or that was closed. False if there
    /// was none.
    pub(crate) fn end(&mut self, id: ConnId) -> bool {
        self.move_to(id, Standing::Waiting);
        let Some(entry) = self.entries.remove(&id) else {
            return false;
        };
        if let Some(deadline) = entry.deadline {
            self.deadlines.remove(&(deadline, id));
        }
        true
    }

    /// Wakes the connection that was parked last, if a slot is free, and keeps the slot for it.
    pub(crate) fn wake_parked(&mut self) -> Option<ConnId> {
        if !self.has_free_slot() {
            return None;
        }
        let (_, &id) = self.parked.last_key_value()?;
        if self.move_to(id, Standing::Woken) {
            self.woken += 1;
        }
        Some(id)
    }

    /// When the first handshake is to be given up.
    pub(crate) fn first_end(&self) -> Option<Instant> {
        let deadline = self.deadlines.first().map(|&(deadline, _)| deadline);
        deadline.into_iter().chain(self.first_contended()).min()
    }

    /// A connection whose time has passed at `now`. It stays until `end`, or `take_slot` renews it.
    pub(crate) fn overdue(&self, now: Instant) -> Option<(ConnId, Overdue)> {
        if let Some(&(deadline, id)) = self.deadlines.first()
            && deadline <= now
        {
            return Some((id, Overdue::Deadline));
        }
        self.first_contended().filter(|&end| end <= now)?;
        let &(_, id) = self.holders.first()?;
        Some((id, Overdue::Contended))
    }

    /// When the oldest slot is to be given up, if others wait for one.
    fn first_contended(&self) -> Option<Instant> {
        let &(since, _) = self.holders.first()?;
        let most = Duration::from_millis(self.limits.contended_slot_ms.max(1));
        (!self.parked.is_empty()).then_some(since + most)
    }

    /// Gives a connection another standing; false if it has no entry.
    fn move_to(&mut self, id: ConnId, next: Standing) -> bool {
        let Some(entry) = self.entries.get_mut(&id) else {
            return false;
        };
        match std::mem::replace(&mut entry.standing, next) {
            Standing::Waiting => {}
            Standing::Woken => self.woken -= 1,
            Standing::Parked(number) => drop(self.parked.remove(&number)),
            Standing::Holding(since) => {
                self.holders.remove(&(since, id));
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: usize) -> ConnId {
        ConnId::new(index, 1)
    }

    /// With connections 0 to 4 accepted at `start`, 10 ms apart.
    fn admission(in_flight: usize, timeout_ms: u64) -> (Admission, Instant) {
        let mut admission = Admission::new(HandshakeLimits {
            handshakes_in_flight: in_flight,
            handshakes_per_turn: 2,
            handshakes_turn_us: 0,
            handshake_timeout_ms: timeout_ms,
            contended_slot_ms: 20,
        });
        let start = Instant::now();
        for n in 0..5 {
            admission.begin(start + ms(10 * n), id(n as usize));
        }
        (admission, start)
    }

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn is_empty(admission: &Admission) -> bool {
        admission.entries.is_empty()
            && admission.parked.is_empty()
            && admission.holders.is_empty()
            && admission.deadlines.is_empty()
    }

    #[test]
    fn a_free_slot_goes_to_the_newest() {
        let (mut admission, start) = admission(1, 100);
        assert!(admission.has_slot_for(id(0)));
        admission.take_slot(start, id(0));
        for n in 1..=3 {
            assert_eq!(admission.park(id(n)), n == 1);
        }
        assert_eq!(admission.wake_parked(), None);
        admission.end(id(0));
        assert_eq!(admission.wake_parked(), Some(id(3)));
        assert_eq!(admission.wake_parked(), None, "the slot is kept for 3");
        assert!(admission.has_slot_for(id(3)) && !admission.has_slot_for(id(4)));
        admission.take_slot(start, id(3));
        assert_eq!(admission.wake_parked(), None, "3 has taken it");
        admission.end(id(3));
        assert_eq!(admission.wake_parked(), Some(id(2)));
        admission.end(id(2));
        assert_eq!(admission.wake_parked(), Some(id(1)), "2 has left");
    }

    #[test]
    fn a_budget_is_renewed_by_each_turn() {
        let (mut admission, start) = admission(9, 100);
        assert_eq!(
            [1, 1, 1, 2, 2, 2].map(|turn| admission.spend(turn, start)),
            [true, true, false, true, true, false]
        );
    }

    #[test]
    fn a_turn_whose_time_is_over_has_no_budget_left() {
        let (mut admission, start) = admission(9, 100);
        admission.limits.handshakes_per_turn = 8;
        admission.limits.handshakes_turn_us = 2000;
        let steps = [
            (1, 0),
            (1, 1),
            (1, 2),
            (1, 9),
            (2, 9),
            (2, 10),
            (2, 11),
            (3, 20),
        ];
        assert_eq!(
            steps.map(|(turn, at)| admission.spend(turn, start + ms(at))),
            [true, true, false, false, true, true, false, true]
        );
    }

    #[test]
    fn a_limit_of_zero_still_admits_one() {
        let (mut admission, start) = admission(0, 0);
        admission.limits.handshakes_per_turn = 0;
        assert!(admission.has_slot_for(id(0)));
        assert!(admission.spend(1, start));
        assert!(!admission.spend(1, start));
    }

    #[test]
    fn deadlines_count_from_accept() {
        let (mut admission, start) = admission(9, 100);
        assert_eq!(admission.first_end(), Some(start + ms(100)));
        assert!(admission.end(id(0)));
        assert!(!admission.end(id(0)));
        assert_eq!(admission.first_end(), Some(start + ms(110)));
        assert_eq!(admission.overdue(start + ms(109)), None);
        for n in 1..=2 {
            let overdue = Some((id(n), Overdue::Deadline));
            assert_eq!(admission.overdue(start + ms(120)), overdue);
            admission.end(id(n));
        }
        assert_eq!(admission.overdue(start + ms(120)), None);
    }

    #[test]
    fn contended_slots_are_given_up() {
        let (mut admission, start) = admission(2, 0);
        admission.take_slot(start, id(0));
        admission.take_slot(start + ms(10), id(1));
        assert_eq!(admission.first_end(), None);
        assert!(admission.park(id(2)));
        assert!(!admission.park(id(3)));
        assert_eq!(admission.first_end(), Some(start + ms(20)));
        assert_eq!(admission.overdue(start + ms(19)), None);
        let overdue = |n| Some((id(n), Overdue::Contended));
        assert_eq!(admission.overdue(start + ms(20)), overdue(0));
        admission.take_slot(start + ms(20), id(0));
        assert_eq!(admission.in_flight(), 2, "renewed, not taken twice");
        assert_eq!(admission.overdue(start + ms(30)), overdue(1));
    }

    /// A connection that timed out while it was parked stayed in the queue, so slots counted as
    /// contended when nobody waited; without a timeout nothing was ever removed.
    #[test]
    fn whoever_ends_is_removed_everywhere_at_once() {
        for timeout_ms in [0, 100] {
            let (mut admission, start) = admission(1, timeout_ms);
            admission.take_slot(start, id(0));
            for n in 1..4 {
                admission.park(id(n));
            }
            for n in 1..4 {
                assert!(admission.first_contended().is_some());
                admission.end(id(n));
            }
            assert_eq!(admission.first_contended(), None, "nobody waits");
            for n in [0, 4] {
                admission.end(id(n));
            }
            assert!(is_empty(&admission));
            admission.take_slot(start, id(0));
            admission.park(id(0));
            assert!(is_empty(&admission), "it has ended");
        }
    }
}
