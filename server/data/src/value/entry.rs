//! Entry: header, expiry, key and small value of one key, in one allocation behind a thin pointer.
//!
//! | offset | size | meaning |
//! |---|---|---|
//! | 0 | 4 | header: type 3 bits, has expiry 1, form of the value 4, LRU or LFU field 24 |
//! | 4 | 0 or 8 | expiry, milliseconds of Unix time |
//! | … | 1, 3, 5 or 9 | length of the key, encoded as in `util/length.rs` |
//! | … | | key |
//! | … | | value |
//!
//! | form | value |
//! |---|---|
//! | `Int1` … `Int8` | 1, 2, 3, 4 or 8 bytes of a signed integer, little-endian |
//! | `Embstr`, `Raw` | length as above, then the text: at most [`INLINE_MAX`] bytes |
//! | `Shared` | at the next multiple of 8: an `Arc<Vec<u8>>` |
//! | `Aggregate` | at the next multiple of 8: the `List`, `Set`, `Zset`, `Hash`, `Stream` or `Damaged` itself, by the type in the header |
//!
//! A key of 16 bytes and a value of 16 bytes take 38 bytes, in a size class of 40. The size of the allocation is not
//! stored: it is the size class of the content, so a change that stays within the class is made in place.
//!
//! # Invariants
//! 1. The allocation has [`usable_size`] of the content's size, and alignment 8.
//! 2. Every byte of the content is initialised.
//! 3. Only `Shared` entries hold an `Arc`, and a new text of at most [`INLINE_MAX`] bytes is never stored that way (an
//!    edit may move it there).
//! 4. The form is `Aggregate` exactly if the type is not `String`, and then a value of that type is stored there.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::fmt;
use std::hint::black_box;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::ds::relocation::{Relocator, relocate_shared};
use crate::ds::table::Element;
use crate::util::hash::hash;
use crate::util::length;
use crate::util::mem::{relocate, usable_size};
use crate::value::aggregate::{Aggregate, AggregateMut, AggregateRef, Kind, MAX_SIZE};
use crate::value::damaged::Damaged;
use crate::value::stored::{Form, INLINE_MAX, Stored, aligned};
use crate::value::{EMBSTR_MAX, Encoding, NewValue, Type, Value, ValueRef};

/// Maximum of the LRU or LFU field.
pub const LRU_MAX: u32 = (1 << 24) - 1;

const TYPE_MASK: u32 = 7;
const EXPIRES: u32 = 1 << 3;
const FORM_SHIFT: u32 = 4;
const FORM_MASK: u32 = 15 << FORM_SHIFT;
const LRU_SHIFT: u32 = 8;

/// What remains to be freed after a value was replaced.
#[derive(Debug)]
pub enum Old {
    /// Nothing: the value was stored in its entry.
    Inline,
    /// A buffer. Dropping it may take long and can be left to another thread.
    Buffer(Arc<Vec<u8>>),
    /// An aggregate, likewise.
    Aggregate(Aggregate),
}

/// An owned entry.
pub struct Entry {
    at: NonNull<u8>,
}

// SAFETY: an entry owns its memory, and everything it contains is `Send`.
unsafe impl Send for Entry {}

/// A borrowed entry. Gives access to its content and allows setting its LRU field.
#[derive(Clone, Copy)]
pub struct EntryRef<'a> {
    at: NonNull<u8>,
    life: PhantomData<&'a Entry>,
}

/// A second pointer to an entry that a table owns, for an index over that table.
pub struct Alias {
    at: NonNull<u8>,
}

// SAFETY: an alias is only sent together with the table that owns the entry.
unsafe impl Send for Alias {}

impl Alias {
    /// A second pointer to `entry`.
    ///
    /// # Safety
    /// Whenever the alias is used, the entry is alive and at the same address.
    pub unsafe fn new(entry: EntryRef<'_>) -> Self {
        Alias { at: entry.at }
    }
}

// SAFETY: the pointer of an entry is aligned to 8, comes from the allocator (below 2^47), and stays the same from
// `into_raw` to `from_raw`.
unsafe impl Element for Entry {
    type Ref<'a> = EntryRef<'a>;

    fn into_raw(self) -> NonNull<u8> {
        ManuallyDrop::new(self).at
    }

    unsafe fn from_raw(at: NonNull<u8>) -> Self {
        Entry { at }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(at: NonNull<u8>) -> EntryRef<'a> {
        EntryRef {
            at,
            life: PhantomData,
        }
    }

    fn hash(entry: EntryRef<'_>) -> u64 {
        hash(entry.key())
    }
}

// SAFETY: as for the entry itself, which is alive as long as the alias is used (`Alias::new`).
unsafe impl Element for Alias {
    type Ref<'a> = EntryRef<'a>;

    fn into_raw(self) -> NonNull<u8> {
        self.at
    }

    unsafe fn from_raw(at: NonNull<u8>) -> Self {
        Alias { at }
    }

    #[inline(always)]
    unsafe fn borrow<'a>(at: NonNull<u8>) -> EntryRef<'a> {
        EntryRef {
            at,
            life: PhantomData,
        }
    }

    fn hash(entry: EntryRef<'_>) -> u64 {
        hash(entry.key())
    }
}

impl<'a> EntryRef<'a> {
    /// The key.
    #[inline]
    pub fn key(self) -> &'a [u8] {
        let (at, len) = self.key_range();
        self.bytes(at, len)
    }

    /// The type of the value.
    pub fn ty(self) -> Type {
        match self.head() & TYPE_MASK {
            0 => Type::String,
            1 => Type::List,
            2 => Type::Set,
            3 => Type::Zset,
            4 => Type::Hash,
            5 => Type::Stream,
            _ => Type::Damaged,
        }
    }

    /// The type that the TYPE command reports: for a corrupt value the one it claims.
    pub fn shown_type(self) -> Type {
        self.get::<Damaged>().map_or(self.ty(), Damaged::ty)
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(self) -> Encoding {
        match self.form() {
            Form::Embstr => Encoding::Embstr,
            Form::Raw | Form::Shared => Encoding::Raw,
            Form::Aggregate => self
                .aggregate()
                .map_or(Encoding::Raw, AggregateRef::encoding),
            _ => Encoding::Int,
        }
    }

    /// The string value. The caller has checked the type; for an aggregate the result is an empty string.
    #[inline]
    pub fn value(self) -> ValueRef<'a> {
        let at = self.value_at();
        match self.form() {
            Form::Embstr | Form::Raw => ValueRef::Bytes(self.text(at)),
            Form::Shared => ValueRef::Shared(self.shared(at)),
            Form::Aggregate => ValueRef::Bytes(&[]),
            form => ValueRef::Int(self.int(at, form.int_width().unwrap_or(0))),
        }
    }

    /// The aggregate, unless the value is a string.
    pub fn aggregate(self) -> Option<AggregateRef<'a>> {
        if self.form() != Form::Aggregate {
            return None;
        }
        let at = self.place();
        // SAFETY: a value of this type is stored there (invariant 4) and lives as long as the entry.
        Some(unsafe {
            match self.ty() {
                Type::List => AggregateRef::List(&*at.cast()),
                Type::Set => AggregateRef::Set(&*at.cast()),
                Type::Zset => AggregateRef::Zset(&*at.cast()),
                Type::Hash => AggregateRef::Hash(&*at.cast()),
                Type::Stream => AggregateRef::Stream(&*at.cast()),
                Type::Damaged => AggregateRef::Damaged(&*at.cast()),
                Type::String => return None,
            }
        })
    }

    /// The value, if it is of type `K`.
    #[inline]
    pub fn get<K: Kind>(self) -> Option<&'a K> {
        self.aggregate().and_then(K::of)
    }

    /// The aggregate for modification.
    ///
    /// # Safety
    /// The owner of the entry is borrowed exclusively for `'a`, and there is no other view of the entry meanwhile.
    pub(super) unsafe fn aggregate_mut(self) -> Option<AggregateMut<'a>> {
        if self.form() != Form::Aggregate {
            return None;
        }
        let at = self.place();
        // SAFETY: a value of this type is stored there (invariant 4), and there is no other view of it.
        Some(unsafe {
            match self.ty() {
                Type::List => AggregateMut::List(&mut *at.cast()),
                Type::Set => AggregateMut::Set(&mut *at.cast()),
                Type::Zset => AggregateMut::Zset(&mut *at.cast()),
                Type::Hash => AggregateMut::Hash(&mut *at.cast()),
                Type::Stream => AggregateMut::Stream(&mut *at.cast()),
                Type::Damaged => AggregateMut::Damaged(&mut *at.cast()),
                Type::String => return None,
            }
        })
    }

    /// Verifies invariant 4 and the structure of the value, and reads the whole content; panics on a violation. For
    /// tests.
    pub fn check(self) {
        assert!(self.at.cast::<u64>().is_aligned(), "alignment");
        let is_aggregate = self.form() == Form::Aggregate;
        assert_eq!(is_aggregate, self.ty() != Type::String, "form and type");
        match self.aggregate() {
            Some(aggregate) => aggregate.check(),
            None => drop(black_box((self.key().to_vec(), self.value().to_vec()))),
        }
    }

    /// The count that OBJECT REFCOUNT reports. Redis shares the objects of small integers and reports the maximum
    /// count for them, which clients rely on.
    pub fn refcount(self) -> i64 {
        match self.value() {
            ValueRef::Int(0..10_000) => i64::from(i32::MAX),
            _ => 1,
        }
    }

    /// The value in a form that stores an equal one with the same encoding. A big text is shared, not copied; an
    /// aggregate is copied.
    pub fn content(self) -> NewValue<'a> {
        if let Some(aggregate) = self.aggregate() {
            return NewValue::Aggregate(aggregate.to_owned());
        }
        match (self.value(), self.encoding()) {
            (ValueRef::Int(number), _) => NewValue::Owned(Value::Int(number)),
            // A short text in a buffer was built by parts and reports `raw`.
            (ValueRef::Shared(buffer), _) if buffer.len() <= EMBSTR_MAX => NewValue::Raw(buffer),
            (ValueRef::Shared(buffer), _) => NewValue::Owned(Value::Shared(Arc::clone(buffer))),
            (ValueRef::Bytes(text), Encoding::Embstr) => NewValue::Text(text),
            (ValueRef::Bytes(text), _) => NewValue::Raw(text),
        }
    }

    /// The expiry in milliseconds of Unix time.
    #[inline]
    pub fn expire(self) -> Option<i64> {
        let bytes = (self.head() & EXPIRES != 0).then(|| self.bytes(4, 8))?;
        bytes.first_chunk().map(|bytes| i64::from_ne_bytes(*bytes))
    }

    /// Whether the key has expired: from the millisecond behind its expiry on.
    #[inline]
    pub fn has_expired(self, now_ms: i64) -> bool {
        self.expire().is_some_and(|at_ms| now_ms > at_ms)
    }

    /// The 24-bit LRU clock or LFU counter.
    #[inline]
    pub fn lru(self) -> u32 {
        self.head() >> LRU_SHIFT
    }

    /// Sets the LRU clock or LFU counter. A shared borrow suffices, since no invariant depends on the field.
    #[inline]
    pub fn set_lru(self, lru: u32) {
        debug_assert!(lru <= LRU_MAX);
        self.atomic_head().store(
            self.head() & ((1 << LRU_SHIFT) - 1) | lru << LRU_SHIFT,
            Ordering::Relaxed,
        );
    }

    /// Memory of the entry and of what it points to; for an aggregate estimated from `samples` elements, 0 visits all
    /// of them.
    pub fn memory(self, samples: usize) -> usize {
        if let Some(aggregate) = self.aggregate() {
            return self.allocated() + aggregate.memory(samples);
        }
        let buffer = match self.value() {
            // The reference counts of the `Arc` precede the vector.
            ValueRef::Shared(buffer) => {
                usable_size(size_of::<[usize; 2]>() + size_of::<Vec<u8>>())
                    + usable_size(buffer.capacity())
            }
            _ => 0,
        };
        self.allocated() + buffer
    }

    /// Number of bytes that the text can grow by before its buffer is reallocated.
    pub fn room(self) -> usize {
        match self.value() {
            ValueRef::Shared(buffer) => buffer.capacity() - buffer.len(),
            _ => 0,
        }
    }

    /// Address of the entry, for DEBUG OBJECT.
    pub fn address(self) -> *const u8 {
        self.at.as_ptr().cast_const()
    }

    /// Whether both are the same entry, at the same address. Accesses neither.
    #[inline]
    pub fn is(self, other: EntryRef<'_>) -> bool {
        self.at == other.at
    }

    #[inline(always)]
    fn atomic_head(self) -> &'a AtomicU32 {
        // SAFETY: the header is at offset 0, aligned, and is only accessed through this function.
        unsafe { AtomicU32::from_ptr(self.at.as_ptr().cast()) }
    }

    #[inline(always)]
    fn head(self) -> u32 {
        self.atomic_head().load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn form(self) -> Form {
        Form::of((self.head() & FORM_MASK) >> FORM_SHIFT)
    }

    /// A part of the content after the header.
    #[inline(always)]
    fn bytes(self, at: usize, len: usize) -> &'a [u8] {
        debug_assert!(at >= 4);
        // SAFETY: private, and called with offsets that follow from the header and the lengths before them, so the
        // bytes are inside the allocation and initialised.
        unsafe { slice::from_raw_parts(self.at.as_ptr().add(at), len) }
    }

    /// Decodes a length. Returns it and the offset after it.
    #[inline(always)]
    fn length(self, at: usize) -> (usize, usize) {
        let first = self.bytes(at, 1)[0];
        match length::following(first) {
            0 => (usize::from(first), at + 1),
            more => (length::decode(self.bytes(at + 1, more)), at + 1 + more),
        }
    }

    /// Offset and length of the key.
    #[inline(always)]
    fn key_range(self) -> (usize, usize) {
        let (len, at) = self.length(key_length_at(self.head() & EXPIRES != 0));
        (at, len)
    }

    #[inline(always)]
    fn value_at(self) -> usize {
        let (at, len) = self.key_range();
        at + len
    }

    fn text(self, value_at: usize) -> &'a [u8] {
        let (len, at) = self.length(value_at);
        self.bytes(at, len)
    }

    fn int(self, value_at: usize, width: usize) -> i64 {
        match *self.bytes(value_at, width) {
            [a] => i8::from_le_bytes([a]).into(),
            [a, b] => i16::from_le_bytes([a, b]).into(),
            [a, b, c] => i64::from(i32::from_le_bytes([0, a, b, c]) >> 8),
            [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
            [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => 0,
        }
    }

    /// Address of a value that is stored as a typed object (`Shared` or `Aggregate`).
    fn place(self) -> *mut u8 {
        let at = aligned(self.value_at());
        // SAFETY: private, and called for entries of form `Shared` or `Aggregate`, whose value is stored there.
        unsafe { self.at.as_ptr().add(at) }
    }

    fn shared(self, value_at: usize) -> &'a Arc<Vec<u8>> {
        // SAFETY: private, and called for entries of form `Shared`, which hold an aligned `Arc` there.
        unsafe { &*self.at.as_ptr().add(aligned(value_at)).cast() }
    }

    /// The offset after a value that is stored in the entry.
    fn content_end(self) -> usize {
        let at = self.value_at();
        match self.form().int_width() {
            Some(width) => at + width,
            None => {
                let (len, at) = self.length(at);
                at + len
            }
        }
    }

    /// Size of the allocation of the entry itself.
    fn allocated(self) -> usize {
        let at = self.value_at();
        usable_size(match self.form() {
            Form::Embstr | Form::Raw => {
                let (len, at) = self.length(at);
                at + len
            }
            Form::Shared => aligned(at) + size_of::<Arc<Vec<u8>>>(),
            Form::Aggregate => aligned(at) + MAX_SIZE,
            form => at + form.int_width().unwrap_or(0),
        })
    }
}

impl fmt::Debug for EntryRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Entry");
        debug.field("key", &self.key().escape_ascii().to_string());
        debug
            .field("value", &self.value())
            .field("expire", &self.expire())
            .finish_non_exhaustive()
    }
}

impl Entry {
    /// A new entry.
    pub fn new<'v>(
        key: &[u8],
        value: impl Into<NewValue<'v>>,
        expire: Option<i64>,
        lru: u32,
    ) -> Self {
        debug_assert!(lru <= LRU_MAX);
        let value = Stored::new(value.into());
        let key_at = key_length_at(expire.is_some()) + length::width(key.len());
        let mut entry = Entry {
            at: allocate(usable_size(value.size_behind(key_at + key.len()))),
        };
        let expires = if expire.is_some() { EXPIRES } else { 0 };
        entry.set_head(expires | lru << LRU_SHIFT);
        if let Some(at_ms) = expire {
            entry.put(4, &at_ms.to_ne_bytes());
        }
        entry.put_length(key_length_at(expire.is_some()), key.len());
        entry.put(key_at, key);
        entry.put_value(key_at + key.len(), value);
        entry
    }

    /// Borrows the entry.
    #[inline]
    pub fn view(&self) -> EntryRef<'_> {
        EntryRef {
            at: self.at,
            life: PhantomData,
        }
    }

    /// A new entry with the same value, expiry and LRU field under another key.
    #[must_use]
    pub fn renamed(mut self, key: &[u8]) -> Entry {
        let (expire, lru) = (self.view().expire(), self.view().lru());
        if self.view().aggregate().is_none() {
            return Entry::new(key, self.view().content(), expire, lru);
        }
        match self.set_value(0) {
            Old::Aggregate(aggregate) => Entry::new(key, aggregate, expire, lru),
            Old::Inline | Old::Buffer(_) => {
                unreachable!("the value was just seen to be an aggregate")
            }
        }
    }

    /// Replaces the value. Returns what remains to be freed of the old one.
    pub fn set_value<'v>(&mut self, value: impl Into<NewValue<'v>>) -> Old {
        self.store(Stored::new(value.into()))
    }

    /// Overwrites an integer by one of the same width, which moves nothing. Returns whether that was so.
    pub(super) fn overwrite_int(&mut self, number: i64) -> bool {
        let form = Form::of_int(number);
        if self.view().form() != form {
            return false;
        }
        let (at, bytes) = (self.view().value_at(), number.to_le_bytes());
        // Each is a store of its width.
        match form {
            Form::Int1 => self.put(at, &bytes[..1]),
            Form::Int2 => self.put(at, &bytes[..2]),
            Form::Int3 => self.put(at, &bytes[..3]),
            Form::Int4 => self.put(at, &bytes[..4]),
            _ => self.put(at, &bytes),
        }
        true
    }

    /// Replaces the value by a growable buffer, whatever its length.
    pub(super) fn set_buffer(&mut self, buffer: Arc<Vec<u8>>) {
        self.store(Stored::Shared(buffer));
    }

    /// Sets or removes the expiry.
    pub fn set_expire(&mut self, expire: Option<i64>) {
        let had = self.view().expire().is_some();
        if had != expire.is_some() {
            self.shift_for_expiry(expire.is_some());
        }
        if let Some(at_ms) = expire {
            self.put(4, &at_ms.to_ne_bytes());
        }
    }

    /// Converts the string to a form that is edited in place: a text of form `Raw` or `Shared`.
    pub(super) fn make_raw(&mut self) {
        let value = self.view().value();
        if let ValueRef::Int(_) = value {
            let digits = value.to_vec();
            self.set_value(NewValue::Raw(&digits));
        } else if self.view().form() == Form::Embstr {
            self.set_form(Type::String, Form::Raw);
        }
    }

    /// The text, if it is stored in the entry itself.
    pub(super) fn inline_mut(&mut self) -> Option<&mut [u8]> {
        if !matches!(self.view().form(), Form::Embstr | Form::Raw) {
            return None;
        }
        let (len, at) = self.view().length(self.view().value_at());
        // SAFETY: the text of the entry (invariant 2), borrowed for as long as the entry is.
        Some(unsafe { slice::from_raw_parts_mut(self.at.as_ptr().add(at), len) })
    }

    /// Zero-pads a text that is stored in the entry to `len` bytes, at most [`INLINE_MAX`].
    pub(super) fn grow_inline(&mut self, len: usize) {
        assert!(matches!(self.view().form(), Form::Embstr | Form::Raw) && len <= INLINE_MAX);
        let at = self.view().value_at();
        let (old_len, old_text_at) = self.view().length(at);
        let text_at = at + length::width(len);
        self.reallocate(self.view().allocated(), usable_size(text_at + len));
        // SAFETY: the allocation now holds `text_at + len` bytes and `old_len <= len` of text; the encoded length in
        // front of the text may have become wider, so the text moves within the allocation.
        unsafe {
            let base = self.at.as_ptr();
            ptr::copy(base.add(old_text_at), base.add(text_at), old_len);
            ptr::write_bytes(base.add(text_at + old_len), 0, len - old_len);
        }
        self.put_length(at, len);
    }

    /// The buffer of a text that is not stored in the entry.
    pub(super) fn shared_mut(&mut self) -> Option<&mut Arc<Vec<u8>>> {
        if self.view().form() != Form::Shared {
            return None;
        }
        let at = aligned(self.view().value_at());
        // SAFETY: an entry of form `Shared` holds an aligned `Arc` there.
        Some(unsafe { &mut *self.at.as_ptr().add(at).cast() })
    }

    /// Moves the allocations of the value, those of about `count` elements if it is an aggregate. Returns the cursor for
    /// the rest, 0 if there is none.
    pub(super) fn relocate_value(&mut self, count: usize, relocator: &mut dyn Relocator) -> u64 {
        if let Some(buffer) = self.shared_mut() {
            relocate_shared(buffer, relocator);
        }
        // SAFETY: the entry is borrowed exclusively, and there is no other view of it.
        match unsafe { self.view().aggregate_mut() } {
            Some(aggregate) => aggregate.relocate(0, count, relocator),
            None => 0,
        }
    }

    /// Moves the entry itself.
    pub(super) fn relocate(&mut self) {
        let layout = layout(self.view().allocated());
        // SAFETY: the entry owns the allocation, which has this layout (invariant 1).
        self.at = unsafe { relocate(self.at, layout) };
    }

    /// Moves everything after the header to make room for an expiry or to close its gap.
    fn shift_for_expiry(&mut self, expires: bool) {
        let size = self.view().allocated();
        let (from, to) = (key_length_at(!expires), key_length_at(expires));
        let value_at = self.view().value_at();
        let apart = self.take_apart();
        // The part to move: up to the end of the value, or only up to the pointers, which are written anew.
        let end = if apart.is_some() {
            value_at
        } else {
            self.view().content_end()
        };
        let new_value_at = value_at + to - from;
        let new_size = usable_size(match &apart {
            Some(value) => value.size_behind(new_value_at),
            None => end + to - from,
        });
        if expires {
            self.reallocate(size, new_size);
        }
        // SAFETY: `from..end` and its new place are inside the allocation, which has the larger of both sizes.
        unsafe {
            let base = self.at.as_ptr();
            ptr::copy(base.add(from), base.add(to), end - from);
        }
        if !expires {
            self.reallocate(size, new_size);
        }
        self.set_head(self.view().head() ^ EXPIRES);
        if let Some(value) = apart {
            self.put_value(new_value_at, value);
        }
    }

    fn store(&mut self, value: Stored<'_>) -> Old {
        let at = self.view().value_at();
        let size = self.view().allocated();
        let old = match self.take_apart() {
            Some(Stored::Shared(buffer)) => Old::Buffer(buffer),
            Some(Stored::Aggregate(aggregate)) => Old::Aggregate(aggregate),
            _ => Old::Inline,
        };
        self.reallocate(size, usable_size(value.size_behind(at)));
        self.put_value(at, value);
        old
    }

    /// Moves a `Shared` or `Aggregate` value out. The caller must write another value before the entry is used again.
    fn take_apart(&mut self) -> Option<Stored<'static>> {
        let form = self.view().form();
        if !matches!(form, Form::Shared | Form::Aggregate) {
            return None;
        }
        let at = self.view().place();
        // SAFETY: a value of this form and type is stored there (invariants 3 and 4); every caller overwrites the
        // place without a drop, or frees it.
        Some(unsafe {
            match self.view().ty() {
                Type::String => Stored::Shared(at.cast::<Arc<Vec<u8>>>().read()),
                Type::List => Stored::Aggregate(Aggregate::List(ptr::read(at.cast()))),
                Type::Set => Stored::Aggregate(Aggregate::Set(ptr::read(at.cast()))),
                Type::Zset => Stored::Aggregate(Aggregate::Zset(ptr::read(at.cast()))),
                Type::Hash => Stored::Aggregate(Aggregate::Hash(ptr::read(at.cast()))),
                Type::Stream => Stored::Aggregate(Aggregate::Stream(ptr::read(at.cast()))),
                Type::Damaged => Stored::Aggregate(Aggregate::Damaged(ptr::read(at.cast()))),
            }
        })
    }

    fn put_value(&mut self, at: usize, value: Stored<'_>) {
        self.set_form(value.ty(), value.form());
        match value {
            Stored::Int(number, form) => {
                self.put(at, &number.to_le_bytes()[..form.int_width().unwrap_or(0)]);
            }
            Stored::Text(text, _) => {
                let at = self.put_length(at, text.len());
                self.put(at, &text);
            }
            // SAFETY: the allocation has room for the `Arc` at this aligned offset (`size_behind`).
            Stored::Shared(buffer) => unsafe {
                let place: *mut Arc<Vec<u8>> = self.at.as_ptr().add(aligned(at)).cast();
                place.write(buffer);
            },
            // SAFETY: likewise: `MAX_SIZE` is at least the size of each of the types (asserted in `aggregate.rs`).
            Stored::Aggregate(aggregate) => unsafe {
                let place = self.at.as_ptr().add(aligned(at));
                match aggregate {
                    Aggregate::List(own) => ptr::write(place.cast(), own),
                    Aggregate::Set(own) => ptr::write(place.cast(), own),
                    Aggregate::Zset(own) => ptr::write(place.cast(), own),
                    Aggregate::Hash(own) => ptr::write(place.cast(), own),
                    Aggregate::Stream(own) => ptr::write(place.cast(), own),
                    Aggregate::Damaged(own) => ptr::write(place.cast(), own),
                }
            },
        }
    }

    /// Writes an encoded length. Returns the offset after it.
    fn put_length(&mut self, at: usize, len: usize) -> usize {
        let (coded, width) = (length::encode(len), length::width(len));
        self.put(at, &coded[..width]);
        at + width
    }

    fn put(&mut self, at: usize, bytes: &[u8]) {
        // SAFETY: private, and called within the size that the entry was allocated for; `bytes` cannot be the entry's
        // own, which is borrowed exclusively.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), self.at.as_ptr().add(at), bytes.len()) }
    }

    fn set_head(&mut self, head: u32) {
        self.view().atomic_head().store(head, Ordering::Relaxed);
    }

    fn set_form(&mut self, ty: Type, form: Form) {
        let kept = self.view().head() & !(FORM_MASK | TYPE_MASK);
        self.set_head(kept | ty as u32 | (form as u32) << FORM_SHIFT);
    }

    fn reallocate(&mut self, old: usize, new: usize) {
        if old == new {
            return;
        }
        // SAFETY: the allocation has the layout of its old size (invariant 1); `new` is not 0.
        let at = unsafe { realloc(self.at.as_ptr(), layout(old), new) };
        self.at = NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout(new)));
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let size = self.view().allocated();
        drop(self.take_apart());
        // SAFETY: the entry owns the allocation, which has this layout (invariant 1).
        unsafe { dealloc(self.at.as_ptr(), layout(size)) }
    }
}

fn allocate(size: usize) -> NonNull<u8> {
    // SAFETY: `size` is a size class, never 0.
    let at = unsafe { alloc(layout(size)) };
    NonNull::new(at).unwrap_or_else(|| handle_alloc_error(layout(size)))
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).expect("an entry is smaller than the address space")
}

#[inline(always)]
fn key_length_at(expires: bool) -> usize {
    if expires { 12 } else { 4 }
}
