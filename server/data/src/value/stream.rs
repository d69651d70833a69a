//! The value of type stream.

use crate::value::Encoding;

/// A stream.
#[derive(Clone, Default)]
pub struct Stream {
    items: Box<Vec<Vec<u8>>>,
}

impl Stream {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many elements it has.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The encoding that OBJECT ENCODING names.
    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Bytes that it takes beyond its entry, estimated from `samples` elements; 0 looks at all.
    pub fn memory(&self, _samples: usize) -> usize {
        0
    }
}
