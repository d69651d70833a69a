//! WATCH: which clients watch which keys.
//!
//! The index is by database number: SWAPDB exchanges what the numbers hold, not who watches them.
//!
//! # Invariants
//! 1. A client is in the index of a key exactly when the key is in the client's own list (`Client::watched`).
//! 2. No index of a key or database is empty.
//!
//! Watching, unwatching and touching a key cost the logarithm of its number of watchers.

use std::collections::{BTreeMap, HashMap};

use crate::state::client_id::ClientId;

/// A key that a client watches.
#[derive(Debug)]
pub struct Watched {
    /// The number of its database.
    pub db: usize,
    /// Its name.
    pub key: Box<[u8]>,
}

/// What is known about one client's watch of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watcher {
    /// The key had expired, without having been deleted, when the client began to watch it: its deletion is no change.
    pub expired: bool,
}

type Watchers = BTreeMap<ClientId, Watcher>;

/// Watchers of all keys.
#[derive(Default)]
pub struct Watch {
    by_key: HashMap<usize, HashMap<Box<[u8]>, Watchers>>,
}

impl Watch {
    /// Whether no key is watched.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    fn watchers(&self, db: usize, key: &[u8]) -> Option<&Watchers> {
        self.by_key.get(&db)?.get(key)
    }

    /// Clients that watch a key.
    pub fn clients(&self, db: usize, key: &[u8]) -> Vec<ClientId> {
        let watchers = self.watchers(db, key);
        watchers.map_or_else(Vec::new, |watchers| watchers.keys().copied().collect())
    }

    /// What is known about a client's watch of a key.
    pub fn watcher_mut(&mut self, db: usize, key: &[u8], id: ClientId) -> Option<&mut Watcher> {
        self.by_key.get_mut(&db)?.get_mut(key)?.get_mut(&id)
    }

    /// Whether a client's key had expired when it began to watch it.
    pub fn was_expired(&self, id: ClientId, watched: &Watched) -> bool {
        let watchers = self.watchers(watched.db, &watched.key);
        let watcher = watchers.and_then(|watchers| watchers.get(&id));
        watcher.is_some_and(|watcher| watcher.expired)
    }

    /// Keys of a database that are watched.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let keys = self.by_key.get(&db);
        keys.map_or_else(Vec::new, |keys| keys.keys().cloned().collect())
    }

    /// Lets a client watch a key, once; `own` is its own list.
    pub fn add(&mut self, id: ClientId, own: &mut Vec<Watched>, watched: Watched, expired: bool) {
        let keys = self.by_key.entry(watched.db).or_default();
        let watchers = keys.entry(watched.key.clone()).or_default();
        if let std::collections::btree_map::Entry::Vacant(place) = watchers.entry(id) {
            place.insert(Watcher { expired });
            own.push(watched);
        }
    }

    /// Lets a client watch nothing; `own` is its own list.
    pub fn remove_all(&mut self, id: ClientId, own: &mut Vec<Watched>) {
        for watched in own.drain(..) {
            let Some(keys) = self.by_key.get_mut(&watched.db) else {
                continue;
            };
            if let Some(watchers) = keys.get_mut(&watched.key) {
                watchers.remove(&id);
                if watchers.is_empty() {
                    keys.remove(&watched.key);
                }
            }
            if keys.is_empty() {
                self.by_key.remove(&watched.db);
            }
        }
    }
}
