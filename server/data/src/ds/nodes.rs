//! The nodes of a quicklist: a sequence indexed by number of elements, with fast insertion and removal anywhere.
//!
//! Nodes are stored in chunks of at most [`CHUNK`], and each chunk keeps the total number of elements of its nodes. A
//! million nodes make about ten thousand chunks, so finding an element scans that many sums and the nodes of one
//! chunk. Inserting a node in the middle moves the nodes of one chunk and, if the chunk splits, the list of chunks.
//!
//! # Invariants
//! 1. No chunk is empty.
//! 2. The sums are exact: the number of elements of a node changes only inside [`Nodes::change`].

use std::collections::VecDeque;

use crate::ds::relocation::{Relocator, Sequence, relocate_chunks, relocate_deque};

/// Maximum number of nodes per chunk.
const CHUNK: usize = 128;

/// An item with a number of elements.
pub trait Counted {
    /// Number of elements.
    fn count(&self) -> usize;
}

/// Location of a node. Invalidated by insertion and removal of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    chunk: usize,
    node: usize,
}

#[derive(Clone)]
struct Chunk<T> {
    nodes: VecDeque<T>,
    elements: usize,
}

impl<T> Sequence for Chunk<T> {
    type Node = T;

    fn relocate_array(&mut self, relocator: &mut dyn Relocator) {
        relocate_deque(&mut self.nodes, relocator);
    }

    fn nodes(&mut self) -> impl ExactSizeIterator<Item = &mut T> {
        self.nodes.iter_mut()
    }
}

/// A sequence of nodes.
#[derive(Clone)]
pub struct Nodes<T> {
    chunks: VecDeque<Chunk<T>>,
    nodes: usize,
    elements: usize,
}

impl<T: Counted> Default for Nodes<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Counted> Nodes<T> {
    /// An empty sequence.
    pub fn new() -> Self {
        Nodes {
            chunks: VecDeque::new(),
            nodes: 0,
            elements: 0,
        }
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes
    }

    /// Whether the sequence is empty.
    pub fn is_empty(&self) -> bool {
        self.nodes == 0
    }

    /// Total number of elements.
    #[inline]
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The first node.
    #[inline]
    pub fn first(&self) -> Option<Place> {
        (self.nodes > 0).then_some(Place { chunk: 0, node: 0 })
    }

    /// The last node.
    #[inline]
    pub fn last(&self) -> Option<Place> {
        self.last_of(self.chunks.len().checked_sub(1)?)
    }

    /// The node after a place.
    pub fn next(&self, place: Place) -> Option<Place> {
        let Place { chunk, node } = place;
        if node + 1 < self.chunks.get(chunk)?.nodes.len() {
            return Some(Place {
                chunk,
                node: node + 1,
            });
        }
        let chunk = chunk + 1;
        (chunk < self.chunks.len()).then_some(Place { chunk, node: 0 })
    }

    /// The node before a place.
    pub fn prev(&self, place: Place) -> Option<Place> {
        let Place { chunk, node } = place;
        match node.checked_sub(1) {
            Some(node) => Some(Place { chunk, node }),
            None => self.last_of(chunk.checked_sub(1)?),
        }
    }

    /// The node at a place.
    #[inline]
    pub fn get(&self, place: Place) -> &T {
        &self.chunks[place.chunk].nodes[place.node]
    }

    /// Modifies a node and updates the sums.
    #[inline]
    pub fn change<R>(&mut self, place: Place, change: impl FnOnce(&mut T) -> R) -> R {
        let chunk = &mut self.chunks[place.chunk];
        let node = &mut chunk.nodes[place.node];
        let before = node.count();
        let result = change(node);
        let after = node.count();
        chunk.elements = chunk.elements - before + after;
        self.elements = self.elements - before + after;
        result
    }

    /// The node that contains the element at `index`, and the element's index within it.
    pub fn locate(&self, index: usize) -> Option<(Place, usize)> {
        if index >= self.elements {
            return None;
        }
        if index < self.elements / 2 {
            return self.locate_from_front(index);
        }
        let (place, back) = self.locate_from_back(self.elements - 1 - index)?;
        Some((place, self.get(place).count() - 1 - back))
    }

    /// Number of nodes between a node and the nearer end, counted up to `most`.
    pub fn depth(&self, place: Place, most: usize) -> usize {
        let sum = |chunks: &mut dyn Iterator<Item = &Chunk<T>>, own: usize| {
            let mut depth = own;
            for chunk in chunks {
                if depth >= most {
                    break;
                }
                depth += chunk.nodes.len();
            }
            depth
        };
        let own = self.chunks[place.chunk].nodes.len() - 1 - place.node;
        let before = sum(&mut self.chunks.range(..place.chunk), place.node);
        let behind = sum(&mut self.chunks.range(place.chunk + 1..), own);
        before.min(behind).min(most)
    }

    /// Prepends a node.
    pub fn push_front(&mut self, node: T) {
        if self.chunks.front().is_none_or(Chunk::is_full) {
            self.chunks.push_front(Chunk::new());
        }
        self.count(node.count());
        let chunk = &mut self.chunks[0];
        chunk.elements += node.count();
        chunk.nodes.push_front(node);
    }

    /// Appends a node.
    pub fn push_back(&mut self, node: T) {
        if self.chunks.back().is_none_or(Chunk::is_full) {
            self.chunks.push_back(Chunk::new());
        }
        self.count(node.count());
        let last = self.chunks.len() - 1;
        let chunk = &mut self.chunks[last];
        chunk.elements += node.count();
        chunk.nodes.push_back(node);
    }

    /// Inserts a node after a place. Returns its place.
    pub fn insert_after(&mut self, place: Place, node: T) -> Place {
        let Place {
            mut chunk,
            node: at,
        } = place;
        let mut at = at + 1;
        if self.chunks[chunk].is_full() {
            let tail = self.chunks[chunk].split();
            let kept = self.chunks[chunk].nodes.len();
            self.chunks.insert(chunk + 1, tail);
            if at > kept {
                (chunk, at) = (chunk + 1, at - kept);
            }
        }
        self.count(node.count());
        let own = &mut self.chunks[chunk];
        own.elements += node.count();
        own.nodes.insert(at, node);
        Place { chunk, node: at }
    }

    /// Inserts a node before a place. Returns its place.
    pub fn insert_before(&mut self, place: Place, node: T) -> Place {
        match self.prev(place) {
            Some(prev) => self.insert_after(prev, node),
            None => {
                self.push_front(node);
                Place { chunk: 0, node: 0 }
            }
        }
    }

    /// Removes a node. Returns it and the place of its successor.
    pub fn remove(&mut self, place: Place) -> (Option<T>, Option<Place>) {
        let Place { chunk, node: at } = place;
        let own = &mut self.chunks[chunk];
        let node = own.nodes.remove(at);
        let count = node.as_ref().map_or(0, T::count);
        own.elements -= count;
        self.elements -= count;
        self.nodes -= 1;
        let next = if own.nodes.is_empty() {
            self.chunks.remove(chunk);
            Place { chunk, node: 0 }
        } else if at == own.nodes.len() {
            Place {
                chunk: chunk + 1,
                node: 0,
            }
        } else {
            place
        };
        (node, (next.chunk < self.chunks.len()).then_some(next))
    }

    /// Relocates some nodes (`relocate_chunks`); `each` must not change the number of a node's elements.
    pub fn relocate(
        &mut self,
        cursor: u64,
        count: usize,
        relocator: &mut dyn Relocator,
        each: impl Fn(&mut T, &mut dyn Relocator),
    ) -> u64 {
        let slice = (cursor, count);
        relocate_chunks(&mut self.chunks, CHUNK, slice, relocator, each)
    }

    /// Iterator over the nodes.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| &chunk.nodes)
    }

    /// Approximate memory of the chunks in bytes, without what the nodes point to.
    pub fn memory(&self) -> usize {
        let chunks = self.chunks.iter();
        let nodes: usize = chunks.map(|chunk| chunk.nodes.capacity()).sum();
        nodes * size_of::<T>() + self.chunks.capacity() * size_of::<Chunk<T>>()
    }

    /// Verifies the invariants; panics on a violation. For tests.
    pub fn check(&self) {
        let (mut nodes, mut elements) = (0, 0);
        for chunk in &self.chunks {
            assert!((1..=CHUNK).contains(&chunk.nodes.len()), "size of a chunk");
            let sum: usize = chunk.nodes.iter().map(T::count).sum();
            assert_eq!(sum, chunk.elements, "elements of a chunk");
            nodes += chunk.nodes.len();
            elements += sum;
        }
        assert_eq!((nodes, elements), (self.nodes, self.elements));
    }

    fn last_of(&self, chunk: usize) -> Option<Place> {
        let node = self.chunks[chunk].nodes.len().checked_sub(1)?;
        Some(Place { chunk, node })
    }

    fn count(&mut self, elements: usize) {
        self.nodes += 1;
        self.elements += elements;
    }

    fn locate_from_front(&self, mut index: usize) -> Option<(Place, usize)> {
        let chunks = self.chunks.iter().enumerate();
        let (chunk, own) = seek(chunks, |chunk| chunk.elements, &mut index)?;
        let (node, _) = seek(own.nodes.iter().enumerate(), T::count, &mut index)?;
        Some((Place { chunk, node }, index))
    }

    /// The same for an index that counts from the end, both in the argument and in the result.
    fn locate_from_back(&self, mut index: usize) -> Option<(Place, usize)> {
        let chunks = self.chunks.iter().enumerate().rev();
        let (chunk, own) = seek(chunks, |chunk| chunk.elements, &mut index)?;
        let (node, _) = seek(own.nodes.iter().enumerate().rev(), T::count, &mut index)?;
        Some((Place { chunk, node }, index))
    }
}

/// The part that contains the element at `index`; `index` becomes the index within that part.
fn seek<'a, P>(
    mut parts: impl Iterator<Item = (usize, &'a P)>,
    count: impl Fn(&P) -> usize,
    index: &mut usize,
) -> Option<(usize, &'a P)> {
    parts.find(|(_, part)| match index.checked_sub(count(part)) {
        None => true,
        Some(rest) => {
            *index = rest;
            false
        }
    })
}

impl<T: Counted> Chunk<T> {
    fn new() -> Self {
        Chunk {
            nodes: VecDeque::new(),
            elements: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.nodes.len() >= CHUNK
    }

    fn split(&mut self) -> Self {
        let nodes = self.nodes.split_off(self.nodes.len() / 2);
        let elements = nodes.iter().map(T::count).sum();
        self.elements -= elements;
        Chunk { nodes, elements }
    }
}

#[cfg(test)]
mod tests {
    use super::{Counted, Nodes};
    use crate::util::rand::Rng;

    impl Counted for usize {
        fn count(&self) -> usize {
            *self
        }
    }

    fn check(nodes: &Nodes<usize>, model: &[usize]) {
        assert_eq!(nodes.len(), model.len());
        assert!(nodes.iter().eq(model));
        let elements: usize = model.iter().sum();
        assert_eq!(nodes.elements(), elements);
        let (mut index, mut place, mut at) = (0, nodes.first(), 0);
        while let Some(here) = place {
            for offset in 0..model[at] {
                assert_eq!(nodes.locate(index + offset), Some((here, offset)));
            }
            let side = at.min(model.len() - 1 - at);
            assert_eq!(nodes.depth(here, 300), side.min(300));
            assert_eq!(nodes.depth(here, 3), side.min(3));
            let next = nodes.next(here);
            assert!(next.is_none_or(|next| nodes.prev(next) == Some(here)));
            index += model[at];
            at += 1;
            place = next;
        }
        assert_eq!((at, nodes.locate(elements)), (model.len(), None));
    }

    #[test]
    fn behaves_like_a_vector_and_keeps_its_sums() {
        let mut rng = Rng::new(5);
        let (mut nodes, mut model) = (Nodes::new(), Vec::new());
        for step in 0..6000 {
            let count = 1 + rng.below(5) as usize;
            let at = rng.below(model.len() as u64 + 1) as usize;
            let place = (0..at).fold(nodes.first(), |place, _| nodes.next(place?));
            let growing = (step / 1500) % 2 == 0;
            match (rng.below(if growing { 6 } else { 12 }), place) {
                (0 | 1, Some(place)) => {
                    let new = nodes.insert_before(place, count);
                    assert_eq!(nodes.get(new), &count);
                    model.insert(at, count);
                }
                (2 | 3, Some(place)) => {
                    let new = nodes.insert_after(place, count);
                    assert_eq!(nodes.get(new), &count);
                    model.insert(at + 1, count);
                }
                (4, Some(place)) => {
                    nodes.change(place, |node| *node = count);
                    model[at] = count;
                }
                (5, _) => {
                    nodes.push_front(count);
                    model.insert(0, count);
                    nodes.push_back(count + 1);
                    model.push(count + 1);
                }
                (_, Some(place)) => {
                    let (gone, next) = nodes.remove(place);
                    assert_eq!(gone, Some(model.remove(at)));
                    assert_eq!(next.map(|next| *nodes.get(next)), model.get(at).copied());
                }
                (_, None) => {}
            }
            nodes.check();
            if step % 100 == 0 {
                check(&nodes, &model);
            }
        }
        while let Some(last) = nodes.last() {
            assert_eq!(nodes.remove(last), (model.pop(), None));
        }
        check(&nodes, &model);
    }
}
