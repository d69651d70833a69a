//! The libraries and globals that scripts have: those of Redis 7.2.
//!
//! [`open`] fills the table of globals of a new interpreter: the basic functions without those that use files, and `string`,
//! `table`, `math` and `coroutine`. The host then adds its own, and calls [`seal`], after which a script cannot change any
//! table that it can reach and that another script can reach, too.
//!
//! Invariants, once sealed:
//! 1. Every table that can be reached from the globals or from the metatable of strings is readonly, metatables included.
//! 2. Access to a global that does not exist is an error, unless the host has given the table another metatable.

use libc::c_int;
use mlua_sys as ffi;

use crate::arguments::c_text;
use crate::function::Outcome;
use crate::stack::{Kind, Stack};

/// What opens a library; it takes its name and leaves what it likes.
type Opener = unsafe extern "C-unwind" fn(*mut ffi::lua_State) -> c_int;

const LIBRARIES: [(&[u8], Opener); 4] = [
    (b"", ffi::luaopen_base),
    (b"table", ffi::luaopen_table),
    (b"string", ffi::luaopen_string),
    (b"math", ffi::luaopen_math),
];

/// Basic functions that scripts do not have: they use files or the standard output.
const REMOVED: [&[u8]; 3] = [b"dofile", b"loadfile", b"print"];

/// Opens the libraries of Lua.
pub fn open(stack: &mut Stack<'_>) {
    for (name, opener) in LIBRARIES {
        assert!(stack.reserve(2), "room on the stack of Lua");
        // SAFETY: the state is valid and has room for the function, which is one of Lua's.
        unsafe { ffi::lua_pushcfunction(stack.raw(), opener) };
        stack.push_bytes(name);
        let opened = stack.call(1, 0, 0);
        assert_eq!(opened, Ok(()), "a library of Lua");
    }
    stack.push_globals();
    for name in REMOVED {
        stack.push_nil();
        stack.set_field(-2, name);
    }
    stack.pop(1);
}

/// Adds a global: the value on top.
pub fn set_global(stack: &mut Stack<'_>, name: &[u8]) {
    stack.push_globals();
    stack.insert(-2);
    stack.set_field(-2, name);
    stack.pop(1);
}

/// Makes all tables readonly that scripts can reach, and access to globals that do not exist an error.
pub fn seal(stack: &mut Stack<'_>) {
    stack.push_globals();
    protect_missing(stack);
    protect(stack);
    stack.push_bytes(b"");
    if stack.push_metatable(-1) {
        protect(stack);
        stack.pop(1);
    }
    stack.pop(2);
}

/// Makes access to what the table on top does not have an error.
pub fn protect_missing(stack: &mut Stack<'_>) {
    stack.push_table(0, 1);
    stack.push_function(missing);
    stack.set_field(-2, b"__index");
    stack.set_metatable(-2);
}

/// Makes the table on top readonly, with all tables that can be reached from it.
pub fn protect(stack: &mut Stack<'_>) {
    // Tables whose content has not been looked at yet are above this.
    let bottom = stack.top();
    stack.push_copy(-1);
    while stack.top() > bottom {
        protect_one(stack);
    }
}

/// Makes the table on top readonly, and replaces it by the tables that it leads to.
fn protect_one(stack: &mut Stack<'_>) {
    if stack.is_readonly(-1) {
        return stack.pop(1);
    }
    stack.set_readonly(-1, true);
    let table = stack.top() as i32;
    stack.push_nil();
    while stack.next(table) {
        // A table is moved below the key, where it stays until its turn.
        if stack.kind(-1) == Kind::Table {
            stack.insert(-2);
        } else {
            stack.pop(1);
        }
    }
    if stack.push_metatable(table) && stack.kind(-1) != Kind::Table {
        stack.pop(1);
    }
    stack.remove(table);
}

/// `__index` of the globals.
fn missing(stack: &mut Stack<'_>) -> Outcome {
    if stack.top() != 2 {
        return Err(stack.fail_here(b"Wrong number of arguments to luaProtectedTableError"));
    }
    let Some(name) = stack.convert_to_bytes(2) else {
        let message = b"Second argument to luaProtectedTableError must be a string or number";
        return Err(stack.fail_here(message));
    };
    let parts = [
        b"Script attempted to access nonexistent global variable '",
        c_text(name),
        b"'",
    ];
    let message = parts.concat();
    Err(stack.fail_here(&message))
}
