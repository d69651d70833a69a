//! An order-statistics B+ tree: what big sorted sets are made of.
//!
//! A leaf holds up to [`LEAF`] elements, each a score and a handle (a word that the owner understands, here the address
//! of a record). An inner node knows of each child the number of elements below it and the least of them. So an element
//! is found by its order or by its rank in one walk from the root, and a range is read leaf by leaf.
//!
//! The tree does not know the order. Whoever calls brings a predicate that is true for a first part of the elements and
//! false for the rest ("comes before this one"); scores stand beside handles, so that a predicate which compares scores
//! first seldom has to look behind a handle.
//!
//! Elements that come in ascending or descending order fill their leaves: a split at either end of the tree begins an
//! empty leaf instead of halving a full one.
//!
//! Invariants:
//! 1. All leaves are at the same depth; no node but the root is empty, and an inner root has two children at least.
//! 2. `counts`, `scores` and `handles` of an inner node tell the truth about its children after each public call.
//! 3. Nothing is asked of a handle but of elements in the tree: a separator is the least element of its child, never one
//!    that was removed.

use std::mem;

/// Elements of a leaf at most: with its length it makes 504 bytes, a size class of 512.
pub const LEAF: usize = 31;
/// Children of an inner node at most.
const FANOUT: usize = 64;

/// An element: its score, and the word by which its owner knows it.
pub type Pair = (f64, u64);

/// The tree.
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

/// Where in the tree a node stands: a split at an end of it begins an empty node.
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

    /// Elements in the tree.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many elements `before` is true for: the rank of the first one for which it is not.
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

    /// The element of a rank.
    pub fn get(&self, rank: usize) -> Option<Pair> {
        self.range(rank).next()
    }

    /// Adds an element behind all those for which `before` is true.
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

    /// Takes out the first element for which `before` is false.
    pub fn remove(&mut self, mut before: impl FnMut(f64, u64) -> bool) -> Option<Pair> {
        let pair = self.root.remove(&mut before)?;
        self.len -= 1;
        if let Node::Inner(inner) = &mut self.root
            && inner.children.len() == 1
            && let Some(only) = inner.children.pop()
        {
            self.root = only;
        }
        Some(pair)
    }

    /// Elements from a rank on, in ascending order.
    pub fn range(&self, rank: usize) -> Range<'_> {
        let mut way = Way::default();
        way.descend(&self.root, rank);
        Range(way)
    }

    /// Elements from a rank on, in descending order.
    pub fn range_back(&self, rank: usize) -> RangeBack<'_> {
        let mut way = Way::default();
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
}

impl Default for Node {
    fn default() -> Self {
        Node::Leaf(Leaf::empty())
    }
}

impl Node {
    /// Elements below.
    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.len,
            Node::Inner(inner) => inner.counts.iter().sum(),
        }
    }

    /// Elements or children of its own.
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

    /// Adds an element. Gives what of the node has become a node of its own, to its right.
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

    /// Moves all of a right neighbour into this node; both are of one kind and fit into one.
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

    /// Moves elements or children between neighbours until both have about as many.
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
    fn empty() -> Box<Leaf> {
        Box::new(Leaf {
            len: 0,
            scores: [0.0; LEAF],
            handles: [0; LEAF],
        })
    }

    /// The first element for which `before` is false.
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
        // In the middle it goes where it keeps both halves in order, at the ends where there is room.
        if at > kept || kept == LEAF {
            right.put(at - kept, pair);
        } else {
            self.put(at, pair);
        }
        Some(right)
    }
}

impl Inner {
    /// The child in which the first element for which `before` is false stands, or behind whose elements it would.
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

    /// Writes down what has become of a child.
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
            // All of this child come before: the first that does not is the least of the next.
            None => {
                at += 1;
                self.children.get_mut(at)?.remove(before)?
            }
        };
        self.counts[at] -= 1;
        if self.children[at].width() * 3 >= self.children[at].capacity() {
            (self.scores[at], self.handles[at]) = self.children[at].least();
        } else {
            self.mend(at);
        }
        Some(pair)
    }

    /// A child has become thin: joins it with a neighbour, or lets that share.
    fn mend(&mut self, at: usize) {
        if self.children.len() == 1 {
            if self.children[at].width() > 0 {
                self.refresh(at);
            }
            return;
        }
        let left = at.min(self.children.len() - 2);
        let right = left + 1;
        let (width, capacity) = (
            self.children[left].width() + self.children[right].width(),
            self.children[left].capacity(),
        );
        if width <= capacity * 3 / 4 {
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

/// The way from the root to a leaf, and a place in that.
#[derive(Default)]
struct Way<'a> {
    /// Inner nodes from the root on, each with the child through which the way goes.
    path: Vec<(&'a Inner, usize)>,
    /// Nothing when the way has left the tree.
    leaf: Option<&'a Leaf>,
    /// Elements of the leaf before the place.
    at: usize,
}

impl<'a> Way<'a> {
    /// Goes down from a node to the element of a rank below it, or behind the last one.
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

    /// Leaves the leaf for a neighbour: `sibling` says which child comes after one, of how many; `rank` is where the
    /// neighbour is entered.
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

/// Elements in ascending order.
pub struct Range<'a>(Way<'a>);

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

/// Elements in descending order.
pub struct RangeBack<'a>(Way<'a>);

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

#[cfg(test)]
mod tests {
    use super::{Inner, Node, Pair, Sorted};
    use crate::util::rand::Rng;

    /// The order of the tests: by score, then by handle.
    fn before(of: Pair) -> impl FnMut(f64, u64) -> bool {
        move |score, handle| (score, handle) < of
    }

    fn check(node: &Node, root: bool) -> (usize, usize) {
        match node {
            Node::Leaf(leaf) => {
                assert!(root || leaf.len > 0);
                (1, leaf.len)
            }
            Node::Inner(inner) => check_inner(inner, root),
        }
    }

    fn check_inner(inner: &Inner, root: bool) -> (usize, usize) {
        assert!(inner.children.len() >= if root { 2 } else { 1 });
        assert!(inner.children.len() <= super::FANOUT);
        let mut depths = Vec::new();
        let mut total = 0;
        for (at, child) in inner.children.iter().enumerate() {
            let (depth, count) = check(child, false);
            assert_eq!(inner.counts[at], count);
            assert_eq!((inner.scores[at], inner.handles[at]), child.least());
            depths.push(depth);
            total += count;
        }
        assert!(depths.windows(2).all(|two| two[0] == two[1]));
        (depths[0] + 1, total)
    }

    fn compare(tree: &Sorted, model: &[Pair], rng: &mut Rng) {
        assert_eq!(check(&tree.root, true).1, model.len());
        assert!(tree.range(0).eq(model.iter().copied()));
        assert!(
            tree.range_back(model.len().wrapping_sub(1))
                .eq(model.iter().rev().copied())
        );
        let rank = rng.below(model.len() as u64 + 2) as usize;
        assert_eq!(tree.get(rank), model.get(rank).copied());
        let some: Vec<Pair> = tree.range_back(rank).take(40).collect();
        let expected: Vec<Pair> = match model.get(..=rank) {
            Some(part) => part.iter().rev().take(40).copied().collect(),
            None => Vec::new(),
        };
        assert_eq!(some, expected);
    }

    #[test]
    fn it_does_what_a_sorted_vector_does() {
        for (seed, scores, size) in [(1, 4, 300), (2, 1000, 5000), (3, 1_000_000, 20_000)] {
            let mut rng = Rng::new(seed);
            let (mut tree, mut model) = (Sorted::new(), Vec::<Pair>::new());
            for round in 0..size * 4 {
                // It grows, stays about as it is, and shrinks to nothing.
                let grow = if round < size * 2 { 70 } else { 25 };
                if rng.below(100) < grow || model.is_empty() {
                    let pair = (rng.below(scores) as f64, rng.next_u64());
                    let at = model.partition_point(|known| *known < pair);
                    assert_eq!(tree.rank(before(pair)), at);
                    model.insert(at, pair);
                    tree.insert(pair, before(pair));
                } else {
                    let at = rng.below(model.len() as u64) as usize;
                    let pair = model.remove(at);
                    assert_eq!(tree.remove(before(pair)), Some(pair));
                }
                if round % (size / 20) == 0 {
                    compare(&tree, &model, &mut rng);
                }
            }
            while let Some(pair) = model.pop() {
                assert_eq!(tree.remove(before(pair)), Some(pair));
            }
            compare(&tree, &model, &mut rng);
        }
    }

    #[test]
    fn elements_in_order_fill_their_leaves() {
        for descending in [false, true] {
            let mut tree = Sorted::new();
            for number in 0..100_000u64 {
                let score = if descending { 100_000 - number } else { number } as f64;
                tree.insert((score, number), before((score, number)));
            }
            check(&tree.root, true);
            let per_element = tree.memory() as f64 / 100_000.0;
            assert!(per_element < 19.5, "{per_element}");
        }
    }

    #[test]
    fn nothing_is_found_behind_the_end() {
        let mut tree = Sorted::new();
        assert_eq!((tree.get(0), tree.remove(|_, _| false)), (None, None));
        tree.insert((1.0, 1), |_, _| true);
        assert_eq!(tree.rank(|_, _| true), 1);
        assert_eq!(tree.remove(|_, _| true), None);
        assert_eq!(tree.range(1).next(), None);
        assert_eq!(tree.range_back(1).next(), None);
    }
}
