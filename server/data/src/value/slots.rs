//! The parts of a database in a cluster: one per slot, allocated while the slot has keys.
//!
//! Sums over groups of slots make the database's own size cheap to keep and a fair random choice cheap to make: it
//! walks at most the groups, then the slots of one group.
//!
//! # Invariants
//! 1. A part that is present has at least one key.
//! 2. `groups` and `total` are the sums over the parts; `migrating` is how many parts have a table that is being resized.

use std::ptr;

use crate::util::mem::prefetch;
use crate::util::rand::Rng;
use crate::value::part::{Part, Which};

/// Number of slots.
pub const SLOTS: usize = slot::SLOTS as usize;
/// Slots whose sums are kept together.
const GROUP: usize = 128;

/// Bytes of a cache line.
const LINE: usize = 64;

/// Lines that a table is resized by at a time: the tables of all slots tend to grow at the same time, and together they may not
/// take longer than one.
const LINES_PER_STEP: usize = 16;

/// Numbers of keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    keys: usize,
    expires: usize,
}

impl Sums {
    fn of(part: &Part) -> Self {
        Sums {
            keys: part.len(Which::Keys),
            expires: part.len(Which::Expires),
        }
    }

    fn replace(&mut self, before: Sums, after: Sums) {
        self.keys = self.keys - before.keys + after.keys;
        self.expires = self.expires - before.expires + after.expires;
    }

    #[inline]
    fn get(&self, which: Which) -> usize {
        match which {
            Which::Keys => self.keys,
            Which::Expires => self.expires,
        }
    }
}

/// All parts.
pub(crate) struct Slots {
    parts: Box<[Option<Box<Part>>]>,
    groups: [Sums; SLOTS / GROUP],
    total: Sums,
    migrating: usize,
}

impl Slots {
    /// Slots without keys.
    pub(crate) fn new() -> Self {
        Slots {
            parts: (0..SLOTS).map(|_| None).collect(),
            groups: [Sums::default(); SLOTS / GROUP],
            total: Sums::default(),
            migrating: 0,
        }
    }

    /// Number of entries in all tables of one kind.
    #[inline]
    pub(crate) fn len(&self, which: Which) -> usize {
        self.total.get(which)
    }

    /// The part of a slot; `None` if it has no key.
    #[inline]
    pub(crate) fn get(&self, slot: usize) -> Option<&Part> {
        self.parts[slot].as_deref()
    }

    /// Prefetches the head of a slot's table.
    #[inline]
    pub(crate) fn prefetch(&self, slot: usize) {
        if let Some(part) = self.parts[slot].as_deref() {
            let head = ptr::from_ref(part).cast::<u8>();
            prefetch(head);
            prefetch(head.wrapping_add(LINE));
        }
    }

    /// The part of a slot, for changes that neither insert nor remove and leave expiries alone.
    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut Part> {
        self.parts[slot].as_deref_mut()
    }

    /// Changes the part of a slot and accounts for it; `None` if the slot has no key.
    #[inline]
    pub(crate) fn change<R>(
        &mut self,
        slot: usize,
        change: impl FnOnce(&mut Part) -> R,
    ) -> Option<R> {
        self.parts[slot].as_ref()?;
        Some(self.grow(slot, change))
    }

    /// As [`Slots::change`], for a change that may insert the first key of the slot.
    pub(crate) fn grow<R>(&mut self, slot: usize, change: impl FnOnce(&mut Part) -> R) -> R {
        let place = &mut self.parts[slot];
        let part = place.get_or_insert_default();
        let (before, was_migrating) = (Sums::of(part), part.is_migrating());
        let result = change(part);
        let (after, is_migrating) = (Sums::of(part), part.is_migrating());
        if after.keys == 0 {
            *place = None;
        }
        if before != after {
            self.groups[slot / GROUP].replace(before, after);
            self.total.replace(before, after);
        }
        let is_migrating = is_migrating && after.keys > 0;
        self.migrating = self.migrating + usize::from(is_migrating) - usize::from(was_migrating);
        result
    }

    /// The first part from a slot on whose table of this kind is not empty, and its slot.
    pub(crate) fn next_from(&self, mut slot: usize, which: Which) -> Option<(usize, &Part)> {
        while slot < SLOTS {
            if slot.is_multiple_of(GROUP) && self.groups[slot / GROUP].get(which) == 0 {
                slot += GROUP;
                continue;
            }
            match self.get(slot) {
                Some(part) if part.len(which) > 0 => return Some((slot, part)),
                _ => slot += 1,
            }
        }
        None
    }

    /// All parts with keys, in the order of their slots.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter_map(Option::as_deref)
    }

    /// The slot of an entry that is chosen at random among all of one kind; `None` if there are none.
    pub(crate) fn random(&self, rng: &mut Rng, which: Which) -> Option<usize> {
        let len = self.len(which);
        if len == 0 {
            return None;
        }
        let mut rest = rng.below(len as u64) as usize;
        let mut passes = |size: usize| {
            let passes = rest >= size;
            rest -= if passes { size } else { 0 };
            passes
        };
        let group = self
            .groups
            .iter()
            .position(|sums| !passes(sums.get(which)))?;
        let slots = group * GROUP..(group + 1) * GROUP;
        slots
            .into_iter()
            .find(|&slot| !passes(self.get(slot).map_or(0, |part| part.len(which))))
    }

    /// Continues the resize of tables for about `lines` lines in all. Returns whether one is unfinished.
    pub(crate) fn step(&mut self, lines: usize) -> bool {
        let mut left = lines.div_ceil(LINES_PER_STEP);
        let mut slot = 0;
        while left > 0 && self.migrating > 0 && slot < SLOTS {
            let is_migrating = self.get(slot).is_some_and(Part::is_migrating);
            left -= usize::from(is_migrating);
            if !is_migrating || self.change(slot, |part| part.step(LINES_PER_STEP)) != Some(true) {
                slot += 1;
            }
        }
        self.migrating > 0
    }

    /// Verifies the invariants and those of each part; panics on a violation. For tests.
    pub(crate) fn check(&self) {
        let mut total = Sums::default();
        for (at, group) in self.groups.iter().enumerate() {
            let mut sums = Sums::default();
            for slot in at * GROUP..(at + 1) * GROUP {
                let Some(part) = self.get(slot) else { continue };
                part.check();
                assert!(!part.keys().is_empty(), "slot {slot} has a part and no key");
                let keys = part.keys().iter();
                assert!(
                    keys.map(|entry| slot::key_slot(entry.key()))
                        .all(|own| usize::from(own) == slot),
                    "a key of another slot in slot {slot}"
                );
                sums.replace(Sums::default(), Sums::of(part));
            }
            assert_eq!(*group, sums, "sums of group {at}");
            total.replace(Sums::default(), sums);
        }
        assert_eq!(self.total, total, "sums of all");
        let migrating = self.iter().filter(|part| part.is_migrating()).count();
        assert_eq!(self.migrating, migrating, "parts being resized");
    }
}
