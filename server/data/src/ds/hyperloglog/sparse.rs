//! The sparse encoding: runs of equal registers.

use std::ops::Range;

use crate::ds::hyperloglog::{Corrupted, HEADER, REGISTERS};

/// Limits of the sparse runs: largest value and longest run of nonzero registers, longest run in the one-byte form for
/// zeros.
const MAX_VALUE: u8 = 32;
const MAX_VALUE_RUN: usize = 4;
const MAX_SHORT_ZEROS: usize = 64;

/// Result of [`raise`].
pub(super) enum Raised {
    /// The register was lower.
    Yes,
    /// It was not.
    No,
    /// The result would exceed the limit, or the value cannot be represented. Nothing has changed.
    TooBig,
}

/// Raises a register to `value`, within `max_bytes`.
///
/// # Errors
/// No run covers the register.
pub(super) fn raise(
    text: &mut Vec<u8>,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<Raised, Corrupted> {
    if value > MAX_VALUE {
        return Ok(Raised::TooBig);
    }
    let found = find_run(text, index)?;
    if found.run.value >= value {
        return Ok(Raised::No);
    }
    let last = found.first + found.run.len - 1;
    let parts = [
        (found.run.value, index - found.first),
        (value, 1),
        (found.run.value, last - index),
    ];
    let (mut runs, mut len) = ([0; 5], 0);
    for (value, registers) in parts {
        len += write_run(&mut runs[len..], value, registers);
    }
    if len > found.run.bytes && text.len() + len - found.run.bytes > max_bytes {
        return Ok(Raised::TooBig);
    }
    make_room(text, max_bytes);
    replace(text, found.at..found.at + found.run.bytes, &runs[..len]);
    join_runs(text, found.before);
    Ok(Raised::Yes)
}

/// Replaces a range of bytes.
fn replace(text: &mut Vec<u8>, old: Range<usize>, new: &[u8]) {
    let (len, behind) = (text.len(), old.start + new.len());
    if new.len() > old.len() {
        text.resize(len + new.len() - old.len(), 0);
    }
    text.copy_within(old.end..len, behind);
    text.truncate(len + new.len() - old.len());
    text[old.start..behind].copy_from_slice(new);
}

/// Reserves room for at least two more runs, plus slack so that not every element reallocates.
fn make_room(text: &mut Vec<u8>, max_bytes: usize) {
    const STEP: usize = 300;
    let least = text.len() + 3;
    if text.capacity() < least {
        let wanted = (least + least.min(STEP)).min(max_bytes).max(least);
        text.reserve_exact(wanted - text.len());
    }
}

/// A run: consecutive registers with the same value, and the size of its encoding.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub(super) value: u8,
    pub(super) len: usize,
    bytes: usize,
}

/// Decodes the run at an offset; `None` at the end or if its second byte is missing.
#[inline]
fn run_at(text: &[u8], at: usize) -> Option<Run> {
    let &byte = text.get(at)?;
    let (value, len, bytes) = match byte >> 6 {
        0 => (0, usize::from(byte) + 1, 1),
        1 => (0, long_run_at(text, at)?, 2),
        _ => ((byte >> 2 & 31) + 1, usize::from(byte & 3) + 1, 1),
    };
    Some(Run { value, len, bytes })
}

/// Length of a run in the two-byte form.
#[inline]
fn long_run_at(text: &[u8], at: usize) -> Option<usize> {
    let [high, low] = *text.get(at..)?.first_chunk()?;
    Some(usize::from(u16::from_be_bytes([high & 63, low])) + 1)
}

/// Length of a run in a one-byte form; 0 for the two-byte form.
const SHORT_LEN: [u8; 256] = {
    let mut lens = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        lens[byte] = match byte >> 6 {
            0 => byte as u8 + 1,
            1 => 0,
            _ => (byte as u8 & 3) + 1,
        };
        byte += 1;
    }
    lens
};

/// Encodes a run of `len` registers (0 writes nothing). Returns the number of bytes.
pub(super) fn write_run(out: &mut [u8], value: u8, len: usize) -> usize {
    match (value, len) {
        (_, 0) => 0,
        (0, _) if len > MAX_SHORT_ZEROS => {
            let [high, low] = (len as u16 - 1).to_be_bytes();
            out[..2].copy_from_slice(&[high | 0x40, low]);
            2
        }
        (0, _) => {
            out[0] = len as u8 - 1;
            1
        }
        _ => {
            out[0] = 0x80 | (value - 1) << 2 | (len as u8 - 1);
            1
        }
    }
}

/// Location of a register in the sparse encoding.
struct Found {
    /// Offset of the preceding run, or of this run if it is the first.
    before: usize,
    /// Offset of the run.
    at: usize,
    /// First register of the run.
    first: usize,
    run: Run,
}

/// Locates a register. The search may pass thousands of runs, so it reads only their lengths, from a table: run kinds
/// come in any order, so a branch on the kind would be mispredicted.
fn find_run(text: &[u8], index: usize) -> Result<Found, Corrupted> {
    let (mut before, mut at, mut first) = (HEADER, HEADER, 0);
    loop {
        let byte = *text.get(at).ok_or(Corrupted)?;
        let mut len = usize::from(SHORT_LEN[usize::from(byte)]);
        let mut next = at + 1;
        if len == 0 {
            len = long_run_at(text, at).ok_or(Corrupted)?;
            next += 1;
        }
        if index < first + len {
            let run = run_at(text, at).ok_or(Corrupted)?;
            return Ok(Found {
                before,
                at,
                first,
                run,
            });
        }
        before = at;
        at = next;
        first += len;
    }
}

/// Merges adjacent runs of the same nonzero value, as far as the maximum length allows, in the five runs from `at` on,
/// which is as far as one update can reach. A merge counts as one of the five.
fn join_runs(text: &mut Vec<u8>, mut at: usize) {
    for _ in 0..5 {
        let Some(run) = run_at(text, at) else {
            return;
        };
        let next = run_at(text, at + run.bytes);
        match next {
            Some(next)
                if run.value != 0
                    && next.value == run.value
                    && run.len + next.len <= MAX_VALUE_RUN =>
            {
                text[at] += next.len as u8;
                text.remove(at + 1);
            }
            _ => at += run.bytes,
        }
    }
}

/// Calls `each` with every sparse run and its first register.
///
/// # Errors
/// The runs do not cover exactly all registers; the runs already passed to `each` were in range.
#[inline]
pub(super) fn walk(text: &[u8], mut each: impl FnMut(usize, Run)) -> Result<(), Corrupted> {
    let (mut at, mut first) = (HEADER, 0);
    while at < text.len() {
        let run = run_at(text, at).ok_or(Corrupted)?;
        if first + run.len > REGISTERS {
            return Err(Corrupted);
        }
        each(first, run);
        at += run.bytes;
        first += run.len;
    }
    if first == REGISTERS {
        Ok(())
    } else {
        Err(Corrupted)
    }
}

/// Histogram of the register values of the sparse encoding. One-byte runs are counted by their byte and decoded at the
/// end. Two tables alternate, because reloading a counter right after its store stalls.
pub(super) fn histogram(runs: &[u8]) -> Result<[u32; 64], Corrupted> {
    // At most as many runs as registers, so the sums cannot overflow.
    if runs.len() > 2 * REGISTERS {
        return Err(Corrupted);
    }
    let (mut tables, mut long) = ([[0u32; 256]; 2], 0);
    let mut at = 0;
    while let Some(&byte) = runs.get(at) {
        at += 1;
        if byte >> 6 == 1 {
            long += long_run_at(runs, at - 1).ok_or(Corrupted)? as u32;
            at += 1;
        } else {
            tables[at & 1][usize::from(byte)] += 1;
        }
    }
    let [mut short, other] = tables;
    short.iter_mut().zip(other).for_each(|(sum, n)| *sum += n);
    let registers = |runs: &[u32]| -> u32 {
        (1..)
            .zip(runs)
            .map(|(len, runs): (u32, _)| len * runs)
            .sum()
    };
    let (zeros, values) = (&short[..MAX_SHORT_ZEROS], &short[0x80..]);
    let mut total = [0; 64];
    total[0] = long + registers(zeros);
    for (sum, runs) in total[1..].iter_mut().zip(values.chunks(MAX_VALUE_RUN)) {
        *sum = registers(runs);
    }
    if total.iter().sum::<u32>() == REGISTERS as u32 {
        Ok(total)
    } else {
        Err(Corrupted)
    }
}

/// The sparse runs as text for PFDEBUG DECODE: `z:` and `Z:` are zero runs of one and two bytes, `v:` is a value and
/// the length of its run.
pub fn describe(text: &[u8]) -> String {
    let mut words = Vec::new();
    let mut at = HEADER;
    while let Some(run) = run_at(text, at) {
        words.push(match (run.value, run.bytes) {
            (0, 1) => format!("z:{}", run.len),
            (0, _) => format!("Z:{}", run.len),
            (value, _) => format!("v:{value},{}", run.len),
        });
        at += run.bytes;
    }
    words.join(" ")
}
