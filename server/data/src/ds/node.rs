//! A node of a quicklist (a listpack, possibly compressed, or one big element) and the limits of its size.
//!
//! # Invariants
//! 1. The compressed data is the RDB format of a valid listpack.

use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::nodes::Counted;
use crate::ds::relocation::{Relocator, relocate_box, relocate_bytes};
use crate::util::lzf;

/// Limits of list nodes, from the `list-*` directives.
#[derive(Clone, Copy, Debug)]
pub struct ListLimits {
    /// `list-max-listpack-size`: maximum number of elements per node or, from −1 to −5, maximum size: 4, 8, 16, 32 or
    /// 64 KiB.
    pub fill: i64,
    /// `list-compress-depth`: number of nodes at either end that stay uncompressed; 0 disables compression.
    pub depth: usize,
    /// Elements of this many bytes or more get a plain node.
    pub plain_from: usize,
}

/// Default of `plain_from`: an element of this size or more is never packed.
pub const PLAIN_FROM: usize = 1 << 30;

/// Maximum size of a node even if the limit is a number of elements.
const SAFE_BYTES: usize = 8192;

/// Overhead of an element that the limits assume.
const OVERHEAD: usize = 8;

/// Nodes smaller than this are not compressed.
const MIN_COMPRESS: usize = 48;

/// Compression is kept only if it saves at least this many bytes.
const MIN_GAIN: usize = 8;

/// A node.
#[derive(Clone)]
pub enum Node {
    /// A listpack.
    Packed(Listpack),
    /// One big element of any length. Boxed twice, so that the pointer is one word and a node takes 16 bytes.
    Plain(Box<Box<[u8]>>),
    /// A compressed listpack.
    Compressed(Box<Compressed>),
}

/// A compressed listpack.
#[derive(Clone)]
pub struct Compressed {
    /// Number of elements.
    pub count: usize,
    /// Uncompressed size in bytes (that of the RDB format).
    pub len: usize,
    /// The RDB format of the listpack, compressed with LZF.
    pub lzf: Box<[u8]>,
}

impl ListLimits {
    /// Whether a listpack of this size and number of elements exceeds the limit of a node.
    pub fn exceeded_by(&self, bytes: usize, count: usize) -> bool {
        match self.max_bytes() {
            Some(most) => bytes > most,
            None => bytes > SAFE_BYTES || count > self.max_count(),
        }
    }

    /// Whether a listpack is at most half as big as the limit of a node.
    pub fn is_half(&self, bytes: usize, count: usize) -> bool {
        match self.max_bytes() {
            Some(most) => bytes <= most / 2,
            None => count <= self.max_count() / 2,
        }
    }

    /// Whether a list of this size is encoded as a single listpack.
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
    pub(super) fn of(text: &[u8], limits: &ListLimits) -> Self {
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

    /// The listpack, decompressed if necessary; `None` for a plain node.
    pub fn unpacked(&self) -> Option<Listpack> {
        match self {
            Node::Packed(pack) => Some(pack.clone()),
            Node::Plain(_) => None,
            Node::Compressed(compressed) => Some(compressed.unpack()),
        }
    }

    /// Size in bytes as Redis reports it.
    pub fn bytes(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.bytes(),
            Node::Plain(text) => text.len(),
            Node::Compressed(compressed) => compressed.len,
        }
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Node::Packed(pack) => pack.memory(),
            Node::Plain(text) => size_of::<Box<[u8]>>() + text.len(),
            Node::Compressed(compressed) => size_of::<Compressed>() + compressed.lzf.len(),
        }
    }

    pub(super) fn may_grow(&self, text: &[u8], limits: &ListLimits) -> bool {
        let plain = matches!(self, Node::Plain(_)) || limits.is_plain(text);
        !plain && !limits.exceeded_by(self.bytes() + text.len() + OVERHEAD, self.count() + 1)
    }

    /// Whether an element can be replaced in place by a text of `bytes` bytes. As in Redis, only the maximum size of a
    /// listpack applies here, not the limit of a node.
    pub(super) fn can_replace(&self, bytes: usize) -> bool {
        Listpack::can_grow(self.bytes(), bytes)
    }

    pub(super) fn compress(&mut self) {
        if let Node::Packed(pack) = self
            && pack.bytes() >= MIN_COMPRESS
            && let Some(lzf) = lzf::compress(&pack.to_rdb())
            && lzf.len() + MIN_GAIN <= pack.bytes()
        {
            *self = Node::Compressed(Box::new(Compressed {
                count: pack.len(),
                len: pack.bytes(),
                lzf: lzf.into_boxed_slice(),
            }));
        }
    }

    /// Moves the allocations of the node.
    pub(super) fn relocate(&mut self, relocator: &mut dyn Relocator) {
        match self {
            Node::Packed(pack) => pack.relocate(relocator),
            Node::Plain(text) => {
                relocate_box(text, relocator, Box::default);
                relocate_bytes(text, relocator);
            }
            Node::Compressed(compressed) => {
                relocate_box(compressed, relocator, || Compressed {
                    count: 0,
                    len: 0,
                    lzf: Box::default(),
                });
                relocate_bytes(&mut compressed.lzf, relocator);
            }
        }
    }

    /// Verifies the content of the node; panics on a violation. For tests.
    pub(super) fn check(&self) {
        match self {
            Node::Packed(pack) => pack.check(),
            Node::Plain(_) => {}
            Node::Compressed(compressed) => {
                let pack = compressed.unpack();
                pack.check();
                let known = (compressed.count, compressed.len);
                assert_eq!(known, (pack.len(), pack.bytes()), "a compressed node");
            }
        }
    }

    /// The listpack for modification, decompressed if necessary; `None` for a plain node.
    pub(super) fn pack_mut(&mut self) -> Option<&mut Listpack> {
        if let Node::Compressed(compressed) = self {
            *self = Node::Packed(compressed.unpack());
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
            Node::Compressed(compressed) => compressed.count,
        }
    }
}

impl Compressed {
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
    fn oversized_elements_are_not_replaced_in_place() {
        let mut pack = Listpack::new();
        pack.push_back(Item::Bytes(&[b'x'; 1000]));
        let node = Node::Packed(pack);
        assert!(node.can_replace((1 << 30) - 2000));
        assert!(!node.can_replace((1 << 30) - 1000));
        assert!(!node.can_replace(5 << 30));
        assert_eq!(size_of::<Node>(), 16);
    }
}
