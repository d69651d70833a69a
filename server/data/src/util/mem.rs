//! Memory below the level of `Vec`: the allocator's size classes, and arrays of cache lines.
//!
//! [`usable_size`] computes what jemalloc allocates for a request, so a thin allocation knows its capacity without
//! storing it. [`LineArray`] is the storage of hash tables: zeroed cache lines, from the heap while small and from
//! `mmap` when big, so that a big array uses no memory until its pages are touched and can release pages while it is
//! still in use.
//!
//! # Invariants
//! 1. A `LineArray` is always fully initialised: every word was zeroed or written.
//! 2. Only lines that are all zero are discarded, so a discarded line still reads as zero on every platform, whatever
//!    its `MADV_DONTNEED` does.

#![allow(unsafe_code)]

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The size that jemalloc with quantum 8 allocates for a request of `size` bytes.
///
/// Classes are multiples of 8 up to 64, then four per doubling. A size of 0 takes 8. Under AddressSanitizer
/// (`cfg(asan)`) classes are multiples of 8 throughout, so that it detects accesses past the content and not just past
/// the size class.
#[inline]
pub const fn usable_size(size: usize) -> usize {
    if size <= 64 || cfg!(asan) {
        return if size == 0 { 8 } else { (size + 7) & !7 };
    }
    let doubling = usize::BITS - (size - 1).leading_zeros();
    let step = 1 << (doubling - 3);
    (size + step - 1) & !(step - 1)
}

/// Prefetches the cache line of `address`. Never faults, whatever the address.
#[inline(always)]
pub fn prefetch<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch of any address, mapped or not, has no architectural effect.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Moves an allocation of the global allocator to a new place. Aborts when out of memory, like every allocation.
///
/// # Safety
/// `at` is an allocation with this layout, which is not of size 0. The caller replaces its pointer by the result, and
/// no other pointer to the allocation is used again.
pub unsafe fn relocate(at: NonNull<u8>, layout: Layout) -> NonNull<u8> {
    // SAFETY: both allocations have this layout, are distinct, and the old one is not used again. Bytes that were not
    // initialised stay so.
    unsafe {
        let moved = NonNull::new(alloc(layout)).unwrap_or_else(|| handle_alloc_error(layout));
        ptr::copy_nonoverlapping(at.as_ptr(), moved.as_ptr(), layout.size());
        dealloc(at.as_ptr(), layout);
        moved
    }
}

/// Eight words that share a cache line.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheLine(pub [u64; 8]);

/// Arrays of at least this many bytes are mapped; below that, zeroing is cheaper than page faults.
const MAP_FROM: usize = 128 << 10;

/// Pages are discarded in pieces of this many bytes: one system call each, about 30 µs.
const DISCARD_CHUNK: usize = 128 << 10;

/// Lines per piece.
pub const DISCARD_LINES: usize = DISCARD_CHUNK / size_of::<CacheLine>();

/// Bytes of all mapped arrays: what the allocator does not count.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of all mapped arrays, without the lines that were discarded or are not in use yet.
#[inline]
pub fn mapped() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

/// A fixed array of zeroed cache lines.
pub struct LineArray {
    lines: NonNull<CacheLine>,
    len: usize,
    /// Number of lines at the front that were discarded.
    discarded: usize,
    /// Lines before this one may have been written; the pages of the others were never touched.
    in_use: usize,
}

// SAFETY: the array has exclusive ownership of its memory, like a `Box<[CacheLine]>`.
unsafe impl Send for LineArray {}
// SAFETY: shared access only reads.
unsafe impl Sync for LineArray {}

impl LineArray {
    /// An array of `len` lines, all zero. Aborts when out of memory, like every allocation.
    pub fn zeroed(len: usize) -> Self {
        let lines = if len == 0 {
            NonNull::dangling()
        } else if is_mapped(len) {
            map(len)
        } else {
            let layout = heap_layout(len);
            // SAFETY: `len` is not 0, so neither is the layout's size; a line of zeros is a valid value.
            let raw = unsafe { alloc_zeroed(layout) };
            NonNull::new(raw.cast()).unwrap_or_else(|| handle_alloc_error(layout))
        };
        let array = LineArray {
            lines,
            len,
            discarded: 0,
            in_use: len,
        };
        MAPPED.fetch_add(array.mapped_bytes(), Ordering::Relaxed);
        array
    }

    /// Lines from `line` on are not in use yet: a table that is filled from the front grows by what it is filled with.
    pub fn use_until(&mut self, line: usize) {
        let before = self.mapped_bytes();
        self.in_use = line.clamp(self.discarded, self.len);
        self.count_since(before);
    }

    /// Counts what has changed since the array had `before` mapped bytes.
    fn count_since(&self, before: usize) {
        // Wrapping addition also subtracts.
        MAPPED.fetch_add(self.mapped_bytes().wrapping_sub(before), Ordering::Relaxed);
    }

    /// The address of the lines, if they are from the heap.
    pub fn heap_address(&self) -> Option<*const u8> {
        (self.len > 0 && !is_mapped(self.len)).then(|| self.lines.as_ptr().cast_const().cast())
    }

    /// Copies the lines into a new array, which replaces this one.
    pub fn relocate(&mut self) {
        let mut moved = Self::zeroed(self.len);
        moved.copy_from_slice(self);
        moved.use_until(self.in_use);
        *self = moved;
    }

    /// Bytes of the array, resident or not.
    pub fn bytes(&self) -> usize {
        self.len * size_of::<CacheLine>()
    }

    /// Bytes of the array that are in use, mapped directly and so unknown to the allocator.
    pub fn mapped_bytes(&self) -> usize {
        if is_mapped(self.len) {
            (self.in_use - self.discarded) * size_of::<CacheLine>()
        } else {
            0
        }
    }

    /// Discards the pages of the lines before `line`, in whole pieces of [`DISCARD_LINES`]. The caller has zeroed
    /// these lines.
    pub fn discard_before(&mut self, line: usize) {
        let end = line.min(self.len) / DISCARD_LINES * DISCARD_LINES;
        if !is_mapped(self.len) || end <= self.discarded {
            return;
        }
        debug_assert!(
            self[self.discarded..end]
                .iter()
                .all(|line| *line == CacheLine::default())
        );
        // SAFETY: `discarded..end` is in our own private mapping, starts at a page (a multiple of 128 KiB from its
        // base), and holds only zeros, which is what it reads as afterwards.
        unsafe {
            let start = self.lines.add(self.discarded).as_ptr();
            let bytes = (end - self.discarded) * size_of::<CacheLine>();
            // A failure only costs memory until the array is dropped.
            libc::madvise(start.cast(), bytes, libc::MADV_DONTNEED);
        }
        let before = self.mapped_bytes();
        self.discarded = end;
        self.in_use = self.in_use.max(end);
        self.count_since(before);
    }
}

impl Deref for LineArray {
    type Target = [CacheLine];

    #[inline(always)]
    fn deref(&self) -> &[CacheLine] {
        // SAFETY: invariant 1; the pointer dangles only if `len` is 0.
        unsafe { slice::from_raw_parts(self.lines.as_ptr(), self.len) }
    }
}

impl DerefMut for LineArray {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [CacheLine] {
        // SAFETY: as above, and the borrow is exclusive.
        unsafe { slice::from_raw_parts_mut(self.lines.as_ptr(), self.len) }
    }
}

impl Drop for LineArray {
    fn drop(&mut self) {
        if self.len == 0 {
            return;
        }
        MAPPED.fetch_sub(self.mapped_bytes(), Ordering::Relaxed);
        // SAFETY: memory of `zeroed`, released once and in the same way as it was obtained.
        unsafe {
            if is_mapped(self.len) {
                libc::munmap(self.lines.as_ptr().cast(), self.bytes());
            } else {
                dealloc(self.lines.as_ptr().cast(), heap_layout(self.len));
            }
        }
    }
}

fn is_mapped(len: usize) -> bool {
    len >= MAP_FROM / size_of::<CacheLine>()
}

fn heap_layout(len: usize) -> Layout {
    // `len` is below the mapping threshold, so the size cannot overflow.
    Layout::array::<CacheLine>(len).unwrap_or(Layout::new::<CacheLine>())
}

fn map(len: usize) -> NonNull<CacheLine> {
    let bytes = len
        .checked_mul(size_of::<CacheLine>())
        .expect("table size fits the address space");
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: a new anonymous mapping, which aliases nothing and reads as zeros.
    let raw = unsafe { libc::mmap(ptr::null_mut(), bytes, access, kind, -1, 0) };
    if raw == libc::MAP_FAILED {
        handle_alloc_error(Layout::new::<CacheLine>());
    }
    NonNull::new(raw.cast()).expect("the system maps no anonymous memory at address 0")
}

#[cfg(test)]
mod tests {
    #[cfg(not(asan))]
    use super::usable_size;
    use super::{CacheLine, DISCARD_LINES, LineArray};

    #[cfg(not(asan))]
    #[test]
    fn size_classes_are_those_of_quantum_8() {
        let rows = [
            (0, 8),
            (1, 8),
            (8, 8),
            (9, 16),
            (17, 24),
            (50, 56),
            (64, 64),
            (65, 80),
            (81, 96),
            (112, 112),
            (113, 128),
            (128, 128),
            (129, 160),
            (161, 192),
            (256, 256),
            (257, 320),
            (513, 640),
            (4096, 4096),
            (4097, 5120),
            (14337, 16384),
            (16385, 20480),
            ((1 << 20) + 1, (1 << 20) + (1 << 18)),
        ];
        for (request, usable) in rows {
            assert_eq!(usable_size(request), usable, "{request}");
        }
    }

    #[test]
    fn arrays_read_as_zero_before_use_and_after_discard() {
        for len in [0, 1, 7, 2047, 2048, 4 * DISCARD_LINES + 3] {
            let mut array = LineArray::zeroed(len);
            assert!(array.iter().all(|line| line.0 == [0; 8]));
            array.iter_mut().for_each(|line| line.0 = [7; 8]);
            let half = len / 2;
            array[..half].fill(CacheLine::default());
            let before = array.mapped_bytes();
            array.discard_before(half);
            assert!(array[..half].iter().all(|line| line.0 == [0; 8]));
            assert!(array[half..].iter().all(|line| line.0 == [7; 8]));
            let given_back = before - array.mapped_bytes();
            assert_eq!(
                given_back,
                if len > 2 * DISCARD_LINES {
                    half / DISCARD_LINES * DISCARD_LINES * 64
                } else {
                    0
                }
            );
        }
    }
}
