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
    // SAFETY: as the caller promises; the upvalue was made from a `Function`. All values with destructors are gone when
    // `enter` has returned.
    unsafe {
        let outcome = enter(state, |stack| {
            let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
            let function = std::mem::transmute::<*mut libc::c_void, Function>(address);
            function(stack)
        });
        leave(state, &outcome)
    }
}

/// From Lua into Rust: works with a stack on which no call fails for memory.
///
/// # Safety
/// The state is that of a function that Lua has called.
pub(crate) unsafe fn enter(
    state: *mut ffi::lua_State,
    work: impl FnOnce(&mut Stack<'_>) -> Outcome,
) -> Outcome {
    // SAFETY: as the caller promises. The reference to the shared part is not held during the work.
    unsafe {
        let strict = std::mem::replace(&mut Shared::of(state).strict, false);
        let mut stack = Stack::new(state);
        let outcome = work(&mut stack);
        let outcome = stack.settle(outcome);
        Shared::of(state).strict = strict;
        outcome
    }
}

/// From Rust back into Lua, which takes the results or raises the error.
///
/// # Safety
/// As [`enter`]. No value with a destructor is alive: an error does not return.
pub(crate) unsafe fn leave(state: *mut ffi::lua_State, outcome: &Outcome) -> c_int {
    match outcome {
        Ok(results) => c_int::try_from(*results).unwrap_or(0),
        // SAFETY: the value to raise is on the stack.
        Err(Raise) => unsafe { ffi::lua_error(state) },
    }
}
