//! Errors of scripts: tables with a field `err`, and what is known of the place.
//!
//! | field | content |
//! |---|---|
//! | `err` | code and message |
//! | `source`, `line` | where it was raised, added by the handler |
//! | `ignore_error_stats_update` | true if the error was counted already, as that of a command |

use lua::function::{Outcome, Raise};
use lua::stack::{Kind, Stack};
use words::until_nul;

use crate::script::debug::echo;

/// The text of an error table.
pub const ERR: &[u8] = b"err";
const SOURCE: &[u8] = b"source";
const LINE: &[u8] = b"line";
const COUNTED: &[u8] = b"ignore_error_stats_update";

/// Pushes an error table for a fault.
pub fn push_fault(stack: &mut Stack<'_>, fault: &[u8]) {
    // Without room: `pairs` shows the order in which the table has grown.
    stack.push_table(0, 0);
    // As in Redis, a text ends at a NUL.
    stack.push_bytes(until_nul(fault));
    stack.set_field(-2, ERR);
}

/// Pushes an error table for a fault that was counted.
pub fn push_counted_fault(stack: &mut Stack<'_>, fault: &[u8]) {
    push_fault(stack, fault);
    stack.push_boolean(true);
    stack.set_field(-2, COUNTED);
}

/// Pushes an error table as an error to be raised. The code is `ERR`.
#[must_use]
pub fn raise(stack: &mut Stack<'_>, message: &str) -> Raise {
    echo::error(stack, message.as_bytes());
    push_fault(stack, format!("ERR {message}").as_bytes());
    Raise
}

/// The fault that a text of a script stands for: `-CODE message`, without the minus. What has no space has the code `ERR`.
pub fn fault_of(text: &[u8]) -> Vec<u8> {
    let text = until_nul(text);
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (code, message): (&[u8], &[u8]) = match text.iter().position(|byte| *byte == b' ') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (b"ERR", text),
    };
    let is_line_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
    let start = message.iter().take_while(|byte| is_line_end(byte)).count();
    let message = &message[start..];
    let end = message.iter().rev().take_while(|byte| is_line_end(byte));
    let message = &message[..message.len() - end.count()];
    [code, b" ", message].concat()
}

/// What an error of a script says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Information {
    /// Code and message.
    pub message: Vec<u8>,
    /// Chunk and line.
    pub place: Option<(Vec<u8>, Vec<u8>)>,
    /// It was counted already.
    pub is_counted: bool,
}

/// Reads the error table on top of the stack.
pub fn information(stack: &mut Stack<'_>) -> Information {
    let message = field(stack, ERR);
    let source = field(stack, SOURCE);
    let line = field(stack, LINE);
    stack.get_field(-1, COUNTED);
    let is_counted = stack.kind(-1) == Kind::Boolean && stack.truth(-1);
    stack.pop(1);
    Information {
        // Redis crashes if there is none.
        message: message.unwrap_or_else(|| b"ERR unknown error".to_vec()),
        place: source.zip(line),
        is_counted,
    }
}

/// A field of the table on top of the stack as text.
fn field(stack: &mut Stack<'_>, name: &[u8]) -> Option<Vec<u8>> {
    stack.get_field(-1, name);
    let text = stack.convert_to_bytes(-1);
    let text = text.map(|text| until_nul(text).to_vec());
    stack.pop(1);
    text
}

/// `__redis__err__handler`: turns an error into a table, and adds the place at which it was raised.
pub fn handler(stack: &mut Stack<'_>) -> Outcome {
    stack.set_top(1);
    if stack.kind(1) == Kind::Table && stack.is_readonly(1) {
        // In Redis the handler is Lua, and fails itself.
        push_fault(
            stack,
            b"ERR err_handler_def:10: Attempt to modify a readonly table",
        );
        set_place(stack, b"@err_handler_def", 10);
        return Ok(1);
    }
    if stack.kind(1) != Kind::Table {
        let text = [b"ERR ", description(stack, 1).as_slice()].concat();
        push_fault(stack, &text);
    }
    add_place(stack, 1);
    Ok(1)
}

/// Adds the place of the function at a level to the error table on top; of its caller, if it is not Lua.
pub fn add_place(stack: &mut Stack<'_>, level: i32) {
    let frame = match stack.frame(level) {
        Some(frame) if frame.is_native => stack.frame(level + 1),
        frame => frame,
    };
    if let Some(frame) = frame {
        set_place(stack, &frame.source, frame.line);
    }
}

/// Sets the place in the error table on top, unless a script has filled it to the last key.
fn set_place(stack: &mut Stack<'_>, source: &[u8], line: i32) {
    stack.push_bytes(SOURCE);
    stack.push_bytes(source);
    set_or_drop(stack);
    stack.push_bytes(LINE);
    stack.push_number(f64::from(line));
    set_or_drop(stack);
}

/// Sets the key below the top of the stack to the value on top, in the table below both, if it can have the key; drops both.
pub fn set_or_drop(stack: &mut Stack<'_>) {
    if stack.set(-3).is_err() {
        stack.pop(2);
    }
}

/// A value as `tostring` shows it.
fn description(stack: &mut Stack<'_>, index: i32) -> Vec<u8> {
    match stack.kind(index) {
        Kind::None | Kind::Nil => b"nil".to_vec(),
        Kind::Boolean if stack.truth(index) => b"true".to_vec(),
        Kind::Boolean => b"false".to_vec(),
        Kind::Number | Kind::String => {
            stack.push_copy(index);
            let text = stack.convert_to_bytes(-1).unwrap_or_default().to_vec();
            stack.pop(1);
            text
        }
        kind => {
            let name = match kind {
                Kind::Function => "function",
                Kind::Thread => "thread",
                Kind::Table => "table",
                _ => "userdata",
            };
            match stack.identity(index) {
                0 => format!("{name}: (nil)").into_bytes(),
                address => format!("{name}: {address:#x}").into_bytes(),
            }
        }
    }
}

/// The error of a script as the reply to its client.
pub fn reply(script: &[u8], information: &Information) -> Vec<u8> {
    let mut text = information.message.clone();
    if let Some((source, line)) = &information.place {
        let parts: [&[u8]; 7] = [b" script: ", script, b", on ", source, b":", line, b"."];
        parts.iter().for_each(|part| text.extend_from_slice(part));
    }
    text
}

#[cfg(test)]
mod tests {
    use lua::interpreter::Interpreter;
    use lua::stack::Kind;

    use super::{ERR, LINE, fault_of, handler};

    #[test]
    fn an_error_that_is_a_full_table_is_told_without_its_place() {
        let mut lua = Interpreter::new();
        let mut stack = lua.stack();
        stack.push_function(handler);
        stack.push_table(0, 0);
        stack.push_bytes(b"X y");
        stack.set_field(-2, ERR);
        // Spread out, so that no key gets into the sequence; with one more key than this the table is full.
        for key in 1..=1 << 24 {
            stack.push_boolean(true);
            stack.set_at(-2, -2 * key);
        }
        assert_eq!(stack.call(1, 1, 0), Ok(()));
        stack.get_field(-1, LINE);
        assert_eq!(stack.kind(-1), Kind::Nil);
    }

    #[test]
    fn faults_of_texts() {
        for (text, fault) in [
            ("-CODE a message", "CODE a message"),
            ("My Err", "My Err"),
            ("-word", "ERR word"),
            ("word", "ERR word"),
            ("-READONLY no\r\n", "READONLY no"),
            ("-A \r\nb\r\nc\n", "A b\r\nc"),
            ("", "ERR "),
        ] {
            assert_eq!(fault_of(text.as_bytes()), fault.as_bytes(), "{text:?}");
        }
    }
}
