//! One node of a quicklist: a listpack, maybe compressed, or one big element; and how big it may become.
//!
//! Invariants:
//! 1. What is compressed is the form that a sound listpack has in an RDB file.

use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::nodes::Counted;
use crate::util::lzf;

/// How big nodes become and which are compressed: the list's directives.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// `list-max-listpack-size`: the most elements of a node or, from −1 to −5, its size: 4, 8, 16, 32 or 64 KiB.
    pub fill: i64,
    /// `list-compress-depth`: nodes at either end that are not compressed; 0 compresses none.
    pub depth: usize,
    /// From how many bytes on an element is a node by itself.
    pub plain_from: usize,
}

/// Elements of this many bytes and more are never packed.
pub const PLAIN_FROM: usize = 1 << 30;

/// With a fill that counts elements, a node is no longer than this all the same.
const SAFE_BYTES: usize = 8192;

/// What an element takes beside its text, at most, as far as limits are concerned.
const OVERHEAD: usize = 8;

/// Smaller nodes are not worth compressing.
const MIN_COMPRESS: usize = 48;

/// What compression must gain.
const MIN_GAIN: usize = 8;

/// A run of elements that is stored together.
#[derive(Clone)]
pub enum Node {
    /// Elements in one buffer.
    Packed(Listpack),
    /// One big element, of any length: the pointer is a word to keep a node at 16 bytes.
    Plain(Box<Box<[u8]>>),
    /// A packed node, compressed.
    Squeezed(Box<Squeezed>),
}

/// A compressed node.
#[derive(Clone)]
pub struct Squeezed {
    /// Its elements.
    pub count: usize,
    /// Bytes of the listpack's form in an RDB file, which is what was compressed.
    pub len: usize,
    /// The same, compressed by LZF.
    pub lzf: Box<[u8]>,
}

impl Limits {
    /// Whether a listpack of so many bytes and elements is too big for a node.
    pub fn exceeded_by(&self, bytes: usize, count: usize) -> bool {
        match self.max_bytes() {
            Some(most) => bytes > most,
            None => bytes > SAFE_BYTES || count > self.max_count(),
        }
    }

    /// Whether a listpack is at most half as big as a node may be.
    pub fn is_half(&self, bytes: usize, count: usize) -> bool {
        match self.max_bytes() {
            Some(most) => bytes <= most / 2,
            None => count <= self.max_count() / 2,
        }
    }

    /// Whether a list by itself may be one listpack.
    pub fn is_small(&self, bytes: usize, count: usize) -> bool {
        match self.max_bytes() {
            Some(most) => bytes <= most,
            None => count <= self.max_count(),
        }
    }

    fn max_bytes(&self) -> Option<usize> {
        (self.fill < 0).then(|| 2048 << self.fill.unsigned_abs().min(5))
    }

    fn max_count(&self) -> usize {
        self.fill.max(1) as usize
    }

    pub(super) fn is_plain(&self, text: &[u8]) -> bool {
        text.len() >= self.plain_from
    }
}

impl Node {
    pub(super) fn of(text: &[u8], limits: &Limits) -> Self {
        if limits.is_plain(text) {
            return Node::plain(text);
        }
        let mut pack = Listpack::new();
        pack.push_back(Item::Bytes(text));
        Node::Packed(pack)
    }

    pub(super) fn plain(text: &[u8]) -> Self {
        Node::Plain(Box::new(text.into()))
    }

    /// The listpack, whatever state it is in; `None` of a plain node.
    pub fn unpacked(&self) -> Option<Listpack> {
        match self {
            Node::Packed(pack) => Some(pack.clone()),
            Node::Plain(_) => None,
            Node::Squeezed(squeezed) => Some(squeezed.unpack()),
        }
    }

    /// Bytes of it as Redis counts them.
    pub fn bytes(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.bytes(),
            Node::Plain(text) => text.len(),
            Node::Squeezed(squeezed) => squeezed.len,
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.memory(),
            Node::Plain(text) => size_of::<Box<[u8]>>() + text.len(),
            Node::Squeezed(squeezed) => size_of::<Squeezed>() + squeezed.lzf.len(),
        }
    }

    pub(super) fn may_grow(&self, text: &[u8], limits: &Limits) -> bool {
        let plain = matches!(self, Node::Plain(_)) || limits.is_plain(text);
        !plain && !limits.exceeded_by(self.bytes() + text.len() + OVERHEAD, self.count() + 1)
    }

    /// Whether a text of so many bytes can replace one of its elements in place. As in Redis the limit of a node does not
    /// matter here, only what a listpack can hold at all.
    pub(super) fn holds(&self, bytes: usize) -> bool {
        Listpack::holds(self.bytes(), bytes)
    }

    pub(super) fn squeeze(&mut self) {
        if let Node::Packed(pack) = self
            && pack.bytes() >= MIN_COMPRESS
            && let Some(lzf) = lzf::compress(&pack.to_rdb())
            && lzf.len() + MIN_GAIN <= pack.bytes()
        {
            *self = Node::Squeezed(Box::new(Squeezed {
                count: pack.len(),
                len: pack.bytes(),
                lzf: lzf.into_boxed_slice(),
            }));
        }
    }

    /// Verifies what the node is made of; panics when something is wrong. For tests.
    pub(super) fn check(&self) {
        match self {
            Node::Packed(pack) => pack.check(),
            Node::Plain(_) => {}
            Node::Squeezed(squeezed) => {
                let pack = squeezed.unpack();
                pack.check();
                let known = (squeezed.count, squeezed.len);
                assert_eq!(known, (pack.len(), pack.bytes()), "a compressed node");
            }
        }
    }

    /// The listpack, to be changed; `None` of a plain node.
    pub(super) fn pack_mut(&mut self) -> Option<&mut Listpack> {
        if let Node::Squeezed(squeezed) = self {
            *self = Node::Packed(squeezed.unpack());
        }
        match self {
            Node::Packed(pack) => Some(pack),
            _ => None,
        }
    }
}

impl Counted for Node {
    #[inline]
    fn count(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.len(),
            Node::Plain(_) => 1,
            Node::Squeezed(squeezed) => squeezed.count,
        }
    }
}

impl Squeezed {
    pub(super) fn unpack(&self) -> Listpack {
        let bytes = lzf::decompress(&self.lzf, self.len);
        let pack = bytes.and_then(|bytes| Listpack::from_rdb(&bytes));
        pack.expect("a node decompresses to what was compressed")
    }
}

#[cfg(test)]
mod tests {
    use super::Node;
    use crate::ds::item::Item;
    use crate::ds::listpack::Listpack;

    #[test]
    fn an_element_that_a_listpack_cannot_hold_does_not_replace_one() {
        let mut pack = Listpack::new();
        pack.push_back(Item::Bytes(&[b'x'; 1000]));
        let node = Node::Packed(pack);
        assert!(node.holds((1 << 30) - 2000));
        assert!(!node.holds((1 << 30) - 1000));
        assert!(!node.holds(5 << 30));
        assert_eq!(size_of::<Node>(), 16);
    }
}
