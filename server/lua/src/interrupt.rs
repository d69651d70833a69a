//! Interrupts: a function of the host that is called while a script runs, and that can end it.
//!
//! It is called about every 100,000 instructions, unless a debugger is set ([`crate::trace`]), which is called instead.
//! Long operations count as many instructions (`luaE_charge` and `lua_spend` in `build/edits.rs`, [`Stack::charge`] in
//! Rust), so no more than a few milliseconds pass between two calls, unless a single operation takes longer: a
//! concatenation of hundreds of megabytes, a document of that size, or a full collection of garbage.
//!
//! When it raises an error the script is killed. From then on:
//!
//! 1. Nothing that a script can call catches an error: `pcall`, `xpcall`, `coroutine.resume` and `load` pass it on.
//! 2. Handlers of errors are not called, neither those of `xpcall` nor the one of [`Stack::call`]: the function that
//!    raises the error must complete it, for example by the place of the script's line.
//! 3. The hook is called before the next instruction or call of a function, if a Rust function went on in spite of the
//!    error, and raises it again.
//! 4. The outermost [`Stack::call`] ends with the error, whatever came to it.
//!
//! What a script may have set in the interpreter ends with the outermost call, too: the globals of the main coroutine
//! (`setfenv(0, …)`) and the parameters of the garbage collector.

use libc::c_int;
use mlua_sys as ffi;

use crate::function::Raise;
use crate::interpreter::Shared;
use crate::stack::Stack;
use crate::trace;

impl Stack<'_> {
    /// Counts the work of a function as `steps` instructions, so that the next interrupt comes in time.
    pub fn charge(&mut self, steps: usize) {
        // SAFETY: the state is valid; the hook is not called here, but before the next instruction.
        unsafe { lua_charge(self.raw(), steps) };
    }
}

/// A function that is called while a script runs. Its stack is empty, and level 0 of [`Stack::place`] is the function
/// that was interrupted.
pub type Interrupt = fn(&mut Stack<'_>) -> Result<(), Raise>;

/// Instructions between two calls.
const PERIOD: c_int = 100_000;

/// Keys in the registry, whose positive numbers are the host's: the table of globals, and the error of a script that was
/// killed.
const GLOBALS: c_int = -1;
const KILL: c_int = -2;

/// Keeps the table of globals for [`end`].
pub(crate) fn keep_globals(stack: &mut Stack<'_>) {
    stack.push_registry();
    stack.push_globals();
    stack.set_at(-2, GLOBALS);
    stack.pop(1);
}

/// Before the outermost call.
///
/// # Safety
/// The state is that of an interpreter, outside of any call. No reference to its shared part is held.
pub(crate) unsafe fn begin(state: *mut ffi::lua_State) {
    // SAFETY: as the caller promises; the hook is one.
    unsafe {
        make_room(state);
        let shared = Shared::of(state);
        if shared.trace.is_some() {
            let mask = ffi::LUA_MASKLINE | ffi::LUA_MASKCOUNT;
            ffi::lua_sethook(state, Some(trace::hook), mask, PERIOD);
        } else if shared.interrupt.is_some() {
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, PERIOD);
        }
    }
}

/// Collects garbage near the limit, unless there was little of it the last time: a script is not to fail for the garbage of
/// others.
///
/// # Safety
/// As [`begin`].
pub(crate) unsafe fn make_room(state: *mut ffi::lua_State) {
    // SAFETY: as the caller promises; collecting runs no code.
    unsafe {
        let shared = Shared::of(state);
        if shared.used / 3 > shared.limit / 4 && shared.used / 9 > shared.kept / 8 {
            ffi::lua_gc(state, ffi::LUA_GCCOLLECT, 0);
            let shared = Shared::of(state);
            shared.kept = shared.used;
        }
    }
}

/// After the outermost call, which has left results or an error above `below`; whether the script was killed, in which
/// case the error is there instead.
///
/// # Safety
/// As [`begin`].
pub(crate) unsafe fn end(stack: &mut Stack<'_>, below: usize) -> bool {
    let state = stack.raw();
    // SAFETY: as the caller promises. The registry has the globals, and there is room for one value: `call` reserved it.
    unsafe {
        ffi::lua_sethook(state, None, 0, 0);
        lua_restoregc(state);
        ffi::lua_rawgeti_(state, ffi::LUA_REGISTRYINDEX, GLOBALS);
        ffi::lua_replace(state, ffi::LUA_GLOBALSINDEX);
        if lua_iskilled(state) == 0 {
            return false;
        }
        lua_kill(state, 0);
    }
    stack.set_top(below);
    stack.push_registry();
    stack.get_at(-1, KILL);
    stack.push_nil();
    stack.set_at(-3, KILL);
    stack.remove(-2);
    true
}

/// The hook: Lua calls it where it may raise an error and where the stack may be used.
unsafe extern "C-unwind" fn hook(state: *mut ffi::lua_State, _: *mut ffi::lua_Debug) {
    // SAFETY: the state is that of an interpreter, and all values with destructors are gone when `interrupted` has returned.
    // The value to raise is on the stack.
    unsafe {
        if interrupted(state).is_err() {
            ffi::lua_error(state);
        }
    }
}

/// # Safety
/// As [`hook`].
unsafe fn interrupted(state: *mut ffi::lua_State) -> Result<(), Raise> {
    // SAFETY: as the caller promises. The reference to the shared part is not held during the call.
    unsafe {
        let shared = Shared::of(state);
        let strict = std::mem::replace(&mut shared.strict, false);
        let interrupt = shared.interrupt;
        let mut stack = Stack::new(state);
        let outcome = if is_killed(state) {
            Err(push_kill(&mut stack))
        } else {
            let outcome = interrupt.map_or(Ok(()), |interrupt| interrupt(&mut stack));
            if outcome.is_err() {
                kill(&mut stack);
            }
            outcome
        };
        Shared::of(state).strict = strict;
        outcome
    }
}

/// Whether the script was killed.
///
/// # Safety
/// The state is that of an interpreter.
pub(crate) unsafe fn is_killed(state: *mut ffi::lua_State) -> bool {
    // SAFETY: as the caller promises.
    unsafe { lua_iskilled(state) != 0 }
}

/// Pushes the error of a script that was killed, to be raised again.
pub(crate) fn push_kill(stack: &mut Stack<'_>) -> Raise {
    stack.push_registry();
    stack.get_at(-1, KILL);
    Raise
}

/// Kills the script with the error on top of the stack, which is still to be raised.
pub(crate) fn kill(stack: &mut Stack<'_>) {
    stack.push_registry();
    stack.push_copy(-2);
    stack.set_at(-2, KILL);
    stack.pop(1);
    // SAFETY: the state is valid as long as the stack is.
    unsafe { lua_kill(stack.raw(), 1) };
}

// From the edits.
unsafe extern "C-unwind" {
    fn lua_charge(state: *mut ffi::lua_State, steps: usize);
    fn lua_kill(state: *mut ffi::lua_State, on: c_int);
    fn lua_iskilled(state: *mut ffi::lua_State) -> c_int;
    fn lua_restoregc(state: *mut ffi::lua_State);
}
