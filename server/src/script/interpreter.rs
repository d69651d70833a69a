//! Interpreters: their libraries, the table `redis`, and globals that no script can change.

use lua::interpreter::Interpreter;
use lua::stack::{Kind, Stack};

use crate::script::{api, error};

/// The name of the error handler among the globals.
const HANDLER: &[u8] = b"__redis__err__handler";

/// An interpreter for scripts of EVAL.
pub fn for_eval() -> Interpreter {
    let mut lua = Interpreter::new();
    let stack = &mut lua.stack();
    open(stack);
    api::push_for_eval(stack);
    stack.set_field(1, b"redis");
    stack.push_function(error::handler);
    stack.set_field(1, HANDLER);
    protect(stack);
    stack.set_top(0);
    lua
}

/// Fields of the registry: the globals of functions, and those of the code of a library.
const GLOBALS: &[u8] = b"globals";
const LOADING: &[u8] = b"loading";

/// An interpreter for functions. Its table of globals is empty; [`set_loading`] says where it leads to.
pub fn for_functions() -> Interpreter {
    let mut lua = Interpreter::new();
    let stack = &mut lua.stack();
    open(stack);
    api::push_for_functions(stack);
    stack.set_field(1, b"redis");
    protect(stack);
    stack.push_registry();
    stack.push_copy(1);
    stack.set_field(2, GLOBALS);
    // The globals of code.
    stack.push_table(0, 1);
    api::push_for_loading(stack);
    refuse_unknown_fields(stack);
    stack.set_field(-2, b"redis");
    refuse_unknown_fields(stack);
    protect_all(stack);
    stack.set_field(2, LOADING);
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

/// Opens the libraries; leaves the table of globals on the stack.
fn open(stack: &mut Stack<'_>) {
    stack.open_standard();
    stack.push_globals();
    stack.push_function(|stack| stack.protected_call());
    stack.set_field(1, b"pcall");
}

/// Protects the globals, which are on the stack, and all that can be reached from them.
fn protect(stack: &mut Stack<'_>) {
    refuse_unknown_fields(stack);
    protect_all(stack);
}

/// Makes reading an unknown field of the table on top an error.
fn refuse_unknown_fields(stack: &mut Stack<'_>) {
    stack.push_table(0, 1);
    stack.push_function(refuse_unknown);
    stack.set_field(-2, b"__index");
    stack.set_metatable(-2);
}

/// Makes the table on top, and all tables that it leads to, unchangeable.
fn protect_all(stack: &mut Stack<'_>) {
    if stack.is_readonly(-1) {
        return;
    }
    stack.set_readonly(-1, true);
    stack.push_nil();
    while stack.next(-2) {
        if stack.kind(-1) == Kind::Table {
            protect_all(stack);
        }
        stack.pop(1);
    }
    if stack.push_metatable(-1) {
        protect_all(stack);
        stack.pop(1);
    }
}

/// What reading an unknown global does.
fn refuse_unknown(stack: &mut Stack<'_>) -> lua::function::Outcome {
    let name = stack.convert_to_bytes(2).unwrap_or_default().to_vec();
    let text = [
        b"Script attempted to access nonexistent global variable '".as_slice(),
        &name,
        b"'",
    ];
    Err(stack.fail_here(&text.concat()))
}
