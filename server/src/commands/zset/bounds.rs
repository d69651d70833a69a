//! Syntax of bounds: `1.5`, `(1.5`, `-inf` for scores; `[a`, `(a`, `-`, `+` for members.

use std::ops::Range;

use data::util::num::parse_f64_clamped;
use data::value::zset_range::{LexBound, LexRange, ScoreBound, ScoreRange};
use words::{is_space, until_nul};

use crate::wire::fault::Fault;

fn score_bound(arg: &[u8]) -> Option<ScoreBound> {
    let (digits, exclusive) = match arg.strip_prefix(b"(") {
        Some(digits) => (digits, true),
        None => (arg, false),
    };
    // As C's `strtod` parses: leading blanks are skipped, a NUL ends the text, an empty text is 0 (but not blanks alone),
    // and what is out of range is infinite or 0.
    let digits = until_nul(digits);
    let blanks = digits.iter().take_while(|byte| is_space(**byte)).count();
    let score = if digits.is_empty() {
        0.0
    } else {
        parse_f64_clamped(&digits[blanks..])?
    };
    Some(ScoreBound { score, exclusive })
}

/// Two arguments as a range of scores.
///
/// # Errors
/// One of them is not a number.
pub fn score_range(min: &[u8], max: &[u8]) -> Result<ScoreRange, Fault> {
    match (score_bound(min), score_bound(max)) {
        (Some(min), Some(max)) => Ok(ScoreRange { min, max }),
        _ => Err(Fault::new("ERR min or max is not a float")),
    }
}

fn lex_bound(arg: &[u8]) -> Option<LexBound<'_>> {
    match arg {
        b"-" => Some(LexBound::Least),
        b"+" => Some(LexBound::Greatest),
        [b'(', member @ ..] => Some(LexBound::Exclusive(member)),
        [b'[', member @ ..] => Some(LexBound::Inclusive(member)),
        _ => None,
    }
}

/// Two arguments as a range of members.
///
/// # Errors
/// One of them is not a bound.
pub fn lex_range<'a>(min: &'a [u8], max: &'a [u8]) -> Result<LexRange<'a>, Fault> {
    match (lex_bound(min), lex_bound(max)) {
        (Some(min), Some(max)) => Ok(LexRange { min, max }),
        _ => Err(Fault::new("ERR min or max not valid string range item")),
    }
}

/// Two inclusive ranks, which may count from the end, as a range of ranks in a set of `len` members.
pub fn rank_range(start: i64, stop: i64, len: usize) -> Range<usize> {
    let len = len as i64;
    let from_end = |rank: i64| {
        if rank < 0 {
            len.saturating_add(rank)
        } else {
            rank
        }
    };
    let (start, stop) = (from_end(start).max(0), from_end(stop).min(len - 1));
    if start > stop {
        0..0
    } else {
        start as usize..stop as usize + 1
    }
}
