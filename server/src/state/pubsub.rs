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
//! A group is a record of one pattern, as most are, or an array. In an array of more than [`SEARCHED`] patterns a table finds
//! the position of a pattern.
//!
//! # Invariants
//! 1. A client is in the set of a name exactly when the name is in the client's own list ([`Subscriptions`]).
//! 2. No name is without subscribers, and no group without patterns.
//! 3. All patterns of a group have the same literal prefix, which is the key of the group.
//! 4. `index` has the position of exactly the patterns of indexed groups. An array has at least two patterns.
//! 5. `count` is the number of patterns; `lengths` counts the groups by length of their prefix.

use std::mem;
use std::sync::Arc;

use data::ds::boxed::Keyed;
use data::util::glob::matches;

use crate::state::client_id::ClientId;
use crate::state::client_set::ClientSet;
use crate::state::key_table::KeyTable;

/// Bytes of a literal prefix that patterns are grouped by.
const MAX_PREFIX: usize = 31;

/// Maximum number of patterns of a group that are searched one by one.
const SEARCHED: usize = 16;

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

/// A channel and its subscribers.
struct Channel {
    name: Arc<[u8]>,
    clients: ClientSet,
}

impl Keyed for Channel {
    fn key(&self) -> &[u8] {
        &self.name
    }
}

/// The subscribers of all names.
#[derive(Default)]
pub struct Pubsub {
    channels: KeyTable<Channel>,
    shards: KeyTable<Channel>,
    patterns: Patterns,
}

impl Pubsub {
    /// The subscribers of all channels of a kind, which is not that of patterns.
    fn names_mut(&mut self, kind: Kind) -> &mut KeyTable<Channel> {
        match kind {
            Kind::Shard => &mut self.shards,
            _ => &mut self.channels,
        }
    }

    fn names(&self, kind: Kind) -> &KeyTable<Channel> {
        match kind {
            Kind::Shard => &self.shards,
            _ => &self.channels,
        }
    }

    /// Whether nobody is subscribed to a channel or pattern; shard channels are not counted.
    #[inline]
    pub fn is_silent(&self) -> bool {
        self.channels.is_empty() && self.patterns.count == 0
    }

    /// How many names of a kind have subscribers.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Pattern => self.patterns.count,
            kind => self.names(kind).len(),
        }
    }

    /// The subscribers of a channel.
    pub fn subscribers(&self, kind: Kind, channel: &[u8]) -> &[ClientId] {
        let found = self.names(kind).get(channel);
        found.map_or(&[], |channel| channel.clients.ids())
    }

    /// The names of the channels of a kind that have subscribers, in no particular order.
    pub fn channels(&self, kind: Kind) -> impl Iterator<Item = &[u8]> {
        self.names(kind).iter().map(|channel| &*channel.name)
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
            self.forget(id, kind, &name);
        }
        was_subscribed
    }

    /// Ends all subscriptions of a client that is gone.
    pub fn remove_all(&mut self, id: ClientId, own: &Subscriptions) {
        for kind in Kind::ALL {
            for name in own.names(kind) {
                self.forget(id, kind, name);
            }
        }
    }

    /// A client is no longer subscribed to a name, which its own list no longer has.
    pub fn forget(&mut self, id: ClientId, kind: Kind, name: &[u8]) {
        if kind == Kind::Pattern {
            return self.patterns.remove(id, name);
        }
        self.names_mut(kind).change_or_remove(name, |channel| {
            channel.clients.remove(id);
            channel.clients.is_empty()
        });
    }
}

/// Adds a client to the subscribers of a channel; returns the name unless the client was one of them.
fn add(names: &mut KeyTable<Channel>, id: ClientId, name: &[u8]) -> Option<Arc<[u8]>> {
    names.update_or_add(
        name,
        |channel| {
            let is_new = channel.clients.insert(id);
            is_new.then(|| Arc::clone(&channel.name))
        },
        || {
            let name: Arc<[u8]> = Arc::from(name);
            let clients = ClientSet::of(id);
            let channel = Channel {
                name: Arc::clone(&name),
                clients,
            };
            (channel, Some(name))
        },
    )
}

/// A pattern and its subscribers.
struct Pattern {
    text: Arc<[u8]>,
    clients: ClientSet,
}

impl Pattern {
    /// A pattern with its first subscriber.
    fn of(id: ClientId, text: Arc<[u8]>) -> Self {
        let clients = ClientSet::of(id);
        Pattern { text, clients }
    }

    /// Adds a subscriber; returns the text unless the client was one already.
    fn add(&mut self, id: ClientId) -> Option<Arc<[u8]>> {
        let is_new = self.clients.insert(id);
        is_new.then(|| Arc::clone(&self.text))
    }
}

/// The patterns of one literal prefix.
enum Group {
    One(Pattern),
    Many(Box<Many>),
}

#[derive(Default)]
struct Many {
    patterns: Vec<Pattern>,
    is_indexed: bool,
}

impl Keyed for Group {
    fn key(&self) -> &[u8] {
        prefix_of(&self.patterns()[0].text)
    }
}

/// The position of a pattern in its group.
struct IndexEntry {
    text: Arc<[u8]>,
    place: u32,
}

impl Keyed for IndexEntry {
    fn key(&self) -> &[u8] {
        &self.text
    }
}

type PatternIndex = KeyTable<IndexEntry>;

/// What the addition of a client has added.
struct Added {
    /// The text of the pattern, unless the client was one of its subscribers.
    text: Option<Arc<[u8]>>,
    is_new_pattern: bool,
    is_new_group: bool,
}

/// All patterns.
#[derive(Default)]
struct Patterns {
    groups: KeyTable<Group>,
    index: PatternIndex,
    count: usize,
    lengths: [u32; MAX_PREFIX + 1],
}

/// The literal prefix that a pattern is grouped by.
fn prefix_of(pattern: &[u8]) -> &[u8] {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let literal = pattern.iter().position(is_special);
    &pattern[..literal.unwrap_or(pattern.len()).min(MAX_PREFIX)]
}

impl Group {
    fn patterns(&self) -> &[Pattern] {
        match self {
            Group::One(pattern) => std::slice::from_ref(pattern),
            Group::Many(many) => &many.patterns,
        }
    }

    /// Adds a client to the subscribers of a pattern of this group.
    fn add(&mut self, index: &mut PatternIndex, id: ClientId, text: &[u8]) -> Added {
        let known = match self {
            Group::One(pattern) => (*pattern.text == *text).then_some(pattern),
            Group::Many(many) => {
                let place = many.place(index, text);
                place.and_then(|place| many.patterns.get_mut(place))
            }
        };
        let is_new_pattern = known.is_none();
        let text = match known {
            Some(pattern) => pattern.add(id),
            None => {
                let text: Arc<[u8]> = Arc::from(text);
                self.push(index, Pattern::of(id, Arc::clone(&text)));
                Some(text)
            }
        };
        Added {
            text,
            is_new_pattern,
            is_new_group: false,
        }
    }

    fn push(&mut self, index: &mut PatternIndex, pattern: Pattern) {
        match self {
            Group::Many(many) => many.push(index, pattern),
            Group::One(_) => {
                let mut many = Box::<Many>::default();
                // A placeholder until the only pattern has moved into the array.
                if let Group::One(first) = mem::replace(self, Group::Many(Box::default())) {
                    many.patterns.push(first);
                }
                many.patterns.push(pattern);
                *self = Group::Many(many);
            }
        }
    }

    /// Removes a client from the subscribers of a pattern. Returns whether the pattern has no more subscribers: then it is
    /// no longer in the group, unless it was the only one.
    fn remove(&mut self, index: &mut PatternIndex, id: ClientId, text: &[u8]) -> bool {
        let many = match self {
            Group::One(pattern) => {
                return *pattern.text == *text
                    && pattern.clients.remove(id)
                    && pattern.clients.is_empty();
            }
            Group::Many(many) => many,
        };
        let is_removed = many.remove(index, id, text);
        if many.patterns.len() == 1
            && let Some(last) = many.patterns.pop()
        {
            if many.is_indexed {
                index.remove(&last.text);
            }
            *self = Group::One(last);
        }
        is_removed
    }
}

impl Many {
    fn place(&self, index: &PatternIndex, text: &[u8]) -> Option<usize> {
        if self.is_indexed {
            return index.get(text).map(|entry| entry.place as usize);
        }
        self.patterns
            .iter()
            .position(|pattern| *pattern.text == *text)
    }

    fn push(&mut self, index: &mut PatternIndex, pattern: Pattern) {
        self.patterns.push(pattern);
        let last = self.patterns.len() - 1;
        let from = match self.is_indexed {
            true => last,
            false if last < SEARCHED => return,
            false => 0,
        };
        self.is_indexed = true;
        for (place, pattern) in (from as u32..).zip(&self.patterns[from..]) {
            let text = Arc::clone(&pattern.text);
            index.add(IndexEntry { text, place });
        }
    }

    /// Removes a client from the subscribers of a pattern, and the pattern if that was the last one; returns whether it was.
    fn remove(&mut self, index: &mut PatternIndex, id: ClientId, text: &[u8]) -> bool {
        let Some(place) = self.place(index, text) else {
            return false;
        };
        let clients = &mut self.patterns[place].clients;
        if !clients.remove(id) || !clients.is_empty() {
            return false;
        }
        self.patterns.swap_remove(place);
        if self.is_indexed {
            index.remove(text);
            if let Some(moved) = self.patterns.get(place) {
                index.update(&moved.text, |of_moved| of_moved.place = place as u32);
            }
        }
        true
    }
}

impl Patterns {
    /// Adds a client to the subscribers of a pattern; returns the pattern unless the client was one of them.
    fn add(&mut self, id: ClientId, text: &[u8]) -> Option<Arc<[u8]>> {
        let prefix = prefix_of(text);
        let index = &mut self.index;
        let added = self.groups.update_or_add(
            prefix,
            |group| group.add(index, id, text),
            || {
                let text: Arc<[u8]> = Arc::from(text);
                let added = Added {
                    text: Some(Arc::clone(&text)),
                    is_new_pattern: true,
                    is_new_group: true,
                };
                (Group::One(Pattern::of(id, text)), added)
            },
        );
        self.count += usize::from(added.is_new_pattern);
        self.lengths[prefix.len()] += u32::from(added.is_new_group);
        added.text
    }

    /// Removes a client from the subscribers of a pattern.
    fn remove(&mut self, id: ClientId, text: &[u8]) {
        let prefix = prefix_of(text);
        let groups = self.groups.len();
        let (index, count) = (&mut self.index, &mut self.count);
        self.groups.change_or_remove(prefix, |group| {
            let was_one = matches!(group, Group::One(_));
            let is_removed = group.remove(index, id, text);
            *count -= usize::from(is_removed);
            was_one && is_removed
        });
        self.lengths[prefix.len()] -= (groups - self.groups.len()) as u32;
    }

    fn for_each_match(&self, channel: &[u8], mut each: impl FnMut(&[u8], &[ClientId])) {
        if self.count == 0 {
            return;
        }
        for (len, &groups) in self.lengths.iter().enumerate() {
            if groups == 0 || len > channel.len() {
                continue;
            }
            let group = self.groups.get(&channel[..len]);
            for pattern in group.map_or(&[][..], Group::patterns) {
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
        let many = many.into_iter().flat_map(|names| names.iter());
        few.into_iter().flatten().chain(many)
    }

    /// Takes all names of a kind out of the list.
    pub fn take(&mut self, kind: Kind) -> Vec<Arc<[u8]>> {
        match mem::take(self.names_mut(kind)) {
            Names::Few(names) => names,
            Names::Many(names) => names.iter().cloned().collect(),
        }
    }

    /// Memory of the lists, in bytes. The names belong to all their subscribers and are not counted.
    pub fn memory(&self) -> usize {
        let entries: usize = self.names.iter().map(Names::len).sum();
        size_of::<Self>() + entries * (size_of::<Arc<[u8]>>() + size_of::<ClientId>())
    }
}

/// Maximum number of names of a client that are kept in an array.
const FEW: usize = 8;

/// A set of names.
#[derive(Debug)]
enum Names {
    Few(Vec<Arc<[u8]>>),
    Many(Box<KeyTable<Arc<[u8]>>>),
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
                let mut many = Box::<KeyTable<_>>::default();
                names.drain(..).for_each(|name| many.add(name));
                many.add(name);
                *self = Names::Many(many);
            }
            Names::Many(names) => names.add(name),
        }
    }

    /// Removes a name; `None` if it is not in the set.
    fn remove(&mut self, name: &[u8]) -> Option<Arc<[u8]>> {
        match self {
            Names::Few(names) => {
                let place = names.iter().position(|other| **other == *name)?;
                Some(names.remove(place))
            }
            Names::Many(names) => names.remove(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::ops::Range;

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
        let words: Vec<String> = words.into_iter().map(String::from).collect();
        compare_with_model(&words, 1..12);
    }

    #[test]
    fn big_groups_of_patterns_match_a_model() {
        // 40 patterns of one prefix, half of which match something.
        let word = |n: usize| format!("a*{}", ["b", "c", "*", "?"][n % 4].repeat(n / 4 + 1));
        let words: Vec<String> = (0..40).map(word).collect();
        // The group grows to all patterns, and shrinks to few.
        compare_with_model(&words, 1..12);
        compare_with_model(&words, 1..3);
    }

    fn compare_with_model(words: &[String], subscribing: Range<u64>) {
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
                    pubsub.remove_all(id, &std::mem::take(mine));
                    model.values_mut().for_each(|ids| {
                        ids.remove(&id);
                    });
                }
                step if subscribing.contains(&step) => {
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
