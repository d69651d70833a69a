//! A cursor over the arguments of a command: options are taken one after the other, each checked once; and the kinds of
//! arguments that several families take.

use data::util::glob::matches;
use data::util::num::{parse_f64, parse_i64};

use crate::wire::argv::Argv;
use crate::wire::fault::{
    Fault, INVALID_CURSOR, NOT_FLOAT, NOT_INTEGER, NOT_POSITIVE, NUMKEYS_NOT_POSITIVE, SYNTAX,
    not_between,
};

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

    /// Which argument is the next one.
    pub fn position(&self) -> usize {
        self.next
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

    /// Takes a number of keys, and so many keys.
    ///
    /// # Errors
    /// The number is not above 0, or there are not as many.
    pub fn keys(&mut self) -> Result<Vec<&'a [u8]>, Fault> {
        let count = positive(self.need()?, NUMKEYS_NOT_POSITIVE)?;
        if count > self.left() {
            return Err(SYNTAX);
        }
        Ok((0..count).filter_map(|_| self.take()).collect())
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

/// A timeout in whole milliseconds, as [`deadline`].
///
/// # Errors
/// It is no integer, negative, or too far away.
pub fn deadline_ms(arg: &[u8], now_ms: i64) -> Result<Option<i64>, Fault> {
    let ms = parse_i64(arg)
        .ok_or_else(|| Fault::new("ERR timeout is not an integer or out of range"))?;
    match ms {
        ..0 => Err(Fault::new("ERR timeout is negative")),
        0 => Ok(None),
        ms => now_ms
            .checked_add(ms)
            .map(Some)
            .ok_or_else(|| Fault::new("ERR timeout is out of range")),
    }
}

/// An argument as a double.
///
/// # Errors
/// It is none.
pub fn float(arg: &[u8]) -> Result<f64, Fault> {
    parse_f64(arg).ok_or(NOT_FLOAT)
}

/// How many random elements of a value are wanted: so many different ones, or, of a negative count, so many draws.
///
/// # Errors
/// It is no integer, or the one that has no counterpart without its sign.
pub fn random_count(arg: &[u8]) -> Result<i64, Fault> {
    let count = int(arg)?;
    if count == i64::MIN {
        return Err(not_between(-i64::MAX, i64::MAX));
    }
    Ok(count)
}

/// How many elements are to be taken.
///
/// # Errors
/// It is no integer, or negative: both are told with the same words.
pub fn take_count(arg: &[u8]) -> Result<usize, Fault> {
    parse_i64(arg)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(NOT_POSITIVE)
}

/// An argument as an integer above 0.
///
/// # Errors
/// The given fault: it is none.
pub fn positive(arg: &[u8], fault: Fault) -> Result<usize, Fault> {
    parse_i64(arg)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(fault)
}

/// What SCAN and its kin are asked for beside the cursor.
pub struct ScanOptions<'a> {
    /// COUNT: elements that a call looks at.
    pub count: usize,
    /// MATCH, unless it matches everything.
    pub pattern: Option<&'a [u8]>,
    /// TYPE: only keys of this type.
    pub type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads the options behind the cursor; TYPE is one only for SCAN itself.
    ///
    /// # Errors
    /// A syntax error, or a COUNT that is no integer.
    pub fn read(mut args: Args<'a>, of_keys: bool) -> Result<Self, Fault> {
        let mut options = ScanOptions {
            count: DEFAULT_SCAN_COUNT,
            pattern: None,
            type_name: None,
        };
        while !args.is_done() {
            if args.word_with_value("count") {
                options.count = usize::try_from(args.int()?)
                    .ok()
                    .filter(|&count| count > 0)
                    .ok_or(SYNTAX)?;
            } else if args.word_with_value("match") {
                options.pattern = Some(args.need()?).filter(|&pattern| pattern != b"*");
            } else if of_keys && args.word_with_value("type") {
                options.type_name = Some(args.need()?);
            } else {
                return Err(SYNTAX);
            }
        }
        Ok(options)
    }

    /// Whether the pattern lets an element pass.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| matches(pattern, text, false))
    }
}

/// Elements that a call of SCAN looks at, unless it says COUNT.
const DEFAULT_SCAN_COUNT: usize = 10;

/// A cursor, as C's `strtoul` reads one: digits, perhaps with a sign, of which a minus wraps around. Nothing is 0.
///
/// # Errors
/// It is anything else, or beyond 64 bits.
pub fn scan_cursor(arg: &[u8]) -> Result<u64, Fault> {
    if arg.is_empty() {
        return Ok(0);
    }
    let (negative, digits) = match arg {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let cursor = std::str::from_utf8(digits)
        .ok()
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u64>().ok())
        .ok_or(INVALID_CURSOR)?;
    Ok(if negative {
        cursor.wrapping_neg()
    } else {
        cursor
    })
}
