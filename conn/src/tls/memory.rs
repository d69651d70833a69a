//! OpenSSL's memory: taken from the caller's allocator, counted, and charged to connections.
//!
//! How it works. `install` hands OpenSSL three hooks before it allocates anything. Each adds to one
//! counter of the process and to a net balance of its thread. A `Scope` around the calls that
//! concern one connection reads how that balance moved, and the connection adds it to its account.
//! OpenSSL gives no size when it frees, so the allocator is asked for the usable size both ways;
//! that is also what `used_memory` counts.
//!
//! Invariants:
//! 1. Without `install` everything here reads zero, and OpenSSL uses the system's malloc.
//! 2. Scopes of one thread do not nest.
//! 3. An account can be wrong by what OpenSSL allocates for one connection and frees under another
//!    (data made on first use, queued errors): a few dozen bytes, and never negative, since
//!    accounts saturate. The counter of the process is exact.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicIsize, Ordering};

/// The allocator that OpenSSL shall use. What `alloc` and `realloc` return is aligned to 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    /// Bytes of at least this size, or null.
    pub alloc: unsafe fn(usize) -> *mut u8,
    /// The same bytes with another size, moved if need be, or null with the old ones untouched. The
    /// pointer is not null, the size not 0.
    pub realloc: unsafe fn(*mut u8, usize) -> *mut u8,
    /// Gives them back. The pointer is not null.
    pub free: unsafe fn(*mut u8),
    /// How many bytes the allocator has really set aside for these.
    pub usable: unsafe fn(*const u8) -> usize,
}

type Malloc = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(malloc: Malloc, realloc: Realloc, free: Free) -> c_int;
}

static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();
static ALLOCATED: AtomicIsize = AtomicIsize::new(0);

thread_local! {
    /// Bytes allocated less bytes freed by this thread. It may go below zero: what one thread
    /// allocates another may free.
    static BALANCE: Cell<isize> = const { Cell::new(0) };
}

/// Makes OpenSSL use `allocator`. False, and no effect, if OpenSSL has allocated already or another
/// allocator was installed: call it first in main.
pub fn install(allocator: Allocator) -> bool {
    if ALLOCATOR.set(allocator).is_err() {
        return false;
    }
    // SAFETY: the hooks have the types that OpenSSL declares and keep the contract of malloc; the
    // static they use is set.
    unsafe { CRYPTO_set_mem_functions(malloc_hook, realloc_hook, free_hook) == 1 }
}

/// Bytes that OpenSSL holds in the whole process.
pub fn allocated() -> usize {
    usize::try_from(ALLOCATED.load(Ordering::Relaxed)).unwrap_or(0)
}

/// A stretch of calls into OpenSSL on behalf of one owner.
pub(crate) struct Scope {
    before: isize,
}

impl Scope {
    pub(crate) fn begin() -> Self {
        Self {
            before: BALANCE.get(),
        }
    }

    /// What the owner's account has grown by, or shrunk.
    pub(crate) fn end(self) -> isize {
        BALANCE.get().wrapping_sub(self.before)
    }
}

fn count(bytes: isize) {
    ALLOCATED.fetch_add(bytes, Ordering::Relaxed);
    BALANCE.set(BALANCE.get().wrapping_add(bytes));
}

unsafe extern "C" fn malloc_hook(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    let Some(allocator) = ALLOCATOR.get() else {
        return ptr::null_mut();
    };
    if size == 0 {
        return ptr::null_mut();
    }
    // SAFETY: the allocator's own contract; the size is not 0.
    let block = unsafe { (allocator.alloc)(size) };
    if !block.is_null() {
        // SAFETY: the block was allocated one line above.
        count(unsafe { (allocator.usable)(block) } as isize);
    }
    block.cast()
}

unsafe extern "C" fn realloc_hook(
    old: *mut c_void,
    size: usize,
    file: *const c_char,
    line: c_int,
) -> *mut c_void {
    let Some(allocator) = ALLOCATOR.get() else {
        return ptr::null_mut();
    };
    if old.is_null() {
        // SAFETY: the same contract as ours.
        return unsafe { malloc_hook(size, file, line) };
    }
    if size == 0 {
        // SAFETY: `old` came from these hooks, and OpenSSL takes a null for "freed".
        unsafe { free_hook(old, file, line) };
        return ptr::null_mut();
    }
    // SAFETY: `old` came from these hooks and is not null.
    let before = unsafe { (allocator.usable)(old.cast()) };
    // SAFETY: the same, and the size is not 0.
    let block = unsafe { (allocator.realloc)(old.cast(), size) };
    if !block.is_null() {
        // SAFETY: the block is live.
        let after = unsafe { (allocator.usable)(block) };
        count(after as isize - before as isize);
    }
    block.cast()
}

unsafe extern "C" fn free_hook(block: *mut c_void, _file: *const c_char, _line: c_int) {
    let Some(allocator) = ALLOCATOR.get() else {
        return;
    };
    if block.is_null() {
        return;
    }
    // SAFETY: the block came from these hooks and is live until the next line.
    count(-(unsafe { (allocator.usable)(block.cast()) } as isize));
    // SAFETY: the same; OpenSSL does not use it again.
    unsafe { (allocator.free)(block.cast()) };
}
