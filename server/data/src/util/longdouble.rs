//! The long doubles of INCRBYFLOAT, HINCRBYFLOAT and of timeouts in seconds: 80 bits, as on x86.
//!
//! Redis adds in C's `long double` and prints 17 decimals, so clients see the rounding of that format, and replicas
//! store it. The arithmetic is that of `rustc_apfloat`, the same on every platform; the printing is exact and
//! implemented here.

use std::ops::Add;

use rustc_apfloat::ieee::X87DoubleExtended;
use rustc_apfloat::{Float, Round};

use crate::util::num::Real;

/// Maximum length of a text that is parsed.
pub const MAX_TEXT: usize = 5 * 1024 - 1;

/// Decimals that are printed before trailing zeros are removed.
const DECIMALS: usize = 17;

/// A long double: a sign, 15 bits of exponent, 64 of fraction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Parses `text` like Redis: what `strtold` accepts in the C locale, without leading spaces, and neither NaN nor
    /// out of range.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.len() > MAX_TEXT {
            return None;
        }
        let (zero, number) = match Real::parse(text)? {
            Real::Infinity { negative: false } => {
                return Some(LongDouble(X87DoubleExtended::INFINITY));
            }
            Real::Infinity { negative: true } => {
                return Some(LongDouble(-X87DoubleExtended::INFINITY));
            }
            Real::Decimal { zero } => (
                zero,
                str::from_utf8(text)
                    .ok()?
                    .parse::<X87DoubleExtended>()
                    .ok()?,
            ),
            Real::Hexadecimal(number) => (number.mantissa == 0, number.to_text().parse().ok()?),
        };
        (number.is_finite() && (zero || !number.is_zero())).then_some(LongDouble(number))
    }

    /// Converts an integer, which is always exact.
    pub fn from_i64(number: i64) -> Self {
        LongDouble(X87DoubleExtended::from_i128(i128::from(number)).value)
    }

    /// This number times another one, rounded up to an integer; infinite products are the extremes.
    pub fn times_rounded_up(self, factor: i64) -> i128 {
        let product = (self.0 * Self::from_i64(factor).0).value;
        let mut exact = false;
        product
            .to_i128_r(128, Round::TowardPositive, &mut exact)
            .value
    }

    /// Whether it is neither infinite nor NaN.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// The text that INCRBYFLOAT stores: 17 decimals, rounded half to even, without trailing zeros; `inf`, `-inf`,
    /// `nan`.
    pub fn format(self) -> Vec<u8> {
        let sign: &[u8] = if self.0.is_negative() { b"-" } else { b"" };
        if self.0.is_nan() {
            return b"nan".to_vec();
        }
        if self.0.is_infinite() {
            return [sign, b"inf"].concat();
        }
        let bits = self.0.to_bits();
        let fraction = bits as u64;
        // The bias of the exponent plus the 63 fraction bits after the point. Exponent 0 counts as 1.
        let exponent = ((bits >> 64) as i32 & 0x7fff).max(1) - 16_383 - 63;
        let text = if exponent < 0 {
            with_decimals(fraction, exponent.unsigned_abs())
        } else {
            whole(fraction, exponent as u32)
        };
        if text == b"0" {
            text
        } else {
            [sign, &text].concat()
        }
    }
}

impl Add for LongDouble {
    type Output = Self;

    /// The sum, rounded to nearest, ties to even.
    fn add(self, other: Self) -> Self {
        LongDouble((self.0 + other.0).value)
    }
}

/// `fraction` / 2^`shift` with 17 decimals, without trailing zeros.
fn with_decimals(fraction: u64, shift: u32) -> Vec<u8> {
    // 64 and 57 bits make 121, so the calculation fits; a larger shift yields 0.
    let scaled = u128::from(fraction) * 10u128.pow(DECIMALS as u32);
    let rounded = if shift < 128 {
        let (kept, rest) = (scaled >> shift, scaled & ((1 << shift) - 1));
        let half = 1 << (shift - 1);
        kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
    } else {
        0
    };
    let mut text = format!("{rounded:0>width$}", width = DECIMALS + 1).into_bytes();
    text.insert(text.len() - DECIMALS, b'.');
    let kept = text
        .iter()
        .rposition(|&byte| byte != b'0')
        .map_or(0, |last| last + usize::from(text[last] != b'.'));
    text.truncate(kept);
    text
}

/// `fraction` × 2^`shift`, in decimal.
fn whole(fraction: u64, mut shift: u32) -> Vec<u8> {
    const BASE: u64 = 1_000_000_000;
    /// Bits by which a limb below `BASE` can be shifted within a word, carry included.
    const STEP: u32 = 32;
    let mut limbs = vec![
        fraction % BASE,
        fraction / BASE % BASE,
        fraction / BASE / BASE,
    ];
    while shift > 0 {
        let step = shift.min(STEP);
        let mut carry = 0;
        for limb in &mut limbs {
            let shifted = (*limb << step) + carry;
            *limb = shifted % BASE;
            carry = shifted / BASE;
        }
        while carry > 0 {
            limbs.push(carry % BASE);
            carry /= BASE;
        }
        shift -= step;
    }
    let digits: String = limbs
        .iter()
        .rev()
        .map(|limb| format!("{limb:09}"))
        .collect();
    let first = digits
        .find(|digit| digit != '0')
        .unwrap_or(digits.len() - 1);
    digits.as_bytes()[first..].to_vec()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{LongDouble, MAX_TEXT};

    fn sum(a: &str, b: &str) -> String {
        let parse = |text: &str| LongDouble::parse(text.as_bytes()).unwrap();
        String::from_utf8((parse(a) + parse(b)).format()).unwrap()
    }

    #[test]
    fn sums() {
        // Results of INCRBYFLOAT on Redis 7.2.6 on x86-64.
        let rows = [
            ("0", "0", "0"),
            ("1", "-1", "0"),
            ("-0", "-0", "0"),
            ("0.1", "0.2", "0.3"),
            ("3.0e3", "200", "3200"),
            ("10.5", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("1.23", "-1.23", "0"),
            ("-1e-18", "0", "0"),
            ("1e17", "0.5", "100000000000000000.5"),
            ("9223372036854775807", "1", "9223372036854775808"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551617", "0", "18446744073709551616"),
            ("0x1p-17", "0", "0.00000762939453125"),
            ("0.00000000000000001", "0", "0.00000000000000001"),
            ("1e4000", "-1e4000", "0"),
            (
                "123456789.123456789",
                "0.000000001",
                "123456789.12345678999554366",
            ),
        ];
        for (a, b, text) in rows {
            assert_eq!(sum(a, b), text, "{a} + {b}");
        }
    }

    #[test]
    fn large_numbers_print_every_digit() {
        assert_eq!(sum("1e22", "0"), "10000000000000000000000");
        let text = sum("1e4932", "0");
        assert_eq!(text.len(), 4933);
        assert!(text.starts_with("10000000000000000000"), "{text}");
    }

    #[test]
    fn texts() {
        for text in [
            "inf",
            "-INF",
            "+infinity",
            "0x1.8p3",
            "0XA",
            "1.",
            ".5",
            "-1e-4950",
            "+5",
            "1E5",
            "0e99999999999",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_some(), "{text}");
        }
        for text in [
            "",
            " 1",
            "1 ",
            "nan",
            "1e",
            "1e5000",
            "-1e5000",
            "1e-5000",
            "0x",
            "0x1p",
            "abc",
            ".",
            "1,5",
            "1e99999999999999999999",
        ] {
            assert!(LongDouble::parse(text.as_bytes()).is_none(), "{text}");
        }
        assert!(LongDouble::parse(&[b'1'; MAX_TEXT - 200]).is_some_and(LongDouble::is_finite));
        assert!(LongDouble::parse(&[b'0'; MAX_TEXT]).is_some());
        assert!(LongDouble::parse(&[b'0'; MAX_TEXT + 1]).is_none());
    }

    #[test]
    fn infinities() {
        let infinity = LongDouble::parse(b"inf").unwrap();
        assert!(!infinity.is_finite());
        assert_eq!(infinity.format(), b"inf");
        let minus = LongDouble::parse(b"-inf").unwrap();
        assert_eq!(minus.format(), b"-inf");
        assert_eq!((infinity + minus).format(), b"nan");
        assert!(!(infinity + LongDouble::from_i64(5)).is_finite());
    }
}
