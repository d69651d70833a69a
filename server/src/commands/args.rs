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

/// An argument as a double.
///
/// # Errors
/// It is none.
pub fn float(arg: &[u8]) -> Result<f64, Fault> {
    parse_f64(arg).ok_or(NOT_FLOAT)
}
