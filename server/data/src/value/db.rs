//! A database: the keys, and the index of the keys with an expiry.
//!
//! Both are hash tables over the same entries. The first owns them; the second holds an alias of each entry with an
//! expiry, so that volatile keys can be sampled and scanned separately. An entry moves when its size changes, and then
//! both pointers are updated.
//!
//! Methods that end in `_hashed` take the hash of the key, for callers that hash a whole pipeline at once
//! ([`Db::hash_batch`]) and prefetch table lines and entries ([`Db::prefetch_line`], then [`Db::prefetch_entry`]).
//!
//! Invariants:
//! 1. `expires` has an alias of exactly those entries of `keys` that have an expiry, at their address.
//! 2. No entry is accessed through `expires` between a move of the entry and the update of its alias (see
//!    [`Db::update`]).

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::mem;

use crate::ds::relocation::Relocator;
use crate::ds::table::{Place, Table, TableStats};
use crate::util::hash;
use crate::util::rand::Rng;
use crate::value::NewValue;
use crate::value::aggregate::Kind;
use crate::value::entry::{Alias, Entry, EntryRef, Old};
use crate::value::string::StringEdit;

/// How setting a key changes its expiry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// Keeps the expiry (KEEPTTL).
    Keep,
    /// Removes the expiry.
    Clear,
    /// Sets the expiry, in milliseconds of Unix time.
    At(i64),
}

/// A key that [`Db::relocate`] has visited.
#[derive(Clone, Copy, Debug)]
pub struct Relocated<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The cursor for the rest of its value, to be passed to [`Db::relocate_rest`]; 0 if there is no rest.
    pub rest: u64,
    /// Whether any of its allocations was moved.
    pub is_moved: bool,
}

/// A database.
#[derive(Default)]
pub struct Db {
    keys: Table<Entry>,
    expires: Table<Alias>,
}

impl Db {
    /// An empty database; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(key: &[u8]) -> u64 {
        hash::hash(key)
    }

    /// Appends the hash of each key to `out`; cheaper than one by one.
    pub fn hash_batch(keys: &[&[u8]], out: &mut Vec<u64>) {
        hash::hash_batch(keys, out);
    }

    /// Number of keys.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the database is empty.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Number of keys with an expiry.
    #[inline]
    pub fn expires_len(&self) -> usize {
        self.expires.len()
    }

    /// First prefetch before a lookup: the line of the table.
    #[inline]
    pub fn prefetch_line(&self, hash: u64) {
        self.keys.prefetch_line(hash);
    }

    /// Second prefetch, after the first prefetch of some other keys: the entry.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        self.keys.prefetch_entry(hash);
    }

    /// The entry of a key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find_hashed(hash::hash(key), key)
    }

    /// The entry of a key.
    #[inline]
    pub fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.keys.find(hash, |entry| entry.key() == key)
    }

    /// The expiry of a key in milliseconds of Unix time; `None` if it has none or does not exist.
    pub fn expire_of(&self, key: &[u8]) -> Option<i64> {
        if self.expires.is_empty() {
            return None;
        }
        self.find(key).and_then(EntryRef::expire)
    }

    /// Sets the LRU or LFU field of a key. Returns false if the key does not exist.
    pub fn touch_lru(&self, key: &[u8], lru: u32) -> bool {
        self.find(key).map(|entry| entry.set_lru(lru)).is_some()
    }

    /// Sets the value of a key. Returns the value that it replaced; `None` if the key is new.
    pub fn set<'v>(
        &mut self,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: u32,
    ) -> Option<Old> {
        self.set_hashed(hash::hash(key), key, value, expire, lru)
    }

    /// Sets the value of a key. Returns the value that it replaced; `None` if the key is new.
    pub fn set_hashed<'v>(
        &mut self,
        hash: u64,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: u32,
    ) -> Option<Old> {
        self.set_aged(hash, key, value, expire, |_| lru)
    }

    /// As [`Db::set_hashed`]; the LRU or LFU field follows from that of the value that is replaced.
    #[inline]
    pub fn set_aged<'v>(
        &mut self,
        hash: u64,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: impl FnOnce(Option<u32>) -> u32,
    ) -> Option<Old> {
        let Some(place) = self.locate(hash, key) else {
            let at_ms = if let Expire::At(at_ms) = expire {
                Some(at_ms)
            } else {
                None
            };
            self.add(hash, Entry::new(key, value, at_ms, lru(None)));
            return None;
        };
        let old = self.update(hash, place, |entry| {
            entry.view().set_lru(lru(Some(entry.view().lru())));
            match expire {
                Expire::Keep => {}
                Expire::Clear => entry.set_expire(None),
                Expire::At(at_ms) => entry.set_expire(Some(at_ms)),
            }
            entry.set_value(value)
        });
        Some(old)
    }

    /// Inserts an entry that was removed from a database. Returns it if the key exists already.
    pub fn insert(&mut self, entry: Entry) -> Result<(), Entry> {
        let hash = hash::hash(entry.view().key());
        if self.locate(hash, entry.view().key()).is_some() {
            return Err(entry);
        }
        self.add(hash, entry);
        Ok(())
    }

    /// Sets or removes the expiry of a key. Returns false if the key does not exist.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<i64>) -> bool {
        let hash = hash::hash(key);
        let place = self.locate(hash, key);
        place
            .map(|place| self.update(hash, place, |entry| entry.set_expire(expire)))
            .is_some()
    }

    /// Removes a key and returns its entry.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.remove_hashed(hash::hash(key), key)
    }

    /// Removes a key and returns its entry.
    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        if !self.expires.is_empty()
            && let Some(entry) = self.keys.find(hash, |entry| entry.key() == key)
            && entry.expire().is_some()
        {
            self.expires.remove(hash, |alias| alias.is(entry));
        }
        self.keys.remove(hash, |entry| entry.key() == key)
    }

    /// Edits a string in place; `None` if the key does not exist. The caller has checked that the value is a string,
    /// which from then on reports the encoding `raw`.
    pub fn edit_string<R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut StringEdit<'_>) -> R,
    ) -> Option<R> {
        let hash = hash::hash(key);
        let place = self.locate(hash, key)?;
        Some(self.update(hash, place, |entry| edit(&mut StringEdit::new(entry))))
    }

    /// Appends to a string. Returns its new length; `None` if the key does not exist.
    pub fn append(&mut self, key: &[u8], bytes: &[u8]) -> Option<usize> {
        self.edit_string(key, |text| text.append(bytes))
    }

    /// Overwrites part of a string, zero-padding it as needed. Returns its new length; `None` if the key does not
    /// exist.
    pub fn set_range(&mut self, key: &[u8], offset: usize, bytes: &[u8]) -> Option<usize> {
        self.edit_string(key, |text| text.set_range(offset, bytes))
    }

    /// Replaces the value of an existing key by an integer and keeps everything else. Returns false if the key does
    /// not exist.
    pub fn set_int(&mut self, key: &[u8], number: i64) -> bool {
        let hash = hash::hash(key);
        let place = self.locate(hash, key);
        place
            .map(|place| self.update(hash, place, |entry| entry.set_value(number)))
            .is_some()
    }

    /// Visits about `count` keys from `cursor` on. Returns the next cursor; 0 at the end. A key that exists from the
    /// first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> u64 {
        self.keys.scan(cursor, count, each)
    }

    /// Like [`Db::scan`], over the keys with an expiry.
    pub fn scan_expires(
        &self,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        self.expires.scan(cursor, count, each)
    }

    /// A key chosen uniformly at random.
    pub fn random(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.keys.random(rng)
    }

    /// A key with an expiry, chosen uniformly at random.
    pub fn random_expiring(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.expires.random(rng)
    }

    /// Visits up to `count` adjacent keys at a random position. Cheaper than independent draws.
    pub fn sample(&self, rng: &mut Rng, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> usize {
        self.keys.sample(rng, count, each)
    }

    /// Like [`Db::sample`], over the keys with an expiry.
    pub fn sample_expires(
        &self,
        rng: &mut Rng,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> usize {
        self.expires.sample(rng, count, each)
    }

    /// Iterator over all keys in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.keys.iter()
    }

    /// Reserves capacity for `count` keys. Ignored unless the database is empty.
    pub fn reserve(&mut self, keys: usize, expires: usize) {
        self.keys.reserve(keys);
        self.expires.reserve(expires);
    }

    /// Empties the database at once. Returns its content, so that the caller can free it later or elsewhere.
    #[must_use]
    pub fn clear(&mut self) -> Db {
        mem::take(self)
    }

    /// Swaps the content of two databases.
    pub fn swap(&mut self, other: &mut Db) {
        mem::swap(self, other);
    }

    /// Continues the resize of the tables for about `lines` lines of eight slots each. Returns whether it is
    /// unfinished.
    pub fn step(&mut self, lines: usize) -> bool {
        let keys = self.keys.step(lines);
        self.expires.step(lines) || keys
    }

    /// Moves the allocations of about `count` keys from `cursor` on, as [`Db::scan`] visits them, and at first those of the
    /// tables; of an aggregate those of about `fields` elements. Returns the next cursor, 0 at the end.
    pub fn relocate(
        &mut self,
        cursor: u64,
        (count, fields): (usize, usize),
        relocator: &mut dyn Relocator,
        each: &mut dyn FnMut(Relocated<'_>),
    ) -> u64 {
        let Db { keys, expires } = self;
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

    /// Moves the allocations of about `count` elements of a key's value from `cursor` on. Returns the next cursor; 0 at the
    /// end, or if the key no longer exists or holds a string.
    pub fn relocate_rest(
        &mut self,
        key: &[u8],
        cursor: u64,
        count: usize,
        relocator: &mut dyn Relocator,
    ) -> u64 {
        let Some(place) = self.locate(hash::hash(key), key) else {
            return 0;
        };
        // SAFETY: the database owns the entry and is borrowed exclusively.
        match unsafe { self.keys.get(place).aggregate_mut() } {
            Some(aggregate) => aggregate.relocate(cursor, count, relocator),
            None => 0,
        }
    }

    /// Bytes of the two tables, without the entries.
    pub fn table_bytes(&self) -> (usize, usize) {
        (self.keys.bytes(), self.expires.bytes())
    }

    /// Statistics of the tables of keys and of expiries, for DEBUG HTSTATS. Walks both.
    pub fn stats(&self) -> (TableStats, TableStats) {
        (self.keys.stats(), self.expires.stats())
    }

    /// Verifies invariant 1, both tables and every entry; panics on a violation. For tests.
    pub fn check(&self) {
        self.keys.check();
        self.expires.check();
        self.keys.iter().for_each(EntryRef::check);
        let expiring = self.keys.iter().filter(|entry| entry.expire().is_some());
        let expiring: BTreeSet<*const u8> = expiring.map(EntryRef::address).collect();
        let aliases: BTreeSet<*const u8> = self.expires.iter().map(EntryRef::address).collect();
        assert_eq!(expiring, aliases, "the index of expiring keys");
        assert_eq!(aliases.len(), self.expires.len(), "an alias twice");
    }

    /// Location of a key's entry, for [`Db::at`]; valid until the database changes.
    #[inline]
    pub fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        self.keys.locate(hash, |entry| entry.key() == key)
    }

    /// The entry at a place.
    #[inline]
    pub fn at(&self, place: Place) -> EntryRef<'_> {
        self.keys.get(place)
    }

    /// The aggregate at a place for modification; `None` if it is not of type `K`.
    #[inline]
    pub fn value_mut<K: Kind>(&mut self, place: Place) -> Option<&mut K> {
        // SAFETY: the database owns the entry and is borrowed exclusively for as long as the result lives.
        unsafe { self.keys.get(place).aggregate_mut() }.and_then(K::of_mut)
    }

    /// Inserts an entry whose key does not exist. Returns its place.
    fn add(&mut self, hash: u64, entry: Entry) -> Place {
        let expires = entry.view().expire().is_some();
        let place = self.keys.insert(hash, entry);
        if expires {
            self.add_alias(hash, place);
        }
        place
    }

    /// Inserts an empty value of type `K` under a key that does not exist. Returns its place.
    pub fn create<K: Kind>(&mut self, hash: u64, key: &[u8], lru: u32) -> Place {
        debug_assert!(self.locate(hash, key).is_none());
        self.add(hash, Entry::new(key, K::default().wrap(), None, lru))
    }

    fn add_alias(&mut self, hash: u64, place: Place) {
        // SAFETY: the index is only accessed while the entry is in `keys`, at this address: `update` and `remove`
        // change the index together with the entry, and the fields are private.
        let alias = unsafe { Alias::new(self.keys.get(place)) };
        self.expires.insert(hash, alias);
    }

    /// Modifies an entry, which may move it or add or remove its expiry, and updates the index.
    fn update<R>(&mut self, hash: u64, place: Place, change: impl FnOnce(&mut Entry) -> R) -> R {
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
        // SAFETY: as in `Db::add_alias`; the table of keys gets the new address with the end of this change.
        expires.replace(alias, unsafe { Alias::new(entry.view()) });
    }
}
