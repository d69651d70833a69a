//! A database: the keys, and the index of those that expire.
//!
//! Both are hash tables over the same entries. The first owns them; the second holds a second pointer
//! to each entry that has an expiry, so that expiring keys can be sampled and scanned by themselves.
//! An entry moves when it changes its size, and then both pointers are changed.
//!
//! Methods that end in `_hashed` take the hash of the key, for callers that hashed a whole pipeline at
//! once ([`Db::hash_batch`]) and brought lines and entries close ([`Db::prefetch_line`], then
//! [`Db::prefetch_entry`]).
//!
//! Invariants:
//! 1. `expires` has an alias of exactly those entries of `keys` that have an expiry, at their address.
//! 2. Nothing looks into an entry through `expires` between a move of the entry and the repair of its
//!    alias (see [`Db::update`]).

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::mem;

use crate::ds::table::{Place, Table, TableStats};
use crate::util::hash;
use crate::util::rand::Rng;
use crate::value::NewValue;
use crate::value::aggregate::Kind;
use crate::value::entry::{Alias, Entry, EntryRef, Old};
use crate::value::string::StringEdit;

/// What becomes of the expiry of a key that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expire {
    /// It stays as it is.
    Keep,
    /// The key does not expire.
    Clear,
    /// The key expires at this time, in milliseconds of Unix time.
    At(i64),
}

/// A database.
#[derive(Default)]
pub struct Db {
    keys: Table<Entry>,
    expires: Table<Alias>,
}

impl Db {
    /// An empty database. It takes no memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(key: &[u8]) -> u64 {
        hash::hash(key)
    }

    /// Appends the hash of each key to `out`: cheaper than one by one.
    pub fn hash_batch(keys: &[&[u8]], out: &mut Vec<u64>) {
        hash::hash_batch(keys, out);
    }

    /// Keys in the database.
    #[inline]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Keys that have an expiry.
    #[inline]
    pub fn expires_len(&self) -> usize {
        self.expires.len()
    }

    /// First hint before a lookup: brings the line of the table close.
    #[inline]
    pub fn prefetch_line(&self, hash: u64) {
        self.keys.prefetch_line(hash);
    }

    /// Second hint, some other keys' first hints later: brings the entry close.
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

    /// When a key expires, in milliseconds of Unix time; `None` too when there is no such key.
    pub fn expire_of(&self, key: &[u8]) -> Option<i64> {
        if self.expires.is_empty() {
            return None;
        }
        self.find(key).and_then(EntryRef::expire)
    }

    /// Sets the LRU or LFU field of a key. False when there is no such key.
    pub fn touch_lru(&self, key: &[u8], lru: u32) -> bool {
        self.find(key).map(|entry| entry.set_lru(lru)).is_some()
    }

    /// Stores a value under a key, new or not. Returns what it replaced, `None` when the key is new.
    pub fn set<'v>(
        &mut self,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: u32,
    ) -> Option<Old> {
        self.set_hashed(hash::hash(key), key, value, expire, lru)
    }

    /// Stores a value under a key, new or not. Returns what it replaced, `None` when the key is new.
    pub fn set_hashed<'v>(
        &mut self,
        hash: u64,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: u32,
    ) -> Option<Old> {
        let Some(place) = self.locate(hash, key) else {
            let at_ms = if let Expire::At(at_ms) = expire {
                Some(at_ms)
            } else {
                None
            };
            self.add(hash, Entry::new(key, value, at_ms, lru));
            return None;
        };
        let old = self.update(hash, place, |entry| {
            entry.view().set_lru(lru);
            match expire {
                Expire::Keep => {}
                Expire::Clear => entry.set_expire(None),
                Expire::At(at_ms) => entry.set_expire(Some(at_ms)),
            }
            entry.set_value(value)
        });
        Some(old)
    }

    /// Adds an entry that was taken out of a database, as it is. Gives it back when its key exists.
    pub fn insert(&mut self, entry: Entry) -> Result<(), Entry> {
        let hash = hash::hash(entry.view().key());
        if self.locate(hash, entry.view().key()).is_some() {
            return Err(entry);
        }
        self.add(hash, entry);
        Ok(())
    }

    /// Sets, changes or removes the expiry of a key. False when there is no such key.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<i64>) -> bool {
        let hash = hash::hash(key);
        let place = self.locate(hash, key);
        place
            .map(|place| self.update(hash, place, |entry| entry.set_expire(expire)))
            .is_some()
    }

    /// Takes a key out, with all that belongs to it.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.remove_hashed(hash::hash(key), key)
    }

    /// Takes a key out, with all that belongs to it.
    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        if !self.expires.is_empty()
            && let Some(entry) = self.keys.find(hash, |entry| entry.key() == key)
            && entry.expire().is_some()
        {
            self.expires.remove(hash, |alias| alias.is(entry));
        }
        self.keys.remove(hash, |entry| entry.key() == key)
    }

    /// Edits a string in place; `None` when there is no such key. Whoever calls has seen that the value
    /// is a string. From then on it reports the encoding `raw`.
    pub fn edit_string<R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut StringEdit<'_>) -> R,
    ) -> Option<R> {
        let hash = hash::hash(key);
        let place = self.locate(hash, key)?;
        Some(self.update(hash, place, |entry| edit(&mut StringEdit::new(entry))))
    }

    /// Appends to a string. Returns its new length, `None` when there is no such key.
    pub fn append(&mut self, key: &[u8], bytes: &[u8]) -> Option<usize> {
        self.edit_string(key, |text| text.append(bytes))
    }

    /// Writes into a string, which is lengthened with zeros as needed. Returns its new length, `None`
    /// when there is no such key.
    pub fn set_range(&mut self, key: &[u8], offset: usize, bytes: &[u8]) -> Option<usize> {
        self.edit_string(key, |text| text.set_range(offset, bytes))
    }

    /// Replaces the value of a key that exists by a number, and keeps all else. False when there is no
    /// such key.
    pub fn set_int(&mut self, key: &[u8], number: i64) -> bool {
        let hash = hash::hash(key);
        let place = self.locate(hash, key);
        place
            .map(|place| self.update(hash, place, |entry| entry.set_value(number)))
            .is_some()
    }

    /// Visits about `count` keys from `cursor` on; returns the cursor to go on from, 0 at the end. A
    /// key that stays from the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> u64 {
        self.keys.scan(cursor, count, each)
    }

    /// As [`Db::scan`], over the keys that have an expiry.
    pub fn scan_expires(
        &self,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        self.expires.scan(cursor, count, each)
    }

    /// A key, each with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.keys.random(rng)
    }

    /// A key that has an expiry, each with the same chance.
    pub fn random_expiring(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.expires.random(rng)
    }

    /// Visits up to `count` keys that stand together somewhere. Cheaper than as many fair draws.
    pub fn sample(&self, rng: &mut Rng, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> usize {
        self.keys.sample(rng, count, each)
    }

    /// As [`Db::sample`], over the keys that have an expiry.
    pub fn sample_expires(
        &self,
        rng: &mut Rng,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> usize {
        self.expires.sample(rng, count, each)
    }

    /// All keys, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.keys.iter()
    }

    /// Makes room for as many keys before they come; a hint, taken by an empty database only.
    pub fn reserve(&mut self, keys: usize, expires: usize) {
        self.keys.reserve(keys);
        self.expires.reserve(expires);
    }

    /// Empties the database at once. What it held is returned, to be dropped where there is time.
    #[must_use]
    pub fn clear(&mut self) -> Db {
        mem::take(self)
    }

    /// Exchanges the content of two databases.
    pub fn swap(&mut self, other: &mut Db) {
        mem::swap(self, other);
    }

    /// Goes on with resizing the tables, for about `lines` lines of eight slots each. True while there
    /// is more to do.
    pub fn step(&mut self, lines: usize) -> bool {
        let keys = self.keys.step(lines);
        self.expires.step(lines) || keys
    }

    /// Bytes of the tables of keys and of expiries, without the entries.
    pub fn table_bytes(&self) -> (usize, usize) {
        (self.keys.bytes(), self.expires.bytes())
    }

    /// Bytes of the tables that the allocator's counters miss, since they are mapped.
    pub fn mapped_bytes(&self) -> usize {
        self.keys.mapped_bytes() + self.expires.mapped_bytes()
    }

    /// The tables of keys and of expiries, for DEBUG HTSTATS. Walks both.
    pub fn stats(&self) -> (TableStats, TableStats) {
        (self.keys.stats(), self.expires.stats())
    }

    /// Verifies invariant 1, both tables and every entry; panics when something is wrong. For tests.
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

    /// Where the entry of a key is, for [`Db::at`]; valid until the database changes.
    #[inline]
    pub fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        self.keys.locate(hash, |entry| entry.key() == key)
    }

    /// The entry at a place.
    #[inline]
    pub fn at(&self, place: Place) -> EntryRef<'_> {
        self.keys.get(place)
    }

    /// The value of many elements at a place, to be changed; `None` when it is not of type `K`.
    #[inline]
    pub fn value_mut<K: Kind>(&mut self, place: Place) -> Option<&mut K> {
        // SAFETY: the database owns the entry and is borrowed exclusively for as long as the result lives.
        unsafe { self.keys.get(place).aggregate_mut() }.and_then(K::of_mut)
    }

    /// Adds an entry whose key is not there; where it lies now.
    fn add(&mut self, hash: u64, entry: Entry) -> Place {
        let expires = entry.view().expire().is_some();
        let place = self.keys.insert(hash, entry);
        if expires {
            self.add_alias(hash, place);
        }
        place
    }

    /// Adds an empty value of type `K` under a key that is not there; where it lies now.
    pub fn create<K: Kind>(&mut self, hash: u64, key: &[u8], lru: u32) -> Place {
        debug_assert!(self.locate(hash, key).is_none());
        self.add(hash, Entry::new(key, K::default().wrap(), None, lru))
    }

    fn add_alias(&mut self, hash: u64, place: Place) {
        // SAFETY: the index is only looked at while the entry is in `keys`, at this address: `update`
        // and `remove` change the index together with the entry, and the fields are private.
        let alias = unsafe { Alias::new(self.keys.get(place)) };
        self.expires.insert(hash, alias);
    }

    /// Changes an entry, which may move it or give or take its expiry, and repairs the index.
    fn update<R>(&mut self, hash: u64, place: Place, change: impl FnOnce(&mut Entry) -> R) -> R {
        let before = self.keys.get(place);
        // Found before the change, since afterwards the address may belong to someone else.
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
