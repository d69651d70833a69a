//! A node of a stream: about a hundred entries in one listpack, in Redis's layout.
//!
//! | elements | meaning |
//! |---|---|
//! | live, deleted, n, n fields, 0 | the master entry: numbers of live and deleted entries, fields of the first one |
//! | flags, ms, seq, [m, ] m × (field, value), back | an entry with fields of its own |
//! | flags, ms, seq, n × value, back | an entry with the master's fields (flag 2) |
//!
//! An id is stored as its difference from the node's id, which is that of the first entry ever stored in it. `back` is
//! the number of elements of the entry in front of it, so that entries can be walked backwards; the master's is 0. A
//! deleted entry stays in the node with flag 1.
//!
//! Invariant: a node has this layout; input from outside is checked by [`is_sound`] before it is accepted.

use crate::ds::item::Item;
use crate::ds::listpack::{Listpack, Pos};
use crate::value::stream_id::StreamId;

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;

/// Elements of an entry besides its fields and values, without `back`.
const ENTRY_HEAD: usize = 3;

/// Limits of a node.
#[derive(Clone, Copy, Debug)]
pub struct StreamLimits {
    /// Maximum size in bytes; 0 is unlimited.
    pub max_bytes: usize,
    /// Maximum number of entries, deleted ones included; 0 is unlimited.
    pub max_entries: usize,
}

/// Maximum size of a node, and of the fields and values of one entry, in bytes.
pub const MAX_BYTES: usize = 1 << 30;

/// Fields and values of an entry to be added.
pub trait Pairs<'a>: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {}

impl<'a, I: ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone> Pairs<'a> for I {}

/// Cursor over the elements of a listpack.
#[derive(Clone, Copy)]
struct Walk<'a> {
    pack: &'a Listpack,
    at: Option<Pos>,
}

impl<'a> Walk<'a> {
    #[inline]
    fn item(&mut self) -> Option<Item<'a>> {
        let at = self.at?;
        self.at = self.pack.next(at);
        Some(self.pack.get(at))
    }

    #[inline]
    fn int(&mut self) -> Option<i64> {
        self.item()?.to_i64()
    }

    fn count(&mut self) -> Option<usize> {
        usize::try_from(self.int()?).ok()
    }

    /// Skips elements; `None` if there are not that many.
    #[inline]
    fn skip(&mut self, count: usize) -> Option<()> {
        for _ in 0..count {
            self.at = self.pack.next(self.at?);
        }
        Some(())
    }
}

/// A node opened for reading.
#[derive(Clone, Copy)]
pub struct Node<'a> {
    pack: &'a Listpack,
    id: StreamId,
    /// Number of entries that are not deleted.
    pub live: usize,
    /// Number of deleted entries.
    pub deleted: usize,
    fields: usize,
    first_field: Option<Pos>,
    first: Option<Pos>,
}

/// An entry of a stream.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    /// Whether it is deleted; deleted entries are never returned to clients.
    pub deleted: bool,
    /// Number of fields, each with a value.
    pub len: usize,
    pack: &'a Listpack,
    flags_at: Pos,
    flags: i64,
    /// The master's fields, if the entry shares them.
    fields: Option<Pos>,
    content: Option<Pos>,
}

impl<'a> Node<'a> {
    /// Decodes the master entry of a node with this id.
    pub fn open(id: StreamId, pack: &'a Listpack) -> Option<Self> {
        let mut walk = Walk {
            pack,
            at: pack.first(),
        };
        let (live, deleted, fields) = (walk.count()?, walk.count()?, walk.count()?);
        let first_field = walk.at;
        walk.skip(fields)?;
        (walk.int()? == 0).then_some(Node {
            pack,
            id,
            live,
            deleted,
            fields,
            first_field,
            first: walk.at,
        })
    }

    /// Position of the first entry.
    pub fn first(&self) -> Option<Pos> {
        self.first
    }

    /// Position of the last entry.
    pub fn last(&self) -> Option<Pos> {
        self.start_of(self.pack.last()?)
    }

    /// Decodes the entry at a position.
    #[inline]
    pub fn entry(&self, at: Pos) -> Option<Entry<'a>> {
        let mut walk = Walk {
            pack: self.pack,
            at: Some(at),
        };
        let flags = walk.int()?;
        let id = self.id.at_distance((walk.int()?, walk.int()?));
        let same = flags & SAME_FIELDS != 0;
        let len = if same { self.fields } else { walk.count()? };
        Some(Entry {
            id,
            deleted: flags & DELETED != 0,
            len,
            pack: self.pack,
            flags_at: at,
            flags,
            fields: if same { self.first_field } else { None },
            content: walk.at,
        })
    }

    /// Position of the entry before another one.
    pub fn before(&self, entry: &Entry<'a>) -> Option<Pos> {
        self.start_of(self.pack.prev(entry.flags_at)?)
    }

    /// Position of the entry whose `back` is at a position; `None` for the master entry.
    fn start_of(&self, back: Pos) -> Option<Pos> {
        let count = self.pack.get(back).to_i64()?;
        if count == 0 {
            return None;
        }
        (0..count).try_fold(back, |at, _| self.pack.prev(at))
    }
}

impl<'a> Entry<'a> {
    /// Iterator over fields and values.
    pub fn pairs(&self) -> impl Iterator<Item = (Item<'a>, Item<'a>)> + use<'a> {
        let mut content = self.content();
        let mut fields = self.fields.map(|at| Walk {
            pack: content.pack,
            at: Some(at),
        });
        (0..self.len).map_while(move |_| {
            let field = match &mut fields {
                Some(fields) => fields.item()?,
                None => content.item()?,
            };
            Some((field, content.item()?))
        })
    }

    /// Position of the entry after this one.
    #[inline]
    pub fn next(&self) -> Option<Pos> {
        let mut walk = self.content();
        walk.skip(self.elements() + 1)?;
        walk.at
    }

    fn content(&self) -> Walk<'a> {
        Walk {
            pack: self.pack,
            at: self.content,
        }
    }

    /// Number of elements of its fields and values.
    fn elements(&self) -> usize {
        let per_field = if self.flags & SAME_FIELDS != 0 { 1 } else { 2 };
        self.len.saturating_mul(per_field)
    }

    /// The new flags that mark the entry as deleted, and their position. They have the same size as the old ones.
    fn deletion(&self) -> (Pos, Item<'static>) {
        (self.flags_at, Item::Int(self.flags | DELETED))
    }
}

/// A node with its first entry.
pub fn create<'a>(pairs: impl Pairs<'a>) -> Listpack {
    let mut pack = Listpack::new();
    let head = [1, 0, pairs.len()].map(|number| Item::Int(number as i64));
    let fields = pairs.clone().map(|(field, _)| Item::Bytes(field));
    pack.extend(head.into_iter().chain(fields).chain([Item::Int(0)]));
    push_entry(&mut pack, (0, 0), true, pairs);
    pack
}

/// Whether an entry of `more` bytes needs a new node.
pub fn is_full(pack: &Listpack, more: usize, limits: &StreamLimits) -> bool {
    let max_bytes = match limits.max_bytes {
        0 => MAX_BYTES,
        bytes => bytes.min(MAX_BYTES),
    };
    if pack.bytes() + more >= max_bytes {
        return true;
    }
    let mut walk = Walk {
        pack,
        at: pack.first(),
    };
    let entries = walk.count().unwrap_or(0) + walk.count().unwrap_or(0);
    limits.max_entries > 0 && entries >= limits.max_entries
}

/// Appends an entry to the node with id `master`.
pub fn append<'a>(pack: &mut Listpack, master: StreamId, id: StreamId, pairs: impl Pairs<'a>) {
    let Some(node) = Node::open(master, pack) else {
        return;
    };
    let live = node.live;
    let same = has_fields(&node, pairs.clone());
    set_counter(pack, 0, live + 1);
    push_entry(pack, id.distance(master), same, pairs);
}

/// Whether the entry has the master's fields.
fn has_fields<'a>(node: &Node<'_>, mut pairs: impl Pairs<'a>) -> bool {
    let mut fields = Walk {
        pack: node.pack,
        at: node.first_field,
    };
    node.fields == pairs.len()
        && pairs.all(|(field, _)| fields.item().is_some_and(|own| own.is(field)))
}

fn push_entry<'a>(pack: &mut Listpack, id: (i64, i64), same: bool, pairs: impl Pairs<'a>) {
    let len = pairs.len();
    let flags = if same { SAME_FIELDS } else { 0 };
    let head = [flags, id.0, id.1].map(Item::Int);
    let own = (!same).then_some(Item::Int(len as i64));
    let content = pairs.flat_map(|(field, value)| {
        let field = (!same).then_some(Item::Bytes(field));
        field.into_iter().chain([Item::Bytes(value)])
    });
    let back = Item::Int(back_of(len, same) as i64);
    pack.extend(head.into_iter().chain(own).chain(content).chain([back]));
}

/// Number of elements of an entry before its `back`.
fn back_of(len: usize, same: bool) -> usize {
    ENTRY_HEAD + if same { len } else { 1 + 2 * len }
}

/// Overwrites one of the counters at the start of the master entry.
fn set_counter(pack: &mut Listpack, index: i64, number: usize) {
    if let Some(at) = pack.nth(index) {
        pack.replace(at, Item::Int(number as i64));
    }
}

/// Deletes the entries for which `is_meant` returns true, from the first on until it returns `None`; it is called only
/// for entries that are not deleted. Returns the number of live entries left and the number deleted.
pub fn delete_while(
    pack: &mut Listpack,
    master: StreamId,
    mut is_meant: impl FnMut(StreamId) -> Option<bool>,
) -> (usize, usize) {
    let Some(node) = Node::open(master, pack) else {
        return (0, 0);
    };
    let (live, deleted) = (node.live, node.deleted);
    let mut gone = Vec::new();
    let mut next = node.first();
    while let Some(entry) = next.and_then(|at| node.entry(at)) {
        next = entry.next();
        if entry.deleted {
            continue;
        }
        match is_meant(entry.id) {
            Some(true) => gone.push(entry.deletion()),
            Some(false) => {}
            None => break,
        }
    }
    let count = gone.len();
    for (at, flags) in gone {
        pack.replace(at, flags);
    }
    if count > 0 {
        set_counter(pack, 0, live - count);
        set_counter(pack, 1, deleted + count);
    }
    (live - count, count)
}

/// Whether a listpack is a valid node, checked down to the last element.
pub fn is_sound(pack: &Listpack) -> bool {
    check(pack).is_some()
}

fn check(pack: &Listpack) -> Option<()> {
    let node = Node::open(StreamId::MIN, pack)?;
    let (mut live, mut deleted) = (0, 0);
    let mut next = node.first();
    while let Some(at) = next {
        let entry = node.entry(at)?;
        let mut walk = entry.content();
        walk.skip(entry.elements())?;
        let same = entry.flags & SAME_FIELDS != 0;
        if walk.count()? != back_of(entry.len, same) {
            return None;
        }
        live += usize::from(!entry.deleted);
        deleted += usize::from(entry.deleted);
        next = walk.at;
    }
    (live == node.live && deleted == node.deleted).then_some(())
}
