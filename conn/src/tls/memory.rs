//! OpenSSL's memory: taken from the caller's allocator, counted in total and charged to connections.
//!
//! `install` gives OpenSSL three hooks before it allocates anything. Each adds to a counter of its
//! thread, which only that thread writes, so an allocation costs a plain addition. `allocated` adds
//! the counters of all threads. A `Scope` around the calls that concern one connection reads how the
//! counter of its thread changed, and the connection adds that to its account. OpenSSL does not give
//! a size when it frees, so the allocator tells the usable size both times; `used_memory`
//! counts usable sizes, too. A handshake makes some 700 allocations, so the allocator looks a size up once, not here again.
//!
//! # Invariants
//! 1. Without `install` everything here reads zero, and OpenSSL uses the system's malloc.
//! 2. Scopes of one thread do not nest.
//! 3. The sum of the counters is exact. One counter may be negative: what one thread allocates
//!    another may free. A counter outlives its thread (64 bytes each), because the sum needs it.
//! 4. An account may be off by what OpenSSL allocates for one connection and frees under another
//!    (data that is initialised on first use, queued errors): a few dozen bytes. It is never
//!    negative, since accounts saturate.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ffi::{c_char, c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The allocator for OpenSSL. What `alloc` and `realloc` return is aligned to 16 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Allocator {
    /// Bytes of at least this size, or null, and their usable size.
    pub alloc: unsafe fn(usize) -> (*mut u8, usize),
    /// The same bytes with another size, moved if need be, or null with the old ones untouched; and by how much the usable
    /// size has grown. The pointer is not null, the size not 0.
    pub realloc: unsafe fn(*mut u8, usize) -> (*mut u8, isize),
    /// Frees them, and answers what their usable size was. The pointer is not null.
    pub free: unsafe fn(*mut u8) -> usize,
}

type Malloc = unsafe extern "C" fn(usize, *const c_char, c_int) -> *mut c_void;
type Realloc = unsafe extern "C" fn(*mut c_void, usize, *const c_char, c_int) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void, *const c_char, c_int);

unsafe extern "C" {
    fn CRYPTO_set_mem_functions(malloc: Malloc, realloc: Realloc, free: Free) -> c_int;
}

static ALLOCATOR: OnceLock<Allocator> = OnceLock::new();
/// The counters of all threads that ever used OpenSSL.
static COUNTERS: Mutex<Vec<&'static Counter>> = Mutex::new(Vec::new());

/// Bytes allocated less bytes freed by one thread. On a cache line of its own, so that threads do not
/// slow each other down.
#[repr(align(64))]
struct Counter(AtomicIsize);

impl Counter {
    fn get(&self) -> isize {
        self.0.load(Ordering::Relaxed)
    }

    /// Adds; only its own thread does, so this need not be one atomic operation.
    fn add(&self, bytes: isize) {
        self.0
            .store(self.get().wrapping_add(bytes), Ordering::Relaxed);
    }
}

thread_local! {
    static COUNTER: Cell<Option<&'static Counter>> = const { Cell::new(None) };
}

/// The counter of this thread.
fn counter() -> &'static Counter {
    match COUNTER.get() {
        Some(counter) => counter,
        None => new_counter(),
    }
}

#[cold]
fn new_counter() -> &'static Counter {
    let counter: &'static Counter = Box::leak(Box::new(Counter(AtomicIsize::new(0))));
    COUNTERS
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(counter);
    COUNTER.set(Some(counter));
    counter
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
    let counters = COUNTERS.lock().unwrap_or_else(PoisonError::into_inner);
    let sum = counters
        .iter()
        .fold(0_isize, |sum, counter| sum.wrapping_add(counter.get()));
    usize::try_from(sum).unwrap_or(0)
}

/// A sequence of calls into OpenSSL for one owner.
pub(crate) struct Scope {
    counter: &'static Counter,
    before: isize,
}

impl Scope {
    pub(crate) fn begin() -> Self {
        let counter = counter();
        Self {
            counter,
            before: counter.get(),
        }
    }

    /// By how much the owner's account has grown, or shrunk.
    pub(crate) fn end(self) -> isize {
        self.counter.get().wrapping_sub(self.before)
    }
}

fn count(bytes: isize) {
    counter().add(bytes);
}

unsafe extern "C" fn malloc_hook(size: usize, _file: *const c_char, _line: c_int) -> *mut c_void {
    let Some(allocator) = ALLOCATOR.get() else {
        return ptr::null_mut();
    };
    if size == 0 {
        return ptr::null_mut();
    }
    // SAFETY: the allocator's own contract; the size is not 0.
    let (block, usable) = unsafe { (allocator.alloc)(size) };
    if !block.is_null() {
        count(usable as isize);
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
    // SAFETY: `old` came from these hooks and is not null, and the size is not 0.
    let (block, growth) = unsafe { (allocator.realloc)(old.cast(), size) };
    if !block.is_null() {
        count(growth);
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
    // SAFETY: the block came from these hooks; OpenSSL does not use it again.
    count(-(unsafe { (allocator.free)(block.cast()) } as isize));
}
