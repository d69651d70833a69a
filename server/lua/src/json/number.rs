//! Numbers as JSON text: what C's `%.{precision}g` writes, and what its `strtod` reads.
//!
//! Both have a quick way for the numbers that documents contain, and a complete one.
//!
//! * **Writing.** An integer with few enough digits is written as one. If `number * 10^k`, rounded, divided by `10^k` is the
//!   number again, then that decimal is the closest to it, and its digits are the ones that rounding gives, as long as they
//!   are at most 14. Otherwise Rust's exact conversion has the digits.
//! * **Reading.** Up to 19 digits are gathered in an integer. If it is below 2^53 and the power of ten at most 22, one
//!   multiplication or division is exact. Otherwise Rust's parser gets the text.

use std::io::Write;

/// The powers of ten that a double holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// Appends a number with 1 to 14 significant digits.
pub(super) fn write_number(out: &mut Vec<u8>, number: f64, precision: usize) {
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let number = number.abs();
    if number < POWERS[precision] {
        let whole = number as u64;
        if whole as f64 == number {
            return write_integer(out, whole, 1);
        }
        if number >= 1e-4 && write_decimal(out, number, precision) {
            return;
        }
    } else if number.is_nan() {
        return out.extend_from_slice(b"nan");
    } else if number.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    write_exactly(out, number, precision);
}

/// Appends an integer with at least `least` digits.
fn write_integer(out: &mut Vec<u8>, mut number: u64, least: usize) {
    let mut digits = [b'0'; 20];
    let mut start = digits.len();
    while number > 0 {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    out.extend_from_slice(&digits[start.min(digits.len() - least)..]);
}

/// Appends a number that is a decimal of at most `precision` digits, with a point; whether it is one.
fn write_decimal(out: &mut Vec<u8>, number: f64, precision: usize) -> bool {
    for (places, power) in POWERS.iter().enumerate().take(precision + 5).skip(1) {
        let scaled = number * power + 0.5;
        if scaled >= POWERS[precision] {
            return false;
        }
        let rounded = scaled as u64;
        if rounded as f64 / power == number {
            let power = *power as u64;
            write_integer(out, rounded / power, 1);
            out.push(b'.');
            write_integer(out, rounded % power, places);
            return true;
        }
    }
    false
}

/// Appends any finite number above zero.
fn write_exactly(out: &mut Vec<u8>, number: f64, precision: usize) {
    let mut buffer = [0; 32];
    let mut rest = &mut buffer[..];
    let digits_after = precision - 1;
    // 14 digits, a point and an exponent of three digits fit.
    let _ = write!(rest, "{number:.digits_after$e}");
    let unused = rest.len();
    let text = &buffer[..buffer.len() - unused];
    let end = text
        .iter()
        .position(|&byte| byte == b'e')
        .unwrap_or(text.len());
    let exponent = str::from_utf8(text.get(end + 1..).unwrap_or_default())
        .ok()
        .and_then(|text| text.parse::<i32>().ok())
        .unwrap_or(0);
    let mut digits: Vec<u8> = text[..end]
        .iter()
        .copied()
        .filter(|&byte| byte != b'.')
        .collect();
    while digits.len() > 1 && digits.last() == Some(&b'0') {
        digits.pop();
    }
    if (-4..precision as i32).contains(&exponent) {
        write_plain(out, &digits, exponent);
    } else {
        write_point(out, &digits, 1);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    }
}

/// Appends digits whose first one counts 10^`exponent`, without an exponent.
fn write_plain(out: &mut Vec<u8>, digits: &[u8], exponent: i32) {
    let Ok(exponent) = usize::try_from(exponent) else {
        out.extend_from_slice(b"0.");
        out.resize(out.len() + exponent.unsigned_abs() as usize - 1, b'0');
        return out.extend_from_slice(digits);
    };
    write_point(out, digits, exponent + 1);
}

/// Appends digits with a point behind the first `whole` of them, and zeros if they are fewer.
fn write_point(out: &mut Vec<u8>, digits: &[u8], whole: usize) {
    if digits.len() <= whole {
        out.extend_from_slice(digits);
        return out.resize(out.len() + whole - digits.len(), b'0');
    }
    out.extend_from_slice(&digits[..whole]);
    out.push(b'.');
    out.extend_from_slice(&digits[whole..]);
}

/// Reads a number at the start of a text; it and its length.
pub(super) fn read_number(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let sign = usize::from(negative || text.first() == Some(&b'+'));
    let body = &text[sign..];
    let (number, len) = match body.first()? {
        b'0' if matches!(body.get(1), Some(b'x' | b'X')) => read_hexadecimal(body),
        b'0'..=b'9' | b'.' => read_decimal(body)?,
        _ => read_name(body)?,
    };
    Some((if negative { -number } else { number }, sign + len))
}

/// Infinity or NaN.
fn read_name(text: &[u8]) -> Option<(f64, usize)> {
    let is = |name: &[u8]| {
        text.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name))
    };
    if is(b"infinity") {
        return Some((f64::INFINITY, 8));
    }
    if is(b"inf") {
        return Some((f64::INFINITY, 3));
    }
    is(b"nan").then(|| read_payload(text))
}

/// NaN, with the number in parentheses as its payload if there is one.
fn read_payload(text: &[u8]) -> (f64, usize) {
    let quiet = f64::NAN.to_bits() & !(1 << 63);
    let plain = (f64::from_bits(quiet), 3);
    if text.get(3) != Some(&b'(') {
        return plain;
    }
    let inner = &text[4..];
    let len = inner
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
        .count();
    if inner.get(len) != Some(&b')') {
        return plain;
    }
    let digits = str::from_utf8(&inner[..len]).unwrap_or_default();
    let (digits, radix) = match digits.as_bytes() {
        [b'0', b'x' | b'X', _, ..] => (&digits[2..], 16),
        [b'0', _, ..] => (&digits[1..], 8),
        _ => (digits, 10),
    };
    let payload = u64::from_str_radix(digits, radix).unwrap_or(0) & ((1 << 51) - 1);
    (f64::from_bits(quiet | payload), len + 5)
}

/// Digits of a number as they are read.
#[derive(Default)]
struct Digits {
    /// The value of the first 19 digits from the first that is not zero.
    value: u64,
    /// How many digits count, and how many there are.
    significant: usize,
    total: usize,
}

impl Digits {
    /// Takes digits from the start of a text; how many.
    fn take(&mut self, text: &[u8]) -> usize {
        let mut len = 0;
        while let Some(digit) = text.get(len).map(|byte| byte.wrapping_sub(b'0'))
            && digit < 10
        {
            if self.significant < 19 {
                self.value = self.value * 10 + u64::from(digit);
            }
            self.significant += usize::from(self.value != 0);
            len += 1;
        }
        self.total += len;
        len
    }
}

/// Digits with an optional point and exponent.
fn read_decimal(text: &[u8]) -> Option<(f64, usize)> {
    let mut digits = Digits::default();
    let mut len = digits.take(text);
    let mut places = 0;
    if text.get(len) == Some(&b'.') {
        places = digits.take(&text[len + 1..]);
        len += 1 + places;
    }
    if digits.total == 0 {
        return None;
    }
    let (exponent, exponent_len) = read_exponent(&text[len..], b'e');
    len += exponent_len;
    let power = exponent - places as i64;
    if digits.significant <= 19 && digits.value < 1 << 53 && power.abs() <= 22 {
        let value = digits.value as f64;
        let factor = POWERS[power.unsigned_abs() as usize];
        let number = if power < 0 {
            value / factor
        } else {
            value * factor
        };
        return Some((number, len));
    }
    let text = str::from_utf8(&text[..len]).ok()?;
    Some((text.parse().ok()?, len))
}

/// The exponent behind its mark; it and its length, 0 if it is not complete.
fn read_exponent(text: &[u8], mark: u8) -> (i64, usize) {
    if text.first().map(u8::to_ascii_lowercase) != Some(mark) {
        return (0, 0);
    }
    let sign = text.get(1).copied().unwrap_or(0);
    let start = 1 + usize::from(matches!(sign, b'+' | b'-'));
    let digits = text[start..]
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let (mut value, mut len) = (0i64, 0);
    for digit in digits {
        // Beyond this nothing changes but for texts of this many digits.
        value = (value * 10 + i64::from(digit - b'0')).min(1 << 40);
        len += 1;
    }
    match (len, sign) {
        (0, _) => (0, 0),
        (_, b'-') => (-value, start + len),
        _ => (value, start + len),
    }
}

/// `0x`, hexadecimal digits with an optional point, and an optional binary exponent; or just the zero.
fn read_hexadecimal(text: &[u8]) -> (f64, usize) {
    let (mut mantissa, mut exponent, mut inexact) = (0u64, 0i64, false);
    let (mut len, mut any, mut point) = (2, false, false);
    loop {
        let digit = match text.get(len) {
            Some(b'.') if !point => {
                point = true;
                len += 1;
                continue;
            }
            Some(byte) => char::from(*byte).to_digit(16),
            None => None,
        };
        let Some(digit) = digit else { break };
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if point { 4 } else { 0 };
        } else {
            inexact |= digit != 0;
            exponent += if point { 0 } else { 4 };
        }
        any = true;
        len += 1;
    }
    if !any {
        return (0.0, 1);
    }
    let (binary, exponent_len) = read_exponent(&text[len..], b'p');
    let number = from_binary(mantissa, exponent + binary, inexact);
    (number, len + exponent_len)
}

/// The double nearest to `mantissa` × 2^`exponent`, of slightly more if `inexact`.
fn from_binary(mantissa: u64, exponent: i64, inexact: bool) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let zeros = mantissa.leading_zeros();
    let top = i64::from(63 - zeros) + exponent;
    if top > 1023 {
        return f64::INFINITY;
    }
    // How many bits there are room for: less than 53 below the normal range.
    let bits = (top + 1075).min(53);
    if bits < 0 {
        return 0.0;
    }
    // The mantissa with its first bit on top, of which `drop` bits are rounded away.
    let mantissa = u128::from(mantissa << zeros) << 1;
    let drop = (65 - bits) as u32;
    let (kept, rest, half) = (
        mantissa >> drop,
        mantissa & ((1 << drop) - 1),
        1 << (drop - 1),
    );
    let up = rest > half || rest == half && (inexact || kept & 1 == 1);
    let kept = (kept as u64 + u64::from(up)) as f64;
    let shift = top + 1 - bits;
    // In two steps: the power by itself may be below the normal range.
    let power = |exponent: i64| f64::from_bits(((exponent + 1023) as u64) << 52);
    let first = shift.max(-1022);
    kept * power(first) * power(shift - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_c_does() {
        for (number, precision, text) in [
            (0.0, 14, "0"),
            (-0.0, 14, "-0"),
            (1.0, 14, "1"),
            (-17.25, 14, "-17.25"),
            (0.1, 14, "0.1"),
            (0.1 + 0.2, 14, "0.3"),
            (1.0 / 3.0, 14, "0.33333333333333"),
            (2.0 / 3.0, 3, "0.667"),
            (0.0001, 14, "0.0001"),
            (0.00012345, 14, "0.00012345"),
            (0.00001, 14, "1e-05"),
            (1e14, 14, "1e+14"),
            (123_456_789_012_345.0, 14, "1.2345678901234e+14"),
            (99_999_999_999_999.0, 14, "99999999999999"),
            (12_345_678_901_234.5, 14, "12345678901234"),
            (1e300, 14, "1e+300"),
            (5e-324, 14, "4.9406564584125e-324"),
            (f64::MAX, 14, "1.7976931348623e+308"),
            (0.5, 1, "0.5"),
            (2.5, 1, "2"),
            (3.5, 1, "4"),
            (9.5, 1, "1e+01"),
            (15.0, 1, "2e+01"),
            (25.0, 1, "2e+01"),
            (9.999, 3, "10"),
            (0.000_999_99, 3, "0.001"),
            (f64::INFINITY, 14, "inf"),
            (f64::NEG_INFINITY, 14, "-inf"),
        ] {
            let mut out = Vec::new();
            write_number(&mut out, number, precision);
            assert_eq!(String::from_utf8_lossy(&out), text, "{number} {precision}");
        }
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        for (text, expected) in [
            ("1", Some((1.0, 1))),
            ("-12.5e1,", Some((-125.0, 7))),
            ("+5", Some((5.0, 2))),
            ("1e", Some((1.0, 1))),
            ("1e+", Some((1.0, 1))),
            ("1.", Some((1.0, 2))),
            (".5", Some((0.5, 2))),
            ("-.5", Some((-0.5, 3))),
            (".", None),
            ("-", None),
            ("e5", None),
            ("0x", Some((0.0, 1))),
            ("0x.p1", Some((0.0, 1))),
            ("0x1.8p1", Some((3.0, 7))),
            ("0x10p", Some((16.0, 4))),
            ("0x1fffffffffffff8", Some((144_115_188_075_855_864.0, 17))),
            ("0x1p-1074", Some((5e-324, 9))),
            ("0x1p-1075", Some((0.0, 9))),
            ("0x1.00001p-1075", Some((5e-324, 15))),
            ("0x1p1024", Some((f64::INFINITY, 8))),
            ("0x0.0000000000000000000001", Some((2f64.powi(-88), 26))),
            ("0x100000000000000000000000p-92", Some((1.0, 30))),
            ("1e400", Some((f64::INFINITY, 5))),
            ("1e-400", Some((0.0, 6))),
            ("1e99999999999999999999", Some((f64::INFINITY, 22))),
            ("0.1", Some((0.1, 3))),
            (
                "123456789012345678901234567890",
                Some((1.234_567_890_123_456_8e29, 30)),
            ),
            ("0000000000000000000000000000001", Some((1.0, 31))),
            ("9007199254740993", Some((9_007_199_254_740_992.0, 16))),
            ("infinit", Some((f64::INFINITY, 3))),
            ("-Infinity", Some((f64::NEG_INFINITY, 9))),
        ] {
            assert_eq!(read_number(text.as_bytes()), expected, "{text}");
        }
        for (text, bits, len) in [
            ("nan", 0x7ff8 << 48, 3),
            ("-NaN", 0xfff8 << 48, 4),
            ("nan(0x12)", 0x7ff8 << 48 | 0x12, 9),
            ("nan(010)", 0x7ff8 << 48 | 8, 8),
            ("nan(10", 0x7ff8 << 48, 3),
        ] {
            let (number, read) = read_number(text.as_bytes()).expect("a number");
            assert_eq!((number.to_bits(), read), (bits, len), "{text}");
        }
    }
}
