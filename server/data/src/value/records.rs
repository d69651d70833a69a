//! A table of records: the hash table encoding of sets and hashes.
//!
//! It is a `ds/table.rs` whose elements contain their texts and are found by the first one. Lookups of many keys hash
//! them together and prefetch their lines and records, which takes a third of the time of separate lookups once the
//! table exceeds the caches. Each table has an order of its own, since sets and hashes are often filled with elements
//! read from others.

use std::collections::HashSet;

use crate::ds::relocation::Relocator;
use crate::ds::table::{Table, TableStats};
use crate::util::hash::{hash, hash_batch};
use crate::util::rand::Rng;
use crate::util::sample::choose;
use crate::value::record::{Field, Member, Record, RecordRef};

/// With at least `count * OFTEN` elements, random draws repeat an element seldom enough to draw until distinct.
const OFTEN: usize = 3;

/// A table of records, by key.
pub struct Records<const TEXTS: usize> {
    table: Table<Record<TEXTS>>,
}

impl<const TEXTS: usize> Records<TEXTS> {
    /// A table with capacity for `count` records.
    pub fn with_room(count: usize) -> Self {
        let mut table = Table::scattered();
        table.reserve(count);
        Records { table }
    }

    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether the table is empty.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The record of a key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<RecordRef<'_, TEXTS>> {
        self.table.find(hash(key), |record| record.key() == key)
    }

    /// Looks up several keys together. Returns for each, in order, whether it exists.
    pub fn contains_each(&self, keys: &[&[u8]]) -> impl Iterator<Item = bool> {
        let mut hashes = Vec::with_capacity(keys.len());
        hash_batch(keys, &mut hashes);
        hashes
            .iter()
            .for_each(|&hash| self.table.prefetch_line(hash));
        hashes
            .iter()
            .for_each(|&hash| self.table.prefetch_entry(hash));
        hashes.into_iter().zip(keys).map(|(hash, &key)| {
            self.table
                .locate(hash, |record| record.key() == key)
                .is_some()
        })
    }

    /// Removes the record of a key.
    pub fn remove(&mut self, key: &[u8]) -> Option<Record<TEXTS>> {
        self.table.remove(hash(key), |record| record.key() == key)
    }

    /// A record chosen uniformly at random.
    pub fn random(&self, rng: &mut Rng) -> Option<RecordRef<'_, TEXTS>> {
        self.table.random(rng)
    }

    /// Removes a record chosen uniformly at random.
    pub fn pop(&mut self, rng: &mut Rng) -> Option<Record<TEXTS>> {
        let record = self.table.random(rng)?;
        let (hash, address) = (hash(record.key()), record.address());
        self.table.remove(hash, |other| other.address() == address)
    }

    /// Passes `count` distinct records to `each`, or all if there are fewer; each subset is equally likely.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        rng: &mut Rng,
        mut each: impl FnMut(RecordRef<'a, TEXTS>),
    ) {
        if count.saturating_mul(OFTEN) > self.len() {
            return choose(self.iter(), self.len(), count, rng, each);
        }
        let mut taken = HashSet::with_capacity(count);
        while taken.len() < count {
            let Some(record) = self.random(rng) else {
                return;
            };
            if taken.insert(record.address()) {
                each(record);
            }
        }
    }

    /// Iterator over all records in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_, TEXTS>> {
        self.table.iter()
    }

    /// Like [`Table::scan`].
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(RecordRef<'a, TEXTS>),
    ) -> u64 {
        self.table.scan(cursor, count, each)
    }

    /// Memory of the table and its records, the latter estimated from the first `samples`; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        let samples = if samples == 0 { self.len() } else { samples };
        let (mut seen, mut bytes) = (0, 0);
        for record in self.iter().take(samples) {
            seen += 1;
            bytes += record.memory();
        }
        let records = (bytes as u128 * self.len() as u128)
            .checked_div(seen)
            .unwrap_or(0);
        size_of::<Self>() + self.table.bytes() + records as usize
    }

    /// Moves the allocations of about `count` records from `cursor` on, as [`Table::scan`] visits them, and at first those
    /// of the table. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        if cursor == 0 {
            self.table.relocate_arrays(relocator);
        }
        let each = &mut |record: &mut Record<TEXTS>| record.relocate(relocator);
        self.table.scan_mut(cursor, count, each)
    }

    /// Verifies the table and reads every record; panics on a violation. For tests.
    pub fn check(&self) {
        self.table.check();
        self.iter().for_each(RecordRef::check);
    }

    /// Like [`Table::continue_resize`].
    pub fn continue_resize(&mut self) {
        self.table.continue_resize();
    }

    /// Statistics of the table.
    pub fn stats(&self) -> TableStats {
        self.table.stats()
    }
}

impl Records<1> {
    /// Adds a member. Returns whether it is new.
    pub fn add(&mut self, member: &[u8]) -> bool {
        let hash = hash(member);
        let found = self.table.locate(hash, |other| other.key() == member);
        if found.is_none() {
            self.table.insert(hash, Member::new([member]));
        }
        found.is_none()
    }
}

impl Records<2> {
    /// Sets the value of a field. Returns whether the field is new.
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> bool {
        let hash = hash(name);
        let found = self.table.locate(hash, |other| other.key() == name);
        match found {
            Some(place) => self.table.update(place, |field| field.set_value(value)),
            None => {
                self.table.insert(hash, Field::new([name, value]));
            }
        }
        found.is_none()
    }
}

impl<const TEXTS: usize> Clone for Records<TEXTS> {
    fn clone(&self) -> Self {
        let mut clone = Records {
            table: self.table.with_room_of(),
        };
        for record in self.iter() {
            clone.table.insert(hash(record.key()), record.to_owned());
        }
        clone
    }
}
