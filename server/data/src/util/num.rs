//! Parsing and formatting of numbers, exactly as Redis does it.
//!
//! Integers are accepted only in canonical form, so number and text can represent each other. Doubles are parsed by
//! the grammar of C's `strtod` (decimal, hexadecimal, infinities) but without its tolerance of leading spaces and
//! trailing text, and formatted by `util/grisu.rs`.

use rustc_apfloat::Float;
use rustc_apfloat::ieee::Double;

use crate::util::grisu;

/// Maximum length of a 64-bit integer as text.
pub const MAX_I64_DIGITS: usize = 20;

/// Maximum length of a double as text.
pub const MAX_F64_DIGITS: usize = grisu::MAX_LEN;

/// Parses the canonical text of an integer: no space, no plus, no leading zero, no "-0".
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
    // 19 digits are below 2^64, so only the signed range must be checked.
    let magnitude = decimal(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// Parses the canonical text of an unsigned integer.
pub fn parse_u64(text: &[u8]) -> Option<u64> {
    match text {
        [b'0'] => Some(0),
        [b'1'..=b'9', ..] if text.len() <= MAX_I64_DIGITS => decimal(text),
        _ => None,
    }
}

/// Parses an unsigned integer as Redis does in stream ids and a few options: the canonical text, or else any text that
/// C's `strtoull` accepts completely, with leading spaces, a sign (a minus wraps around) and leading zeros.
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

/// Parses an amount of memory as in the configuration: digits and a unit of b, k, kb, m, mb, g or gb, where the units
/// with a b are powers of 1024 and those without of 1000. No digits count as 0. Saturates.
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
    Some(decimal(digits).unwrap_or(u64::MAX).saturating_mul(unit))
}

/// Formats an integer into `room` and returns its text.
#[inline]
pub fn write_i64(number: i64, room: &mut [u8; MAX_I64_DIGITS]) -> &[u8] {
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(number).as_bytes();
    room[..text.len()].copy_from_slice(text);
    &room[..text.len()]
}

/// Length of an integer as text.
#[inline]
pub fn i64_len(number: i64) -> usize {
    let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
    digits + usize::from(number < 0)
}

/// Appends an integer.
pub fn push_i64(out: &mut Vec<u8>, number: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// The integer that a double equals, if it is one within the half of the `i64` range around zero.
pub fn f64_to_i64(number: f64) -> Option<i64> {
    const LIMIT: f64 = (i64::MAX / 2) as f64;
    let whole = number as i64;
    ((-LIMIT..=LIMIT).contains(&number) && whole as f64 == number).then_some(whole)
}

/// Formats a double as in replies: as an integer if it is one, else with its shortest digits, and an exponent where
/// that is shorter; `inf`, `-inf`, `nan`, `-0`.
pub fn format_f64(number: f64) -> Vec<u8> {
    let mut out = Vec::with_capacity(MAX_F64_DIGITS);
    push_f64(&mut out, number);
    out
}

/// Appends a double as formatted by [`format_f64`].
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

/// Formats a double with 17 decimals without trailing zeros, as for coordinates.
pub fn format_f64_decimals(number: f64) -> Vec<u8> {
    let text = format!("{number:.17}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

/// Formats a double with 17 significant digits, as C's `%.17g` does.
pub fn format_f64_g17(number: f64) -> Vec<u8> {
    format_f64_general(number, 17)
}

/// Formats a double with `digits` significant digits, at least one, as C's `%.*g` does.
pub fn format_f64_general(number: f64, digits: u16) -> Vec<u8> {
    if !number.is_finite() {
        return format_f64(number);
    }
    let last = i32::from(digits) - 1;
    let scientific = format!("{number:.*e}", last as usize);
    let (fraction, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let is_plain = (-4..=last).contains(&exponent);
    let mut text = if is_plain {
        format!("{number:.*}", (last - exponent) as usize)
    } else {
        fraction.to_owned()
    };
    if text.contains('.') {
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
    }
    if !is_plain {
        let sign = if exponent < 0 { '-' } else { '+' };
        text.push_str(&format!("e{sign}{:02}", exponent.abs()));
    }
    text.into_bytes()
}

/// Parses a number as Redis does in most places: what `strtod` accepts in the C locale, without leading spaces, and neither
/// NaN nor out of range (underflow is out of range as well).
pub fn parse_f64(text: &[u8]) -> Option<f64> {
    let real = Real::parse(text)?;
    let number = real.nearest(text)?;
    real.is_in_range(number).then_some(number)
}

/// As [`parse_f64`], but a subnormal number that is not exact is out of range, too, as `strtod` reports it.
pub fn parse_f64_precise(text: &[u8]) -> Option<f64> {
    let real = Real::parse(text)?;
    let number = real.nearest(text)?;
    let is_in_range =
        real.is_in_range(number) && (!number.is_subnormal() || real.is_exact_subnormal());
    is_in_range.then_some(number)
}

/// As [`parse_f64`], but what is out of range is infinite or zero.
pub fn parse_f64_clamped(text: &[u8]) -> Option<f64> {
    Real::parse(text)?.nearest(text)
}

/// The kinds of real numbers in the grammar of `strtod`, without NaN.
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

/// A hexadecimal real: ±`mantissa` × 2^`exponent`, and slightly more if `inexact`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hexadecimal {
    pub(super) negative: bool,
    /// The leading significant digits: all of them, or at least 120 bits.
    pub(super) mantissa: u128,
    pub(super) exponent: i64,
    /// Whether nonzero digits were cut off.
    pub(super) inexact: bool,
}

impl Real {
    /// The double nearest to this number, which was parsed from `text`; infinite or zero if it is out of range.
    fn nearest(&self, text: &[u8]) -> Option<f64> {
        match self {
            Real::Infinity { negative: true } => Some(f64::NEG_INFINITY),
            Real::Infinity { negative: false } => Some(f64::INFINITY),
            Real::Decimal { .. } => str::from_utf8(text).ok()?.parse().ok(),
            Real::Hexadecimal(hexadecimal) => {
                let number: Double = hexadecimal.to_text().parse().ok()?;
                Some(f64::from_bits(number.to_bits() as u64))
            }
        }
    }

    /// Whether the double nearest to this number is neither infinite nor zero where this number is not.
    fn is_in_range(&self, nearest: f64) -> bool {
        let zero = match self {
            Real::Infinity { .. } => return true,
            Real::Decimal { zero } => *zero,
            Real::Hexadecimal(hexadecimal) => hexadecimal.mantissa == 0,
        };
        nearest.is_finite() && (zero || nearest != 0.0)
    }

    /// Whether a double that is subnormal represents this number exactly. A decimal one would need hundreds of digits.
    fn is_exact_subnormal(&self) -> bool {
        let Real::Hexadecimal(hexadecimal) = self else {
            return false;
        };
        let lowest = i64::from(hexadecimal.mantissa.trailing_zeros());
        !hexadecimal.inexact && hexadecimal.exponent.saturating_add(lowest) >= -1074
    }

    /// Parses all of `text`.
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
            let digit = u128::from(char::from(byte).to_digit(16)?);
            any = true;
            let fits = number.mantissa >> 120 == 0;
            if fits {
                number.mantissa = number.mantissa << 4 | digit;
            } else {
                number.inexact |= digit != 0;
            }
            // An integer digit that is cut off multiplies the value by 16; a fractional digit that is kept divides it
            // by 16.
            number.exponent += 4 * (i64::from(!fits) - i64::from(point));
        }
        if !exponent.is_empty() {
            number.exponent = number
                .exponent
                .saturating_add(parse_exponent(&exponent[1..])?);
        }
        any.then_some(number)
    }

    /// The same number in the notation that `rustc_apfloat` parses and rounds. Cut-off digits are represented by
    /// setting the last bit, which is far below those that decide the rounding.
    pub(super) fn to_text(self) -> String {
        let sign = if self.negative { "-" } else { "" };
        let mantissa = self.mantissa | u128::from(self.inexact);
        format!("{sign}0x{mantissa:x}p{}", self.exponent)
    }
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

/// A signed decimal exponent, clamped so that no sum of exponents overflows.
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

/// The value of decimal digits, 0 if empty; `None` for anything else and from 2^64 on.
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    #[test]
    fn seventeen_digits_as_c_writes_them() {
        for (number, text) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (0.1, "0.10000000000000001"),
            (-3.0, "-3"),
            (1e300, "1.0000000000000001e+300"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (0.0001, "0.0001"),
            (0.00001, "1.0000000000000001e-05"),
            (f64::NEG_INFINITY, "-inf"),
        ] {
            assert_eq!(super::format_f64_g17(number), text.as_bytes(), "{number}");
        }
    }

    #[test]
    fn significant_digits_as_c_writes_them() {
        for (number, digits, text) in [
            (100_000.0, 6, "100000"),
            (1_000_000.0, 6, "1e+06"),
            (999_999.9, 6, "1e+06"),
            (0.1, 6, "0.1"),
            (1.0 / 3.0, 6, "0.333333"),
            (-123_456.789, 6, "-123457"),
            (7.0, 1, "7"),
            (75.0, 1, "8e+01"),
            (f64::INFINITY, 6, "inf"),
        ] {
            let ours = super::format_f64_general(number, digits);
            assert_eq!(ours, text.as_bytes(), "{number}");
        }
    }

    use super::{
        MAX_I64_DIGITS, f64_to_i64, format_f64, i64_len, parse_f64, parse_i64, parse_memory,
        parse_u64, parse_u64_lenient, write_i64,
    };
    use crate::util::rand::Rng;

    #[test]
    fn integers_are_read_in_canonical_form_only() {
        for number in [
            0,
            1,
            -1,
            9,
            10,
            i64::MAX,
            i64::MIN,
            i64::MAX - 1,
            i64::MIN + 1,
            1 << 32,
        ] {
            assert_eq!(parse_i64(number.to_string().as_bytes()), Some(number));
        }
        let refused = [
            "",
            "-",
            "-0",
            "+1",
            " 1",
            "1 ",
            "01",
            "-01",
            "1.0",
            "0x1",
            "a",
            "1a",
            "00",
            "9223372036854775808",
            "-9223372036854775809",
            "18446744073709551616",
            "99999999999999999999",
            "1\0",
            "--1",
        ];
        for text in refused {
            assert_eq!(parse_i64(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse_u64(b"18446744073709551615"), Some(u64::MAX));
        for text in ["18446744073709551616", "01", "-1", "", "+1"] {
            assert_eq!(parse_u64(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn lenient_integers_are_those_of_strtoull() {
        let rows = [
            ("0", Some(0)),
            ("01", Some(1)),
            ("+5", Some(5)),
            (" \t5", Some(5)),
            ("-05", Some(u64::MAX - 4)),
            ("-5", None),
            ("", None),
            ("-", None),
            ("5 ", None),
            ("5a", None),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("000018446744073709551615", Some(u64::MAX)),
        ];
        for (text, value) in rows {
            assert_eq!(parse_u64_lenient(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn integers_are_written_and_measured() {
        let mut rng = Rng::new(1);
        for _ in 0..10_000 {
            let number = (rng.next_u64() as i64) >> rng.below(64);
            let text = number.to_string();
            assert_eq!(write_i64(number, &mut [0; MAX_I64_DIGITS]), text.as_bytes());
            assert_eq!(i64_len(number), text.len());
        }
        assert_eq!(
            (i64_len(i64::MIN), i64_len(i64::MAX), i64_len(0)),
            (20, 19, 1)
        );
    }

    #[test]
    fn memory() {
        let rows = [
            ("0", Some(0)),
            ("1b", Some(1)),
            ("1k", Some(1000)),
            ("1kb", Some(1024)),
            ("1M", Some(1_000_000)),
            ("1Mb", Some(1 << 20)),
            ("2g", Some(2_000_000_000)),
            ("2GB", Some(2 << 30)),
            ("", Some(0)),
            ("mb", Some(0)),
            ("-1", None),
            ("1t", None),
            ("1 gb", None),
            ("1.5gb", None),
            ("gb1", None),
            ("99999999999gb", Some(u64::MAX)),
            ("18446744073709551616", Some(u64::MAX)),
        ];
        for (text, value) in rows {
            assert_eq!(parse_memory(text.as_bytes()), value, "{text}");
        }
    }

    #[test]
    fn doubles_are_written_as_integers_where_they_are() {
        let rows = [
            (0.0, "0"),
            (-0.0, "-0"),
            (3.0, "3"),
            (-17.0, "-17"),
            (1e15, "1000000000000000"),
            (4e18, "4000000000000000000"),
            (1e19, "1e+19"),
            (3.5, "3.5"),
            (f64::INFINITY, "inf"),
            (f64::NEG_INFINITY, "-inf"),
            (f64::NAN, "nan"),
            (-f64::NAN, "nan"),
        ];
        for (number, text) in rows {
            assert_eq!(format_f64(number), text.as_bytes());
        }
        assert_eq!(f64_to_i64(-4.0), Some(-4));
        assert_eq!(
            (f64_to_i64(0.5), f64_to_i64(5e18), f64_to_i64(f64::NAN)),
            (None, None, None)
        );
    }

    /// The result of C's `strtod` with Redis's checks.
    #[allow(unsafe_code)]
    fn strtod(text: &str) -> Option<f64> {
        let c_text = std::ffi::CString::new(text).unwrap();
        let mut end = std::ptr::null_mut();
        // SAFETY: a NUL-terminated text and a valid place for the end pointer.
        let (number, read) = unsafe {
            let number = libc::strtod(c_text.as_ptr(), &mut end);
            (number, end.offset_from(c_text.as_ptr()) as usize)
        };
        let out_of_range = number.is_infinite() && !text.to_ascii_lowercase().contains("inf");
        let vanished = number == 0.0 && {
            let digits = text.split(['p', 'P']).next().unwrap();
            let digits = if digits.contains(['x', 'X']) {
                digits
            } else {
                digits.split(['e', 'E']).next().unwrap()
            };
            digits.contains(|c: char| c.is_ascii_hexdigit() && c != '0')
        };
        let all = read == text.len()
            && !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_whitespace());
        (all && !number.is_nan() && !out_of_range && !vanished).then_some(number)
    }

    #[test]
    fn doubles_are_read_as_strtod_reads_them() {
        let mut rng = Rng::new(2);
        let same = |text: &str| {
            let (ours, theirs) = (parse_f64(text.as_bytes()), strtod(text));
            assert_eq!(ours.map(f64::to_bits), theirs.map(f64::to_bits), "{text}");
        };
        let fixed = [
            "",
            " 1",
            "1 ",
            "1",
            "+1",
            "-1",
            "1.",
            ".5",
            ".",
            "-.",
            "1e5",
            "1E+5",
            "1e",
            "1e+",
            "e5",
            "0x",
            "0x1",
            "0X1.8P1",
            "0x.8",
            "0x.",
            "0x1p",
            "0x1p-1074",
            "0x1p-1075",
            "0x1.8p-1075",
            "0x1p1023",
            "0x1p1024",
            "0x1.fffffffffffff8p1023",
            "0x1.fffffffffffff7p1023",
            "inf",
            "-INF",
            "+Infinity",
            "infin",
            "nan",
            "-nan",
            "nan(1)",
            "1_0",
            "1,5",
            "1e308",
            "1e309",
            "-1e309",
            "1e-400",
            "0e-400",
            "4.9e-324",
            "2e-324",
            "0",
            "-0",
            "00012",
            "1e99999999999",
            "0e99999999999999999999",
            "1e-99999999999999999999",
            "--1",
            "0x-1",
            "0b1",
            "1f",
            "1d",
        ];
        fixed.iter().for_each(|text| same(text));
        for _ in 0..100_000 {
            let number = f64::from_bits(rng.next_u64());
            if number.is_finite() {
                same(&format!("{number:e}"));
                same(&format!("{:.*e}", rng.below(30) as usize, number));
            }
            same(&format!(
                "{}.{}e{}",
                rng.next_u64(),
                rng.next_u64(),
                rng.below(700) as i64 - 350
            ));
            let digits = (
                rng.next_u64() >> rng.below(64),
                rng.next_u64() >> rng.below(64),
            );
            same(&format!(
                "-0x{:x}.{:x}p{}",
                digits.0,
                digits.1,
                rng.below(2300) as i64 - 1150
            ));
            let noise: String = (0..rng.below(7))
                .map(|_| char::from(b"0123.eE+-xXpPaf "[rng.below(16) as usize]))
                .collect();
            same(&noise);
        }
    }
}
