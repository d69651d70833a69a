//! A database: the keys, and the index of the keys with an expiry.
//!
//! Outside a cluster all keys are in one part ([`Part`]); in a cluster each slot has a part of its own ([`Slots`]), so that the
//! keys of a slot can be counted, listed and dropped without a search. Both stand behind one interface.
//!
//! Methods that end in `_hashed` take the hash of the key, for callers that hash a whole pipeline at once
//! ([`Db::hash_batch`]) and prefetch table lines and entries ([`Db::prefetch_line`], then [`Db::prefetch_entry`]).
//! Tables use the high 48 bits of a hash; in a cluster the low bits of what [`Db::hash`] returns are the slot, so
//! whoever has the hash of a key knows its slot, too.
//!
//! A SCAN cursor in a cluster has the slot in its low 14 bits, above them the cursor within the part.

use std::iter;
use std::mem;

use crate::ds::relocation::Relocator;
use crate::ds::table::{self, Element, Table, TableStats};
use crate::util::hash;
use crate::util::rand::Rng;
use crate::value::NewValue;
use crate::value::aggregate::Kind;
use crate::value::entry::{Entry, EntryRef, Old};
use crate::value::part::{Part, Which};
use crate::value::slots::{SLOTS, Slots};
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

/// Location of an entry, for [`Db::at`]; valid until the database changes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    slot: usize,
    spot: table::Place,
}

/// A database.
#[derive(Default)]
pub struct Db {
    parts: Parts,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there are few databases, and each lookup would follow one more pointer"
)]
enum Parts {
    /// One for all keys.
    One(Part),
    /// One per slot.
    Slots(Box<Slots>),
}

impl Default for Parts {
    fn default() -> Self {
        Parts::One(Part::default())
    }
}

impl Db {
    /// An empty database; allocates nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The empty database with a number.
    pub fn numbered(number: usize) -> Self {
        Db {
            parts: Parts::One(Part::numbered(number)),
        }
    }

    /// An empty database of a node of a cluster.
    pub fn by_slot() -> Self {
        Db {
            parts: Parts::Slots(Box::new(Slots::new())),
        }
    }

    /// An empty database of the same kind and order.
    pub fn new_like(&self) -> Self {
        match &self.parts {
            Parts::One(part) => Db {
                parts: Parts::One(part.new_like()),
            },
            Parts::Slots(_) => Self::by_slot(),
        }
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.with_slot(hash::hash(key), key)
    }

    /// Appends the hash of each key to `out`; cheaper than one by one.
    pub fn hash_batch(&self, keys: &[&[u8]], out: &mut Vec<u64>) {
        let start = out.len();
        hash::hash_batch(keys, out);
        if let Parts::Slots(_) = self.parts {
            for (hash, key) in out[start..].iter_mut().zip(keys) {
                *hash = self.with_slot(*hash, key);
            }
        }
    }

    #[inline]
    fn with_slot(&self, hash: u64, key: &[u8]) -> u64 {
        match self.parts {
            Parts::One(_) => hash,
            Parts::Slots(_) => hash & !SLOT_MASK | u64::from(slot::key_slot(key)),
        }
    }

    /// The slot of a key whose hash this database has computed. Meaningless outside a cluster.
    #[inline]
    pub fn slot_of(hash: u64) -> u16 {
        (hash & SLOT_MASK) as u16
    }

    /// Number of keys.
    #[inline]
    pub fn len(&self) -> usize {
        self.count(Which::Keys)
    }

    /// Whether the database is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of keys with an expiry.
    #[inline]
    pub fn expires_len(&self) -> usize {
        self.count(Which::Expires)
    }

    #[inline]
    fn count(&self, which: Which) -> usize {
        match &self.parts {
            Parts::One(part) => part.len(which),
            Parts::Slots(slots) => slots.len(which),
        }
    }

    /// Number of keys of a slot. 0 outside a cluster.
    pub fn slot_len(&self, slot: u16) -> usize {
        self.slot(slot).map_or(0, |part| part.keys().len())
    }

    /// The keys of a slot in no particular order. None outside a cluster.
    ///
    /// They begin at another place when their number has changed. So some at a time can be taken and removed until none is
    /// left, without a walk over those that were removed before.
    pub fn slot_keys(&self, slot: u16) -> impl Iterator<Item = &[u8]> {
        let keys = self.slot(slot).map(|part| {
            let seed = Rng::new(part.keys().len() as u64).next_u64();
            part.keys().iter_from(seed as usize)
        });
        keys.into_iter().flatten().map(EntryRef::key)
    }

    fn slot(&self, slot: u16) -> Option<&Part> {
        match &self.parts {
            Parts::One(_) => None,
            Parts::Slots(slots) => slots.get(usize::from(slot)),
        }
    }

    /// Prefetch before the lookup of a single key: the line of the table. In a cluster the head of the slot's table, which
    /// has to be there before the line can be prefetched.
    #[inline]
    pub fn prefetch_head(&self, hash: u64) {
        match &self.parts {
            Parts::One(part) => part.keys().prefetch_line(hash),
            Parts::Slots(slots) => slots.prefetch(slot_index(hash)),
        }
    }

    /// First prefetch before a lookup: the line of the table.
    #[inline]
    pub fn prefetch_line(&self, hash: u64) {
        if let Some(part) = self.part(hash) {
            part.keys().prefetch_line(hash);
        }
    }

    /// Second prefetch, after the first prefetch of some other keys: the entry.
    #[inline]
    pub fn prefetch_entry(&self, hash: u64) {
        if let Some(part) = self.part(hash) {
            part.keys().prefetch_entry(hash);
        }
    }

    /// The entry of a key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<EntryRef<'_>> {
        self.find_hashed(self.hash(key), key)
    }

    /// The entry of a key.
    #[inline]
    pub fn find_hashed(&self, hash: u64, key: &[u8]) -> Option<EntryRef<'_>> {
        self.part(hash)?.find(hash, key)
    }

    /// The expiry of a key in milliseconds of Unix time; `None` if it has none or does not exist.
    pub fn expire_of(&self, key: &[u8]) -> Option<i64> {
        if self.expires_len() == 0 {
            return None;
        }
        self.find(key).and_then(EntryRef::expire)
    }

    /// Sets the value of a key. Returns the value that it replaced; `None` if the key is new.
    pub fn set<'v>(
        &mut self,
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Expire,
        lru: u32,
    ) -> Option<Old> {
        self.set_hashed(self.hash(key), key, value, expire, lru)
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
        Some(self.update(hash, place, |entry| {
            entry.view().set_lru(lru(Some(entry.view().lru())));
            match expire {
                Expire::Keep => {}
                Expire::Clear => entry.set_expire(None),
                Expire::At(at_ms) => entry.set_expire(Some(at_ms)),
            }
            entry.set_value(value)
        }))
    }

    /// Inserts an entry that was removed from a database. Returns it if the key exists already.
    pub fn insert(&mut self, entry: Entry) -> Result<(), Entry> {
        let hash = self.hash(entry.view().key());
        if self.locate(hash, entry.view().key()).is_some() {
            return Err(entry);
        }
        self.add(hash, entry);
        Ok(())
    }

    /// Sets or removes the expiry of a key. Returns false if the key does not exist.
    pub fn set_expire(&mut self, key: &[u8], expire: Option<i64>) -> bool {
        self.edit(key, |entry| entry.set_expire(expire)).is_some()
    }

    /// Removes a key and returns its entry.
    pub fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        self.remove_hashed(self.hash(key), key)
    }

    /// Removes a key and returns its entry.
    pub fn remove_hashed(&mut self, hash: u64, key: &[u8]) -> Option<Entry> {
        match &mut self.parts {
            Parts::One(part) => part.remove(hash, key),
            Parts::Slots(slots) => slots
                .change(slot_index(hash), |part| part.remove(hash, key))
                .flatten(),
        }
    }

    /// Removes the entry at the place that [`Db::locate`] has found for a key with this hash.
    pub fn remove_at(&mut self, hash: u64, place: Place) -> Entry {
        match &mut self.parts {
            Parts::One(part) => part.remove_at(hash, place.spot),
            Parts::Slots(slots) => slots
                .change(place.slot, |part| part.remove_at(hash, place.spot))
                .expect(PLACE),
        }
    }

    /// Edits a string in place; `None` if the key does not exist. The caller has checked that the value is a string,
    /// which from then on reports the encoding `raw`.
    pub fn edit_string<R>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut StringEdit<'_>) -> R,
    ) -> Option<R> {
        self.edit(key, |entry| edit(&mut StringEdit::new(entry)))
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
    pub fn set_int(&mut self, hash: u64, key: &[u8], number: i64) -> bool {
        let Some(place) = self.locate(hash, key) else {
            return false;
        };
        let part = self.part_mut(place.slot);
        if !part.is_some_and(|part| part.overwrite_int(place.spot, number)) {
            self.update(hash, place, |entry| entry.set_value(number));
        }
        true
    }

    /// Visits about `count` keys from `cursor` on. Returns the next cursor; 0 at the end. A key that exists from the
    /// first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> u64 {
        self.scan_of(Which::Keys, cursor, count, each)
    }

    /// Like [`Db::scan`], over the keys with an expiry.
    pub fn scan_expires(
        &self,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        self.scan_of(Which::Expires, cursor, count, each)
    }

    fn scan_of(
        &self,
        which: Which,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> u64 {
        let slots = match &self.parts {
            Parts::One(part) => return part.scan(which, cursor, count, each),
            Parts::Slots(slots) => slots,
        };
        let mut walk = Walk::new(cursor, count, which);
        while walk.goes_on() {
            let Some(part) = walk.next(slots).and_then(|slot| slots.get(slot)) else {
                return 0;
            };
            let mut seen = 0;
            let within = part.scan(which, walk.within, walk.left, &mut |entry| {
                seen += 1;
                each(entry);
            });
            walk.visited(within, seen);
        }
        walk.cursor(slots)
    }

    /// A key chosen uniformly at random.
    pub fn random(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.random_of(Which::Keys, rng)
    }

    /// A key with an expiry, chosen uniformly at random.
    pub fn random_expiring(&self, rng: &mut Rng) -> Option<EntryRef<'_>> {
        self.random_of(Which::Expires, rng)
    }

    fn random_of(&self, which: Which, rng: &mut Rng) -> Option<EntryRef<'_>> {
        let part = match &self.parts {
            Parts::One(part) => part,
            // Each slot with the share of keys that it has.
            Parts::Slots(slots) => slots.get(slots.random(rng, which)?)?,
        };
        part.random(which, rng)
    }

    /// Visits up to `count` adjacent keys at a random position. Cheaper than independent draws.
    pub fn sample(&self, rng: &mut Rng, count: usize, each: &mut dyn FnMut(EntryRef<'_>)) -> usize {
        self.sample_of(Which::Keys, rng, count, each)
    }

    /// Like [`Db::sample`], over the keys with an expiry.
    pub fn sample_expires(
        &self,
        rng: &mut Rng,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> usize {
        self.sample_of(Which::Expires, rng, count, each)
    }

    /// Samples parts from a random one on until `count` keys were seen, each part once.
    fn sample_of(
        &self,
        which: Which,
        rng: &mut Rng,
        count: usize,
        each: &mut dyn FnMut(EntryRef<'_>),
    ) -> usize {
        let slots = match &self.parts {
            Parts::One(part) => return part.sample(which, rng, count, each),
            Parts::Slots(slots) => slots,
        };
        let Some(first) = slots.random(rng, which) else {
            return 0;
        };
        let (mut seen, mut slot, mut wrapped) = (0, first, false);
        while seen < count {
            match slots.next_from(slot, which) {
                Some((at, _)) if wrapped && at >= first => break,
                Some((at, part)) => {
                    seen += part.sample(which, rng, count - seen, each);
                    slot = at + 1;
                }
                None if wrapped => break,
                None => (slot, wrapped) = (0, true),
            }
        }
        seen
    }

    /// Iterator over all keys in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = EntryRef<'_>> {
        self.each_part().flat_map(|part| part.keys().iter())
    }

    fn each_part(&self) -> impl Iterator<Item = &Part> {
        let (one, slots) = match &self.parts {
            Parts::One(part) => (Some(part), None),
            Parts::Slots(slots) => (None, Some(slots.iter())),
        };
        iter::chain(one, slots.into_iter().flatten())
    }

    /// Reserves capacity for `keys` keys, of which `expires` expire. Ignored unless the database is empty, and in a cluster.
    pub fn reserve(&mut self, keys: usize, expires: usize) {
        if let Parts::One(part) = &mut self.parts {
            part.reserve(keys, expires);
        }
    }

    /// Empties the database at once. Returns its content, so that the caller can free it later or elsewhere.
    #[must_use]
    pub fn clear(&mut self) -> Db {
        let empty = self.new_like();
        mem::replace(self, empty)
    }

    /// Swaps the content of two databases.
    pub fn swap(&mut self, other: &mut Db) {
        mem::swap(self, other);
    }

    /// Continues the resize of the tables for about `lines` lines of eight slots each. Returns whether it is
    /// unfinished.
    pub fn step(&mut self, lines: usize) -> bool {
        match &mut self.parts {
            Parts::One(part) => part.step(lines),
            Parts::Slots(slots) => slots.step(lines),
        }
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
        let slots = match &mut self.parts {
            Parts::One(part) => return part.relocate(cursor, (count, fields), relocator, each),
            Parts::Slots(slots) => slots,
        };
        let mut walk = Walk::new(cursor, count, Which::Keys);
        while walk.goes_on() {
            let Some(part) = walk.next(slots).and_then(|slot| slots.get_mut(slot)) else {
                return 0;
            };
            let mut seen = 0;
            let within = part.relocate(walk.within, (walk.left, fields), relocator, &mut |key| {
                seen += 1;
                each(key);
            });
            walk.visited(within, seen);
        }
        walk.cursor(slots)
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
        let Some(place) = self.locate(self.hash(key), key) else {
            return 0;
        };
        self.part_mut(place.slot).map_or(0, |part| {
            part.relocate_rest(place.spot, cursor, count, relocator)
        })
    }

    /// Bytes of the two kinds of tables, without the entries.
    pub fn table_bytes(&self) -> (usize, usize) {
        self.each_part().fold((0, 0), |(keys, expires), part| {
            (keys + part.keys().bytes(), expires + part.expires().bytes())
        })
    }

    /// Statistics of the tables of keys and of expiries, for DEBUG HTSTATS; in a cluster those of all slots together.
    /// Walks all.
    pub fn stats(&self) -> (TableStats, TableStats) {
        (
            sum_stats(self.each_part().map(Part::keys)),
            sum_stats(self.each_part().map(Part::expires)),
        )
    }

    /// Verifies the invariants of all parts and every entry; panics on a violation. For tests.
    pub fn check(&self) {
        match &self.parts {
            Parts::One(part) => part.check(),
            Parts::Slots(slots) => slots.check(),
        }
    }

    /// Location of a key's entry.
    #[inline]
    pub fn locate(&self, hash: u64, key: &[u8]) -> Option<Place> {
        let (slot, part) = match &self.parts {
            Parts::One(part) => (0, part),
            Parts::Slots(slots) => (slot_index(hash), slots.get(slot_index(hash))?),
        };
        let spot = part.locate(hash, key)?;
        Some(Place { slot, spot })
    }

    /// The entry at a place.
    #[inline]
    pub fn at(&self, place: Place) -> EntryRef<'_> {
        let part = match &self.parts {
            Parts::One(part) => part,
            Parts::Slots(slots) => slots.get(place.slot).expect(PLACE),
        };
        part.at(place.spot)
    }

    /// The aggregate at a place for modification; `None` if it is not of type `K`.
    #[inline]
    pub fn value_mut<K: Kind>(&mut self, place: Place) -> Option<&mut K> {
        self.part_mut(place.slot)?.value_mut(place.spot)
    }

    /// Inserts an empty value of type `K` under a key that does not exist. Returns its place.
    pub fn create<K: Kind>(&mut self, hash: u64, key: &[u8], lru: u32) -> Place {
        debug_assert!(self.locate(hash, key).is_none());
        self.add(hash, Entry::new(key, K::default().wrap(), None, lru))
    }

    /// Inserts an entry whose key does not exist. Returns its place.
    fn add(&mut self, hash: u64, entry: Entry) -> Place {
        match &mut self.parts {
            Parts::One(part) => Place {
                slot: 0,
                spot: part.add(hash, entry),
            },
            Parts::Slots(slots) => Place {
                slot: slot_index(hash),
                spot: slots.grow(slot_index(hash), |part| part.add(hash, entry)),
            },
        }
    }

    /// Modifies the entry of a key, which may move it or add or remove its expiry; `None` if the key does not exist.
    fn edit<R>(&mut self, key: &[u8], change: impl FnOnce(&mut Entry) -> R) -> Option<R> {
        let hash = self.hash(key);
        let place = self.locate(hash, key)?;
        Some(self.update(hash, place, change))
    }

    /// As [`Db::edit`], at a place.
    #[inline]
    fn update<R>(&mut self, hash: u64, place: Place, change: impl FnOnce(&mut Entry) -> R) -> R {
        match &mut self.parts {
            Parts::One(part) => part.update(hash, place.spot, change),
            Parts::Slots(slots) => slots
                .change(place.slot, |part| part.update(hash, place.spot, change))
                .expect(PLACE),
        }
    }

    /// The part with the keys of this hash; `None` if its slot has no key.
    #[inline]
    fn part(&self, hash: u64) -> Option<&Part> {
        match &self.parts {
            Parts::One(part) => Some(part),
            Parts::Slots(slots) => slots.get(slot_index(hash)),
        }
    }

    /// The part of a place, for changes that [`Slots`] need not account for.
    #[inline]
    fn part_mut(&mut self, slot: usize) -> Option<&mut Part> {
        match &mut self.parts {
            Parts::One(part) => Some(part),
            Parts::Slots(slots) => slots.get_mut(slot),
        }
    }
}

const PLACE: &str = "a place belongs to a part with keys";

/// The bits of a hash that are the slot.
const SLOT_MASK: u64 = SLOTS as u64 - 1;
/// How many these are.
const SLOT_BITS: u32 = SLOT_MASK.count_ones();

#[inline]
fn slot_index(hash: u64) -> usize {
    usize::from(Db::slot_of(hash))
}

/// A walk from part to part until about a given number of entries were visited.
struct Walk {
    which: Which,
    slot: usize,
    /// The cursor within the part of that slot.
    within: u64,
    /// How many entries are still to be visited.
    left: usize,
    /// Whether the latest part was left before its end: enough of its entries, or of its empty places, were visited.
    is_spent: bool,
}

impl Walk {
    /// A walk that continues at a cursor.
    fn new(cursor: u64, count: usize, which: Which) -> Self {
        Walk {
            which,
            slot: slot_index(cursor),
            within: cursor >> SLOT_BITS,
            left: count.max(1),
            is_spent: false,
        }
    }

    fn goes_on(&self) -> bool {
        self.left > 0 && !self.is_spent
    }

    /// The slot to visit next; `None` at the end. A slot that has lost its keys since the cursor was made is passed over.
    fn next(&mut self, slots: &Slots) -> Option<usize> {
        let (slot, _) = slots.next_from(self.slot, self.which)?;
        if slot != self.slot {
            (self.slot, self.within) = (slot, 0);
        }
        Some(slot)
    }

    /// Notes how many entries of the slot were visited, and the next cursor within its part.
    fn visited(&mut self, within: u64, seen: usize) {
        self.left = self.left.saturating_sub(seen);
        self.within = within;
        self.is_spent = within != 0;
        if within == 0 {
            self.slot += 1;
        }
    }

    /// The cursor that continues here, or at the next slot with keys; 0 at the end.
    fn cursor(&self, slots: &Slots) -> u64 {
        if self.within != 0 {
            return self.within << SLOT_BITS | self.slot as u64;
        }
        let next = slots.next_from(self.slot, self.which);
        next.map_or(0, |(slot, _)| slot as u64)
    }
}

/// The statistics of several tables together.
fn sum_stats<'a, E: Element>(tables: impl Iterator<Item = &'a Table<E>>) -> TableStats {
    tables.fold(TableStats::default(), |mut sum, table| {
        let stats = table.stats();
        sum.used += stats.used;
        sum.slots += stats.slots;
        sum.slots_to += stats.slots_to;
        if sum.distances.len() < stats.distances.len() {
            sum.distances.resize(stats.distances.len(), 0);
        }
        let both = sum.distances.iter_mut().zip(&stats.distances);
        both.for_each(|(sum, more)| *sum += more);
        sum
    })
}
