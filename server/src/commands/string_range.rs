//! Parts of strings: APPEND, SETRANGE, GETRANGE, LCS.

use data::value::db::Expire;
use data::value::{NewValue, Scratch};
use table::string as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{db_mut, find_read, find_write, need_string};
use crate::keyspace::store::{store, value_of};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, OFFSET_OUT_OF_RANGE, STRING_TOO_LONG, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::APPEND, append),
    (&rows::SETRANGE, setrange),
    (&rows::GETRANGE, getrange),
    (&rows::SUBSTR, getrange),
    (&rows::LCS, lcs),
];

/// Checks a length against `proto-max-bulk-len`.
fn check_length(cx: &Ctx<'_>, len: usize, more: usize) -> Done {
    let total = len.checked_add(more).ok_or(STRING_TOO_LONG)?;
    if total as u64 > cx.max_string() as u64 {
        Err(STRING_TOO_LONG)
    } else {
        Ok(())
    }
}

/// The length of the string under a key; `None` if it does not exist.
fn length(cx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<usize>, Fault> {
    find_write(cx.srv, cx.db, key)
        .map(|entry| need_string(entry).map(|entry| entry.value().len()))
        .transpose()
}

fn append(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (key, tail) = (&argv[1], &argv[2]);
    let len = match length(cx, key)? {
        None => {
            let value = value_of(cx, 2);
            store(cx.srv, cx.db, key, value, Expire::Clear);
            tail.len()
        }
        Some(len) => {
            check_length(cx, len, tail.len())?;
            db_mut(cx.srv, cx.db).append(key, tail).unwrap_or(0)
        }
    };
    key_changed(cx.srv, cx.db, key, 1, Event::String("append"));
    cx.reply.int(len as i64);
    Ok(())
}

fn setrange(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (key, bytes) = (&argv[1], &argv[3]);
    let offset = usize::try_from(int(&argv[2])?).map_err(|_| OFFSET_OUT_OF_RANGE)?;
    let before = length(cx, key)?;
    if bytes.is_empty() {
        cx.reply.int(before.unwrap_or(0) as i64);
        return Ok(());
    }
    check_length(cx, offset, bytes.len())?;
    if before.is_none() {
        store(cx.srv, cx.db, key, NewValue::encode(b""), Expire::Clear);
    }
    let len = db_mut(cx.srv, cx.db)
        .set_range(key, offset, bytes)
        .unwrap_or(0);
    key_changed(cx.srv, cx.db, key, 1, Event::String("setrange"));
    cx.reply.int(len as i64);
    Ok(())
}

/// Inclusive bounds, which may count from the end, as a range of a string of `len` bytes.
fn clamp(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return 0..0;
    }
    let from_end = |index: i64| {
        if index < 0 {
            len.saturating_add(index).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    if start > end {
        0..0
    } else {
        start as usize..end as usize + 1
    }
}

fn getrange(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (start, end) = (int(&argv[2])?, int(&argv[3])?);
    let Some(entry) = find_read(cx.srv, cx.db, &argv[1]) else {
        cx.reply.bulk(b"");
        return Ok(());
    };
    let mut scratch = Scratch::default();
    let value = need_string(entry)?.value();
    let bytes = value.bytes(&mut scratch);
    cx.reply.bulk(&bytes[clamp(start, end, bytes.len())]);
    Ok(())
}

/// Options of LCS.
#[derive(Default)]
struct LcsOptions {
    len: bool,
    idx: bool,
    min_match: i64,
    with_match_len: bool,
}

fn parse_lcs(mut args: Args<'_>) -> Result<LcsOptions, Fault> {
    let mut options = LcsOptions::default();
    while let Some(option) = args.take() {
        match option.to_ascii_lowercase().as_slice() {
            b"len" => options.len = true,
            b"idx" => options.idx = true,
            b"withmatchlen" => options.with_match_len = true,
            b"minmatchlen" if !args.is_done() => options.min_match = args.int()?.max(0),
            _ => return Err(SYNTAX),
        }
    }
    if options.len && options.idx {
        return Err(Fault::new(
            "ERR If you want both the length and indexes, please just use IDX.",
        ));
    }
    Ok(options)
}

fn text_of(cx: &mut Ctx<'_>, key: &[u8]) -> Result<Vec<u8>, Fault> {
    let wrong = || Fault::new("ERR The specified keys must contain string values");
    match find_read(cx.srv, cx.db, key) {
        None => Ok(Vec::new()),
        Some(entry) => need_string(entry)
            .map(|entry| entry.value().to_vec())
            .map_err(|_| wrong()),
    }
}

/// Length of the longest common subsequence: the end of the last row.
fn length_of_common(a: &[u8], b: &[u8]) -> u32 {
    let mut row = vec![0; b.len() + 1];
    a.iter().for_each(|&byte| next_row(&mut row, byte, b));
    row.last().copied().unwrap_or(0)
}

/// Replaces the row of a prefix of the first string by that of the prefix with one more byte.
///
/// A length is the maximum of three: that without the byte of either string, and that without both plus one if they are
/// equal. Redis compares the bytes first; but the third is the greatest if they are equal, and never if they are not, so
/// no branch is needed that could not be predicted.
fn next_row(row: &mut [u32], byte: u8, b: &[u8]) {
    let (mut diagonal, mut left) = (0, 0);
    for (cell, other) in row.iter_mut().skip(1).zip(b) {
        let above = *cell;
        let extended = diagonal + u32::from(byte == *other);
        left = above.max(extended).max(left);
        *cell = left;
        diagonal = above;
    }
}

/// A run of matching bytes: its end in each string, and its length.
struct Run {
    a_end: usize,
    b_end: usize,
    len: usize,
}

/// Lengths of the longest common subsequences of all prefixes, row by row.
struct Prefixes {
    width: usize,
    cells: Vec<u32>,
}

impl Prefixes {
    /// Number of cells, unless they are more than the limit allows.
    fn count(a: &[u8], b: &[u8], most_bytes: usize) -> Result<usize, Fault> {
        let too_big = || Fault::new("ERR String too long for LCS");
        if a.len() >= u32::MAX as usize || b.len() >= u32::MAX as usize {
            return Err(too_big());
        }
        let count = (a.len() + 1)
            .checked_mul(b.len() + 1)
            .filter(|&n| n < isize::MAX as usize / 4)
            .ok_or_else(too_big)?;
        if count * size_of::<u32>() > most_bytes {
            return Err(Fault::new(
                "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len",
            ));
        }
        Ok(count)
    }

    fn of(a: &[u8], b: &[u8], count: usize) -> Result<Self, Fault> {
        let width = b.len() + 1;
        let mut cells = Vec::new();
        cells.try_reserve_exact(count).map_err(|_| {
            Fault::new("ERR Insufficient memory, failed allocating transient memory for LCS")
        })?;
        let mut row = vec![0; width];
        cells.extend_from_slice(&row);
        for &byte in a {
            next_row(&mut row, byte, b);
            cells.extend_from_slice(&row);
        }
        Ok(Prefixes { width, cells })
    }

    fn at(&self, i: usize, j: usize) -> u32 {
        self.cells[i * self.width + j]
    }

    /// The subsequence as runs, the last one first.
    fn runs(&self, a: &[u8], b: &[u8]) -> Vec<Run> {
        let (mut i, mut j) = (a.len(), b.len());
        let mut runs: Vec<Run> = Vec::new();
        while i > 0 && j > 0 {
            if a[i - 1] == b[j - 1] {
                match runs.last_mut() {
                    Some(run) if run.a_end - run.len == i && run.b_end - run.len == j => {
                        run.len += 1;
                    }
                    _ => runs.push(Run {
                        a_end: i,
                        b_end: j,
                        len: 1,
                    }),
                }
                i -= 1;
                j -= 1;
            } else if self.at(i - 1, j) > self.at(i, j - 1) {
                i -= 1;
            } else {
                j -= 1;
            }
        }
        runs
    }
}

fn lcs(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    // Both are looked up before either type is checked.
    let (a, b) = (text_of(cx, &argv[1]), text_of(cx, &argv[2]));
    let (a, b) = (a?, b?);
    let options = parse_lcs(Args::from(argv, 3))?;
    let count = Prefixes::count(&a, &b, cx.srv.config.proto_max_bulk_len as usize)?;
    if options.len {
        cx.reply.int(i64::from(length_of_common(&a, &b)));
        return Ok(());
    }
    let prefixes = Prefixes::of(&a, &b, count)?;
    let total = prefixes.at(a.len(), b.len());
    let runs = prefixes.runs(&a, &b);
    if options.idx {
        reply_runs(cx, &runs, &options, total);
    } else {
        let text: Vec<u8> = runs
            .iter()
            .rev()
            .flat_map(|run| &a[run.a_end - run.len..run.a_end])
            .copied()
            .collect();
        cx.reply.bulk(&text);
    }
    Ok(())
}

fn reply_runs(cx: &mut Ctx<'_>, runs: &[Run], options: &LcsOptions, total: u32) {
    cx.reply.map(2);
    cx.reply.bulk(b"matches");
    let shown: Vec<&Run> = runs
        .iter()
        .filter(|run| run.len as i64 >= options.min_match)
        .collect();
    cx.reply.array(shown.len());
    for run in shown {
        cx.reply.array(if options.with_match_len { 3 } else { 2 });
        for end in [run.a_end, run.b_end] {
            cx.reply.array(2);
            cx.reply.int((end - run.len) as i64);
            cx.reply.int(end as i64 - 1);
        }
        if options.with_match_len {
            cx.reply.int(run.len as i64);
        }
    }
    cx.reply.bulk(b"len");
    cx.reply.int(i64::from(total));
}

#[cfg(test)]
mod tests {
    use super::{Prefixes, clamp};

    #[test]
    fn ranges_are_clamped() {
        for (start, end, len, range) in [
            (0, -1, 5, 0..5),
            (-3, -1, 5, 2..5),
            (0, 0, 0, 0..0),
            (5, 3, 5, 0..0),
            (-1, -5, 5, 0..0),
            (-100, 100, 5, 0..5),
            (i64::MIN, i64::MAX, 5, 0..5),
            (4, 100, 5, 4..5),
        ] {
            assert_eq!(clamp(start, end, len), range, "{start} {end} {len}");
        }
    }

    #[test]
    fn runs_spell_the_subsequence() {
        let (a, b) = (b"ohmytext".as_slice(), b"mynewtext".as_slice());
        let count = Prefixes::count(a, b, 1 << 20).expect("small");
        let prefixes = Prefixes::of(a, b, count).expect("small");
        assert_eq!(prefixes.at(a.len(), b.len()), 6);
        assert_eq!(super::length_of_common(a, b), 6);
        let text: Vec<u8> = prefixes
            .runs(a, b)
            .iter()
            .rev()
            .flat_map(|run| &a[run.a_end - run.len..run.a_end])
            .copied()
            .collect();
        assert_eq!(text, b"mytext");
    }
}
