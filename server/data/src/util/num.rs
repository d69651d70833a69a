//! Numbers as texts, read as strictly and written exactly as Redis does.
//!
//! Integers are read only in their canonical form, so that number and text stand for each other.
//! Doubles are read by the grammar of C's `strtod` (decimal, hexadecimal, infinities) without its
//! leniency about what stands around them, and written by `util/grisu.rs`.

use crate::util::grisu;

/// The most bytes that an integer of 64 bits takes as a text.
pub const MAX_I64_DIGITS: usize = 20;

/// The most bytes that a double takes as a text.
pub const MAX_F64_DIGITS: usize = grisu::MAX_LEN;

/// The integer that `text` is the canonical text of: no space, no plus, no leading zero, no "-0".
#[inline]
pub fn parse_i64(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() < MAX_I64_DIGITS => {}
        _ => return None,
    }
    // 19 digits stay below 2^64, so only the sign's limit is to be watched.
    let magnitude = decimal(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// The unsigned integer that `text` is the canonical text of.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= MAX_I64_DIGITS => decimal(text),
        _ => None,
    }
}

/// An unsigned integer as Redis takes it in ids of streams and a few options: the canonical text, or
/// else whatever C's `strtoull` reads to the end: spaces before it, a sign (a minus wraps around), zeros.
pub fn parse_u64_lenient(text: &[u8]) -> Option<u64> {
    if let Some(canonical) = parse_i64(text) {
        return u64::try_from(canonical).ok();
    }
    let (negative, digits) = match text.trim_ascii_start() {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let magnitude = (!digits.is_empty()).then(|| decimal(digits))??;
    Some(if negative {
        magnitude.wrapping_neg()
    } else {
        magnitude
    })
}

/// An amount of memory as the configuration writes it: digits and a unit of b, k, kb, m, mb, g or gb,
/// where the units with a b are powers of 1024 and those without of 1000. No digits count as 0.
pub fn parse_memory(text: &[u8]) -> Option<u64> {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let unit: u64 = match unit.to_ascii_lowercase().as_slice() {
        b"" | b"b" => 1,
        b"k" => 1000,
        b"kb" => 1 << 10,
        b"m" => 1_000_000,
        b"mb" => 1 << 20,
        b"g" => 1_000_000_000,
        b"gb" => 1 << 30,
        _ => return None,
    };
    decimal(digits)?.checked_mul(unit)
}

/// Writes an integer into `room` and returns its text.
#[inline]
pub fn write_i64(number: i64, room: &mut [u8; MAX_I64_DIGITS]) -> &[u8] {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number).as_bytes();
    room[..text.len()].copy_from_slice(text);
    &room[..text.len()]
}

/// Bytes that the text of an integer takes.
#[inline]
pub fn i64_len(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(number < 0)
}

/// Appends an integer.
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The integer that a double is, if it is one within the half of the range of `i64` around zero.
pub fn f64_to_i64(number: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    let whole = number as i64;
    ((-LIMIT..=LIMIT).contains(&number) && whole as f64 == number).then_some(whole)
}

/// A double as Redis writes it in replies: as an integer where it is one, else its shortest digits,
/// with an exponent where that is shorter; `inf`, `-inf`, `nan`, `-0`.
pub fn format_f64(number: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_F64_DIGITS);
    push_f64(&mut out, number);
    out
}

/// Appends a double as [`format_f64`] writes it.
pub fn push_f64(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() {
        out.extend_from_slice(b"nan");
    } else if number.is_infinite() {
        out.extend_from_slice(if number < 0.0 { b"-inf" } else { b"inf" });
    } else if number == 0.0 {
        out.extend_from_slice(if number.is_sign_negative() {
            b"-0"
        } else {
            b"0"
        });
    } else if let Some(whole) = f64_to_i64(number) {
        push_i64(out, whole);
    } else {
        grisu::push_f64(out, number);
    }
}

/// The double that `text` denotes, as Redis takes it: what `strtod` reads in the C locale, without
/// spaces before it, and neither NaN nor beyond the range (a number too small is beyond it as well).
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    match Real::parse(text)? {
        Real::Infinity { negative } => Some(if negative {
            f64::NEG_INFINITY
        } else {
            f64::INFINITY
        }),
        Real::Decimal { zero } => {
            let number: f64 = str::from_utf8(text).ok()?.parse().ok()?;
            (number.is_finite() && (zero || number != 0.0)).then_some(number)
        }
        Real::Hexadecimal(hexadecimal) => hexadecimal.to_f64(),
    }
}

/// What kind of real number a text denotes, by the grammar of `strtod` less NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Real {
    /// `inf` or `infinity` in any case.
    Infinity { negative: bool },
    /// Digits with an optional point and exponent, which Rust's own parser reads the same way.
    Decimal {
        /// Whether all digits are zero.
        zero: bool,
    },
    /// `0x`, hexadecimal digits with an optional point, and an optional binary exponent.
    Hexadecimal(Hexadecimal),
}

/// A hexadecimal real: ±`mantissa` × 2^`exponent`, and a little more if `inexact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hexadecimal {
    pub(super) negative: bool,
    /// The leading digits that are not zero: 60 bits, or all there are.
    pub(super) mantissa: u64,
    pub(super) exponent: i64,
    /// Whether digits that are not zero were cut off.
    pub(super) inexact: bool,
}

impl Real {
    /// Reads all of `text`.
    pub(super) fn parse(text: &[u8]) -> Option<Real> {
        let (negative, unsigned) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            rest => (false, rest),
        };
        if unsigned.eq_ignore_ascii_case(b"inf") || unsigned.eq_ignore_ascii_case(b"infinity") {
            return Some(Real::Infinity { negative });
        }
        match unsigned {
            [b'0', b'x' | b'X', digits @ ..] => {
                Hexadecimal::parse(negative, digits).map(Real::Hexadecimal)
            }
            _ => parse_decimal(unsigned),
        }
    }
}

impl Hexadecimal {
    fn parse(negative: bool, text: &[u8]) -> Option<Self> {
        let end = text
            .iter()
            .position(|byte| matches!(byte, b'p' | b'P'))
            .unwrap_or(text.len());
        let (digits, exponent) = text.split_at(end);
        let mut number = Hexadecimal {
            negative,
            mantissa: 0,
            exponent: 0,
            inexact: false,
        };
        let (mut any, mut point) = (false, false);
        for &byte in digits {
            if byte == b'.' && !point {
                point = true;
                continue;
            }
            let digit = u64::from(char::from(byte).to_digit(16)?);
            any = true;
            let fits = number.mantissa >> 60 == 0 && number.mantissa.leading_zeros() >= 8;
            if fits {
                number.mantissa = number.mantissa << 4 | digit;
            } else {
                number.inexact |= digit != 0;
            }
            // A digit before the point that is cut off weighs 16; one behind it that is kept, 1/16.
            number.exponent += 4 * (i64::from(!fits) - i64::from(point));
        }
        if !exponent.is_empty() {
            number.exponent = number
                .exponent
                .saturating_add(parse_exponent(&exponent[1..])?);
        }
        any.then_some(number)
    }

    /// The nearest double, ties to even; `None` beyond the range.
    fn to_f64(self) -> Option<f64> {
        let sign = if self.negative { -1.0 } else { 1.0 };
        if self.mantissa == 0 {
            return Some(0.0 * sign);
        }
        // The exponent of the leading bit decides how many bits the double keeps.
        let bits = i64::from(64 - self.mantissa.leading_zeros());
        let top = self.exponent.saturating_add(bits - 1);
        if top > 1023 || top < -1080 {
            return None;
        }
        let kept = if top >= -1022 { 53 } else { 53 - (-1022 - top) };
        let mut exponent = self.exponent;
        let mut mantissa = self.mantissa;
        let drop = bits - kept;
        if drop > 0 {
            // Everything dropped against half of the last bit kept.
            let dropped = u128::from(mantissa) << 64 >> drop;
            let (whole, rest) = ((dropped >> 64) as u64, dropped as u64);
            let rest = rest | u64::from(self.inexact);
            let half = 1 << 63;
            let up = rest > half || (rest == half && whole & 1 == 1);
            mantissa = whole + u64::from(up);
            exponent += drop;
        }
        // Exact: the mantissa has at most 53 bits, and the steps do not round again.
        let number = scale(mantissa as f64, exponent);
        (number.is_finite() && number != 0.0).then_some(number * sign)
    }
}

/// `number` × 2^`exponent` for a result that is exact, in steps that stay in range.
fn scale(mut number: f64, mut exponent: i64) -> f64 {
    while exponent != 0 {
        let step = exponent.clamp(-1000, 1000);
        number *= 2f64.powi(step as i32);
        exponent -= step;
    }
    number
}

fn parse_decimal(text: &[u8]) -> Option<Real> {
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'e' | b'E'))
        .unwrap_or(text.len());
    let (digits, exponent) = text.split_at(end);
    let (mut any, mut point, mut zero) = (false, false, true);
    for &byte in digits {
        match byte {
            b'.' if !point => point = true,
            b'0'..=b'9' => {
                any = true;
                zero &= byte == b'0';
            }
            _ => return None,
        }
    }
    if !exponent.is_empty() {
        parse_exponent(&exponent[1..])?;
    }
    any.then_some(Real::Decimal { zero })
}

/// A signed decimal exponent, held within what any sum of exponents can bear.
fn parse_exponent(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let magnitude = decimal(digits).map_or(1 << 40, |value| value.min(1 << 40)) as i64;
    Some(if negative { -magnitude } else { magnitude })
}

/// The value of decimal digits, 0 of none; `None` for anything else and from 2^64 on.
#[inline]
fn decimal(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}
