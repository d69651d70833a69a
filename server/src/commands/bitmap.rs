//! Bitmaps: SETBIT, GETBIT, BITCOUNT, BITPOS, BITOP.

use std::ops::Range;

use data::util::bits;
use data::value::db::Expire;
use data::value::{NewValue, Scratch, Value};
use table::bitmap as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::delete_target;
use crate::keyspace::lookup::{find_read, need_string};
use crate::keyspace::store::{edit_bits, store};
use crate::server::{Ctx, Done};
use crate::wire::fault::{BIT_OFFSET, Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SETBIT, setbit),
    (&rows::GETBIT, getbit),
    (&rows::BITCOUNT, bitcount),
    (&rows::BITPOS, bitpos),
    (&rows::BITOP, bitop),
];

/// A bit offset within `proto-max-bulk-len`.
fn bit_offset(cx: &Ctx<'_>, arg: &[u8]) -> Result<usize, Fault> {
    let offset = int(arg).map_err(|_| BIT_OFFSET)?;
    if offset < 0 || offset >> 3 >= cx.max_string() {
        return Err(BIT_OFFSET);
    }
    Ok(offset as usize)
}

fn setbit(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let offset = bit_offset(cx, &argv[2])?;
    let bit = match int(&argv[3]) {
        Ok(bit @ 0..=1) => bit as u64,
        _ => return Err(Fault::new("ERR bit is not an integer or out of range")),
    };
    let (before, changed) = edit_bits(cx.srv, cx.db, key, offset / 8 + 1, |text, grown| {
        let before = bits::get_field(text, offset, 1);
        bits::set_field(text, offset, 1, bit);
        (before, grown || before != bit)
    })?;
    if changed {
        key_changed(cx.srv, cx.db, key, 1, Event::String("setbit"));
    }
    cx.reply.int(before as i64);
    Ok(())
}

fn getbit(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let offset = bit_offset(cx, &argv[2])?;
    let bit = match find_read(cx.srv, cx.db, &argv[1]) {
        None => 0,
        Some(entry) => {
            let mut scratch = Scratch::default();
            bits::get_field(need_string(entry)?.value().bytes(&mut scratch), offset, 1)
        }
    };
    cx.reply.int(bit as i64);
    Ok(())
}

/// Whether bounds are in bits (BIT) or bytes (BYTE).
fn unit_is_bit(arg: &[u8]) -> Result<bool, Fault> {
    match arg.to_ascii_lowercase().as_slice() {
        b"bit" => Ok(true),
        b"byte" => Ok(false),
        _ => Err(SYNTAX),
    }
}

/// Inclusive bounds, which may count from the end, as a range of bits in a string of `len` bytes.
fn bit_range(start: i64, end: i64, len: usize, unit_is_bit: bool) -> Range<usize> {
    let unit = if unit_is_bit { 1 } else { 8 };
    let total = (len * 8 / unit) as i64;
    let clamp = |index: i64| {
        let index = if index < 0 {
            total.saturating_add(index)
        } else {
            index
        };
        index.max(0)
    };
    let (start, end) = (clamp(start), clamp(end).min(total - 1));
    if start > end {
        return 0..0;
    }
    start as usize * unit..(end as usize + 1) * unit
}

fn bitcount(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let Some(entry) = find_read(cx.srv, cx.db, &argv[1]) else {
        cx.reply.int(0);
        return Ok(());
    };
    let mut scratch = Scratch::default();
    let value = need_string(entry)?.value();
    let text = value.bytes(&mut scratch);
    let range = match argv.len() {
        2 => 0..text.len() * 8,
        4 | 5 => {
            let (start, end) = (int(&argv[2])?, int(&argv[3])?);
            // Two bounds from the end in reverse order are an empty range, even if clamping would change that.
            let backwards = start < 0 && end < 0 && start > end;
            let unit = argv.len() == 5 && !backwards && unit_is_bit(&argv[4])?;
            if backwards {
                0..0
            } else {
                bit_range(start, end, text.len(), unit)
            }
        }
        _ => return Err(SYNTAX),
    };
    cx.reply.int(bits::count(text, range) as i64);
    Ok(())
}

fn bitpos(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let wanted = match int(&argv[2])? {
        0 => false,
        1 => true,
        _ => return Err(Fault::new("ERR The bit argument must be 1 or 0.")),
    };
    let Some(entry) = find_read(cx.srv, cx.db, &argv[1]) else {
        // A missing key counts as zeros without end.
        cx.reply.int(if wanted { -1 } else { 0 });
        return Ok(());
    };
    let mut scratch = Scratch::default();
    let value = need_string(entry)?.value();
    let text = value.bytes(&mut scratch);
    let arg = |at: usize| (at < argv.len()).then(|| &argv[at]);
    if argv.len() > 6 {
        return Err(SYNTAX);
    }
    let start = arg(3).map(int).transpose()?;
    let unit = arg(5).map(unit_is_bit).transpose()?.unwrap_or(false);
    let end = arg(4).map(int).transpose()?;
    let range = bit_range(start.unwrap_or(0), end.unwrap_or(-1), text.len(), unit);
    let found = bits::find(text, range.clone(), wanted);
    let position = match found {
        Some(at) => at as i64,
        // Without an explicit end the string continues with zeros.
        None if !wanted && end.is_none() && !range.is_empty() => text.len() as i64 * 8,
        None => -1,
    };
    cx.reply.int(position);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

impl Operation {
    fn of_name(name: &[u8]) -> Result<Self, Fault> {
        match name.to_ascii_lowercase().as_slice() {
            b"and" => Ok(Operation::And),
            b"or" => Ok(Operation::Or),
            b"xor" => Ok(Operation::Xor),
            b"not" => Ok(Operation::Not),
            _ => Err(SYNTAX),
        }
    }

    /// Combines another operand into the result; the shorter one is padded with zeros.
    fn apply(self, result: &mut Vec<u8>, operand: &[u8]) {
        if operand.len() > result.len() {
            result.resize(operand.len(), 0);
        }
        let (common, rest) = result.split_at_mut(operand.len());
        let pairs = common.iter_mut().zip(operand);
        match self {
            Operation::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                rest.fill(0);
            }
            Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Operation::Xor | Operation::Not => pairs.for_each(|(byte, other)| *byte ^= other),
        }
    }
}

fn bitop(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let operation = Operation::of_name(&argv[1])?;
    if operation == Operation::Not && argv.len() != 4 {
        return Err(Fault::new(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    let target = &argv[2];
    let mut result: Option<Vec<u8>> = None;
    for key in argv.iter().skip(3) {
        let mut scratch = Scratch::default();
        let operand = match find_read(cx.srv, cx.db, key) {
            Some(entry) => need_string(entry)?.value(),
            None => data::value::ValueRef::Bytes(b""),
        };
        let operand = operand.bytes(&mut scratch);
        match &mut result {
            Some(result) => operation.apply(result, operand),
            // One pass: a second one over a big string would cost as much again.
            None if operation == Operation::Not => {
                result = Some(operand.iter().map(|byte| !byte).collect());
            }
            None => result = Some(operand.to_vec()),
        }
    }
    let result = result.unwrap_or_default();
    let len = result.len();
    if len == 0 {
        delete_target(cx.srv, cx.db, target, false);
    } else {
        let result = NewValue::Owned(Value::Raw(result));
        store(cx.srv, cx.db, target, result, Expire::Clear);
        key_changed(cx.srv, cx.db, target, 1, Event::String("set"));
    }
    cx.reply.int(len as i64);
    Ok(())
}
