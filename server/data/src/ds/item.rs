//! An element of a compact encoding, borrowed from it.
//!
//! Compact encodings store what is the canonical text of a 64-bit integer as that integer. To clients both are the
//! same bytes, so an element equals a text when its digits do.

use crate::util::num::{MAX_I64_DIGITS, i64_len, parse_i64, write_i64};

/// An element: a text, or an integer that stands for its digits.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// An integer.
    Int(i64),
    /// A text.
    Bytes(&'a [u8]),
}

impl<'a> Item<'a> {
    /// A text as a compact encoding stores it: an integer when it is the canonical text of one.
    #[inline]
    pub fn encode(text: &'a [u8]) -> Self {
        parse_i64(text).map_or(Item::Bytes(text), Item::Int)
    }

    /// Bytes of the element as a text.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Item::Int(number) => i64_len(*number),
            Item::Bytes(text) => text.len(),
        }
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element as a text; the digits of an integer are put into `scratch`.
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

    /// Whether its text is this one.
    #[inline]
    pub fn is(&self, text: &[u8]) -> bool {
        match *self {
            Item::Int(number) => {
                text.len() == i64_len(number) && write_i64(number, &mut Default::default()) == text
            }
            Item::Bytes(own) => own == text,
        }
    }

    /// The element as a text of its own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.bytes(&mut Default::default()).to_vec()
    }

    /// The element as an integer, when its text is the canonical one of an integer.
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
