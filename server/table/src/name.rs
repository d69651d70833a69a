//! Names of commands as a few numbers, so that a name is found in the table with a handful of instructions.
//!
//! The first and the last eight bytes (or four, or each byte of a shorter name), those between them and the length identify
//! a name of up to 24 bytes.

/// Maximum length of a name, of a command or of a subcommand alone.
pub const NAME_MAX: usize = 24;

/// A name in lower case. Two names are equal exactly if their keys are.
#[derive(Clone, Copy)]
pub struct Key {
    first: u64,
    last: u64,
    middle: u64,
    len: u64,
}

impl Key {
    /// The key of a name in any case; `None` if it is empty or longer than any command's.
    #[inline]
    pub const fn of(name: &[u8]) -> Option<Key> {
        let len = name.len();
        let (first, last, middle) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
            (Some(first), Some(last)) => {
                let middle = if len > 16 { eight_at(name, 8) } else { 0 };
                (
                    u64::from_le_bytes(*first),
                    u64::from_le_bytes(*last),
                    middle,
                )
            }
            _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
                (Some(first), Some(last)) => (
                    u32::from_le_bytes(*first) as u64,
                    u32::from_le_bytes(*last) as u64,
                    0,
                ),
                _ if len == 0 => return None,
                _ => (
                    u32::from_le_bytes([name[0], name[len / 2], name[len - 1], 0]) as u64,
                    0,
                    0,
                ),
            },
        };
        if len > NAME_MAX {
            return None;
        }
        Some(Key {
            first: lower(first),
            last: lower(last),
            middle: lower(middle),
            len: len as u64,
        })
    }

    /// Whether two keys are equal.
    #[inline]
    pub const fn is(&self, other: &Key) -> bool {
        let differ = (self.first ^ other.first)
            | (self.last ^ other.last)
            | (self.middle ^ other.middle)
            | (self.len ^ other.len);
        differ == 0
    }

    /// A hash of the name and of a number, with `bits` bits.
    #[inline]
    pub const fn hash(&self, number: u16, bits: u32) -> usize {
        let mixed = self.first ^ self.last.rotate_left(23) ^ self.middle.rotate_left(46);
        let mixed = mixed ^ self.len.rotate_left(56) ^ (number as u64).rotate_left(40);
        (mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - bits)) as usize
    }
}

/// The eight bytes from a place on, which are there.
const fn eight_at(name: &[u8], at: usize) -> u64 {
    let (_, rest) = name.split_at(at);
    match rest.first_chunk::<8>() {
        Some(eight) => u64::from_le_bytes(*eight),
        None => 0,
    }
}

/// Eight bytes with ASCII's capital letters replaced by small ones.
#[inline]
const fn lower(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOP: u64 = 0x80 * ONES;
    // Without its top bit a byte can be added to without a carry into the next one; the top bit of the sum says whether
    // the byte is at least `A`, or above `Z`.
    let low = bytes & !TOP;
    let from_a = low + (0x80 - b'A' as u64) * ONES;
    let above_z = low + (0x7f - b'Z' as u64) * ONES;
    let capitals = from_a & !above_z & !bytes & TOP;
    bytes | (capitals >> 2)
}

#[cfg(test)]
mod tests {
    use super::{Key, NAME_MAX, lower};

    #[test]
    fn only_capital_letters_change() {
        for byte in 0..=255u8 {
            let bytes = [b'Z', byte, b'a', byte, 0, 0xff, byte, b'A'];
            let expected = bytes.map(|byte| byte.to_ascii_lowercase());
            let got = lower(u64::from_le_bytes(bytes)).to_le_bytes();
            assert_eq!(got, expected, "{byte}");
        }
    }

    #[test]
    fn every_byte_counts() {
        for len in 1..=NAME_MAX {
            let name = vec![b'k'; len];
            let key = Key::of(&name).expect("a key");
            let capital = name.to_ascii_uppercase();
            assert!(Key::of(&capital).is_some_and(|other| other.is(&key)));
            for at in 0..len {
                for byte in [b'K' ^ 0x40, b'k' | 0x80, b'l', 0] {
                    let mut other = name.clone();
                    other[at] = byte;
                    let other = Key::of(&other).expect("a key");
                    assert!(!other.is(&key), "{len} {at} {byte}");
                }
            }
            let longer = Key::of(&[&name[..], b"k"].concat());
            assert!(longer.is_none_or(|other| !other.is(&key)), "{len}");
        }
        assert!(Key::of(b"").is_none() && Key::of(&[b'k'; NAME_MAX + 1]).is_none());
    }
}
