//! Index of a stream's nodes by id: a sequence of chunks.
//!
//! Nodes are added at the end, removed at the front, and seldom in between; chunks are small, so that a removal in
//! between moves little. Chunks are filled completely, so the overhead per node is hardly more than its id and
//! pointer.
//!
//! # Invariants
//! 1. No chunk is empty, and none has more than [`CHUNK`] nodes.
//! 2. Ids ascend across all chunks.

use std::collections::VecDeque;

use crate::ds::listpack::Listpack;
use crate::ds::relocation::{Relocator, Sequence, relocate_chunks, relocate_vec};
use crate::value::stream_id::StreamId;

/// Maximum number of nodes per chunk.
const CHUNK: usize = 128;

/// A node with its id.
type Slot = (StreamId, Listpack);

impl Sequence for Vec<Slot> {
    type Node = Slot;

    fn relocate_array(&mut self, relocator: &mut dyn Relocator) {
        relocate_vec(self, relocator);
    }

    fn nodes(&mut self) -> impl ExactSizeIterator<Item = &mut Slot> {
        self.iter_mut()
    }
}

/// The nodes in order.
#[derive(Clone, Default)]
pub struct Index {
    chunks: VecDeque<Vec<Slot>>,
    len: usize,
}

/// Location of a node; valid until the index changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    chunk: usize,
    slot: usize,
}

impl Index {
    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the index is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Iterator over all nodes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (StreamId, &Listpack)> {
        let slots = self.chunks.iter().flatten();
        slots.map(|(id, pack)| (*id, pack))
    }

    /// The first node.
    pub fn first(&self) -> Option<Place> {
        (!self.is_empty()).then_some(Place { chunk: 0, slot: 0 })
    }

    /// The last node.
    #[inline]
    pub fn last(&self) -> Option<Place> {
        let chunk = self.chunks.len().checked_sub(1)?;
        let slot = self.chunks[chunk].len() - 1;
        Some(Place { chunk, slot })
    }

    /// The last node whose id is at most `id`: the node that contains the entry with this id, if any does.
    pub fn up_to(&self, id: StreamId) -> Option<Place> {
        let begin = |chunk: &Vec<Slot>| chunk.first().is_some_and(|(first, _)| *first <= id);
        let chunk = self.chunks.partition_point(begin).checked_sub(1)?;
        let nodes = &self.chunks[chunk];
        let slot = nodes
            .partition_point(|(own, _)| *own <= id)
            .checked_sub(1)?;
        Some(Place { chunk, slot })
    }

    /// The node after a place.
    pub fn next(&self, place: Place) -> Option<Place> {
        let Place { chunk, slot } = place;
        if slot + 1 < self.chunks[chunk].len() {
            return Some(Place {
                chunk,
                slot: slot + 1,
            });
        }
        (chunk + 1 < self.chunks.len()).then_some(Place {
            chunk: chunk + 1,
            slot: 0,
        })
    }

    /// The node before a place.
    pub fn prev(&self, place: Place) -> Option<Place> {
        let Place { chunk, slot } = place;
        if let Some(slot) = slot.checked_sub(1) {
            return Some(Place { chunk, slot });
        }
        let chunk = chunk.checked_sub(1)?;
        let slot = self.chunks[chunk].len() - 1;
        Some(Place { chunk, slot })
    }

    /// The node at a place.
    pub fn get(&self, place: Place) -> (StreamId, &Listpack) {
        let (id, pack) = &self.chunks[place.chunk][place.slot];
        (*id, pack)
    }

    /// The node at a place for modification.
    pub fn get_mut(&mut self, place: Place) -> (StreamId, &mut Listpack) {
        let (id, pack) = &mut self.chunks[place.chunk][place.slot];
        (*id, pack)
    }

    /// Appends a node, whose id must be above all others.
    pub fn push(&mut self, id: StreamId, pack: Listpack) {
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push((id, pack)),
            _ => self.chunks.push_back(vec![(id, pack)]),
        }
    }

    /// Removes a node.
    pub fn remove(&mut self, place: Place) {
        self.len -= 1;
        let chunk = &mut self.chunks[place.chunk];
        chunk.remove(place.slot);
        if chunk.is_empty() {
            self.chunks.remove(place.chunk);
        }
    }

    /// Relocates some nodes (`relocate_chunks`).
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        let slice = (cursor, count);
        relocate_chunks(
            &mut self.chunks,
            CHUNK,
            slice,
            relocator,
            |(_, pack), relocator| pack.relocate(relocator),
        )
    }

    /// Verifies the invariants; panics on a violation. For tests.
    pub fn check(&self) {
        for chunk in &self.chunks {
            assert!((1..=CHUNK).contains(&chunk.len()), "size of a chunk");
        }
        assert_eq!(self.iter().count(), self.len, "number of nodes");
        assert!(
            self.iter().is_sorted_by(|(a, _), (b, _)| a < b),
            "ids ascend"
        );
    }

    /// Memory of the index in bytes, without the nodes.
    pub fn memory(&self) -> usize {
        let slots: usize = self.chunks.iter().map(Vec::capacity).sum();
        self.chunks.capacity() * size_of::<Vec<Slot>>() + slots * size_of::<Slot>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Index;
    use crate::ds::listpack::Listpack;
    use crate::util::rand::Rng;
    use crate::value::stream_id::StreamId;

    #[test]
    fn behaves_like_a_btree_map() {
        let (mut rng, mut index, mut model) = (Rng::new(1), Index::default(), BTreeMap::new());
        let mut top = 0;
        for _ in 0..20_000 {
            let id = StreamId::new(rng.below(top + 2), 0);
            match rng.below(3) {
                0 if rng.below(20) > 0 => {}
                0 | 1 if model.len() < 600 => {
                    top += 1 + rng.below(3);
                    index.push(StreamId::new(top, 0), Listpack::new());
                    model.insert(StreamId::new(top, 0), ());
                }
                _ => {
                    let place = index.up_to(id).filter(|_| rng.below(2) == 0);
                    if let Some(place) = place.or(index.first()) {
                        model.remove(&index.get(place).0);
                        index.remove(place);
                    }
                }
            }
            let found = index.up_to(id).map(|place| index.get(place).0);
            assert_eq!(found, model.range(..=id).next_back().map(|(id, ())| *id));
            let next = index
                .up_to(id)
                .map_or(index.first(), |place| index.next(place));
            let after = next.map(|place| index.get(place).0);
            assert_eq!(
                after,
                model
                    .range(id..)
                    .find(|(own, ())| **own > id)
                    .map(|(id, ())| *id)
            );
            let back = next.map_or(index.last(), |place| index.prev(place));
            assert_eq!(back, index.up_to(id));
            assert_eq!(index.len(), model.len());
            index.check();
        }
        assert!(index.iter().map(|(id, _)| id).eq(model.into_keys()));
    }
}
