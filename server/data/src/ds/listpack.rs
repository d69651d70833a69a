//! A listpack: short texts and integers one behind the other in one buffer, walked from either end.
//!
//! The encoding of an element is Redis's (`ds/element.rs`), so the form of an RDB file is a copy of the buffer with
//! another head. What grows past the limits of its owner is stored in some other way, so everything here may take
//! time in the number of elements; walking and comparing are made to be fast.
//!
//! | offset in the buffer | size | meaning |
//! |---|---|---|
//! | 0 | 2 | how many elements there are, little-endian; 65535 means that one has to count them |
//! | 2 | | the elements |
//!
//! | offset in the form of an RDB file | size | meaning |
//! |---|---|---|
//! | 0 | 4 | bytes of it all, little-endian |
//! | 4 | 2 | how many elements there are, as above |
//! | 6 | | the elements |
//! | end | 1 | 255 |
//!
//! Invariants:
//! 1. The buffer of an empty listpack is empty.
//! 2. The form of an RDB file is at most [`MAX_BYTES`] long; a caller asks [`Listpack::fits`] before adding.
//!
//! What came from an RDB file and was not looked at deeply may hold anything where elements should be. Every walk
//! ends where it meets something that is none, and nothing panics.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

use crate::ds::element::{self, Encoded};
use crate::ds::item::Item;
use crate::ds::thin::Thin;

/// The safe limit, in bytes of the form of an RDB file.
pub const MAX_BYTES: usize = 1 << 30;

/// Bytes around the elements in the form of an RDB file.
const RDB_FRAME: usize = 7;

/// Bytes in front of the elements in the buffer.
const HEAD: usize = 2;

/// What stands for a number of elements that is not known.
const UNCOUNTED: u16 = u16::MAX;

/// Where an element stands in its listpack. A change of the listpack moves what stands behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pos(u32);

/// A sequence of short elements.
#[derive(Clone, Default)]
pub struct Listpack {
    buffer: Thin,
}

impl Pos {
    #[inline(always)]
    fn at(self) -> usize {
        self.0 as usize
    }
}

impl Listpack {
    /// An empty one, which allocates nothing.
    pub const fn new() -> Self {
        Listpack {
            buffer: Thin::new(),
        }
    }

    /// How many elements there are. They are walked when there are 65,535 or more.
    #[inline]
    pub fn len(&self) -> usize {
        match self.count() {
            UNCOUNTED => self.iter().count(),
            count => usize::from(count),
        }
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Bytes of it as Redis counts them: those of its form in an RDB file.
    #[inline]
    pub fn bytes(&self) -> usize {
        RDB_FRAME + self.elements().len()
    }

    /// Bytes that the allocator gave for it.
    pub fn memory(&self) -> usize {
        self.buffer.memory()
    }

    /// Whether `add` more bytes stay within the safe limit.
    #[inline]
    pub fn fits(&self, add: usize) -> bool {
        add <= MAX_BYTES - self.bytes().min(MAX_BYTES)
    }

    /// Bytes that a text takes as an element.
    pub fn element_size(text: &[u8]) -> usize {
        Encoded::new(Item::Bytes(text)).len()
    }

    /// The first element.
    #[inline]
    pub fn first(&self) -> Option<Pos> {
        self.pos(0)
    }

    /// The last element.
    #[inline]
    pub fn last(&self) -> Option<Pos> {
        self.before(self.elements().len())
    }

    /// The element behind another.
    #[inline]
    pub fn next(&self, pos: Pos) -> Option<Pos> {
        self.pos(self.behind(pos)?)
    }

    /// The element in front of another.
    #[inline]
    pub fn prev(&self, pos: Pos) -> Option<Pos> {
        self.before(pos.at())
    }

    /// The element at an index: from 0 at the first, or from −1 at the last.
    pub fn nth(&self, index: i64) -> Option<Pos> {
        let count = self.count();
        let from_front = match (count, index) {
            (_, 0..) if count == UNCOUNTED => index,
            (_, _) if count == UNCOUNTED => return self.nth_from_back(index.unsigned_abs() - 1),
            (_, 0..) => index,
            _ => i64::from(count) + index,
        };
        if count != UNCOUNTED {
            let from_back = i64::from(count) - 1 - from_front;
            if from_front < 0 || from_back < 0 {
                return None;
            }
            if from_back < from_front {
                return self.nth_from_back(from_back as u64);
            }
        }
        let mut pos = self.first()?;
        for _ in 0..from_front {
            pos = self.next(pos)?;
        }
        Some(pos)
    }

    /// The element at a position.
    #[inline]
    pub fn get(&self, pos: Pos) -> Item<'_> {
        let bytes = self.elements().get(pos.at()..).unwrap_or_default();
        element::read(bytes).unwrap_or(Item::Bytes(&[]))
    }

    /// The elements, from first to last or the other way round.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            elements: self.elements(),
        }
    }

    /// The elements from a position to the last.
    pub fn iter_from(&self, pos: Pos) -> Iter<'_> {
        Iter {
            elements: self.elements().get(pos.at()..).unwrap_or_default(),
        }
    }

    /// The elements from the last to the first.
    pub fn rev(&self) -> std::iter::Rev<Iter<'_>> {
        self.iter().rev()
    }

    /// The elements from a position back to the first.
    pub fn rev_from(&self, pos: Pos) -> std::iter::Rev<Iter<'_>> {
        let end = self.behind(pos).unwrap_or(0);
        Iter {
            elements: &self.elements()[..end],
        }
        .rev()
    }

    /// The first element that is `text`; between two that are compared, `skip` are passed over.
    pub fn find(&self, text: &[u8], skip: usize) -> Option<Pos> {
        self.find_from(self.first()?, text, skip)
    }

    /// The same from a position on.
    pub fn find_from(&self, start: Pos, text: &[u8], skip: usize) -> Option<Pos> {
        let number = Item::encode(text).to_i64();
        let elements = self.elements();
        let mut at = start.at();
        loop {
            let here = elements.get(at..)?;
            let found = match element::read(here)? {
                Item::Int(own) => number == Some(own),
                Item::Bytes(own) => own == text,
            };
            if found {
                return Some(Pos(at as u32));
            }
            for _ in 0..=skip {
                at += element::size(elements.get(at..)?)?;
            }
        }
    }

    /// Adds an element behind the last.
    pub fn push_back<'a>(&mut self, item: impl Into<Item<'a>>) {
        self.insert_at(self.elements().len(), item.into());
    }

    /// Adds an element in front of the first.
    pub fn push_front<'a>(&mut self, item: impl Into<Item<'a>>) {
        self.insert_at(0, item.into());
    }

    /// Adds an element in front of another; it stands where that one stood.
    pub fn insert_before<'a>(&mut self, pos: Pos, item: impl Into<Item<'a>>) -> Pos {
        self.insert_at(pos.at(), item.into());
        pos
    }

    /// Adds an element behind another.
    pub fn insert_after<'a>(&mut self, pos: Pos, item: impl Into<Item<'a>>) -> Pos {
        let at = self.behind(pos).unwrap_or(self.elements().len());
        self.insert_at(at, item.into());
        Pos(at as u32)
    }

    /// Puts another element in the place of one.
    pub fn replace<'a>(&mut self, pos: Pos, item: impl Into<Item<'a>>) -> Pos {
        if let Some(end) = self.behind(pos) {
            let encoded = Encoded::new(item.into());
            self.buffer
                .splice(HEAD + pos.at()..HEAD + end, &encoded.parts());
        }
        pos
    }

    /// Takes an element out; gives the one that followed it.
    pub fn remove(&mut self, pos: Pos) -> Option<Pos> {
        self.remove_run(pos, 1)
    }

    /// Takes out up to `count` elements from a position on; gives the one that followed them.
    pub fn remove_run(&mut self, pos: Pos, count: usize) -> Option<Pos> {
        let (mut end, mut removed) = (pos.at(), 0);
        while removed < count
            && let Some(behind) = self.behind(Pos(end as u32))
        {
            end = behind;
            removed += 1;
        }
        self.cut(pos.at()..end, removed);
        self.pos(pos.at())
    }

    /// Takes out up to `count` elements from an index on, which may count from the end as in [`Listpack::nth`].
    pub fn remove_range(&mut self, index: i64, count: usize) {
        if let Some(pos) = self.nth(index) {
            self.remove_run(pos, count);
        }
    }

    /// Takes all elements out.
    pub fn clear(&mut self) {
        self.buffer = Thin::new();
    }

    /// Adds the elements of another behind the last.
    pub fn append_all(&mut self, other: &Listpack) {
        self.merge(self.elements().len(), other);
    }

    /// Adds the elements of another in front of the first.
    pub fn prepend_all(&mut self, other: &Listpack) {
        self.merge(0, other);
    }

    /// Cuts it in two: gives the elements from a position on, and keeps those in front of it.
    pub fn split(&mut self, pos: Pos) -> Listpack {
        let at = pos.at().min(self.elements().len());
        let before = Iter {
            elements: &self.elements()[..at],
        };
        let kept = before.count();
        let len = self.len();
        let behind = len.saturating_sub(kept);
        let mut tail = Listpack::new();
        if at < self.elements().len() {
            let parts: [&[u8]; 2] = [&count_bytes(behind), &self.elements()[at..]];
            tail.buffer.splice(0..0, &parts);
        }
        self.cut(at..self.elements().len(), behind);
        self.set_count(kept);
        tail
    }

    /// The form of an RDB file.
    pub fn to_rdb(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        self.write_rdb(&mut out);
        out
    }

    /// Appends the form of an RDB file.
    pub fn write_rdb(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.bytes() as u32).to_le_bytes());
        out.extend_from_slice(&self.count().to_le_bytes());
        out.extend_from_slice(self.elements());
        out.push(element::END);
    }

    /// Reads the form of an RDB file: `None` unless head and end are right and, with `deep`, so is every element.
    pub fn from_rdb(bytes: &[u8], deep: bool) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (content, end) = rest.split_last_chunk::<1>()?;
        let (count, elements) = content.split_first_chunk()?;
        let size = u32::from_le_bytes(*size) as usize;
        if size != bytes.len() || *end != [element::END] || size > MAX_BYTES {
            return None;
        }
        let count = u16::from_le_bytes(*count);
        let sound = !(deep || elements.is_empty()) || elements_are_sound(elements, count);
        let mut list = Listpack::new();
        if !elements.is_empty() {
            list.buffer.splice(0..0, &[content]);
        }
        sound.then_some(list)
    }

    /// Whether every element is one from front to back, and there are as many as the head says.
    pub fn is_sound(&self) -> bool {
        elements_are_sound(self.elements(), self.count())
    }

    #[inline(always)]
    fn elements(&self) -> &[u8] {
        self.buffer.bytes().get(HEAD..).unwrap_or_default()
    }

    #[inline(always)]
    fn count(&self) -> u16 {
        let head = self.buffer.bytes().first_chunk();
        head.map_or(0, |head| u16::from_le_bytes(*head))
    }

    fn set_count(&mut self, count: usize) {
        if let Some(head) = self.buffer.bytes_mut().first_chunk_mut() {
            *head = count_bytes(count);
        }
    }

    /// The element that begins at an offset, if one does.
    #[inline(always)]
    fn pos(&self, at: usize) -> Option<Pos> {
        element::size(self.elements().get(at..)?)?;
        Some(Pos(at as u32))
    }

    /// The element that ends at an offset, if one does.
    #[inline(always)]
    fn before(&self, at: usize) -> Option<Pos> {
        let size = element::size_before(self.elements().get(..at)?)?;
        Some(Pos((at - size) as u32))
    }

    /// The offset behind an element.
    #[inline(always)]
    fn behind(&self, pos: Pos) -> Option<usize> {
        Some(pos.at() + element::size(self.elements().get(pos.at()..)?)?)
    }

    fn nth_from_back(&self, index: u64) -> Option<Pos> {
        let mut pos = self.last()?;
        for _ in 0..index {
            pos = self.prev(pos)?;
        }
        Some(pos)
    }

    fn insert_at(&mut self, at: usize, item: Item<'_>) {
        let encoded = Encoded::new(item);
        let [head, text, back] = encoded.parts();
        if self.buffer.is_empty() {
            let parts: [&[u8]; 4] = [&count_bytes(1), head, text, back];
            self.buffer.splice(0..0, &parts);
            return;
        }
        let count = self.count();
        let at = HEAD + at;
        self.buffer.splice(at..at, &[head, text, back]);
        self.set_count(usize::from(count) + 1);
    }

    /// Takes out the bytes of `removed` elements.
    fn cut(&mut self, range: Range<usize>, removed: usize) {
        if range.len() == self.elements().len() {
            self.clear();
            return;
        }
        let count = self.count();
        self.buffer
            .splice(HEAD + range.start..HEAD + range.end, &[]);
        if count != UNCOUNTED {
            self.set_count(usize::from(count).saturating_sub(removed));
        }
    }

    fn merge(&mut self, at: usize, other: &Listpack) {
        if self.buffer.is_empty() {
            self.buffer = other.buffer.clone();
            return;
        }
        let count = usize::from(self.count()) + usize::from(other.count());
        let at = HEAD + at;
        self.buffer.splice(at..at, &[other.elements()]);
        self.set_count(count);
    }
}

/// A number of elements as the head has it.
fn count_bytes(count: usize) -> [u8; HEAD] {
    u16::try_from(count).unwrap_or(UNCOUNTED).to_le_bytes()
}

fn elements_are_sound(mut elements: &[u8], count: u16) -> bool {
    let mut found = 0usize;
    while !elements.is_empty() {
        let Some(size) = element::checked_size(elements) else {
            return false;
        };
        elements = &elements[size..];
        found += 1;
    }
    count == UNCOUNTED || usize::from(count) == found
}

impl fmt::Debug for Listpack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// Elements of a listpack, from either end.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    elements: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Item<'a>;

    #[inline]
    fn next(&mut self) -> Option<Item<'a>> {
        let size = element::size(self.elements)?;
        let (this, rest) = self.elements.split_at(size);
        self.elements = rest;
        element::read(this)
    }
}

impl<'a> DoubleEndedIterator for Iter<'a> {
    #[inline]
    fn next_back(&mut self) -> Option<Item<'a>> {
        let size = element::size_before(self.elements)?;
        let (rest, this) = self.elements.split_at(self.elements.len() - size);
        self.elements = rest;
        element::read(this)
    }
}

impl FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Listpack {
    type Item = Item<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Listpack, UNCOUNTED};
    use crate::util::rand::Rng;

    fn text(rng: &mut Rng) -> Vec<u8> {
        match rng.below(12) {
            0..4 => ((rng.next_u64() as i64) >> rng.below(64))
                .to_string()
                .into_bytes(),
            4..9 => (0..rng.below(4))
                .map(|_| b"01ab-"[rng.below(5) as usize])
                .collect(),
            9 | 10 => vec![b'y'; rng.below(200) as usize],
            _ => vec![b'z'; rng.below(5000) as usize],
        }
    }

    fn texts(list: &Listpack) -> Vec<Vec<u8>> {
        list.iter().map(|item| item.to_vec()).collect()
    }

    fn change(rng: &mut Rng, list: &mut Listpack, model: &mut Vec<Vec<u8>>) {
        let one = text(rng);
        let len = model.len();
        let index = rng.below(len as u64 + 1) as usize;
        let pos = list.nth(index as i64);
        assert_eq!(pos.is_some(), index < len);
        assert_eq!(
            pos,
            list.nth(index as i64 - len as i64).filter(|_| index < len)
        );
        match (rng.below(9), pos) {
            (0 | 1, _) => {
                list.push_back(&one[..]);
                model.push(one);
            }
            (2, _) => {
                list.push_front(&one[..]);
                model.insert(0, one);
            }
            (3, Some(pos)) => {
                assert!(list.insert_before(pos, &one[..]) == pos);
                model.insert(index, one);
            }
            (4, Some(pos)) => {
                let new = list.insert_after(pos, &one[..]);
                assert!(list.get(new).is(&one));
                model.insert(index + 1, one);
            }
            (5, Some(pos)) => {
                list.replace(pos, &one[..]);
                model[index] = one;
            }
            (6, Some(pos)) => {
                let next = list.remove(pos);
                model.remove(index);
                assert_eq!(next.is_some(), index < model.len());
            }
            (7, Some(_)) => {
                let count = rng.below(4) as usize;
                list.remove_range(index as i64 - len as i64, count);
                model.drain(index..(index + count).min(len));
            }
            (8, Some(pos)) => {
                let mut tail = list.split(pos);
                assert_eq!(texts(&tail), model[index..]);
                assert!(list.is_sound() && tail.is_sound());
                if rng.below(2) == 0 {
                    list.append_all(&tail);
                } else {
                    tail.prepend_all(list);
                    *list = tail;
                }
            }
            _ => {}
        }
    }

    #[test]
    fn is_a_sequence() {
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            let (mut list, mut model) = (Listpack::new(), Vec::new());
            for _ in 0..100 {
                change(&mut rng, &mut list, &mut model);
                assert_eq!(texts(&list), model);
                assert_eq!(
                    (list.len(), list.is_empty()),
                    (model.len(), model.is_empty())
                );
                assert!(list.is_sound());
                let sizes = model.iter().map(|text| Listpack::element_size(text));
                assert_eq!(list.bytes(), 7 + sizes.sum::<usize>());
            }
            assert!(
                list.rev()
                    .map(|item| item.to_vec())
                    .eq(model.iter().rev().cloned())
            );
            let (wanted, skip) = (text(&mut rng), rng.below(3) as usize);
            let found = list.find(&wanted, skip);
            let index = model
                .iter()
                .step_by(skip + 1)
                .position(|own| *own == wanted);
            assert_eq!(
                found,
                index.and_then(|index| list.nth((index * (skip + 1)) as i64))
            );
            if let Some(pos) = list.nth(model.len() as i64 / 2) {
                let (front, back) = model.split_at(model.len() / 2);
                assert!(
                    list.iter_from(pos)
                        .map(|item| item.to_vec())
                        .eq(back.iter().cloned())
                );
                let backwards = front.iter().chain(&back[..1]).rev().cloned();
                assert!(list.rev_from(pos).map(|item| item.to_vec()).eq(backwards));
            }
            let bytes = list.to_rdb();
            assert_eq!(bytes.len(), list.bytes());
            assert_eq!(texts(&Listpack::from_rdb(&bytes, true).unwrap()), model);
        }
    }

    #[test]
    fn counts_by_walking_when_there_are_many() {
        let mut list = Listpack::new();
        for number in 0..65_540 {
            list.push_back(number);
        }
        assert_eq!((list.count(), list.len()), (UNCOUNTED, 65_540));
        assert!(list.get(list.nth(65_539).unwrap()).is(b"65539"));
        assert!(list.get(list.nth(-1).unwrap()).is(b"65539"));
        assert!(list.nth(65_540).is_none() && list.nth(-65_541).is_none());
        assert!(list.is_sound());
        let tail = list.split(list.nth(10).unwrap());
        assert_eq!((list.len(), tail.len()), (10, 65_530));
        assert!(list.is_sound() && tail.is_sound());
    }

    /// From DUMP of a real server that got these elements by RPUSH.
    #[test]
    fn has_the_bytes_of_a_real_server() {
        let texts: [&[u8]; 18] = [
            b"a",
            b"12",
            b"-1",
            b"4095",
            b"-4096",
            b"4096",
            b"-32768",
            b"8388607",
            b"-8388608",
            b"2147483647",
            b"-2147483648",
            b"9223372036854775807",
            b"-9223372036854775808",
            b"",
            b"0",
            b"127",
            b"128",
            b"007",
        ];
        let bytes = b"UU\0\0\0\x12\0\x81a\x02\x0c\x01\xdf\xff\x02\xcf\xff\x02\xd0\0\x02\xf1\0\x10\x03\
            \xf1\0\x80\x03\xf2\xff\xff\x7f\x04\xf2\0\0\x80\x04\xf3\xff\xff\xff\x7f\x05\xf3\0\0\0\x80\x05\
            \xf4\xff\xff\xff\xff\xff\xff\xff\x7f\t\xf4\0\0\0\0\0\0\0\x80\t\x80\x01\0\x01\x7f\x01\
            \xc0\x80\x02\x83007\x04\xff";
        // DUMP puts the length of the listpack in front of it.
        let bytes = &bytes[1..];
        let mut list = Listpack::new();
        texts.iter().for_each(|text| list.push_back(*text));
        assert_eq!(list.to_rdb(), bytes);
        assert_eq!(Listpack::from_rdb(bytes, true).unwrap().to_rdb(), bytes);
        assert_eq!(Listpack::new().to_rdb(), b"\x07\0\0\0\0\0\xff");
    }

    #[test]
    fn never_panics_on_anything() {
        let mut rng = Rng::new(3);
        let mut sound = 0;
        for _ in 0..30_000 {
            let mut list = Listpack::new();
            (0..rng.below(6)).for_each(|_| list.push_back(&text(&mut rng)[..]));
            let mut bytes = list.to_rdb();
            for _ in 0..rng.below(4) {
                let at = 4 + rng.below(bytes.len() as u64 - 4) as usize;
                bytes[at] = rng.next_u64() as u8 | if rng.below(2) == 0 { 0xf0 } else { 0 };
            }
            bytes.truncate(bytes.len() - rng.below(5) as usize / 4);
            let deep = Listpack::from_rdb(&bytes, true);
            sound += usize::from(deep.is_some());
            let Some(mut list) = Listpack::from_rdb(&bytes, false) else {
                assert!(deep.is_none());
                continue;
            };
            assert_eq!(deep.is_some(), list.is_sound());
            let mut model: Vec<_> = list.iter().collect();
            model.extend(list.rev());
            list.find(b"12", rng.below(2) as usize);
            for index in -7..7 {
                let Some(pos) = list.nth(index) else { continue };
                list.get(pos);
                match rng.below(5) {
                    0 => drop(list.remove(pos)),
                    1 => drop(list.replace(pos, 5)),
                    2 => drop(list.insert_after(pos, &b"text"[..])),
                    3 => drop(list.split(pos)),
                    _ => drop(list.rev_from(pos).count()),
                }
            }
            list.push_back(1);
            assert!(!list.is_empty());
        }
        assert!(sound > 1000);
    }
}
