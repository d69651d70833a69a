//! WATCH: which clients want to hear of changes to which keys.
//!
//! The index is by database number: SWAPDB exchanges what the numbers hold, not who watches them.
//!
//! # Invariants
//! 1. A client is in the list of a key exactly when the key is in the client's own list (`Client::watched`).
//! 2. No list is empty.

use std::collections::HashMap;

use crate::state::client_id::ClientId;

/// A key that a client watches.
#[derive(Debug)]
pub struct Watched {
    /// The number of its database.
    pub db: usize,
    /// Its name.
    pub key: Box<[u8]>,
    /// Its time was over when the client began to watch: that it vanishes is no change.
    pub expired: bool,
}

/// Watchers of all keys.
#[derive(Default)]
pub struct Watch {
    by_key: HashMap<usize, HashMap<Box<[u8]>, Vec<ClientId>>>,
}

impl Watch {
    /// Whether nobody watches anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }

    /// Clients that watch a key.
    pub fn watchers(&self, db: usize, key: &[u8]) -> &[ClientId] {
        let list = self.by_key.get(&db).and_then(|keys| keys.get(key));
        list.map_or(&[], Vec::as_slice)
    }

    /// Keys of a database that anybody watches.
    pub fn keys(&self, db: usize) -> Vec<Box<[u8]>> {
        let keys = self.by_key.get(&db);
        keys.map_or_else(Vec::new, |keys| keys.keys().cloned().collect())
    }

    /// Lets a client watch a key, once; `own` is its own list.
    pub fn add(&mut self, id: ClientId, own: &mut Vec<Watched>, watched: Watched) {
        let known = |other: &Watched| other.db == watched.db && other.key == watched.key;
        if own.iter().any(known) {
            return;
        }
        let keys = self.by_key.entry(watched.db).or_default();
        keys.entry(watched.key.clone()).or_default().push(id);
        own.push(watched);
    }

    /// Lets a client watch nothing; `own` is its own list.
    pub fn remove_all(&mut self, id: ClientId, own: &mut Vec<Watched>) {
        for watched in own.drain(..) {
            let Some(keys) = self.by_key.get_mut(&watched.db) else {
                continue;
            };
            if let Some(list) = keys.get_mut(&watched.key) {
                list.retain(|&other| other != id);
                if list.is_empty() {
                    keys.remove(&watched.key);
                }
            }
            if keys.is_empty() {
                self.by_key.remove(&watched.db);
            }
        }
    }
}
