//! A growable byte buffer behind a thin pointer, for values that exist in millions.
//!
//! `Vec` takes three words and does not know the actual size of its allocation. This buffer stores no capacity: it is
//! the size class ([`usable_size`]) of the length, so a change within the class does not call the allocator, and
//! growth costs one reallocation per class (four per doubling, which keeps it amortised and wastes at most a quarter).
//!
//! The length and a small tag of the owner are stored beside the pointer, so the bytes fill a size class exactly. The
//! buffer is packed, so that an enum over such buffers and words takes two words.
//!
//! # Invariants
//! 1. An empty buffer has no allocation: the pointer dangles.
//! 2. Otherwise the allocation has size [`usable_size`] of the length, alignment [`ALIGN`], and its bytes are
//!    initialised up to the length.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};
use std::hint::black_box;
use std::ops::Range;
use std::ptr::{self, NonNull};
use std::slice;

use crate::ds::relocation::Relocator;
use crate::util::mem::{relocate, usable_size};

const ALIGN: usize = 8;

/// Maximum length of a buffer.
const MAX_LEN: usize = u32::MAX as usize;

/// A growable buffer with its length and a tag of its owner beside the pointer.
#[repr(Rust, packed)]
pub struct TaggedThin<T: Copy> {
    at: NonNull<u8>,
    len: u32,
    tag: T,
}

// SAFETY: a buffer has exclusive ownership of its memory, like a `Vec<u8>`; the tag is an independent value.
unsafe impl<T: Copy + Send> Send for TaggedThin<T> {}
// SAFETY: shared access only reads.
unsafe impl<T: Copy + Sync> Sync for TaggedThin<T> {}

impl<T: Copy> TaggedThin<T> {
    /// An empty buffer; allocates nothing.
    pub const fn new(tag: T) -> Self {
        TaggedThin {
            at: NonNull::dangling(),
            len: 0,
            tag,
        }
    }

    /// The tag.
    #[inline(always)]
    pub fn tag(&self) -> T {
        self.tag
    }

    /// Sets the tag.
    #[inline(always)]
    pub fn set_tag(&mut self, tag: T) {
        self.tag = tag;
    }

    /// Length in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether the buffer is empty.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes.
    #[inline(always)]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `len` bytes are initialised there; the pointer dangles only if `len` is 0.
        unsafe { slice::from_raw_parts({ self.at }.as_ptr(), self.len()) }
    }

    /// The bytes for modification in place.
    #[inline(always)]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut({ self.at }.as_ptr(), self.len()) }
    }

    /// Replaces the bytes in `range` by the concatenation of `parts`.
    pub fn splice(&mut self, range: Range<usize>, parts: &[&[u8]]) {
        let len = self.len();
        // SAFETY: the allocation is that of `len` bytes.
        unsafe {
            let (at, len) = splice(self.at, len, range, parts);
            self.at = at.unwrap_or(NonNull::dangling());
            self.len = len as u32;
        }
    }

    /// Bytes allocated.
    pub fn memory(&self) -> usize {
        allocated(self.len())
    }

    /// Moves the bytes if `relocator` says so.
    pub fn relocate(&mut self, relocator: &mut dyn Relocator) {
        if !self.is_empty() && relocator.should_move({ self.at }.as_ptr()) {
            // SAFETY: the buffer owns the allocation, which has this layout (invariant 2).
            self.at = unsafe { relocate(self.at, layout(self.len())) };
        }
    }

    /// Verifies the invariants as far as possible; panics on a violation. For tests.
    pub fn check(&self) {
        let is_dangling = { self.at } == NonNull::dangling();
        assert_eq!(is_dangling, self.is_empty(), "an allocation of no bytes");
        assert!(
            is_dangling || { self.at }.cast::<u64>().is_aligned(),
            "alignment"
        );
        touch(self.bytes());
    }
}

impl<T: Copy> Clone for TaggedThin<T> {
    fn clone(&self) -> Self {
        let mut copy = TaggedThin::new(self.tag);
        copy.splice(0..0, &[self.bytes()]);
        copy
    }
}

impl<T: Copy> Drop for TaggedThin<T> {
    fn drop(&mut self) {
        // SAFETY: the allocation of `len` bytes is released once.
        unsafe { release(self.at, self.len()) }
    }
}

/// Reads every byte, so that AddressSanitizer reports one outside the allocation.
fn touch(bytes: &[u8]) {
    black_box(bytes.iter().fold(0u8, |all, byte| all ^ byte));
}

/// Bytes allocated for `len` bytes.
fn allocated(len: usize) -> usize {
    if len == 0 { 0 } else { usable_size(len) }
}

fn layout(len: usize) -> Layout {
    // A length is below 2^32, so its size class cannot overflow.
    Layout::from_size_align(allocated(len), ALIGN).unwrap_or(Layout::new::<u64>())
}

/// # Safety
/// `at` is the allocation of `len` bytes, or `len` is 0 and there is none.
unsafe fn release(at: NonNull<u8>, len: usize) {
    if len > 0 {
        // SAFETY: the caller's promise, with the layout of invariant 2.
        unsafe { dealloc(at.as_ptr(), layout(len)) }
    }
}

/// Replaces `range` of `len` bytes by `parts`. Returns the new allocation, if any, and its length.
///
/// # Safety
/// As for [`release`]; the caller owns the allocation and replaces its pointer by the one returned.
unsafe fn splice(
    at: NonNull<u8>,
    len: usize,
    range: Range<usize>,
    parts: &[&[u8]],
) -> (Option<NonNull<u8>>, usize) {
    assert!(range.start <= range.end && range.end <= len, "inside");
    let added: usize = parts.iter().map(|part| part.len()).sum();
    let new_len = len - range.len() + added;
    assert!(new_len <= MAX_LEN, "a buffer of more than 4 GiB");
    // SAFETY: the tail moves within memory that is large enough, before a shrinking and after a growing reallocation;
    // the parts are borrowed from elsewhere and written within it.
    unsafe {
        let tail = len - range.end;
        let from = range.end;
        let to = range.start + added;
        let mut at = at;
        if new_len >= len {
            at = resize(at, len, new_len);
            ptr::copy(at.as_ptr().add(from), at.as_ptr().add(to), tail);
        } else {
            ptr::copy(at.as_ptr().add(from), at.as_ptr().add(to), tail);
            at = resize(at, len, new_len);
        }
        let mut place = range.start;
        for part in parts {
            ptr::copy_nonoverlapping(part.as_ptr(), at.as_ptr().add(place), part.len());
            place += part.len();
        }
        ((new_len > 0).then_some(at), new_len)
    }
}

/// Reallocates for `new` bytes. Aborts when out of memory, like every allocation.
///
/// # Safety
/// As for [`splice`].
unsafe fn resize(at: NonNull<u8>, old: usize, new: usize) -> NonNull<u8> {
    let (before, after) = (layout(old), layout(new));
    if new == 0 {
        // SAFETY: the caller's promise.
        unsafe { release(at, old) }
        return at;
    }
    if old > 0 && before == after {
        return at;
    }
    // SAFETY: `new` is not 0, so neither is the size; the old allocation, if any, has the layout of invariant 2.
    let raw = unsafe {
        if old == 0 {
            alloc(after)
        } else {
            realloc(at.as_ptr(), before, after.size())
        }
    };
    NonNull::new(raw).unwrap_or_else(|| handle_alloc_error(after))
}

#[cfg(test)]
mod tests {
    use super::TaggedThin;
    use crate::util::rand::Rng;

    #[test]
    fn splices_like_a_vector() {
        let mut rng = Rng::new(1);
        let (mut thin, mut model) = (TaggedThin::new(7u8), Vec::new());
        for _ in 0..20_000 {
            let start = rng.below(model.len() as u64 + 1) as usize;
            let most = (model.len() - start) as u64;
            let end = start + (rng.below(most + 1) as usize).min(rng.below(200) as usize);
            let part: Vec<u8> = (0..rng.below(150)).map(|_| rng.next_u64() as u8).collect();
            let parts: [&[u8]; 3] = [&part, &[], &part[..part.len() / 2]];
            let end = if rng.below(500) == 0 {
                model.len()
            } else {
                end
            };
            thin.splice(start..end, &parts);
            model.splice(start..end, parts.concat());
            thin.check();
            assert!(thin.bytes() == model);
            assert_eq!(thin.is_empty(), model.is_empty());
        }
        assert!(thin.clone().bytes_mut() == model);
        assert_eq!(thin.clone().tag(), 7);
        thin.splice(0..model.len(), &[]);
        assert_eq!((thin.len(), thin.memory()), (0, 0));
        assert!(thin.bytes_mut().is_empty() && thin.clone().is_empty());
    }

    #[test]
    fn sizes_of_buffers_and_allocations() {
        assert_eq!(size_of::<Option<TaggedThin<u16>>>(), 14);
        let mut thin = TaggedThin::new(());
        thin.splice(0..0, &[&[0; 1024]]);
        assert_eq!(thin.memory(), 1024);
    }
}
