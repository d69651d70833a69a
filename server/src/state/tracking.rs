//! Client-side caching: which clients may hold which keys, and what they are still to be told.
//!
//! A client tracks in one of two modes. By default the server remembers each key that the client reads, and forgets it
//! when the client is told that it has changed. In broadcasting mode the client names prefixes and the server remembers
//! nothing about reads: changes are collected per prefix, and all clients of the prefix are told before the loop sleeps.
//!
//! # Invariants
//! 1. `clients` are the clients with tracking on; each has a [`ClientTracking`].
//! 2. A client is in the set of a prefix exactly when the prefix is in its own list. No prefix is without clients.
//! 3. `items` is the number of clients of all tracked keys. Clients that are gone, or stopped tracking, stay in there until
//!    their key changes: ids are never used again, so they are told nothing.
//! 4. `lengths` counts the prefixes by length; `dirty` has those with collected keys.

use std::collections::{BTreeMap, BTreeSet};

use data::util::rand::Rng;

use crate::state::client_id::ClientId;
use crate::state::client_set::ClientSet;
use crate::state::sharded::Sharded;

/// How one client tracks.
#[derive(Debug, Default)]
pub struct ClientTracking {
    /// The public id of the client that is told instead; 0 is none.
    pub redirect: u64,
    /// Broadcasting mode.
    pub broadcast: bool,
    /// Only keys read by a command behind CLIENT CACHING YES are remembered.
    pub opt_in: bool,
    /// Keys read by a command behind CLIENT CACHING NO are not remembered.
    pub opt_out: bool,
    /// It is not told of its own changes.
    pub no_loop: bool,
    /// CLIENT CACHING was given for the next command.
    pub caching: bool,
    /// The client that it redirects to is gone.
    pub broken: bool,
    /// Prefixes in broadcasting mode, in order.
    pub prefixes: BTreeSet<Box<[u8]>>,
}

impl ClientTracking {
    /// Whether the keys that the client reads are remembered now.
    pub fn remembers(&self) -> bool {
        let excluded = (self.opt_in && !self.caching) || (self.opt_out && self.caching);
        !self.broadcast && !excluded
    }

    /// Memory in bytes.
    pub fn memory(&self) -> usize {
        let prefixes = self.prefixes.iter();
        size_of::<Self>() + prefixes.map(|prefix| prefix.len() + 32).sum::<usize>()
    }
}

/// The clients that may hold a key: nearly always one.
#[derive(Debug)]
enum Holders {
    One(ClientId),
    Many(Box<ClientSet>),
}

impl Holders {
    /// Adds a client; false if it is one of them already.
    fn add(&mut self, id: ClientId) -> bool {
        match self {
            Holders::One(other) if *other == id => false,
            Holders::One(other) => {
                let mut set = ClientSet::default();
                set.insert(*other);
                set.insert(id);
                *self = Holders::Many(Box::new(set));
                true
            }
            Holders::Many(set) => set.insert(id),
        }
    }

    fn ids(&self) -> &[ClientId] {
        match self {
            Holders::One(id) => std::slice::from_ref(id),
            Holders::Many(set) => set.ids(),
        }
    }
}

/// Keys that have changed since the clients of a prefix were told, each with the client that changed it last.
pub type Changes = BTreeMap<Box<[u8]>, Option<ClientId>>;

#[derive(Debug, Default)]
struct Prefix {
    clients: ClientSet,
    changes: Changes,
}

/// What a client is to be told behind its reply.
#[derive(Debug)]
pub struct Pending {
    /// The client.
    pub id: ClientId,
    /// The key that has changed; `None` is all keys.
    pub key: Option<Box<[u8]>>,
    /// Whom it redirected to last, in case it turns tracking off before the end of its transaction.
    pub redirect: u64,
}

/// All that is tracked.
#[derive(Default)]
pub struct Tracking {
    clients: ClientSet,
    keys: Sharded<Box<[u8]>, Holders>,
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    lengths: BTreeMap<usize, usize>,
    dirty: BTreeSet<Box<[u8]>>,
    /// Invalidations of keys (or of all) for the client whose command is executed; they follow its reply.
    pub pending: Vec<Pending>,
    /// How often in a row too many keys were left after an eviction.
    pub overruns: u32,
}

impl Tracking {
    /// Whether anybody tracks, or a key is remembered.
    #[inline]
    pub fn is_active(&self) -> bool {
        !self.clients.is_empty() || !self.keys.is_empty()
    }

    /// The clients with tracking on.
    pub fn clients(&self) -> &ClientSet {
        &self.clients
    }

    /// Number of keys that are remembered.
    pub fn keys_len(&self) -> usize {
        self.keys.len()
    }

    /// Number of clients of all these keys.
    pub fn items_len(&self) -> usize {
        self.items
    }

    /// Number of prefixes of clients in broadcasting mode.
    pub fn prefixes_len(&self) -> usize {
        self.prefixes.len()
    }

    /// A client tracks from now on.
    pub fn begin(&mut self, id: ClientId) {
        self.clients.insert(id);
    }

    /// A client no longer tracks; `own` was its state.
    pub fn end(&mut self, id: ClientId, own: &ClientTracking) {
        self.clients.remove(id);
        let held_back = self.pending.iter_mut().filter(|pending| pending.id == id);
        held_back.for_each(|pending| pending.redirect = own.redirect);
        for prefix in &own.prefixes {
            let Some(known) = self.prefixes.get_mut(prefix) else {
                continue;
            };
            known.clients.remove(id);
            if known.clients.is_empty() {
                self.prefixes.remove(prefix);
                self.dirty.remove(prefix);
                if let Some(count) = self.lengths.get_mut(&prefix.len()) {
                    *count -= 1;
                    if *count == 0 {
                        self.lengths.remove(&prefix.len());
                    }
                }
            }
        }
    }

    /// A client in broadcasting mode wants to know of keys with a prefix; `own` is its state.
    pub fn follow(&mut self, id: ClientId, own: &mut ClientTracking, prefix: &[u8]) {
        let known = self.prefixes.entry(prefix.into()).or_default();
        if known.clients.is_empty() {
            *self.lengths.entry(prefix.len()).or_default() += 1;
        }
        known.clients.insert(id);
        own.prefixes.insert(prefix.into());
    }

    /// A client has read a key.
    pub fn remember(&mut self, id: ClientId, key: &[u8]) {
        let is_new = match self.keys.get_mut(key) {
            Some(holders) => holders.add(id),
            None => {
                self.keys.entry(key.into(), || Holders::One(id));
                true
            }
        };
        self.items += usize::from(is_new);
    }

    /// Forgets a key, and returns the clients that may hold it.
    pub fn forget(&mut self, key: &[u8]) -> Vec<ClientId> {
        let Some(holders) = self.keys.remove(key) else {
            return Vec::new();
        };
        let ids = holders.ids().to_vec();
        self.items -= ids.len();
        ids
    }

    /// Forgets all keys.
    pub fn forget_all(&mut self) -> impl Send + use<> {
        self.items = 0;
        std::mem::take(&mut self.keys)
    }

    /// Some key that is remembered.
    pub fn some_key(&self, rng: &mut Rng) -> Option<Box<[u8]>> {
        self.keys.some_key(rng).cloned()
    }

    /// Collects a change of a key for the clients that follow one of its prefixes.
    pub fn collect(&mut self, key: &[u8], by: Option<ClientId>) {
        for &len in self.lengths.keys() {
            let Some(prefix) = key.get(..len) else {
                return;
            };
            let Some(known) = self.prefixes.get_mut(prefix) else {
                continue;
            };
            if known.changes.is_empty() {
                self.dirty.insert(prefix.into());
            }
            known.changes.insert(key.into(), by);
        }
    }

    /// Whether changes were collected.
    #[inline]
    pub fn has_collected(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Takes the changes of the first prefix that has some, and the clients that follow it.
    pub fn take_collected(&mut self) -> Option<(Changes, Vec<ClientId>)> {
        let prefix = self.dirty.pop_first()?;
        let known = self.prefixes.get_mut(&prefix)?;
        let changes = std::mem::take(&mut known.changes);
        Some((changes, known.clients.ids().to_vec()))
    }
}
