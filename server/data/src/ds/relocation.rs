//! Relocation: moving the allocations of a structure to other places, for defragmentation.
//!
//! Every structure has a method `relocate` that asks a [`Relocator`] about each of its allocations and copies those that
//! are to be moved into new ones. This crate does not know the allocator: the relocator decides by its statistics, and
//! its owner makes sure that new allocations are placed well.
//!
//! Aggregates are relocated in slices. Each slice returns a cursor to continue from, 0 at the end. A cursor may be
//! stale or come from another value: then some elements are skipped or visited twice, which does no harm.
//!
//! Invariant: relocation changes no content, no order and no capacity, only addresses.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::ops::Range;
use std::sync::Arc;

use crate::ds::listpack::Listpack;

/// Decides which allocations are moved.
pub trait Relocator {
    /// Whether the allocation that contains the address is to be moved; if so, the caller moves it.
    fn should_move(&mut self, at: *const u8) -> bool;

    /// How many times the answer was yes.
    fn moves(&self) -> u64;
}

/// Maximum number of elements of a B-tree that is relocated: it can only be rebuilt as a whole, which takes 50 ns per
/// element.
pub const MAX_TREE: usize = 2048;

/// Nodes of a list or a stream that are relocated for each `count` elements: a node is up to 14 KiB.
const ELEMENTS_PER_NODE: usize = 8;

/// Minimum number of elements per node of a B-tree: with this step each node is asked about at least once.
const PER_NODE: usize = 5;

impl Listpack {
    /// Moves the buffer if `relocator` says so.
    pub fn relocate(&mut self, relocator: &mut dyn Relocator) {
        self.buf.relocate(relocator);
    }
}

/// Moves a boxed value if `relocator` says so; `placeholder` is left in the old box, which is dropped.
pub fn relocate_box<T>(
    own: &mut Box<T>,
    relocator: &mut dyn Relocator,
    placeholder: impl FnOnce() -> T,
) {
    if relocator.should_move((&raw const **own).cast()) {
        let content = mem::replace(&mut **own, placeholder());
        drop(mem::replace(own, Box::new(content)));
    }
}

/// Moves a boxed text if `relocator` says so.
pub fn relocate_bytes(own: &mut Box<[u8]>, relocator: &mut dyn Relocator) {
    if !own.is_empty() && relocator.should_move(own.as_ptr()) {
        *own = own.clone();
    }
}

/// Moves the buffer of a vector if `relocator` says so.
pub fn relocate_vec<T>(own: &mut Vec<T>, relocator: &mut dyn Relocator) {
    if own.capacity() > 0 && relocator.should_move(own.as_ptr().cast()) {
        let mut moved = Vec::with_capacity(own.capacity());
        moved.append(own);
        *own = moved;
    }
}

/// Moves the buffer of a queue if `relocator` says so.
pub fn relocate_deque<T>(own: &mut VecDeque<T>, relocator: &mut dyn Relocator) {
    if let Some(first) = own.front()
        && relocator.should_move((&raw const *first).cast())
    {
        let mut moved = VecDeque::with_capacity(own.capacity());
        moved.append(own);
        *own = moved;
    }
}

/// A sequence of nodes.
pub trait Sequence {
    /// A node.
    type Node;

    /// Moves the array of nodes if `relocator` says so.
    fn relocate_array(&mut self, relocator: &mut dyn Relocator);

    /// The nodes.
    fn nodes(&mut self) -> impl ExactSizeIterator<Item = &mut Self::Node>;
}

/// Relocates a slice of nodes that are stored in chunks of at most `per_chunk`: passes each of them to `each`, which must
/// not change its size. Moves the array of chunks at the beginning, and that of a chunk when the slice begins with it.
/// Returns the next cursor, 0 at the end.
pub fn relocate_chunks<C: Sequence>(
    chunks: &mut VecDeque<C>,
    per_chunk: usize,
    (cursor, count): (u64, usize),
    relocator: &mut dyn Relocator,
    each: impl Fn(&mut C::Node, &mut dyn Relocator),
) -> u64 {
    if cursor == 0 {
        relocate_deque(chunks, relocator);
    }
    let len = chunks.len();
    let (at, range) = slice_of_chunk(cursor, count, per_chunk);
    let Some(chunk) = chunks.get_mut(at) else {
        return 0;
    };
    if range.start == 0 {
        chunk.relocate_array(relocator);
    }
    let nodes = chunk.nodes();
    let in_chunk = nodes.len();
    let nodes = nodes.skip(range.start).take(range.len());
    nodes.for_each(|node| each(node, relocator));
    after_slice((at, range), in_chunk, len, per_chunk)
}

/// A slice of nodes that are stored in chunks of at most `per_chunk`: the chunk, and the range of nodes in it if it has
/// them. A cursor is the number of a chunk, times `per_chunk`, plus that of a node.
fn slice_of_chunk(cursor: u64, count: usize, per_chunk: usize) -> (usize, Range<usize>) {
    let cursor = usize::try_from(cursor).unwrap_or(usize::MAX);
    let first = cursor % per_chunk;
    let nodes = (count / ELEMENTS_PER_NODE).max(1);
    (cursor / per_chunk, first..(first + nodes).min(per_chunk))
}

/// The cursor after a slice that [`slice_of_chunk`] returned, 0 at the end; `len` is the number of nodes of the chunk and
/// `chunks` the number of chunks.
fn after_slice(
    (chunk, nodes): (usize, Range<usize>),
    len: usize,
    chunks: usize,
    per_chunk: usize,
) -> u64 {
    if nodes.end < len {
        (chunk * per_chunk + nodes.end) as u64
    } else if chunk < chunks.saturating_sub(1) {
        ((chunk + 1) * per_chunk) as u64
    } else {
        0
    }
}

/// Moves a text and the counts in front of it if `relocator` says so, unless it is shared: then the other owners keep
/// its address.
pub fn relocate_shared(own: &mut Arc<Vec<u8>>, relocator: &mut dyn Relocator) {
    let Some(text) = Arc::get_mut(own) else {
        return;
    };
    relocate_vec(text, relocator);
    if relocator.should_move((&raw const *text).cast()) {
        *own = Arc::new(mem::take(text));
    }
}

/// Rebuilds a map of at most [`MAX_TREE`] elements if `relocator` wants to move one of its nodes.
pub fn relocate_map<K: Ord, V>(own: &mut BTreeMap<K, V>, relocator: &mut dyn Relocator) {
    let wanted = own.len() <= MAX_TREE && wants_any(own.keys(), relocator);
    if wanted {
        *own = mem::take(own).into_iter().collect();
    }
}

/// The same for a set.
pub fn relocate_set<K: Ord>(own: &mut BTreeSet<K>, relocator: &mut dyn Relocator) {
    let wanted = own.len() <= MAX_TREE && wants_any(own.iter(), relocator);
    if wanted {
        *own = mem::take(own).into_iter().collect();
    }
}

fn wants_any<'a, K: 'a>(keys: impl Iterator<Item = &'a K>, relocator: &mut dyn Relocator) -> bool {
    keys.step_by(PER_NODE)
        .any(|key| relocator.should_move((&raw const *key).cast()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet, VecDeque};
    use std::sync::Arc;

    use super::{
        Relocator, after_slice, relocate_box, relocate_bytes, relocate_deque, relocate_map,
        relocate_set, relocate_shared, relocate_vec, slice_of_chunk,
    };
    use crate::ds::relocation::MAX_TREE;

    /// Moves everything, and counts.
    struct Always(usize);

    impl Relocator for Always {
        fn should_move(&mut self, _: *const u8) -> bool {
            self.0 += 1;
            true
        }

        fn moves(&self) -> u64 {
            self.0 as u64
        }
    }

    #[test]
    fn content_and_capacity_stay() {
        let all = &mut Always(0);
        let mut boxed = Box::new(vec![1u8]);
        let before = &raw const *boxed;
        relocate_box(&mut boxed, all, Vec::new);
        assert_eq!((&raw const *boxed == before, &boxed[..]), (false, &[1][..]));
        let mut bytes: Box<[u8]> = b"text".as_slice().into();
        relocate_bytes(&mut bytes, all);
        assert_eq!(&*bytes, b"text");
        let mut vec = Vec::with_capacity(50);
        vec.extend(0..9);
        relocate_vec(&mut vec, all);
        assert_eq!((vec.capacity(), vec.len(), vec[8]), (50, 9, 8));
        let mut deque: VecDeque<u32> = (0..40).collect();
        deque.rotate_left(7);
        let model = deque.clone();
        relocate_deque(&mut deque, all);
        assert_eq!(deque, model);
        assert_eq!(all.0, 4);
    }

    #[test]
    fn slices_cover_all_nodes_of_all_chunks() {
        for lens in [&[5, 128, 1, 77][..], &[0], &[], &[128, 128]] {
            let (mut cursor, mut seen) = (0, Vec::new());
            loop {
                let (chunk, nodes) = slice_of_chunk(cursor, 100, 128);
                let len = lens.get(chunk).copied().unwrap_or(0);
                seen.extend((nodes.start..nodes.end.min(len)).map(|node| (chunk, node)));
                cursor = after_slice((chunk, nodes), len, lens.len(), 128);
                if cursor == 0 {
                    break;
                }
            }
            let all = lens.iter().enumerate();
            let all = all.flat_map(|(chunk, &len)| (0..len).map(move |node| (chunk, node)));
            assert!(all.eq(seen), "{lens:?}");
        }
        // A stale cursor ends the walk or goes on.
        for (cursor, expected) in [(u64::MAX, 0), (100, 128)] {
            let slice = slice_of_chunk(cursor, 8, 128);
            assert_eq!(after_slice(slice, 3, 2, 128), expected, "{cursor}");
        }
    }

    #[test]
    fn a_shared_text_stays_where_it_is() {
        let all = &mut Always(0);
        let mut text = Arc::new(b"shared".to_vec());
        let other = Arc::clone(&text);
        relocate_shared(&mut text, all);
        assert!(Arc::ptr_eq(&text, &other) && all.0 == 0);
        drop(other);
        relocate_shared(&mut text, all);
        assert_eq!((&text[..], all.0), (&b"shared"[..], 2));
    }

    #[test]
    fn small_trees_are_rebuilt_and_big_ones_stay() {
        let all = &mut Always(0);
        let mut map: BTreeMap<u32, u32> = (0..1000).map(|n| (n, n * n)).collect();
        let mut set: BTreeSet<u32> = (0..1000).collect();
        let model = (map.clone(), set.clone());
        relocate_map(&mut map, all);
        relocate_set(&mut set, all);
        assert_eq!((map, set, all.0), (model.0, model.1, 2));
        let mut big: BTreeSet<usize> = (0..=MAX_TREE).collect();
        relocate_set(&mut big, all);
        assert_eq!((big.len(), all.0), (MAX_TREE + 1, 2));
    }
}
