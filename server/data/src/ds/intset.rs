//! Intset: a sorted set of integers in one buffer, all of them with the width of the widest.
//!
//! The buffer holds only the integers, little-endian, so 512 16-bit integers take 1024 bytes; the width is stored
//! beside the pointer. The width grows when an added integer needs it and never shrinks, as in Redis.
//!
//! | offset in the RDB format | size | meaning |
//! |---|---|---|
//! | 0 | 4 | width of an integer in bytes: 2, 4 or 8; little-endian, like everything that follows |
//! | 4 | 4 | number of integers |
//! | 8 | | the integers, ascending, signed |
//!
//! # Invariants
//! 1. The integers are strictly ascending.
//! 2. The length of the buffer is a multiple of the width, and every integer fits the width.

use std::fmt;
use std::iter::FusedIterator;

use crate::ds::relocation::Relocator;
use crate::ds::thin::TaggedThin;
use crate::util::rand::Rng;

/// Width of an integer in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Width {
    Two,
    Four,
    Eight,
}

/// Size of the header in the RDB format.
const RDB_HEAD: usize = 8;

/// A sorted set of integers.
#[derive(Clone)]
pub struct Intset {
    integers: TaggedThin<Width>,
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

    /// Base-2 logarithm of the width.
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
    /// An empty set; allocates nothing.
    pub fn new() -> Self {
        Intset {
            integers: TaggedThin::new(Width::Two),
        }
    }

    /// Number of integers.
    #[inline]
    pub fn len(&self) -> usize {
        self.integers.len() >> self.integers.tag().shift()
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.integers.is_empty()
    }

    /// The integer at rank `index`; 0 is the smallest.
    #[inline]
    pub fn get(&self, index: usize) -> Option<i64> {
        (index < self.len()).then(|| self.at(index))
    }

    /// The smallest integer.
    pub fn min(&self) -> Option<i64> {
        self.get(0)
    }

    /// The largest integer.
    pub fn max(&self) -> Option<i64> {
        self.get(self.len().wrapping_sub(1))
    }

    /// Moves the buffer if `relocator` says so.
    pub fn relocate(&mut self, relocator: &mut dyn Relocator) {
        self.integers.relocate(relocator);
    }

    /// An integer chosen uniformly at random.
    pub fn random(&self, rng: &mut Rng) -> Option<i64> {
        let len = self.len();
        (len > 0).then(|| self.at(rng.below(len as u64) as usize))
    }

    /// The rank of an integer, or `Err` with the rank at which it would be inserted.
    #[inline]
    pub fn find(&self, number: i64) -> Result<usize, usize> {
        if Width::of(number) > self.integers.tag() {
            return Err(if number < 0 { 0 } else { self.len() });
        }
        // Fast path for insertion in ascending order.
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

    /// Whether the set contains an integer.
    #[inline]
    pub fn contains(&self, number: i64) -> bool {
        self.find(number).is_ok()
    }

    /// Inserts an integer. Returns whether it was new.
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

    /// Removes an integer. Returns whether it was present.
    pub fn remove(&mut self, number: i64) -> bool {
        match self.find(number) {
            Ok(index) => {
                self.remove_run(index, 1);
                true
            }
            Err(_) => false,
        }
    }

    /// Removes up to `count` integers from rank `index` on.
    pub fn remove_run(&mut self, index: usize, count: usize) {
        let start = index.min(self.len());
        let end = start.saturating_add(count).min(self.len());
        let shift = self.integers.tag().shift();
        self.integers.splice(start << shift..end << shift, &[]);
    }

    /// The integers in ascending order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            bytes: self.integers.bytes(),
            width: self.integers.tag(),
        }
    }

    /// Size in bytes as Redis reports it: that of the RDB format.
    pub fn bytes(&self) -> usize {
        RDB_HEAD + self.integers.len()
    }

    /// Bytes allocated for the buffer.
    pub fn memory(&self) -> usize {
        self.integers.memory()
    }

    /// The set in the RDB format.
    pub fn to_rdb(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes());
        self.write_rdb(&mut out);
        out
    }

    /// Appends the set in the RDB format.
    pub fn write_rdb(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.integers.tag().bytes() as u32).to_le_bytes());
        out.extend_from_slice(&(self.len() as u32).to_le_bytes());
        out.extend_from_slice(self.integers.bytes());
    }

    /// Decodes the RDB format. `None` if the size does not match the header or, with `deep`, if the integers are not
    /// strictly ascending. Without `deep`, lookups in an unsorted set may return wrong results but never panic.
    pub fn from_rdb(bytes: &[u8], deep: bool) -> Option<Self> {
        let (width, rest) = bytes.split_first_chunk()?;
        let (len, integers) = rest.split_first_chunk()?;
        let width = Width::from_bytes(u32::from_le_bytes(*width))?;
        let len = u32::from_le_bytes(*len) as usize;
        if len == 0 || len.checked_mul(width.bytes())? != integers.len() {
            return None;
        }
        let mut set = Intset {
            integers: TaggedThin::new(width),
        };
        set.integers.splice(0..0, &[integers]);
        (!deep || set.iter().is_sorted_by(|a, b| a < b)).then_some(set)
    }

    /// Verifies the invariants; panics on a violation. For tests.
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
        let mut wide = TaggedThin::new(width);
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

/// Decodes the first integer of `bytes`, which must be at least as long as the width.
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

/// Iterator over the integers in ascending order.
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

    /// An integer of a random width, often one of a few values.
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

    /// From DUMP of Redis: `SADD k 1 2 -3`, `SADD k 1 70000`, `SADD k 1 -5000000000`.
    #[test]
    fn bytes_equal_those_of_redis() {
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
    fn corrupt_input_is_refused() {
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
    fn never_panics_on_unsorted_input() {
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
