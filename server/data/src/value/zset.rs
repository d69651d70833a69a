//! The sorted set type: members with scores, ordered by score and then by the bytes of the member.
//!
//! A small set is a listpack of pairs (member, score) in order. A big one is a hash table of records (member and
//! score) and a tree over the same records, so a member is found by its bytes, by order and by rank.
//!
//! A listpack stores integral scores as integers and therefore has no negative zero; a tree keeps it. As in Redis,
//! clients can therefore tell whether members that are added together start as a listpack: [`Zset::choose_encoding`].
//!
//! Every range is a range of ranks: bounds on scores or members are converted first.
//!
//! Invariants, which [`Zset::check`] verifies:
//! 1. No score is NaN.
//! 2. `order` has exactly the records of `members`, each with its address as the handle and with the score stored in
//!    it. A record is freed only after its address was removed from `order`, which [`Tree::remove`] asserts.

#![allow(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::ds::item::Item;
use crate::ds::listpack::{Listpack, Pos};
use crate::ds::relocation::{Relocator, relocate_box};
use crate::ds::sorted::{self, Sorted};
use crate::ds::table::{Place, Table};
use crate::util::hash::{hash, hash_batch};
use crate::util::num::{f64_to_i64, format_f64, parse_f64};
use crate::util::rand::Rng;
use crate::util::sample::choose;
use crate::value::Encoding;
use crate::value::record::{Field, FieldRef};
use crate::value::zset_range::{LexRange, ScoreRange};

/// How many members a walk passes in the time of one search by rank.
const STEPS_PER_SEARCH: usize = 32;

/// Limits of the listpack encoding.
#[derive(Clone, Copy, Debug)]
pub struct ZsetLimits {
    /// Maximum number of members.
    pub max_entries: usize,
    /// Maximum size of a member in bytes.
    pub max_value: usize,
}

/// Maximum size of the digits of a score in a listpack.
const SCORE_SIZE: usize = 40;

/// A sorted set.
#[derive(Clone)]
pub enum Zset {
    /// Pairs in one listpack.
    Packed(Listpack),
    /// A table and a tree.
    Tree(Box<Tree>),
}

/// A big sorted set.
pub struct Tree {
    members: Table<Field>,
    order: Sorted,
}

impl Default for Zset {
    fn default() -> Self {
        Zset::Packed(Listpack::new())
    }
}

impl Zset {
    /// An empty sorted set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A sorted set of these members, which must be in order.
    pub fn collect(pairs: &[(Vec<u8>, f64)], limits: &ZsetLimits) -> Self {
        if !limits.allow(pairs.iter().map(|(member, _)| member.len())) {
            let mut tree = Tree::with_room(pairs.len());
            for (member, score) in pairs {
                tree.set(member, *score);
            }
            return Zset::Tree(tree);
        }
        let mut packed = Listpack::new();
        for (member, score) in pairs {
            push_pair(&mut packed, Item::Bytes(member), *score);
        }
        Zset::Packed(packed)
    }

    /// An empty tree for `count` members of unknown sizes; [`Zset::reencoded`] chooses the encoding once they are all
    /// added.
    pub fn tree_with_room(count: usize) -> Self {
        Zset::Tree(Tree::with_room(count))
    }

    /// Converts the set to the encoding that the limits call for.
    #[must_use]
    pub fn reencoded(self, limits: &ZsetLimits) -> Self {
        let lens = self.iter().map(|(member, _)| member.len());
        if matches!(self, Zset::Packed(_)) || !limits.allow(lens) {
            return self;
        }
        let mut packed = Listpack::new();
        for (member, score) in self.iter() {
            push_pair(&mut packed, member, score);
        }
        Zset::Packed(packed)
    }

    /// Chooses the encoding for `count` members that are about to be set, the first of which has `bytes` bytes. As in
    /// Redis, that size only matters if the set is empty; otherwise only the number does.
    pub fn choose_encoding(&mut self, count: usize, bytes: usize, limits: &ZsetLimits) {
        if let Zset::Packed(pairs) = self
            && (count > limits.max_entries || pairs.is_empty() && bytes > limits.max_value)
        {
            self.grow(count);
        }
    }

    /// Number of members.
    pub fn len(&self) -> usize {
        match self {
            Zset::Packed(pairs) => pairs.len() / 2,
            Zset::Tree(tree) => tree.order.len(),
        }
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(&self) -> Encoding {
        match self {
            Zset::Packed(_) => Encoding::Listpack,
            Zset::Tree(_) => Encoding::Skiplist,
        }
    }

    /// Memory beyond the entry, estimated from `samples` members; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            Zset::Packed(pairs) => pairs.memory(),
            Zset::Tree(tree) => tree.memory(samples),
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pairs) => {
                let at = pairs.find_every(Item::Bytes(member), 2)?;
                Some(score_after(pairs, at))
            }
            Zset::Tree(tree) => tree.find(member).map(score_in),
        }
    }

    /// Adds a member or updates its score. Returns the old score.
    pub fn set(&mut self, member: &[u8], score: f64, limits: &ZsetLimits) -> Option<f64> {
        self.update(member, limits, |old| (Some(score), old))
    }

    /// Sets the score of a member to what `choose` returns for the old score (`None` for a new member); if it returns
    /// `None`, nothing changes. Returns the second result of `choose`.
    pub fn update<R>(
        &mut self,
        member: &[u8],
        limits: &ZsetLimits,
        choose: impl FnOnce(Option<f64>) -> (Option<f64>, R),
    ) -> R {
        let pairs = match self {
            Zset::Tree(tree) => return tree.update(member, choose),
            Zset::Packed(pairs) => pairs,
        };
        let found = pairs.find_every(Item::Bytes(member), 2);
        let old = found.map(|at| score_after(pairs, at));
        let (new, answer) = choose(old);
        let Some(score) = new.filter(|_| new != old) else {
            return answer;
        };
        debug_assert!(!score.is_nan());
        if let Some(at) = found {
            pairs.remove_run(at, 2);
            insert_pair(pairs, member, score);
        } else if pairs.len() / 2 < limits.max_entries
            && member.len() <= limits.max_value
            && pairs.has_room(member.len())
        {
            insert_pair(pairs, member, score);
        } else {
            self.grow(1).set(member, score);
        }
        answer
    }

    /// Removes a member. Returns its score.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            Zset::Packed(pairs) => remove_pair(pairs, member),
            Zset::Tree(tree) => tree.remove(member),
        }
    }

    /// The rank and the score of a member.
    pub fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            Zset::Packed(_) => self
                .range(0..self.len(), false)
                .enumerate()
                .find(|(_, (other, _))| other.is(member))
                .map(|(rank, (_, score))| (rank, score)),
            Zset::Tree(tree) => {
                let score = score_in(tree.find(member)?);
                // SAFETY: the tree passes only its own handles and is borrowed, so its records are alive.
                Some((tree.order.rank(unsafe { before(member, score) }), score))
            }
        }
    }

    /// The ranks of the members whose score is in a range.
    pub fn ranks_by_score(&self, range: &ScoreRange) -> Range<usize> {
        self.ranks(
            |score, _| range.is_after(score),
            |score, _| range.reaches(score),
        )
    }

    /// The ranks of the members in a lexicographical range. If scores differ, members are not in that order, and what a range
    /// holds is undefined, but nothing if its minimum is above the last member.
    pub fn ranks_by_lex(&self, range: &LexRange<'_>) -> Range<usize> {
        let len = self.len();
        let last = self.range(len.saturating_sub(1)..len, false).next();
        let is_below = |member: Item<'_>| range.is_after(member.bytes(&mut Default::default()));
        if last.is_some_and(|(member, _)| is_below(member)) {
            return len..len;
        }
        self.ranks(
            |_, member| range.is_after(member),
            |_, member| range.reaches(member),
        )
    }

    /// The ranks between two predicates, each true for a prefix of the members: those below the range, and those not
    /// above it.
    fn ranks(
        &self,
        below: impl Fn(f64, &[u8]) -> bool,
        reached: impl Fn(f64, &[u8]) -> bool,
    ) -> Range<usize> {
        let count = |is: &dyn Fn(f64, &[u8]) -> bool| match self {
            Zset::Packed(_) => self
                .range(0..self.len(), false)
                .take_while(|(member, score)| is(*score, member.bytes(&mut Default::default())))
                .count(),
            Zset::Tree(tree) => tree
                .order
                // SAFETY: handles of the tree, which is borrowed, so its records are alive.
                .rank(|score, handle| is(score, unsafe { member_at(handle) })),
        };
        let start = count(&below);
        start..count(&reached).max(start)
    }

    /// Iterator over a range of ranks, which must be within the length, with scores; backwards if `reverse`.
    pub fn range(&self, ranks: Range<usize>, reverse: bool) -> Elements<'_> {
        let left = ranks.len();
        let walk = match self {
            _ if ranks.is_empty() => Walk::Nothing,
            Zset::Packed(pairs) => {
                let rank = if reverse { ranks.end - 1 } else { ranks.start };
                Walk::Packed {
                    pairs,
                    at: pairs.nth(rank as i64 * 2),
                    reverse,
                }
            }
            Zset::Tree(tree) if reverse => Walk::Down(tree.order.range_back(ranks.end - 1)),
            Zset::Tree(tree) => Walk::Up(tree.order.range(ranks.start)),
        };
        Elements { walk, left }
    }

    /// Iterator over the members with at least `score`, in order, with their scores.
    pub fn range_from(&self, score: f64) -> Elements<'_> {
        let len = self.len();
        let pairs = match self {
            Zset::Packed(pairs) => pairs,
            Zset::Tree(tree) => {
                let start = tree.order.rank(|other, _| other < score);
                return self.range(start..len, false);
            }
        };
        // Finds and reads in one walk, for searches with many small ranges.
        let (mut at, mut left) = (pairs.first(), len);
        while let Some(behind) = at.and_then(|at| pairs.next(at))
            && score_of(pairs.get(behind)).is_some_and(|other| other < score)
        {
            at = pairs.next(behind);
            left -= 1;
        }
        Elements {
            walk: Walk::Packed {
                pairs,
                at,
                reverse: false,
            },
            left,
        }
    }

    /// Iterator over all members with their scores.
    pub fn iter(&self) -> Elements<'_> {
        self.range(0..self.len(), false)
    }

    /// A new sorted set with the members of a range of ranks; `expected` determines the encoding.
    #[must_use]
    pub fn part(&self, ranks: Range<usize>, expected: usize, limits: &ZsetLimits) -> Zset {
        let mut part = Zset::new();
        part.choose_encoding(expected, 0, limits);
        for (member, score) in self.range(ranks, false) {
            part.set(member.bytes(&mut Default::default()), score, limits);
        }
        part
    }

    /// Removes a range of ranks, which must be within the length. Returns the number removed.
    pub fn remove_range(&mut self, ranks: Range<usize>) -> usize {
        let count = ranks.len();
        match self {
            Zset::Packed(pairs) => pairs.remove_range(ranks.start * 2, count * 2),
            Zset::Tree(tree) if count == tree.order.len() => **tree = Tree::default(),
            Zset::Tree(tree) => tree.remove_range(ranks),
        }
        count
    }

    /// Verifies the invariants of the set and of its parts; panics on a violation. For tests.
    pub fn check(&self) {
        match self {
            Zset::Packed(pairs) => {
                pairs.check();
                assert_eq!(pairs.len() % 2, 0, "a member without a score");
            }
            Zset::Tree(tree) => tree.check(),
        }
        let mut last: Option<(f64, Vec<u8>)> = None;
        for (member, score) in self.iter() {
            let here = (score, member.to_vec());
            assert!(!score.is_nan(), "a score that is not a number");
            assert!(last.is_none_or(|last| last < here), "members out of order");
            last = Some(here);
        }
    }

    /// Moves the allocations of about `count` members from `cursor` on. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        match self {
            Zset::Packed(pairs) => {
                pairs.relocate(relocator);
                0
            }
            Zset::Tree(tree) => {
                if cursor == 0 {
                    relocate_box(tree, relocator, Tree::default);
                }
                tree.relocate(cursor, count, relocator)
            }
        }
    }

    /// A member chosen uniformly at random, with its score.
    pub fn random(&self, rng: &mut Rng) -> Option<(Item<'_>, f64)> {
        let rank = (!self.is_empty()).then(|| rng.below(self.len() as u64) as usize)?;
        self.range(rank..rank + 1, false).next()
    }

    /// Passes `count` different members, at most as many as there are, to `each`; each subset is equally likely.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        rng: &mut Rng,
        mut each: impl FnMut((Item<'a>, f64)),
    ) {
        let is_small_part = count.saturating_mul(STEPS_PER_SEARCH) <= self.len();
        if matches!(self, Zset::Packed(_)) || !is_small_part {
            return choose(self.iter(), self.len(), count, rng, each);
        }
        let mut taken = HashSet::with_capacity(count);
        while taken.len() < count {
            let rank = rng.below(self.len() as u64) as usize;
            if taken.insert(rank)
                && let Some(pair) = self.range(rank..rank + 1, false).next()
            {
                each(pair);
            }
        }
    }

    /// Visits about `count` members from `cursor` on. Returns the next cursor; 0 at the end. A member that exists from
    /// the first call to the last is visited at least once.
    pub fn scan(&self, cursor: u64, count: usize, each: &mut dyn FnMut(Item<'_>, f64)) -> u64 {
        match self {
            Zset::Packed(_) => {
                self.iter().for_each(|(member, score)| each(member, score));
                0
            }
            Zset::Tree(tree) => tree.members.scan(cursor, count, &mut |record| {
                each(Item::Bytes(record.key()), score_in(record));
            }),
        }
    }

    /// Converts a listpack to a tree with capacity for `more` more members.
    fn grow(&mut self, more: usize) -> &mut Tree {
        if let Zset::Packed(pairs) = self {
            let mut tree = Tree::with_room(pairs.len() / 2 + more);
            for (member, score) in self.iter() {
                tree.set(member.bytes(&mut Default::default()), score);
            }
            *self = Zset::Tree(tree);
        }
        match self {
            Zset::Tree(tree) => tree,
            Zset::Packed(_) => unreachable!("it was just made a tree"),
        }
    }
}

impl ZsetLimits {
    /// Whether members of these sizes may be a listpack.
    fn allow(&self, mut lens: impl ExactSizeIterator<Item = usize>) -> bool {
        let count = lens.len();
        if count > self.max_entries {
            return false;
        }
        let bytes = lens.try_fold(0, |sum, len| (len <= self.max_value).then_some(sum + len));
        bytes.is_some_and(|bytes| Listpack::new().has_room(bytes + count * SCORE_SIZE))
    }
}

/// The score after a member in a listpack; `None` if it is not a number.
pub fn score_of(item: Item<'_>) -> Option<f64> {
    match item {
        Item::Int(number) => Some(number as f64),
        Item::Bytes(digits) => parse_f64(digits).filter(|score| !score.is_nan()),
    }
}

/// As [`score_of`], for a score that is known to be valid.
fn valid_score(item: Item<'_>) -> f64 {
    score_of(item).unwrap_or(0.0)
}

/// The score of the member at a position.
fn score_after(pairs: &Listpack, member: Pos) -> f64 {
    let score = pairs.next(member).map(|at| valid_score(pairs.get(at)));
    score.unwrap_or(0.0)
}

fn remove_pair(pairs: &mut Listpack, member: &[u8]) -> Option<f64> {
    let at = pairs.find_every(Item::Bytes(member), 2)?;
    let score = score_after(pairs, at);
    pairs.remove_run(at, 2);
    Some(score)
}

/// Passes a score in the form that listpacks store: an integer if it is one, else its shortest digits.
fn put_score(score: f64, put: impl FnOnce(Item<'_>)) {
    match f64_to_i64(score) {
        Some(number) => put(Item::Int(number)),
        None => put(Item::Bytes(&format_f64(score))),
    }
}

/// Inserts a pair in order; the member must be new.
fn insert_pair(pairs: &mut Listpack, member: &[u8], score: f64) {
    let mut at = pairs.first();
    while let Some(here) = at {
        let behind = pairs.next(here);
        let other = behind.map_or(0.0, |at| valid_score(pairs.get(at)));
        let later = other > score
            || other == score && pairs.get(here).bytes(&mut Default::default()) > member;
        if later {
            let here = pairs.insert_before(here, Item::Bytes(member));
            return put_score(score, |coded| {
                pairs.insert_after(here, coded);
            });
        }
        at = behind.and_then(|at| pairs.next(at));
    }
    push_pair(pairs, Item::Bytes(member), score);
}

fn push_pair(pairs: &mut Listpack, member: Item<'_>, score: f64) {
    pairs.push_back(member);
    put_score(score, |coded| {
        pairs.push_back(coded);
    });
}

/// Predicate for the tree: whether an element sorts before a member with its score.
///
/// # Safety
/// It is only called with handles of records that are alive and not borrowed exclusively, like those of
/// [`Tree::order`].
unsafe fn before(member: &[u8], score: f64) -> impl Fn(f64, u64) -> bool {
    // SAFETY: the caller's promise.
    move |other, handle| other < score || other == score && unsafe { member_at(handle) } < member
}

/// The member of the record with a handle.
///
/// # Safety
/// `handle` is the address of a record ([`FieldRef::address`]) that is alive and not changed for `'a`.
unsafe fn member_at<'a>(handle: u64) -> &'a [u8] {
    // SAFETY: the caller's promise.
    unsafe { FieldRef::at(handle as usize) }.key()
}

fn score_in(record: FieldRef<'_>) -> f64 {
    let bytes = record.value().first_chunk().copied().unwrap_or_default();
    f64::from_le_bytes(bytes)
}

impl Default for Tree {
    fn default() -> Self {
        Tree {
            members: Table::scattered(),
            order: Sorted::new(),
        }
    }
}

impl Tree {
    fn with_room(count: usize) -> Box<Self> {
        let mut tree = Box::<Tree>::default();
        tree.members.reserve(count);
        tree
    }

    fn find(&self, member: &[u8]) -> Option<FieldRef<'_>> {
        self.members
            .find(hash(member), |record| record.key() == member)
    }

    fn set(&mut self, member: &[u8], score: f64) {
        self.update(member, |_| (Some(score), ()));
    }

    fn update<R>(
        &mut self,
        member: &[u8],
        choose: impl FnOnce(Option<f64>) -> (Option<f64>, R),
    ) -> R {
        let hash = hash(member);
        let place = self.members.locate(hash, |record| record.key() == member);
        let old = place.map(|place| score_in(self.members.get(place)));
        let (new, answer) = choose(old);
        let Some(score) = new.filter(|_| new != old) else {
            return answer;
        };
        debug_assert!(!score.is_nan());
        let place = match (place, old) {
            (Some(place), Some(old)) => {
                self.remove_from_order(place, member, old);
                // Same length as the old value, so the record does not move.
                self.members
                    .update(place, |record| record.set_value(&score.to_le_bytes()));
                place
            }
            _ => {
                let record = Field::new([member, &score.to_le_bytes()]);
                self.members.insert(hash, record)
            }
        };
        let handle = self.members.get(place).address() as u64;
        // SAFETY: the tree passes only its own handles, whose records are alive (invariant 2).
        let before = unsafe { before(member, score) };
        self.order.insert((score, handle), before);
        answer
    }

    /// Removes the record at a place from the order, before it is changed or freed.
    fn remove_from_order(&mut self, place: Place, member: &[u8], score: f64) {
        // SAFETY: the tree passes only its own handles, whose records are alive (invariant 2).
        let before = unsafe { before(member, score) };
        let removed = self.order.remove(before).map(|(_, handle)| handle);
        let address = self.members.get(place).address() as u64;
        // Checked in release builds too: a handle must not outlive its record.
        assert_eq!(removed, Some(address), "the order has every record");
    }

    fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = hash(member);
        let place = self.members.locate(hash, |record| record.key() == member)?;
        let score = score_in(self.members.get(place));
        self.remove_from_order(place, member, score);
        self.members.remove_at(place);
        Some(score)
    }

    /// Removes a range of ranks, which must be within the length.
    fn remove_range(&mut self, ranks: Range<usize>) {
        /// Records that are hashed together, so that their cache misses overlap.
        const BATCH: usize = 64;
        let range = self.order.range(ranks.start).take(ranks.len());
        let handles: Vec<u64> = range.map(|(_, handle)| handle).collect();
        self.order.remove_range(ranks);
        let mut hashes = Vec::with_capacity(BATCH);
        for batch in handles.chunks(BATCH) {
            hashes.clear();
            // SAFETY: these records were removed from the order and are still in the table. The slices are dropped
            // before the first of them is freed.
            let members = batch.iter().map(|handle| unsafe { member_at(*handle) });
            hash_batch(&members.collect::<Vec<_>>(), &mut hashes);
            for hash in &hashes {
                self.members.prefetch_line(*hash);
            }
            for (hash, handle) in hashes.iter().zip(batch) {
                let is = |record: FieldRef<'_>| record.address() as u64 == *handle;
                self.members.remove(*hash, is);
            }
        }
    }

    /// Moves the records of `count` ranks from the one that the cursor is, their nodes of the tree, and at first the
    /// arrays of the table.
    fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        let Tree { members, order } = self;
        let start = usize::try_from(cursor).unwrap_or(usize::MAX);
        if start == 0 {
            members.relocate_arrays(relocator);
        }
        let end = start.saturating_add(count.max(1));
        order.relocate(start..end, relocator, |handle, relocator| {
            // SAFETY: a handle of the tree, whose record is alive; the slice is dropped before the record moves.
            let hash = hash(unsafe { member_at(*handle) });
            let is = |record: FieldRef<'_>| record.address() as u64 == *handle;
            if let Some(place) = members.locate(hash, is) {
                members.update(place, |record| record.relocate(relocator));
                *handle = members.get(place).address() as u64;
            }
        });
        if end < order.len() { end as u64 } else { 0 }
    }

    /// Verifies invariant 2, and the structure of table and tree.
    fn check(&self) {
        self.members.check();
        self.order.check();
        let by_address = self.members.iter().map(|record| {
            let score = score_in(record).to_bits();
            (record.address() as u64, score)
        });
        self.members.iter().for_each(FieldRef::check);
        let mut records: HashMap<u64, u64> = by_address.collect();
        assert_eq!(records.len(), self.order.len(), "records and their order");
        for (score, handle) in self.order.range(0) {
            let stored = records.remove(&handle);
            assert_eq!(stored, Some(score.to_bits()), "a handle of no record");
        }
    }

    fn memory(&self, samples: usize) -> usize {
        let len = self.order.len();
        let looked_at = if samples == 0 { len } else { samples.min(len) };
        let records: usize = self
            .members
            .iter()
            .take(looked_at)
            .map(FieldRef::memory)
            .sum();
        let records = records.checked_div(looked_at).unwrap_or(0) * len;
        size_of::<Tree>() + self.members.bytes() + self.order.memory() + records
    }
}

impl Clone for Tree {
    fn clone(&self) -> Self {
        let mut copy = Tree::default();
        copy.members.reserve(self.order.len());
        for (score, handle) in self.order.range(0) {
            // SAFETY: a handle of this tree, which is borrowed, so its records are alive.
            copy.set(unsafe { member_at(handle) }, score);
        }
        copy
    }
}

enum Walk<'a> {
    Nothing,
    Packed {
        pairs: &'a Listpack,
        at: Option<Pos>,
        reverse: bool,
    },
    Up(sorted::Range<'a>),
    Down(sorted::RangeBack<'a>),
}

/// Iterator over members with their scores.
pub struct Elements<'a> {
    walk: Walk<'a>,
    left: usize,
}

impl<'a> Iterator for Elements<'a> {
    type Item = (Item<'a>, f64);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (score, handle) = match &mut self.walk {
            Walk::Nothing => return None,
            Walk::Packed { pairs, at, reverse } => {
                let here = (*at)?;
                let behind = pairs.next(here)?;
                *at = if *reverse {
                    pairs.prev(here).and_then(|at| pairs.prev(at))
                } else {
                    pairs.next(behind)
                };
                return Some((pairs.get(here), valid_score(pairs.get(behind))));
            }
            Walk::Up(range) => range.next()?,
            Walk::Down(range) => range.next()?,
        };
        // SAFETY: a handle of the tree that is borrowed for `'a`, so its records are alive and unchanged for that
        // long.
        Some((Item::Bytes(unsafe { member_at(handle) }), score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Elements<'_> {}
