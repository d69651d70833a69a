//! Order-statistics B+ tree: the ordered index of a big sorted set.
//!
//! A leaf holds up to [`LEAF`] elements. An element is a score and a handle, a word that only the owner interprets (a
//! sorted set stores the address of a record in it). An inner node stores for each child the number of elements below
//! it and its least element, the separator. So an element is found by order or by rank in one descent, and a range is
//! read leaf by leaf.
//!
//! The tree does not know the order. The caller passes a predicate that is true for a prefix of the elements and false
//! for the rest ("sorts before this one"). Scores are stored beside the handles so that a predicate that compares
//! scores first rarely dereferences a handle.
//!
//! Elements inserted in ascending or descending order fill their leaves completely: a split at either end of the tree
//! starts a new node with one element or child instead of halving the full one. So a node may have a single child, and
//! a removal may empty it.
//!
//! Invariants, which [`Sorted::check`] verifies:
//! 1. All leaves are at the same depth. No node but a root leaf is empty, and an inner root has at least two children.
//! 2. After each public call, `counts`, `scores` and `handles` of an inner node match its children.
//! 3. Predicates only receive handles of elements that are in the tree: a separator is the least element of its child,
//!    never one that was removed. Owners dereference handles, so a stale separator would be a use after free.

use std::mem;
use std::ops::Range as Ranks;

use crate::ds::relocation::{Relocator, relocate_box, relocate_vec};

/// Maximum number of elements per leaf: with its length it takes 504 bytes, in a size class of 512.
pub const LEAF: usize = 31;
/// Maximum number of children per inner node.
const FANOUT: usize = 64;

/// An element: its score and its handle.
pub type Pair = (f64, u64);

/// An order-statistics B+ tree.
#[derive(Default)]
pub struct Sorted {
    root: Node,
    len: usize,
}

enum Node {
    Leaf(Box<Leaf>),
    Inner(Box<Inner>),
}

struct Leaf {
    len: usize,
    scores: [f64; LEAF],
    handles: [u64; LEAF],
}

#[derive(Default)]
struct Inner {
    scores: Vec<f64>,
    handles: Vec<u64>,
    counts: Vec<usize>,
    children: Vec<Node>,
}

/// Whether a node is on the left or right edge of the tree: a split on an edge starts an empty node.
#[derive(Clone, Copy)]
struct Edge {
    first: bool,
    last: bool,
}

impl Sorted {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the tree is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of elements for which `before` is true: the rank of the first one for which it is false.
    pub fn rank(&self, mut before: impl FnMut(f64, u64) -> bool) -> usize {
        let mut node = &self.root;
        let mut rank = 0;
        loop {
            match node {
                Node::Leaf(leaf) => return rank + leaf.position(&mut before),
                Node::Inner(inner) => {
                    let child = inner.child_of(&mut before);
                    rank += inner.counts[..child].iter().sum::<usize>();
                    node = &inner.children[child];
                }
            }
        }
    }

    /// The element at a rank.
    pub fn get(&self, rank: usize) -> Option<Pair> {
        self.range(rank).next()
    }

    /// Inserts an element after all those for which `before` is true.
    pub fn insert(&mut self, pair: Pair, mut before: impl FnMut(f64, u64) -> bool) {
        let edge = Edge {
            first: true,
            last: true,
        };
        if let Some(right) = self.root.insert(pair, &mut before, edge) {
            let left = mem::take(&mut self.root);
            let mut root = Box::<Inner>::default();
            root.add(0, left);
            root.add(1, right);
            self.root = Node::Inner(root);
        }
        self.len += 1;
    }

    /// Removes the first element for which `before` is false.
    pub fn remove(&mut self, mut before: impl FnMut(f64, u64) -> bool) -> Option<Pair> {
        let pair = self.root.remove(&mut before)?;
        self.len -= 1;
        self.lower_root();
        Some(pair)
    }

    /// Removes the elements of a range of ranks, which must be within the length. Calls no predicate; the cost is
    /// about the number of leaves in the range.
    pub fn remove_range(&mut self, ranks: Ranks<usize>) {
        assert!(
            ranks.start <= ranks.end && ranks.end <= self.len,
            "ranks are inside"
        );
        if ranks.is_empty() {
            return;
        }
        self.len -= ranks.len();
        self.root.remove_range(ranks);
        self.lower_root();
    }

    /// Replaces an inner root with fewer than two children by its child or by an empty leaf.
    fn lower_root(&mut self) {
        while let Node::Inner(inner) = &mut self.root
            && inner.children.len() < 2
        {
            self.root = inner.children.pop().unwrap_or_default();
        }
    }

    /// Verifies invariants 1 and 2 for the whole tree; panics on a violation. For tests.
    pub fn check(&self) {
        let (_, count) = self.root.check(true);
        assert_eq!(count, self.len, "length of the tree");
    }

    /// Iterator from a rank on, ascending.
    pub fn range(&self, rank: usize) -> Range<'_> {
        let mut way = Path::default();
        way.descend(&self.root, rank);
        Range(way)
    }

    /// Iterator from a rank on, descending.
    pub fn range_back(&self, rank: usize) -> RangeBack<'_> {
        let mut way = Path::default();
        if rank < self.len {
            way.descend(&self.root, rank);
            way.at += 1;
        }
        RangeBack(way)
    }

    /// Bytes that the tree takes.
    pub fn memory(&self) -> usize {
        self.root.memory()
    }

    /// Moves the nodes whose first element is in a range of ranks, and passes each handle in the range to `each`, which
    /// may replace it by the new address of the same record.
    pub fn relocate(
        &mut self,
        ranks: Ranks<usize>,
        relocator: &mut dyn Relocator,
        mut each: impl FnMut(&mut u64, &mut dyn Relocator),
    ) {
        let ranks = ranks.start..ranks.end.min(self.len);
        if !ranks.is_empty() {
            self.root.relocate(ranks, relocator, &mut each);
        }
    }
}

impl Default for Node {
    fn default() -> Self {
        Node::Leaf(Leaf::empty())
    }
}

impl Node {
    /// Number of elements in the subtree.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(inner) => inner.counts.iter().sum(),
        }
    }

    /// Number of direct elements or children.
    fn width(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(inner) => inner.children.len(),
        }
    }

    fn capacity(&self) -> usize {
        match self {
            Node::Leaf(_) => LEAF,
            Node::Inner(_) => FANOUT,
        }
    }

    fn least(&self) -> Pair {
        match self {
            Node::Leaf(leaf) => leaf.get(0),
            Node::Inner(inner) => (inner.scores[0], inner.handles[0]),
        }
    }

    /// Inserts an element. Returns the new right sibling if the node was split.
    fn insert(
        &mut self,
        pair: Pair,
        before: &mut impl FnMut(f64, u64) -> bool,
        edge: Edge,
    ) -> Option<Node> {
        match self {
            Node::Leaf(leaf) => leaf.insert(pair, before, edge).map(Node::Leaf),
            Node::Inner(inner) => inner.insert(pair, before, edge).map(Node::Inner),
        }
    }

    fn remove(&mut self, before: &mut impl FnMut(f64, u64) -> bool) -> Option<Pair> {
        match self {
            Node::Leaf(leaf) => {
                let at = leaf.position(before);
                (at < leaf.len).then(|| leaf.take(at))
            }
            Node::Inner(inner) => inner.remove(before),
        }
    }

    /// Removes a nonempty range of ranks within the subtree. May leave the node empty.
    fn remove_range(&mut self, ranks: Ranks<usize>) {
        match self {
            Node::Leaf(leaf) => leaf.take_range(ranks),
            Node::Inner(inner) => inner.remove_range(ranks),
        }
    }

    /// Verifies the subtree. Returns its depth and number of elements.
    fn check(&self, root: bool) -> (usize, usize) {
        let inner = match self {
            Node::Leaf(leaf) => {
                assert!(leaf.len <= LEAF && (root || leaf.len > 0), "empty leaf");
                return (1, leaf.len);
            }
            Node::Inner(inner) => inner,
        };
        let width = inner.children.len();
        assert!(width >= if root { 2 } else { 1 }, "too few children");
        assert!(width <= FANOUT, "too many children");
        assert_eq!(inner.counts.len(), width);
        assert_eq!(inner.scores.len(), width);
        assert_eq!(inner.handles.len(), width);
        let (mut depth, mut total) = (None, 0);
        for (at, child) in inner.children.iter().enumerate() {
            let (below, count) = child.check(false);
            assert_eq!(inner.counts[at], count, "count of a child");
            let separator = (inner.scores[at].to_bits(), inner.handles[at]);
            let (score, handle) = child.least();
            assert_eq!(separator, (score.to_bits(), handle), "separator");
            assert_eq!(*depth.get_or_insert(below), below, "depth of the leaves");
            total += count;
        }
        (depth.unwrap_or(0) + 1, total)
    }

    /// Moves everything from the right sibling into this node; both have the same kind and fit into one.
    fn absorb(&mut self, right: Node) {
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                for at in 0..right.len {
                    left.put(left.len, right.get(at));
                }
            }
            (Node::Inner(left), Node::Inner(mut right)) => {
                left.scores.append(&mut right.scores);
                left.handles.append(&mut right.handles);
                left.counts.append(&mut right.counts);
                left.children.append(&mut right.children);
            }
            _ => unreachable!("neighbours are at the same depth"),
        }
    }

    /// Moves elements or children between siblings until both have about the same number.
    fn balance(&mut self, right: &mut Node) {
        let wanted = (self.width() + right.width()) / 2;
        match (self, right) {
            (Node::Leaf(left), Node::Leaf(right)) => {
                while left.len < wanted {
                    left.put(left.len, right.take(0));
                }
                while left.len > wanted {
                    right.put(0, left.take(left.len - 1));
                }
            }
            (Node::Inner(left), Node::Inner(right)) => {
                while left.children.len() < wanted {
                    let (child, at) = (right.take(0), left.children.len());
                    left.add(at, child);
                }
                while left.children.len() > wanted {
                    right.add(0, left.take(left.children.len() - 1));
                }
            }
            _ => unreachable!("neighbours are at the same depth"),
        }
    }

    /// See [`Sorted::relocate`]; the ranks are within the subtree and not empty.
    fn relocate(
        &mut self,
        ranks: Ranks<usize>,
        relocator: &mut dyn Relocator,
        each: &mut impl FnMut(&mut u64, &mut dyn Relocator),
    ) {
        match self {
            Node::Leaf(leaf) => {
                if ranks.start == 0 {
                    relocate_box(leaf, relocator, Leaf::new);
                }
                for handle in &mut leaf.handles[ranks] {
                    each(handle, relocator);
                }
            }
            Node::Inner(inner) => {
                if ranks.start == 0 {
                    relocate_box(inner, relocator, Inner::default);
                    inner.relocate_arrays(relocator);
                }
                inner.relocate_children(ranks, relocator, each);
            }
        }
    }

    fn memory(&self) -> usize {
        match self {
            Node::Leaf(_) => size_of::<Leaf>(),
            Node::Inner(inner) => {
                let each = size_of::<f64>() + size_of::<u64>() + size_of::<usize>();
                let own = size_of::<Inner>()
                    + inner.scores.capacity() * each
                    + inner.children.capacity() * size_of::<Node>();
                own + inner.children.iter().map(Node::memory).sum::<usize>()
            }
        }
    }
}

impl Leaf {
    fn new() -> Leaf {
        Leaf {
            len: 0,
            scores: [0.0; LEAF],
            handles: [0; LEAF],
        }
    }

    fn empty() -> Box<Leaf> {
        Box::new(Leaf::new())
    }

    /// The index of the first element for which `before` is false.
    fn position(&self, before: &mut impl FnMut(f64, u64) -> bool) -> usize {
        partition(&self.scores[..self.len], &self.handles[..self.len], before)
    }

    #[inline]
    fn get(&self, at: usize) -> Pair {
        (self.scores[at], self.handles[at])
    }

    fn put(&mut self, at: usize, (score, handle): Pair) {
        self.scores.copy_within(at..self.len, at + 1);
        self.handles.copy_within(at..self.len, at + 1);
        (self.scores[at], self.handles[at]) = (score, handle);
        self.len += 1;
    }

    fn take(&mut self, at: usize) -> Pair {
        let pair = self.get(at);
        self.scores.copy_within(at + 1..self.len, at);
        self.handles.copy_within(at + 1..self.len, at);
        self.len -= 1;
        pair
    }

    fn take_range(&mut self, range: Ranks<usize>) {
        self.scores.copy_within(range.end..self.len, range.start);
        self.handles.copy_within(range.end..self.len, range.start);
        self.len -= range.len();
    }

    fn insert(
        &mut self,
        pair: Pair,
        before: &mut impl FnMut(f64, u64) -> bool,
        edge: Edge,
    ) -> Option<Box<Leaf>> {
        let at = self.position(before);
        if self.len < LEAF {
            self.put(at, pair);
            return None;
        }
        let kept = match at {
            LEAF if edge.last => LEAF,
            0 if edge.first => 0,
            _ => LEAF / 2,
        };
        let mut right = Leaf::empty();
        right.len = LEAF - kept;
        right.scores[..right.len].copy_from_slice(&self.scores[kept..]);
        right.handles[..right.len].copy_from_slice(&self.handles[kept..]);
        self.len = kept;
        // After a split in the middle the element goes to the half that keeps the order, after a split at an edge to
        // the empty leaf.
        if at > kept || kept == LEAF {
            right.put(at - kept, pair);
        } else {
            self.put(at, pair);
        }
        Some(right)
    }
}

impl Inner {
    /// The child that contains the first element for which `before` is false, or after whose elements it would be
    /// inserted.
    fn child_of(&self, before: &mut impl FnMut(f64, u64) -> bool) -> usize {
        partition(&self.scores, &self.handles, before).saturating_sub(1)
    }

    fn add(&mut self, at: usize, child: Node) {
        let (score, handle) = child.least();
        self.scores.insert(at, score);
        self.handles.insert(at, handle);
        self.counts.insert(at, child.count());
        self.children.insert(at, child);
    }

    fn take(&mut self, at: usize) -> Node {
        self.scores.remove(at);
        self.handles.remove(at);
        self.counts.remove(at);
        self.children.remove(at)
    }

    fn relocate_arrays(&mut self, relocator: &mut dyn Relocator) {
        relocate_vec(&mut self.scores, relocator);
        relocate_vec(&mut self.handles, relocator);
        relocate_vec(&mut self.counts, relocator);
        relocate_vec(&mut self.children, relocator);
    }

    /// Relocates the children that a range of ranks overlaps, and renews their separators.
    fn relocate_children(
        &mut self,
        ranks: Ranks<usize>,
        relocator: &mut dyn Relocator,
        each: &mut impl FnMut(&mut u64, &mut dyn Relocator),
    ) {
        let mut base = 0;
        for at in 0..self.children.len() {
            let count = self.counts[at];
            let part = ranks.start.max(base)..ranks.end.min(base + count);
            if !part.is_empty() {
                let child = &mut self.children[at];
                child.relocate(part.start - base..part.end - base, relocator, each);
                self.handles[at] = child.least().1;
            }
            base += count;
        }
    }

    /// Updates what this node stores about a child.
    fn refresh(&mut self, at: usize) {
        self.counts[at] = self.children[at].count();
        (self.scores[at], self.handles[at]) = self.children[at].least();
    }

    fn insert(
        &mut self,
        pair: Pair,
        before: &mut impl FnMut(f64, u64) -> bool,
        edge: Edge,
    ) -> Option<Box<Inner>> {
        let at = self.child_of(before);
        let child_edge = Edge {
            first: edge.first && at == 0,
            last: edge.last && at + 1 == self.children.len(),
        };
        let split = self.children[at].insert(pair, before, child_edge);
        let Some(right) = split else {
            self.counts[at] += 1;
            (self.scores[at], self.handles[at]) = self.children[at].least();
            return None;
        };
        self.refresh(at);
        self.add(at + 1, right);
        if self.children.len() <= FANOUT {
            return None;
        }
        let kept = if edge.last && at + 2 == self.children.len() {
            FANOUT
        } else if edge.first && at == 0 {
            1
        } else {
            FANOUT / 2
        };
        Some(Box::new(Inner {
            scores: self.scores.split_off(kept),
            handles: self.handles.split_off(kept),
            counts: self.counts.split_off(kept),
            children: self.children.split_off(kept),
        }))
    }

    fn remove(&mut self, before: &mut impl FnMut(f64, u64) -> bool) -> Option<Pair> {
        let mut at = self.child_of(before);
        let pair = match self.children[at].remove(before) {
            Some(pair) => pair,
            // All elements of this child sort before: the first that does not is the least of the next child.
            None => {
                at += 1;
                self.children.get_mut(at)?.remove(before)?
            }
        };
        self.counts[at] -= 1;
        self.rebalance(at);
        Some(pair)
    }

    /// Removes a nonempty range of ranks within the node. May leave the node without children.
    fn remove_range(&mut self, ranks: Ranks<usize>) {
        let (mut first, mut end) = (self.children.len(), 0);
        let mut base = 0;
        for at in 0..self.children.len() {
            let count = self.counts[at];
            let part = ranks.start.max(base)..ranks.end.min(base + count);
            if !part.is_empty() {
                if part.len() < count {
                    self.children[at].remove_range(part.start - base..part.end - base);
                    self.refresh(at);
                } else {
                    (first, end) = (first.min(at), at + 1);
                }
            }
            base += count;
        }
        if first < end {
            self.scores.drain(first..end);
            self.handles.drain(first..end);
            self.counts.drain(first..end);
            self.children.drain(first..end);
        }
        self.rebalance_around(ranks.start);
    }

    /// After the removal of a range: rebalances the child in which or at whose end the gap is, and its successor.
    fn rebalance_around(&mut self, gap: usize) {
        let (mut at, mut base) = (0, 0);
        while at + 1 < self.children.len() && base + self.counts[at] < gap {
            base += self.counts[at];
            at += 1;
        }
        for at in [at + 1, at] {
            if at < self.children.len() {
                self.rebalance(at);
            }
        }
    }

    /// After a removal below a child: drops the child if it is empty, merges or balances it with a sibling if it is
    /// less than a third full, and updates what this node stores about it.
    fn rebalance(&mut self, at: usize) {
        let (width, capacity) = (self.children[at].width(), self.children[at].capacity());
        if width == 0 {
            // The separator of this child must not survive: its element may be gone.
            drop(self.take(at));
        } else if width * 3 >= capacity || self.children.len() == 1 {
            self.refresh(at);
        } else {
            self.join(at.min(self.children.len() - 2));
        }
    }

    /// Merges two siblings if that leaves room in one node, else gives both about the same number of elements or
    /// children.
    fn join(&mut self, left: usize) {
        let right = left + 1;
        let width = self.children[left].width() + self.children[right].width();
        if width <= self.children[left].capacity() * 3 / 4 {
            let node = self.take(right);
            self.children[left].absorb(node);
        } else {
            let (lefts, rights) = self.children.split_at_mut(right);
            lefts[left].balance(&mut rights[0]);
            self.refresh(right);
        }
        self.refresh(left);
    }
}

/// The first index for which `before` is false.
fn partition(scores: &[f64], handles: &[u64], before: &mut impl FnMut(f64, u64) -> bool) -> usize {
    let (mut low, mut high) = (0, scores.len());
    while low < high {
        let middle = (low + high) / 2;
        if before(scores[middle], handles[middle]) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    low
}

/// Path from the root to a leaf, and a position in the leaf.
#[derive(Default)]
struct Path<'a> {
    /// Inner nodes from the root down, each with the index of the child taken.
    path: Vec<(&'a Inner, usize)>,
    /// `None` once the path has left the tree.
    leaf: Option<&'a Leaf>,
    /// Position in the leaf.
    at: usize,
}

impl<'a> Path<'a> {
    /// Descends from a node to the element at a rank below it, or past the last one.
    fn descend(&mut self, mut node: &'a Node, mut rank: usize) {
        loop {
            match node {
                Node::Leaf(leaf) => {
                    self.leaf = Some(leaf);
                    self.at = rank.min(leaf.len);
                    return;
                }
                Node::Inner(inner) => {
                    let mut child = 0;
                    while child + 1 < inner.counts.len() && rank >= inner.counts[child] {
                        rank -= inner.counts[child];
                        child += 1;
                    }
                    self.path.push((inner, child));
                    node = &inner.children[child];
                }
            }
        }
    }

    /// Moves on to the adjacent leaf: `sibling` returns the next child, given the current one and their number; `rank`
    /// is the position at which that leaf is entered.
    fn turn(&mut self, sibling: impl Fn(usize, usize) -> Option<usize>, rank: usize) {
        self.leaf = None;
        while let Some((inner, child)) = self.path.last_mut() {
            if let Some(next) = sibling(*child, inner.children.len()) {
                *child = next;
                let node = &inner.children[next];
                return self.descend(node, rank);
            }
            self.path.pop();
        }
    }
}

/// Iterator in ascending order.
pub struct Range<'a>(Path<'a>);

impl Iterator for Range<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let way = &mut self.0;
        loop {
            let leaf = way.leaf?;
            if way.at < leaf.len {
                way.at += 1;
                return Some(leaf.get(way.at - 1));
            }
            way.turn(
                |child, children| (child + 1 < children).then_some(child + 1),
                0,
            );
        }
    }
}

/// Iterator in descending order.
pub struct RangeBack<'a>(Path<'a>);

impl Iterator for RangeBack<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        let way = &mut self.0;
        loop {
            let leaf = way.leaf?;
            if way.at > 0 {
                way.at -= 1;
                return Some(leaf.get(way.at));
            }
            way.turn(|child, _| child.checked_sub(1), usize::MAX);
        }
    }
}
