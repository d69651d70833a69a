//! The encoding of one element.

use crate::ds::item::Item;

/// An encoded element to be written: its encoding and the text that follows.
pub(super) struct Coded<'a> {
    head: [u8; 9],
    head_len: usize,
    pub(super) text: &'a [u8],
}

impl<'a> Coded<'a> {
    #[inline]
    pub(super) fn new(item: Item<'a>) -> Self {
        let item = match item {
            Item::Bytes(text) => Item::encode(text),
            number @ Item::Int(_) => number,
        };
        let mut coded = Coded {
            head: [0; 9],
            head_len: 0,
            text: &[],
        };
        match item {
            Item::Int(number) => coded.put_integer(number),
            Item::Bytes(text) => coded.put_text(text),
        }
        coded
    }

    fn put(&mut self, bytes: &[u8]) {
        self.head[..bytes.len()].copy_from_slice(bytes);
        self.head_len = bytes.len();
    }

    fn put_integer(&mut self, number: i64) {
        let wide = number.to_le_bytes();
        let (marker, width) = match number {
            0..=127 => return self.put(&wide[..1]),
            -4096..=4095 => {
                let bits = number as u16 & 0x1fff;
                return self.put(&[0xc0 | (bits >> 8) as u8, bits as u8]);
            }
            -0x8000..=0x7fff => (0xf1, 2),
            -0x80_0000..=0x7f_ffff => (0xf2, 3),
            -0x8000_0000..=0x7fff_ffff => (0xf3, 4),
            _ => (0xf4, 8),
        };
        self.head[0] = marker;
        self.head[1..=width].copy_from_slice(&wide[..width]);
        self.head_len = 1 + width;
    }

    fn put_text(&mut self, text: &'a [u8]) {
        self.text = text;
        match text.len() {
            len @ 0..=63 => self.put(&[0x80 | len as u8]),
            len @ 64..=4095 => self.put(&[0xe0 | (len >> 8) as u8, len as u8]),
            len => {
                let [a, b, c, d] = (len as u32).to_le_bytes();
                self.put(&[0xf0, a, b, c, d]);
            }
        }
    }

    #[inline]
    pub(super) fn head(&self) -> &[u8] {
        &self.head[..self.head_len]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.head_len + self.text.len()
    }
}

/// Size of the back length of an element of `size` bytes.
#[inline]
pub(super) fn size_width(size: usize) -> usize {
    match size {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        0x20_0000..0x1000_0000 => 4,
        _ => 5,
    }
}

/// Encodes a back length.
#[inline]
pub(super) fn size_behind(size: usize) -> ([u8; 5], usize) {
    let width = size_width(size);
    let mut bytes = [0; 5];
    let mut rest = size;
    for at in (0..width).rev() {
        bytes[at] = (rest & 0x7f) as u8 | if at > 0 { 0x80 } else { 0 };
        rest >>= 7;
    }
    (bytes, width)
}

/// Size of encoding and content of the element at an offset.
#[inline(always)]
pub(super) fn content_len(bytes: &[u8], at: usize) -> usize {
    let first = bytes[at];
    match first {
        0..0x80 => 1,
        0x80..0xc0 => 1 + usize::from(first & 0x3f),
        0xc0..0xe0 => 2,
        0xe0..0xf0 => 2 + (usize::from(first & 0x0f) << 8 | usize::from(bytes[at + 1])),
        0xf0 => 5 + long_len(bytes, at),
        0xf1 => 3,
        0xf2 => 4,
        0xf3 => 5,
        _ => 9,
    }
}

#[inline]
fn long_len(bytes: &[u8], at: usize) -> usize {
    let len = bytes[at + 1..].first_chunk().copied().unwrap_or_default();
    u32::from_le_bytes(len) as usize
}

/// The offset after the element at an offset.
#[inline(always)]
pub(super) fn end_of(bytes: &[u8], at: usize) -> usize {
    let content = content_len(bytes, at);
    at + content + size_width(content)
}

#[inline(always)]
pub(super) fn read(bytes: &[u8], at: usize) -> Item<'_> {
    let first = bytes[at];
    let signed = |width: usize| {
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(&bytes[at + 1..=at + width]);
        Item::Int(i64::from_le_bytes(wide) >> (64 - 8 * width))
    };
    match first {
        0..0x80 => Item::Int(i64::from(first)),
        0x80..0xc0 => Item::Bytes(&bytes[at + 1..][..usize::from(first & 0x3f)]),
        0xc0..0xe0 => {
            let bits = u16::from(first & 0x1f) << 8 | u16::from(bytes[at + 1]);
            Item::Int(i64::from((bits << 3) as i16 >> 3))
        }
        0xe0..0xf0 => {
            let len = usize::from(first & 0x0f) << 8 | usize::from(bytes[at + 1]);
            Item::Bytes(&bytes[at + 2..][..len])
        }
        0xf0 => Item::Bytes(&bytes[at + 5..][..long_len(bytes, at)]),
        0xf1 => signed(2),
        0xf2 => signed(3),
        0xf3 => signed(4),
        _ => signed(8),
    }
}

/// The element at an offset, and the offset after it.
#[inline(always)]
pub(super) fn read_through(bytes: &[u8], at: usize) -> (Item<'_>, usize) {
    let first = bytes[at];
    // Most elements are texts whose length is part of the first byte.
    if let 0x80..0xc0 = first {
        let end = at + 1 + usize::from(first & 0x3f);
        return (Item::Bytes(&bytes[at + 1..end]), end + 1);
    }
    (read(bytes, at), end_of(bytes, at))
}

/// The offset after the element at an offset; `None` unless it is complete, has a known encoding, and its back length
/// matches.
pub(super) fn checked_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let needed = match *rest.first()? {
        0xe0..0xf0 => 2,
        0xf0 => 5,
        0xf5.. => return None,
        _ => 1,
    };
    if rest.len() < needed {
        return None;
    }
    let content = content_len(bytes, at);
    let (size, width) = size_behind(content);
    let behind = rest.get(content..content + width)?;
    (behind == &size[..width]).then_some(at + content + width)
}
