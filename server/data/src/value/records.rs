//! A table of records: what a big set or hash is made of.
//!
//! It is `ds/table.rs` for elements that carry their texts themselves, found by the first of them. Where many keys are
//! looked for at once, they are hashed together and their lines and records prefetched, which takes a third of the time
//! of one lookup after the other once the table is larger than the caches. Each table has an order of its own, since sets
//! and hashes are often filled with what was read from others.

use std::collections::HashSet;

use crate::ds::table::{Table, TableStats};
use crate::util::hash::{hash, hash_batch};
use crate::util::rand::Rng;
use crate::util::sample::choose;
use crate::value::record::{Field, Member, Record, RecordRef};

/// From `count * OFTEN` elements on, picking blindly meets the same element again seldom enough.
const OFTEN: usize = 3;

/// Records by their key.
pub struct Records<const TEXTS: usize> {
    table: Table<Record<TEXTS>>,
}

impl<const TEXTS: usize> Records<TEXTS> {
    /// A table with room for `count` records.
    pub fn with_room(count: usize) -> Self {
        let mut table = Table::scattered();
        table.reserve(count);
        Records { table }
    }

    /// How many there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The record of a key.
    #[inline]
    pub fn find(&self, key: &[u8]) -> Option<RecordRef<'_, TEXTS>> {
        self.table.find(hash(key), |record| record.key() == key)
    }

    /// Looks for several keys together: tells for each, in order, whether it is there.
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

    /// Takes the record of a key out.
    pub fn remove(&mut self, key: &[u8]) -> Option<Record<TEXTS>> {
        self.table.remove(hash(key), |record| record.key() == key)
    }

    /// A record, each with the same chance.
    pub fn random(&self, rng: &mut Rng) -> Option<RecordRef<'_, TEXTS>> {
        self.table.random(rng)
    }

    /// Takes a record out, each with the same chance.
    pub fn pop(&mut self, rng: &mut Rng) -> Option<Record<TEXTS>> {
        let record = self.table.random(rng)?;
        let (hash, address) = (hash(record.key()), record.address());
        self.table.remove(hash, |other| other.address() == address)
    }

    /// Passes on `count` different records, or all if there are fewer; each subset is equally likely.
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

    /// All records, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = RecordRef<'_, TEXTS>> {
        self.table.iter()
    }

    /// As [`Table::scan`].
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        each: &mut dyn FnMut(RecordRef<'a, TEXTS>),
    ) -> u64 {
        self.table.scan(cursor, count, each)
    }

    /// Bytes of the table and its records, these estimated from the first `samples`; 0 looks at all.
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

    /// Verifies the table and reads every record; panics when something is wrong. For tests.
    pub fn check(&self) {
        self.table.check();
        self.iter().for_each(RecordRef::check);
    }

    /// What the table looks like.
    pub fn stats(&self) -> TableStats {
        self.table.stats()
    }
}

impl Records<1> {
    /// Adds a member; whether it was not there yet.
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
    /// Sets the value of a field; whether the field was not there yet.
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
            table: self.table.alike(),
        };
        for record in self.iter() {
            clone.table.insert(hash(record.key()), record.to_owned());
        }
        clone
    }
}
