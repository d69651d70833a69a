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

use data::ds::boxed::Keyed;
use data::util::rand::Rng;

use crate::state::client_id::ClientId;
use crate::state::client_set::ClientSet;
use crate::state::key_table::KeyTable;

/// How one client tracks.
#[derive(Debug, Default)]
pub struct ClientTracking {
    /// The public id of the client that is told instead; 0 for none.
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
    prefixes: BTreeSet<Box<[u8]>>,
    /// Memory of `prefixes`, in bytes.
    prefix_bytes: usize,
}

/// What an entry of the set of prefixes costs besides the prefix, in bytes.
const PREFIX_OVERHEAD: usize = 32;

impl ClientTracking {
    /// Whether the keys that the client reads are remembered now.
    pub fn remembers(&self) -> bool {
        let excluded = (self.opt_in && !self.caching) || (self.opt_out && self.caching);
        !self.broadcast && !excluded
    }

    /// Goes on following the prefixes of `before`, the state of the same client that this one replaces.
    pub fn keep_prefixes(&mut self, before: ClientTracking) {
        self.prefixes = before.prefixes;
        self.prefix_bytes = before.prefix_bytes;
    }

    /// The prefixes that it follows, in order.
    pub fn prefixes(&self) -> &BTreeSet<Box<[u8]>> {
        &self.prefixes
    }

    /// Memory in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.prefix_bytes
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

/// A key that clients may hold.
struct Tracked {
    key: Box<[u8]>,
    holders: ClientSet,
}

impl Keyed for Tracked {
    fn key(&self) -> &[u8] {
        &self.key
    }
}

/// All that is tracked.
#[derive(Default)]
pub struct Tracking {
    clients: ClientSet,
    keys: KeyTable<Tracked>,
    items: usize,
    prefixes: BTreeMap<Box<[u8]>, Prefix>,
    lengths: BTreeMap<usize, usize>,
    dirty: BTreeSet<Box<[u8]>>,
    /// Invalidations of keys (or of all) for the client whose command is executed; they follow its reply.
    pub pending: Vec<Pending>,
    /// More keys are remembered than the limit allows, or were when the table last grew.
    pub over_limit: bool,
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
        if own.prefixes.insert(prefix.into()) {
            own.prefix_bytes += prefix.len() + PREFIX_OVERHEAD;
        }
    }

    /// A client has read a key.
    pub fn remember(&mut self, id: ClientId, key: &[u8]) {
        let is_new = self.keys.update_or_add(
            key,
            |tracked| tracked.holders.insert(id),
            || {
                let (key, holders) = (key.into(), ClientSet::of(id));
                (Tracked { key, holders }, true)
            },
        );
        self.items += usize::from(is_new);
    }

    /// Forgets a key, and returns the clients that may hold it.
    pub fn forget(&mut self, key: &[u8]) -> ClientSet {
        let removed = self.keys.remove(key);
        let holders = removed.map_or_else(ClientSet::default, |tracked| tracked.holders);
        self.items -= holders.len();
        holders
    }

    /// Forgets all keys.
    pub fn forget_all(&mut self) -> impl Send + use<> {
        self.items = 0;
        std::mem::take(&mut self.keys)
    }

    /// Some key that is remembered.
    pub fn some_key(&self, rng: &mut Rng) -> Option<Box<[u8]>> {
        self.keys.random(rng).map(|tracked| tracked.key.clone())
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

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use data::util::rand::Rng;

    use super::{ClientTracking, PREFIX_OVERHEAD, Pending, Tracking};
    use crate::state::client_id::ClientId;

    fn id(number: u64) -> ClientId {
        ClientId::from_word(number)
    }

    #[test]
    fn what_is_remembered_depends_on_the_mode() {
        // broadcast, opt_in, opt_out, caching
        let cases = [
            (false, false, false, false, true),
            (true, false, false, false, false),
            (false, true, false, false, false),
            (false, true, false, true, true),
            (false, false, true, false, true),
            (false, false, true, true, false),
        ];
        for (broadcast, opt_in, opt_out, caching, expected) in cases {
            let own = ClientTracking {
                broadcast,
                opt_in,
                opt_out,
                caching,
                ..ClientTracking::default()
            };
            assert_eq!(own.remembers(), expected, "{own:?}");
        }
    }

    #[test]
    fn holders_of_keys_match_a_model() {
        let (mut tracking, mut model, mut rng) =
            (Tracking::default(), BTreeMap::new(), Rng::new(5));
        for _ in 0..5000 {
            let key = rng.below(20).to_string().into_bytes();
            let holder = id(rng.below(6));
            if rng.below(3) > 0 {
                tracking.remember(holder, &key);
                let holders: &mut BTreeSet<ClientId> = model.entry(key).or_default();
                holders.insert(holder);
            } else {
                let told: BTreeSet<ClientId> =
                    tracking.forget(&key).ids().iter().copied().collect();
                assert_eq!(told, model.remove(&key).unwrap_or_default());
            }
            assert_eq!(tracking.keys_len(), model.len());
            let items: usize = model.values().map(BTreeSet::len).sum();
            assert_eq!(tracking.items_len(), items);
            let some = tracking.some_key(&mut rng);
            assert!(some.is_none_or(|key| model.contains_key(&*key)));
        }
        drop(tracking.forget_all());
        assert_eq!((tracking.keys_len(), tracking.items_len()), (0, 0));
        assert!(!tracking.is_active());
    }

    #[test]
    fn changes_are_collected_for_every_prefix_that_has_clients() {
        let mut tracking = Tracking::default();
        let (mut first, mut second) = (ClientTracking::default(), ClientTracking::default());
        tracking.begin(id(1));
        tracking.begin(id(2));
        for prefix in ["", "a", "ab", "ab"] {
            tracking.follow(id(1), &mut first, prefix.as_bytes());
        }
        tracking.follow(id(2), &mut second, b"ab");
        let bytes = size_of::<ClientTracking>() + 3 + 3 * PREFIX_OVERHEAD;
        assert_eq!(first.memory(), bytes, "a prefix counts once");
        assert_eq!(tracking.prefixes_len(), 3);
        tracking.collect(b"abc", Some(id(1)));
        tracking.collect(b"abc", None);
        tracking.collect(b"b", None);
        let mut told = Vec::new();
        while let Some((changes, ids)) = tracking.take_collected() {
            let keys: Vec<String> = changes
                .iter()
                .map(|(key, by)| format!("{}:{}", String::from_utf8_lossy(key), by.is_some()))
                .collect();
            told.push((keys.join(" "), ids.len()));
        }
        let expected = [("abc:false b:false", 1), ("abc:false", 1), ("abc:false", 2)];
        assert_eq!(told, expected.map(|(keys, ids)| (keys.to_owned(), ids)));
        assert!(!tracking.has_collected());
        // Without its clients a prefix is gone, and so is what was collected for it.
        tracking.collect(b"abc", None);
        tracking.end(id(1), &first);
        assert_eq!(tracking.prefixes_len(), 1);
        assert!(
            tracking
                .take_collected()
                .is_some_and(|(_, ids)| ids == [id(2)])
        );
        tracking.end(id(2), &second);
        assert!(!tracking.has_collected() && !tracking.is_active());
        assert!(tracking.lengths.is_empty() && tracking.prefixes_len() == 0);
    }

    #[test]
    fn what_is_held_back_goes_where_the_client_redirected_to_last() {
        let mut tracking = Tracking::default();
        tracking.begin(id(1));
        tracking.pending.push(Pending {
            id: id(1),
            key: None,
            redirect: 0,
        });
        let own = ClientTracking {
            redirect: 7,
            ..ClientTracking::default()
        };
        tracking.end(id(1), &own);
        assert_eq!(tracking.pending[0].redirect, 7);
    }

    #[test]
    fn prefixes_are_kept_when_the_mode_changes() {
        let (mut tracking, mut before) = (Tracking::default(), ClientTracking::default());
        tracking.follow(id(1), &mut before, b"a");
        let bytes = before.memory();
        let mut after = ClientTracking::default();
        after.keep_prefixes(before);
        assert_eq!((after.prefixes().len(), after.memory()), (1, bytes));
    }
}
