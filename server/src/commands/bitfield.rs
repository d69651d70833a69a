//! BITFIELD and BITFIELD_RO: integers of any width inside strings.
//!
//! All operations are parsed before the first is executed, so a syntax error changes nothing.

use data::util::bits::{get_field, set_field};
use data::util::num::parse_i64;
use data::value::Scratch;
use table::bitmap as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{find_read, need_string};
use crate::keyspace::store::edit_bits;
use crate::server::{Ctx, Done};
use crate::wire::fault::{BIT_OFFSET, Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::BITFIELD, |cx| bitfield(cx, false)),
    (&rows::BITFIELD_RO, |cx| bitfield(cx, true)),
];

/// A field: its offset, width and sign.
#[derive(Clone, Copy)]
struct Field {
    offset: usize,
    bits: u32,
    signed: bool,
}

/// OVERFLOW: what happens to a result that does not fit.
#[derive(Clone, Copy)]
enum Overflow {
    /// WRAP: the low bits are kept.
    Wrap,
    /// SAT: the nearest value that fits.
    Saturate,
    /// FAIL: nothing is written and the reply is null.
    Fail,
}

enum Action {
    Get,
    Set(i64, Overflow),
    IncrBy(i64, Overflow),
}

impl Field {
    fn parse(cx: &Ctx<'_>, ty: &[u8], offset: &[u8]) -> Result<Self, Fault> {
        let wrong = || {
            Fault::new(
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
            )
        };
        let (signed, most) = match ty.first() {
            Some(b'i') => (true, 64),
            Some(b'u') => (false, 63),
            _ => return Err(wrong()),
        };
        let bits = parse_i64(&ty[1..])
            .filter(|bits| (1..=most).contains(bits))
            .ok_or_else(wrong)?;
        let (digits, unit) = match offset.strip_prefix(b"#") {
            Some(digits) => (digits, bits),
            None => (offset, 1),
        };
        let offset = parse_i64(digits)
            .map(|number| number.wrapping_mul(unit))
            .filter(|&offset| offset >= 0 && offset >> 3 < cx.max_string())
            .ok_or(BIT_OFFSET)?;
        Ok(Field {
            offset: offset as usize,
            bits: bits as u32,
            signed,
        })
    }

    /// The first byte behind the field.
    fn end(self) -> usize {
        (self.offset + self.bits as usize - 1) / 8 + 1
    }

    fn get(self, text: &[u8]) -> i64 {
        let raw = get_field(text, self.offset, self.bits);
        if self.signed {
            let unused = 64 - self.bits;
            (raw << unused) as i64 >> unused
        } else {
            raw as i64
        }
    }

    fn set(self, text: &mut [u8], number: i64) {
        set_field(text, self.offset, self.bits, number as u64);
    }

    /// The value stored for a number; `None` for an overflow under FAIL.
    fn fit(self, exact: i128, overflow: Overflow) -> Option<i64> {
        let (least, most) = if self.signed {
            (-(1i128 << (self.bits - 1)), (1i128 << (self.bits - 1)) - 1)
        } else {
            (0, (1i128 << self.bits) - 1)
        };
        if (least..=most).contains(&exact) {
            return Some(exact as i64);
        }
        match overflow {
            Overflow::Fail => None,
            Overflow::Saturate => Some(exact.clamp(least, most) as i64),
            Overflow::Wrap => {
                let unused = 128 - self.bits;
                let low = (exact as u128) << unused;
                Some(if self.signed {
                    (low as i128 >> unused) as i64
                } else {
                    (low >> unused) as i64
                })
            }
        }
    }

    /// The number of SET as the field's type. A negative number is a huge one for an unsigned field, and also for a
    /// signed one if its distance from the maximum exceeds 64 signed bits: Redis's arithmetic wraps there.
    fn given(self, number: i64) -> i128 {
        if self.signed {
            let most = (1i64 << (self.bits - 1)).wrapping_sub(1);
            let wraps = self.bits < 64 && most.checked_sub(number).is_none();
            i128::from(number) + if wraps { 1i128 << 64 } else { 0 }
        } else {
            i128::from(number as u64)
        }
    }
}

fn parse(cx: &Ctx<'_>) -> Result<Vec<(Field, Action)>, Fault> {
    let mut args = Args::from(cx.argv, 2);
    let mut overflow = Overflow::Wrap;
    let mut actions = Vec::new();
    while let Some(name) = args.take() {
        let name = name.to_ascii_lowercase();
        match (name.as_slice(), args.left()) {
            (b"overflow", 1..) => {
                overflow = match args.need()?.to_ascii_lowercase().as_slice() {
                    b"wrap" => Overflow::Wrap,
                    b"sat" => Overflow::Saturate,
                    b"fail" => Overflow::Fail,
                    _ => return Err(Fault::new("ERR Invalid OVERFLOW type specified")),
                };
                continue;
            }
            (b"get", 2..) | (b"set" | b"incrby", 3..) => {}
            _ => return Err(SYNTAX),
        }
        let field = Field::parse(cx, args.need()?, args.need()?)?;
        let action = match name.as_slice() {
            b"get" => Action::Get,
            b"set" => Action::Set(int(args.need()?)?, overflow),
            _ => Action::IncrBy(int(args.need()?)?, overflow),
        };
        actions.push((field, action));
    }
    Ok(actions)
}

/// Executes one operation: returns its reply, and whether it changed the string.
fn execute(field: Field, action: &Action, text: &mut [u8]) -> (Option<i64>, bool) {
    let old = field.get(text);
    let (exact, overflow, answer_old) = match *action {
        Action::Get => return (Some(old), false),
        Action::Set(number, overflow) => (field.given(number), overflow, true),
        Action::IncrBy(step, overflow) => (i128::from(old) + i128::from(step), overflow, false),
    };
    match field.fit(exact, overflow) {
        None => (None, false),
        Some(new) => {
            field.set(text, new);
            (Some(if answer_old { old } else { new }), new != old)
        }
    }
}

fn bitfield(cx: &mut Ctx<'_>, read_only: bool) -> Done {
    let key = &cx.argv[1];
    let actions = parse(cx)?;
    let room = actions
        .iter()
        .filter(|(_, action)| !matches!(action, Action::Get))
        .map(|(field, _)| field.end())
        .max();
    let Some(room) = room else {
        return get_all(cx, &actions);
    };
    if read_only {
        return Err(Fault::new(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    let (answers, changes) = edit_bits(cx.srv, cx.db, key, room, |text, grown| {
        let mut changes = 0;
        let mut answers = Vec::with_capacity(actions.len());
        for (field, action) in &actions {
            let (answer, changed) = execute(*field, action, text);
            let wrote = answer.is_some() && !matches!(action, Action::Get);
            changes += u64::from(changed || grown && wrote);
            answers.push(answer);
        }
        (answers, changes)
    })?;
    if changes > 0 {
        key_changed(cx.srv, cx.db, key, changes, Event::String("setbit"));
    }
    cx.reply.array(answers.len());
    for answer in answers {
        match answer {
            Some(number) => cx.reply.int(number),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

/// Only GETs: the key is read and need not exist.
fn get_all(cx: &mut Ctx<'_>, actions: &[(Field, Action)]) -> Done {
    let mut scratch = Scratch::default();
    let entry = find_read(cx.srv, cx.db, &cx.argv[1]);
    let value = entry
        .map(need_string)
        .transpose()?
        .map(data::value::entry::EntryRef::value);
    let text = value
        .as_ref()
        .map_or(&b""[..], |value| value.bytes(&mut scratch));
    cx.reply.array(actions.len());
    for (field, _) in actions {
        cx.reply.int(field.get(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Field, Overflow};

    #[test]
    fn a_number_too_far_below_counts_as_too_far_above() {
        let field = |bits| Field {
            offset: 0,
            bits,
            signed: true,
        };
        let far = -5_155_622_659_714_947_435;
        let most = (1 << 62) - 1;
        let fit = |bits, number, overflow| field(bits).fit(field(bits).given(number), overflow);
        assert_eq!(fit(63, far, Overflow::Saturate), Some(most));
        assert_eq!(
            fit(62, -(1 << 61) - 1, Overflow::Saturate),
            Some(-(1 << 61))
        );
        assert_eq!(fit(64, i64::MIN, Overflow::Saturate), Some(i64::MIN));
        assert_eq!(fit(8, -129, Overflow::Wrap), Some(127));
    }

    #[test]
    fn what_does_not_fit_wraps_saturates_or_fails() {
        let field = |bits, signed| Field {
            offset: 0,
            bits,
            signed,
        };
        for (signed, bits, exact, wrapped, saturated) in [
            (false, 8, 256, 0, 255),
            (false, 8, -1, 255, 0),
            (false, 8, 255, 255, 255),
            (true, 8, 128, -128, 127),
            (true, 8, -129, 127, -128),
            (true, 64, 1i128 << 63, i64::MIN, i64::MAX),
            (true, 64, -(1i128 << 63) - 1, i64::MAX, i64::MIN),
            (false, 63, 1i128 << 63, 0, i64::MAX),
        ] {
            let field = field(bits, signed);
            assert_eq!(field.fit(exact, Overflow::Wrap), Some(wrapped), "{exact}");
            assert_eq!(field.fit(exact, Overflow::Saturate), Some(saturated));
            let fits = wrapped == saturated;
            assert_eq!(field.fit(exact, Overflow::Fail).is_some(), fits);
        }
    }
}
