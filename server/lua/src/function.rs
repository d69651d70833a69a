//! Rust functions that a script can call.

use libc::c_int;
use mlua_sys as ffi;

use crate::interpreter::Shared;
use crate::stack::Stack;

/// The topmost value of the stack is an error to be raised.
#[derive(Debug, PartialEq, Eq)]
pub struct Raise;

/// How many of the topmost values are a function's results, or an error.
pub type Outcome = Result<usize, Raise>;

/// A function: its arguments are the values of the stack.
pub type Function = fn(&mut Stack<'_>) -> Outcome;

/// What Lua calls; the function itself is its upvalue.
///
/// # Safety
/// For Lua only, as the function of a closure that [`Stack::push_function`] made.
pub(crate) unsafe extern "C-unwind" fn trampoline(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: as the caller promises. All values with destructors are gone when `run` has returned.
    match unsafe { run(state) } {
        Ok(results) => c_int::try_from(results).unwrap_or(0),
        // SAFETY: the value to raise is on the stack.
        Err(Raise) => unsafe { ffi::lua_error(state) },
    }
}

/// # Safety
/// As [`trampoline`].
unsafe fn run(state: *mut ffi::lua_State) -> Outcome {
    // SAFETY: the upvalue was made from a `Function`. The reference to the shared part is not held during the call.
    unsafe {
        let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
        let function = std::mem::transmute::<*mut libc::c_void, Function>(address);
        let strict = std::mem::replace(&mut Shared::of(state).strict, false);
        let mut stack = Stack::new(state);
        let outcome = function(&mut stack);
        let outcome = stack.settle(outcome);
        Shared::of(state).strict = strict;
        outcome
    }
}
