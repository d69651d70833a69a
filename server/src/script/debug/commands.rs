//! The commands of the debugger. Each can be given by its first letter.

use std::ffi::CStr;

use data::util::num::parse_i64;
use lua::stack::{Kind, Stack};

use crate::script::call;
use crate::script::debug::request::leading_number;
use crate::script::debug::show;
use crate::server::Server;
use crate::state::scripts::debug::{Added, DebugSession};

/// Part of the names of the chunks that are a script's.
const SCRIPT: &[u8] = b"user_script";
/// The name of code that the client has sent.
const CHUNK: &CStr = c"@ldb_eval";
/// Lines that `list` shows before and behind a line.
const CONTEXT: i32 = 5;
/// The most bytes of a value that is not cut.
const MOST_SHOWN: usize = 16 << 20;

/// What follows a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// The client is told what came of it, and asked for the next one.
    Ask,
    /// The script goes on.
    GoOn,
    /// The script ends with an error.
    Abort,
}

const HELP: [&str; 30] = [
    "Redis Lua debugger help:",
    "[h]elp               Show this help.",
    "[s]tep               Run current line and stop again.",
    "[n]ext               Alias for step.",
    "[c]ontinue           Run till next breakpoint.",
    "[l]ist               List source code around current line.",
    "[l]ist [line]        List source code around [line].",
    "                     line = 0 means: current position.",
    "[l]ist [line] [ctx]  In this form [ctx] specifies how many lines",
    "                     to show before/after [line].",
    "[w]hole              List all source code. Alias for 'list 1 1000000'.",
    "[p]rint              Show all the local variables.",
    "[p]rint <var>        Show the value of the specified variable.",
    "                     Can also show global vars KEYS and ARGV.",
    "[b]reak              Show all breakpoints.",
    "[b]reak <line>       Add a breakpoint to the specified line.",
    "[b]reak -<line>      Remove breakpoint from the specified line.",
    "[b]reak 0            Remove all breakpoints.",
    "[t]race              Show a backtrace.",
    "[e]val <code>        Execute some Lua code (in a different callframe).",
    "[r]edis <cmd>        Execute a Redis command.",
    "[m]axlen [len]       Trim logged Redis replies and Lua var dumps to len.",
    "                     Specifying zero as <len> means unlimited.",
    "[a]bort              Stop the execution of the script. In sync",
    "                     mode dataset changes will be retained.",
    "",
    "Debugger functions you can call from Lua scripts:",
    "redis.debug()        Produce logs in the debugger console.",
    "redis.breakpoint()   Stop execution like if there was a breakpoint in the",
    "                     next line of code.",
];

/// Whether a chunk belongs to a script.
pub fn is_script(chunk: &[u8]) -> bool {
    chunk.windows(SCRIPT.len()).any(|part| part == SCRIPT)
}

/// The session.
pub fn session_of<'a>(stack: &'a mut Stack<'_>) -> Option<&'a mut DebugSession> {
    let srv = stack.host::<Server>()?;
    srv.scripts.debug.session.as_deref_mut()
}

/// Executes a command.
pub fn execute(stack: &mut Stack<'_>, argv: &[Vec<u8>]) -> Next {
    let [name, arguments @ ..] = argv else {
        return Next::Ask;
    };
    match (name.to_ascii_lowercase().as_slice(), arguments) {
        (b"s" | b"step" | b"n" | b"next", _) => {
            if let Some(session) = session_of(stack) {
                session.steps = true;
            }
            return Next::GoOn;
        }
        (b"c" | b"continue", _) => return Next::GoOn,
        (b"a" | b"abort", _) => return Next::Abort,
        (b"t" | b"trace", _) => trace(stack),
        (b"e" | b"eval", _) => eval(stack, &arguments.join(&b' ')),
        (b"r" | b"redis", [_, ..]) => redis(stack, arguments),
        (b"p" | b"print", [variable]) => print(stack, variable),
        (b"p" | b"print", _) => print_all(stack),
        (name, _) => {
            if let Some(session) = session_of(stack) {
                of_session(session, name, arguments);
            }
        }
    }
    Next::Ask
}

/// The commands that need no more than the session.
fn of_session(session: &mut DebugSession, name: &[u8], arguments: &[Vec<u8>]) {
    match (name, arguments) {
        (b"h" | b"help", _) => {
            for line in HELP {
                session.log(line);
            }
        }
        (b"m" | b"maxlen", _) => {
            if let [length] = arguments {
                // A negative one is unlimited in effect.
                let length = usize::try_from(leading_number(length));
                session.set_length(length.unwrap_or(usize::MAX));
            }
            session.log_length();
        }
        (b"b" | b"break", []) => show_breakpoints(session),
        (b"b" | b"break", _) => arguments.iter().for_each(|line| set_break(session, line)),
        (b"l" | b"list", _) => {
            let mut numbers = arguments.iter().map(|text| leading_number(text));
            let around = numbers.next().filter(|line| *line > 0);
            let context = numbers.next().unwrap_or(CONTEXT);
            session.log_lines(around.unwrap_or(session.line), context);
        }
        (b"w" | b"whole", _) => session.log_lines(1, i32::MAX),
        _ => {
            session.log("<error> Unknown Redis Lua debugger command or wrong number of arguments.");
        }
    }
}

fn show_breakpoints(session: &mut DebugSession) {
    let lines = session.breakpoints().to_vec();
    if lines.is_empty() {
        return session.log("No breakpoints set. Use 'b <line>' to add one.");
    }
    session.log(format!("{} breakpoints set:", lines.len()));
    lines.iter().for_each(|line| session.log_source(*line));
}

/// `break line`, `break -line` or `break 0`.
fn set_break(session: &mut DebugSession, argument: &[u8]) {
    let Some(line) = parse_i64(argument) else {
        return session.log([b"Invalid argument:'", argument, b"'"].concat());
    };
    if line < 0 {
        let text = if session.remove_breakpoint(line.saturating_neg()) {
            "Breakpoint removed."
        } else {
            "No breakpoint in the specified line."
        };
        session.log(text);
    } else if line == 0 {
        session.clear_breakpoints();
        session.log("All breakpoints removed.");
    } else {
        match session.add_breakpoint(line) {
            Added::Yes => session.log_lines(i32::try_from(line).unwrap_or(i32::MAX), 1),
            Added::No => session.log("Wrong line number."),
            Added::Full => session.log("Too many breakpoints set."),
        }
    }
}

/// Shows the functions of scripts that are being called.
fn trace(stack: &mut Stack<'_>) {
    let mut level = 0;
    while let Some(frame) = stack.frame(level) {
        if let Some(session) = session_of(stack).filter(|_| is_script(&frame.source)) {
            let word: &[u8] = if level == 0 { b"In " } else { b"From " };
            let name = frame.function.as_deref().unwrap_or(b"top level");
            session.log([word, name, b":"].concat());
            session.log_source(frame.line);
        }
        level += 1;
    }
}

/// Shows the value on top of the stack, and drops it.
fn show_value(stack: &mut Stack<'_>, prefix: &[u8]) {
    let most = session_of(stack).map_or(0, |session| session.most_shown());
    let mut line = prefix.to_vec();
    show::value(stack, &mut line, most.min(MOST_SHOWN));
    stack.pop(1);
    if let Some(session) = session_of(stack) {
        session.log_cut(line);
    }
}

/// Shows the first variable of a name, from the current function up to the script itself.
fn print(stack: &mut Stack<'_>, variable: &[u8]) {
    let mut level = 0;
    while stack.frame(level).is_some() {
        let mut number = 1;
        while let Some(name) = stack.push_local(level, number) {
            if name == variable {
                return show_value(stack, b"<value> ");
            }
            stack.pop(1);
            number += 1;
        }
        level += 1;
    }
    if matches!(variable, b"KEYS" | b"ARGV") {
        stack.push_globals();
        stack.get_field(-1, variable);
        stack.remove(-2);
        show_value(stack, b"<value> ");
    } else if let Some(session) = session_of(stack) {
        session.log("No such variable.");
    }
}

/// Shows the variables of the current function.
fn print_all(stack: &mut Stack<'_>) {
    let (mut number, mut is_empty) = (1, true);
    while let Some(name) = stack.push_local(0, number) {
        number += 1;
        if name.starts_with(b"(*temporary)") {
            stack.pop(1);
        } else {
            is_empty = false;
            show_value(stack, &[b"<value> ", name.as_slice(), b" = "].concat());
        }
    }
    if is_empty && let Some(session) = session_of(stack) {
        session.log("No local variables in the current context.");
    }
}

/// Runs code of the client, as an expression if it is one, and shows its result.
fn eval(stack: &mut Stack<'_>, code: &[u8]) {
    let base = stack.top();
    let expression = [b"return ", code].concat();
    let loaded = stack.load(&expression, CHUNK).or_else(|_| {
        stack.pop(1);
        stack.load(code, CHUNK)
    });
    if loaded.and_then(|()| stack.call(0, 1, 0)).is_ok() {
        show_value(stack, b"<retval> ");
    } else {
        if stack.kind(-1) == Kind::Table {
            stack.get_field(-1, b"err");
        }
        let message = stack.convert_to_bytes(-1).unwrap_or(b"(null)");
        let line = [b"<error> ", message].concat();
        if let Some(session) = session_of(stack) {
            session.log(line);
        }
    }
    stack.set_top(base);
}

/// Calls a command, which is shown as if the script had called it.
fn redis(stack: &mut Stack<'_>, arguments: &[Vec<u8>]) {
    let base = stack.top();
    if !stack.reserve(arguments.len() + 1) {
        return;
    }
    stack.push_function(call::call);
    for argument in arguments {
        stack.push_bytes(argument);
    }
    set_steps(stack, true);
    // An error is shown like a reply.
    let _ = stack.call(arguments.len(), 1, 0);
    set_steps(stack, false);
    stack.set_top(base);
}

fn set_steps(stack: &mut Stack<'_>, on: bool) {
    if let Some(session) = session_of(stack) {
        session.steps = on;
    }
}
