//! A part of a database: the keys of one cluster slot, or all keys where there are no slots.
//!
//! Two hash tables over the same entries. The first owns them; the second holds an alias of each entry with an expiry, so that
//! volatile keys can be sampled and scanned separately. An entry moves when its size changes, and then both pointers are
//! updated.
//!
//! # Invariants
//! 1. `expires` has an alias of exactly those entries of `keys` that have an expiry, at their address.
//! 2. No entry is accessed through `expires` between a move of the entry and the update of its alias (see
//!    [`Part::update`]).

#![allow(unsafe_code)]

use std::collections::BTreeSet;

use crate::ds::relocation::Relocator;
use crate::ds::table::{Place, Table};
use crate::util::hash;
use crate::util::rand::Rng;
use crate::value::aggregate::Kind;
use crate::value::db::Relocated;
use crate::value::entry::{Alias, Entry, EntryRef};

/// Which table of a part is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// That of all keys.
    Keys,
    /// That of the keys with an expiry.
    Expires,
}

/// Keys, and the index of those with an expiry. Callers pass the hash of a key along with it.
///
/// The tables have different orders, and those of different databases too: what one returns in its order is inserted into
/// the other, by EXPIRE of all that SCAN returns, or MOVE.
pub(crate) struct Part {
    keys: Table<Entry>,
    expires: Table<Alias>,
}

impl Default for Part {
    fn default() -> Self {
        Part::numbered(0)
    }
}

impl Part {
    /// Without keys, for the database with a number.
    pub(crate) fn numbered(number: usize) -> Self {
        let order = 2 * number as u64;
        Part {
            keys: Table::ordered_by(order),
            expires: Table::ordered_by(order + 1),
        }
    }

    /// Without keys, in the same orders.
    pub(crate) fn new_like(&self) -> Self {
        Part {
            keys: self.keys.new_like(),
            expires: self.expires.new_like(),
        }
    }

    /// The table of all keys.
    #[inline]
    pub(crate) fn keys(&self) -> &Table<Entry> {
        &self.keys
    }

    /// The table of the keys with an expiry.
    #[inline]
    pub(crate) fn expires(&self) -> &Table<Alias> {
        &self.expires
    }

    /// Number of entries in a table.
    #[inline]
    pub(crate) fn len(&self, which: Which) -> usize {
        match which {
            Which::Keys => self.keys.len(),
            Which::Expires => self.expires.len(),
        }
    }

    /// See [`Db::scan`](crate::value::db::Db::scan).
    pub(crate) fn scan(
        &self,
        which: Which,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        match which {
            Which::Keys => self.keys.scan(cursor, count, each),
            Which::Expires => self.expires.scan(cursor, count, each),
        }
    }

    /// See [`Db::sample`](crate::value::db::Db::sample).
    pub(crate) fn sample(
        &self,
        which: Which,
        rng: &mut Rng,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> usize {
        match which {
            Which::Keys => self.keys.sample(rng, count, each),
            Which::Expires => self.expires.sample(rng, count, each),
        }
    }

    /// An entry of a table, chosen uniformly at random.
    pub(crate) fn random(&self, which: Which, rng: &mut Rng) -> Option<EntryRef<'_>> {
        match which {
            Which::Keys => self.keys.random(rng),
            Which::Expires => self.expires.random(rng),
        }
    }

    /// Whether one of the tables is being resized.
    #[inline]
    pub(crate) fn is_migrating(&self) -> bool {
        self.keys.is_migrating() || self.expires.is_migrating()
    }

    /// The entry of a key.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.keys.find(hash, |entry| entry.key() == key)
    }

    /// Location of a key's entry; valid until the part changes.
    #[inline]
    pub(crate) fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        self.keys.locate(hash, |entry| entry.key() == key)
    }

    /// The entry at a place.
    #[inline]
    pub(crate) fn at(&self, place: Place) -> EntryRef<'_> {
        self.keys.get(place)
    }

    /// The aggregate at a place for modification; `None` if it is not of type `K`.
    #[inline]
    pub(crate) fn value_mut<K: Kind>(&mut self, place: Place) -> Option<&mut K> {
        // SAFETY: the part owns the entry and is borrowed exclusively for as long as the result lives.
        unsafe { self.keys.get(place).aggregate_mut() }.and_then(K::of_mut)
    }

    /// Inserts an entry whose key does not exist. Returns its place.
    pub(crate) fn add(&mut self, hash: u64, entry: Entry) -> Place {
        let expires = entry.view().expire().is_some();
        let place = self.keys.insert(hash, entry);
        if expires {
            self.add_alias(hash, place);
        }
        place
    }

    /// Removes a key and returns its entry.
    pub(crate) fn remove(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        let place = self.locate(hash, key)?;
        Some(self.remove_at(hash, place))
    }

    /// Removes the entry at the place of a key with this hash.
    pub(crate) fn remove_at(&mut self, hash: u64, place: Place) -> Entry {
        let entry = self.keys.get(place);
        if entry.expire().is_some() {
            self.expires.remove(hash, |alias| alias.is(entry));
        }
        self.keys.remove_at(place)
    }

    fn add_alias(&mut self, hash: u64, place: Place) {
        // SAFETY: the index is only accessed while the entry is in `keys`, at this address: `update` and `remove`
        // change the index together with the entry, and the fields are private.
        let alias = unsafe { Alias::new(self.keys.get(place)) };
        self.expires.insert(hash, alias);
    }

    /// Modifies an entry, which may move it or add or remove its expiry, and updates the index.
    pub(crate) fn update<R>(
        &mut self,
        hash: u64,
        place: Place,
        change: impl FnOnce(&mut Entry) -> R,
    ) -> R {
        let before = self.keys.get(place);
        // Looked up before the change, since afterwards the address may belong to another entry.
        let alias = before
            .expire()
            .and_then(|_| self.expires.locate(hash, |alias| alias.is(before)));
        let result = self.keys.update(place, change);
        let after = self.keys.get(place);
        match (alias, after.expire().is_some()) {
            (None, false) => {}
            (None, true) => self.add_alias(hash, place),
            (Some(alias), true) => {
                // SAFETY: as in `add_alias`.
                self.expires.replace(alias, unsafe { Alias::new(after) });
            }
            (Some(alias), false) => {
                self.expires.remove_at(alias);
            }
        }
        result
    }

    /// See [`Entry::overwrite_int`]. The entry stays where it is, and so does its alias.
    pub(crate) fn overwrite_int(&mut self, place: Place, number: i64) -> bool {
        self.keys.update(place, |entry| entry.overwrite_int(number))
    }

    /// Reserves capacity. Ignored unless the part is empty.
    pub(crate) fn reserve(&mut self, keys: usize, expires: usize) {
        self.keys.reserve(keys);
        self.expires.reserve(expires);
    }

    /// Continues the resize of the tables for about `lines` lines of eight slots each. Returns whether it is
    /// unfinished.
    pub(crate) fn step(&mut self, lines: usize) -> bool {
        let keys = self.keys.step(lines);
        self.expires.step(lines) || keys
    }

    /// See [`Db::relocate`](crate::value::db::Db::relocate).
    pub(crate) fn relocate(
        &mut self,
        cursor: u64,
        (count, fields): (usize, usize),
        relocator: &mut dyn Relocator,
        each: &mut dyn FnMut(Relocated<'_>),
    ) -> u64 {
        let Part { keys, expires } = self;
        if cursor == 0 {
            keys.relocate_arrays(relocator);
            expires.relocate_arrays(relocator);
        }
        keys.scan_mut(cursor, count, &mut |entry| {
            let before = relocator.moves();
            let rest = entry.relocate_value(fields, relocator);
            if relocator.should_move(entry.view().address()) {
                relocate_entry(entry, expires);
            }
            each(Relocated {
                key: entry.view().key(),
                rest,
                is_moved: relocator.moves() > before,
            });
        })
    }

    /// See [`Db::relocate_rest`](crate::value::db::Db::relocate_rest).
    pub(crate) fn relocate_rest(
        &mut self,
        place: Place,
        cursor: u64,
        count: usize,
        relocator: &mut dyn Relocator,
    ) -> u64 {
        // SAFETY: the part owns the entry and is borrowed exclusively.
        match unsafe { self.keys.get(place).aggregate_mut() } {
            Some(aggregate) => aggregate.relocate(cursor, count, relocator),
            None => 0,
        }
    }

    /// Verifies invariant 1, both tables and every entry; panics on a violation. For tests.
    pub(crate) fn check(&self) {
        self.keys.check();
        self.expires.check();
        self.keys.iter().for_each(EntryRef::check);
        let expiring = self.keys.iter().filter(|entry| entry.expire().is_some());
        let expiring: BTreeSet<*const u8> = expiring.map(EntryRef::address).collect();
        let aliases: BTreeSet<*const u8> = self.expires.iter().map(EntryRef::address).collect();
        assert_eq!(expiring, aliases, "the index of expiring keys");
        assert_eq!(aliases.len(), self.expires.len(), "an alias twice");
    }
}

/// Moves an entry, and updates its alias in the index of expiring keys.
fn relocate_entry(entry: &mut Entry, expires: &mut Table<Alias>) {
    let before = entry.view();
    // Looked up before the move, since afterwards the address may belong to another entry.
    let alias = before.expire().and_then(|_| {
        let hash = hash::hash(before.key());
        expires.locate(hash, |alias| alias.is(before))
    });
    entry.relocate();
    if let Some(alias) = alias {
        // SAFETY: as in `Part::add_alias`; the table of keys gets the new address with the end of this change.
        expires.replace(alias, unsafe { Alias::new(entry.view()) });
    }
}
