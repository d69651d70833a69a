//! A table of records by keys that clients choose: channels, patterns, tracked keys, scripts.
//!
//! It is the hash table of the keyspace (`data::ds::table`): about 10 bytes per record, hashed with the secret seed, and it
//! grows and shrinks a little per change. So a million records cause no slow moment, as the tables of the standard library
//! would, which move all entries at once. An operation hashes its key once.

use std::fmt;

use data::ds::boxed::{Boxed, Keyed};
use data::ds::relocation::{Relocator, relocate_box};
use data::ds::table::Table;
use data::util::hash::hash;
use data::util::rand::Rng;

/// A table of records. What changes a record must not change its key.
pub struct KeyTable<T: Keyed + 'static> {
    records: Table<Boxed<T>>,
}

impl<T: Keyed + 'static> Default for KeyTable<T> {
    fn default() -> Self {
        KeyTable {
            records: Table::new(),
        }
    }
}

impl<T: Keyed> fmt::Debug for KeyTable<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records", self.len())
    }
}

impl<T: Keyed + 'static> KeyTable<T> {
    /// Number of records.
    #[inline]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is no record.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The record of a key.
    #[inline]
    pub fn get(&self, key: &[u8]) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        self.records.find(hash(key), |record| record.key() == key)
    }

    /// Changes the record of a key, if there is one.
    pub fn update<R>(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> R) -> Option<R> {
        let place = self
            .records
            .locate(hash(key), |record| record.key() == key)?;
        Some(self.records.update(place, |record| change(&mut record.0)))
    }

    /// Changes the record of a key, or adds one. Both return something about it.
    pub fn update_or_add<R>(
        &mut self,
        key: &[u8],
        change: impl FnOnce(&mut T) -> R,
        make: impl FnOnce() -> (T, R),
    ) -> R {
        let hash = hash(key);
        if let Some(place) = self.records.locate(hash, |record| record.key() == key) {
            return self.records.update(place, |record| change(&mut record.0));
        }
        let (record, result) = make();
        debug_assert_eq!(record.key(), key);
        self.records.insert(hash, Boxed(Box::new(record)));
        result
    }

    /// Adds a record whose key is not in the table.
    pub fn add(&mut self, record: T) {
        let hash = hash(record.key());
        debug_assert!(self.get(record.key()).is_none());
        self.records.insert(hash, Boxed(Box::new(record)));
    }

    /// Removes the record of a key.
    pub fn remove(&mut self, key: &[u8]) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        let removed = self.records.remove(hash(key), |record| record.key() == key);
        removed.map(|record| *record.0)
    }

    /// Changes the record of a key, if there is one, and removes it if `change` then answers true.
    pub fn change_or_remove(&mut self, key: &[u8], change: impl FnOnce(&mut T) -> bool) {
        let place = self.records.locate(hash(key), |record| record.key() == key);
        if let Some(place) = place
            && self.records.update(place, |record| change(&mut record.0))
        {
            self.records.remove_at(place);
        }
    }

    /// Moves the allocations of about `count` records from `cursor` on, for defragmentation: the records, and what `each`
    /// moves of them. `placeholder` makes what is left in the place of a record that moves. Returns the next cursor, 0 at
    /// the end.
    pub fn relocate(
        &mut self,
        (cursor, count): (u64, usize),
        relocator: &mut dyn Relocator,
        placeholder: impl Fn() -> T,
        each: impl Fn(&mut T, &mut dyn Relocator),
    ) -> u64 {
        if cursor == 0 {
            self.records.relocate_arrays(relocator);
        }
        self.records.scan_mut(cursor, count, &mut |record| {
            relocate_box(&mut record.0, relocator, &placeholder);
            each(&mut record.0, relocator);
        })
    }

    /// All records, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.records.iter()
    }

    /// A record chosen at random.
    pub fn random(&self, rng: &mut Rng) -> Option<&T> {
        self.records.random(rng)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use data::ds::boxed::Keyed;
    use data::util::rand::Rng;

    use super::KeyTable;

    struct Counter {
        key: Box<[u8]>,
        count: u64,
    }

    impl Keyed for Counter {
        fn key(&self) -> &[u8] {
            &self.key
        }
    }

    #[test]
    fn it_behaves_like_a_map() {
        let (mut table, mut model, mut rng) = (KeyTable::default(), BTreeMap::new(), Rng::new(1));
        for step in 0..20_000_u64 {
            let key: Box<[u8]> = rng.below(1000).to_string().into_bytes().into();
            match rng.below(5) {
                0..2 => {
                    let make = || {
                        let key = key.clone();
                        (Counter { key, count: step }, step)
                    };
                    let count = table.update_or_add(&key, |counter| counter.count, make);
                    assert_eq!(count, *model.entry(key.clone()).or_insert(step));
                }
                2 if step % 2 == 0 => {
                    table.change_or_remove(&key, |counter| {
                        counter.count += 1;
                        counter.count % 3 == 0
                    });
                    if let Some(count) = model.get_mut(&key) {
                        *count += 1;
                        if *count % 3 == 0 {
                            model.remove(&key);
                        }
                    }
                }
                2 => {
                    let changed = table.update(&key, |counter| counter.count += 1);
                    assert_eq!(changed.is_some(), model.contains_key(&key));
                    if let Some(count) = model.get_mut(&key) {
                        *count += 1;
                    }
                }
                3 if !model.contains_key(&key) => {
                    let key = key.clone();
                    model.insert(key.clone(), step);
                    table.add(Counter { key, count: step });
                }
                _ => {
                    let removed = table.remove(&key).map(|counter| counter.count);
                    assert_eq!(removed, model.remove(&key));
                }
            }
            let found = table.get(&key).map(|counter| counter.count);
            assert_eq!(found, model.get(&key).copied());
            assert_eq!(table.len(), model.len());
            let random = table.random(&mut rng);
            assert_eq!(random.is_none(), model.is_empty());
            assert!(random.is_none_or(|counter| model.contains_key(&counter.key)));
        }
        let all: BTreeMap<Box<[u8]>, u64> = table
            .iter()
            .map(|counter| (counter.key.clone(), counter.count))
            .collect();
        assert_eq!(all, model);
    }
}
