//! The interpreter by its interface.

use std::time::Duration;

use lua::function::Outcome;
use lua::interpreter::Interpreter;
use lua::stack::{Failure, Kind, Stack};

/// Runs a source that may use `t`, a table that scripts cannot change, and `f`; returns its result or error as text.
fn run(source: &str) -> Result<String, (Failure, String)> {
    let mut interpreter = Interpreter::new();
    let mut stack = interpreter.stack();
    stack.push_globals();
    stack.push_table(0, 0);
    stack.set_readonly(-1, true);
    stack.set_field(1, b"t");
    stack.push_function(add_one);
    stack.set_field(1, b"f");
    let result = stack
        .load(source.as_bytes(), c"@test")
        .and_then(|()| stack.call(0, 1, 0));
    let text = stack.convert_to_bytes(-1).unwrap_or(b"?");
    let text = String::from_utf8_lossy(text).into_owned();
    assert_eq!(stack.top(), 2);
    result
        .map(|()| text.clone())
        .map_err(|failure| (failure, text))
}

fn add_one(stack: &mut Stack<'_>) -> Outcome {
    match stack.number(1) {
        Some(number) => {
            stack.push_number(number + 1.0);
            Ok(1)
        }
        None => Err(stack.fail_here(b"no number")),
    }
}

#[test]
fn functions_return_and_raise() {
    assert_eq!(run("return f(41)").as_deref(), Ok("42"));
    assert_eq!(
        run("\nreturn f({})"),
        Err((Failure::Error, "test:2: no number".to_owned()))
    );
    assert_eq!(
        run("return =").map_err(|(failure, _)| failure),
        Err(Failure::Syntax)
    );
}

#[test]
fn a_readonly_table_stays_as_it_is() {
    let error = (
        Failure::Error,
        "test:1: Attempt to modify a readonly table".to_owned(),
    );
    assert_eq!(run("t.x = 1"), Err(error));
}

#[test]
fn the_host_is_lent_to_functions() {
    fn count(stack: &mut Stack<'_>) -> Outcome {
        *stack.host::<u32>().expect("the host") += 1;
        assert!(stack.host::<u64>().is_none());
        Ok(0)
    }
    let mut interpreter = Interpreter::new();
    let mut calls = 0u32;
    interpreter.with_host(&mut calls, |stack| {
        for _ in 0..3 {
            stack.push_function(count);
            assert_eq!(stack.call(0, 0, 0), Ok(()));
        }
    });
    assert_eq!(calls, 3);
    assert_eq!(interpreter.stack().kind(1), Kind::None);
}

#[test]
fn a_script_that_eats_memory_gets_an_error() {
    let mut interpreter = Interpreter::new();
    interpreter.set_limit(1 << 20);
    let mut stack = interpreter.stack();
    let source = b"local t = {} while true do t[#t + 1] = {} end";
    assert_eq!(stack.load(source, c"@test"), Ok(()));
    assert_eq!(stack.call(0, 0, 0), Err(Failure::Memory));
    assert_eq!(stack.bytes(-1), Some(b"not enough memory".as_slice()));
    interpreter.collect();
    assert!(interpreter.used() < 1 << 16);
}

#[test]
fn big_blocks_are_freed_by_whoever_takes_them() {
    let mut interpreter = Interpreter::new();
    let mut stack = interpreter.stack();
    let source = b"local t = {} for i = 1, 2^20 do t[i] = i end";
    assert_eq!(stack.load(source, c"@test"), Ok(()));
    assert_eq!(stack.call(0, 0, 0), Ok(()));
    assert!(interpreter.used() > 16 << 20);
    while !interpreter.collect_for(Duration::from_millis(1)) {}
    while !interpreter.collect_for(Duration::from_millis(1)) {}
    assert!(interpreter.used() < 1 << 16);
    assert_eq!(interpreter.take_freed().len(), 1);
    assert!(interpreter.take_freed().is_empty());
}
