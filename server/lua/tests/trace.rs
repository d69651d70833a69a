//! Debuggers: what they are called for, what they see, and how they end a script.

use lua::interpreter::Interpreter;
use lua::sandbox;
use lua::stack::{Kind, Stack};
use lua::trace::{Halt, Moment, Trace};

/// What a debugger has seen, and the line at which it ends the script.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    counts: usize,
    halt_at: i32,
}

/// Runs a script under a debugger; its result or error as text.
fn run(trace: Trace, notes: &mut Notes, source: &str) -> Result<String, String> {
    let mut interpreter = Interpreter::new();
    let mut stack = interpreter.stack();
    sandbox::open(&mut stack);
    sandbox::seal(&mut stack);
    interpreter.set_limit(64 << 20);
    interpreter.set_trace(Some(trace));
    interpreter.with_host(notes, |stack| {
        let result = stack
            .load(source.as_bytes(), c"@user_script")
            .and_then(|()| stack.call(0, 1, 0));
        let text = stack.convert_to_bytes(-1).unwrap_or(b"(no text)");
        let text = String::from_utf8_lossy(text).into_owned();
        result.map(|()| text.clone()).map_err(|_| text)
    })
}

fn notes<'a>(stack: &'a mut Stack<'_>) -> &'a mut Notes {
    stack.host::<Notes>().expect("the host")
}

/// Notes each line with the local variables of its function, and runs code of its own.
fn observe(stack: &mut Stack<'_>, moment: Moment) -> Result<(), Halt> {
    if moment == Moment::Count {
        return Ok(());
    }
    let frame = stack.frame(0).expect("a running function");
    let function = frame.function.map(String::from_utf8);
    let name = function.map_or(Ok("-".to_owned()), |name| name);
    let mut line = format!("{}:{}", name.expect("text"), frame.line);
    let mut number = 1;
    while let Some(name) = stack.push_local(0, number) {
        if !name.starts_with(b"(") {
            let value = stack.convert_to_bytes(-1).unwrap_or(b"?");
            let pair = [b" ", name.as_slice(), b"=", value].concat();
            line.push_str(&String::from_utf8_lossy(&pair));
        }
        stack.pop(1);
        number += 1;
    }
    assert!(stack.push_local(99, 1).is_none());
    // A hook does not trace what it runs.
    let top = stack.top();
    stack
        .load(b"local x = 1\nreturn x + 1", c"@own")
        .expect("Lua");
    stack.call(0, 1, 0).expect("no error");
    assert_eq!(
        (stack.kind(-1), stack.number(-1)),
        (Kind::Number, Some(2.0))
    );
    stack.set_top(top);
    notes(stack).lines.push(line);
    Ok(())
}

/// Counts the calls that are made after a number of instructions.
fn count(stack: &mut Stack<'_>, moment: Moment) -> Result<(), Halt> {
    notes(stack).counts += usize::from(moment == Moment::Count);
    Ok(())
}

/// Raises an error at a line.
fn raise(stack: &mut Stack<'_>, _: Moment) -> Result<(), Halt> {
    halt(stack, Halt::Raise)
}

/// Kills the script at a line.
fn kill(stack: &mut Stack<'_>, _: Moment) -> Result<(), Halt> {
    halt(stack, Halt::Kill)
}

fn halt(stack: &mut Stack<'_>, halt: Halt) -> Result<(), Halt> {
    let line = stack.frame(0).map_or(0, |frame| frame.line);
    if line != notes(stack).halt_at {
        return Ok(());
    }
    stack.push_bytes(b"halted");
    Err(halt)
}

#[test]
fn each_line_is_seen_with_its_variables() {
    let mut seen = Notes::default();
    let source = "local a = 7\nlocal function f(n)\n  return n + 1\nend\nlocal r = f(a)\nlocal co = coroutine.wrap(function()\n  local c = 5\n  return c\nend)\nreturn co() + r";
    let result = run(observe, &mut seen, source);
    assert_eq!(result.as_deref(), Ok("13"));
    assert_eq!(
        seen.lines,
        [
            "-:1",
            "-:4 a=7",
            "-:5 a=7 f=?",
            "f:3 n=7",
            "-:6 a=7 f=? r=8",
            "-:9 a=7 f=? r=8",
            "-:6 a=7 f=? r=8",
            "-:10 a=7 f=? r=8 co=?",
            "-:7",
            "-:8 c=5",
        ]
    );
    let result = run(count, &mut seen, "for i = 1, 1e6 do end");
    assert_eq!(result.as_deref(), Ok("(no text)"));
    assert!(seen.counts >= 5, "{}", seen.counts);
}

const CAUGHT: &str = "local ok, e = pcall(function()\n  local x = 1\nend)\nreturn 'caught ' .. e";

#[test]
fn an_error_can_be_caught_and_a_kill_cannot() {
    let at = |halt_at| Notes {
        halt_at,
        ..Notes::default()
    };
    assert_eq!(
        run(raise, &mut at(2), CAUGHT).as_deref(),
        Ok("caught halted")
    );
    assert_eq!(run(raise, &mut at(4), CAUGHT), Err("halted".to_owned()));
    assert_eq!(run(kill, &mut at(2), CAUGHT), Err("halted".to_owned()));
}
