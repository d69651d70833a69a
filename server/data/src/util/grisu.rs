//! Digits of a double by Grisu2, and their layout, as Redis prints scores and replies.
//!
//! Grisu2 (Florian Loitsch, "Printing Floating-Point Numbers Quickly and Accurately with Integers", 2010) scales the
//! number and the midpoints to its neighbours by a 64-bit power of ten, then generates digits of the upper bound until
//! they fall inside the interval. The digits always read back as the number; about one time in a thousand they are one
//! digit longer than the shortest, or not the closest. That is why it is implemented here: Redis exposes exactly these
//! digits, and no other algorithm yields all of them.
//!
//! | digits × 10^k | layout |
//! |---|---|
//! | up to 7 zeros after the digits | `1230000` |
//! | k above −7, or the first digit between 10^-3 and 10^3 | `12345.6`, `0.001234567` |
//! | otherwise | `1.23e+20`, `1e-7` |

/// Maximum number of bytes that [`push_f64`] appends.
pub const MAX_LEN: usize = 25;

/// Appends a finite nonzero number.
pub fn push_f64(out: &mut Vec<u8>, number: f64) {
    if number.is_sign_negative() {
        out.push(b'-');
    }
    let Decimal {
        digits,
        len,
        exponent,
    } = shortest(number.abs());
    let digits = &digits[..len];
    let len = len as i32;
    // Exponent of the first digit.
    let leading = exponent + len - 1;
    if exponent >= 0 && leading < len + 7 {
        out.extend_from_slice(digits);
        out.extend((0..exponent).map(|_| b'0'));
    } else if exponent < 0 && (exponent > -7 || leading.abs() < 4) {
        let (whole, fraction) = digits.split_at((leading + 1).max(0) as usize);
        out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
        out.push(b'.');
        out.extend((leading + 1..0).map(|_| b'0'));
        out.extend_from_slice(fraction);
    } else {
        out.push(digits[0]);
        if digits.len() > 1 {
            out.push(b'.');
            out.extend_from_slice(&digits[1..]);
        }
        out.extend_from_slice(if leading < 0 { b"e-" } else { b"e+" });
        out.extend_from_slice(
            itoa::Buffer::new()
                .format(leading.unsigned_abs())
                .as_bytes(),
        );
    }
}

/// The first `len` digits as an integer, times 10^`exponent`.
struct Decimal {
    digits: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// Appends a digit, unless it is a leading zero.
    fn push(&mut self, digit: u64) {
        if digit != 0 || self.len > 0 {
            self.digits[self.len] = b'0' + digit as u8;
            self.len += 1;
        }
    }
}

/// `fraction` × 2^`exponent`.
#[derive(Clone, Copy)]
struct Binary {
    fraction: u64,
    exponent: i32,
}

impl Binary {
    /// The same number, normalised: with the highest bit of the fraction set.
    fn normalized(self) -> Self {
        let shift = self.fraction.leading_zeros();
        Binary {
            fraction: self.fraction << shift,
            exponent: self.exponent - shift as i32,
        }
    }

    /// The product, rounded to a 64-bit fraction.
    fn times(self, other: Self) -> Self {
        let product = u128::from(self.fraction) * u128::from(other.fraction);
        Binary {
            fraction: ((product + (1 << 63)) >> 64) as u64,
            exponent: self.exponent + other.exponent + 64,
        }
    }
}

const HIDDEN_BIT: u64 = 1 << 52;

fn shortest(number: f64) -> Decimal {
    let bits = number.to_bits();
    let (fraction, biased) = (bits & (HIDDEN_BIT - 1), (bits >> 52) as i32);
    let exact = match biased {
        0 => Binary {
            fraction,
            exponent: -1074,
        },
        _ => Binary {
            fraction: fraction | HIDDEN_BIT,
            exponent: biased - 1075,
        },
    };
    // The midpoints to the neighbours. Below a power of two the neighbour is at half the distance.
    let upper = Binary {
        fraction: 2 * exact.fraction + 1,
        exponent: exact.exponent - 1,
    }
    .normalized();
    let closer = u32::from(exact.fraction == HIDDEN_BIT) + 1;
    let lower =
        ((exact.fraction << closer) - 1) << (exact.exponent - closer as i32 - upper.exponent);
    let lower = Binary {
        fraction: lower,
        exponent: upper.exponent,
    };

    let (power, power_exponent) = power_for(upper.exponent);
    let scaled = exact.normalized().times(power);
    let mut upper = upper.times(power);
    let mut lower = lower.times(power);
    // Each product may be off by one unit, so the interval is narrowed on both sides.
    upper.fraction -= 1;
    lower.fraction += 1;
    generate(
        upper,
        upper.fraction - scaled.fraction,
        upper.fraction - lower.fraction,
        -power_exponent,
    )
}

/// Generates digits of `upper` until the remainder is within `width`, the length of the interval below it, then
/// adjusts the last digit towards the number itself, which is `target` below `upper`.
fn generate(upper: Binary, mut target: u64, mut width: u64, exponent: i32) -> Decimal {
    let mut decimal = Decimal {
        digits: [0; 20],
        len: 0,
        exponent,
    };
    // The scaling left 32 to 60 bits after the binary point.
    let point = -upper.exponent as u32;
    let one = 1u64 << point;
    let (mut whole, mut part) = (upper.fraction >> point, upper.fraction & (one - 1));
    for place in (0..10).rev() {
        let unit = 10u64.pow(place);
        decimal.push(whole / unit);
        whole %= unit;
        let rest = (whole << point) + part;
        if rest <= width {
            decimal.exponent += place as i32;
            approach(&mut decimal, rest, target, width, unit << point);
            return decimal;
        }
    }
    loop {
        part *= 10;
        width *= 10;
        // May wrap for many digits; so does every implementation of the algorithm, and the digits depend on it.
        target = target.wrapping_mul(10);
        decimal.push(part >> point);
        part &= one - 1;
        decimal.exponent -= 1;
        if part < width {
            approach(&mut decimal, part, target, width, one);
            return decimal;
        }
    }
}

/// Decrements the last digit while that moves the digits, which are `rest` below the upper bound, closer to `target`.
fn approach(decimal: &mut Decimal, mut rest: u64, target: u64, width: u64, unit: u64) {
    while rest < target
        && width - rest >= unit
        && (rest + unit < target || target - rest > rest + unit - target)
    {
        decimal.digits[decimal.len - 1] -= 1;
        rest += unit;
    }
}

/// The exponents of the cached powers of ten: from −348 in steps of 8.
const FIRST_POWER: i32 = -348;
const POWER_STEP: i32 = 8;
const POWER_COUNT: usize = 87;

/// The smallest cached power of ten that scales a number with the given exponent to an exponent of at least −60; the
/// powers are less than 27 bits apart, so the exponent stays below −32.
fn power_for(exponent: i32) -> (Binary, i32) {
    let at = POWERS.partition_point(|power| exponent + power.exponent + 64 < -60);
    (POWERS[at], FIRST_POWER + POWER_STEP * at as i32)
}

static POWERS: [Binary; POWER_COUNT] = powers();

/// Words of a number of up to 1344 bits: enough for 10^340, and for 10^-348 scaled by 2^1280.
const WORDS: usize = 21;

/// Computes the powers of ten, rounded to 64 bits, from exact ones.
const fn powers() -> [Binary; POWER_COUNT] {
    let mut table = [Binary {
        fraction: 0,
        exponent: 0,
    }; POWER_COUNT];
    let first_positive = ((POWER_STEP - 1 - FIRST_POWER) / POWER_STEP) as usize;
    // 10^k for k >= 0 by multiplication.
    let mut whole = [0u64; WORDS];
    whole[0] = 1;
    let (mut k, mut at) = (0, first_positive);
    while at < POWER_COUNT {
        if k == FIRST_POWER + POWER_STEP * at as i32 {
            table[at] = round_to_64(&whole, 0);
            at += 1;
        }
        let (mut i, mut carry) = (0, 0);
        while i < WORDS {
            let product = whole[i] as u128 * 10 + carry;
            whole[i] = product as u64;
            carry = product >> 64;
            i += 1;
        }
        k += 1;
    }
    // 10^k for k < 0 from 2^1280 by division; the truncation errors are far below the 64 bits.
    let mut scaled = [0u64; WORDS];
    scaled[WORDS - 1] = 1;
    (k, at) = (0, first_positive);
    while at > 0 {
        if k == FIRST_POWER + POWER_STEP * (at as i32 - 1) {
            at -= 1;
            table[at] = round_to_64(&scaled, -64 * (WORDS as i32 - 1));
        }
        let (mut i, mut rest) = (WORDS, 0);
        while i > 0 {
            i -= 1;
            let dividend = (rest << 64) | scaled[i] as u128;
            scaled[i] = (dividend / 10) as u64;
            rest = dividend % 10;
        }
        k -= 1;
    }
    table
}

/// The 64 leading bits of `words` × 2^`scale`, rounded by the next bit.
const fn round_to_64(words: &[u64; WORDS], scale: i32) -> Binary {
    let mut top = WORDS - 1;
    while words[top] == 0 {
        top -= 1;
    }
    let shift = words[top].leading_zeros();
    let next = if top > 0 { words[top - 1] } else { 0 };
    let after = if top > 1 { words[top - 2] } else { 0 };
    let wide =
        ((words[top] as u128) << 64 | next as u128) << shift | ((after as u128) << shift) >> 64;
    let fraction = (wide >> 64) as u64 + ((wide >> 63) & 1) as u64;
    Binary {
        fraction,
        exponent: top as i32 * 64 - shift as i32 + scale,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{FIRST_POWER, MAX_LEN, POWER_STEP, POWERS, power_for, push_f64};
    use crate::util::rand::Rng;

    fn format(number: f64) -> String {
        let mut out = Vec::new();
        push_f64(&mut out, number);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn powers_are_those_of_ten() {
        for (at, power) in POWERS.iter().enumerate() {
            let k = FIRST_POWER + POWER_STEP * at as i32;
            assert!(power.fraction >> 63 == 1);
            let log = (power.fraction as f64).log2() + f64::from(power.exponent);
            assert!((log - f64::from(k) * 10f64.log2()).abs() < 1e-9, "{k}");
            if (0..=19).contains(&k) {
                assert_eq!(
                    u128::from(power.fraction),
                    10u128.pow(k as u32) << -power.exponent,
                    "{k}"
                );
            }
        }
        // From Loitsch's table: 10^-348, 10^-4 and 10^340.
        let known = [
            (0, 0xfa8f_d5a0_081c_0288, -1220),
            (43, 0xd1b7_1758_e219_652c, -77),
            (86, 0xaf87_023b_9bf0_ee6b, 1066),
        ];
        assert!(known.iter().all(|&(at, fraction, exponent)| {
            (POWERS[at].fraction, POWERS[at].exponent) == (fraction, exponent)
        }));
    }

    #[test]
    fn every_exponent_finds_its_power() {
        for exponent in -1137..=960 {
            let (power, _) = power_for(exponent);
            assert!(
                (-60..=-32).contains(&(exponent + power.exponent + 64)),
                "{exponent}"
            );
        }
    }

    #[test]
    fn layouts() {
        let rows = [
            (1.5, "1.5"),
            (-0.1, "-0.1"),
            (0.001, "0.001"),
            (0.000001, "0.000001"),
            (0.0000001, "1e-7"),
            (0.0012345678, "0.0012345678"),
            (0.00012345678, "1.2345678e-4"),
            (1.234567e-4, "1.234567e-4"),
            (1.2345678e-7, "1.2345678e-7"),
            (123456.789, "123456.789"),
            (1e20, "1e+20"),
            (1e8, "1e+8"),
            (1e7, "10000000"),
            (1.5e22, "1.5e+22"),
            (123e20, "12300000000000001000000"),
            (f64::MAX, "1.7976931348623157e+308"),
            (f64::MIN_POSITIVE, "2.2250738585072014e-308"),
            (5e-324, "5e-324"),
            (-1e-100, "-1e-100"),
            (3.0e-5, "0.00003"),
            (10171.294000000002, "1.0171294000000002e+4"),
            (0.1 + 0.2, "0.30000000000000004"),
        ];
        for (number, text) in rows {
            assert_eq!(format(number), text);
        }
    }

    /// The digits from the first to the last nonzero one.
    fn digits(text: &str) -> usize {
        let mantissa = text.split('e').next().unwrap();
        let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
        digits.trim_matches('0').len()
    }

    #[test]
    fn digits_read_back_and_are_short() {
        let mut rng = Rng::new(8);
        let mut longer = 0;
        for _ in 0..200_000 {
            let number = f64::from_bits(rng.next_u64());
            if !number.is_finite() || number == 0.0 {
                continue;
            }
            let text = format(number);
            assert_eq!(text.parse(), Ok(number));
            assert!(text.len() <= MAX_LEN, "{text}");
            longer += usize::from(digits(&text) > digits(&format!("{number:e}")));
        }
        assert!((100..400).contains(&longer), "{longer}");
    }
}
