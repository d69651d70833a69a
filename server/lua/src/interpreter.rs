//! An interpreter: its state, its memory, and the host that its functions work on.

use std::alloc::{self, Layout};
use std::any::TypeId;
use std::ffi::c_void;
use std::ptr::{self, NonNull};
use std::time::{Duration, Instant};

use libc::c_int;
use mlua_sys as ffi;

use crate::interrupt::{self, Interrupt};
use crate::random::Random;
use crate::stack::Stack;
use crate::trace::Trace;

/// What the interpreter and the functions that it calls share; the allocator's argument leads to it.
pub(crate) struct Shared {
    /// Bytes in use.
    pub(crate) used: usize,
    /// The most that a script may use, garbage included.
    pub(crate) limit: usize,
    /// Bytes that were in use after the last full collection.
    pub(crate) kept: usize,
    /// Whether the limit applies: while code of a script runs.
    pub(crate) strict: bool,
    /// The value behind [`Stack::host`], and its type.
    pub(crate) host: Option<(TypeId, NonNull<c_void>)>,
    /// How many calls from Rust into Lua are running.
    pub(crate) depth: usize,
    /// What is called from time to time while a script runs.
    pub(crate) interrupt: Option<Interrupt>,
    /// What is called before each line of a script, in place of `interrupt`.
    pub(crate) trace: Option<Trace>,
    /// Whether the running function has exceeded the size of a table.
    pub(crate) overflow: bool,
    /// Where `math.random` takes its numbers from.
    pub(crate) random: Random,
    /// Big blocks that were freed between two scripts.
    freed: Vec<Block>,
}

impl Shared {
    /// The shared part of a state.
    ///
    /// # Safety
    /// The state is one that [`Interpreter::new`] made, or a coroutine of it. No other reference to its shared part is alive.
    pub(crate) unsafe fn of<'a>(state: *mut ffi::lua_State) -> &'a mut Shared {
        let mut shared = ptr::null_mut();
        // SAFETY: the state is valid; the argument of its allocator is the shared part, which lives as long as it does.
        unsafe {
            ffi::lua_getallocf(state, &raw mut shared);
            &mut *shared.cast::<Shared>()
        }
    }

    /// Bytes that a script may still use.
    pub(crate) fn left(&self) -> usize {
        self.limit.saturating_sub(self.used)
    }
}

/// An interpreter.
pub struct Interpreter {
    state: NonNull<ffi::lua_State>,
    shared: NonNull<Shared>,
}

// SAFETY: an interpreter is a tree of allocations that nothing else refers to; it can be freed by another thread.
unsafe impl Send for Interpreter {}

/// Lua asks for the alignment of its numbers and pointers.
const ALIGN: usize = 8;

/// Bytes from which on a block is not freed by a step of the collector: to give a gigabyte back to the system takes 100 ms.
const BIG: usize = 8 << 20;

/// A big block that the interpreter uses no more. It is freed when it is dropped, which another thread may do.
#[derive(Debug)]
pub struct Block {
    start: NonNull<u8>,
    layout: Layout,
}

// SAFETY: nothing else refers to the block.
unsafe impl Send for Block {}

impl Drop for Block {
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this layout, and is freed once.
        unsafe { alloc::dealloc(self.start.as_ptr(), self.layout) }
    }
}

/// The allocator of the interpreter: Rust's, with a count and a limit.
unsafe extern "C" fn allocate(
    shared: *mut c_void,
    old: *mut c_void,
    old_size: usize,
    size: usize,
) -> *mut c_void {
    // SAFETY: this is the argument that `Interpreter::new` gave. The reference ends before this function returns, and no
    // Rust code that holds another calls Lua meanwhile.
    let shared = unsafe { &mut *shared.cast::<Shared>() };
    let old_size = if old.is_null() { 0 } else { old_size };
    let used = (shared.used - old_size).saturating_add(size);
    if size > old_size && shared.strict && used > shared.limit {
        return ptr::null_mut();
    }
    let (Ok(old_layout), Ok(layout)) = (
        Layout::from_size_align(old_size, ALIGN),
        Layout::from_size_align(size, ALIGN),
    ) else {
        return ptr::null_mut();
    };
    // SAFETY: Lua passes the size that it asked for, and no size of zero reaches the allocator.
    let new = unsafe {
        match (old_size, size) {
            (0, 0) => return ptr::null_mut(),
            (0, _) => alloc::alloc(layout),
            (_, 0) => {
                match NonNull::new(old.cast()) {
                    Some(start) if old_size >= BIG && shared.depth == 0 => {
                        let layout = old_layout;
                        shared.freed.push(Block { start, layout });
                    }
                    _ => alloc::dealloc(old.cast(), old_layout),
                }
                ptr::null_mut()
            }
            _ => alloc::realloc(old.cast(), old_layout, size),
        }
    };
    if size > 0 && new.is_null() {
        // An error of Lua would skip the destructors of Rust code.
        if !shared.strict {
            alloc::handle_alloc_error(layout);
        }
        return new.cast();
    }
    shared.used = used;
    new.cast()
}

impl Interpreter {
    /// An interpreter without libraries.
    ///
    /// # Panics
    /// If there is no memory.
    pub fn new() -> Self {
        let shared = NonNull::from(Box::leak(Box::new(Shared {
            used: 0,
            limit: usize::MAX,
            strict: false,
            host: None,
            kept: 0,
            depth: 0,
            interrupt: None,
            trace: None,
            overflow: false,
            random: Random::default(),
            freed: Vec::new(),
        })));
        // SAFETY: the allocator is one; its argument is freed after the state.
        let state = unsafe { ffi::lua_newstate(allocate, shared.as_ptr().cast()) };
        let state = NonNull::new(state).expect("memory for an interpreter");
        let mut interpreter = Interpreter { state, shared };
        interrupt::keep_globals(&mut interpreter.stack());
        interpreter
    }

    /// Bytes in use, garbage included.
    pub fn used(&self) -> usize {
        // SAFETY: no other reference to the shared part is alive outside of a call into Lua.
        unsafe { self.shared.as_ref().used }
    }

    /// Limits the bytes that a script may use, garbage included. What exceeds it gets the error `not enough memory`.
    pub fn set_limit(&mut self, limit: usize) {
        // SAFETY: as above.
        unsafe {
            self.shared.as_mut().limit = limit;
            lua_setlimit(self.state.as_ptr(), limit);
        }
    }

    /// Sets what is called about every 100,000 instructions of a script; see [`crate::interrupt`].
    pub fn set_interrupt(&mut self, interrupt: Option<Interrupt>) {
        // SAFETY: as above.
        unsafe { self.shared.as_mut().interrupt = interrupt }
    }

    /// Sets the debugger of the scripts that are called from now on; see [`crate::trace`].
    pub fn set_trace(&mut self, trace: Option<Trace>) {
        // SAFETY: as above.
        unsafe { self.shared.as_mut().trace = trace }
    }

    /// The stack, outside of any call.
    pub fn stack(&mut self) -> Stack<'_> {
        // SAFETY: the state is valid, and borrowed for as long as the stack exists.
        unsafe { Stack::new(self.state.as_ptr()) }
    }

    /// Works with a host: what [`Stack::host`] returns to the functions that are called meanwhile.
    pub fn with_host<H: 'static, R>(
        &mut self,
        host: &mut H,
        work: impl FnOnce(&mut Stack<'_>) -> R,
    ) -> R {
        let entry = (TypeId::of::<H>(), NonNull::from(host).cast());
        // SAFETY: as above, both times; the host is borrowed until the entry is taken back, and a panic aborts.
        unsafe { self.shared.as_mut().host = Some(entry) };
        let result = work(&mut self.stack());
        // SAFETY: as above.
        unsafe { self.shared.as_mut().host = None };
        result
    }

    /// One step of garbage collection, of about `kilobytes`; whether a cycle has ended.
    pub fn collect_step(&mut self, kilobytes: c_int) -> bool {
        // SAFETY: the state is valid; collecting runs no code of scripts.
        unsafe { ffi::lua_gc(self.state.as_ptr(), ffi::LUA_GCSTEP, kilobytes) == 1 }
    }

    /// Abandons the cycle of collection in progress: it has marked what was in use before, and would walk over big tables
    /// once more to end. Two more cycles collect all garbage.
    pub fn restart_collection(&mut self) {
        // SAFETY: the state is valid, and nothing of it is running.
        unsafe { lua_restartgc(self.state.as_ptr()) }
    }

    /// Collects garbage for about as long as the budget; whether a cycle has ended. The server calls this between scripts while
    /// [`Interpreter::used`] has grown since the last cycle. A step takes about 20 microseconds: what a script has left is
    /// garbage, so no big table is marked, and big blocks are not freed here (see [`Interpreter::take_freed`]). One step of a
    /// cycle takes longer after millions of strings, as the table of all strings shrinks: 30 ms for four million.
    pub fn collect_for(&mut self, budget: Duration) -> bool {
        let start = Instant::now();
        loop {
            if self.collect_step(1) {
                return true;
            }
            if start.elapsed() >= budget {
                return false;
            }
        }
    }

    /// The big blocks that were freed since the last time. To drop them can take long: a background thread does it best.
    pub fn take_freed(&mut self) -> Vec<Block> {
        // SAFETY: no other reference to the shared part is alive outside of a call into Lua.
        unsafe { std::mem::take(&mut self.shared.as_mut().freed) }
    }

    /// Collects all garbage.
    pub fn collect(&mut self) {
        // SAFETY: as above.
        unsafe { ffi::lua_gc(self.state.as_ptr(), ffi::LUA_GCCOLLECT, 0) };
    }
}

impl Default for Interpreter {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Interpreter {
    fn drop(&mut self) {
        // SAFETY: the state is valid until here, and its allocator needs the shared part until it is closed.
        unsafe {
            ffi::lua_close(self.state.as_ptr());
            drop(Box::from_raw(self.shared.as_ptr()));
        }
    }
}

// From the edits.
unsafe extern "C-unwind" {
    fn lua_restartgc(state: *mut ffi::lua_State);
    fn lua_setlimit(state: *mut ffi::lua_State, limit: usize);
}
