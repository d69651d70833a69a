//! The set type, in one of three encodings.
//!
//! | encoding | holds | is converted when |
//! |---|---|---|
//! | [`Set::Ints`] | sorted integers only | a text is added, or there are more than [`SetLimits::max_ints`] |
//! | [`Set::Packed`] | a few short texts and integers | a member is too long, or there are too many |
//! | [`Set::Table`] | anything | |
//!
//! A set is never converted back, except by [`Set::convert_to_ints`] for new sets. When a text is added to an intset,
//! it becomes a packed set if everything fits into one, else a table; when it has too many integers, it becomes a
//! table. Clients see the encoding (OBJECT ENCODING), so these rules are Redis's.
//!
//! A member is passed as an [`Item`]; `Item::Bytes` of an integer's digits and `Item::Int` are the same member.

use crate::ds::intset::Intset;
use crate::ds::item::Item;
use crate::ds::listpack::{Listpack, Pos};
use crate::ds::relocation::{Relocator, relocate_box};
use crate::ds::table::TableStats;
use crate::util::rand::Rng;
use crate::util::sample::{choose, split};
use crate::value::records::Records;
use crate::value::{Encoding, Scratch};

/// Limits of the compact encodings.
#[derive(Clone, Copy, Debug)]
pub struct SetLimits {
    /// `set-max-intset-entries`: number of integers.
    pub max_ints: usize,
    /// `set-max-listpack-entries`: number of members of a packed set.
    pub max_entries: usize,
    /// `set-max-listpack-value`: bytes of a member of a packed set.
    pub max_value: usize,
}

/// Maximum number of integers of an intset, whatever the configuration says.
const MOST_INTS: usize = 1 << 30;

/// A table is rebuilt if this many times more members are removed than stay: see [`Set::pop_many`].
const RENEW: usize = 5;

/// A set.
#[derive(Clone)]
pub enum Set {
    /// Integers only.
    Ints(Intset),
    /// Few and short members.
    Packed(Listpack),
    /// Any members.
    Table(Box<Records<1>>),
}

impl Default for Set {
    fn default() -> Self {
        Self::new()
    }
}

impl Set {
    /// An empty set.
    pub fn new() -> Self {
        Set::Ints(Intset::new())
    }

    /// Number of members.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Set::Ints(members) => members.len(),
            Set::Packed(members) => members.len(),
            Set::Table(members) => members.len(),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(&self) -> Encoding {
        match self {
            Set::Ints(_) => Encoding::Intset,
            Set::Packed(_) => Encoding::Listpack,
            Set::Table(_) => Encoding::Hashtable,
        }
    }

    /// Verifies the structure; panics on a violation. For tests.
    pub fn check(&self) {
        match self {
            Set::Ints(ints) => ints.check(),
            Set::Packed(pack) => pack.check(),
            Set::Table(table) => table.check(),
        }
    }

    /// Memory beyond the entry, estimated from `samples` members; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Set::Ints(members) => members.memory(),
            Set::Packed(members) => members.memory(),
            Set::Table(members) => members.memory(samples),
        }
    }

    /// Moves the allocations of about `count` members from `cursor` on. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        match self {
            Set::Ints(members) => members.relocate(relocator),
            Set::Packed(members) => members.relocate(relocator),
            Set::Table(members) => {
                if cursor == 0 {
                    relocate_box(members, relocator, || Records::with_room(0));
                }
                return members.relocate(cursor, count, relocator);
            }
        }
        0
    }

    /// The set for a reader, after a step of a resize of its table in progress: a set that is only read would keep two arrays.
    #[inline]
    pub fn continuing_resize(&mut self) -> &Self {
        if let Set::Table(members) = self {
            members.continue_resize();
        }
        self
    }

    /// Statistics of the table, if the set is one.
    pub fn table_stats(&self) -> Option<TableStats> {
        match self {
            Set::Table(members) => Some(members.stats()),
            Set::Ints(_) | Set::Packed(_) => None,
        }
    }

    /// Chooses the encoding for `count` members that are about to be added, `first` being the first of them. An empty
    /// set takes the encoding that suits them; another set becomes a table if `count` alone exceeds its limit.
    pub fn choose_encoding(&mut self, first: Item<'_>, count: usize, limits: &SetLimits) {
        if self.is_empty() {
            *self = if count <= limits.max_ints && first.to_i64().is_some() {
                Set::Ints(Intset::new())
            } else if count <= limits.max_entries {
                Set::Packed(Listpack::new())
            } else {
                Set::Table(Box::new(Records::with_room(count)))
            };
            return;
        }
        let most = match self {
            Set::Ints(_) => limits.max_ints,
            Set::Packed(_) => limits.max_entries,
            Set::Table(_) => return,
        };
        if count > most {
            self.make_table(count);
        }
    }

    /// Reserves capacity in an empty set for `count` distinct members, if that many make a table in any case.
    pub fn reserve(&mut self, count: usize, limits: &SetLimits) {
        if self.is_empty() && count > limits.max_ints.max(limits.max_entries) {
            *self = Set::Table(Box::new(Records::with_room(count)));
        }
    }

    /// Adds all members of another set.
    pub fn extend(&mut self, other: &Set, limits: &SetLimits) {
        other.iter().for_each(|member| {
            self.add(member, limits);
        });
    }

    /// Adds a member. Returns whether it is new.
    pub fn add(&mut self, member: Item<'_>, limits: &SetLimits) -> bool {
        match self {
            Set::Table(members) => members.add(member.bytes(&mut Scratch::default())),
            Set::Packed(members) => {
                if members.find(member).is_some() {
                    return false;
                }
                if members.len() < limits.max_entries
                    && member.len() <= limits.max_value
                    && members.has_room(member.len())
                {
                    members.push_back(member);
                } else {
                    self.make_table(1)
                        .add(member.bytes(&mut Scratch::default()));
                }
                true
            }
            Set::Ints(members) => {
                let Some(number) = member.to_i64() else {
                    self.add_text_to_ints(member, limits);
                    return true;
                };
                let added = members.insert(number);
                if members.len() > limits.max_ints.min(MOST_INTS) {
                    self.make_table(0);
                }
                added
            }
        }
    }

    /// Removes a member. Returns whether it existed.
    pub fn remove(&mut self, member: Item<'_>) -> bool {
        match self {
            Set::Table(members) => members
                .remove(member.bytes(&mut Scratch::default()))
                .is_some(),
            Set::Packed(members) => match members.find(member) {
                Some(at) => {
                    members.remove(at);
                    true
                }
                None => false,
            },
            Set::Ints(members) => member.to_i64().is_some_and(|number| members.remove(number)),
        }
    }

    /// Whether the set contains a member.
    #[inline]
    pub fn contains(&self, member: Item<'_>) -> bool {
        match self {
            Set::Table(members) => members
                .find(member.bytes(&mut Scratch::default()))
                .is_some(),
            Set::Packed(members) => members.find(member).is_some(),
            Set::Ints(members) => member
                .to_i64()
                .is_some_and(|number| members.contains(number)),
        }
    }

    /// Keeps in `items` only the members of the set, or only the items that are not, as `retain` says.
    pub fn filter(&self, items: &mut Vec<Item<'_>>, retain: Retain) {
        let Set::Table(members) = self else {
            return items.retain(|item| self.contains(*item) == (retain == Retain::Members));
        };
        let mut digits = vec![Scratch::default(); items.len()];
        let keys: Vec<&[u8]> = items
            .iter()
            .zip(&mut digits)
            .map(|(item, room)| item.bytes(room))
            .collect();
        let mut found = members.contains_each(&keys);
        items.retain(|_| found.next() == Some(retain == Retain::Members));
    }

    /// Iterator over all members: ascending for integers, else in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = Item<'_>> {
        match self {
            Set::Ints(members) => Each::Ints(members.iter().map(Item::Int)),
            Set::Packed(members) => Each::Packed(members.iter()),
            Set::Table(members) => {
                Each::Table(members.iter().map(|member| Item::Bytes(member.key())))
            }
        }
    }

    /// Visits about `count` members from a cursor on. Returns the next cursor; 0 at the end. A table gives the
    /// guarantee of `Table::scan`; a compact encoding is visited as a whole.
    pub fn scan<'a>(&'a self, cursor: u64, count: usize, each: &mut dyn FnMut(Item<'a>)) -> u64 {
        if let Set::Table(members) = self {
            return members.scan(cursor, count, &mut |member| each(Item::Bytes(member.key())));
        }
        self.iter().for_each(each);
        0
    }

    /// A member chosen uniformly at random; `None` only if the set is empty.
    pub fn random(&self, rng: &mut Rng) -> Option<Item<'_>> {
        match self {
            Set::Ints(members) => members.random(rng).map(Item::Int),
            Set::Packed(members) => random_of(members, rng).map(|at| members.get(at)),
            Set::Table(members) => members.random(rng).map(|member| Item::Bytes(member.key())),
        }
    }

    /// Passes `count` independent random members to `each`.
    pub fn draw<'a>(&'a self, count: usize, rng: &mut Rng, mut each: impl FnMut(Item<'a>)) {
        if let Set::Packed(members) = self
            && count > 1
            && !self.is_empty()
        {
            // Finding each of them in the listpack would be slower.
            let all: Vec<Item<'a>> = members.iter().collect();
            (0..count).for_each(|_| each(all[rng.below(all.len() as u64) as usize]));
            return;
        }
        (0..count).filter_map(|_| self.random(rng)).for_each(each);
    }

    /// Passes `count` distinct members to `each`, or all if there are fewer; each subset is equally likely.
    pub fn sample<'a>(&'a self, count: usize, rng: &mut Rng, mut each: impl FnMut(Item<'a>)) {
        match self {
            Set::Table(members) => {
                members.sample(count, rng, |member| each(Item::Bytes(member.key())));
            }
            Set::Ints(_) | Set::Packed(_) => choose(self.iter(), self.len(), count, rng, each),
        }
    }

    /// Removes a member chosen uniformly at random and passes it to `each`.
    pub fn pop<R>(&mut self, rng: &mut Rng, each: impl FnOnce(Item<'_>) -> R) -> Option<R> {
        match self {
            Set::Ints(members) => {
                let number = members.random(rng)?;
                members.remove(number);
                Some(each(Item::Int(number)))
            }
            Set::Packed(members) => {
                let at = random_of(members, rng)?;
                let result = each(members.get(at));
                members.remove(at);
                Some(result)
            }
            Set::Table(members) => {
                let member = members.pop(rng)?;
                Some(each(Item::Bytes(member.view().key())))
            }
        }
    }

    /// Removes `count` members, fewer than the set has, and passes them to `each`; each subset is equally likely.
    ///
    /// If few members of a table stay, those are chosen instead and moved to a new set with a suitable encoding.
    pub fn pop_many(
        &mut self,
        count: usize,
        limits: &SetLimits,
        rng: &mut Rng,
        mut each: impl FnMut(Item<'_>),
    ) {
        let len = self.len();
        let mut stay = match self {
            Set::Ints(_) => Set::Ints(Intset::new()),
            Set::Packed(_) | Set::Table(_) => Set::Packed(Listpack::new()),
        };
        match self {
            Set::Ints(_) | Set::Packed(_) => {
                split(self.iter(), len, count, rng, |member, goes| {
                    if goes {
                        each(member);
                    } else {
                        stay.append_kept(member);
                    }
                });
            }
            Set::Table(members) if len.saturating_sub(count) * RENEW > count => {
                for member in (0..count).map_while(|_| members.pop(rng)) {
                    each(Item::Bytes(member.view().key()));
                }
                return;
            }
            Set::Table(members) => {
                for member in (count..len).map_while(|_| members.pop(rng)) {
                    stay.add(Item::Bytes(member.view().key()), limits);
                }
                self.iter().for_each(each);
            }
        }
        *self = stay;
    }

    /// Converts a set of integers to an intset, unless there are too many.
    pub fn convert_to_ints(&mut self, limits: &SetLimits) {
        if matches!(self, Set::Ints(_)) || self.len() > limits.max_ints.min(MOST_INTS) {
            return;
        }
        let mut members = Intset::new();
        for member in self.iter() {
            let Some(number) = member.to_i64() else {
                return;
            };
            members.insert(number);
        }
        *self = Set::Ints(members);
    }

    /// Appends a member to the compact encoding of a new set; it is distinct and fits, because the old set contained
    /// it.
    fn append_kept(&mut self, member: Item<'_>) {
        match (self, member) {
            (Set::Ints(members), Item::Int(number)) => {
                members.insert(number);
            }
            (Set::Packed(members), member) => {
                members.push_back(member);
            }
            _ => unreachable!("only compact encodings are rebuilt, with members of their kind"),
        }
    }

    /// Adds a text to an intset.
    fn add_text_to_ints(&mut self, member: Item<'_>, limits: &SetLimits) {
        let Set::Ints(members) = self else { return };
        let ends = [members.min(), members.max()];
        let longest = ends
            .into_iter()
            .flatten()
            .map(|number| Item::Int(number).len())
            .max()
            .unwrap_or(0);
        let mut packed = Listpack::new();
        if members.len() < limits.max_entries
            && member.len() <= limits.max_value
            && longest <= limits.max_value
            && packed.has_room(members.len() * (longest + 2) + member.len())
        {
            members.iter().for_each(|number| {
                packed.push_back(Item::Int(number));
            });
            packed.push_back(member);
            *self = Set::Packed(packed);
        } else {
            self.make_table(1)
                .add(member.bytes(&mut Scratch::default()));
        }
    }

    /// Converts a compact encoding to a table with capacity for `more` more members.
    fn make_table(&mut self, more: usize) -> &mut Records<1> {
        if !matches!(self, Set::Table(_)) {
            let mut members = Records::with_room(self.len() + more);
            for member in self.iter() {
                members.add(member.bytes(&mut Scratch::default()));
            }
            *self = Set::Table(Box::new(members));
        }
        match self {
            Set::Table(members) => members,
            Set::Ints(_) | Set::Packed(_) => unreachable!("it was just made a table"),
        }
    }
}

/// An element of a packed set chosen uniformly at random.
fn random_of(members: &Listpack, rng: &mut Rng) -> Option<Pos> {
    let len = members.len() as u64;
    (len > 0)
        .then(|| rng.below(len) as i64)
        .and_then(|at| members.nth(at))
}

/// Which items [`Set::filter`] keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retain {
    /// Members of the set.
    Members,
    /// Items that are not members.
    NonMembers,
}

/// Iterator over the members of any encoding.
enum Each<I, P, T> {
    Ints(I),
    Packed(P),
    Table(T),
}

impl<'a, I, P, T> Iterator for Each<I, P, T>
where
    I: Iterator<Item = Item<'a>>,
    P: Iterator<Item = Item<'a>>,
    T: Iterator<Item = Item<'a>>,
{
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        match self {
            Each::Ints(members) => members.next(),
            Each::Packed(members) => members.next(),
            Each::Table(members) => members.next(),
        }
    }

    #[inline]
    fn fold<B, F: FnMut(B, Item<'a>) -> B>(self, start: B, each: F) -> B {
        match self {
            Each::Ints(members) => members.fold(start, each),
            Each::Packed(members) => members.fold(start, each),
            Each::Table(members) => members.fold(start, each),
        }
    }
}
