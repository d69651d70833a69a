//! Pub/Sub: who receives the messages of which channels.
//!
//! ```text
//! channel ─────────────────────────────▶ its subscribers
//! pattern ─▶ literal prefix: patterns ─▶ subscribers of each
//! client  ─▶ names of its channels, patterns and shard channels
//! ```
//!
//! Patterns are grouped by their literal prefix, the part in front of the first special character, of which at most
//! [`MAX_PREFIX`] bytes count. Only patterns whose prefix begins the name of a channel can match it, so a message
//! examines at most one group per length of prefix, and not all patterns.
//!
//! # Invariants
//! 1. A client is in the set of a name exactly when the name is in the client's own list ([`Subscriptions`]).
//! 2. No name is without subscribers, and no group without patterns.
//! 3. `places` maps each pattern to its position in its group; `lengths` counts the groups by length of their prefix.

use std::collections::HashSet;
use std::sync::Arc;

use data::util::glob::matches;

use crate::state::client_id::ClientId;
use crate::state::client_set::ClientSet;
use crate::state::sharded::Sharded;

/// Bytes of a literal prefix that patterns are grouped by.
const MAX_PREFIX: usize = 31;

/// What a client can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A channel: SUBSCRIBE.
    Channel,
    /// All channels that match a pattern: PSUBSCRIBE.
    Pattern,
    /// A shard channel: SSUBSCRIBE.
    Shard,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];
}

/// The subscribers of all names.
#[derive(Default)]
pub struct Pubsub {
    channels: Sharded<Arc<[u8]>, ClientSet>,
    shards: Sharded<Arc<[u8]>, ClientSet>,
    patterns: Patterns,
}

impl Pubsub {
    /// The subscribers of all channels of a kind, which is not that of patterns.
    fn names_mut(&mut self, kind: Kind) -> &mut Sharded<Arc<[u8]>, ClientSet> {
        match kind {
            Kind::Shard => &mut self.shards,
            _ => &mut self.channels,
        }
    }

    fn names(&self, kind: Kind) -> &Sharded<Arc<[u8]>, ClientSet> {
        match kind {
            Kind::Shard => &self.shards,
            _ => &self.channels,
        }
    }

    /// Whether nobody is subscribed to a channel or pattern; shard channels are not counted.
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.channels.is_empty() && self.patterns.places.is_empty()
    }

    /// How many names of a kind have subscribers.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pattern => self.patterns.places.len(),
            kind => self.names(kind).len(),
        }
    }

    /// The subscribers of a channel.
    pub fn subscribers(&self, kind: Kind, channel: &[u8]) -> &[ClientId] {
        let clients = self.names(kind).get(channel);
        clients.map_or(&[], ClientSet::ids)
    }

    /// The names of the channels of a kind that have subscribers, in no particular order.
    pub fn channels(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.names(kind).iter().map(|(name, _)| &**name)
    }

    /// Calls `each` with the patterns that match a channel, and their subscribers.
    pub fn for_each_match(&self, channel: &[u8], each: impl FnMut(&[u8], &[ClientId])) {
        self.patterns.for_each_match(channel, each);
    }

    /// Subscribes a client, whose own list is `own`; false if it was subscribed already.
    pub fn subscribe(
        &mut self,
        id: ClientId,
        own: &mut Subscriptions,
        kind: Kind,
        name: &[u8],
    ) -> bool {
        let shared = match kind {
            Kind::Pattern => self.patterns.add(id, name),
            kind => add(self.names_mut(kind), id, name),
        };
        let is_new = shared.is_some();
        if let Some(shared) = shared {
            own.names_mut(kind).add(shared);
        }
        is_new
    }

    /// Ends a subscription of a client, whose own list is `own`; false if there was none.
    pub fn unsubscribe(
        &mut self,
        id: ClientId,
        own: &mut Subscriptions,
        kind: Kind,
        name: &[u8],
    ) -> bool {
        let removed = own.names_mut(kind).remove(name);
        let was_subscribed = removed.is_some();
        if let Some(name) = removed {
            self.forget(id, kind, name);
        }
        was_subscribed
    }

    /// Ends all subscriptions of a client that is gone.
    pub fn remove_all(&mut self, id: ClientId, own: Subscriptions) {
        for (kind, names) in Kind::ALL.into_iter().zip(own.names) {
            match names {
                Names::Few(names) => names
                    .into_iter()
                    .for_each(|name| self.forget(id, kind, name)),
                Names::Many(names) => names
                    .into_iter()
                    .for_each(|name| self.forget(id, kind, name)),
            }
        }
    }

    fn forget(&mut self, id: ClientId, kind: Kind, name: Arc<[u8]>) {
        if kind == Kind::Pattern {
            return self.patterns.remove(id, &name);
        }
        self.names_mut(kind).change(name, |clients| {
            clients.remove(id);
            clients.is_empty()
        });
    }
}

/// Adds a client to the subscribers of a name; returns the name unless the client was one of them.
fn add(names: &mut Sharded<Arc<[u8]>, ClientSet>, id: ClientId, name: &[u8]) -> Option<Arc<[u8]>> {
    let (shared, clients) = names.entry_with_key(Arc::from(name), ClientSet::default);
    clients.insert(id).then_some(shared)
}

/// A pattern and its subscribers.
struct Pattern {
    text: Arc<[u8]>,
    clients: ClientSet,
}

/// All patterns.
#[derive(Default)]
struct Patterns {
    places: Sharded<Arc<[u8]>, u32>,
    groups: Sharded<Box<[u8]>, Vec<Pattern>>,
    lengths: [u32; MAX_PREFIX + 1],
}

/// The literal prefix that a pattern is grouped by.
fn prefix_of(pattern: &[u8]) -> &[u8] {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let literal = pattern.iter().position(is_special);
    &pattern[..literal.unwrap_or(pattern.len()).min(MAX_PREFIX)]
}

impl Patterns {
    /// Adds a client to the subscribers of a pattern; returns the pattern unless the client was one of them.
    fn add(&mut self, id: ClientId, text: &[u8]) -> Option<Arc<[u8]>> {
        let prefix = prefix_of(text);
        if let Some(&place) = self.places.get(text) {
            let pattern = &mut self.groups.get_mut(prefix)?[place as usize];
            let is_new = pattern.clients.insert(id);
            return is_new.then(|| Arc::clone(&pattern.text));
        }
        let group = self.groups.entry(prefix.into(), Vec::new);
        if group.is_empty() {
            self.lengths[prefix.len()] += 1;
            group.reserve_exact(1);
        }
        let text: Arc<[u8]> = Arc::from(text);
        let place = group.len() as u32;
        group.push(Pattern {
            text: Arc::clone(&text),
            clients: ClientSet::of(id),
        });
        self.places.entry(Arc::clone(&text), || place);
        Some(text)
    }

    /// Removes a client from the subscribers of a pattern.
    fn remove(&mut self, id: ClientId, text: &[u8]) {
        let prefix = prefix_of(text);
        let Some(&place) = self.places.get(text) else {
            return;
        };
        let Some(group) = self.groups.get_mut(prefix) else {
            return;
        };
        let clients = &mut group[place as usize].clients;
        clients.remove(id);
        if !clients.is_empty() {
            return;
        }
        group.swap_remove(place as usize);
        if let Some(moved) = group.get(place as usize)
            && let Some(of_moved) = self.places.get_mut(&moved.text)
        {
            *of_moved = place;
        }
        if group.is_empty() {
            self.groups.remove(prefix);
            self.lengths[prefix.len()] -= 1;
        }
        self.places.remove(text);
    }

    fn for_each_match(&self, channel: &[u8], mut each: impl FnMut(&[u8], &[ClientId])) {
        if self.places.is_empty() {
            return;
        }
        for (len, &groups) in self.lengths.iter().enumerate() {
            if groups == 0 || len > channel.len() {
                continue;
            }
            let group = self.groups.get(&channel[..len]);
            for pattern in group.into_iter().flatten() {
                if matches(&pattern.text, channel, false) {
                    each(&pattern.text, pattern.clients.ids());
                }
            }
        }
    }
}

/// What one client is subscribed to.
#[derive(Debug, Default)]
pub struct Subscriptions {
    names: [Names; Kind::ALL.len()],
}

impl Subscriptions {
    fn names_mut(&mut self, kind: Kind) -> &mut Names {
        &mut self.names[kind as usize]
    }

    /// How many names of a kind it is subscribed to.
    pub fn count(&self, kind: Kind) -> usize {
        self.names[kind as usize].len()
    }

    /// Whether it is subscribed to nothing.
    pub fn is_empty(&self) -> bool {
        self.names.iter().all(|names| names.len() == 0)
    }

    /// The names of a kind, in no particular order.
    pub fn names(&self, kind: Kind) -> impl Iterator<Item = &Arc<[u8]>> {
        let (few, many) = match &self.names[kind as usize] {
            Names::Few(names) => (Some(names), None),
            Names::Many(names) => (None, Some(names)),
        };
        let few = few.into_iter().flatten();
        few.chain(many.into_iter().flatten())
    }

    /// Memory of the lists, in bytes. The names belong to all their subscribers and are not counted.
    pub fn memory(&self) -> usize {
        let entries: usize = self.names.iter().map(Names::len).sum();
        size_of::<Self>() + entries * (size_of::<Arc<[u8]>>() + size_of::<ClientId>())
    }
}

/// Up to so many names of a client are kept in an array.
const FEW: usize = 8;

/// A set of names.
#[derive(Debug)]
enum Names {
    Few(Vec<Arc<[u8]>>),
    Many(HashSet<Arc<[u8]>>),
}

impl Default for Names {
    fn default() -> Self {
        Names::Few(Vec::new())
    }
}

impl Names {
    fn len(&self) -> usize {
        match self {
            Names::Few(names) => names.len(),
            Names::Many(names) => names.len(),
        }
    }

    /// Adds a name that is not in the set.
    fn add(&mut self, name: Arc<[u8]>) {
        match self {
            Names::Few(names) if names.len() < FEW => {
                if names.is_empty() {
                    names.reserve_exact(1);
                }
                names.push(name);
            }
            Names::Few(names) => {
                let mut many: HashSet<_> = names.drain(..).collect();
                many.insert(name);
                *self = Names::Many(many);
            }
            Names::Many(names) => {
                names.insert(name);
            }
        }
    }

    /// Removes a name; `None` if it is not in the set.
    fn remove(&mut self, name: &[u8]) -> Option<Arc<[u8]>> {
        match self {
            Names::Few(names) => {
                let place = names.iter().position(|other| **other == *name)?;
                Some(names.remove(place))
            }
            Names::Many(names) => names.take(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use data::util::glob::matches;
    use data::util::rand::Rng;

    use super::{Kind, Pubsub, Subscriptions, prefix_of};
    use crate::state::client_id::ClientId;

    #[test]
    fn the_prefix_ends_before_the_first_special_character() {
        let cases: [(&[u8], &[u8]); 8] = [
            (b"", b""),
            (b"*", b""),
            (b"news.*", b"news."),
            (b"n?ws", b"n"),
            (b"n[e]ws", b"n"),
            (b"a\\*b", b"a"),
            (b"plain", b"plain"),
            (&[b'x'; 40], &[b'x'; 31]),
        ];
        for (pattern, prefix) in cases {
            assert_eq!(prefix_of(pattern), prefix);
        }
    }

    type Model = BTreeMap<(u8, Vec<u8>), BTreeSet<ClientId>>;

    fn check(pubsub: &Pubsub, own: &[Subscriptions], model: &Model) {
        for kind in Kind::ALL {
            let of_kind = model.iter().filter(|((k, _), _)| *k == kind as u8);
            assert_eq!(pubsub.count(kind), of_kind.clone().count());
            for (number, own) in (0..).zip(own) {
                let id = ClientId::from_word(number);
                let names = of_kind.clone().filter(|(_, ids)| ids.contains(&id));
                assert_eq!(own.count(kind), names.count());
            }
        }
        for channel in ["", "a", "ab", "abc", "b", "ba", "bb"] {
            let ids = pubsub.subscribers(Kind::Channel, channel.as_bytes());
            let ids: BTreeSet<ClientId> = ids.iter().copied().collect();
            let key = (Kind::Channel as u8, channel.as_bytes().to_vec());
            assert_eq!(ids, model.get(&key).cloned().unwrap_or_default());
            let mut found = BTreeMap::new();
            pubsub.for_each_match(channel.as_bytes(), |pattern, ids| {
                let ids: BTreeSet<ClientId> = ids.iter().copied().collect();
                assert!(found.insert(pattern.to_vec(), ids).is_none());
            });
            let expected = model.iter().filter(|((kind, pattern), _)| {
                *kind == Kind::Pattern as u8 && matches(pattern, channel.as_bytes(), false)
            });
            let expected: BTreeMap<_, _> = expected
                .map(|((_, pattern), ids)| (pattern.clone(), ids.clone()))
                .collect();
            assert_eq!(found, expected, "{channel}");
        }
    }

    #[test]
    fn random_subscriptions_match_a_model() {
        let words = [
            "a", "ab", "abc", "b", "ba", "bb", "*", "a*", "a?", "[ab]b", "b*", "", "?", "*b", "a*c",
        ];
        let (mut pubsub, mut model, mut rng) = (Pubsub::default(), Model::new(), Rng::new(7));
        let mut own: Vec<Subscriptions> = (0..40).map(|_| Subscriptions::default()).collect();
        for _ in 0..6000 {
            let number = rng.below(own.len() as u64);
            let id = ClientId::from_word(number);
            let kind = Kind::ALL[rng.below(3) as usize];
            let name = words[rng.below(words.len() as u64) as usize].as_bytes();
            let mine = &mut own[number as usize];
            let key = (kind as u8, name.to_vec());
            match rng.below(20) {
                0 => {
                    pubsub.remove_all(id, std::mem::take(mine));
                    model.values_mut().for_each(|ids| {
                        ids.remove(&id);
                    });
                }
                1..12 => {
                    let is_new = model.entry(key).or_default().insert(id);
                    assert_eq!(pubsub.subscribe(id, mine, kind, name), is_new);
                }
                _ => {
                    let was = model.get_mut(&key).is_some_and(|ids| ids.remove(&id));
                    assert_eq!(pubsub.unsubscribe(id, mine, kind, name), was);
                }
            }
            model.retain(|_, ids| !ids.is_empty());
            check(&pubsub, &own, &model);
        }
    }
}
