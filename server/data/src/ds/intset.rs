//! A set of integers in one buffer, sorted, all of the width that the widest of them needs.
//!
//! The buffer holds the integers alone, each in little-endian order, so that 512 of 16 bits fill 1024 bytes; their
//! width lies beside the pointer. The width grows when an integer needs it and never shrinks, as in Redis.
//!
//! | offset in the form of an RDB file | size | meaning |
//! |---|---|---|
//! | 0 | 4 | width of an integer in bytes: 2, 4 or 8; little-endian, as all that follows |
//! | 4 | 4 | how many there are |
//! | 8 | | the integers, ascending, signed |
//!
//! Invariants:
//! 1. The integers ascend strictly.
//! 2. The buffer is a whole number of them, and each fits the width.

use std::fmt;
use std::iter::FusedIterator;

use crate::ds::thin::{Beside, MAX_LEN};
use crate::util::rand::Rng;

/// Bytes of an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two,
    Four,
    Eight,
}

/// Bytes in front of the integers in the form of an RDB file.
const RDB_HEAD: usize = 8;

/// A sorted set of integers.
#[derive(Clone)]
pub struct Intset {
    integers: Beside<Width>,
}

impl Width {
    fn of(number: i64) -> Self {
        if i16::try_from(number).is_ok() {
            Width::Two
        } else if i32::try_from(number).is_ok() {
            Width::Four
        } else {
            Width::Eight
        }
    }

    fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            2 => Some(Width::Two),
            4 => Some(Width::Four),
            8 => Some(Width::Eight),
            _ => None,
        }
    }

    /// The power of two that the width is.
    #[inline]
    fn shift(self) -> usize {
        self as usize + 1
    }

    #[inline]
    fn bytes(self) -> usize {
        1 << self.shift()
    }
}

impl Intset {
    /// An empty set, which allocates nothing.
    pub fn new() -> Self {
        Intset {
            integers: Beside::new(Width::Two),
        }
    }

    /// How many integers there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.integers.len() >> self.integers.tag().shift()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.integers.is_empty()
    }

    /// The integer of rank `index`, counted from 0 at the smallest.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The smallest.
    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    /// The greatest.
    pub fn max(&self) -> Option<i64> {
        self.get(self.len().wrapping_sub(1))
    }

    /// One of them, each as likely as any other.
    pub fn random(&self, rng: &mut Rng) -> Option<i64> {
        let len = self.len();
        (len > 0).then(|| self.at(rng.below(len as u64) as usize))
    }

    /// The rank of an integer: `Err` has the rank that it would get.
    #[inline]
    pub fn find(&self, number: i64) -> Result<usize, usize> {
        if Width::of(number) > self.integers.tag() {
            return Err(if number < 0 { 0 } else { self.len() });
        }
        // Ascending insertions are common, and answered here.
        if self.max().is_none_or(|max| number > max) {
            return Err(self.len());
        }
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let own = self.at(middle);
            if own == number {
                return Ok(middle);
            }
            if own < number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Err(low)
    }

    /// Whether an integer is in the set.
    #[inline]
    pub fn contains(&self, number: i64) -> bool {
        self.find(number).is_ok()
    }

    /// Whether one more integer, whichever, stays within the safe size of a buffer.
    pub fn fits_one_more(&self) -> bool {
        self.len() < MAX_LEN / Width::Eight.bytes() - 1
    }

    /// Puts an integer into the set, which has room ([`Intset::fits_one_more`]). Whether it was not there before.
    pub fn insert(&mut self, number: i64) -> bool {
        let Err(index) = self.find(number) else {
            return false;
        };
        if Width::of(number) > self.integers.tag() {
            self.widen(Width::of(number));
        }
        let width = self.integers.tag();
        let place = index << width.shift();
        let bytes = number.to_le_bytes();
        self.integers
            .splice(place..place, &[&bytes[..width.bytes()]]);
        true
    }

    /// Takes an integer out of the set. Whether it was there.
    pub fn remove(&mut self, number: i64) -> bool {
        match self.find(number) {
            Ok(index) => {
                self.remove_run(index, 1);
                true
            }
            Err(_) => false,
        }
    }

    /// Takes `count` integers out of the set, from rank `index` on; fewer when there are not as many.
    pub fn remove_run(&mut self, index: usize, count: usize) {
        let start = index.min(self.len());
        let end = start.saturating_add(count).min(self.len());
        let shift = self.integers.tag().shift();
        self.integers.splice(start << shift..end << shift, &[]);
    }

    /// The integers, ascending.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            bytes: self.integers.bytes(),
            width: self.integers.tag(),
        }
    }

    /// Bytes of the set as Redis counts them: those of its form in an RDB file.
    pub fn bytes(&self) -> usize {
        RDB_HEAD + self.integers.len()
    }

    /// Bytes that the allocator gave for it.
    pub fn memory(&self) -> usize {
        self.integers.memory()
    }

    /// The form of an RDB file.
    pub fn to_rdb(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        self.write_rdb(&mut out);
        out
    }

    /// Appends the form of an RDB file.
    pub fn write_rdb(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.integers.tag().bytes() as u32).to_le_bytes());
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        out.extend_from_slice(self.integers.bytes());
    }

    /// Reads the form of an RDB file: `None` unless the size is what the head says and, with `deep`, the integers
    /// ascend. A set that was not looked at that deep answers something for everything, and never panics.
    pub fn from_rdb(bytes: &[u8], deep: bool) -> Option<Self> {
        let (width, rest) = bytes.split_first_chunk()?;
        let (len, integers) = rest.split_first_chunk()?;
        let width = Width::from_bytes(u32::from_le_bytes(*width))?;
        let len = u32::from_le_bytes(*len) as usize;
        if len == 0 || len.checked_mul(width.bytes())? != integers.len() {
            return None;
        }
        let mut set = Intset {
            integers: Beside::new(width),
        };
        set.integers.splice(0..0, &[integers]);
        (!deep || set.iter().is_sorted_by(|a, b| a < b)).then_some(set)
    }

    /// Verifies the invariants; panics when one does not hold. For tests.
    pub fn check(&self) {
        self.integers.check();
        let width = self.integers.tag().bytes();
        assert_eq!(self.integers.len() % width, 0, "whole integers");
        assert!(self.iter().is_sorted_by(|a, b| a < b), "ascending");
        assert_eq!(self.iter().count(), self.len(), "number of integers");
    }

    #[inline]
    fn at(&self, index: usize) -> i64 {
        let width = self.integers.tag();
        read(&self.integers.bytes()[index << width.shift()..], width)
    }

    fn widen(&mut self, width: Width) {
        let mut bytes = Vec::with_capacity(self.len() * width.bytes());
        for number in self.iter() {
            bytes.extend_from_slice(&number.to_le_bytes()[..width.bytes()]);
        }
        let mut wide = Beside::new(width);
        wide.splice(0..0, &[&bytes]);
        self.integers = wide;
    }
}

impl Default for Intset {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Intset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// The first integer of `bytes`, which are at least as many as it has.
#[inline(always)]
fn read(bytes: &[u8], width: Width) -> i64 {
    let parts = (
        bytes.first_chunk(),
        bytes.first_chunk(),
        bytes.first_chunk(),
    );
    match (width, parts) {
        (Width::Two, (Some(bytes), ..)) => i64::from(i16::from_le_bytes(*bytes)),
        (Width::Four, (_, Some(bytes), _)) => i64::from(i32::from_le_bytes(*bytes)),
        (Width::Eight, (.., Some(bytes))) => i64::from_le_bytes(*bytes),
        _ => 0,
    }
}

/// The integers of a set, ascending.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    bytes: &'a [u8],
    width: Width,
}

impl Iterator for Iter<'_> {
    type Item = i64;

    #[inline]
    fn next(&mut self) -> Option<i64> {
        let (first, rest) = self.bytes.split_at_checked(self.width.bytes())?;
        self.bytes = rest;
        Some(read(first, self.width))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.bytes.len() >> self.width.shift();
        (len, Some(len))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<i64> {
        let start = self.bytes.len().checked_sub(self.width.bytes())?;
        let (rest, last) = self.bytes.split_at(start);
        self.bytes = rest;
        Some(read(last, self.width))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Intset {
    type Item = i64;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::Intset;
    use crate::util::rand::Rng;

    /// An integer of a random width, often one of a few.
    fn number(rng: &mut Rng, widest: u64) -> i64 {
        let number = rng.next_u64() as i64;
        match rng.below(widest) {
            0 => number % 100,
            1 => number % 70_000,
            2 => number % (1 << 33),
            _ => number,
        }
    }

    #[test]
    fn is_a_sorted_set() {
        let mut rng = Rng::new(1);
        for round in 0..200 {
            let (mut set, mut model) = (Intset::new(), BTreeSet::new());
            for step in 0..300 {
                let number = number(&mut rng, 1 + (round + step / 100) % 4);
                if rng.below(3) > 0 {
                    assert_eq!(set.insert(number), model.insert(number));
                } else {
                    assert_eq!(set.remove(number), model.remove(&number));
                }
                set.check();
                assert_eq!(set.contains(number), model.contains(&number));
                assert_eq!(
                    set.find(number).unwrap_or_else(|rank| rank),
                    model.range(..number).count()
                );
            }
            assert!(set.iter().eq(model.iter().copied()));
            assert!(set.iter().rev().eq(model.iter().rev().copied()));
            assert_eq!(set.len(), model.len());
            assert_eq!(
                (set.min(), set.max()),
                (model.first().copied(), model.last().copied())
            );
            assert!(set.random(&mut rng).is_none_or(|one| model.contains(&one)));
            let copy = Intset::from_rdb(&set.to_rdb(), true);
            assert!(copy.is_none_or(|copy| copy.iter().eq(model.iter().copied())));
            set.remove_run(1, 3);
            let left = model.iter().take(1).chain(model.iter().skip(4));
            assert!(set.iter().eq(left.copied()));
        }
    }

    /// From DUMP of a real server: `SADD k 1 2 -3`, `SADD k 1 70000`, `SADD k 1 -5000000000`.
    #[test]
    fn has_the_bytes_of_a_real_server() {
        let rows: [(&[i64], &[u8]); 3] = [
            (&[1, 2, -3], b"\x02\0\0\0\x03\0\0\0\xfd\xff\x01\0\x02\0"),
            (
                &[70_000, 1],
                b"\x04\0\0\0\x02\0\0\0\x01\0\0\0\x70\x11\x01\0",
            ),
            (
                &[1, -5_000_000_000],
                b"\x08\0\0\0\x02\0\0\0\x00\x0e\xfa\xd5\xfe\xff\xff\xff\x01\0\0\0\0\0\0\0",
            ),
        ];
        for (numbers, bytes) in rows {
            let mut set = Intset::new();
            assert!(numbers.iter().all(|number| set.insert(*number)));
            assert_eq!(set.to_rdb(), bytes);
            assert_eq!(set.bytes(), bytes.len());
            assert_eq!(Intset::from_rdb(bytes, true).unwrap().to_rdb(), bytes);
        }
    }

    #[test]
    fn refuses_what_is_no_set() {
        let refused: [&[u8]; 7] = [
            b"",
            b"\x02\0\0\0\0\0\0",
            b"\x02\0\0\0\0\0\0\0",
            b"\x03\0\0\0\x01\0\0\0\0\0\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\x01\0",
            b"\x02\0\0\0\x02\0\0\0\x01\0\xff\xff",
            b"\x08\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0\0\0",
        ];
        for bytes in refused {
            assert!(Intset::from_rdb(bytes, true).is_none(), "{bytes:?}");
        }
        assert!(Intset::from_rdb(refused[4], false).is_some());
    }

    #[test]
    fn never_panics_on_anything() {
        let mut rng = Rng::new(2);
        for _ in 0..20_000 {
            let mut bytes = vec![
                1 << (1 + rng.below(3)),
                0,
                0,
                0,
                rng.below(6) as u8,
                0,
                0,
                0,
            ];
            bytes.extend((0..rng.below(6) << rng.below(4)).map(|_| rng.next_u64() as u8));
            if rng.below(4) == 0 {
                let place = rng.below(bytes.len() as u64) as usize;
                bytes[place] = rng.next_u64() as u8;
            }
            if let Some(mut set) = Intset::from_rdb(&bytes, rng.below(2) == 0) {
                let number = number(&mut rng, 4);
                let inserted = set.insert(number);
                assert!(!inserted || set.len() <= 8);
                set.remove(number);
                assert_eq!(set.iter().count(), set.len());
            }
        }
    }
}
