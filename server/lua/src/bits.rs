//! The library `bit`: operations on 32 bits, as of Lua BitOp 1.0.2.
//!
//! An argument is reduced modulo 2^32, a result is a signed number of 32 bits. Only the low five bits of a shift count.

use crate::function::{Function, Outcome, Raise};
use crate::stack::Stack;

/// In the order of the original, which `pairs` shows.
const FUNCTIONS: [(&str, Function); 12] = [
    ("tobit", |stack| unary(stack, |bits| bits)),
    ("bnot", |stack| unary(stack, |bits| !bits)),
    ("band", |stack| fold(stack, |left, right| left & right)),
    ("bor", |stack| fold(stack, |left, right| left | right)),
    ("bxor", |stack| fold(stack, |left, right| left ^ right)),
    ("lshift", |stack| shift(stack, |bits, by| bits << by)),
    ("rshift", |stack| shift(stack, |bits, by| bits >> by)),
    ("arshift", |stack| {
        shift(stack, |bits, by| (bits.cast_signed() >> by).cast_unsigned())
    }),
    ("rol", |stack| shift(stack, u32::rotate_left)),
    ("ror", |stack| shift(stack, u32::rotate_right)),
    ("bswap", |stack| unary(stack, u32::swap_bytes)),
    ("tohex", to_hex),
];

/// Pushes the library.
pub fn open(stack: &mut Stack<'_>) {
    stack.push_table(0, FUNCTIONS.len());
    for (name, function) in FUNCTIONS {
        stack.push_function(function);
        stack.set_field(-2, name.as_bytes());
    }
}

/// An argument modulo 2^32, rounded to the nearest integer.
fn argument(stack: &mut Stack<'_>, index: i32) -> Result<u32, Raise> {
    let number = stack.check_number(index)?;
    // 2^52 + 2^51: the sum's lowest bits are those of the integer, in two's complement.
    Ok((number + 6_755_399_441_055_744.0).to_bits() as u32)
}

fn result(stack: &mut Stack<'_>, bits: u32) -> Outcome {
    stack.push_number(f64::from(bits.cast_signed()));
    Ok(1)
}

fn unary(stack: &mut Stack<'_>, operation: fn(u32) -> u32) -> Outcome {
    let bits = argument(stack, 1)?;
    result(stack, operation(bits))
}

fn fold(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Outcome {
    let mut bits = argument(stack, 1)?;
    // From the last one: of several wrong arguments the error names that one.
    for index in (2..=stack.top()).rev() {
        bits = operation(bits, argument(stack, index as i32)?);
    }
    result(stack, bits)
}

fn shift(stack: &mut Stack<'_>, operation: fn(u32, u32) -> u32) -> Outcome {
    let bits = argument(stack, 1)?;
    let by = argument(stack, 2)? & 31;
    result(stack, operation(bits, by))
}

/// Hexadecimal digits: how many (8 by default), in capitals if that is negative.
fn to_hex(stack: &mut Stack<'_>) -> Outcome {
    let bits = argument(stack, 1)?;
    let digits = if stack.top() < 2 {
        8
    } else {
        argument(stack, 2)?.cast_signed()
    };
    let text = if digits < 0 {
        format!("{bits:08X}")
    } else {
        format!("{bits:08x}")
    };
    let count = digits.unsigned_abs().min(8) as usize;
    stack.push_bytes(&text.as_bytes()[8 - count..]);
    Ok(1)
}
