//! A cursor over the arguments of a command: options are taken one after the other, each checked once.

use data::util::num::{parse_f64, parse_i64};

use crate::wire::fault::{Fault, NOT_FLOAT, NOT_INTEGER, SYNTAX};
use crate::wire::request::Argv;

/// The arguments not yet taken.
pub struct Args<'a> {
    argv: &'a Argv,
    next: usize,
}

impl<'a> Args<'a> {
    /// A cursor that stands at argument `first` (0 is the command's name).
    pub fn from(argv: &'a Argv, first: usize) -> Self {
        Args { argv, next: first }
    }

    /// Whether all are taken.
    pub fn is_done(&self) -> bool {
        self.next >= self.argv.len()
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.argv.len().saturating_sub(self.next)
    }

    /// Takes the next one, if there is one.
    pub fn take(&mut self) -> Option<&'a [u8]> {
        (!self.is_done()).then(|| {
            self.next += 1;
            &self.argv[self.next - 1]
        })
    }

    /// Takes the next one.
    ///
    /// # Errors
    /// A syntax error when there is none.
    pub fn need(&mut self) -> Result<&'a [u8], Fault> {
        self.take().ok_or(SYNTAX)
    }

    /// Takes the next one when it is this word, in any case.
    pub fn word(&mut self, word: &str) -> bool {
        let is = !self.is_done() && self.argv[self.next].eq_ignore_ascii_case(word.as_bytes());
        self.next += usize::from(is);
        is
    }

    /// Takes the next one when it is this word and a value follows it; the value is left to be taken.
    pub fn word_with_value(&mut self, word: &str) -> bool {
        self.left() >= 2 && self.word(word)
    }

    /// Takes an integer.
    ///
    /// # Errors
    /// There is none, or it is no integer.
    pub fn int(&mut self) -> Result<i64, Fault> {
        int(self.need()?)
    }
}

/// An argument as an integer.
///
/// # Errors
/// It is none, or it does not fit into 64 bits.
pub fn int(arg: &[u8]) -> Result<i64, Fault> {
    parse_i64(arg).ok_or(NOT_INTEGER)
}

/// A timeout in seconds, with a fraction, as the time at which it ends, in milliseconds of Unix time; 0 never ends.
///
/// # Errors
/// It is no number, negative, or too far away.
pub fn deadline(arg: &[u8], now_ms: i64) -> Result<Option<i64>, Fault> {
    let out_of_range = || Fault::new("ERR timeout is out of range");
    let seconds =
        parse_f64(arg).ok_or_else(|| Fault::new("ERR timeout is not a float or out of range"))?;
    let ms = (seconds * 1000.0).ceil();
    if ms >= i64::MAX as f64 {
        return Err(out_of_range());
    }
    match ms as i64 {
        ..0 => Err(Fault::new("ERR timeout is negative")),
        0 => Ok(None),
        ms => now_ms.checked_add(ms).map(Some).ok_or_else(out_of_range),
    }
}

/// An argument as a double.
///
/// # Errors
/// It is none.
pub fn float(arg: &[u8]) -> Result<f64, Fault> {
    parse_f64(arg).ok_or(NOT_FLOAT)
}
