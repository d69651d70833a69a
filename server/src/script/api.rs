//! The table `redis`: what scripts can call, besides commands.

use data::util::sha::sha1_hex;
use lua::function::{Function, Outcome};
use lua::stack::{Kind, Stack};

use crate::script::call::{self, running};
use crate::script::debug::{echo, show};
use crate::script::error::{fault_of, push_fault, raise};
use crate::script::register::register;
use crate::server::Server;
use crate::state::caller::Targets;
use crate::state::scripts::debug::DebugSession;
use crate::sys::log::{self, Level};
use crate::wire::reply::Resp;

/// Functions that call commands.
const CALLS: [(&str, Function); 2] = [("call", call::call), ("pcall", call::pcall)];

/// Functions that concern replies and the propagation of what follows.
const REPLIES: [(&str, Function); 5] = [
    ("setresp", set_resp),
    ("sha1hex", sha1hex),
    ("error_reply", error_reply),
    ("status_reply", status_reply),
    ("set_repl", set_repl),
];

/// Functions for EVAL alone.
const EVAL: [(&str, Function); 3] = [
    ("breakpoint", breakpoint),
    ("debug", debug),
    ("replicate_commands", replicate_commands),
];

/// Bytes whose digest takes about the time of an instruction of Lua.
const DIGESTED_PER_STEP: usize = 2;

/// Bytes that are copied in about that time.
const COPIED_PER_STEP: usize = 16;

/// The most bytes that `redis.debug` shows.
const MOST_SHOWN: usize = 16 << 20;

/// Levels of the log, by the names and numbers that scripts use.
const LEVELS: [(&str, Level); 4] = [
    ("LOG_DEBUG", Level::Debug),
    ("LOG_VERBOSE", Level::Verbose),
    ("LOG_NOTICE", Level::Notice),
    ("LOG_WARNING", Level::Warning),
];

/// Targets of `redis.set_repl`.
const TARGETS: [(&str, Targets); 5] = [
    ("REPL_NONE", Targets::empty()),
    ("REPL_AOF", Targets::AOF),
    ("REPL_SLAVE", Targets::REPLICAS),
    ("REPL_REPLICA", Targets::REPLICAS),
    ("REPL_ALL", Targets::all()),
];

/// Pushes the table for scripts of EVAL.
pub fn push_for_eval(stack: &mut Stack<'_>) {
    push_for_functions(stack);
    add(stack, &EVAL);
}

/// Pushes the table for functions.
pub fn push_for_functions(stack: &mut Stack<'_>) {
    // Without room, and in the order of Redis: `pairs` shows how the table has grown.
    stack.push_table(0, 0);
    add(stack, &CALLS);
    add_log(stack);
    add_version(stack);
    add(stack, &REPLIES);
    for (name, targets) in TARGETS {
        stack.push_number(f64::from(targets.bits()));
        stack.set_field(-2, name.as_bytes());
    }
    add(stack, &[("acl_check_cmd", call::check_permission)]);
}

/// Pushes the table for the code of a library while it is loaded.
pub fn push_for_loading(stack: &mut Stack<'_>) {
    stack.push_table(0, 8);
    add(stack, &[("register_function", register)]);
    add_log(stack);
    add_version(stack);
}

/// Adds functions to the table on top.
fn add(stack: &mut Stack<'_>, functions: &[(&str, Function)]) {
    for (name, function) in functions {
        stack.push_function(*function);
        stack.set_field(-2, name.as_bytes());
    }
}

/// Adds `log` and the levels of the log to the table on top.
fn add_log(stack: &mut Stack<'_>) {
    add(stack, &[("log", write_log)]);
    for (number, (name, _)) in LEVELS.iter().enumerate() {
        stack.push_number(number as f64);
        stack.set_field(-2, name.as_bytes());
    }
}

fn add_version(stack: &mut Stack<'_>) {
    let version = env!("CARGO_PKG_VERSION");
    stack.push_bytes(version.as_bytes());
    stack.set_field(-2, b"REDIS_VERSION");
    let number = version
        .split('.')
        .fold(0, |number, part| number << 8 | part.parse().unwrap_or(0u32));
    stack.push_number(f64::from(number));
    stack.set_field(-2, b"REDIS_VERSION_NUM");
}

/// `redis.log(level, …)`.
fn write_log(stack: &mut Stack<'_>) -> Outcome {
    let count = stack.top();
    if count < 2 {
        return Err(raise(stack, "redis.log() requires two arguments or more."));
    }
    let Some(number) = stack.number(1) else {
        return Err(raise(stack, "First argument must be a number (log level)."));
    };
    let level = LEVELS.iter().enumerate();
    let level = level
        .filter(|(at, _)| *at as i64 == number as i64)
        .map(|(_, (_, level))| *level)
        .next();
    let Some(level) = level.filter(|_| number > -1.0) else {
        return Err(raise(stack, "Invalid debug level."));
    };
    if !log::enabled(level) {
        return Ok(0);
    }
    let mut line = Vec::new();
    for index in 2..=count as i32 {
        if let Some(text) = stack.convert_to_bytes(index) {
            if index > 2 {
                line.push(b' ');
            }
            line.extend_from_slice(text);
        }
    }
    stack.charge(line.len() / COPIED_PER_STEP);
    log::line(level, format_args!("{}", String::from_utf8_lossy(&line)));
    Ok(0)
}

/// `redis.setresp(version)`.
fn set_resp(stack: &mut Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        return Err(raise(stack, "redis.setresp() requires one argument."));
    }
    let resp = match stack.number(1).map(|number| number as i64) {
        Some(2) => Resp::V2,
        Some(3) => Resp::V3,
        _ => return Err(raise(stack, "RESP version must be 2 or 3.")),
    };
    if let Some(run) = running(stack).and_then(|srv| srv.scripts.run.as_mut()) {
        run.caller.session.resp = resp;
    }
    Ok(0)
}

/// `redis.set_repl(targets)`: where the writes that follow go.
fn set_repl(stack: &mut Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        return Err(raise(stack, "redis.set_repl() requires one argument."));
    }
    // NaN would be converted to 0, which is `REPL_NONE`.
    let number = stack.number(1).unwrap_or(0.0);
    let bits = u8::try_from(if number.is_nan() { -1 } else { number as i64 });
    let Some(targets) = bits.ok().and_then(Targets::from_bits) else {
        let text = "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
        return Err(raise(stack, text));
    };
    if let Some(run) = running(stack).and_then(|srv| srv.scripts.run.as_mut()) {
        run.caller.targets = run.targets & targets;
    }
    Ok(0)
}

/// `redis.sha1hex(text)`.
fn sha1hex(stack: &mut Stack<'_>) -> Outcome {
    if stack.top() != 1 {
        return Err(raise(stack, "wrong number of arguments"));
    }
    let text = stack.convert_to_bytes(1).unwrap_or_default();
    let (len, digest) = (text.len(), sha1_hex(text));
    stack.charge(len / DIGESTED_PER_STEP);
    stack.push_bytes(&digest);
    Ok(1)
}

/// The only argument, if it is a text.
fn only_text(stack: &mut Stack<'_>) -> Option<Vec<u8>> {
    if stack.top() == 1 && stack.kind(1) == Kind::String {
        stack.charge(stack.len(1) / COPIED_PER_STEP);
        return stack.bytes(1).map(<[u8]>::to_vec);
    }
    echo::error(stack, b"wrong number or type of arguments");
    push_fault(stack, b"ERR wrong number or type of arguments");
    None
}

/// `redis.error_reply(text)`.
fn error_reply(stack: &mut Stack<'_>) -> Outcome {
    if let Some(text) = only_text(stack) {
        let minus: &[u8] = if text.starts_with(b"-") { b"" } else { b"-" };
        echo::error(stack, &[minus, &text].concat());
        push_fault(stack, &fault_of(&text));
    }
    Ok(1)
}

/// `redis.status_reply(text)`.
fn status_reply(stack: &mut Stack<'_>) -> Outcome {
    if let Some(text) = only_text(stack) {
        stack.push_table(0, 1);
        stack.push_bytes(&text);
        stack.set_field(-2, b"ok");
    }
    Ok(1)
}

/// `redis.replicate_commands()`: what it asked for is the only way now.
fn replicate_commands(stack: &mut Stack<'_>) -> Outcome {
    stack.push_boolean(true);
    Ok(1)
}

/// The session of the debugger, if the script is debugged.
fn session<'a>(stack: &'a mut Stack<'_>) -> Option<&'a mut DebugSession> {
    let srv = stack.host::<Server>()?;
    srv.scripts.debug.session.as_deref_mut()
}

/// `redis.breakpoint()`: stops a debugged script at its next line; whether it is debugged.
fn breakpoint(stack: &mut Stack<'_>) -> Outcome {
    let session = session(stack);
    let is_debugged = session.map(|session| session.called = true).is_some();
    stack.push_boolean(is_debugged);
    Ok(1)
}

/// `redis.debug(…)`: shows values in the debugger.
fn debug(stack: &mut Stack<'_>) -> Outcome {
    let Some(line) = session(stack).map(|session| session.line) else {
        return Ok(0);
    };
    let mut text = format!("<debug> line {line}: ").into_bytes();
    for at in 1..=stack.top() as i32 {
        if at > 1 {
            text.extend_from_slice(b", ");
        }
        stack.push_copy(at);
        show::value(stack, &mut text, MOST_SHOWN);
        stack.pop(1);
    }
    if let Some(session) = session(stack) {
        session.log(text);
    }
    Ok(0)
}
