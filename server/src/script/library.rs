//! Loading libraries: their code is run once, and registers their functions.
//!
//! While a library is loaded, the global `redis` is another one, which only has what loading needs. Globals are an empty table
//! whose metatable leads to one set of globals or the other.

use std::collections::HashSet;

use lua::interpreter::Interpreter;
use lua::stack::{Kind, Stack};

use crate::script::register::REGISTERED;
use crate::script::{error, interpreter, memory};
use crate::server::Server;
use crate::state::scripts::libraries::{Function, Libraries, Library, Load, metadata};
use crate::sys::clock;
use crate::wire::fault::Fault;

/// The name of libraries in messages.
const CHUNK: &std::ffi::CStr = c"@user_function";
/// How long a client's library may take to load, in milliseconds.
pub const TIMEOUT_MS: u64 = 500;

/// Loads a library into a set; returns its name. If that fails, the set is as before.
///
/// # Errors
/// A sentence: why it cannot be loaded.
pub fn load(
    srv: &mut Server,
    set: &mut Libraries,
    code: &[u8],
    replace: bool,
    timeout_ms: Option<u64>,
) -> Result<Vec<u8>, Vec<u8>> {
    let head = metadata(code)?;
    let old = set.remove(&head.name);
    if old.is_some() && !replace {
        let message = [b"Library '", head.name.as_slice(), b"' already exists"].concat();
        restore(set, head.name, old);
        return Err(message);
    }
    let library = compile(srv, set, &code[head.len..], timeout_ms).and_then(|functions| {
        let library = Library {
            code: code.to_vec(),
            functions,
        };
        match conflict(set, &library) {
            Some(message) => {
                discard(set, &library.functions);
                Err(message)
            }
            None => Ok(library),
        }
    });
    match library {
        Ok(library) => {
            if let Some(old) = old {
                discard(set, &old.functions);
            }
            set.add(head.name.clone(), library);
            Ok(head.name)
        }
        Err(message) => {
            restore(set, head.name, old);
            Err(message)
        }
    }
}

fn restore(set: &mut Libraries, name: Vec<u8>, old: Option<Library>) {
    if let Some(old) = old {
        set.add(name, old);
    }
}

/// Why a library cannot be added.
fn conflict(set: &Libraries, library: &Library) -> Option<Vec<u8>> {
    if library.functions.is_empty() {
        return Some(b"No functions registered".to_vec());
    }
    let mut functions = library.functions.iter();
    let taken = functions.find(|function| set.function(&function.name).is_some())?;
    Some([b"Function ".as_slice(), &taken.name, b" already exists"].concat())
}

/// Forgets the functions of a library that is not in the set.
fn discard(set: &mut Libraries, functions: &[Function]) {
    for function in functions {
        if let Some(lua) = &mut set.lua {
            let stack = &mut lua.stack();
            stack.push_nil();
            stack.keep(function.position);
        }
        set.give_back(function.position);
    }
}

/// Deletes a library; whether there was one.
pub fn delete(set: &mut Libraries, name: &[u8]) -> bool {
    let library = set.remove(name);
    if let Some(library) = &library {
        discard(set, &library.functions);
    }
    library.is_some()
}

/// Adds the libraries of another set. If that fails, nothing is changed.
///
/// # Errors
/// A sentence: a library or function exists already.
pub fn join(
    srv: &mut Server,
    set: &mut Libraries,
    other: &Libraries,
    replace: bool,
) -> Result<(), Vec<u8>> {
    if !replace && let Some((name, _)) = other.iter().find(|(name, _)| set.get(name).is_some()) {
        return Err([b"Library ".as_slice(), name, b" already exists"].concat());
    }
    let replaced = take_out(set, other);
    let joined = add_all(srv, set, other);
    if joined.is_err() {
        for (_, library) in take_out(set, other) {
            discard(set, &library.functions);
        }
    }
    for (name, library) in replaced {
        if joined.is_ok() {
            discard(set, &library.functions);
        } else {
            set.add(name, library);
        }
    }
    joined
}

/// Takes the libraries out of a set that have the names of those of another; their functions are kept.
fn take_out(set: &mut Libraries, other: &Libraries) -> Vec<(Vec<u8>, Library)> {
    let names = other.iter().map(|(name, _)| name);
    names
        .filter_map(|name| Some((name.clone(), set.remove(name)?)))
        .collect()
}

/// Loads the libraries of another set into a set that has none of their names.
fn add_all(srv: &mut Server, set: &mut Libraries, other: &Libraries) -> Result<(), Vec<u8>> {
    let functions = || other.iter().flat_map(|(_, library)| &library.functions);
    if let Some(taken) = functions().find(|function| set.function(&function.name).is_some()) {
        return Err([b"Function ".as_slice(), &taken.name, b" already exists"].concat());
    }
    for (_, library) in other.iter() {
        load(srv, set, &library.code, false, None)?;
    }
    Ok(())
}

/// Runs the code of a library; returns the functions that it has registered.
fn compile(
    srv: &mut Server,
    set: &mut Libraries,
    code: &[u8],
    timeout_ms: Option<u64>,
) -> Result<Vec<Function>, Vec<u8>> {
    let mut lua = set.lua.take().unwrap_or_else(interpreter::for_functions);
    // What a primary or a file has loaded must load here, too.
    if timeout_ms.is_some() {
        memory::limit(srv, &mut lua);
    } else {
        lua.set_limit(usize::MAX);
    }
    srv.scripts.load = Some(Load {
        functions: Vec::new(),
        names: HashSet::new(),
        started_us: clock::monotonic_us(),
        timeout_ms,
    });
    let done = run(srv, &mut lua, code);
    let load = srv.scripts.load.take().unwrap_or_default();
    let functions = keep(&mut lua, set, load.functions);
    set.heap.set_used(lua.used());
    set.lua = Some(lua);
    match done {
        Ok(()) => Ok(functions),
        Err(message) => {
            discard(set, &functions);
            Err(message)
        }
    }
}

fn run(srv: &mut Server, lua: &mut Interpreter, code: &[u8]) -> Result<(), Vec<u8>> {
    lua.with_host(srv, |stack| {
        // The functions that are registered are kept below.
        stack.push_registry();
        stack.push_table(0, 0);
        stack.set_field(-2, REGISTERED);
        stack.pop(1);
        interpreter::set_loading(stack, true);
        let result = match stack.load(code, CHUNK) {
            Ok(()) => stack.call(0, 0, 0).map_err(|_| {
                let message = failure(stack);
                [b"Error registering functions: ".as_slice(), &message].concat()
            }),
            Err(_) => {
                let message = stack.convert_to_bytes(-1).unwrap_or_default();
                Err([b"Error compiling function: ", message].concat())
            }
        };
        interpreter::set_loading(stack, false);
        stack.set_top(0);
        result
    })
}

/// What the error on top of the stack says.
fn failure(stack: &mut Stack<'_>) -> Vec<u8> {
    if stack.kind(-1) == Kind::Table {
        return error::information(stack).message;
    }
    let text = stack.convert_to_bytes(-1).unwrap_or(b"unknown error");
    [b"ERR ", text].concat()
}

/// Gives each registered function a position in the registry.
fn keep(lua: &mut Interpreter, set: &mut Libraries, mut functions: Vec<Function>) -> Vec<Function> {
    let stack = &mut lua.stack();
    stack.push_registry();
    stack.get_field(-1, REGISTERED);
    for function in &mut functions {
        let position = set.take_position();
        stack.get_at(-1, function.position);
        stack.keep(position);
        function.position = position;
    }
    stack.pop(1);
    stack.push_nil();
    stack.set_field(-2, REGISTERED);
    stack.pop(1);
    functions
}

/// Replaces the current libraries.
pub fn replace_all(srv: &mut Server, new: Libraries, in_background: bool) {
    let old = std::mem::replace(&mut srv.scripts.libraries, new);
    if in_background {
        let functions = old.functions() as u64;
        srv.background.free(Box::new(old), functions);
    }
}

/// Changes the current libraries.
pub fn change<R>(srv: &mut Server, change: impl FnOnce(&mut Server, &mut Libraries) -> R) -> R {
    let mut libraries = std::mem::take(&mut srv.scripts.libraries);
    let result = change(srv, &mut libraries);
    srv.scripts.libraries = libraries;
    result
}

/// A sentence as an error reply.
pub fn fault(message: &[u8]) -> Fault {
    Fault::bytes([b"ERR ", message].concat())
}
