//! Listpack: texts and integers stored consecutively in one buffer that can be walked in both directions.
//!
//! An element is its encoding, its content, and the size of both in bytes (the back length), which allows walking
//! backwards.
//!
//! | encoding | content |
//! |---|---|
//! | `0xxxxxxx` | an integer of 0 to 127, in the encoding itself |
//! | `10xxxxxx` | a text of up to 63 bytes |
//! | `110xxxxx` y | a signed integer of 13 bits |
//! | `1110xxxx` y | a text of up to 4095 bytes |
//! | `0xf0` | length (4 bytes), then a longer text |
//! | `0xf1` `0xf2` `0xf3` `0xf4` | a signed integer of 2, 3, 4 or 8 bytes |
//!
//! Numbers are little-endian except those that share a byte with the encoding. The back length is read from its end: 7
//! bits per byte, the lowest bits in the last byte, and the high bit set in all bytes but the first.
//!
//! | offset in the RDB format | size | meaning |
//! |---|---|---|
//! | 0 | 4 | total size in bytes |
//! | 4 | 2 | number of elements; 65535 if it does not fit |
//! | 6 | | elements |
//! | end | 1 | 255 |
//!
//! In memory the buffer holds only the elements; their number is stored beside the pointer. As in the RDB format, a
//! number that does not fit is not stored, and the elements are counted on demand.
//!
//! # Invariants
//! 1. Every element is complete, has one of the encodings above, and is followed by its back length. Input is checked
//!    element by element before it is accepted.
//! 2. The canonical text of a 64-bit integer is stored as an integer. (Input from an RDB payload may violate this;
//!    lookups find such elements too.)

mod code;

use std::fmt;

use crate::ds::item::Item;
use crate::ds::listpack::code::{
    Coded, checked_end, end_of, read, read_through, size_behind, size_width,
};
use crate::ds::thin::TaggedThin;
use crate::util::num::MAX_I64_DIGITS;

/// Size of header and terminator in the RDB format.
pub const FRAME: usize = 7;
/// Stored in place of a number of elements that does not fit.
const UNCOUNTED: u16 = u16::MAX;
/// Maximum size of a listpack, whatever the configuration says; only a single element may be larger
/// (`node::PLAIN_FROM`).
const MAX_BYTES: usize = 1 << 30;
/// Initial capacity when several elements are added at once.
const EXTENSION: usize = 128;
/// Maximum overhead of an element beyond its text.
const MAX_OVERHEAD: usize = 5 + 5;

/// Offset of an element; valid until the listpack changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pos(usize);

/// Whether the size in the header and the terminator of the RDB format are right. Does not inspect the elements.
pub fn has_frame(bytes: &[u8]) -> bool {
    let total = bytes.first_chunk().map(|total| u32::from_le_bytes(*total));
    bytes.len() >= FRAME && total == u32::try_from(bytes.len()).ok() && bytes.ends_with(&[0xff])
}

/// A listpack.
#[derive(Clone)]
pub struct Listpack {
    /// The elements, tagged with their number or [`UNCOUNTED`].
    pub(super) buf: TaggedThin<u16>,
}

impl Default for Listpack {
    fn default() -> Self {
        Self::new()
    }
}

impl Listpack {
    /// An empty listpack; allocates nothing.
    pub fn new() -> Self {
        Listpack {
            buf: TaggedThin::new(0),
        }
    }

    /// Number of elements.
    #[inline]
    pub fn len(&self) -> usize {
        match self.buf.tag() {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether the listpack is empty.
    pub fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    /// Size in bytes as Redis reports it: that of the RDB format.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.buf.len() + FRAME
    }

    /// Bytes allocated for the buffer.
    pub fn memory(&self) -> usize {
        self.buf.memory()
    }

    /// Whether texts of `more` bytes in total can be added within the safe size.
    pub fn has_room(&self, more: usize) -> bool {
        Self::can_grow(self.bytes(), more)
    }

    /// The same for a listpack of `bytes` bytes.
    pub fn can_grow(bytes: usize, more: usize) -> bool {
        bytes
            .checked_add(more)
            .is_some_and(|bytes| bytes < MAX_BYTES - 2 * MAX_OVERHEAD)
    }

    /// Bytes that an element takes in a listpack.
    pub fn element_size(item: Item<'_>) -> usize {
        let content = Coded::new(item).len();
        content + size_width(content)
    }

    /// The first element.
    pub fn first(&self) -> Option<Pos> {
        (!self.is_empty()).then_some(Pos(0))
    }

    /// The last element.
    pub fn last(&self) -> Option<Pos> {
        self.before(self.buf.len())
    }

    /// The element after a position.
    #[inline]
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        let behind = self.end_of(pos);
        (behind < self.buf.len()).then_some(Pos(behind))
    }

    /// The element before a position.
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.0)
    }

    /// The element at an index; a negative index counts from the end.
    pub fn nth(&self, index: i64) -> Option<Pos> {
        let len = self.len() as i64;
        let index = if index < 0 { index + len } else { index };
        if !(0..len).contains(&index) {
            return None;
        }
        if index <= len / 2 {
            let mut pos = self.first()?;
            for _ in 0..index {
                pos = self.next(pos)?;
            }
            Some(pos)
        } else {
            let mut pos = self.last()?;
            for _ in index + 1..len {
                pos = self.prev(pos)?;
            }
            Some(pos)
        }
    }

    /// The element at a position.
    #[inline]
    pub fn get(&self, pos: Pos) -> Item<'_> {
        read(self.buf.bytes(), pos.0)
    }

    /// Iterator over all elements.
    pub fn iter(&self) -> Iter<'_> {
        self.iter_from(self.first())
    }

    /// Iterator from a position to the last element.
    pub fn iter_from(&self, pos: Option<Pos>) -> Iter<'_> {
        Iter {
            pack: self,
            next: pos,
        }
    }

    /// The element at a position, and the position of its successor.
    #[inline]
    pub fn get_and_next(&self, pos: Pos) -> (Item<'_>, Option<Pos>) {
        let bytes = self.buf.bytes();
        let (item, end) = read_through(bytes, pos.0);
        (item, (end < bytes.len()).then_some(Pos(end)))
    }

    /// Passes up to `count` elements from a position on to `visit`. Returns the position of their successor.
    #[inline]
    pub fn visit(&self, from: Pos, count: usize, mut visit: impl FnMut(Item<'_>)) -> Option<Pos> {
        let bytes = self.buf.bytes();
        let mut at = from.0;
        for _ in 0..count {
            if at >= bytes.len() {
                return None;
            }
            let (item, end) = read_through(bytes, at);
            visit(item);
            at = end;
        }
        (at < bytes.len()).then_some(Pos(at))
    }

    /// The first element equal to `item`.
    #[inline]
    pub fn find(&self, item: Item<'_>) -> Option<Pos> {
        self.find_every(item, 1)
    }

    /// Like [`Listpack::find`], but compares only every `step`th element.
    #[inline]
    pub fn find_every(&self, item: Item<'_>, step: usize) -> Option<Pos> {
        self.find_from(self.first()?, item, step)
    }

    /// Like [`Listpack::find_every`], starting at a position.
    pub fn find_from(&self, from: Pos, item: Item<'_>, step: usize) -> Option<Pos> {
        let mut scratch = [0; MAX_I64_DIGITS];
        let number = item.to_i64();
        let text = item.bytes(&mut scratch);
        let bytes = self.buf.bytes();
        let mut at = from.0;
        while at < bytes.len() {
            let (element, end) = read_through(bytes, at);
            let same = match element {
                Item::Int(other) => number == Some(other),
                Item::Bytes(other) => other == text,
            };
            if same {
                return Some(Pos(at));
            }
            at = end;
            for _ in 1..step {
                if at < bytes.len() {
                    at = end_of(bytes, at);
                }
            }
        }
        None
    }

    /// Appends an element.
    pub fn push_back(&mut self, item: Item<'_>) -> Pos {
        self.insert_at(self.buf.len(), item)
    }

    /// Appends several elements with at most one reallocation.
    pub fn extend<'a>(&mut self, items: impl Iterator<Item = Item<'a>>) {
        let (mut bytes, mut count) = (Vec::with_capacity(EXTENSION), 0);
        for item in items {
            let coded = Coded::new(item);
            let (size, width) = size_behind(coded.len());
            bytes.extend_from_slice(coded.head());
            bytes.extend_from_slice(coded.text);
            bytes.extend_from_slice(&size[..width]);
            count += 1;
        }
        let end = self.buf.len();
        self.buf.splice(end..end, &[&bytes]);
        self.count_added(count);
    }

    /// Prepends an element.
    pub fn push_front(&mut self, item: Item<'_>) -> Pos {
        self.insert_at(0, item)
    }

    /// Inserts an element before a position. Returns its position.
    pub fn insert_before(&mut self, pos: Pos, item: Item<'_>) -> Pos {
        self.insert_at(pos.0, item)
    }

    /// Inserts an element after a position. Returns its position.
    pub fn insert_after(&mut self, pos: Pos, item: Item<'_>) -> Pos {
        self.insert_at(self.end_of(pos), item)
    }

    /// Replaces an element. Returns its position.
    pub fn replace(&mut self, pos: Pos, item: Item<'_>) -> Pos {
        let coded = Coded::new(item);
        let (size, width) = size_behind(coded.len());
        let range = pos.0..self.end_of(pos);
        self.buf
            .splice(range, &[coded.head(), coded.text, &size[..width]]);
        pos
    }

    /// Removes an element. Returns the position of its successor.
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        self.remove_run(pos, 1)
    }

    /// Removes up to `count` elements from a position on. Returns the position of their successor.
    pub fn remove_run(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        let (mut end, mut gone) = (pos.0, 0);
        while gone < count && end < self.buf.len() {
            end = end_of(self.buf.bytes(), end);
            gone += 1;
        }
        self.buf.splice(pos.0..end, &[]);
        self.count_removed(gone);
        (pos.0 < self.buf.len()).then_some(pos)
    }

    /// Removes up to `count` elements from an index on.
    pub fn remove_range(&mut self, index: usize, count: usize) {
        if let Some(pos) = self.nth(index as i64).filter(|_| count > 0) {
            self.remove_run(pos, count);
        }
    }

    /// Splits off the elements from an index on.
    #[must_use]
    pub fn split_off(&mut self, index: usize) -> Listpack {
        let mut rest = Listpack::new();
        let Some(pos) = self.nth(index as i64) else {
            return rest;
        };
        let moved = self.len() - index;
        rest.buf.splice(0..0, &[&self.buf.bytes()[pos.0..]]);
        rest.count_added(moved);
        self.remove_run(pos, moved);
        rest
    }

    /// Appends all elements of another listpack.
    pub fn append(&mut self, other: &Listpack) {
        let end = self.buf.len();
        self.buf.splice(end..end, &[other.buf.bytes()]);
        self.count_added(other.len());
    }

    /// The listpack in the RDB format.
    pub fn to_rdb(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        self.write_rdb(&mut out);
        out
    }

    /// Appends the listpack in the RDB format.
    pub fn write_rdb(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.bytes() as u32).to_le_bytes());
        out.extend_from_slice(&self.buf.tag().to_le_bytes());
        out.extend_from_slice(self.buf.bytes());
        out.push(0xff);
    }

    /// Decodes the RDB format; `None` if it is corrupt.
    pub fn from_rdb(bytes: &[u8]) -> Option<Self> {
        let total = u32::from_le_bytes(*bytes.first_chunk()?) as usize;
        let count = u16::from_le_bytes(*bytes.get(4..)?.first_chunk()?);
        let elements = bytes.get(6..)?.strip_suffix(&[0xff])?;
        if total != bytes.len() {
            return None;
        }
        let (mut at, mut seen) = (0, 0);
        while at < elements.len() {
            at = checked_end(elements, at)?;
            seen += 1;
        }
        if count != UNCOUNTED && usize::from(count) != seen {
            return None;
        }
        let mut pack = Listpack::new();
        pack.buf.splice(0..0, &[elements]);
        pack.count_added(seen);
        Some(pack)
    }

    /// Verifies invariant 1 for every element, and the stored number of elements; panics on a violation. For tests.
    pub fn check(&self) {
        self.buf.check();
        let bytes = self.buf.bytes();
        let (mut at, mut seen) = (0, 0);
        while at < bytes.len() {
            at = checked_end(bytes, at).expect("a whole element");
            seen += 1;
        }
        let count = u16::try_from(seen).unwrap_or(UNCOUNTED);
        // After a removal, a number that did not fit stays unknown until the next removal.
        let known = self.buf.tag();
        assert!(known == count || known == UNCOUNTED, "number of elements");
    }

    #[inline]
    fn end_of(&self, pos: Pos) -> usize {
        end_of(self.buf.bytes(), pos.0)
    }

    /// The element that ends at an offset.
    fn before(&self, end: usize) -> Option<Pos> {
        if end == 0 {
            return None;
        }
        let bytes = self.buf.bytes();
        let (mut size, mut width) = (0, 0);
        loop {
            let byte = bytes[end - 1 - width];
            size |= usize::from(byte & 0x7f) << (7 * width);
            width += 1;
            if byte & 0x80 == 0 {
                return Some(Pos(end - width - size));
            }
        }
    }

    fn insert_at(&mut self, at: usize, item: Item<'_>) -> Pos {
        let coded = Coded::new(item);
        let (size, width) = size_behind(coded.len());
        self.buf
            .splice(at..at, &[coded.head(), coded.text, &size[..width]]);
        self.count_added(1);
        Pos(at)
    }

    /// Updates the number of elements after an addition.
    #[inline]
    fn count_added(&mut self, elements: usize) {
        let count = usize::from(self.buf.tag()) + elements;
        self.buf.set_tag(u16::try_from(count).unwrap_or(UNCOUNTED));
    }

    /// Updates the number of elements after a removal.
    fn count_removed(&mut self, elements: usize) {
        let count = match self.buf.tag() {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count) - elements,
        };
        self.buf.set_tag(u16::try_from(count).unwrap_or(UNCOUNTED));
    }
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self
            .iter()
            .map(|item| item.to_vec().escape_ascii().to_string());
        f.debug_list().entries(texts).finish()
    }
}

/// Iterator over elements in order.
#[derive(Clone)]
pub struct Iter<'a> {
    pack: &'a Listpack,
    next: Option<Pos>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let (item, next) = self.pack.get_and_next(self.next?);
        self.next = next;
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::Listpack;
    use crate::ds::item::Item;
    use crate::util::rand::Rng;

    /// The elements from the last to the first.
    fn backwards(pack: &Listpack) -> impl Iterator<Item = Item<'_>> {
        let positions = std::iter::successors(pack.last(), |&pos| pack.prev(pos));
        positions.map(|pos| pack.get(pos))
    }

    fn random_text(rng: &mut Rng) -> Vec<u8> {
        match rng.below(8) {
            0..3 => {
                let bits = rng.below(64);
                let sign = if rng.below(2) == 0 { 1 } else { -1 };
                ((rng.next_u64() >> bits) as i64)
                    .wrapping_mul(sign)
                    .to_string()
                    .into_bytes()
            }
            3 => b"007".to_vec(),
            4 => vec![b'x'; 60 + rng.below(10) as usize],
            5 => vec![b'y'; 120 + rng.below(5000) as usize],
            _ => (0..rng.below(12)).map(|_| rng.next_u64() as u8).collect(),
        }
    }

    fn texts(pack: &Listpack) -> Vec<Vec<u8>> {
        pack.iter().map(|item| item.to_vec()).collect()
    }

    #[test]
    fn behaves_like_a_vector() {
        let mut rng = Rng::new(1);
        let (mut pack, mut model) = (Listpack::new(), Vec::<Vec<u8>>::new());
        for round in 0..4000 {
            let text = random_text(&mut rng);
            let item = Item::Bytes(&text);
            let at = rng.below(model.len() as u64 + 1) as usize;
            match rng.below(if model.len() < 60 { 6 } else { 12 }) {
                0 => {
                    pack.push_back(item);
                    model.push(text);
                }
                1 => {
                    pack.push_front(item);
                    model.insert(0, text);
                }
                2 | 3 if at < model.len() => {
                    let pos = pack.nth(at as i64).expect("it is there");
                    let pos = if round % 2 == 0 {
                        model.insert(at, text.clone());
                        pack.insert_before(pos, item)
                    } else {
                        model.insert(at + 1, text.clone());
                        pack.insert_after(pos, item)
                    };
                    assert!(pack.get(pos).is(&text));
                }
                4 if at < model.len() => {
                    pack.replace(pack.nth(at as i64).expect("it is there"), item);
                    model[at] = text;
                }
                5 if at < model.len() => {
                    let behind = pack.remove(pack.nth(at as i64).expect("it is there"));
                    model.remove(at);
                    assert_eq!(behind, pack.nth(at as i64));
                }
                6 => {
                    let count = rng.below(9) as usize;
                    pack.remove_range(at, count);
                    model.drain(at..(at + count).min(model.len()));
                }
                7 => {
                    let rest = pack.split_off(at);
                    assert_eq!(texts(&rest), model[at..]);
                    pack.append(&rest);
                }
                _ => {}
            }
            assert_eq!(pack.len(), model.len());
            pack.check();
            if round % 16 == 0 {
                assert_eq!(texts(&pack), model);
                let back = backwards(&pack).map(|item| item.to_vec());
                assert!(back.eq(model.iter().rev().cloned()));
                let again = Listpack::from_rdb(&pack.to_rdb()).expect("it is there");
                assert_eq!(texts(&again), model);
                if let Some(known) = model.get(at) {
                    let found = pack.find(Item::Bytes(known)).expect("it is there");
                    let first = model
                        .iter()
                        .position(|other| other == known)
                        .expect("it is there");
                    assert_eq!(Some(found), pack.nth(first as i64));
                }
            }
        }
    }

    #[test]
    fn bytes_equal_those_of_redis() {
        let mut pack = Listpack::new();
        for text in ["a", "127", "-1", "4096", "70000", "01"] {
            pack.push_back(Item::Bytes(text.as_bytes()));
        }
        let expected = b"\x20\0\0\0\x06\0\x81a\x02\x7f\x01\xdf\xff\x02\xf1\0\x10\x03\xf2\x70\x11\x01\x04\x8201\x03\xff";
        let mut expected = expected.to_vec();
        expected[0] = expected.len() as u8;
        assert_eq!(pack.to_rdb(), expected);
    }

    #[test]
    fn additions_beyond_the_safe_size_are_refused() {
        let most = super::MAX_BYTES - 2 * super::MAX_OVERHEAD - 1;
        for (bytes, more, holds) in [
            (7, 0, true),
            (7, most - 7, true),
            (7, most - 6, false),
            (most, 0, true),
            (most, 1, false),
            (u32::MAX as usize, 0, false),
            (7, usize::MAX, false),
        ] {
            assert_eq!(Listpack::can_grow(bytes, more), holds, "{bytes} and {more}");
        }
    }

    #[test]
    fn corrupt_input_is_refused() {
        let mut rng = Rng::new(2);
        let mut pack = Listpack::new();
        for _ in 0..20 {
            pack.push_back(Item::Bytes(&random_text(&mut rng)));
        }
        let whole = pack.to_rdb();
        for end in 0..whole.len() {
            assert!(Listpack::from_rdb(&whole[..end]).is_none());
        }
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.next_u64() as u8;
            }
            if let Some(pack) = Listpack::from_rdb(&bytes) {
                assert_eq!(pack.iter().count(), pack.len());
                assert_eq!(backwards(&pack).count(), pack.len());
            }
        }
    }

    #[test]
    fn search_with_a_step() {
        let mut pack = Listpack::new();
        for text in ["a", "b", "b", "a"] {
            pack.push_back(Item::Bytes(text.as_bytes()));
        }
        assert_eq!(pack.find_every(Item::Bytes(b"b"), 2), pack.nth(2));
        assert_eq!(pack.find_every(Item::Bytes(b"c"), 2), None);
    }
}
