//! More of the stack for libraries: several steps in one call, and functions with a state of their own.
//!
//! The rules of [`crate::stack`] hold here too: all access is raw, and nothing raises an error.

use std::ffi::{CStr, c_char};
use std::mem::{self, MaybeUninit};
use std::{ptr, slice};

use libc::c_int;
use mlua_sys as ffi;

use crate::function::{self, Outcome};
use crate::interpreter::Shared;
use crate::limits::MOST;
use crate::stack::Stack;

/// A value as its type and content.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum View<'value> {
    /// No value.
    Nil,
    /// True or false.
    Boolean(bool),
    /// A number.
    Number(f64),
    /// Its bytes.
    String(&'value [u8]),
    /// A table.
    Table,
    /// A light userdata.
    Light {
        /// Whether its address is null.
        null: bool,
    },
    /// A function, userdata or coroutine.
    Other,
}

/// A function with a state of type `T`, which all functions of one library table share.
pub type Stateful<T> = fn(&mut Stack<'_>, &mut T) -> Outcome;

/// How many values a function of C can have on its stack (`LUAI_MAXCSTACK`).
pub(crate) const MOST_SLOTS: usize = 8000;

/// The alignment of a userdata is at least this.
const ALIGN: usize = 8;

/// A value as its type and content.
///
/// # Safety
/// The index is in range, and the value stays on the stack for the lifetime of the result.
pub(crate) unsafe fn view<'value>(state: *mut ffi::lua_State, index: c_int) -> View<'value> {
    let (mut number, mut text, mut len) = (0.0, ptr::null(), 0);
    // SAFETY: as the caller promises. One call, since values are many and calls into C are not inlined.
    let kind = unsafe { lua_view(state, index, &raw mut number, &raw mut text, &raw mut len) };
    match kind {
        ffi::LUA_TNIL => View::Nil,
        ffi::LUA_TBOOLEAN => View::Boolean(len != 0),
        ffi::LUA_TNUMBER => View::Number(number),
        // SAFETY: these are the bytes of the string, which lives as long as it is on the stack.
        ffi::LUA_TSTRING => View::String(unsafe { slice::from_raw_parts(text.cast(), len) }),
        ffi::LUA_TTABLE => View::Table,
        ffi::LUA_TLIGHTUSERDATA => View::Light {
            null: text.is_null(),
        },
        _ => View::Other,
    }
}

impl Stack<'_> {
    /// An argument that is a number, or what a string that looks like one stands for.
    pub(crate) fn numeric(&mut self, argument: i32) -> Option<f64> {
        assert!(argument > 0);
        // SAFETY: an index from 1 up is one that Lua accepts, even above the top; a conversion leaves the value as it is.
        unsafe {
            let number = ffi::lua_tonumber(self.raw(), argument);
            (number != 0.0 || ffi::lua_isnumber(self.raw(), argument) != 0).then_some(number)
        }
    }

    /// Whether an argument is a string, or a number, which becomes one in its place.
    pub(crate) fn textual(&mut self, argument: i32) -> bool {
        assert!(argument > 0);
        // SAFETY: as above; the allocator refuses nothing.
        unsafe { !ffi::lua_tolstring(self.raw(), argument, ptr::null_mut()).is_null() }
    }

    /// Makes room for more values; whether a function of C would get it. What a script may nest in Redis ends there.
    #[must_use]
    pub fn reserve_as_in_c(&mut self, count: usize) -> bool {
        count <= MOST_SLOTS && self.top() + count <= MOST_SLOTS && self.reserve(count)
    }

    /// How many bytes a call may produce: what the script may still use, up to a bound.
    pub(crate) fn output_limit(&mut self) -> usize {
        // SAFETY: no other reference to the shared part is alive.
        unsafe { Shared::of(self.raw()) }.left().min(MOST)
    }

    /// The name that the caller used for the running function, and whether it called it as a method (`object:name()`).
    pub fn called_as(&mut self) -> Option<(Vec<u8>, bool)> {
        let mut record = MaybeUninit::<ffi::lua_Debug>::zeroed();
        // SAFETY: a record of zeros is one. Lua fills it in; the names live as long as the function runs.
        unsafe {
            if ffi::lua_getstack(self.raw(), 0, record.as_mut_ptr()) == 0 {
                return None;
            }
            ffi::lua_getinfo(self.raw(), c"n".as_ptr(), record.as_mut_ptr());
            let record = record.assume_init();
            if record.name.is_null() || record.namewhat.is_null() {
                return None;
            }
            let name = CStr::from_ptr(record.name).to_bytes().to_vec();
            Some((name, CStr::from_ptr(record.namewhat) == c"method"))
        }
    }

    /// Adds functions to the table on top, which share a state.
    pub fn set_functions<T: Copy + 'static>(
        &mut self,
        state: T,
        functions: &[(&str, Stateful<T>)],
    ) {
        const { assert!(align_of::<T>() <= ALIGN) };
        assert!(self.kind(-1) == crate::stack::Kind::Table && self.reserve(4));
        let raw = self.raw();
        // SAFETY: there is room. The userdata has the size of the state, and nothing but the closures can reach it.
        unsafe {
            ffi::lua_newuserdata(raw, size_of::<T>())
                .cast::<T>()
                .write(state);
        }
        for (name, function) in functions {
            // SAFETY: there is room; the upvalues are what the trampoline for this type expects.
            unsafe {
                ffi::lua_pushlightuserdata(raw, *function as *mut libc::c_void);
                ffi::lua_pushvalue(raw, -2);
                ffi::lua_pushcclosure(raw, trampoline::<T>, 2);
            }
            self.set_field(-3, name.as_bytes());
        }
        self.pop(1);
    }
}

/// What Lua calls; its upvalues are the function and its state.
///
/// # Safety
/// For Lua only, as the function of a closure that [`Stack::set_functions`] made.
unsafe extern "C-unwind" fn trampoline<T: Copy + 'static>(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: the upvalues were made from a `Stateful<T>` and a `T`; the closure keeps the userdata alive. The function
    // works on a copy, so that it may call itself by way of a script.
    let outcome = unsafe {
        function::enter(state, |stack| {
            let address = ffi::lua_touserdata(state, ffi::lua_upvalueindex(1));
            let function = mem::transmute::<*mut libc::c_void, Stateful<T>>(address);
            let shared = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2)).cast::<T>();
            let mut copy = shared.read();
            let outcome = function(stack, &mut copy);
            shared.write(copy);
            outcome
        })
    };
    // SAFETY: nothing with a destructor is alive.
    unsafe { function::leave(state, &outcome) }
}

// From the edits.
unsafe extern "C-unwind" {
    /// The type of a value; sets the number, the address and length of a string, the truth of a boolean as a length, or the
    /// address of a light userdata.
    fn lua_view(
        state: *mut ffi::lua_State,
        index: c_int,
        number: *mut f64,
        text: *mut *const c_char,
        len: *mut usize,
    ) -> c_int;
}
