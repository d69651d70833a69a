//! One element of a listpack, as bytes.
//!
//! An element is its code, its content and, behind both, their length, written so that it can be read backwards.
//!
//! | first byte | code | content |
//! |---|---|---|
//! | `0xxxxxxx` | 1 | an unsigned integer of 7 bits, in the code |
//! | `10xxxxxx` | 1 | a text of as many bytes: up to 63 |
//! | `110xxxxx` | 2 | a signed integer of 13 bits, in the code, high bits first |
//! | `1110xxxx` | 2 | a text of as many bytes: up to 4095, high bits first |
//! | `11110000` | 5 | a text; its length is a `u32`, low byte first |
//! | `11110001` … `11110100` | 1 | a signed integer of 16, 24, 32 or 64 bits, low byte first |
//! | `11111111` | | no element: the end of a listpack in an RDB file |
//!
//! The length behind takes seven bits a byte, the lowest in the last byte; the top bit says that more stand in front.
//! Redis steps up to the next width one length early from two bytes on, and so it is here.

use crate::ds::item::Item;
use crate::util::num::parse_i64;

/// Closes a listpack in an RDB file.
pub(super) const END: u8 = 0xff;

const TEXT_32: u8 = 0xf0;
const INT_16: u8 = 0xf1;
const INT_24: u8 = 0xf2;
const INT_32: u8 = 0xf3;
const INT_64: u8 = 0xf4;

/// The most bytes of code and integer.
const MAX_HEAD: usize = 9;

/// The most bytes of the length behind.
const MAX_BACK: usize = 5;

/// An element that is ready to be written: `head`, `text`, `back`.
pub(super) struct Encoded<'a> {
    head: [u8; MAX_HEAD],
    head_len: usize,
    text: &'a [u8],
    back: [u8; MAX_BACK],
    back_len: usize,
}

impl<'a> Encoded<'a> {
    /// Encodes an element; a text that is the canonical one of an integer becomes that integer.
    pub(super) fn new(item: Item<'a>) -> Self {
        let mut encoded = Encoded {
            head: [0; MAX_HEAD],
            head_len: 0,
            text: &[],
            back: [0; MAX_BACK],
            back_len: 0,
        };
        let number = match item {
            Item::Int(number) => Some(number),
            Item::Bytes(text) => parse_i64(text),
        };
        match (number, item) {
            (Some(number), _) => encoded.put_int(number),
            (None, Item::Bytes(text)) => encoded.put_text(text),
            (None, Item::Int(_)) => {}
        }
        let len = encoded.head_len + encoded.text.len();
        encoded.back_len = back_len(len);
        let mut rest = len;
        for place in (0..encoded.back_len).rev() {
            let more = if place > 0 { 0x80 } else { 0 };
            // The continuation bit of a byte says that another stands in front of it.
            encoded.back[place] = (rest & 0x7f) as u8 | more;
            rest >>= 7;
        }
        encoded
    }

    /// Bytes that it takes.
    pub(super) fn len(&self) -> usize {
        self.head_len + self.text.len() + self.back_len
    }

    /// What to write, in order.
    pub(super) fn parts(&self) -> [&[u8]; 3] {
        [
            &self.head[..self.head_len],
            self.text,
            &self.back[..self.back_len],
        ]
    }

    fn put_int(&mut self, number: i64) {
        let (code, width) = match number {
            0..=127 => (number as u8, 0),
            -4096..=4095 => {
                let bits = number as u16 & 0x1fff;
                self.put_head(&[0xc0 | (bits >> 8) as u8, bits as u8]);
                return;
            }
            -0x8000..=0x7fff => (INT_16, 2),
            -0x80_0000..=0x7f_ffff => (INT_24, 3),
            -0x8000_0000..=0x7fff_ffff => (INT_32, 4),
            _ => (INT_64, 8),
        };
        let bytes = number.to_le_bytes();
        self.head[0] = code;
        self.head[1..=width].copy_from_slice(&bytes[..width]);
        self.head_len = 1 + width;
    }

    fn put_text(&mut self, text: &'a [u8]) {
        let len = text.len();
        match len {
            0..64 => self.put_head(&[0x80 | len as u8]),
            64..4096 => self.put_head(&[0xe0 | (len >> 8) as u8, len as u8]),
            _ => {
                let [a, b, c, d] = (len as u32).to_le_bytes();
                self.put_head(&[TEXT_32, a, b, c, d]);
            }
        }
        self.text = text;
    }

    fn put_head(&mut self, bytes: &[u8]) {
        self.head[..bytes.len()].copy_from_slice(bytes);
        self.head_len = bytes.len();
    }
}

/// Bytes of the length behind an element whose code and content take `len`.
#[inline(always)]
pub(super) fn back_len(len: usize) -> usize {
    match len {
        0..128 => 1,
        128..0x3fff => 2,
        0x3fff..0x1f_ffff => 3,
        0x1f_ffff..0xfff_ffff => 4,
        _ => 5,
    }
}

/// Bytes of code and content of the element that `bytes` begin with; `None` when they begin with none.
#[inline(always)]
fn front_len(bytes: &[u8]) -> Option<usize> {
    let code = *bytes.first()?;
    Some(match code {
        0..0x80 => 1,
        0x80..0xc0 => 1 + usize::from(code & 0x3f),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 2 + (usize::from(code & 0x0f) << 8 | usize::from(*bytes.get(1)?)),
        TEXT_32 => {
            let (len, _) = bytes[1..].split_first_chunk()?;
            5usize.checked_add(u32::from_le_bytes(*len) as usize)?
        }
        INT_16 => 3,
        INT_24 => 4,
        INT_32 => 5,
        INT_64 => 9,
        _ => return None,
    })
}

/// Bytes of the element that `bytes` begin with, all of them there.
#[inline(always)]
pub(super) fn size(bytes: &[u8]) -> Option<usize> {
    let front = front_len(bytes)?;
    let size = front + back_len(front);
    (size <= bytes.len()).then_some(size)
}

/// Bytes of the element that `bytes` end with, by the length behind it.
#[inline(always)]
pub(super) fn size_before(bytes: &[u8]) -> Option<usize> {
    let mut len = 0;
    for (place, byte) in bytes.iter().rev().take(MAX_BACK).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            let size = len + back_len(len);
            return (0 < len && size <= bytes.len()).then_some(size);
        }
    }
    None
}

/// The element that `bytes` begin with; `None` when they begin with none or it is cut off.
#[inline(always)]
pub(super) fn read(bytes: &[u8]) -> Option<Item<'_>> {
    let code = *bytes.first()?;
    let rest = &bytes[1..];
    Some(match code {
        0..0x80 => Item::Int(i64::from(code)),
        0x80..0xc0 => Item::Bytes(rest.get(..usize::from(code & 0x3f))?),
        0xc0..0xe0 => {
            let bits = u16::from(code & 0x1f) << 8 | u16::from(*rest.first()?);
            // Shifted to the top and back, the highest of the 13 bits becomes the sign.
            Item::Int(i64::from((bits << 3) as i16 >> 3))
        }
        0xe0..0xf0 => Item::Bytes(rest.get(1..front_len(bytes)? - 1)?),
        TEXT_32 => Item::Bytes(rest.get(4..front_len(bytes)? - 1)?),
        INT_16 => Item::Int(signed(rest.get(..2)?)),
        INT_24 => Item::Int(signed(rest.get(..3)?)),
        INT_32 => Item::Int(signed(rest.get(..4)?)),
        INT_64 => Item::Int(signed(rest.get(..8)?)),
        _ => return None,
    })
}

/// Bytes of the element that `bytes` begin with, when it is one from front to back.
pub(super) fn checked_size(bytes: &[u8]) -> Option<usize> {
    let size = size(bytes)?;
    (size_before(&bytes[..size]) == Some(size)).then_some(size)
}

/// A signed integer of up to 8 bytes, low byte first.
#[inline(always)]
fn signed(bytes: &[u8]) -> i64 {
    let mut wide = [0; 8];
    let unused = wide.len() - bytes.len();
    wide[unused..].copy_from_slice(bytes);
    i64::from_le_bytes(wide) >> (8 * unused)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Encoded, checked_size, read, size, size_before};
    use crate::ds::item::Item;

    #[test]
    fn reads_what_it_writes_from_either_end() {
        let lengths = [0, 1, 63, 64, 125, 126, 4095, 4096, 16_377, 16_378, 16_379];
        let lengths = lengths.into_iter().chain([2_097_145, 2_097_146, 2_097_147]);
        let texts = lengths.map(|len| vec![b'x'; len]);
        let powers = (0..64).flat_map(|bit| {
            let power = 1i64 << bit;
            [power, power.wrapping_sub(1), power.wrapping_neg(), !power]
        });
        let numbers = powers.map(|number| number.to_string().into_bytes());
        for text in texts.chain(numbers) {
            let encoded = Encoded::new(Item::Bytes(&text));
            let bytes = encoded.parts().concat();
            assert_eq!(bytes.len(), encoded.len());
            assert!(read(&bytes).unwrap().is(&text));
            assert_eq!(size(&bytes), Some(bytes.len()));
            assert_eq!(size_before(&bytes), Some(bytes.len()));
            assert_eq!(checked_size(&bytes), Some(bytes.len()));
            for cut in [0, 1, bytes.len() - 1] {
                assert_eq!(checked_size(&bytes[..cut]), None);
            }
        }
    }
}
