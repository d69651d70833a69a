//! The library `struct`: binary layouts of C, as of Roberto Ierusalimschy's struct of 2018.
//!
//! A format is a sequence of options. Upper case is unsigned.
//!
//! | option | meaning |
//! |---|---|
//! | `b B h H l L T` | integers of 1, 2, 8 and 8 bytes |
//! | `i I`, `in In` | an integer of 4, or of n bytes, at most 32 |
//! | `f d` | a float, a double |
//! | `x` | a byte that is skipped |
//! | `cn` | n bytes; `c0`: packs a whole string, unpacks as many as the number before says |
//! | `s` | bytes up to a NUL |
//! | `< >` | from here little, big endian |
//! | `!`, `!n` | from here align to 8, or to n bytes at most |
//!
//! Integers have 64 bits: of longer ones the further bytes are zero, and they lose their sign. Formats end at a NUL byte.

use crate::arguments::{c_text, to_integer};
use crate::builder::{Builder, Fault};
use crate::function::{Function, Outcome, Raise};
use crate::limits::{BYTES_PER_STEP, NO_MEMORY};
use crate::stack::Stack;

/// In the order of the original, which `pairs` shows.
const FUNCTIONS: [(&str, Function); 3] = [("pack", pack), ("unpack", unpack), ("size", size)];

/// The largest size of an integer.
const MOST_INTEGER: usize = 32;

/// A format of this length needs no allocation.
const SHORT: usize = 32;

/// Pushes the library.
pub fn open(stack: &mut Stack<'_>) {
    stack.push_table(0, FUNCTIONS.len());
    for (name, function) in FUNCTIONS {
        stack.push_function(function);
        stack.set_field(-2, name.as_bytes());
    }
}

/// A format under way.
struct Format {
    /// A copy: in `short` if it fits there.
    long: Vec<u8>,
    short: [u8; SHORT],
    len: usize,
    at: usize,
    big_endian: bool,
    align: usize,
}

/// What is wrong with a format or with the data.
enum Error {
    /// At the line of the script.
    Here(String),
    /// About an argument.
    Argument(i32, &'static str),
    /// An unknown option.
    Option(u8),
    Memory,
    /// Already on the stack.
    Raised(Raise),
    /// An error of Lua.
    Lua(Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Lua(fault)
    }
}

impl From<Raise> for Error {
    fn from(raise: Raise) -> Error {
        Error::Raised(raise)
    }
}

impl Error {
    fn raise(self, stack: &mut Stack<'_>) -> Raise {
        match self {
            Error::Here(text) => stack.fail_here(text.as_bytes()),
            Error::Argument(argument, text) => stack.fail_argument(argument, text.as_bytes()),
            Error::Option(option) => {
                let text = [b"invalid format option '".as_slice(), &[option], b"'"].concat();
                stack.fail_argument(1, &text)
            }
            Error::Memory => stack.fail(NO_MEMORY),
            Error::Raised(raise) => raise,
            Error::Lua(fault) => stack.fail(fault),
        }
    }
}

impl Format {
    /// The format in the first argument.
    fn new(stack: &mut Stack<'_>) -> Result<Format, Raise> {
        stack.check_bytes(1)?;
        stack.charge(stack.len(1) / BYTES_PER_STEP);
        let text = c_text(stack.bytes(1).unwrap_or_default());
        let (mut short, mut long) = ([0; SHORT], Vec::new());
        match short.get_mut(..text.len()) {
            Some(room) => room.copy_from_slice(text),
            None => long = text.to_vec(),
        }
        Ok(Format {
            long,
            short,
            len: text.len(),
            at: 0,
            big_endian: false,
            align: 1,
        })
    }

    /// The byte that comes next.
    fn peek(&self) -> Option<u8> {
        if self.at == self.len {
            return None;
        }
        let text = if self.len <= SHORT {
            &self.short[..]
        } else {
            &self.long
        };
        Some(text[self.at])
    }

    /// The next option and the size of its value.
    fn next(&mut self) -> Result<Option<(u8, usize)>, Error> {
        let Some(option) = self.peek() else {
            return Ok(None);
        };
        self.at += 1;
        let size = match option {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.number(1)?,
            b'i' | b'I' => {
                let size = self.number(4)?;
                if size > MOST_INTEGER {
                    return Err(Error::Here(format!(
                        "integral size {size} is larger than limit of {MOST_INTEGER}"
                    )));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((option, size)))
    }

    /// The digits that follow, as a number of 31 bits.
    fn number(&mut self, default: usize) -> Result<usize, Error> {
        let start = self.at;
        let mut number = 0i32;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let next = number.checked_mul(10);
            number = next
                .and_then(|next| next.checked_add(i32::from(digit - b'0')))
                .ok_or_else(|| Error::Here("integral size overflow".to_owned()))?;
            self.at += 1;
        }
        if self.at == start {
            return Ok(default);
        }
        Ok(number.unsigned_abs() as usize)
    }

    /// How many bytes come before a value at a position, to align it.
    fn padding(&self, position: usize, option: u8, size: usize) -> usize {
        if size == 0 || option == b'c' {
            return 0;
        }
        // A size need not be a power of two; then this does not align, but it is what Redis does.
        let size = size.min(self.align);
        size.wrapping_sub(position & (size - 1)) & (size - 1)
    }

    /// Applies an option that has no value.
    fn control(&mut self, option: u8) -> Result<(), Error> {
        match option {
            b' ' => {}
            b'>' => self.big_endian = true,
            b'<' => self.big_endian = false,
            b'!' => {
                let align = self.number(8)?;
                if !align.is_power_of_two() {
                    return Err(Error::Here(format!(
                        "alignment {align} is not a power of 2"
                    )));
                }
                self.align = align;
            }
            other => return Err(Error::Option(other)),
        }
        Ok(())
    }

    /// Appends bytes that are in little endian.
    fn write(&self, out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend_from_slice(bytes);
        if self.big_endian {
            let start = out.len() - bytes.len();
            out[start..].reverse();
        }
    }

    /// Reads bytes into little endian.
    fn read<const N: usize>(&self, bytes: &[u8]) -> [u8; N] {
        let mut value = [0; N];
        for (position, target) in value.iter_mut().enumerate().take(bytes.len()) {
            *target = match self.big_endian {
                true => bytes[bytes.len() - 1 - position],
                false => bytes[position],
            };
        }
        value
    }

    fn read_integer(&self, bytes: &[u8], signed: bool) -> f64 {
        let mut value = u64::from_le_bytes(self.read(bytes));
        if !signed {
            return value as f64;
        }
        // From the sign on all bits are set. The shift of a size above 8 is taken modulo 64, as on x86-64.
        let mask = u64::MAX.wrapping_shl((bytes.len() as u32 * 8).wrapping_sub(1));
        if value & mask != 0 {
            value |= mask;
        }
        value.cast_signed() as f64
    }
}

fn pack(stack: &mut Stack<'_>) -> Outcome {
    let mut format = Format::new(stack)?;
    // The first argument that is missing is reported as nil.
    let arguments = stack.top();
    stack.push_nil();
    match pack_all(stack, &mut format) {
        Ok(out) => {
            stack.charge(out.len() / BYTES_PER_STEP);
            stack.set_top(arguments);
            stack.push_bytes(&out);
            Ok(1)
        }
        Err(error) => Err(error.raise(stack)),
    }
}

fn pack_all(stack: &mut Stack<'_>, format: &mut Format) -> Result<Vec<u8>, Error> {
    let limit = stack.output_limit();
    let mut out = Vec::with_capacity(64);
    let mut argument = 2;
    while let Some((option, size)) = format.next()? {
        let padding = format.padding(out.len(), option, size);
        out.resize(out.len() + padding, 0);
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = to_bits(stack.check_number(argument)?);
                let mut bytes = [0; MOST_INTEGER];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                format.write(&mut out, &bytes[..size]);
            }
            b'f' => {
                let value = stack.check_number(argument)? as f32;
                format.write(&mut out, &value.to_le_bytes());
            }
            b'd' => {
                let value = stack.check_number(argument)?;
                format.write(&mut out, &value.to_le_bytes());
            }
            b'x' => out.push(0),
            b'c' | b's' => {
                stack.check_bytes(argument)?;
                let bytes = stack.bytes(argument).unwrap_or_default();
                let size = if size == 0 { bytes.len() } else { size };
                if bytes.len() < size {
                    // Counted already.
                    return Err(Error::Argument(argument + 1, "string too short"));
                }
                if size > limit.saturating_sub(out.len()) {
                    return Err(Error::Memory);
                }
                out.extend_from_slice(&bytes[..size]);
                if option == b's' {
                    out.push(0);
                }
            }
            other => {
                format.control(other)?;
                continue;
            }
        }
        if out.len() > limit {
            return Err(Error::Memory);
        }
        argument += i32::from(option != b'x');
    }
    Ok(out)
}

/// The integer of 64 bits that a number becomes, as on x86-64.
fn to_bits(number: f64) -> u64 {
    const HALF: f64 = 9_223_372_036_854_775_808.0;
    if number >= HALF {
        (to_integer(number - HALF).cast_unsigned()) ^ (1 << 63)
    } else {
        to_integer(number).cast_unsigned()
    }
}

fn unpack(stack: &mut Stack<'_>) -> Outcome {
    let mut format = Format::new(stack)?;
    stack.check_bytes(2)?;
    // The position counts from 1. A negative one is beyond any data.
    let start = stack.optional_integer(3, 1)?.cast_unsigned() as usize;
    if start == 0 {
        return Err(stack.fail_argument(3, b"offset must be 1 or greater"));
    }
    let arguments = stack.top();
    let (mut out, data) = Builder::new(stack, 2);
    match unpack_all(&data[..data.len() - 1], &mut format, &mut out, start - 1) {
        Ok(next) => {
            stack.push_number(next.wrapping_add(1).cast_signed() as f64);
            Ok(stack.top() - arguments)
        }
        Err(error) => {
            stack.set_top(arguments);
            Err(error.raise(stack))
        }
    }
}

/// Takes the values from a position on; the position behind them.
fn unpack_all(
    data: &[u8],
    format: &mut Format,
    out: &mut Builder<'_, '_>,
    start: usize,
) -> Result<usize, Error> {
    let mut at = start;
    while let Some((option, mut size)) = format.next()? {
        at = at.wrapping_add(format.padding(at, option, size));
        let value = part(data, at, size)?;
        if !out.make_room(2) {
            return Err(Error::Here("stack overflow (too many results)".to_owned()));
        }
        match option {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                out.number(format.read_integer(value, option.is_ascii_lowercase()))?;
            }
            b'f' => out.number(f64::from(f32::from_le_bytes(format.read(value))))?,
            b'd' => out.number(f64::from_le_bytes(format.read(value)))?,
            b'x' => {}
            b'c' if size == 0 => {
                let before = out
                    .take_number()
                    .ok_or_else(|| Error::Here("format 'c0' needs a previous size".to_owned()))?;
                size = to_bits(before) as usize;
                out.string(part(data, at, size)?)?;
            }
            b'c' => out.string(value)?,
            b's' => {
                let end = data[at..].iter().position(|&byte| byte == 0);
                out.charge(end.unwrap_or(data.len() - at) / BYTES_PER_STEP);
                let end = end.ok_or_else(|| Error::Here("unfinished string in data".to_owned()))?;
                size = end + 1;
                out.string(&data[at..at + end])?;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    Ok(at)
}

/// The bytes of a value, if the data has them.
fn part(data: &[u8], at: usize, size: usize) -> Result<&[u8], Error> {
    at.checked_add(size)
        .and_then(|end| data.get(at..end))
        .ok_or(Error::Argument(2, "data string too short"))
}

fn size(stack: &mut Stack<'_>) -> Outcome {
    let mut format = Format::new(stack)?;
    match size_all(&mut format) {
        Ok(size) => {
            stack.push_number(size as f64);
            Ok(1)
        }
        Err(error) => Err(error.raise(stack)),
    }
}

fn size_all(format: &mut Format) -> Result<usize, Error> {
    // A format is a string in memory, and each of its options below 2^31: the sum is far below 2^64.
    let mut position = 0usize;
    while let Some((option, size)) = format.next()? {
        position += format.padding(position, option, size);
        match option {
            b's' => return Err(Error::Argument(1, "option 's' has no fixed size")),
            b'c' if size == 0 => return Err(Error::Argument(1, "option 'c0' has no fixed size")),
            // Letters and digits that are not options are ignored here.
            _ if option.is_ascii_alphanumeric() => {}
            _ => format.control(option)?,
        }
        position += size;
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_bits_as_on_x86() {
        for (number, bits) in [
            (1.9, 1),
            (-1.0, u64::MAX),
            (9_223_372_036_854_775_808.0, 1 << 63),
            (1.8e19, 18_000_000_000_000_000_000),
            (1e300, 0),
            (-1e300, 1 << 63),
            (f64::NAN, 1 << 63),
        ] {
            assert_eq!(to_bits(number), bits, "{number}");
        }
    }
}
