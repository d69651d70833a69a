//! Ziplists and zipmaps: the compact encodings of versions before 10, which are read but never written.
//!
//! | ziplist | size | meaning |
//! |---|---|---|
//! | 0 | 4 | total size in bytes, little-endian |
//! | 4 | 4 | offset of the last entry |
//! | 8 | 2 | number of entries; 65535 if it does not fit |
//! | 10 | | entries: length of the previous entry (1 byte, or 254 and 4), encoding, content |
//! | end | 1 | 255 |
//!
//! A zipmap is a count (254 if unknown), pairs and 255. A pair is a name with its length (1 byte, or 254 and 4) and a
//! value with its length; between that length and the value, one byte gives the number of unused bytes after the
//! value.

use crate::ds::item::Item;
use crate::rdb::Corrupt;

const END: u8 = 255;
/// Marks a length of four bytes.
const WIDE: u8 = 254;

/// The unread part of a buffer.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.first_chunk().copied()
    }

    fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }
}

/// Passes the elements of a ziplist to `each`.
///
/// # Errors
/// The ziplist is corrupt. Elements may have been passed before that was detected.
pub fn read_ziplist<'a>(
    bytes: &'a [u8],
    mut each: impl FnMut(Item<'a>) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let damaged = || Corrupt::new("Ziplist integrity check failed.");
    let mut rest = Rest(bytes);
    let total = rest.array().map(u32::from_le_bytes).ok_or_else(damaged)?;
    let tail = rest.array().map(u32::from_le_bytes).ok_or_else(damaged)?;
    let count = rest.array().map(u16::from_le_bytes).ok_or_else(damaged)?;
    if total as usize != bytes.len() {
        return Err(damaged());
    }
    let (mut seen, mut before, mut last) = (0, 0, 10);
    while rest.0.first() != Some(&END) {
        let at = bytes.len() - rest.0.len();
        let item = entry(&mut rest, before).ok_or_else(damaged)?;
        each(item)?;
        before = bytes.len() - rest.0.len() - at;
        last = at;
        seen += 1;
    }
    let counted = count == u16::MAX || usize::from(count) == seen;
    if rest.0.len() != 1 || !counted || tail as usize != last {
        return Err(damaged());
    }
    Ok(())
}

/// Decodes an entry; the previous one took `before` bytes.
fn entry<'a>(rest: &mut Rest<'a>, before: usize) -> Option<Item<'a>> {
    let claimed = match rest.byte()? {
        WIDE => rest.array().map(u32::from_le_bytes)? as usize,
        END => return None,
        short => usize::from(short),
    };
    if claimed != before {
        return None;
    }
    let encoding = rest.byte()?;
    let length = match encoding >> 6 {
        0 => usize::from(encoding & 0x3f),
        1 => usize::from(encoding & 0x3f) << 8 | usize::from(rest.byte()?),
        2 if encoding == 0x80 => rest.array().map(u32::from_be_bytes)? as usize,
        3 => return integer(rest, encoding).map(Item::Int),
        _ => return None,
    };
    rest.take(length).map(Item::Bytes)
}

fn integer(rest: &mut Rest<'_>, encoding: u8) -> Option<i64> {
    match encoding {
        0xc0 => rest.array().map(i16::from_le_bytes).map(i64::from),
        0xd0 => rest.array().map(i32::from_le_bytes).map(i64::from),
        0xe0 => rest.array().map(i64::from_le_bytes),
        0xf0 => {
            let [low, middle, high] = rest.array()?;
            Some(i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8))
        }
        0xfe => rest.array().map(i8::from_le_bytes).map(i64::from),
        0xf1..=0xfd => Some(i64::from(encoding & 0x0f) - 1),
        _ => None,
    }
}

/// Passes the pairs of a zipmap to `each`. An empty zipmap, which Redis never wrote, counts as corrupt.
///
/// # Errors
/// The zipmap is corrupt. Pairs may have been passed before that was detected.
pub fn read_zipmap<'a>(
    bytes: &'a [u8],
    mut each: impl FnMut(&'a [u8], &'a [u8]) -> Result<(), Corrupt>,
) -> Result<(), Corrupt> {
    let damaged = || Corrupt::new("Zipmap integrity check failed.");
    let mut rest = Rest(bytes);
    let count = rest.byte().ok_or_else(damaged)?;
    let mut seen = 0;
    while rest.0.first() != Some(&END) {
        let (name, value) = pair(&mut rest).ok_or_else(damaged)?;
        each(name, value)?;
        seen += 1;
    }
    let counted = count >= WIDE || usize::from(count) == seen;
    if rest.0.len() == 1 && counted && seen > 0 {
        Ok(())
    } else {
        Err(damaged())
    }
}

fn pair<'a>(rest: &mut Rest<'a>) -> Option<(&'a [u8], &'a [u8])> {
    let length = zipmap_length(rest)?;
    let name = rest.take(length)?;
    let length = zipmap_length(rest)?;
    let unused = rest.byte()?;
    let value = rest.take(length)?;
    rest.take(usize::from(unused))?;
    Some((name, value))
}

/// A five-byte form of a length that fits one byte is refused: Redis never wrote it.
fn zipmap_length(rest: &mut Rest<'_>) -> Option<usize> {
    match rest.byte()? {
        END => None,
        WIDE => {
            let length = rest.array().map(u32::from_le_bytes)? as usize;
            (length >= usize::from(WIDE)).then_some(length)
        }
        short => Some(usize::from(short)),
    }
}

#[cfg(test)]
mod tests {
    use super::{read_ziplist, read_zipmap};
    use crate::util::rand::Rng;

    fn ziplist(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
        let mut items = Vec::new();
        let read = read_ziplist(bytes, |item| {
            items.push(item.to_vec());
            Ok(())
        });
        read.ok().map(|_| items)
    }

    /// "a", 5, -1, 300, -100000 and 2^40.
    fn sample() -> Vec<u8> {
        let entries: [&[u8]; 6] = [
            &[0, 1, b'a'],
            &[3, 0xf6],
            &[2, 0xfe, 0xff],
            &[3, 0xc0, 0x2c, 0x01],
            &[4, 0xf0, 0x60, 0x79, 0xfe],
            &[5, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0],
        ];
        let body = entries.concat();
        let (total, tail) = (10 + body.len() as u32 + 1, 10 + body.len() as u32 - 10);
        [
            &total.to_le_bytes()[..],
            &tail.to_le_bytes(),
            &[6, 0],
            &body,
            &[0xff],
        ]
        .concat()
    }

    #[test]
    fn a_ziplist_of_every_kind_of_entry() {
        let expected: Vec<Vec<u8>> = ["a", "5", "-1", "300", "-100000", "1099511627776"]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
        assert_eq!(ziplist(&sample()), Some(expected));
    }

    #[test]
    fn a_zipmap_with_unused_bytes() {
        let bytes = b"\x02\x01a\x02\x01xy?\x01b\x00\x00\xff";
        let mut pairs = Vec::new();
        let read = read_zipmap(bytes, |name, value| {
            pairs.push((name.to_vec(), value.to_vec()));
            Ok(())
        });
        assert_eq!(read, Ok(()));
        assert_eq!(
            pairs,
            [(b"a".to_vec(), b"xy".to_vec()), (b"b".to_vec(), Vec::new())]
        );
        // A short length in five bytes.
        assert!(read_zipmap(b"\x01\xfe\x01\0\0\0a\x00\x00\xff", |_, _| Ok(())).is_err());
    }

    #[test]
    fn corrupt_input_is_refused() {
        let whole = sample();
        for end in 0..whole.len() {
            assert_eq!(ziplist(&whole[..end]), None);
        }
        let mut rng = Rng::new(8);
        for _ in 0..20_000 {
            let mut bytes = whole.clone();
            for _ in 0..=rng.below(3) {
                let at = rng.below(bytes.len() as u64) as usize;
                bytes[at] = rng.next_u64() as u8;
            }
            ziplist(&bytes);
            let _ = read_zipmap(&bytes, |_, _| Ok(()));
        }
    }
}
