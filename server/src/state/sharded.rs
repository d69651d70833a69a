//! A map by byte strings that clients choose, without slow moments: many small hash tables, few of which grow at a time.
//!
//! A single hash table of a million entries moves them all when it grows, which takes tens of milliseconds. Here the
//! entries are divided among 256 tables whose shares rise from the first to the last, which has twice that of the first. A
//! table grows when its number of entries has doubled; with equal shares all tables would do so at about the same time.
//!
//! The tables hash as the keyspace does (`data::util::hash`), which takes a short
//! key in one step.
//!
//! # Invariants
//! 1. An entry is in the table that the hash of its key selects.
//! 2. `len` is the number of entries of all tables.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use data::util::hash::hash;
use data::util::rand::Rng;

/// Number of tables.
const SHARDS: usize = 256;

/// Hashes one byte string.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(bytes);
    }

    /// The length that precedes a slice; the hash of the bytes depends on it already.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

type Shard<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// A map by byte strings.
#[derive(Debug)]
pub struct Sharded<K, V> {
    shards: Vec<Shard<K, V>>,
    len: usize,
}

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Sharded {
            shards: Vec::new(),
            len: 0,
        }
    }
}

/// The table of a key, by bits of the hash that the table itself hardly uses: it begins with the low and the high ones.
///
/// For a part `x` of the keys, `sqrt(1 + 3x) - 1` is the part of the tables that they get if shares rise linearly.
fn shard_of(key: &[u8]) -> usize {
    let part = f64::from((hash(key) >> 16) as u32) / (f64::from(u32::MAX) + 1.0);
    (((1.0 + 3.0 * part).sqrt() - 1.0) * SHARDS as f64) as usize
}

impl<K: Borrow<[u8]> + Eq + Hash, V> Sharded<K, V> {
    /// Number of entries.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<&V> {
        if self.len == 0 {
            return None;
        }
        self.shards[shard_of(key)].get(key)
    }

    /// The value of a key, for a change.
    pub fn get_mut(&mut self, key: &[u8]) -> Option<&mut V> {
        if self.len == 0 {
            return None;
        }
        self.shards[shard_of(key)].get_mut(key)
    }

    /// As [`Sharded::entry`], with the key as the map holds it.
    pub fn entry_with_key(&mut self, key: K, make: impl FnOnce() -> V) -> (K, &mut V)
    where
        K: Clone,
    {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let shard = shard_of(key.borrow());
        match self.shards[shard].entry(key) {
            Entry::Occupied(entry) => (entry.key().clone(), entry.into_mut()),
            Entry::Vacant(entry) => {
                self.len += 1;
                (entry.key().clone(), entry.insert(make()))
            }
        }
    }

    /// The value of a key, which is added if it is missing.
    pub fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        if self.shards.is_empty() {
            self.shards.resize_with(SHARDS, Shard::default);
        }
        let shard = shard_of(key.borrow());
        match self.shards[shard].entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.len += 1;
                entry.insert(make())
            }
        }
    }

    /// Removes an entry.
    pub fn remove(&mut self, key: &[u8]) -> Option<V> {
        if self.len == 0 {
            return None;
        }
        let shard = &mut self.shards[shard_of(key)];
        let removed = shard.remove(key)?;
        self.len -= 1;
        shrink(shard);
        Some(removed)
    }

    /// Changes the value of a key if there is one, and removes the entry if `change` then answers true.
    pub fn change(&mut self, key: K, change: impl FnOnce(&mut V) -> bool) {
        if self.len == 0 {
            return;
        }
        let shard = &mut self.shards[shard_of(key.borrow())];
        if let Entry::Occupied(mut entry) = shard.entry(key)
            && change(entry.get_mut())
        {
            entry.remove();
            self.len -= 1;
            shrink(shard);
        }
    }

    /// All entries, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.shards.iter().flatten()
    }

    /// The key of some entry. Which one depends on the secret seed of the hash function, and on `rng`.
    pub fn some_key(&self, rng: &mut Rng) -> Option<&K> {
        if self.len == 0 {
            return None;
        }
        let from = rng.below(SHARDS as u64) as usize;
        let mut shards = (from..SHARDS).chain(0..from);
        shards.find_map(|shard| self.shards[shard].keys().next())
    }
}

/// Gives back memory that a table no longer needs.
fn shrink<K: Eq + Hash, V>(shard: &mut Shard<K, V>) {
    if shard.len() * 8 < shard.capacity() {
        shard.shrink_to(shard.len() * 2);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use data::util::rand::Rng;

    use super::{Shard, Sharded};

    #[test]
    fn few_tables_grow_at_a_time() {
        const KEYS: u32 = 1_000_000;
        let mut map = Sharded::default();
        let mut worst = 0;
        let mut before: Vec<usize> = Vec::new();
        for key in 0..KEYS {
            map.entry(Box::<[u8]>::from(key.to_le_bytes()), || ());
            if key % (KEYS / 200) == 0 {
                let room: Vec<usize> = map.shards.iter().map(Shard::capacity).collect();
                let grown = before.iter().zip(&room).zip(&map.shards);
                let moved = grown.filter(|((before, now), _)| before < now);
                let moved: usize = moved.map(|(_, shard)| shard.len()).sum();
                if key > KEYS / 4 {
                    worst = worst.max(moved);
                }
                before = room;
            }
        }
        assert!(worst < KEYS as usize / 20, "{worst} moved within 0.5 %");
    }

    #[test]
    fn it_behaves_like_a_map() {
        let (mut map, mut model, mut rng) = (Sharded::default(), BTreeMap::new(), Rng::new(1));
        for step in 0..20_000_u64 {
            let key: Box<[u8]> = rng.below(1000).to_string().into_bytes().into();
            match rng.below(5) {
                0..2 => {
                    let kept = *map.entry(key.clone(), || step);
                    assert_eq!(kept, *model.entry(key.clone()).or_insert(step));
                }
                2 if step % 2 == 0 => {
                    map.change(key.clone(), |value| {
                        *value += 1;
                        *value % 3 == 0
                    });
                    if let Some(value) = model.get_mut(&key) {
                        *value += 1;
                        if *value % 3 == 0 {
                            model.remove(&key);
                        }
                    }
                }
                2 => {
                    if let Some(value) = map.get_mut(&key) {
                        *value += 1;
                    }
                    if let Some(value) = model.get_mut(&key) {
                        *value += 1;
                    }
                }
                _ => assert_eq!(map.remove(&key), model.remove(&key)),
            }
            assert_eq!(map.get(&key), model.get(&key));
            assert_eq!(map.len(), model.len());
            let some = map.some_key(&mut rng);
            assert_eq!(some.is_none(), model.is_empty());
            assert!(some.is_none_or(|key| model.contains_key(key)));
        }
        let all: BTreeMap<Box<[u8]>, u64> = map
            .iter()
            .map(|(key, value)| (key.clone(), *value))
            .collect();
        assert_eq!(all, model);
    }
}
