//! Hash slots and the tags that stand for them.
//!
//! The tag of a slot is the shortest text of digits and letters in it, of several the first in the order of ASCII: the
//! keys of the tests are then those of Redis's own redis-benchmark.

use slot::{SLOTS, crc16};

const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What replaces `tag` between the braces of a key. A shorter tag is followed by `}`.
pub type Tag = [u8; 3];

/// The tag of a slot.
pub fn tag(slot: u16) -> Tag {
    let is_in = |text: &[u8]| crc16(text) % SLOTS == slot;
    for &a in LETTERS {
        if is_in(&[a]) {
            return [a, b'}', b'}'];
        }
    }
    let pairs = || {
        LETTERS
            .iter()
            .flat_map(|&a| LETTERS.iter().map(move |&b| [a, b]))
    };
    if let Some([a, b]) = pairs().find(|pair| is_in(pair)) {
        return [a, b, b'}'];
    }
    let mut triples = pairs().flat_map(|[a, b]| LETTERS.iter().map(move |&c| [a, b, c]));
    // Three letters reach every slot: see the test.
    triples.find(|triple| is_in(triple)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use slot::{SLOTS, crc16};

    use super::tag;

    #[test]
    fn tags_are_those_of_redis() {
        for (slot, expected) in [
            (0, "06S"),
            (1, "Qi}"),
            (9, "ru}"),
            (25, "4L}"),
            (5461, "8M}"),
            (10923, "63n"),
        ] {
            assert_eq!(tag(slot), expected.as_bytes(), "{slot}");
        }
    }

    #[test]
    fn every_tag_is_in_its_slot() {
        for slot in (0..SLOTS).step_by(61) {
            let tag = tag(slot);
            let len = tag.iter().position(|&byte| byte == b'}').unwrap_or(3);
            assert_eq!(crc16(&tag[..len]) % SLOTS, slot, "{slot}");
        }
    }
}
