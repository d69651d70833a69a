//! The library `cjson`: JSON text from values and back, as of lua-cjson 2.1.0.
//!
//! * [`encode`] writes a value, [`decode`] reads a text, [`number`] has the numbers of both.
//! * The settings belong to a library table: all scripts share those of the global `cjson`, and `cjson.new()` returns a
//!   table with its own.
//!
//! Neither direction recurses: the containers under way are in a vector, and their number is limited by the depth that a
//! script has set and by the room on the stack of Lua, about 8,000 values, as in Redis.

mod decode;
mod encode;
mod number;

use crate::arguments::c_text;
use crate::bulk::Stateful;
use crate::function::{Outcome, Raise};
use crate::stack::{Kind, Stack};

/// The options of a library table.
#[derive(Clone, Copy)]
struct Settings {
    sparse_convert: bool,
    sparse_ratio: i32,
    sparse_safe: i32,
    encode_max_depth: i32,
    /// Off, on, null.
    encode_invalid: i32,
    precision: i32,
    /// Without effect here: each call has a buffer of its own.
    keep_buffer: bool,
    decode_invalid: bool,
    decode_max_depth: i32,
}

const DEFAULT: Settings = Settings {
    sparse_convert: false,
    sparse_ratio: 2,
    sparse_safe: 10,
    encode_max_depth: 1000,
    encode_invalid: 0,
    precision: 14,
    keep_buffer: true,
    decode_invalid: true,
    decode_max_depth: 1000,
};

/// In the order of the original, which `pairs` shows.
const FUNCTIONS: [(&str, Stateful<Settings>); 10] = [
    ("encode", encode::encode),
    ("decode", decode::decode),
    ("encode_sparse_array", encode_sparse_array),
    ("encode_max_depth", |stack, settings| {
        integer_setter(stack, &mut settings.encode_max_depth, i32::MAX)
    }),
    ("decode_max_depth", |stack, settings| {
        integer_setter(stack, &mut settings.decode_max_depth, i32::MAX)
    }),
    ("encode_number_precision", |stack, settings| {
        integer_setter(stack, &mut settings.precision, 14)
    }),
    ("encode_keep_buffer", |stack, settings| {
        pad(stack, 1)?;
        flag_option(stack, &mut settings.keep_buffer)
    }),
    ("encode_invalid_numbers", |stack, settings| {
        pad(stack, 1)?;
        choice_option(stack, &mut settings.encode_invalid, &["off", "on", "null"])
    }),
    ("decode_invalid_numbers", |stack, settings| {
        pad(stack, 1)?;
        flag_option(stack, &mut settings.decode_invalid)
    }),
    ("new", |stack, _| {
        open(stack);
        Ok(1)
    }),
];

/// Pushes the library, with default settings.
pub fn open(stack: &mut Stack<'_>) {
    // Without room: `pairs` shows the order in which the table has grown.
    stack.push_table(0, 0);
    stack.set_functions(DEFAULT, &FUNCTIONS);
    stack.push_null_light();
    stack.set_field(-2, b"null");
    for (name, value) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        stack.push_bytes(value.as_bytes());
        stack.set_field(-2, name.as_bytes());
    }
}

/// Adds nils up to this number of arguments.
fn pad(stack: &mut Stack<'_>, arguments: usize) -> Result<(), Raise> {
    if stack.top() > arguments {
        return Err(stack.fail_argument(arguments as i32 + 1, b"found too many arguments"));
    }
    stack.set_top(arguments);
    Ok(())
}

fn encode_sparse_array(stack: &mut Stack<'_>, settings: &mut Settings) -> Outcome {
    pad(stack, 3)?;
    flag_option(stack, &mut settings.sparse_convert)?;
    integer_option(stack, 2, &mut settings.sparse_ratio, 0, i32::MAX)?;
    integer_option(stack, 3, &mut settings.sparse_safe, 0, i32::MAX)?;
    Ok(3)
}

fn integer_setter(stack: &mut Stack<'_>, setting: &mut i32, most: i32) -> Outcome {
    pad(stack, 1)?;
    integer_option(stack, 1, setting, 1, most)
}

/// Takes an integer from an argument unless it is nil; pushes the setting.
fn integer_option(
    stack: &mut Stack<'_>,
    argument: i32,
    setting: &mut i32,
    least: i32,
    most: i32,
) -> Outcome {
    if stack.kind(argument) != Kind::Nil {
        // The upper half is ignored.
        let value = stack.check_integer(argument)? as i32;
        if !(least..=most).contains(&value) {
            let message = format!("expected integer between {least} and {most}");
            // Whatever argument it is, the error names the first one.
            return Err(stack.fail_argument(1, message.as_bytes()));
        }
        *setting = value;
    }
    stack.push_number(f64::from(*setting));
    Ok(1)
}

/// Takes `off`, `on` or a boolean from the first argument unless it is nil; pushes the setting.
fn flag_option(stack: &mut Stack<'_>, setting: &mut bool) -> Outcome {
    let mut choice = i32::from(*setting);
    let outcome = choice_option(stack, &mut choice, &["off", "on"]);
    *setting = choice != 0;
    outcome
}

/// Takes one of some words or a boolean from the first argument unless it is nil; pushes the setting, whose first two
/// values appear as booleans.
fn choice_option(stack: &mut Stack<'_>, setting: &mut i32, words: &[&str]) -> Outcome {
    match stack.kind(1) {
        Kind::Nil => {}
        Kind::Boolean => *setting = i32::from(stack.truth(1)),
        _ => {
            stack.check_bytes(1)?;
            let word = c_text(stack.bytes(1).unwrap_or_default());
            let found = words.iter().position(|known| known.as_bytes() == word);
            let Some(found) = found else {
                let message = [b"invalid option '", word, b"'"].concat();
                return Err(stack.fail_argument(1, &message));
            };
            *setting = found as i32;
        }
    }
    match *setting {
        0 | 1 => stack.push_boolean(*setting == 1),
        other => stack.push_bytes(words[other as usize].as_bytes()),
    }
    Ok(1)
}
