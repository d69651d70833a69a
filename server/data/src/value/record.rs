//! Record: an element of a big set or hash, one allocation behind a thin pointer.
//!
//! A [`Member`] is one text, a [`Field`] two: name and value. Each text follows its length (see `util/length.rs`). A
//! member of 16 bytes takes 17 bytes, in a size class of 24; a field of 16 and 16 takes 34, in a class of 40. A long
//! value is stored in the record too, which moves when the size changes; that avoids a second allocation and a cache
//! miss per read.
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 1, 3, 5 or 9 | length of the first text |
//! | … | | the first text: the key of the record in a table |
//! | … | | in a field, the length of the second text and the text |
//!
//! # Invariants
//! 1. The allocation has [`usable_size`] of the content's size, and alignment 8. The size is not stored: a change that
//!    stays within the size class is made in place.
//! 2. Every byte of the content is initialised.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::slice;

use crate::ds::relocation::Relocator;
use crate::ds::table::Element;
use crate::util::hash::hash;
use crate::util::length;
use crate::util::mem::{relocate, usable_size};

/// An owned record of `TEXTS` texts.
pub struct Record<const TEXTS: usize> {
    at: NonNull<u8>,
}

/// An element of a big set.
pub type Member = Record<1>;

/// A field of a big hash: name and value.
pub type Field = Record<2>;

// SAFETY: a record owns its memory, which contains only bytes.
unsafe impl<const TEXTS: usize> Send for Record<TEXTS> {}

/// A borrowed record.
#[derive(Clone, Copy)]
pub struct RecordRef<'a, const TEXTS: usize> {
    at: NonNull<u8>,
    life: PhantomData<&'a [u8]>,
}

/// A borrowed field.
pub type FieldRef<'a> = RecordRef<'a, 2>;

// SAFETY: the pointer of a record is aligned to 8, comes from the allocator (below 2^47), and stays the same from
// `into_raw` to `from_raw`.
unsafe impl<const TEXTS: usize> Element for Record<TEXTS> {
    type Ref<'a> = RecordRef<'a, TEXTS>;

    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).at
    }

    unsafe fn from_raw(at: NonNull<u8>) -> Self {
        Record { at }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(at: NonNull<u8>) -> RecordRef<'a, TEXTS> {
        RecordRef {
            at,
            life: PhantomData,
        }
    }

    fn hash(record: RecordRef<'_, TEXTS>) -> u64 {
        hash(record.key())
    }
}

impl<'a, const TEXTS: usize> RecordRef<'a, TEXTS> {
    /// The first text.
    #[inline(always)]
    pub fn key(self) -> &'a [u8] {
        // SAFETY: a record begins with a text.
        unsafe { self.text_at(0) }.0
    }

    /// Address of the record, which identifies it until it is modified.
    #[inline]
    pub fn address(self) -> usize {
        self.at.as_ptr().expose_provenance()
    }

    /// The record at an address that [`RecordRef::address`] returned.
    ///
    /// # Safety
    /// The record is alive and unchanged for as long as the result is used.
    #[inline]
    pub unsafe fn at(address: usize) -> Self {
        RecordRef {
            // SAFETY: the address is that of an allocation, so it is not null.
            at: unsafe { NonNull::new_unchecked(ptr::with_exposed_provenance_mut(address)) },
            life: PhantomData,
        }
    }

    /// Bytes allocated for the record.
    pub fn memory(self) -> usize {
        usable_size(self.content_len())
    }

    /// A copy of the record.
    pub fn to_owned(self) -> Record<TEXTS> {
        // SAFETY: the content has the length that its texts imply; the copy was allocated with that size.
        unsafe {
            let content = self.bytes(0, self.content_len());
            let mut copy = Record::allocate(content.len());
            copy.put(0, content);
            copy
        }
    }

    /// Reads the whole record, so that AddressSanitizer detects one that is too short or freed. For tests.
    pub fn check(self) {
        assert!(self.at.cast::<u64>().is_aligned(), "alignment");
        // SAFETY: the content has the length that its texts imply.
        let content = unsafe { self.bytes(0, self.content_len()) };
        black_box(content.iter().fold(0u8, |all, byte| all ^ byte));
    }

    fn content_len(self) -> usize {
        // SAFETY: `TEXTS` texts follow each other.
        (0..TEXTS).fold(0, |at, _| unsafe { self.text_at(at) }.1)
    }

    /// Decodes the text whose length is at an offset. Returns it and the offset after it.
    ///
    /// # Safety
    /// `at` is 0 or the offset after a text that is not the last one.
    #[inline(always)]
    unsafe fn text_at(self, at: usize) -> (&'a [u8], usize) {
        // SAFETY: a length is stored there and gives its own width and that of its text (invariant 2).
        unsafe {
            let first = self.bytes(at, 1)[0];
            let (len, at) = match length::following(first) {
                0 => (usize::from(first), at + 1),
                more => (length::decode(self.bytes(at + 1, more)), at + 1 + more),
            };
            (self.bytes(at, len), at + len)
        }
    }

    /// # Safety
    /// The range is inside the content.
    #[inline(always)]
    unsafe fn bytes(self, at: usize, len: usize) -> &'a [u8] {
        // SAFETY: the content is inside the allocation and initialised (invariant 2).
        unsafe { slice::from_raw_parts(self.at.as_ptr().add(at), len) }
    }
}

impl<'a> FieldRef<'a> {
    /// The value.
    #[inline(always)]
    pub fn value(self) -> &'a [u8] {
        self.pair().1
    }

    /// Name and value.
    #[inline(always)]
    pub fn pair(self) -> (&'a [u8], &'a [u8]) {
        // SAFETY: a field is two texts.
        unsafe {
            let (name, at) = self.text_at(0);
            (name, self.text_at(at).0)
        }
    }
}

impl<const TEXTS: usize> Record<TEXTS> {
    /// A record of these texts.
    pub fn new(texts: [&[u8]; TEXTS]) -> Self {
        let size = texts.iter().map(|text| coded_len(text)).sum();
        // SAFETY: all of it is written below.
        let mut record = unsafe { Self::allocate(size) };
        // SAFETY: the record was allocated for the concatenation of these texts.
        let put = |at, text: &&[u8]| unsafe { record.put_text(at, text) };
        texts.iter().fold(0, put);
        record
    }

    /// A record with uninitialised content.
    ///
    /// # Safety
    /// The caller writes all of it before anything reads or drops the record.
    unsafe fn allocate(size: usize) -> Self {
        let layout = layout(size);
        // SAFETY: a size class is never 0.
        let at = unsafe { alloc(layout) };
        Record {
            at: NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout)),
        }
    }

    /// Borrows the record.
    #[inline]
    pub fn view(&self) -> RecordRef<'_, TEXTS> {
        RecordRef {
            at: self.at,
            life: PhantomData,
        }
    }

    /// Writes a text with its length at an offset. Returns the offset after it.
    ///
    /// # Safety
    /// The allocation has room for both there.
    unsafe fn put_text(&mut self, at: usize, text: &[u8]) -> usize {
        let (coded, width) = (length::encode(text.len()), length::width(text.len()));
        // SAFETY: the caller's promise.
        unsafe {
            self.put(at, &coded[..width]);
            self.put(at + width, text);
        }
        at + width + text.len()
    }

    /// # Safety
    /// The allocation has room for `bytes` at the offset.
    unsafe fn put(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: the caller's promise; `bytes` cannot be the record's own, which is borrowed exclusively.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.as_ptr().add(at), bytes.len()) }
    }

    /// Moves the record if `relocator` says so.
    pub fn relocate(&mut self, relocator: &mut dyn Relocator) {
        if relocator.should_move(self.at.as_ptr()) {
            let layout = layout(self.view().content_len());
            // SAFETY: the record owns the allocation, which has this layout (invariant 1).
            self.at = unsafe { relocate(self.at, layout) };
        }
    }
}

impl<const TEXTS: usize> Clone for Record<TEXTS> {
    fn clone(&self) -> Self {
        self.view().to_owned()
    }
}

impl Field {
    /// Replaces the value.
    pub fn set_value(&mut self, value: &[u8]) {
        let old = layout(self.view().content_len());
        // SAFETY: a field begins with its name.
        let value_at = unsafe { self.view().text_at(0) }.1;
        let new = layout(value_at + coded_len(value));
        if old != new {
            // SAFETY: the allocation has the layout of its old size (invariant 1); a size class is never 0.
            let at = unsafe { realloc(self.at.as_ptr(), old, new.size()) };
            self.at = NonNull::new(at).unwrap_or_else(|| handle_alloc_error(new));
        }
        // SAFETY: the allocation now has room for the value after the name.
        unsafe { self.put_text(value_at, value) };
    }
}

impl<const TEXTS: usize> Drop for Record<TEXTS> {
    fn drop(&mut self) {
        let layout = layout(self.view().content_len());
        // SAFETY: the record owns the allocation, which has this layout (invariant 1).
        unsafe { dealloc(self.at.as_ptr(), layout) }
    }
}

fn coded_len(text: &[u8]) -> usize {
    length::width(text.len()) + text.len()
}

/// Layout of the allocation for a content of `size` bytes.
fn layout(size: usize) -> Layout {
    Layout::from_size_align(usable_size(size), 8)
        .expect("a record is smaller than the address space")
}

#[cfg(test)]
mod tests {
    use super::{Field, Member};
    use crate::util::rand::Rng;

    const LENGTHS: [usize; 8] = [0, 1, 15, 16, 252, 253, 65_535, 70_000];

    #[test]
    fn texts_of_any_length_round_trip() {
        for len in LENGTHS {
            let text = vec![b'x'; len];
            assert_eq!(Member::new([&text]).view().key(), text);
            for other in LENGTHS {
                let field = Field::new([&text, &vec![b'y'; other]]);
                assert_eq!(field.view().pair(), (&text[..], &vec![b'y'; other][..]));
            }
        }
        assert_eq!(Member::new([&[b'm'; 16]]).view().memory(), 24);
        assert_eq!(Field::new([&[b'f'; 16], &[b'v'; 16]]).view().memory(), 40);
    }

    #[test]
    fn a_value_is_replaced_by_any_other() {
        let mut rng = Rng::new(1);
        let mut field = Field::new([b"name", b""]);
        for round in 0..1000u32 {
            let len = LENGTHS[rng.below(8) as usize] + rng.below(9) as usize;
            let value = vec![round as u8; len];
            field.set_value(&value);
            field.view().check();
            assert_eq!(field.view().pair(), (&b"name"[..], &value[..]));
        }
    }
}
