//! Values from MessagePack.
//!
//! Types that Lua has no equivalent for (binary, extensions) are an error. Unsigned integers above 2^63 become negative.
//!
//! In Redis the position of the value in progress is on the stack above its array, so nested arrays need two slots each.

use crate::builder::{Builder, Fault};
use crate::function::{Outcome, Raise};
use crate::limits::BYTES_PER_STEP;
use crate::stack::Stack;

/// `cmsgpack.unpack`: all values.
pub(super) fn unpack(stack: &mut Stack<'_>) -> Outcome {
    unpack_part(stack, 0, 0)
}

/// `cmsgpack.unpack_one`: the value at an offset.
pub(super) fn unpack_one(stack: &mut Stack<'_>) -> Outcome {
    let offset = stack.optional_integer(2, 0)?;
    stack.set_top(stack.top().min(1));
    unpack_part(stack, 1, offset)
}

/// `cmsgpack.unpack_limit`: some values from an offset.
pub(super) fn unpack_limit(stack: &mut Stack<'_>) -> Outcome {
    let limit = stack.check_integer(2)?;
    let offset = stack.optional_integer(3, 0)?;
    stack.set_top(stack.top().min(1));
    unpack_part(stack, limit, offset)
}

/// Pushes values, behind the offset of the next one unless all were asked for.
fn unpack_part(stack: &mut Stack<'_>, limit: i64, offset: i64) -> Outcome {
    let all = limit == 0 && offset == 0;
    stack.check_bytes(1)?;
    let len = stack.len(1);
    let (Ok(most), Ok(start)) = (usize::try_from(limit), usize::try_from(offset)) else {
        // It names the length and not the limit.
        let (offset, len) = (offset as i32, len as i32);
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {len}.");
        return Err(stack.fail_here(text.as_bytes()));
    };
    if start > len {
        let (offset, len) = (offset as i32, len as i32);
        let text = format!("Start offset {offset} greater than input length {len}.");
        return Err(stack.fail_here(text.as_bytes()));
    }
    let most = if all { i32::MAX as usize } else { most };
    let (mut out, bytes) = Builder::new(stack, 1);
    let mut cursor = Cursor {
        bytes: &bytes[..len],
        at: start,
    };
    let mut count = 0;
    let mut result = Ok(());
    while result.is_ok() && cursor.at < len && count < most {
        result = value(&mut cursor, &mut out);
        count += 1;
    }
    let next = cursor.at;
    stack.charge((next - start) / BYTES_PER_STEP);
    if let Err(error) = result {
        return Err(error.raise(stack));
    }
    if all {
        return Ok(count);
    }
    if !stack.reserve_as_in_c(1) {
        return Err(Error::Stack("in function mp_unpack_full").raise(stack));
    }
    let next = if next == len { -1.0 } else { next as f64 };
    stack.push_number(next);
    stack.insert(2);
    Ok(count + 1)
}

#[derive(Debug, PartialEq)]
enum Error {
    Missing,
    Format,
    /// No room on the stack.
    Stack(&'static str),
    /// Not about the input.
    Lua(Fault),
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Error {
        Error::Lua(fault)
    }
}

impl Error {
    fn raise(self, stack: &mut Stack<'_>) -> Raise {
        // The stack may be full.
        stack.set_top(0);
        match self {
            Error::Missing => stack.fail_here(b"Missing bytes in input."),
            Error::Format => stack.fail_here(b"Bad data format in input."),
            Error::Stack(text) => stack.fail_here(format!("stack overflow ({text})").as_bytes()),
            Error::Lua(text) => stack.fail(text),
        }
    }
}

/// A value, or the start of one.
#[derive(Debug, PartialEq)]
enum Item<'input> {
    Nil,
    Boolean(bool),
    Number(f64),
    String(&'input [u8]),
    Array(usize),
    Map(usize),
}

/// Takes one value.
fn value(cursor: &mut Cursor<'_>, out: &mut Builder<'_, '_>) -> Result<(), Error> {
    const TOO_MANY: &str =
        "too many return values at once; use unpack_one or unpack_limit instead.";
    // The items that are left of each container under way.
    let mut left: Vec<usize> = Vec::new();
    loop {
        if cursor.at == cursor.bytes.len() {
            return Err(Error::Missing);
        }
        if !out.make_room(1) {
            return Err(Error::Stack(TOO_MANY));
        }
        match cursor.item()? {
            Item::Nil => out.nil()?,
            Item::Boolean(value) => out.boolean(value)?,
            Item::Number(number) => out.number(number)?,
            Item::String(text) => out.string(text)?,
            Item::Array(len) => {
                out.begin(false);
                if !out.make_room(1) {
                    return Err(Error::Stack("in function mp_decode_to_lua_array"));
                }
                // The position of the value in progress.
                out.held += 1;
                left.push(len);
            }
            Item::Map(pairs) => {
                out.begin(true);
                left.push(2 * pairs);
            }
        }
        loop {
            match left.last_mut() {
                None => return Ok(()),
                Some(0) => {
                    left.pop();
                    out.held -= usize::from(out.keyed() == Some(false));
                    out.end()?;
                }
                Some(items) => {
                    *items -= 1;
                    break;
                }
            }
        }
    }
}

/// The input from a position on.
struct Cursor<'input> {
    bytes: &'input [u8],
    at: usize,
}

impl<'input> Cursor<'input> {
    /// The next item.
    fn item(&mut self) -> Result<Item<'input>, Error> {
        let [kind] = self.take()?;
        Ok(match kind {
            0x00..=0x7f => Item::Number(f64::from(kind)),
            0x80..=0x8f => Item::Map(usize::from(kind & 15)),
            0x90..=0x9f => Item::Array(usize::from(kind & 15)),
            0xa0..=0xbf => self.string(usize::from(kind & 31))?,
            0xc0 => Item::Nil,
            0xc2 => Item::Boolean(false),
            0xc3 => Item::Boolean(true),
            0xca => Item::Number(f64::from(f32::from_be_bytes(self.take()?))),
            0xcb => Item::Number(f64::from_be_bytes(self.take()?)),
            0xcc => Item::Number(f64::from(u8::from_be_bytes(self.take()?))),
            0xcd => Item::Number(f64::from(u16::from_be_bytes(self.take()?))),
            0xce => Item::Number(f64::from(u32::from_be_bytes(self.take()?))),
            // Through a signed integer, as Lua has no other.
            0xcf | 0xd3 => Item::Number(i64::from_be_bytes(self.take()?) as f64),
            0xd0 => Item::Number(f64::from(i8::from_be_bytes(self.take()?))),
            0xd1 => Item::Number(f64::from(i16::from_be_bytes(self.take()?))),
            0xd2 => Item::Number(f64::from(i32::from_be_bytes(self.take()?))),
            0xd9 => {
                let [len] = self.take()?;
                self.string(usize::from(len))?
            }
            0xda => {
                let len = self.short()?;
                self.string(len)?
            }
            0xdb => {
                let len = self.long()?;
                self.string(len)?
            }
            0xdc => Item::Array(self.short()?),
            0xdd => Item::Array(self.long()?),
            0xde => Item::Map(self.short()?),
            0xdf => Item::Map(self.long()?),
            0xe0..=0xff => Item::Number(f64::from(kind.cast_signed())),
            0xc1 | 0xc4..=0xc9 | 0xd4..=0xd8 => return Err(Error::Format),
        })
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let bytes = self.bytes[self.at..].first_chunk();
        let bytes = *bytes.ok_or(Error::Missing)?;
        self.at += N;
        Ok(bytes)
    }

    fn short(&mut self) -> Result<usize, Error> {
        self.take().map(u16::from_be_bytes).map(usize::from)
    }

    fn long(&mut self) -> Result<usize, Error> {
        self.take().map(|bytes| u32::from_be_bytes(bytes) as usize)
    }

    fn string(&mut self, len: usize) -> Result<Item<'input>, Error> {
        if len > self.bytes.len() - self.at {
            return Err(Error::Missing);
        }
        let start = self.at;
        self.at += len;
        Ok(Item::String(&self.bytes[start..self.at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_by_their_first_byte() {
        let cases: [(&[u8], Result<Item<'_>, Error>); 19] = [
            (b"", Err(Error::Missing)),
            (b"\x7f", Ok(Item::Number(127.0))),
            (b"\xe0", Ok(Item::Number(-32.0))),
            (b"\xcc\xff", Ok(Item::Number(255.0))),
            (b"\xcd\x01", Err(Error::Missing)),
            (b"\xce\xff\xff\xff\xff", Ok(Item::Number(4_294_967_295.0))),
            (
                b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff",
                Ok(Item::Number(-1.0)),
            ),
            (b"\xd0\x80", Ok(Item::Number(-128.0))),
            (b"\xd1\xff\xfe", Ok(Item::Number(-2.0))),
            (b"\xca\x3f\x80\0\0", Ok(Item::Number(1.0))),
            (b"\xc0", Ok(Item::Nil)),
            (b"\xc3", Ok(Item::Boolean(true))),
            (b"\xa2xyz", Ok(Item::String(b"xy"))),
            (b"\xa2x", Err(Error::Missing)),
            (b"\xda\0\x01x", Ok(Item::String(b"x"))),
            (b"\xdb\xff\xff\xff\xffx", Err(Error::Missing)),
            (b"\x93", Ok(Item::Array(3))),
            (b"\xdf\xff\xff\xff\xff", Ok(Item::Map(4_294_967_295))),
            (b"\xc4\x01x", Err(Error::Format)),
        ];
        for (bytes, expected) in cases {
            assert_eq!(Cursor { bytes, at: 0 }.item(), expected, "{bytes:?}");
        }
    }
}
