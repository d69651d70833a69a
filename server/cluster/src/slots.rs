//! Sets of slots: a bitmap with the layout of the cluster bus and of nodes.conf's ranges.
//!
//! Bit `n` of the bitmap is bit `n % 8` of byte `n / 8`. It is kept as little-endian words, so bytes and words agree.
//!
//! Invariant: `len` is the number of bits that are set.

use data::util::crc::SLOTS;

/// Length of the bitmap in bytes.
pub const SLOT_BYTES: usize = SLOTS as usize / 8;

const WORDS: usize = SLOTS as usize / 64;

/// A set of slots.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet {
    words: [u64; WORDS],
    len: u16,
}

impl Default for SlotSet {
    fn default() -> Self {
        SlotSet {
            words: [0; WORDS],
            len: 0,
        }
    }
}

impl std::fmt::Debug for SlotSet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.ranges()).finish()
    }
}

impl SlotSet {
    /// The empty set.
    pub fn new() -> Self {
        SlotSet::default()
    }

    /// The set of all slots.
    pub fn all() -> Self {
        SlotSet {
            words: [u64::MAX; WORDS],
            len: SLOTS,
        }
    }

    /// The set that a bitmap represents.
    pub fn from_bytes(bytes: &[u8; SLOT_BYTES]) -> Self {
        let mut set = SlotSet::new();
        for (word, part) in set.words.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(part);
            *word = u64::from_le_bytes(eight);
            set.len += word.count_ones() as u16;
        }
        set
    }

    /// Appends the bitmap.
    pub fn write(&self, out: &mut Vec<u8>) {
        for word in &self.words {
            out.extend_from_slice(&word.to_le_bytes());
        }
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
        let (word, bit) = place(slot);
        self.words[word] & bit != 0
    }

    /// Adds a slot; whether it is new.
    pub fn insert(&mut self, slot: u16) -> bool {
        let (word, bit) = place(slot);
        let new = self.words[word] & bit == 0;
        self.words[word] |= bit;
        self.len += u16::from(new);
        new
    }

    /// Removes a slot; whether it was in the set.
    pub fn remove(&mut self, slot: u16) -> bool {
        let (word, bit) = place(slot);
        let found = self.words[word] & bit != 0;
        self.words[word] &= !bit;
        self.len -= u16::from(found);
        found
    }

    /// The slots of this set that are not in another.
    pub fn without(&self, other: &SlotSet) -> SlotSet {
        let mut set = SlotSet::new();
        for (at, word) in set.words.iter_mut().enumerate() {
            *word = self.words[at] & !other.words[at];
            set.len += word.count_ones() as u16;
        }
        set
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.words.iter().enumerate().flat_map(|(at, &word)| {
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

impl FromIterator<u16> for SlotSet {
    fn from_iter<I: IntoIterator<Item = u16>>(slots: I) -> Self {
        let mut set = SlotSet::new();
        for slot in slots {
            set.insert(slot);
        }
        set
    }
}

/// Word of a slot and its bit there.
#[inline]
fn place(slot: u16) -> (usize, u64) {
    (usize::from(slot) / 64, 1 << (slot % 64))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{SLOT_BYTES, SlotSet};
    use data::util::crc::SLOTS;

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
            let mut bytes = Vec::new();
            set.write(&mut bytes);
            for &slot in *slots {
                assert_ne!(bytes[usize::from(slot) / 8] & 1 << (slot % 8), 0);
            }
            let bytes: [u8; SLOT_BYTES] = bytes.try_into().unwrap();
            assert_eq!(SlotSet::from_bytes(&bytes), set);
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
