//! The C library's allocator behind the names of jemalloc, for builds under AddressSanitizer (`cfg(asan)`).
//!
//! AddressSanitizer only watches what is allocated through `malloc`. Sizes are counted as the request rounded up to the
//! quantum of 8, so that allocation and release of the same layout count the same.

#![allow(unsafe_code, missing_docs, clippy::missing_safety_doc)]

use std::ffi::{c_char, c_int, c_void};

/// jemalloc's flag.
pub const MALLOCX_ZERO: c_int = 0x40;

/// jemalloc's macro: the binary logarithm of the alignment.
#[allow(non_snake_case)]
pub const fn MALLOCX_ALIGN(align: usize) -> c_int {
    align.trailing_zeros() as c_int
}

pub unsafe fn nallocx(size: usize, _flags: c_int) -> usize {
    size.next_multiple_of(8)
}

pub unsafe fn mallocx(size: usize, flags: c_int) -> *mut c_void {
    let align = 1usize << (flags & 0x3f);
    let mut raw = std::ptr::null_mut();
    // SAFETY: `posix_memalign` writes the pointer; the alignment is a power of two and at least that of a pointer.
    unsafe {
        if libc::posix_memalign(&raw mut raw, align.max(16), size) != 0 {
            return std::ptr::null_mut();
        }
        if flags & MALLOCX_ZERO != 0 {
            raw.cast::<u8>().write_bytes(0, size);
        }
    }
    raw
}

pub unsafe fn malloc(size: usize) -> *mut c_void {
    // SAFETY: no flag asks for more than the call gives.
    unsafe { mallocx(size, 0) }
}

pub unsafe fn rallocx(old: *mut c_void, size: usize, flags: c_int) -> *mut c_void {
    // SAFETY: the caller's promise: `old` came from `mallocx`. What both have in common is copied.
    unsafe {
        let new = mallocx(size, flags);
        if !new.is_null() {
            let kept = libc::malloc_usable_size(old).min(size);
            std::ptr::copy_nonoverlapping(old.cast::<u8>(), new.cast(), kept);
            libc::free(old);
        }
        new
    }
}

pub unsafe fn sallocx(raw: *const c_void, _flags: c_int) -> usize {
    // SAFETY: the caller's promise: the pointer came from `mallocx`.
    unsafe { libc::malloc_usable_size(raw.cast_mut()) }.next_multiple_of(8)
}

pub unsafe fn dallocx(raw: *mut c_void, _flags: c_int) {
    // SAFETY: as above.
    unsafe { libc::free(raw) }
}

pub unsafe fn sdallocx(raw: *mut c_void, _size: usize, flags: c_int) {
    // SAFETY: as above.
    unsafe { dallocx(raw, flags) }
}

/// No figure can be read or set: the answer is an error and nothing is written.
pub unsafe fn mallctl(
    _name: *const c_char,
    _old: *mut c_void,
    _old_len: *mut usize,
    _new: *mut c_void,
    _new_len: usize,
) -> c_int {
    -1
}

/// No name is known.
pub unsafe fn mallctlnametomib(_name: *const c_char, _mib: *mut usize, _len: *mut usize) -> c_int {
    -1
}

/// As [`mallctl`].
pub unsafe fn mallctlbymib(
    _mib: *const usize,
    _mib_len: usize,
    _old: *mut c_void,
    _old_len: *mut usize,
    _new: *mut c_void,
    _new_len: usize,
) -> c_int {
    -1
}

pub unsafe fn malloc_stats_print(
    _write: Option<unsafe extern "C" fn(*mut c_void, *const c_char)>,
    _opaque: *mut c_void,
    _options: *const c_char,
) {
}

/// Turns the leak checker off: hash tables pack addresses below a tag, so it takes everything in them for lost. A
/// function, since Redis's suite replaces `ASAN_OPTIONS`.
#[unsafe(no_mangle)]
pub extern "C" fn __lsan_is_turned_off() -> c_int {
    1
}
