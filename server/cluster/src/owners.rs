//! Which node owns which slot, and which slots of this node are being moved.
//!
//! # Invariants
//! 1. `owner(slot) == Some(ix)` if and only if the slots of that node contain it (`membership`).
//! 2. A slot in `unclaimed` has an owner.

use std::collections::BTreeMap;

use slot::SLOTS;

use crate::ids::NodeIx;
use crate::slots::SlotSet;

/// The table of slots.
#[derive(Debug)]
pub struct Owners {
    /// Owner by slot.
    owners: Box<[Option<NodeIx>]>,
    /// Slots of this node that are moving away, with their targets.
    pub migrating: BTreeMap<u16, NodeIx>,
    /// Slots that are moving to this node, with their sources.
    pub importing: BTreeMap<u16, NodeIx>,
    /// Slots whose owner no longer announces them. It stays the owner until another node announces them, since a redirection
    /// costs clients less than an error, but UPDATE packets do not contain them.
    pub unclaimed: SlotSet,
}

impl Default for Owners {
    fn default() -> Self {
        Owners {
            owners: vec![None; usize::from(SLOTS)].into_boxed_slice(),
            migrating: BTreeMap::new(),
            importing: BTreeMap::new(),
            unclaimed: SlotSet::new(),
        }
    }
}

impl Owners {
    /// The owner of a slot.
    #[inline]
    pub fn owner(&self, slot: u16) -> Option<NodeIx> {
        self.owners[usize::from(slot)]
    }

    /// Sets the owner of a slot.
    pub fn set_owner(&mut self, slot: u16, owner: Option<NodeIx>) {
        self.owners[usize::from(slot)] = owner;
    }

    /// The owner of a slot that it also announces.
    pub fn claimed_owner(&self, slot: u16) -> Option<NodeIx> {
        self.owner(slot).filter(|_| !self.unclaimed.contains(slot))
    }

    /// Ranges `(first, last, owner)` of slots with the same owner, in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16, NodeIx)> + '_ {
        let mut slots = (0..SLOTS).peekable();
        std::iter::from_fn(move || {
            let (first, owner) = slots.find_map(|slot| Some((slot, self.owner(slot)?)))?;
            let mut last = first;
            while let Some(slot) = slots.next_if(|&slot| self.owner(slot) == Some(owner)) {
                last = slot;
            }
            Some((first, last, owner))
        })
    }

    /// Ends all moves.
    pub fn close_all(&mut self) {
        self.migrating.clear();
        self.importing.clear();
    }
}
