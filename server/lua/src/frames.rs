//! What is being called: the frames of the running functions and their local variables, for error messages and a debugger.

use std::ffi::CStr;
use std::mem::MaybeUninit;

use mlua_sys as ffi;

use crate::function::Outcome;
use crate::interrupt::keep_globals;
use crate::stack::{Failure, Kind, Stack};

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Whether its function is not Lua.
    pub is_native: bool,
    /// The name of the chunk, with the `@` or `=` that it was loaded with.
    pub source: Vec<u8>,
    /// The current line; -1 if it is not known.
    pub line: i32,
    /// The name by which the function was called, if there is one.
    pub function: Option<Vec<u8>>,
}

impl Stack<'_> {
    /// The frame at a level: 0 is the running function, 1 its caller.
    pub fn frame(&mut self, level: i32) -> Option<Frame> {
        let state = self.raw();
        let mut debug = MaybeUninit::<ffi::lua_Debug>::zeroed();
        // SAFETY: the state is valid. A level that exists fills in what `lua_getinfo` needs, and all that is asked for is then
        // set to texts that live as long as the function is on the stack.
        unsafe {
            if ffi::lua_getstack(state, level, debug.as_mut_ptr()) == 0 {
                return None;
            }
            ffi::lua_getinfo(state, c"nSl".as_ptr(), debug.as_mut_ptr());
            let debug = debug.assume_init();
            Some(Frame {
                is_native: CStr::from_ptr(debug.what) == c"C",
                source: CStr::from_ptr(debug.source).to_bytes().to_vec(),
                line: debug.currentline,
                function: (!debug.name.is_null())
                    .then(|| CStr::from_ptr(debug.name).to_bytes().to_vec()),
            })
        }
    }

    /// Pushes the local variable with a number, counted from 1, of the frame at a level; returns its name. Temporary values
    /// have names in parentheses.
    pub fn push_local(&mut self, level: i32, number: i32) -> Option<Vec<u8>> {
        assert!(self.reserve(1), "room on the stack of Lua");
        let state = self.raw();
        let mut debug = MaybeUninit::<ffi::lua_Debug>::zeroed();
        // SAFETY: the state is valid and has room for the value. A level that exists fills in what `lua_getlocal` needs; the
        // name lives as long as the function is on the stack.
        unsafe {
            if ffi::lua_getstack(state, level, debug.as_mut_ptr()) == 0 {
                return None;
            }
            let name = ffi::lua_getlocal(state, debug.as_ptr(), number);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_bytes().to_vec())
        }
    }

    /// Takes the table on top as the table of globals.
    pub fn replace_globals(&mut self) {
        assert_eq!(self.kind(-1), Kind::Table);
        // SAFETY: the state is valid, and a table is on top; the pseudo-index is always valid.
        unsafe { ffi::lua_replace(self.raw(), ffi::LUA_GLOBALSINDEX) };
        keep_globals(self);
    }

    /// As [`Stack::call`], for as many results as there are, without a handler.
    ///
    /// # Errors
    /// As [`Stack::call`].
    pub fn call_for_all(&mut self, arguments: usize) -> Result<(), Failure> {
        self.call_for(arguments, ffi::LUA_MULTRET, 0)
    }
}

/// `pcall` as scripts see it: calls its first argument with the others. Returns true and all results, or false and the
/// error. If the error is a table whose `err` is a text or a number, that stands for it. As in Redis, a table whose `err` is
/// anything else, nil included, is returned together with that value.
///
/// # Errors
/// If there is no argument.
pub fn pcall(stack: &mut Stack<'_>) -> Outcome {
    let arguments = stack.top();
    if arguments == 0 {
        return Err(stack.fail_here(b"bad argument #1 to 'pcall' (value expected)"));
    }
    stack.push_boolean(true);
    stack.insert(1);
    match stack.call_for_all(arguments - 1) {
        Ok(()) => Ok(stack.top()),
        Err(_) => {
            stack.remove(1);
            if stack.kind(-1) == Kind::Table {
                stack.get_field(-1, b"err");
                if matches!(stack.kind(-1), Kind::String | Kind::Number) {
                    stack.remove(-2);
                }
            }
            stack.push_boolean(false);
            stack.insert(1);
            Ok(stack.top())
        }
    }
}
