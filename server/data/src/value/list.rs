//! The list type: a sequence of elements in one of two encodings.
//!
//! [`List::Packed`] holds what fits into one listpack by `list-max-listpack-size`; when it is about to exceed that, it
//! becomes a [`List::Quick`]. A quicklist is converted back when it has shrunk to one node of half that size, so a
//! list at the limit does not convert back and forth. Clients see the encoding (OBJECT ENCODING), so the rules are
//! Redis's.

use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::node::ListLimits;
use crate::ds::quicklist::{self, End, Iter, Quicklist};
use crate::ds::relocation::{Relocator, relocate_box};
use crate::util::num::parse_i64;
use crate::value::Encoding;

/// A list.
#[derive(Clone)]
pub enum List {
    /// Few and short elements.
    Packed(Listpack),
    /// Any elements.
    Quick(Box<Quicklist>),
}

/// A text that elements are compared with.
#[derive(Clone, Copy, Debug)]
pub struct Needle<'a> {
    text: &'a [u8],
    number: Option<i64>,
}

impl<'a> Needle<'a> {
    /// Prepares a text for comparisons.
    pub fn new(text: &'a [u8]) -> Self {
        Needle {
            text,
            number: parse_i64(text),
        }
    }

    /// Whether an element equals the text.
    #[inline]
    pub fn is(&self, item: Item<'_>) -> bool {
        match item {
            Item::Int(number) => self.number == Some(number),
            Item::Bytes(text) => self.text == text,
        }
    }
}

impl Default for List {
    fn default() -> Self {
        Self::new()
    }
}

impl List {
    /// An empty list.
    pub fn new() -> Self {
        List::Packed(Listpack::new())
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            List::Packed(pack) => pack.len(),
            List::Quick(quick) => quick.len(),
        }
    }

    /// Whether the list is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(&self) -> Encoding {
        match self {
            List::Packed(_) => Encoding::Listpack,
            List::Quick(_) => Encoding::Quicklist,
        }
    }

    /// Verifies the structure; panics on a violation. For tests.
    pub fn check(&self) {
        match self {
            List::Packed(pack) => pack.check(),
            List::Quick(quick) => quick.check(),
        }
    }

    /// Memory beyond the entry, estimated from `samples` nodes; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        match self {
            List::Packed(pack) => pack.memory(),
            List::Quick(quick) => quick.memory(samples),
        }
    }

    /// Moves the allocations of some nodes from `cursor` on, for `count` elements or more. Returns the next cursor, 0 at
    /// the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        match self {
            List::Packed(pack) => {
                pack.relocate(relocator);
                0
            }
            List::Quick(quick) => {
                if cursor == 0 {
                    relocate_box(quick, relocator, Quicklist::placeholder);
                }
                quick.relocate(cursor, count, relocator)
            }
        }
    }

    /// Resolves a client's index: from 0 at the head, or from −1 at the tail.
    pub fn index(&self, index: i64) -> Option<usize> {
        let len = self.len() as i64;
        let index = if index < 0 { index + len } else { index };
        (0..len).contains(&index).then_some(index as usize)
    }

    /// Resolves a client's inclusive range of indices; `None` if it is empty.
    pub fn bounds(&self, start: i64, stop: i64) -> Option<std::ops::Range<usize>> {
        let len = self.len() as i64;
        let from_end = |index: i64| if index < 0 { index + len } else { index };
        let (start, stop) = (from_end(start).max(0), from_end(stop));
        (start <= stop && start < len).then(|| start as usize..stop.min(len - 1) as usize + 1)
    }

    /// Converts the encoding if `count` more elements with `bytes` bytes in total would exceed the limit.
    pub fn grow(&mut self, count: usize, bytes: usize, limits: &ListLimits) {
        let pack = match self {
            List::Packed(pack) => pack,
            List::Quick(quick) => return quick.set_plain_from(limits.plain_from),
        };
        let bytes = pack.bytes().saturating_add(bytes);
        if limits.exceeded_by(bytes, pack.len() + count) {
            let mut quick = Quicklist::new(*limits);
            quick.push_pack(std::mem::take(pack));
            *self = List::Quick(Box::new(quick));
        }
    }

    /// Converts the encoding if the list has become small.
    pub fn shrink(&mut self, limits: &ListLimits) {
        self.pack_if(|bytes, count| limits.is_half(bytes, count));
    }

    /// Pushes elements one after the other at an end.
    pub fn push<'a>(
        &mut self,
        end: End,
        texts: impl Iterator<Item = &'a [u8]> + Clone,
        limits: &ListLimits,
    ) {
        let (count, bytes) = texts.clone().fold((0, 0usize), |(count, bytes), text| {
            (count + 1, bytes.saturating_add(text.len()))
        });
        self.grow(count, bytes, limits);
        for text in texts {
            self.put(end, text);
        }
    }

    /// Pushes an element that was popped from a list. As in Redis, an integer does not count towards the size limit of
    /// the encoding here.
    pub fn push_moved(&mut self, end: End, text: &[u8], limits: &ListLimits) {
        let bytes = if parse_i64(text).is_some() {
            0
        } else {
            text.len()
        };
        self.grow(1, bytes, limits);
        self.put(end, text);
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<Item<'_>> {
        match self {
            List::Packed(pack) => {
                let pos = match end {
                    End::Head => pack.first(),
                    End::Tail => pack.last(),
                };
                pos.map(|pos| pack.get(pos))
            }
            List::Quick(quick) => quick.peek(end),
        }
    }

    /// Removes the element at an end without converting the encoding ([`List::shrink`]).
    pub fn take(&mut self, end: End) -> Option<Vec<u8>> {
        let text = self.peek(end)?.to_vec();
        self.cut_from(end, 1);
        Some(text)
    }

    /// Passes up to `count` elements at an end to `popped`, the outermost first, removes them, and converts the encoding
    /// if few are left.
    pub fn pop_many(
        &mut self,
        end: End,
        count: usize,
        limits: &ListLimits,
        popped: impl FnMut(Item<'_>),
    ) {
        let mut elements = match end {
            End::Head => self.iter(),
            End::Tail => self.rev(),
        };
        elements.visit(count, popped);
        self.cut_from(end, count);
        self.shrink(limits);
    }

    /// Keeps only a range of elements and converts the encoding if few are left. Returns the number removed.
    pub fn trim(&mut self, kept: std::ops::Range<usize>, limits: &ListLimits) -> usize {
        let len = self.len();
        let behind = len.saturating_sub(kept.end);
        self.cut(kept.end, behind);
        self.cut(0, kept.start);
        self.shrink(limits);
        len - self.len()
    }

    /// Replaces the element at an index. Returns whether the index exists.
    pub fn set(&mut self, index: i64, text: &[u8], limits: &ListLimits) -> bool {
        self.grow(1, text.len(), limits);
        let Some(index) = self.index(index) else {
            return false;
        };
        let found = match self {
            List::Packed(pack) => match pack.nth(index as i64) {
                Some(pos) => {
                    pack.replace(pos, Item::Bytes(text));
                    true
                }
                None => false,
            },
            List::Quick(quick) => quick.set(index, text),
        };
        self.shrink(limits);
        found
    }

    /// Inserts an element before (`Head`) or after (`Tail`) the first one equal to `pivot`. Returns whether there is
    /// one.
    pub fn insert(&mut self, pivot: &[u8], side: End, text: &[u8], limits: &ListLimits) -> bool {
        // Redis converts the encoding before it looks for the pivot.
        self.grow(1, text.len(), limits);
        match self {
            List::Packed(pack) => {
                let Some(pos) = pack.find(Item::encode(pivot)) else {
                    return false;
                };
                match side {
                    End::Head => pack.insert_before(pos, Item::Bytes(text)),
                    End::Tail => pack.insert_after(pos, Item::Bytes(text)),
                };
            }
            List::Quick(quick) => {
                let needle = Needle::new(pivot);
                let mut elements = quick.iter_from(0, End::Tail);
                let mut index = 0;
                loop {
                    match elements.next() {
                        None => return false,
                        Some(item) if needle.is(item) => break,
                        Some(_) => index += 1,
                    }
                }
                quick.insert(index, text, side);
            }
        }
        true
    }

    /// Removes up to `most` elements equal to a text, starting at an end. Returns the number removed.
    pub fn remove(&mut self, from: End, most: usize, text: &[u8], limits: &ListLimits) -> usize {
        let needle = Needle::new(text);
        let removed = match self {
            List::Packed(pack) => {
                quicklist::remove_in_pack(pack, from, most, &mut |item| needle.is(item))
            }
            List::Quick(quick) => quick.remove_if(from, most, |item| needle.is(item)),
        };
        if removed > 0 {
            self.shrink(limits);
        }
        removed
    }

    /// Iterator from head to tail.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(0, End::Tail)
    }

    /// Iterator from tail to head.
    pub fn rev(&self) -> Iter<'_> {
        self.iter_from(self.len().saturating_sub(1), End::Head)
    }

    /// Iterator from an index towards an end.
    pub fn iter_from(&self, index: usize, towards: End) -> Iter<'_> {
        match self {
            List::Packed(pack) => Iter::of_pack(pack, pack.nth(index as i64), towards),
            List::Quick(quick) => quick.iter_from(index, towards),
        }
    }

    /// Converts a list that was read from an RDB file to the encoding that the limits call for.
    pub fn reencoded(mut self, limits: &ListLimits) -> Self {
        self.grow(0, 0, limits);
        self.pack_if(|bytes, count| limits.is_small(bytes, count));
        self
    }

    fn pack_if(&mut self, small: impl Fn(usize, usize) -> bool) {
        if let List::Quick(quick) = self
            && (quick.is_empty()
                || quick
                    .only_pack()
                    .is_some_and(|pack| small(pack.bytes(), pack.len())))
        {
            *self = List::Packed(quick.only_pack().cloned().unwrap_or_default());
        }
    }

    fn put(&mut self, end: End, text: &[u8]) {
        match self {
            List::Packed(pack) => {
                match end {
                    End::Head => pack.push_front(Item::Bytes(text)),
                    End::Tail => pack.push_back(Item::Bytes(text)),
                };
            }
            List::Quick(quick) => quick.push(end, text),
        }
    }

    fn cut_from(&mut self, end: End, count: usize) {
        let first = match end {
            End::Head => 0,
            End::Tail => self.len().saturating_sub(count),
        };
        self.cut(first, count);
    }

    fn cut(&mut self, index: usize, count: usize) {
        match self {
            List::Packed(pack) => pack.remove_range(index, count),
            List::Quick(quick) => quick.remove_range(index, count),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::List;
    use crate::ds::node::{ListLimits, Node};
    use crate::ds::nodes::Counted;
    use crate::ds::quicklist::{End, Iter};
    use crate::util::rand::Rng;
    use crate::value::Encoding;

    type Model = VecDeque<Vec<u8>>;

    fn text(rng: &mut Rng) -> Vec<u8> {
        match rng.below(10) {
            0..3 => (rng.below(20) as i64 - 5).to_string().into_bytes(),
            3..8 => vec![b'a' + rng.below(3) as u8; rng.below(4) as usize],
            8 => vec![b'm'; rng.below(120) as usize],
            _ => vec![b'z'; rng.below(1500) as usize],
        }
    }

    fn end(rng: &mut Rng) -> End {
        if rng.below(2) == 0 {
            End::Head
        } else {
            End::Tail
        }
    }

    fn texts(mut iter: Iter<'_>) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while let Some(item) = iter.next() {
            all.push(item.to_vec());
        }
        all
    }

    fn push(model: &mut Model, end: End, text: &[u8]) {
        match end {
            End::Head => model.push_front(text.to_vec()),
            End::Tail => model.push_back(text.to_vec()),
        }
    }

    /// Removes elements equal to a text from the model, starting at an end.
    fn remove(model: &mut Model, from: End, most: usize, text: &[u8]) -> usize {
        let found: Vec<usize> = (0..model.len()).filter(|at| model[*at] == text).collect();
        let mut gone: Vec<usize> = match from {
            End::Head => found.into_iter().take(most).collect(),
            End::Tail => found.into_iter().rev().take(most).collect(),
        };
        gone.sort_unstable();
        gone.iter().rev().for_each(|at| drop(model.remove(*at)));
        gone.len()
    }

    fn change(rng: &mut Rng, list: &mut List, model: &mut Model, limits: &ListLimits) {
        let (one, side) = (text(rng), end(rng));
        let len = model.len();
        let index = rng.below(len as u64 + 1) as usize;
        match rng.below(10) {
            0..3 => {
                let more: Vec<_> = (0..1 + rng.below(6)).map(|_| text(rng)).collect();
                list.push(side, more.iter().map(Vec::as_slice), limits);
                more.iter().for_each(|one| push(model, side, one));
            }
            3 => {
                list.push_moved(side, &one, limits);
                push(model, side, &one);
            }
            4 => {
                let theirs = match side {
                    End::Head => model.pop_front(),
                    End::Tail => model.pop_back(),
                };
                assert_eq!(list.take(side), theirs);
                list.shrink(limits);
            }
            5 => {
                let beyond = if index == len { 2 * len as i64 } else { 0 };
                let from_end = index as i64 - len as i64 + beyond;
                assert_eq!(list.set(from_end, &one, limits), index < len);
                model
                    .get_mut(index)
                    .into_iter()
                    .for_each(|own| own.clone_from(&one));
            }
            6 | 7 => {
                let pivot = model.get(index).cloned().unwrap_or_else(|| text(rng));
                let at = model.iter().position(|own| *own == pivot);
                assert_eq!(list.insert(&pivot, side, &one, limits), at.is_some());
                if let Some(at) = at {
                    model.insert(at + usize::from(side == End::Tail), one);
                }
            }
            8 => {
                let most = 1 + rng.below(5) as usize;
                let removed = list.remove(side, most, &one, limits);
                assert_eq!(removed, remove(model, side, most, &one));
            }
            _ => {
                let start = rng.below(len as u64 / 4 + 1) as usize;
                let stop = len - rng.below(len as u64 / 4 + 1) as usize;
                let kept = start..stop.max(start).min(len);
                assert_eq!(list.trim(kept.clone(), limits), len - kept.len());
                model.truncate(kept.end);
                model.drain(..kept.start);
            }
        }
    }

    fn check(list: &List, model: &Model, limits: &ListLimits, rng: &mut Rng) {
        assert_eq!(
            (list.len(), list.is_empty()),
            (model.len(), model.is_empty())
        );
        list.check();
        assert!(texts(list.iter()).iter().eq(model));
        assert!(texts(list.rev()).iter().eq(model.iter().rev()));
        let index = rng.below(model.len() as u64 + 1) as usize;
        let count = rng.below(model.len() as u64 + 2) as usize;
        let (mut found, mut rest) = (Vec::new(), list.iter_from(index, End::Tail));
        rest.visit(count, |item| found.push(item.to_vec()));
        found.extend(texts(rest));
        assert!(found.iter().eq(model.range(index..)));
        let (mut found, mut rest) = (Vec::new(), list.rev());
        rest.visit(count, |item| found.push(item.to_vec()));
        assert!(found.iter().eq(model.iter().rev().take(count)));
        let ends = [End::Head, End::Tail].map(|end| list.peek(end).map(|item| item.to_vec()));
        assert_eq!(ends, [model.front().cloned(), model.back().cloned()]);
        if let List::Quick(quick) = list {
            assert!(quick.nodes().all(|node| node.count() > 0));
            let only = quick.only_pack();
            assert!(only.is_none_or(|pack| !pack.is_empty()));
            let last = quick.node_count() - 1;
            for (at, node) in quick.nodes().enumerate() {
                let outer = at.min(last - at) < limits.depth.max(1);
                assert!(!outer || !matches!(node, Node::Compressed(_)));
            }
        }
    }

    #[test]
    fn is_a_sequence_in_either_encoding() {
        let mut rng = Rng::new(1);
        let mut seen = [0; 2];
        for round in 0..240 {
            let limits = ListLimits {
                fill: [-1, -2, 1, 3, 20, 128][round % 6],
                depth: round / 6 % 3,
                plain_from: [1 << 30, 500][round / 18 % 2],
            };
            let (mut list, mut model) = (List::new(), Model::new());
            for _ in 0..120 {
                change(&mut rng, &mut list, &mut model, &limits);
                check(&list, &model, &limits, &mut rng);
                seen[usize::from(list.encoding() == Encoding::Quicklist)] += 1;
            }
            check(&list.clone(), &model, &limits, &mut rng);
            let again = list.reencoded(&limits);
            check(&again, &model, &limits, &mut rng);
        }
        assert!(seen.iter().all(|steps| *steps > 3000), "{seen:?}");
    }

    #[test]
    fn encodings_change_at_the_limit_and_back_at_half_of_it() {
        let limits = ListLimits {
            fill: 8,
            depth: 0,
            plain_from: 1 << 30,
        };
        let mut list = List::new();
        let text = b"x".as_slice();
        for count in 1..=9 {
            list.push(End::Tail, [text].into_iter(), &limits);
            assert_eq!(list.encoding() == Encoding::Quicklist, count > 8);
        }
        for count in (0..=8).rev() {
            list.pop_many(End::Head, 1, &limits, |_| {});
            // The quicklist stays until its first node of eight elements is empty and only the second is left.
            assert_eq!(list.encoding() == Encoding::Quicklist, count > 1);
        }
    }

    #[test]
    fn client_ranges_are_resolved() {
        let limits = ListLimits {
            fill: -2,
            depth: 0,
            plain_from: 1 << 30,
        };
        let mut list = List::new();
        list.push(End::Tail, [b"a".as_slice(); 5].into_iter(), &limits);
        let rows = [
            (0, -1, Some(0..5)),
            (-3, 3, Some(2..4)),
            (i64::MIN, i64::MAX, Some(0..5)),
            (4, 4, Some(4..5)),
            (5, 9, None),
            (3, 2, None),
            (0, -6, None),
        ];
        for (start, stop, range) in rows {
            assert_eq!(list.bounds(start, stop), range, "{start} {stop}");
        }
        assert_eq!(
            [0, 4, -1, -5, 5, -6, i64::MIN].map(|index| list.index(index)),
            [Some(0), Some(4), Some(4), Some(0), None, None, None]
        );
    }
}
