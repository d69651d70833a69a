//! A cursor over the arguments of a command, and the kinds of arguments that several families share.

use data::util::glob::matches;
use data::util::longdouble::LongDouble;
use data::util::num::{parse_f64, parse_i64};

use crate::wire::argv::Argv;
use crate::wire::fault::{
    Fault, INVALID_CURSOR, NOT_FLOAT, NOT_INTEGER, NOT_POSITIVE, NUMKEYS_NOT_POSITIVE, SYNTAX,
    not_between,
};

/// Number of random elements that are replied between two checks of the reply's limit: a count may exceed memory.
pub const DRAWS_PER_CHECK: usize = 1000;

/// The arguments that were not taken yet.
pub struct Args<'a> {
    argv: &'a Argv,
    next: usize,
}

impl<'a> Args<'a> {
    /// A cursor at argument `first` (0 is the command's name).
    pub fn from(argv: &'a Argv, first: usize) -> Self {
        Args { argv, next: first }
    }

    /// Whether all arguments were taken.
    pub fn is_done(&self) -> bool {
        self.next >= self.argv.len()
    }

    /// Number of arguments left.
    pub fn left(&self) -> usize {
        self.argv.len().saturating_sub(self.next)
    }

    /// Index of the next argument.
    pub fn position(&self) -> usize {
        self.next
    }

    /// Takes the next argument, if any.
    pub fn take(&mut self) -> Option<&'a [u8]> {
        (!self.is_done()).then(|| {
            self.next += 1;
            &self.argv[self.next - 1]
        })
    }

    /// Takes the next argument.
    ///
    /// # Errors
    /// A syntax error if there is none.
    pub fn need(&mut self) -> Result<&'a [u8], Fault> {
        self.take().ok_or(SYNTAX)
    }

    /// Takes the next argument if it is this word, case-insensitively.
    pub fn word(&mut self, word: &str) -> bool {
        let is = !self.is_done() && self.argv[self.next].eq_ignore_ascii_case(word.as_bytes());
        self.next += usize::from(is);
        is
    }

    /// Takes the next argument if it is this word and a value follows, which is not taken.
    pub fn word_with_value(&mut self, word: &str) -> bool {
        self.left() >= 2 && self.word(word)
    }

    /// Takes `numkeys` and that many keys.
    ///
    /// # Errors
    /// The number is not positive, or exceeds the arguments.
    pub fn keys(&mut self) -> Result<Vec<&'a [u8]>, Fault> {
        let count = positive(self.need()?, NUMKEYS_NOT_POSITIVE)?;
        if count > self.left() {
            return Err(SYNTAX);
        }
        Ok(self.take_many(count))
    }

    /// Takes that many arguments, or those that are left.
    pub fn take_many(&mut self, count: usize) -> Vec<&'a [u8]> {
        (0..count).map_while(|_| self.take()).collect()
    }

    /// Takes an integer.
    ///
    /// # Errors
    /// There is none, or it is not an integer.
    pub fn int(&mut self) -> Result<i64, Fault> {
        int(self.need()?)
    }
}

/// An argument as an integer.
///
/// # Errors
/// It is not a 64-bit integer.
pub fn int(arg: &[u8]) -> Result<i64, Fault> {
    parse_i64(arg).ok_or(NOT_INTEGER)
}

/// An argument as the number of a database, which need not exist.
///
/// # Errors
/// It is not an integer, or not one of 32 bits.
pub fn database_number(arg: &[u8]) -> Result<i64, Fault> {
    let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
    let number = int(arg)?;
    if (least..=most).contains(&number) {
        Ok(number)
    } else {
        Err(not_between(least, most))
    }
}

/// A timeout in fractional seconds as a deadline in milliseconds of Unix time; 0 means none.
///
/// # Errors
/// It is not a number, negative, or too large.
pub fn deadline(arg: &[u8], now_ms: i64) -> Result<Option<i64>, Fault> {
    let out_of_range = || Fault::new("ERR timeout is out of range");
    let seconds = LongDouble::parse(arg)
        .ok_or_else(|| Fault::new("ERR timeout is not a float or out of range"))?;
    let ms = seconds.times_rounded_up(1000);
    match i64::try_from(ms.max(-1)).map_err(|_| out_of_range())? {
        ..0 => Err(Fault::new("ERR timeout is negative")),
        0 => Ok(None),
        ms => now_ms.checked_add(ms).map(Some).ok_or_else(out_of_range),
    }
}

/// A timeout in milliseconds, as [`deadline`].
///
/// # Errors
/// It is not an integer, negative, or too large.
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
/// It is not a number.
pub fn float(arg: &[u8]) -> Result<f64, Fault> {
    parse_f64(arg).ok_or(NOT_FLOAT)
}

/// A count of random elements: positive for distinct elements, negative for independent draws.
///
/// # Errors
/// It is not an integer, or has no absolute value.
pub fn random_count(arg: &[u8]) -> Result<i64, Fault> {
    let count = int(arg)?;
    if count == i64::MIN {
        return Err(not_between(-i64::MAX, i64::MAX));
    }
    Ok(count)
}

/// The number of elements to be taken.
///
/// # Errors
/// It is not an integer, or negative; the error is the same.
pub fn take_count(arg: &[u8]) -> Result<usize, Fault> {
    parse_i64(arg)
        .and_then(|count| usize::try_from(count).ok())
        .ok_or(NOT_POSITIVE)
}

/// A positive integer.
///
/// # Errors
/// The given fault if it is not.
pub fn positive(arg: &[u8], fault: Fault) -> Result<usize, Fault> {
    parse_i64(arg)
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(fault)
}

/// Options of SCAN and its relatives.
pub struct ScanOptions<'a> {
    /// COUNT: elements to examine per call.
    pub count: usize,
    /// MATCH, unless it matches everything.
    pub pattern: Option<&'a [u8]>,
    /// TYPE: only keys of this type.
    pub type_name: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Parses the options behind the cursor; TYPE only for SCAN itself.
    ///
    /// # Errors
    /// A syntax error, or a COUNT that is not an integer.
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

    /// Whether an element matches the pattern.
    pub fn matches(&self, text: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| matches(pattern, text, false))
    }
}

/// Default of COUNT.
const DEFAULT_SCAN_COUNT: usize = 10;

/// A cursor as C's `strtoul` parses it: digits, perhaps with a sign, where minus wraps around. An empty text is 0.
///
/// # Errors
/// Anything else, or more than 64 bits.
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
