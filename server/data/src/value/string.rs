//! In-place edits of strings: APPEND, SETRANGE, SETBIT and similar.
//!
//! A text grows inside its entry up to [`INLINE_MAX`] bytes, and beyond that in a separate buffer, whose capacity
//! grows as in Redis: twice the length up to 1 MiB, then 1 MiB more. So small appends take amortised constant time.
//!
//! Invariant: from the first edit on a string reports the encoding `raw`.

use std::sync::Arc;

use crate::value::entry::Entry;
use crate::value::stored::INLINE_MAX;
use crate::value::{Value, ValueRef};

/// Maximum spare capacity for a growing text.
const MAX_ROOM: usize = 1 << 20;

/// A string being edited.
pub struct StringEdit<'a> {
    entry: &'a mut Entry,
}

impl<'a> StringEdit<'a> {
    pub(super) fn new(entry: &'a mut Entry) -> Self {
        entry.make_raw();
        StringEdit { entry }
    }

    /// Length of the text.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text.
    pub fn bytes(&self) -> &[u8] {
        match self.entry.view().value() {
            ValueRef::Bytes(text) => text,
            ValueRef::Shared(buffer) => buffer,
            ValueRef::Int(_) => &[],
        }
    }

    /// The text for modification in place. A shared buffer is copied first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.entry.shared_mut().is_some() {
            return self.buffer(0);
        }
        self.entry.inline_mut().unwrap_or_default()
    }

    /// Appends `bytes`. Returns the new length.
    pub fn append(&mut self, bytes: &[u8]) -> usize {
        let old = self.len();
        let len = old + bytes.len();
        if self.entry.inline_mut().is_some() && len <= INLINE_MAX {
            self.entry.grow_inline(len);
            if let Some(text) = self.entry.inline_mut() {
                text[old..].copy_from_slice(bytes);
            }
        } else {
            self.buffer(len).extend_from_slice(bytes);
        }
        len
    }

    /// Zero-pads the text to `len` bytes if it is shorter.
    pub fn grow(&mut self, len: usize) {
        if len <= self.len() {
            return;
        }
        if self.entry.inline_mut().is_some() && len <= INLINE_MAX {
            self.entry.grow_inline(len);
        } else {
            self.buffer(len).resize(len, 0);
        }
    }

    /// Overwrites the text at `offset`, zero-padding it as needed. Returns the new length.
    pub fn set_range(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let end = offset + bytes.len();
        self.grow(end);
        self.bytes_mut()[offset..end].copy_from_slice(bytes);
        self.len()
    }

    /// Replaces the whole text.
    pub fn replace(&mut self, text: Vec<u8>) {
        self.entry.set_value(Value::Raw(text));
    }

    /// The text as a separate buffer, whatever its length, for edits that the other methods do not provide.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        self.buffer(0)
    }

    /// The separate buffer of the text, unshared and with capacity for `len` bytes. A text stored in its entry is
    /// moved out.
    fn buffer(&mut self, len: usize) -> &mut Vec<u8> {
        if let Some(text) = self.entry.inline_mut() {
            let buffer = with_room(text, len);
            self.entry.set_buffer(Arc::new(buffer));
        }
        let Some(buffer) = self.entry.shared_mut() else {
            unreachable!("a text lies in its entry or has a buffer")
        };
        if Arc::get_mut(buffer).is_none() {
            *buffer = Arc::new(with_room(buffer, len));
        }
        let Some(text) = Arc::get_mut(buffer) else {
            unreachable!("the buffer was just made")
        };
        if text.capacity() < len {
            text.reserve_exact(room_for(len) - text.len());
        }
        text
    }
}

/// A copy of `text` with capacity for `len` bytes, plus spare capacity if that is more than its length.
fn with_room(text: &[u8], len: usize) -> Vec<u8> {
    let capacity = match text.len() {
        // As in Redis, a new string gets what it needs (SETRANGE, SETBIT).
        0 => len,
        held if len > held => room_for(len),
        held => held,
    };
    let mut copy = Vec::with_capacity(capacity);
    copy.extend_from_slice(text);
    copy
}

/// The capacity of a text that grows to `len` bytes.
fn room_for(len: usize) -> usize {
    len + len.min(MAX_ROOM)
}
