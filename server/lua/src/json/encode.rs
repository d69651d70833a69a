//! A value as JSON text.
//!
//! A table is an array if all its keys are whole numbers from 1 up, and it has some. Its text has a null for each absent
//! one. If there are too many of them, the settings decide between an object and an error.

use crate::bulk::View;
use crate::function::Outcome;
use crate::json::Settings;
use crate::json::number::write_number;
use crate::limits::{BYTES_PER_STEP, NO_MEMORY};
use crate::reader::{Reader, Step};
use crate::stack::Stack;

/// `cjson.encode`.
pub(super) fn encode(stack: &mut Stack<'_>, settings: &mut Settings) -> Outcome {
    if stack.top() != 1 {
        return Err(stack.fail_argument(1, b"expected 1 argument"));
    }
    let limit = stack.output_limit();
    let mut encoder = Encoder {
        settings,
        out: Vec::with_capacity(256),
        limit,
    };
    let result = encoder.run(&mut Reader::new(stack, 0));
    stack.charge(encoder.out.len() / BYTES_PER_STEP);
    match result {
        Ok(()) => {
            stack.set_top(0);
            stack.push_bytes(&encoder.out);
            Ok(1)
        }
        Err(error) => {
            // The stack may be full.
            stack.set_top(0);
            Err(match error {
                Error::Memory => stack.fail(NO_MEMORY),
                Error::Here(text) => stack.fail_here(text.as_bytes()),
            })
        }
    }
}

/// Slots that are asked for with each table: a key, a value, and one for an error as in Redis.
const SLOTS: usize = 3;

enum Error {
    Memory,
    /// At the line of the script.
    Here(String),
}

struct Encoder<'call> {
    settings: &'call Settings,
    out: Vec<u8>,
    limit: usize,
}

impl Encoder<'_> {
    fn run(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        loop {
            self.value(input)?;
            loop {
                match input.step() {
                    Step::Done => return Ok(()),
                    Step::Value => break,
                    Step::End { object } => self.out.push(if object { b'}' } else { b']' }),
                    Step::Element { first } => {
                        self.comma(first);
                        break;
                    }
                    Step::Pair { first } => {
                        self.comma(first);
                        self.key(input)?;
                        break;
                    }
                }
            }
            if self.out.len() > self.limit {
                return Err(Error::Memory);
            }
        }
    }

    fn comma(&mut self, first: bool) {
        if !first {
            self.out.push(b',');
        }
    }

    /// Writes the current value, or the start of a table.
    fn value(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        match input.value() {
            View::String(text) => write_string(&mut self.out, text, self.limit)?,
            View::Number(number) => self.number(number)?,
            View::Boolean(true) => self.out.extend_from_slice(b"true"),
            View::Boolean(false) => self.out.extend_from_slice(b"false"),
            View::Nil | View::Light { null: true } => self.out.extend_from_slice(b"null"),
            View::Table => self.enter(input)?,
            View::Light { null: false } | View::Other => {
                return Err(refused(input.type_name(), "type not supported"));
            }
        }
        Ok(())
    }

    fn number(&mut self, number: f64) -> Result<(), Error> {
        if !number.is_finite() {
            match self.settings.encode_invalid {
                0 => return Err(refused("number", "must not be NaN or Inf")),
                1 if number.is_nan() => {
                    self.out.extend_from_slice(b"nan");
                    return Ok(());
                }
                1 => {}
                _ => {
                    self.out.extend_from_slice(b"null");
                    return Ok(());
                }
            }
        }
        write_number(&mut self.out, number, self.settings.precision as usize);
        Ok(())
    }

    /// Begins a table.
    fn enter(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        let depth = input.depth() + 1;
        if depth > self.settings.encode_max_depth as usize || !input.make_room(SLOTS) {
            return Err(Error::Here(format!(
                "Cannot serialise, excessive nesting ({depth})"
            )));
        }
        let len = self.array_len(input)?;
        if len > 0 {
            self.out.push(b'[');
            input.begin_array(len);
        } else {
            self.out.push(b'{');
            input.begin_object();
        }
        Ok(())
    }

    /// The length of a table as an array; not positive if it is an object.
    fn array_len(&self, input: &mut Reader<'_, '_>) -> Result<i32, Error> {
        let (mut max, mut count) = (0i32, 0i32);
        let array = input.all_keys(|key| match key {
            Some(key) if key >= 1.0 && whole(key) => {
                if key > f64::from(max) {
                    // As on x86-64: a key that no integer holds makes an object.
                    max = if key <= f64::from(i32::MAX) {
                        key as i32
                    } else {
                        i32::MIN
                    };
                }
                count += 1;
                true
            }
            _ => false,
        });
        let settings = self.settings;
        let sparse = settings.sparse_ratio > 0
            && max > count.wrapping_mul(settings.sparse_ratio)
            && max > settings.sparse_safe;
        match (array, sparse) {
            (false, _) => Ok(-1),
            (true, false) => Ok(max),
            (true, true) if settings.sparse_convert => Ok(-1),
            (true, true) => Err(refused("table", "excessively sparse array")),
        }
    }

    /// Writes the key of the current value.
    fn key(&mut self, input: &mut Reader<'_, '_>) -> Result<(), Error> {
        match input.key() {
            View::String(text) => {
                write_string(&mut self.out, text, self.limit)?;
                self.out.push(b':');
            }
            View::Number(number) => {
                self.out.push(b'"');
                self.number(number)?;
                self.out.extend_from_slice(b"\":");
            }
            _ => {
                let reason = "table key must be a number or string";
                return Err(refused(input.key_type_name(), reason));
            }
        }
        Ok(())
    }
}

fn refused(type_name: &str, reason: &str) -> Error {
    Error::Here(format!("Cannot serialise {type_name}: {reason}"))
}

/// Whether a number from 1 up has no fraction.
fn whole(number: f64) -> bool {
    number >= 9_007_199_254_740_992.0 || number as u64 as f64 == number
}

/// Appends a string in quotes.
fn write_string(out: &mut Vec<u8>, text: &[u8], limit: usize) -> Result<(), Error> {
    out.push(b'"');
    let mut rest = text;
    while let Some(chunk) = rest.first_chunk::<8>() {
        // Eight bytes at once; what does not belong there is taken back.
        out.extend_from_slice(chunk);
        let plain = plain_len(u64::from_le_bytes(*chunk));
        if plain == 8 {
            rest = &rest[8..];
            continue;
        }
        out.truncate(out.len() - 8 + plain);
        write_escape(out, chunk[plain]);
        rest = &rest[plain + 1..];
        if out.len() > limit {
            return Err(Error::Memory);
        }
    }
    for &byte in rest {
        if is_plain(byte) {
            out.push(byte);
        } else {
            write_escape(out, byte);
        }
    }
    out.push(b'"');
    Ok(())
}

/// How many of eight bytes, from the lowest, stand for themselves. In each of the sums the highest bit of a byte tells
/// whether it is one of those that do not; only the first such byte counts, so borrows above it do no harm.
fn plain_len(word: u64) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let equal = |byte: u8| {
        let zero = word ^ (ONES * u64::from(byte));
        zero.wrapping_sub(ONES) & !zero
    };
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let found = control | equal(b'"') | equal(b'\\') | equal(b'/') | equal(0x7f);
    (found & (ONES << 7)).trailing_zeros() as usize / 8
}

fn is_plain(byte: u8) -> bool {
    byte >= 0x20 && !matches!(byte, b'"' | b'\\' | b'/' | 0x7f)
}

fn write_escape(out: &mut Vec<u8>, byte: u8) {
    let letter = match byte {
        b'"' | b'\\' | b'/' => byte,
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        _ => {
            const DIGITS: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(DIGITS[usize::from(byte >> 4)]);
            out.push(DIGITS[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', letter]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_need_an_escape_end_a_run() {
        for byte in 0..=255u8 {
            for before in 0..8 {
                for filler in [b'x', b' ', 0x80, 0xff, b'~', b'.', b'0', b'!'] {
                    let mut chunk = [filler; 8];
                    chunk[before] = byte;
                    let expected = if is_plain(byte) { 8 } else { before };
                    let found = plain_len(u64::from_le_bytes(chunk));
                    assert_eq!(found, expected, "{byte} at {before} in {filler}");
                }
            }
        }
    }
}
