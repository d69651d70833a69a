//! Decodes the format's numbers and strings from a buffer that may be incomplete.
//!
//! | length | bytes |
//! |---|---|
//! | `00xxxxxx` | 6 bits |
//! | `01xxxxxx` y | 14 bits, big-endian |
//! | `10000000` … | 4 bytes, big-endian |
//! | `10000001` … | 8 bytes, big-endian |
//! | `11xxxxxx` | not a length but a special string: 0 to 2 an integer of 1, 2 or 4 bytes (little-endian), 3 LZF |

use std::borrow::Cow;

use crate::rdb::Corrupt;
use crate::util::lzf;
use crate::util::num::parse_f64;

/// Why decoding stops.
#[derive(Debug, PartialEq, Eq)]
pub enum Stop {
    /// The input is incomplete.
    Short,
    /// The input is corrupt.
    Corrupt(Corrupt),
}

impl From<Corrupt> for Stop {
    fn from(corrupt: Corrupt) -> Self {
        Stop::Corrupt(corrupt)
    }
}

/// A length, or the special form of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// A length.
    Plain(u64),
    /// A special form.
    Special(u8),
}

/// A string: borrowed from the input or decoded from it.
pub type Text<'a> = Cow<'a, [u8]>;

/// A cursor over the input.
#[derive(Clone, Copy)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the beginning.
    pub fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, at: 0 }
    }

    /// Number of bytes read so far.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Number of bytes left.
    pub fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// The input is incomplete.
    pub fn take(&mut self, count: u64) -> Result<&'a [u8], Stop> {
        let count = usize::try_from(count).map_err(|_| Stop::Short)?;
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..count).ok_or(Stop::Short)?;
        self.at += count;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = self.take(N as u64)?;
        bytes.first_chunk().copied().ok_or(Stop::Short)
    }

    /// A byte.
    ///
    /// # Errors
    /// The input is incomplete.
    pub fn u8(&mut self) -> Result<u8, Stop> {
        self.array().map(|[byte]| byte)
    }

    /// A 32-bit number, little-endian.
    ///
    /// # Errors
    /// The input is incomplete.
    pub fn u32(&mut self) -> Result<u32, Stop> {
        self.array().map(u32::from_le_bytes)
    }

    /// A 64-bit number, little-endian.
    ///
    /// # Errors
    /// The input is incomplete.
    pub fn u64(&mut self) -> Result<u64, Stop> {
        self.array().map(u64::from_le_bytes)
    }

    /// A 64-bit double, little-endian.
    ///
    /// # Errors
    /// The input is incomplete.
    pub fn f64(&mut self) -> Result<f64, Stop> {
        self.u64().map(f64::from_bits)
    }

    /// A length or a special form.
    ///
    /// # Errors
    /// The input is incomplete, or the form is unknown.
    pub fn any_length(&mut self) -> Result<Length, Stop> {
        let first = self.u8()?;
        Ok(match first >> 6 {
            0 => Length::Plain(u64::from(first)),
            1 => Length::Plain(u64::from(first & 0x3f) << 8 | u64::from(self.u8()?)),
            3 => Length::Special(first & 0x3f),
            _ if first == 0x80 => Length::Plain(u64::from(u32::from_be_bytes(self.array()?))),
            _ if first == 0x81 => Length::Plain(u64::from_be_bytes(self.array()?)),
            _ => return Err(Corrupt::new(format!("unknown length encoding {first:#04x}")).into()),
        })
    }

    /// A length.
    ///
    /// # Errors
    /// The input is incomplete, or not a length.
    pub fn length(&mut self) -> Result<u64, Stop> {
        match self.any_length()? {
            Length::Plain(length) => Ok(length),
            Length::Special(form) => {
                Err(Corrupt::new(format!("a string of form {form} where a length belongs")).into())
            }
        }
    }

    /// A string.
    ///
    /// # Errors
    /// The input is incomplete or corrupt.
    pub fn text(&mut self) -> Result<Text<'a>, Stop> {
        let form = match self.any_length()? {
            Length::Plain(length) => return self.take(length).map(Cow::Borrowed),
            Length::Special(form) => form,
        };
        let number = match form {
            0 => i64::from(i8::from_le_bytes(self.array()?)),
            1 => i64::from(i16::from_le_bytes(self.array()?)),
            2 => i64::from(i32::from_le_bytes(self.array()?)),
            3 => return self.compressed().map(Cow::Owned),
            _ => return Err(Corrupt::new(format!("unknown string encoding {form}")).into()),
        };
        Ok(Cow::Owned(number.to_string().into_bytes()))
    }

    fn compressed(&mut self) -> Result<Vec<u8>, Stop> {
        let (packed, plain) = (self.length()?, self.length()?);
        let packed = self.take(packed)?;
        // LZF expands 3 bytes to at most 264, so a longer claim is refused before the allocation.
        let plausible = (packed.len() as u64).saturating_mul(264 / 3 + 1);
        usize::try_from(plain)
            .ok()
            .filter(|_| plain > 0 && plain <= plausible)
            .and_then(|plain| lzf::decompress(packed, plain))
            .ok_or_else(|| Corrupt::new("invalid LZF compressed string").into())
    }

    /// A score as text: a length byte and digits, or 253, 254, 255 for NaN, infinity and its negative.
    ///
    /// # Errors
    /// The input is incomplete, or not a number.
    pub fn score_text(&mut self) -> Result<f64, Stop> {
        match self.u8()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            length => {
                let digits = self.take(u64::from(length))?;
                parse_f64(digits).ok_or_else(|| Corrupt::new("a score that is not a number").into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Length, Stop};

    #[test]
    fn lengths_of_every_width() {
        for (bytes, length) in [
            (&[0x3f][..], Length::Plain(63)),
            (&[0x40, 0x40], Length::Plain(64)),
            (&[0x7f, 0xff], Length::Plain(16_383)),
            (&[0x80, 0, 0, 0x40, 0], Length::Plain(16_384)),
            (&[0x81, 0, 0, 0, 1, 0, 0, 0, 0], Length::Plain(1 << 32)),
            (&[0xc3], Length::Special(3)),
        ] {
            assert_eq!(Cursor::new(bytes).any_length(), Ok(length));
            for end in 0..bytes.len() {
                assert_eq!(Cursor::new(&bytes[..end]).any_length(), Err(Stop::Short));
            }
        }
        assert!(matches!(
            Cursor::new(&[0x82]).any_length(),
            Err(Stop::Corrupt(_))
        ));
    }

    #[test]
    fn strings_of_every_form() {
        for (bytes, text) in [
            (&b"\x03abc"[..], &b"abc"[..]),
            (b"\xc0\xff", b"-1"),
            (b"\xc1\x00\x80", b"-32768"),
            (b"\xc2\xff\xff\xff\x7f", b"2147483647"),
        ] {
            assert_eq!(Cursor::new(bytes).text().as_deref(), Ok(text));
        }
        for wrong in [&b"\xc4\x00"[..], b"\xc3\x01\x05\xff", b"\xc3\x00\x00"] {
            assert!(matches!(Cursor::new(wrong).text(), Err(Stop::Corrupt(_))));
        }
    }
}
