//! `redis.register_function`: the code of a library adds a function to it.

use std::sync::Arc;

use lua::function::Outcome;
use lua::stack::{Kind, Stack};
use words::until_nul;

use crate::script::error::raise;
use crate::server::Server;
use crate::state::scripts::flags::ScriptFlags;
use crate::state::scripts::libraries::{BAD_NAME, Function, is_name};

/// The field of the registry with the functions that are being registered.
pub const REGISTERED: &[u8] = b"registered";

/// `redis.register_function`: a name and a function, or a table with them and more.
pub fn register(stack: &mut Stack<'_>) -> Outcome {
    let load = stack
        .host::<Server>()
        .and_then(|srv| srv.scripts.load.as_ref());
    let Some(position) = load.map(|load| load.functions.len() as i32 + 1) else {
        let text = "redis.register_function can only be called on FUNCTION LOAD command";
        return Err(raise(stack, text));
    };
    let read = match stack.top() {
        1 => read_named(stack),
        2 => read_positional(stack),
        _ => Err("wrong number of arguments to redis.register_function"),
    };
    let mut function = match read {
        Ok(function) => function,
        Err(message) => return Err(raise(stack, message)),
    };
    if !is_name(&function.name) {
        return Err(raise(stack, BAD_NAME));
    }
    // The function is on top.
    stack.push_registry();
    stack.get_field(-1, REGISTERED);
    stack.push_copy(-3);
    stack.set_at(-2, position);
    function.position = position;
    let Some(load) = stack
        .host::<Server>()
        .and_then(|srv| srv.scripts.load.as_mut())
    else {
        return Ok(0);
    };
    if !load.names.insert(function.name.to_ascii_lowercase()) {
        return Err(raise(stack, "Function already exists in the library"));
    }
    load.functions.push(function);
    Ok(0)
}

fn function(name: Vec<u8>) -> Function {
    Function {
        name: Arc::from(name),
        description: None,
        flags: ScriptFlags::empty(),
        position: 0,
    }
}

fn read_positional(stack: &mut Stack<'_>) -> Result<Function, &'static str> {
    let name = stack.convert_to_bytes(1).map(<[u8]>::to_vec);
    let name = name.ok_or("first argument to redis.register_function must be a string")?;
    if stack.kind(2) != Kind::Function {
        return Err("second argument to redis.register_function must be a function");
    }
    Ok(function(name))
}

/// Reads the table of named arguments; leaves the function on top.
fn read_named(stack: &mut Stack<'_>) -> Result<Function, &'static str> {
    if stack.kind(1) != Kind::Table {
        return Err(
            "calling redis.register_function with a single argument is only applicable to Lua table (representing named \
             arguments).",
        );
    }
    let mut named = function(Vec::new());
    let mut has_name = false;
    // The place of the function.
    stack.push_nil();
    stack.push_nil();
    while stack.next(1) {
        let key = match stack.kind(-2) {
            Kind::String => until_nul(stack.bytes(-2).unwrap_or_default()).to_ascii_lowercase(),
            Kind::Number => Vec::new(),
            _ => return Err("named argument key given to redis.register_function is not a string"),
        };
        match key.as_slice() {
            b"function_name" => {
                let name = stack.convert_to_bytes(-1);
                let name = name.ok_or(
                    "function_name argument given to redis.register_function must be a string",
                )?;
                named.name = Arc::from(name);
                has_name = true;
            }
            b"description" => {
                let text = stack.convert_to_bytes(-1).map(<[u8]>::to_vec);
                let text = text.ok_or(
                    "description argument given to redis.register_function must be a string",
                )?;
                named.description = Some(text);
            }
            b"callback" => {
                if stack.kind(-1) != Kind::Function {
                    return Err(
                        "callback argument given to redis.register_function must be a function",
                    );
                }
                stack.push_copy(-1);
                stack.replace(2);
            }
            b"flags" => named.flags = read_flags(stack)?,
            _ => return Err("unknown argument given to redis.register_function"),
        }
        stack.pop(1);
    }
    if !has_name {
        return Err("redis.register_function must get a function name argument");
    }
    if stack.kind(2) != Kind::Function {
        return Err("redis.register_function must get a callback argument");
    }
    Ok(named)
}

/// Reads the list of flags on top of the stack.
fn read_flags(stack: &mut Stack<'_>) -> Result<ScriptFlags, &'static str> {
    if stack.kind(-1) != Kind::Table {
        return Err(
            "flags argument to redis.register_function must be a table representing function flags",
        );
    }
    let mut flags = ScriptFlags::empty();
    for position in 1.. {
        stack.get_at(-1, position);
        let is_end = stack.kind(-1) == Kind::Nil;
        let name = stack.convert_to_bytes(-1).map(until_nul);
        let name = name.map(<[u8]>::to_ascii_lowercase);
        stack.pop(1);
        if is_end {
            break;
        }
        let flag = name.and_then(|name| ScriptFlags::by_name(&name));
        flags |= flag.ok_or("unknown flag given")?;
    }
    Ok(flags)
}
