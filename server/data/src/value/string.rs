//! Strings that are edited in place: APPEND, SETRANGE, SETBIT and their kind.
//!
//! A text grows inside its entry up to [`INLINE_MAX`] bytes, and from there on in a buffer of its own,
//! which is given room to grow as Redis gives it: twice the length up to 1 MiB, then 1 MiB more. So a
//! series of small appends costs amortised constant time each.
//!
//! Invariant: from the first edit on a string reports the encoding `raw`.

use std::sync::Arc;

use crate::value::entry::Entry;
use crate::value::stored::INLINE_MAX;
use crate::value::{Value, ValueRef};

/// Growing texts are given at most this much room.
const MAX_ROOM: usize = 1 << 20;

/// A string that is being edited.
pub struct StringEdit<'a> {
    entry: &'a mut Entry,
}

impl<'a> StringEdit<'a> {
    pub(super) fn new(entry: &'a mut Entry) -> Self {
        entry.make_raw();
        StringEdit { entry }
    }

    /// Bytes of the text.
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

    /// The text, to be changed in place. A buffer that someone else still reads is copied first.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        if self.entry.shared_mut().is_some() {
            return self.buffer(0);
        }
        self.entry.inline_mut().unwrap_or_default()
    }

    /// Adds `bytes` at the end. Returns the new length.
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

    /// Lengthens the text to `len` bytes with zeros, if it is shorter.
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

    /// Writes `bytes` at `offset`, lengthening the text as needed. Returns the new length.
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

    /// The text as a buffer of its own, whatever its length, for changes that the other methods do not know.
    pub fn buffer_mut(&mut self) -> &mut Vec<u8> {
        self.buffer(0)
    }

    /// The buffer of a text that does not lie in its entry, ours alone and with room for `len` bytes. A
    /// text that lies in its entry is moved out.
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

/// A copy of `text` that can grow to `len` bytes and, if that is more than it has, beyond.
fn with_room(text: &[u8], len: usize) -> Vec<u8> {
    let capacity = if len > text.len() {
        room_for(len)
    } else {
        text.len()
    };
    let mut copy = Vec::with_capacity(capacity);
    copy.extend_from_slice(text);
    copy
}

/// The capacity for a text that grows to `len` bytes.
fn room_for(len: usize) -> usize {
    len + len.min(MAX_ROOM)
}
