//! An element of a compact encoding, borrowed from it.
//!
//! Compact encodings store the canonical text of a 64-bit integer as that integer. Clients see no difference, so an
//! integer element equals a text that consists of its digits.

use crate::util::num::{MAX_I64_DIGITS, i64_len, parse_i64, write_i64};

/// An element: a text, or an integer that represents its decimal text.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An integer.
    Int(i64),
    /// A text.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// The element that a compact encoding stores for a text: an integer if the text is canonical.
    #[inline]
    pub fn encode(text: &'a [u8]) -> Self {
        parse_i64(text).map_or(Item::Bytes(text), Item::Int)
    }

    /// Length of the element as text.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Item::Int(number) => i64_len(*number),
            Item::Bytes(text) => text.len(),
        }
    }

    /// Whether the element is the empty text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element as text; the digits of an integer are written to `scratch`.
    #[inline]
    pub fn bytes<'b>(&self, scratch: &'b mut [u8; MAX_I64_DIGITS]) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Item::Int(number) => write_i64(number, scratch),
            Item::Bytes(text) => text,
        }
    }

    /// Whether the element as text equals `text`.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        match *self {
            Item::Int(number) => {
                text.len() == i64_len(number) && write_i64(number, &mut Default::default()) == text
            }
            Item::Bytes(own) => own == text,
        }
    }

    /// The element as an owned text.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut Default::default()).to_vec()
    }

    /// The element as an integer, if its text is the canonical text of one.
    #[inline]
    pub fn to_i64(&self) -> Option<i64> {
        match *self {
            Item::Int(number) => Some(number),
            Item::Bytes(text) => parse_i64(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Item;

    #[test]
    fn integers_and_texts_with_the_same_digits_are_equal() {
        for text in ["0", "-1", "9223372036854775807", "01", "+1", "", "-0", "a"] {
            let item = Item::encode(text.as_bytes());
            assert!(item.is(text.as_bytes()), "{text}");
            assert_eq!(item.len(), text.len());
            assert_eq!(item.to_vec(), text.as_bytes());
            assert!(!item.is(b"7"));
        }
        assert!(matches!(Item::encode(b"-12"), Item::Int(-12)));
        assert!(matches!(Item::encode(b"012"), Item::Bytes(_)));
    }
}
