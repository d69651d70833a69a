//! Interpreters: their libraries, the table `redis`, and globals that no script can change.

use lua::frames::pcall;
use lua::interpreter::Interpreter;
use lua::stack::Stack;
use lua::{bits, json, msgpack, sandbox, structs};

use crate::script::{api, error, interrupt};

/// Pushes the table of a library.
type Open = fn(&mut Stack<'_>);

const LIBRARIES: [(&[u8], Open); 4] = [
    (b"cjson", json::open),
    (b"struct", structs::open),
    (b"cmsgpack", msgpack::open),
    (b"bit", bits::open),
];

/// The position of the error handler in the registry; functions follow it.
pub const HANDLER: i32 = 1;

/// An interpreter with the libraries of scripts and functions.
fn with_libraries() -> Interpreter {
    let mut lua = Interpreter::new();
    lua.set_interrupt(Some(interrupt::check));
    let stack = &mut lua.stack();
    sandbox::open(stack);
    // In the order of Redis.
    for (name, open) in LIBRARIES {
        open(stack);
        sandbox::set_global(stack, name);
    }
    stack.push_function(pcall);
    sandbox::set_global(stack, b"pcall");
    stack.push_function(error::handler);
    stack.keep(HANDLER);
    lua
}

/// An interpreter for scripts of EVAL.
pub fn for_eval() -> Interpreter {
    let mut lua = with_libraries();
    let stack = &mut lua.stack();
    api::push_for_eval(stack);
    sandbox::set_global(stack, b"redis");
    stack.push_function(error::handler);
    sandbox::set_global(stack, b"__redis__err__handler");
    sandbox::seal(stack);
    lua
}

/// Fields of the registry: the globals of functions, and those of the code of a library.
const GLOBALS: &[u8] = b"globals";
const LOADING: &[u8] = b"loading";

/// An interpreter for functions. Its table of globals is empty; [`set_loading`] says where it leads to.
pub fn for_functions() -> Interpreter {
    let mut lua = with_libraries();
    let stack = &mut lua.stack();
    api::push_for_functions(stack);
    sandbox::set_global(stack, b"redis");
    sandbox::seal(stack);
    stack.push_registry();
    stack.push_globals();
    stack.set_field(1, GLOBALS);
    // The globals of code.
    stack.push_table(0, 1);
    api::push_for_loading(stack);
    sandbox::protect_missing(stack);
    stack.set_field(-2, b"redis");
    sandbox::protect_missing(stack);
    sandbox::protect(stack);
    stack.set_field(1, LOADING);
    // The empty table.
    stack.push_table(0, 0);
    stack.push_table(0, 1);
    stack.set_metatable(-2);
    stack.set_readonly(-1, true);
    stack.replace_globals();
    set_loading(stack, false);
    stack.set_top(0);
    lua
}

/// Gives the code that follows the globals of functions, or those of the code of a library.
pub fn set_loading(stack: &mut Stack<'_>, on: bool) {
    let base = stack.top();
    stack.push_globals();
    stack.push_metatable(-1);
    stack.set_readonly(-1, false);
    stack.push_registry();
    stack.get_field(-1, if on { LOADING } else { GLOBALS });
    stack.remove(-2);
    stack.set_field(-2, b"__index");
    stack.set_readonly(-1, true);
    stack.set_top(base);
}
