//! A sandbox with a limit of memory, in which scripts are killed after a number of interrupts. The tests use it, and
//! the example `script`.

use lua::function::{Outcome, Raise};
use lua::interpreter::Interpreter;
use lua::stack::Stack;
use lua::{json, msgpack, sandbox, structs};

/// The sandbox; the host of its functions is the number of interrupts that are left.
pub struct Sandbox {
    pub interpreter: Interpreter,
    pub interrupts: usize,
}

/// Pushes the table of a library.
type Open = fn(&mut Stack<'_>);

const LIBRARIES: [(&[u8], Open); 3] = [
    (b"cjson", json::open),
    (b"cmsgpack", msgpack::open),
    (b"struct", structs::open),
];

impl Sandbox {
    /// With the libraries of Lua.
    pub fn new() -> Self {
        Self::with(&[])
    }

    /// With the libraries of scripts as well.
    #[allow(dead_code)]
    pub fn with_libraries() -> Self {
        Self::with(&LIBRARIES)
    }

    fn with(libraries: &[(&[u8], Open)]) -> Self {
        let mut interpreter = Interpreter::new();
        let mut stack = interpreter.stack();
        sandbox::open(&mut stack);
        for (name, open) in libraries {
            open(&mut stack);
            sandbox::set_global(&mut stack, name);
        }
        stack.push_function(call_back);
        sandbox::set_global(&mut stack, b"call_back");
        stack.push_function(swallow);
        sandbox::set_global(&mut stack, b"swallow");
        sandbox::seal(&mut stack);
        interpreter.set_limit(64 << 20);
        interpreter.set_interrupt(Some(interrupt));
        Sandbox {
            interpreter,
            interrupts: 100,
        }
    }

    /// Runs a script; its result or error as text.
    pub fn run(&mut self, source: &str) -> Result<String, String> {
        let mut left = self.interrupts;
        self.interpreter.with_host(&mut left, |stack| {
            let result = stack
                .load(source.as_bytes(), c"@user_script")
                .and_then(|()| stack.call(0, 1, 0));
            let text = stack.convert_to_bytes(-1).unwrap_or(b"(no text)");
            let text = String::from_utf8_lossy(text).into_owned();
            assert_eq!(stack.top(), 1, "{source}");
            stack.pop(1);
            result.map(|()| text.clone()).map_err(|_| text)
        })
    }
}

/// Kills the script at the last of the interrupts that the host has left.
fn interrupt(stack: &mut Stack<'_>) -> Result<(), Raise> {
    let left = stack.host::<usize>().expect("the host");
    *left = left.saturating_sub(1);
    if *left > 0 {
        return Ok(());
    }
    let mut message = stack.place(0);
    message.extend(b"killed");
    Err(stack.fail(&message))
}

/// Calls its first argument with the others, and raises what that raises.
fn call_back(stack: &mut Stack<'_>) -> Outcome {
    let arguments = stack.top().saturating_sub(1);
    stack.push_nil();
    if arguments + 1 == 0 || stack.top() == 1 {
        return Err(stack.fail_here(b"no function"));
    }
    stack.pop(1);
    stack.call(arguments, 1, 0).map(|()| 1).map_err(|_| Raise)
}

/// Calls its first argument again and again, whatever comes of it.
fn swallow(stack: &mut Stack<'_>) -> Outcome {
    stack.set_top(1);
    for _ in 0..10 {
        stack.push_copy(1);
        let _ = stack.call(0, 1, 0);
        stack.pop(1);
    }
    Ok(0)
}
