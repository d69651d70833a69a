//! A set of hash slots.

use std::fmt::Write;
use std::ops::RangeInclusive;

/// Number of hash slots.
pub const SLOTS: u16 = slot::SLOTS;
const WORDS: usize = SLOTS as usize / 64;

/// A set of slots. Slots that do not exist are never in it.
#[derive(Clone, PartialEq, Eq)]
pub struct SlotSet(Box<[u64; WORDS]>);

impl SlotSet {
    /// The empty set.
    pub fn new() -> Self {
        Self(Box::new([0; WORDS]))
    }

    /// Adds a slot.
    pub fn insert(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word |= 1 << (slot % 64);
        }
    }

    /// Removes a slot.
    pub fn remove(&mut self, slot: u16) {
        if let Some(word) = self.0.get_mut(usize::from(slot / 64)) {
            *word &= !(1 << (slot % 64));
        }
    }

    /// Whether a slot is in the set.
    pub fn contains(&self, slot: u16) -> bool {
        let word = self.0.get(usize::from(slot / 64));
        word.is_some_and(|word| word & 1 << (slot % 64) != 0)
    }

    /// Number of slots.
    pub fn len(&self) -> u16 {
        self.0.iter().map(|word| word.count_ones() as u16).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The slots in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        (0..SLOTS).filter(|&slot| self.contains(slot))
    }

    /// The slots as ranges in ascending order.
    pub fn ranges(&self) -> Vec<RangeInclusive<u16>> {
        let mut ranges: Vec<RangeInclusive<u16>> = Vec::new();
        for slot in self.iter() {
            match ranges.last_mut() {
                Some(last) if *last.end() + 1 == slot => *last = *last.start()..=slot,
                _ => ranges.push(slot..=slot),
            }
        }
        ranges
    }

    /// `[0-5460],[10923]`
    pub fn text(&self) -> String {
        let mut text = String::new();
        for range in self.ranges() {
            let comma = if text.is_empty() { "" } else { "," };
            // Writing to a string does not fail.
            let _ = if range.start() == range.end() {
                write!(text, "{comma}[{}]", range.start())
            } else {
                write!(text, "{comma}[{}-{}]", range.start(), range.end())
            };
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, SlotSet};

    #[test]
    fn a_set_is_shown_as_ranges() {
        let table: [(&[u16], &str); 6] = [
            (&[], ""),
            (&[7], "[7]"),
            (&[0, 1, 2], "[0-2]"),
            (&[2, 0, 5, 6], "[0],[2],[5-6]"),
            (&[63, 64, 16383], "[63-64],[16383]"),
            (&[16384, 65535], ""),
        ];
        for (slots, text) in table {
            let mut set = SlotSet::new();
            for &slot in slots {
                set.insert(slot);
            }
            assert_eq!(set.text(), text);
            assert_eq!(set.is_empty(), text.is_empty());
            for &slot in slots {
                assert_eq!(set.contains(slot), slot < SLOTS);
                set.remove(slot);
            }
            assert!(set.is_empty());
        }
    }
}
