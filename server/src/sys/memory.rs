//! The allocator: jemalloc with quantum 8, counted.
//!
//! Counting is per thread and in usable sizes. A thread adds to its own counter and merges it into the common one when
//! it has drifted by [`FOLD`] bytes. `used()` is exact for the calling thread and off by at most `FOLD` for each other
//! thread.
//!
//! # Invariants
//! 1. Memory is aligned as requested. With quantum 8 a class such as 24 or 56 is only aligned to 8, so an alignment
//!    above 8 is always passed on (the published wrapper drops it up to 16, which is undefined behaviour here).
//! 2. OpenSSL's hooks get 16-byte alignment, as C's `malloc` promises: small sizes are rounded up to a class that has it.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::sync::atomic::{AtomicIsize, AtomicPtr, AtomicUsize, Ordering::Relaxed};

use data::util::mem::mapped;

#[cfg(asan)]
use crate::sys::system_malloc as je;
#[cfg(not(asan))]
use tikv_jemalloc_sys as je;

/// Drift after which a thread's counter is merged into the common one, in bytes.
const FOLD: isize = 64 * 1024;

/// Alignment of memory for C code.
const C_ALIGN: usize = 16;

/// Size classes above this are multiples of 16, and so are their addresses.
const ALIGNED_FROM: usize = 64;

/// Above this size classes depend on the version and the options of jemalloc.
const MAX_CLASS: usize = 32 * 1024;

/// jemalloc's defaults put 64 to 4,096 bytes, if a power of two, into slabs of one page, each of which has 128 bytes of
/// metadata: 64 bytes per 2,048. Slabs of several pages, as all other classes have, cost an eighth of that or less.
#[unsafe(export_name = "_rjem_malloc_conf")]
static OPTIONS: AtomicPtr<c_char> = AtomicPtr::new(
    c"slab_sizes:64-64:4|128-128:4|256-256:4|512-512:4|1024-1024:4|2048-2048:8|4096-4096:8"
        .as_ptr()
        .cast_mut(),
);

static TOTAL: AtomicIsize = AtomicIsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static DRIFT: Cell<isize> = const { Cell::new(0) };
}

/// The process's global allocator.
pub struct Jemalloc;

/// The flags of an allocation. An alignment is only passed where the size class does not guarantee it: jemalloc takes
/// large allocations with an explicit alignment past its cache, at ten times the cost (OpenSSL's record buffers, twice
/// per request: 8 % of a TLS SET).
#[inline]
fn flags(size: usize, align: usize) -> c_int {
    if align <= 8 || align <= 16 && size > ALIGNED_FROM {
        0
    } else {
        je::MALLOCX_ALIGN(align)
    }
}

#[inline]
fn count(bytes: isize) {
    // While a thread exits, after its locals are gone, the common counter is used.
    let counted = DRIFT.try_with(|drift| {
        let now = drift.get() + bytes;
        if now.abs() < FOLD {
            drift.set(now);
        } else {
            drift.set(0);
            TOTAL.fetch_add(now, Relaxed);
        }
    });
    if counted.is_err() {
        TOTAL.fetch_add(bytes, Relaxed);
    }
}

/// The usable size of an allocation.
#[inline]
fn usable(size: usize, flags: c_int) -> isize {
    if flags == 0 && size <= MAX_CLASS && cfg!(not(asan)) {
        return size_class(size) as isize;
    }
    // SAFETY: nallocx only computes; its size must not be 0.
    unsafe { je::nallocx(size.max(1), flags) as isize }
}

/// What `nallocx` computes without flags for sizes up to [`MAX_CLASS`], inline: classes are multiples of 8 up to 64 bytes, and
/// four in each doubling from there on.
#[inline]
const fn size_class(size: usize) -> usize {
    let last = size.saturating_sub(1);
    let spacing = 1 << ((last | 63).ilog2() - 2);
    (last | (spacing - 1)) + 1
}

/// Allocates. Only `malloc` has a fast path, and only an allocation without flags can take it.
///
/// # Safety
/// The size is above 0.
#[inline]
unsafe fn allocate(size: usize, flags: c_int) -> *mut u8 {
    // SAFETY: by the caller's promise.
    let block: *mut u8 = unsafe {
        if flags == 0 {
            je::malloc(size).cast()
        } else {
            je::mallocx(size, flags).cast()
        }
    };
    if !block.is_null() {
        count(usable(size, flags));
    }
    block
}

// SAFETY: every call goes to jemalloc with the layout's size and alignment; counting has no effect on memory.
unsafe impl GlobalAlloc for Jemalloc {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller promises a size above 0.
        unsafe { allocate(layout.size(), flags(layout.size(), layout.align())) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        let flags = flags(layout.size(), layout.align()) | je::MALLOCX_ZERO;
        // SAFETY: as above.
        unsafe { allocate(layout.size(), flags) }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        let flags = flags(layout.size(), layout.align());
        count(-usable(layout.size(), flags));
        // SAFETY: the pointer came from this allocator with this layout.
        unsafe { je::sdallocx(ptr.cast(), layout.size(), flags) }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let (old, new) = (
            flags(layout.size(), layout.align()),
            flags(new_size, layout.align()),
        );
        // SAFETY: as above; the caller promises a new size above 0.
        let block: *mut u8 = unsafe { je::rallocx(ptr.cast(), new_size, new).cast() };
        if !block.is_null() {
            count(usable(new_size, new) - usable(layout.size(), old));
        }
        block
    }
}

/// The size to ask for, so that the size class and with it the address is a multiple of [`C_ALIGN`]. To pass an alignment
/// would take `mallocx`, which has no fast path.
#[inline]
fn c_size(size: usize) -> usize {
    if size <= ALIGNED_FROM {
        size.max(1).next_multiple_of(C_ALIGN)
    } else {
        size
    }
}

/// `malloc` for C libraries, counted like everything else: with the usable size.
///
/// # Safety
/// As C's `malloc`.
pub unsafe fn c_alloc(size: usize) -> (*mut u8, usize) {
    let size = c_size(size);
    let usable = usable(size, 0);
    // SAFETY: any size is allowed.
    let block: *mut u8 = unsafe { je::malloc(size).cast() };
    if !block.is_null() {
        count(usable);
    }
    (block, usable as usize)
}

/// `realloc` for C libraries: with the growth of the usable size.
///
/// # Safety
/// `ptr` came from [`c_alloc`] or this function.
pub unsafe fn c_realloc(ptr: *mut u8, size: usize) -> (*mut u8, isize) {
    let size = c_size(size);
    // SAFETY: `ptr` is a live allocation of ours, by the caller's promise.
    let before = unsafe { je::sallocx(ptr.cast(), 0) };
    // SAFETY: the same; the size is above 0.
    let block: *mut u8 = unsafe { je::rallocx(ptr.cast(), size, 0).cast() };
    let growth = usable(size, 0) - before as isize;
    if !block.is_null() {
        count(growth);
    }
    (block, growth)
}

/// `free` for C libraries: the usable size that the allocation had.
///
/// # Safety
/// `ptr` came from [`c_alloc`] or [`c_realloc`].
pub unsafe fn c_free(ptr: *mut u8) -> usize {
    // SAFETY: `ptr` is a live allocation of ours, by the caller's promise; its usable size is that of its class.
    let usable = unsafe {
        let usable = je::sallocx(ptr.cast(), 0);
        je::sdallocx(ptr.cast(), usable, 0);
        usable
    };
    count(-(usable as isize));
    usable
}

/// Bytes in use by the process: allocations in usable sizes, and the big tables, which are mapped directly.
#[inline]
pub fn used() -> usize {
    let drift = DRIFT.try_with(Cell::get).unwrap_or(0);
    (TOTAL.load(Relaxed) + drift).max(0) as usize + mapped()
}

/// The highest [`used`] that [`sample_peak`] saw.
pub fn peak() -> usize {
    PEAK.load(Relaxed)
}

/// Updates the peak: called by cron and before the peak is reported.
pub fn sample_peak() -> usize {
    let now = used();
    PEAK.fetch_max(now, Relaxed).max(now)
}

/// Merges the calling thread's counter into the common one, at the end of a background job.
pub fn fold() {
    let drift = DRIFT.try_with(Cell::take).unwrap_or(0);
    TOTAL.fetch_add(drift, Relaxed);
}

/// Statistics of the allocator, in bytes.
#[derive(Default, Clone, Copy)]
pub struct Arena {
    /// Allocated.
    pub allocated: usize,
    /// In pages that hold at least one allocation.
    pub active: usize,
    /// In physical memory.
    pub resident: usize,
    /// Unmapped lazily.
    pub retained: usize,
}

/// Makes jemalloc's statistics current. Takes about 9 µs.
pub fn refresh_statistics() {
    let epoch = 1u64;
    // SAFETY: the name is NUL-terminated; the value is a u64 of the stated size.
    unsafe {
        je::mallctl(
            c"epoch".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw const epoch).cast_mut().cast(),
            size_of::<u64>(),
        );
    }
}

/// Reads jemalloc's statistics, after refreshing them.
pub fn arena() -> Arena {
    refresh_statistics();
    Arena {
        allocated: read_size(c"stats.allocated".as_ptr()),
        active: read_size(c"stats.active".as_ptr()),
        resident: read_size(c"stats.resident".as_ptr()),
        retained: read_size(c"stats.retained".as_ptr()),
    }
}

fn read_size(name: *const c_char) -> usize {
    let mut value = 0usize;
    let mut len = size_of::<usize>();
    // SAFETY: `name` is NUL-terminated, `value` has the stated size.
    unsafe {
        je::mallctl(
            name,
            (&raw mut value).cast(),
            &raw mut len,
            std::ptr::null_mut(),
            0,
        )
    };
    value
}

/// Returns unused pages to the system (MEMORY PURGE).
pub fn purge() {
    // SAFETY: 4096 is MALLCTL_ARENAS_ALL; the call takes no value.
    unsafe {
        je::mallctl(
            c"arena.4096.purge".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            0,
        );
    }
}

/// Lets jemalloc return pages on a thread of its own, so that freeing a lot does not delay a command.
pub fn set_background_thread(on: bool) {
    // SAFETY: the value is a bool of the stated size.
    unsafe {
        je::mallctl(
            c"background_thread".as_ptr(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            (&raw const on).cast_mut().cast(),
            size_of::<bool>(),
        );
    }
}

/// Sets for how long unused pages are kept before they are returned to the system, in milliseconds.
///
/// jemalloc's default of 10 seconds keeps the query buffers of idle clients resident far longer than cron keeps them,
/// so the server sets a shorter time.
pub fn set_decay(ms: isize) {
    for name in [c"arenas.dirty_decay_ms", c"arena.0.dirty_decay_ms"] {
        // SAFETY: the value is a signed size of the stated length.
        unsafe {
            je::mallctl(
                name.as_ptr(),
                std::ptr::null_mut(),
                std::ptr::null_mut(),
                (&raw const ms).cast_mut().cast(),
                size_of::<isize>(),
            );
        }
    }
}

/// Panics if jemalloc was built wrongly: the quantum is lost silently when cargo runs outside of the source tree.
///
/// # Panics
/// The allocator was built without `JEMALLOC_SYS_WITH_LG_QUANTUM=3`.
pub fn assert_quantum() {
    assert_eq!(
        usable(17, 0),
        24,
        "jemalloc was built without LG_QUANTUM=3: build inside the tree, see .cargo/config.toml"
    );
}

/// `jemalloc-5.3.1` as INFO's `mem_allocator` shows it.
pub fn version() -> String {
    let mut text: *const c_char = std::ptr::null();
    let mut len = size_of::<*const c_char>();
    // SAFETY: "version" yields a pointer to a static NUL-terminated string.
    let version = unsafe {
        je::mallctl(
            c"version".as_ptr(),
            (&raw mut text).cast(),
            &raw mut len,
            std::ptr::null_mut(),
            0,
        );
        if text.is_null() {
            "unknown".into()
        } else {
            std::ffi::CStr::from_ptr(text).to_string_lossy()
        }
    };
    format!("jemalloc-{}", version.split('-').next().unwrap_or_default())
}

/// The allocator's own report, as text.
pub fn report() -> String {
    extern "C" fn append(text: *mut c_void, piece: *const c_char) {
        // SAFETY: jemalloc passes back the pointer given below and a NUL-terminated piece.
        unsafe {
            let text = &mut *text.cast::<String>();
            text.push_str(&std::ffi::CStr::from_ptr(piece).to_string_lossy());
        }
    }
    let mut text = String::new();
    // SAFETY: `append` is called before the call returns, while `text` lives.
    unsafe { je::malloc_stats_print(Some(append), (&raw mut text).cast(), std::ptr::null()) };
    text
}

#[cfg(test)]
mod tests {
    use super::{C_ALIGN, c_alloc, c_free, c_realloc};
    #[cfg(not(asan))]
    use super::{MAX_CLASS, je, size_class};

    #[cfg(not(asan))]
    #[test]
    fn size_classes_are_those_of_jemalloc() {
        for size in 1..=MAX_CLASS {
            // SAFETY: it only computes.
            assert_eq!(size_class(size), unsafe { je::nallocx(size, 0) }, "{size}");
        }
    }

    #[test]
    fn blocks_for_c_are_aligned_and_their_sizes_told() {
        for size in (1..200).chain([4095, 4096, 70_000, 5 << 20]) {
            // SAFETY: each block is used within its size and freed once.
            unsafe {
                let (block, usable) = c_alloc(size);
                assert!(usable >= size && block.addr() % C_ALIGN == 0, "{size}");
                block.write_bytes(7, size);
                let (block, growth) = c_realloc(block, size * 3);
                assert_eq!(block.addr() % C_ALIGN, 0, "{size}");
                assert_eq!(*block.add(size - 1), 7);
                let (block, shrink) = c_realloc(block, size);
                assert_eq!(growth, -shrink, "{size}");
                assert_eq!(c_free(block), usable, "{size}");
            }
        }
    }
}
