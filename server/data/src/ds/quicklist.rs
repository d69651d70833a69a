//! A quicklist: a long sequence of elements in nodes, each of them a listpack of limited size.
//!
//! An element too big to be packed is a node by itself. Nodes that are far enough from both ends may be compressed,
//! since most lists are used at their ends; whoever changes such a node unpacks it and packs it again, and whoever
//! reads it works on an unpacked copy. The rules of where an element goes are Redis's, since the nodes are what DUMP
//! and the RDB file show.
//!
//! Invariants:
//! 1. No node is empty.
//! 2. The `depth` outermost nodes on either side are not compressed; with a depth of 0, none is.

use crate::ds::item::Item;
use crate::ds::listpack::{Listpack, Pos};
use crate::ds::node::{Limits, Node};
use crate::ds::nodes::{Counted, Nodes, Place};

/// An end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The end with index 0.
    Head,
    /// The end with index −1.
    Tail,
}

/// A sequence of elements.
#[derive(Clone)]
pub struct Quicklist {
    nodes: Nodes<Node>,
    limits: Limits,
}

impl Quicklist {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Quicklist {
            nodes: Nodes::new(),
            limits,
        }
    }

    /// How many elements it has.
    #[inline]
    pub fn len(&self) -> usize {
        self.nodes.elements()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The nodes in their order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter()
    }

    /// How many nodes there are.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// From how many bytes on an element that comes is a node by itself.
    pub fn set_plain_from(&mut self, bytes: usize) {
        self.limits.plain_from = bytes;
    }

    /// Bytes that the allocator gave for it, about; estimated from `samples` nodes, or all when that is 0.
    pub fn memory(&self, samples: usize) -> usize {
        let looked_at = if samples == 0 { usize::MAX } else { samples }.min(self.nodes.len());
        let sum: usize = self.nodes.iter().take(looked_at).map(Node::memory).sum();
        let all = sum as u128 * self.nodes.len() as u128 / looked_at.max(1) as u128;
        size_of::<Self>() + self.nodes.memory() + all as usize
    }

    /// The listpack when there is one node and it is packed.
    pub fn only_pack(&self) -> Option<&Listpack> {
        match self.nodes.first().map(|place| self.nodes.get(place)) {
            Some(Node::Packed(pack)) if self.nodes.len() == 1 => Some(pack),
            _ => None,
        }
    }

    /// Adds a listpack as a node of its own behind all others.
    pub fn push_pack(&mut self, pack: Listpack) {
        if !pack.is_empty() {
            self.push_node(End::Tail, Node::Packed(pack));
        }
    }

    /// Adds one element as a node of its own behind all others.
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
            Node::Squeezed(_) => None,
        }
    }

    /// Replaces the element of an index; whether there is one.
    pub fn set(&mut self, index: usize, text: &[u8]) -> bool {
        let Some((place, offset)) = self.nodes.locate(index) else {
            return false;
        };
        let limits = self.limits;
        let is_plain = limits.is_plain(text);
        let node = self.nodes.get(place);
        let fits = node.holds(text.len());
        match (node, is_plain) {
            (Node::Plain(_), true) => {
                self.nodes
                    .change(place, |node| *node = Node::of(text, &limits));
            }
            (Node::Packed(_) | Node::Squeezed(_), false) if fits => {
                self.edit(place, |pack| {
                    if let Some(pos) = pack.nth(offset as i64) {
                        pack.replace(pos, Item::Bytes(text));
                    }
                });
            }
            // From one kind of node to the other, or into a node of its own.
            _ => {
                self.insert(index, text, End::Tail);
                self.remove_range(index, 1);
            }
        }
        true
    }

    /// Adds an element before (`Head`) or behind (`Tail`) the one of an index, which exists.
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
                self.settle(new);
            }
        }
    }

    /// Removes `count` elements from an index on, or as many as there are.
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
        self.settle_ends();
    }

    /// Removes up to `most` elements for which `wanted` is true, from an end on; how many.
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
            self.settle_ends();
        }
        removed
    }

    /// The elements from an index on, towards an end.
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

    /// Verifies the invariants of the list and of every node; panics when one does not hold. For tests.
    pub fn check(&self) {
        self.nodes.check();
        let (depth, count) = (self.limits.depth, self.nodes.len());
        for (at, node) in self.nodes.iter().enumerate() {
            node.check();
            assert!(node.count() > 0, "an empty node");
            let squeezed = matches!(node, Node::Squeezed(_));
            let inner = depth > 0 && at.min(count - 1 - at) >= depth;
            assert!(inner || !squeezed, "a compressed node near an end");
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
        self.settle_ends();
    }

    /// Changes a packed node, which has elements afterwards, and compresses it again if it is to be.
    fn edit(&mut self, place: Place, change: impl FnOnce(&mut Listpack)) {
        self.nodes.change(place, |node| {
            if let Some(pack) = node.pack_mut() {
                change(pack);
            }
        });
        self.squeeze_inner(place);
    }

    /// Cuts a packed node in two and puts an element between, before or behind the one at an offset. It joins the part
    /// that is cut off, which is the one on its side.
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
            self.squeeze_around(behind);
            return;
        }
        let second = self.nodes.insert_after(place, Node::Packed(tail));
        let centre = match side {
            End::Head => second,
            End::Tail => self.nodes.prev(second).unwrap_or(second),
        };
        self.merge_around(centre);
    }

    /// Joins the nodes around one where two fit into one.
    fn merge_around(&mut self, centre: Place) {
        let mut target = centre;
        if let Some(prev) = self.nodes.prev(target)
            && let Some(before) = self.nodes.prev(prev)
            && self.try_merge(before, prev)
        {
            // The merged node stands where the one before stood, and the centre behind it.
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
        self.squeeze_around(target);
    }

    /// Nodes came to be at a place and beside it.
    fn squeeze_around(&mut self, place: Place) {
        let beside = [self.nodes.prev(place), self.nodes.next(place)];
        for place in beside.into_iter().flatten().chain([place]) {
            self.squeeze_inner(place);
        }
        self.settle_ends();
    }

    /// Moves the elements of `b`, the node behind `a`, into `a` if they fit; `b` is removed then.
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
                // It leaves an empty node, which the caller removes.
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
        self.squeeze_inner(place);
        removed
    }

    /// A node came to be at a place.
    fn settle(&mut self, place: Place) {
        self.squeeze_inner(place);
        self.settle_ends();
    }

    fn squeeze_inner(&mut self, place: Place) {
        let depth = self.limits.depth;
        if depth > 0 && self.nodes.depth(place, depth) >= depth {
            self.nodes.change(place, Node::squeeze);
        }
    }

    /// Unpacks the nodes that have come close to an end and compresses those that have gone away from it.
    fn settle_ends(&mut self) {
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
                    self.squeeze_inner(place);
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

/// Removes up to `most` elements of a listpack for which `wanted` is true, from an end on; how many.
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

/// Elements in their order towards an end. It lends them one at a time, since those of a compressed node lie in the
/// iterator itself.
pub struct Iter<'a> {
    /// The list, and the node that comes after the current one; none when the current one is all there is.
    rest: Option<(&'a Quicklist, Option<Place>)>,
    towards: End,
    current: Current<'a>,
}

/// The node that an iterator is in, and the element that comes next.
enum Current<'a> {
    Pack(Option<&'a Listpack>, Option<Pos>),
    Unpacked(Listpack, Option<Pos>),
    Plain(Option<&'a [u8]>),
}

impl<'a> Iter<'a> {
    /// The elements of one listpack, from a position on.
    pub fn of_pack(pack: &'a Listpack, pos: Option<Pos>, towards: End) -> Self {
        Iter {
            rest: None,
            towards,
            current: Current::Pack(Some(pack), pos),
        }
    }

    /// The next element. (No `Iterator`: what it lends is good until the next call.)
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

    /// Enters the next node, at an element or at the end where one comes in.
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
            Node::Squeezed(squeezed) => {
                let pack = squeezed.unpack();
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
    *next = match towards {
        End::Head => pack.prev(pos),
        End::Tail => pack.next(pos),
    };
    Some(pack.get(pos))
}

#[cfg(test)]
mod tests {
    use super::{End, Quicklist};
    use crate::ds::node::{Limits, Node, PLAIN_FROM};
    use crate::ds::nodes::Counted;

    fn numbers(count: usize, limits: Limits) -> Quicklist {
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
        let limits = Limits {
            fill: 16,
            depth: 2,
            plain_from: PLAIN_FROM,
        };
        let mut list = numbers(16 * 10, limits);
        let squeezed = |list: &Quicklist| -> Vec<bool> {
            list.nodes()
                .map(|node| matches!(node, Node::Squeezed(_)))
                .collect()
        };
        let inner = |count: usize| -> Vec<bool> {
            (0..count).map(|at| at.min(count - 1 - at) >= 2).collect()
        };
        assert_eq!(squeezed(&list), inner(10));
        list.insert(88, b"in between", End::Head);
        assert_eq!(
            text_at(&list, 88).as_deref(),
            Some(b"in between".as_slice())
        );
        assert_eq!(text_at(&list, 89).as_deref(), Some(b"number 88".as_slice()));
        assert_eq!(squeezed(&list), inner(list.node_count()));
        list.remove_range(20, 60);
        assert_eq!(squeezed(&list), inner(list.node_count()));
        list.remove_range(0, 81);
        assert_eq!(squeezed(&list), inner(list.node_count()));
        assert_eq!(text_at(&list, 0).as_deref(), Some(b"number 140".as_slice()));
    }

    #[test]
    fn a_node_takes_as_many_elements_as_redis_puts_into_it() {
        // Elements of 16 bytes take 18, and are counted with 24 when they come: 8192 - 7 bytes have room for 454.
        let limits = Limits {
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
        let limits = Limits {
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
