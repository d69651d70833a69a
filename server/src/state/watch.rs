//! WATCH: which clients watch which keys.
//!
//! The index is by database number: SWAPDB exchanges what the numbers hold, not who watches them.
//!
//! # Invariants
//! 1. A client is in the index of a key exactly when the key is in the client's own list (`Client::watched`).
//! 2. No index of a key or database is empty, and `Watchers::Many` has at least two.
//!
//! Watching, unwatching and touching a key cost the logarithm of its number of watchers. Most keys have one, which takes no
//! memory of its own.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use data::ds::boxed::Keyed;

use crate::state::client_id::ClientId;
use crate::state::key_table::KeyTable;

/// A key that a client watches.
#[derive(Debug)]
pub struct Watched {
    /// The number of its database.
    pub db: usize,
    /// Its name, shared by all who watch it.
    pub key: Arc<[u8]>,
}

/// What is known about one client's watch of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The key had expired, without having been deleted, when the client began to watch it: its deletion is not a
    /// change.
    pub expired: bool,
}

enum Watchers {
    One(ClientId, Watcher),
    Many(BTreeMap<ClientId, Watcher>),
}

/// A key and who watches it.
struct WatchedKey {
    key: Arc<[u8]>,
    watchers: Watchers,
}

/// What a watched key takes besides its name, in bytes: in the list of its only watcher and in the index, where its slot in a
/// table has about 10.
pub const BYTES_PER_KEY: usize =
    size_of::<Watched>() + size_of::<WatchedKey>() + 2 * size_of::<usize>() + 10;

impl Keyed for WatchedKey {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

impl Watchers {
    /// Adds a client; false if it is one of them.
    fn add(&mut self, id: ClientId, watcher: Watcher) -> bool {
        match self {
            Watchers::One(one, _) if *one == id => false,
            Watchers::One(one, of_one) => {
                let both = [(*one, *of_one), (id, watcher)];
                *self = Watchers::Many(BTreeMap::from(both));
                true
            }
            Watchers::Many(many) if many.contains_key(&id) => false,
            Watchers::Many(many) => many.insert(id, watcher).is_none(),
        }
    }

    /// Removes a client; whether none is left.
    fn remove(&mut self, id: ClientId) -> bool {
        match self {
            Watchers::One(one, _) => *one == id,
            Watchers::Many(many) => {
                many.remove(&id);
                if many.len() == 1
                    && let Some((id, watcher)) = many.pop_first()
                {
                    *self = Watchers::One(id, watcher);
                }
                false
            }
        }
    }

    fn get(&self, id: ClientId) -> Option<Watcher> {
        match self {
            Watchers::One(one, watcher) => (*one == id).then_some(*watcher),
            Watchers::Many(many) => many.get(&id).copied(),
        }
    }

    fn get_mut(&mut self, id: ClientId) -> Option<&mut Watcher> {
        match self {
            Watchers::One(one, watcher) => (*one == id).then_some(watcher),
            Watchers::Many(many) => many.get_mut(&id),
        }
    }

    fn list(&self) -> Vec<(ClientId, Watcher)> {
        match self {
            Watchers::One(one, watcher) => vec![(*one, *watcher)],
            Watchers::Many(many) => many.iter().map(|(id, watcher)| (*id, *watcher)).collect(),
        }
    }
}

/// Watchers of all keys.
#[derive(Default)]
pub struct Watch {
    dbs: BTreeMap<usize, KeyTable<WatchedKey>>,
}

impl Watch {
    /// Whether no key is watched.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.dbs.is_empty()
    }

    fn watchers(&self, db: usize, key: &[u8]) -> Option<&Watchers> {
        self.dbs.get(&db)?.get(key).map(|found| &found.watchers)
    }

    /// Clients that watch a key, and what is known about their watches.
    pub fn clients(&self, db: usize, key: &[u8]) -> Vec<(ClientId, Watcher)> {
        self.watchers(db, key).map_or_else(Vec::new, Watchers::list)
    }

    /// What is known about a client's watch of a key.
    pub fn watcher(&self, db: usize, key: &[u8], id: ClientId) -> Option<Watcher> {
        self.watchers(db, key)?.get(id)
    }

    /// Notes whether a key that a client watches is to be taken for one that had expired before.
    pub fn set_expired(&mut self, db: usize, key: &[u8], id: ClientId, expired: bool) {
        if let Some(keys) = self.dbs.get_mut(&db) {
            keys.update(key, |found| {
                if let Some(watcher) = found.watchers.get_mut(id) {
                    watcher.expired = expired;
                }
            });
        }
    }

    /// Keys of a database that are watched.
    pub fn keys(&self, db: usize) -> Vec<Arc<[u8]>> {
        let keys = self.dbs.get(&db);
        keys.map_or_else(Vec::new, |keys| {
            keys.iter().map(|found| Arc::clone(&found.key)).collect()
        })
    }

    /// Lets a client watch a key, once; `own` is its own list.
    pub fn add(
        &mut self,
        id: ClientId,
        own: &mut Vec<Watched>,
        (db, key): (usize, &[u8]),
        expired: bool,
    ) {
        let watcher = Watcher { expired };
        let added = self.dbs.entry(db).or_default().update_or_add(
            key,
            |found| {
                let added = found.watchers.add(id, watcher);
                added.then(|| Arc::clone(&found.key))
            },
            || {
                let (key, watchers) = (Arc::from(key), Watchers::One(id, watcher));
                let found = Arc::clone(&key);
                (WatchedKey { key, watchers }, Some(found))
            },
        );
        own.extend(added.map(|key| Watched { db, key }));
    }

    /// Lets a client watch nothing; `own` is its own list.
    pub fn remove_all(&mut self, id: ClientId, own: &mut Vec<Watched>) {
        for Watched { db, key } in mem::take(own) {
            let Some(keys) = self.dbs.get_mut(&db) else {
                continue;
            };
            keys.change_or_remove(&key, |found| found.watchers.remove(id));
            if keys.is_empty() {
                self.dbs.remove(&db);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use data::ds::slab::Slab;

    use super::{Watch, Watcher};
    use crate::state::client_id::ClientId;

    #[test]
    fn a_key_is_watched_until_its_last_watcher_is_gone() {
        let mut slab: Slab<u8> = Slab::default();
        let ids: Vec<ClientId> = (0..3).map(|n| slab.insert(n)).collect();
        let (mut watch, mut own) = (Watch::default(), [Vec::new(), Vec::new(), Vec::new()]);
        let key = |watch: &Watch| watch.clients(1, b"k");
        for round in 0..2 {
            for (at, id) in ids.iter().enumerate() {
                watch.add(*id, &mut own[at], (1, b"k"), at == 1);
                // Once more is the same watch.
                watch.add(*id, &mut own[at], (1, b"k"), true);
                watch.add(*id, &mut own[at], (at, b"other"), false);
                assert_eq!(own[at].len(), 2, "{round}");
            }
            assert_eq!(key(&watch).len(), 3);
            let expired = |watch: &Watch, at: usize| watch.watcher(1, b"k", ids[at]);
            assert_eq!(expired(&watch, 0), Some(Watcher { expired: false }));
            assert_eq!(expired(&watch, 1), Some(Watcher { expired: true }));
            watch.set_expired(1, b"k", ids[1], false);
            assert_eq!(expired(&watch, 1), Some(Watcher { expired: false }));
            watch.remove_all(ids[0], &mut own[0]);
            watch.remove_all(ids[2], &mut own[2]);
            assert_eq!(key(&watch), [(ids[1], Watcher { expired: false })]);
            assert_eq!(expired(&watch, 0), None);
            assert_eq!(watch.keys(2), []);
            watch.set_expired(1, b"k", ids[1], true);
            assert_eq!(expired(&watch, 1), Some(Watcher { expired: true }));
            watch.remove_all(ids[1], &mut own[1]);
            assert!(watch.is_empty());
        }
    }
}
