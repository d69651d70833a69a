//! Tracing: a function of the host that is called before each new line of a script, for a debugger.
//!
//! It takes the place of the interrupt ([`crate::interrupt`]): it is also called after as many instructions as that one.
//! Lua calls no hook from within a hook, so code that the debugger runs is not traced.
//!
//! An error that it raises is that of the line, so a script can catch it. A script that must end is killed instead, as by
//! an interrupt.

use libc::c_int;
use mlua_sys as ffi;

use crate::function::Raise;
use crate::interpreter::Shared;
use crate::interrupt::{is_killed, kill, push_kill};
use crate::stack::Stack;

/// Why the debugger is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A new line is about to run, or the same line again.
    Line,
    /// As many instructions have run as lie between two interrupts.
    Count,
}

/// How the script goes on; the error is on top of the stack.
#[derive(Debug, PartialEq, Eq)]
pub enum Halt {
    /// An error is raised that the script can catch.
    Raise,
    /// The script is killed.
    Kill,
}

/// A debugger. Level 0 of its stack's frames is the function that is about to run a line. Indices of values count from
/// the top: values of the script may be below.
pub type Trace = fn(&mut Stack<'_>, Moment) -> Result<(), Halt>;

/// The hook: Lua calls it where it may raise an error and where the stack may be used.
pub(crate) unsafe extern "C-unwind" fn hook(
    state: *mut ffi::lua_State,
    record: *mut ffi::lua_Debug,
) {
    // SAFETY: Lua passes a state of an interpreter and a valid record. All values with destructors are gone when `traced`
    // has returned. The value to raise is on the stack.
    unsafe {
        if traced(state, (*record).event).is_err() {
            ffi::lua_error(state);
        }
    }
}

/// # Safety
/// As [`hook`].
unsafe fn traced(state: *mut ffi::lua_State, event: c_int) -> Result<(), Raise> {
    // SAFETY: as the caller promises. The reference to the shared part is not held during the call.
    unsafe {
        let shared = Shared::of(state);
        let strict = std::mem::replace(&mut shared.strict, false);
        let trace = shared.trace;
        let mut stack = Stack::new(state);
        let outcome = if is_killed(state) {
            Err(push_kill(&mut stack))
        } else {
            let moment = if event == ffi::LUA_HOOKCOUNT {
                Moment::Count
            } else {
                Moment::Line
            };
            match trace.map_or(Ok(()), |trace| trace(&mut stack, moment)) {
                Ok(()) => Ok(()),
                Err(halt) => {
                    if halt == Halt::Kill {
                        kill(&mut stack);
                    }
                    Err(Raise)
                }
            }
        };
        Shared::of(state).strict = strict;
        outcome
    }
}
