//! Sets of slots: a bitmap as the cluster bus carries it, and one that knows its size.
//!
//! Bit `n` of the bitmap is bit `n % 8` of byte `n / 8`.
//!
//! Invariant: the `len` of a [`SlotSet`] is the number of bits that are set.

use std::fmt;

use slot::SLOTS;

/// Length of the bitmap in bytes.
pub const SLOT_BYTES: usize = SLOTS as usize / 8;

/// A bitmap of slots. It is not counted: most that arrive are only compared.
#[derive(Clone, PartialEq, Eq)]
pub struct Bitmap([u8; SLOT_BYTES]);

impl Bitmap {
    /// No slot.
    pub const EMPTY: Bitmap = Bitmap([0; SLOT_BYTES]);

    /// The bitmap in these bytes.
    pub fn from_bytes(bytes: &[u8; SLOT_BYTES]) -> Self {
        Bitmap(*bytes)
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8; SLOT_BYTES] {
        &self.0
    }

    /// Whether a slot is in the set.
    #[inline]
    pub fn contains(&self, slot: u16) -> bool {
        let (byte, bit) = place(slot);
        self.0[byte] & bit != 0
    }

    /// Adds a slot; whether it is new.
    fn insert(&mut self, slot: u16) -> bool {
        let (byte, bit) = place(slot);
        let new = self.0[byte] & bit == 0;
        self.0[byte] |= bit;
        new
    }

    /// The bitmap in words.
    fn words(&self) -> impl Iterator<Item = u64> + '_ {
        let (words, _) = self.0.as_chunks::<8>();
        words.iter().map(|word| u64::from_le_bytes(*word))
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words().enumerate().flat_map(|(at, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros();
                left &= left.wrapping_sub(1);
                (bit < 64).then(|| (at * 64) as u16 + bit as u16)
            })
        })
    }

    /// The slots as ranges `(first, last)` in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        let mut slots = self.iter().peekable();
        std::iter::from_fn(move || {
            let first = slots.next()?;
            let mut last = first;
            while let Some(next) = slots.next_if(|&slot| slot == last + 1) {
                last = next;
            }
            Some((first, last))
        })
    }
}

impl fmt::Debug for Bitmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

impl FromIterator<u16> for Bitmap {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut bitmap = Bitmap::EMPTY;
        for slot in slots {
            bitmap.insert(slot);
        }
        bitmap
    }
}

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet {
    bitmap: Bitmap,
    len: u16,
}

impl Default for SlotSet {
    fn default() -> Self {
        SlotSet {
            bitmap: Bitmap::EMPTY,
            len: 0,
        }
    }
}

impl From<&Bitmap> for SlotSet {
    fn from(bitmap: &Bitmap) -> Self {
        let len: u32 = bitmap.words().map(u64::count_ones).sum();
        SlotSet {
            bitmap: bitmap.clone(),
            len: len as u16,
        }
    }
}

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        SlotSet::from(&slots.into_iter().collect::<Bitmap>())
    }
}

impl fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.bitmap.fmt(f)
    }
}

impl SlotSet {
    /// The empty set.
    pub fn new() -> Self {
        SlotSet::default()
    }

    /// The set of all slots.
    pub fn all() -> Self {
        SlotSet::from(&Bitmap([u8::MAX; SLOT_BYTES]))
    }

    /// The bitmap.
    pub fn bitmap(&self) -> &Bitmap {
        &self.bitmap
    }

    /// Number of slots.
    pub fn len(&self) -> u16 {
        self.len
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a slot is in the set.
    #[inline]
    pub fn contains(&self, slot: u16) -> bool {
        self.bitmap.contains(slot)
    }

    /// Adds a slot; whether it is new.
    pub fn insert(&mut self, slot: u16) -> bool {
        let new = self.bitmap.insert(slot);
        self.len += u16::from(new);
        new
    }

    /// Removes a slot; whether it was in the set.
    pub fn remove(&mut self, slot: u16) -> bool {
        let (byte, bit) = place(slot);
        let found = self.bitmap.0[byte] & bit != 0;
        self.bitmap.0[byte] &= !bit;
        self.len -= u16::from(found);
        found
    }

    /// The slots of this set that are not in another.
    pub fn without(&self, other: &SlotSet) -> SlotSet {
        let mut bitmap = self.bitmap.clone();
        for (byte, other) in bitmap.0.iter_mut().zip(&other.bitmap.0) {
            *byte &= !other;
        }
        SlotSet::from(&bitmap)
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.bitmap.iter()
    }

    /// The slots as ranges `(first, last)` in ascending order.
    pub fn ranges(&self) -> impl Iterator<Item = (u16, u16)> + '_ {
        self.bitmap.ranges()
    }
}

/// Byte of a slot and its bit there.
#[inline]
fn place(slot: u16) -> (usize, u8) {
    (usize::from(slot) / 8, 1 << (slot % 8))
}

#[cfg(test)]
mod tests {
    use super::{Bitmap, SlotSet};
    use slot::SLOTS;

    #[test]
    fn ranges_and_bytes() {
        type Row = (&'static [u16], &'static [(u16, u16)]);
        let rows: &[Row] = &[
            (&[], &[]),
            (&[0], &[(0, 0)]),
            (&[63, 64, 65, 127], &[(63, 65), (127, 127)]),
            (&[16_382, 16_383], &[(16_382, 16_383)]),
            (&[1, 3, 5], &[(1, 1), (3, 3), (5, 5)]),
        ];
        for (slots, ranges) in rows {
            let set: SlotSet = slots.iter().copied().collect();
            assert_eq!(set.ranges().collect::<Vec<_>>(), *ranges);
            assert_eq!(set.iter().collect::<Vec<_>>(), *slots);
            assert_eq!(usize::from(set.len()), slots.len());
            let bytes = set.bitmap().as_bytes();
            for &slot in *slots {
                assert_ne!(bytes[usize::from(slot) / 8] & 1 << (slot % 8), 0);
            }
            assert_eq!(SlotSet::from(&Bitmap::from_bytes(bytes)), set);
        }
        assert_eq!(
            SlotSet::all().ranges().collect::<Vec<_>>(),
            [(0, SLOTS - 1)]
        );
    }

    #[test]
    fn inserting_and_removing_count() {
        let mut set = SlotSet::new();
        assert!(set.insert(100) && !set.insert(100) && set.contains(100));
        assert_eq!(set.len(), 1);
        assert!(set.remove(100) && !set.remove(100) && set.is_empty());
        let left = SlotSet::all().without(&(0..16_383).collect());
        assert_eq!(left.iter().collect::<Vec<_>>(), [16_383]);
    }
}
