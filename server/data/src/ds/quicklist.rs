//! Quicklist: a long sequence of elements in nodes, each a listpack of limited size.
//!
//! An element too big to be packed gets a node of its own. Nodes far enough from both ends may be compressed, since
//! most lists are accessed at their ends; a write to such a node decompresses it and compresses it again, and a read
//! works on a decompressed copy. Elements are assigned to nodes by Redis's rules, because DUMP and the RDB file expose
//! the nodes.
//!
//! # Invariants
//! 1. No node is empty.
//! 2. The outermost `depth` nodes at either end are not compressed; with a depth of 0, no node is.

use crate::ds::item::Item;
use crate::ds::listpack::{Listpack, Pos};
use crate::ds::node::{ListLimits, Node, PLAIN_FROM};
use crate::ds::nodes::{Counted, Nodes, Place};
use crate::ds::relocation::Relocator;

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end with index 0.
    Head,
    /// The end with index −1.
    Tail,
}

/// A quicklist.
#[derive(Clone)]
pub struct Quicklist {
    nodes: Nodes<Node>,
    limits: ListLimits,
}

impl Quicklist {
    /// An empty quicklist.
    pub fn new(limits: ListLimits) -> Self {
        Quicklist {
            nodes: Nodes::new(),
            limits,
        }
    }

    /// An empty quicklist without limits, which allocates nothing and is never filled.
    pub fn placeholder() -> Self {
        Self::new(ListLimits {
            fill: 0,
            depth: 0,
            plain_from: PLAIN_FROM,
        })
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.elements()
    }

    /// Whether the quicklist is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Iterator over the nodes.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// Sets the size from which added elements get a plain node.
    pub fn set_plain_from(&mut self, bytes: usize) {
        self.limits.plain_from = bytes;
    }

    /// Approximate memory in bytes, estimated from `samples` nodes; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        let looked_at = if samples == 0 { usize::MAX } else { samples }.min(self.nodes.len());
        let sum: usize = self.nodes.iter().take(looked_at).map(Node::memory).sum();
        let all = sum as u128 * self.nodes.len() as u128 / looked_at.max(1) as u128;
        size_of::<Self>() + self.nodes.memory() + all as usize
    }

    /// The listpack, if there is exactly one node and it is packed.
    pub fn only_pack(&self) -> Option<&Listpack> {
        match self.nodes.first().map(|place| self.nodes.get(place)) {
            Some(Node::Packed(pack)) if self.nodes.len() == 1 => Some(pack),
            _ => None,
        }
    }

    /// Appends a listpack as a new node.
    pub fn push_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            self.push_node(End::Tail, Node::Packed(pack));
        }
    }

    /// Appends one element as a new plain node.
    pub fn push_plain(&mut self, text: &[u8]) {
        self.push_node(End::Tail, Node::plain(text));
    }

    /// Adds an element at an end.
    pub fn push(&mut self, end: End, text: &[u8]) {
        let limits = self.limits;
        match self.outermost(end) {
            Some(place) if self.nodes.get(place).may_grow(text, &limits) => {
                self.nodes.change(place, |node| {
                    if let Some(pack) = node.pack_mut() {
                        match end {
                            End::Head => pack.push_front(Item::Bytes(text)),
                            End::Tail => pack.push_back(Item::Bytes(text)),
                        };
                    }
                });
            }
            _ => self.push_node(end, Node::of(text, &limits)),
        }
    }

    /// The element at an end.
    pub fn peek(&self, end: End) -> Option<Item<'_>> {
        match self.nodes.get(self.outermost(end)?) {
            Node::Packed(pack) => {
                let pos = match end {
                    End::Head => pack.first(),
                    End::Tail => pack.last(),
                };
                Some(pack.get(pos?))
            }
            Node::Plain(text) => Some(Item::Bytes(text)),
            Node::Compressed(_) => None,
        }
    }

    /// Replaces the element at an index. Returns whether the index exists.
    pub fn set(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((place, offset)) = self.nodes.locate(index) else {
            return false;
        };
        let limits = self.limits;
        let is_plain = limits.is_plain(text);
        let node = self.nodes.get(place);
        let fits = node.can_replace(text.len());
        match (node, is_plain) {
            (Node::Plain(_), true) => {
                self.nodes
                    .change(place, |node| *node = Node::of(text, &limits));
            }
            (Node::Packed(_) | Node::Compressed(_), false) if fits => {
                self.edit(place, |pack| {
                    if let Some(pos) = pack.nth(offset as i64) {
                        pack.replace(pos, Item::Bytes(text));
                    }
                });
            }
            // The kind of the node changes, or the element needs a node of its own.
            _ => {
                self.insert(index, text, End::Tail);
                self.remove_range(index, 1);
            }
        }
        true
    }

    /// Inserts an element before (`Head`) or after (`Tail`) the element at an index, which must exist.
    pub fn insert(&mut self, index: usize, text: &[u8], side: End) {
        let Some((place, offset)) = self.nodes.locate(index) else {
            return;
        };
        let limits = self.limits;
        let node = self.nodes.get(place);
        let at_edge = match side {
            End::Head => offset == 0,
            End::Tail => offset + 1 == node.count(),
        };
        if node.may_grow(text, &limits) {
            self.edit(place, |pack| insert_into(pack, offset, text, side));
            return;
        }
        if !at_edge {
            self.split_around(place, offset, text, side);
            return;
        }
        let (neighbour, back) = match side {
            End::Head => (self.nodes.prev(place), End::Tail),
            End::Tail => (self.nodes.next(place), End::Head),
        };
        match neighbour.filter(|next| self.nodes.get(*next).may_grow(text, &limits)) {
            Some(next) => self.edit(next, |pack| {
                match back {
                    End::Head => pack.push_front(Item::Bytes(text)),
                    End::Tail => pack.push_back(Item::Bytes(text)),
                };
            }),
            None => {
                let node = Node::of(text, &limits);
                let new = match side {
                    End::Head => self.nodes.insert_before(place, node),
                    End::Tail => self.nodes.insert_after(place, node),
                };
                self.update_compression(new);
            }
        }
    }

    /// Removes up to `count` elements from an index on.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        let mut left = count.min(self.len().saturating_sub(index));
        let Some((first, mut offset)) = self.nodes.locate(index) else {
            return;
        };
        let mut next = Some(first);
        while left > 0
            && let Some(place) = next
        {
            let here = self.nodes.get(place).count() - offset;
            let gone = here.min(left);
            next = if gone == self.nodes.get(place).count() {
                self.nodes.remove(place).1
            } else {
                self.edit(place, |pack| pack.remove_range(offset, gone));
                self.nodes.next(place)
            };
            left -= gone;
            offset = 0;
        }
        self.update_ends();
    }

    /// Removes up to `most` elements that `wanted` accepts, starting at an end. Returns the number removed.
    pub fn remove_if(
        &mut self,
        from: End,
        most: usize,
        mut wanted: impl FnMut(Item<'_>) -> bool,
    ) -> usize {
        let mut removed = 0;
        let mut next = self.outermost(from);
        while removed < most
            && let Some(place) = next
        {
            let left = most - removed;
            let gone = self.remove_in_node(place, from, left, &mut wanted);
            removed += gone;
            next = match from {
                End::Head if self.nodes.get(place).count() == 0 => self.nodes.remove(place).1,
                End::Head => self.nodes.next(place),
                End::Tail => {
                    let before = self.nodes.prev(place);
                    if self.nodes.get(place).count() == 0 {
                        self.nodes.remove(place);
                    }
                    before
                }
            };
        }
        if removed > 0 {
            self.update_ends();
        }
        removed
    }

    /// Iterator from the element at an index towards an end.
    pub fn iter_from(&self, index: usize, towards: End) -> Iter<'_> {
        let mut iter = Iter {
            rest: None,
            towards,
            current: Current::Pack(None, None),
        };
        if let Some((place, offset)) = self.nodes.locate(index) {
            iter.rest = Some((self, Some(place)));
            iter.load(Some(offset));
        }
        iter
    }

    /// Moves the allocations of some nodes. Returns the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        self.nodes
            .relocate(cursor, count, relocator, Node::relocate)
    }

    /// Verifies the invariants of the list and of every node; panics on a violation. For tests.
    pub fn check(&self) {
        self.nodes.check();
        let (depth, count) = (self.limits.depth, self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate() {
            node.check();
            assert!(node.count() > 0, "an empty node");
            let compressed = matches!(node, Node::Compressed(_));
            let inner = depth > 0 && at.min(count - 1 - at) >= depth;
            assert!(inner || !compressed, "a compressed node near an end");
        }
    }

    fn outermost(&self, end: End) -> Option<Place> {
        match end {
            End::Head => self.nodes.first(),
            End::Tail => self.nodes.last(),
        }
    }

    fn push_node(&mut self, end: End, node: Node) {
        match end {
            End::Head => self.nodes.push_front(node),
            End::Tail => self.nodes.push_back(node),
        }
        self.update_ends();
    }

    /// Modifies a packed node, which must not become empty, and compresses it again if necessary.
    fn edit(&mut self, place: Place, change: impl FnOnce(&mut Listpack)) {
        self.nodes.change(place, |node| {
            if let Some(pack) = node.pack_mut() {
                change(pack);
            }
        });
        self.compress_if_inner(place);
    }

    /// Splits a packed node and inserts an element before or after the element at an offset. The new element joins the
    /// part that is split off, which is the one on its side.
    fn split_around(&mut self, place: Place, offset: usize, text: &[u8], side: End) {
        let limits = self.limits;
        let kept = offset + usize::from(side == End::Tail);
        let is_plain = limits.is_plain(text);
        let tail = self.nodes.change(place, |node| {
            let pack = node.pack_mut()?;
            let mut tail = pack.split_off(kept);
            match side {
                _ if is_plain => {}
                End::Head => drop(pack.push_back(Item::Bytes(text))),
                End::Tail => drop(tail.push_front(Item::Bytes(text))),
            }
            Some(tail)
        });
        let Some(tail) = tail else { return };
        if is_plain {
            let plain = self.nodes.insert_after(place, Node::plain(text));
            let behind = self.nodes.insert_after(plain, Node::Packed(tail));
            self.compress_around(behind);
            return;
        }
        let second = self.nodes.insert_after(place, Node::Packed(tail));
        let centre = match side {
            End::Head => second,
            End::Tail => self.nodes.prev(second).unwrap_or(second),
        };
        self.merge_around(centre);
    }

    /// Merges the nodes around a place where two of them fit into one.
    fn merge_around(&mut self, centre: Place) {
        let mut target = centre;
        if let Some(prev) = self.nodes.prev(target)
            && let Some(before) = self.nodes.prev(prev)
            && self.try_merge(before, prev)
        {
            // The merged node is at the place of the predecessor, and the centre follows it.
            target = self.nodes.next(before).unwrap_or(before);
        }
        if let Some(next) = self.nodes.next(target)
            && let Some(behind) = self.nodes.next(next)
        {
            self.try_merge(next, behind);
        }
        if let Some(prev) = self.nodes.prev(target)
            && self.try_merge(prev, target)
        {
            target = prev;
        }
        if let Some(next) = self.nodes.next(target) {
            self.try_merge(target, next);
        }
        self.compress_around(target);
    }

    /// Updates compression after nodes were inserted at and next to a place.
    fn compress_around(&mut self, place: Place) {
        let beside = [self.nodes.prev(place), self.nodes.next(place)];
        for place in beside.into_iter().flatten().chain([place]) {
            self.compress_if_inner(place);
        }
        self.update_ends();
    }

    /// Moves the elements of `b`, the successor of `a`, into `a` if they fit, and removes `b`.
    fn try_merge(&mut self, a: Place, b: Place) -> bool {
        let (left, right) = (self.nodes.get(a), self.nodes.get(b));
        let plain = matches!(left, Node::Plain(_)) || matches!(right, Node::Plain(_));
        let frame = Listpack::new().bytes();
        let bytes = left.bytes() + right.bytes() - frame.min(right.bytes());
        if plain || self.limits.exceeded_by(bytes, left.count() + right.count()) {
            return false;
        }
        let (Some(moved), _) = self.nodes.remove(b) else {
            return false;
        };
        self.nodes.change(a, |node| {
            if let (Some(pack), Some(moved)) = (node.pack_mut(), moved.unpacked()) {
                pack.append(&moved);
            }
        });
        true
    }

    fn remove_in_node(
        &mut self,
        place: Place,
        from: End,
        most: usize,
        wanted: &mut impl FnMut(Item<'_>) -> bool,
    ) -> usize {
        if let Node::Plain(text) = self.nodes.get(place) {
            let gone = wanted(Item::Bytes(text));
            if gone {
                // This leaves an empty node, which the caller removes.
                self.nodes
                    .change(place, |node| *node = Node::Packed(Listpack::new()));
            }
            return usize::from(gone);
        }
        let removed = self.nodes.change(place, |node| {
            let Some(pack) = node.pack_mut() else {
                return 0;
            };
            remove_in_pack(pack, from, most, wanted)
        });
        self.compress_if_inner(place);
        removed
    }

    /// Updates compression after a node was inserted at a place.
    fn update_compression(&mut self, place: Place) {
        self.compress_if_inner(place);
        self.update_ends();
    }

    fn compress_if_inner(&mut self, place: Place) {
        let depth = self.limits.depth;
        if depth > 0 && self.nodes.depth(place, depth) >= depth {
            self.nodes.change(place, Node::compress);
        }
    }

    /// Decompresses the nodes that are now near an end and compresses those that no longer are.
    fn update_ends(&mut self) {
        if self.limits.depth == 0 {
            return;
        }
        let (mut front, mut back) = (self.nodes.first(), self.nodes.last());
        for step in 0..=self.limits.depth {
            let (Some(head), Some(tail)) = (front, back) else {
                return;
            };
            for place in [head, tail] {
                if step < self.limits.depth {
                    self.nodes.change(place, |node| {
                        node.pack_mut();
                    });
                } else {
                    self.compress_if_inner(place);
                }
            }
            (front, back) = (self.nodes.next(head), self.nodes.prev(tail));
        }
    }
}

fn insert_into(pack: &mut Listpack, offset: usize, text: &[u8], side: End) {
    if let Some(pos) = pack.nth(offset as i64) {
        match side {
            End::Head => pack.insert_before(pos, Item::Bytes(text)),
            End::Tail => pack.insert_after(pos, Item::Bytes(text)),
        };
    }
}

/// Removes up to `most` elements of a listpack that `wanted` accepts, starting at an end. Returns the number removed.
pub fn remove_in_pack(
    pack: &mut Listpack,
    from: End,
    most: usize,
    wanted: &mut impl FnMut(Item<'_>) -> bool,
) -> usize {
    let mut removed = 0;
    let mut next = match from {
        End::Head => pack.first(),
        End::Tail => pack.last(),
    };
    while removed < most
        && let Some(pos) = next
    {
        let gone = wanted(pack.get(pos));
        removed += usize::from(gone);
        next = match (from, gone) {
            (End::Head, false) => pack.next(pos),
            (End::Head, true) => pack.remove(pos),
            (End::Tail, _) => {
                let before = pack.prev(pos);
                if gone {
                    pack.remove(pos);
                }
                before
            }
        };
    }
    removed
}

/// Lending iterator over elements towards an end: the elements of a compressed node are borrowed from a copy inside
/// the iterator.
pub struct Iter<'a> {
    /// The list and the next node; `None` if the current node is the last.
    rest: Option<(&'a Quicklist, Option<Place>)>,
    towards: End,
    current: Current<'a>,
}

/// The current node of the iterator and the position of the next element.
enum Current<'a> {
    Pack(Option<&'a Listpack>, Option<Pos>),
    Unpacked(Listpack, Option<Pos>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iter<'a> {
    /// Iterator over a single listpack from a position on.
    pub fn of_pack(pack: &'a Listpack, pos: Option<Pos>, towards: End) -> Self {
        Iter {
            rest: None,
            towards,
            current: Current::Pack(Some(pack), pos),
        }
    }

    /// The next element, borrowed until the next call (which `Iterator` cannot express).
    #[expect(clippy::should_implement_trait, reason = "it lends from itself")]
    pub fn next(&mut self) -> Option<Item<'_>> {
        while self.current.is_done() {
            self.rest?.1?;
            self.load(None);
        }
        let towards = self.towards;
        match &mut self.current {
            Current::Pack(pack, next) => take(*pack, next, towards),
            Current::Unpacked(pack, next) => take(Some(pack), next, towards),
            Current::Plain(text) => text.take().map(Item::Bytes),
        }
    }

    /// Passes up to `count` of the next elements to `visit`, which is faster than a call of [`Iter::next`] for each.
    pub fn visit(&mut self, count: usize, mut visit: impl FnMut(Item<'_>)) {
        let mut left = count;
        // `next` enters each node; the rest of a listpack is visited at once.
        while left > 0
            && let Some(item) = self.next()
        {
            visit(item);
            left -= 1;
            let (pack, next) = match &mut self.current {
                Current::Pack(Some(pack), next) => (*pack, next),
                Current::Unpacked(pack, next) => (&*pack, next),
                _ => continue,
            };
            if let (Some(pos), End::Tail) = (*next, self.towards) {
                *next = pack.visit(pos, left, |item| {
                    visit(item);
                    left -= 1;
                });
            }
        }
    }

    /// Enters the next node, at a given element or at its near end.
    fn load(&mut self, offset: Option<usize>) {
        let Some((list, Some(place))) = self.rest else {
            return;
        };
        let index = match (offset, self.towards) {
            (Some(offset), _) => offset as i64,
            (None, End::Tail) => 0,
            (None, End::Head) => -1,
        };
        self.current = match list.nodes.get(place) {
            Node::Packed(pack) => Current::Pack(Some(pack), pack.nth(index)),
            Node::Plain(text) => Current::Plain(Some(text)),
            Node::Compressed(compressed) => {
                let pack = compressed.unpack();
                let pos = pack.nth(index);
                Current::Unpacked(pack, pos)
            }
        };
        let next = match self.towards {
            End::Head => list.nodes.prev(place),
            End::Tail => list.nodes.next(place),
        };
        self.rest = Some((list, next));
    }
}

impl Current<'_> {
    #[inline]
    fn is_done(&self) -> bool {
        match self {
            Current::Pack(_, next) | Current::Unpacked(_, next) => next.is_none(),
            Current::Plain(text) => text.is_none(),
        }
    }
}

#[inline]
fn take<'a>(pack: Option<&'a Listpack>, next: &mut Option<Pos>, towards: End) -> Option<Item<'a>> {
    let pack = pack?;
    let pos = next.take()?;
    let item;
    (item, *next) = match towards {
        End::Head => (pack.get(pos), pack.prev(pos)),
        End::Tail => pack.get_and_next(pos),
    };
    Some(item)
}

#[cfg(test)]
mod tests {
    use super::{End, Quicklist};
    use crate::ds::node::{ListLimits, Node, PLAIN_FROM};
    use crate::ds::nodes::Counted;

    fn numbers(count: usize, limits: ListLimits) -> Quicklist {
        let mut list = Quicklist::new(limits);
        for number in 0..count {
            list.push(End::Tail, format!("number {number}").as_bytes());
        }
        list
    }

    fn text_at(list: &Quicklist, index: usize) -> Option<Vec<u8>> {
        list.iter_from(index, End::Tail)
            .next()
            .map(|item| item.to_vec())
    }

    #[test]
    fn only_nodes_away_from_the_ends_are_compressed() {
        let limits = ListLimits {
            fill: 16,
            depth: 2,
            plain_from: PLAIN_FROM,
        };
        let mut list = numbers(16 * 10, limits);
        let compressed = |list: &Quicklist| -> Vec<bool> {
            list.nodes()
                .map(|node| matches!(node, Node::Compressed(_)))
                .collect()
        };
        let inner = |count: usize| -> Vec<bool> {
            (0..count).map(|at| at.min(count - 1 - at) >= 2).collect()
        };
        assert_eq!(compressed(&list), inner(10));
        list.insert(88, b"in between", End::Head);
        assert_eq!(
            text_at(&list, 88).as_deref(),
            Some(b"in between".as_slice())
        );
        assert_eq!(text_at(&list, 89).as_deref(), Some(b"number 88".as_slice()));
        assert_eq!(compressed(&list), inner(list.node_count()));
        list.remove_range(20, 60);
        assert_eq!(compressed(&list), inner(list.node_count()));
        list.remove_range(0, 81);
        assert_eq!(compressed(&list), inner(list.node_count()));
        assert_eq!(text_at(&list, 0).as_deref(), Some(b"number 140".as_slice()));
    }

    #[test]
    fn a_node_takes_as_many_elements_as_redis_puts_into_it() {
        // Elements of 16 bytes take 18 bytes but are estimated at 24 on insertion: 8192 - 7 bytes have room for 454.
        let limits = ListLimits {
            fill: -2,
            depth: 0,
            plain_from: PLAIN_FROM,
        };
        let mut list = Quicklist::new(limits);
        (0..1000).for_each(|_| list.push(End::Tail, b"0123456789abcdef"));
        let counts: Vec<usize> = list.nodes().map(Node::count).collect();
        assert_eq!(counts, [454, 454, 92]);
        assert!(list.memory(0) < 2 * 8192 + 2048 + 4096 + 512);
    }

    #[test]
    fn a_big_element_is_a_node_by_itself() {
        let limits = ListLimits {
            fill: 16,
            depth: 1,
            plain_from: 100,
        };
        let big = [b'x'; 100];
        let mut list = numbers(40, limits);
        list.insert(20, &big, End::Head);
        list.set(5, &big);
        list.push(End::Head, &big);
        list.push(End::Tail, &big);
        let plain = list.nodes().filter(|node| matches!(node, Node::Plain(_)));
        assert_eq!(plain.count(), 4);
        for index in [0, 6, 21, 42] {
            assert_eq!(text_at(&list, index).as_deref(), Some(big.as_slice()));
        }
        list.set(6, b"small");
        assert_eq!(text_at(&list, 6).as_deref(), Some(b"small".as_slice()));
        assert_eq!(list.remove_if(End::Tail, 9, |item| item.is(&big)), 3);
        assert_eq!(list.len(), 40);
    }
}
