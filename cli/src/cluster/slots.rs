//! A set of hash slots, and the slot of a key.

use std::fmt::Write;
use std::ops::RangeInclusive;

/// Number of hash slots.
pub const SLOTS: u16 = 16384;
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

/// CRC-16 with the polynomial 0x1021 (XMODEM), as the Redis Cluster specification gives it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, &byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc: u16, _| {
            crc << 1 ^ if crc & 0x8000 != 0 { 0x1021 } else { 0 }
        })
    })
}

/// The slot of a key: of the part between the first `{` and the next `}`, unless that is empty.
pub fn key_slot(key: &[u8]) -> u16 {
    let open = key.iter().position(|&byte| byte == b'{');
    let tag = open.and_then(|open| {
        let rest = &key[open + 1..];
        let close = rest.iter().position(|&byte| byte == b'}')?;
        (close > 0).then(|| &rest[..close])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, SlotSet, key_slot};

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

    #[test]
    fn keys_have_the_slots_of_the_specification() {
        for (key, slot) in [
            ("123456789", 0x31c3),
            ("foo", 12182),
            ("", 0),
            ("{user1000}.following", key_slot(b"user1000")),
            ("foo{}{bar}", 8363),
            ("foo{{bar}}zap", key_slot(b"{bar")),
            ("foo{bar}{zap}", key_slot(b"bar")),
            ("foo{bar", 15278),
        ] {
            assert_eq!(key_slot(key.as_bytes()), slot, "{key}");
        }
    }
}
