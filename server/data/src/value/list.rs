//! The value of type list.

use crate::value::Encoding;

/// A list.
#[derive(Clone, Default)]
pub struct List {
    items: Box<Vec<Vec<u8>>>,
}

impl List {
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
        Encoding::Quicklist
    }

    /// Bytes that it takes beyond its entry, estimated from `samples` elements; 0 looks at all.
    pub fn memory(&self, _samples: usize) -> usize {
        0
    }
}
