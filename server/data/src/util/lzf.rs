//! LZF: the fast compression of strings in RDB files and of the inner nodes of lists.
//!
//! Compressed data is a sequence of literal runs and references to earlier output.
//!
//! | first byte | then | meaning |
//! |---|---|---|
//! | `000nnnnn` | n + 1 bytes | literal bytes |
//! | `nnnooooo` | o | copy n + 2 bytes from `ooooo oooooooo` + 1 bytes back, n from 1 to 6 |
//! | `111ooooo` | n, o | copy n + 9 bytes from that distance |
//!
//! The format is compatible with LibLZF by Marc Lehmann in both directions.

use std::ops::Range;

/// Maximum distance of a reference.
const MAX_DISTANCE: usize = 1 << 13;
/// Maximum length of a reference.
const MAX_MATCH: usize = 264;
/// Maximum length of a literal run.
const MAX_LITERALS: usize = 32;
/// Base-2 logarithm of the number of bytes without a match after which the search takes longer steps.
const PATIENCE: u32 = 6;
/// Bytes that are compared at once. A shorter text cannot be compressed.
const WORD: usize = size_of::<u64>();
/// The first three bytes of a word.
const THREE: u64 = 0x00FF_FFFF;
/// Its fourth byte.
const FOURTH: u64 = 0xFF00_0000;
/// Bytes behind the output that literals and a reference may touch.
const ROOM: usize = MAX_LITERALS + 8;

/// Compresses a text; `None` unless that saves at least four bytes.
pub fn compress(text: &[u8]) -> Option<Vec<u8>> {
    // The index is sized by the length of the text, so that clearing it does not dominate.
    match text.len() {
        0..WORD => None,
        WORD..256 => compress_with(text, &mut [0; 1 << 8]),
        256..4096 => compress_with(text, &mut [0; 1 << 11]),
        4096..32_768 => compress_with(text, &mut [0; 1 << 13]),
        _ => compress_with(text, &mut [0; 1 << 14]),
    }
}

/// Compresses with an index that maps the hash of three bytes to their last position.
///
/// The index stores the low 16 bits of an offset. Entries are hints: the bytes there are compared before use.
fn compress_with<const SLOTS: usize>(text: &[u8], seen: &mut [u16; SLOTS]) -> Option<Vec<u8>> {
    let limit = text.len().checked_sub(4)?;
    // Writing to a slice costs less than appending to a vector, which asks for its capacity.
    let mut out = vec![0; text.len() + text.len() / MAX_LITERALS + ROOM];
    let (mut end, mut at, mut literals_from) = (0, 0, 0);
    while at < text.len() - 2
        && let Some(here) = word(text, at)
    {
        let hint = &mut seen[slot::<SLOTS>(here)];
        let distance = usize::from((at as u16).wrapping_sub(*hint));
        *hint = at as u16;
        let from = at.wrapping_sub(distance);
        if distance.wrapping_sub(1) < MAX_DISTANCE
            && let Some(there) = word(text, from)
            && (here ^ there) & THREE == 0
        {
            if end + (at - literals_from) > limit {
                return None;
            }
            let length = common(text, from, at, here ^ there);
            end = put_literals(&mut out, end, text, literals_from..at);
            end = put_reference(&mut out, end, distance, length);
            at += length;
            literals_from = at;
            // Positions inside a match are indexed sparsely: its last bytes suffice.
            if let Some(inside) = word(text, at - 2) {
                seen[slot::<SLOTS>(inside)] = (at - 2) as u16;
                seen[slot::<SLOTS>(inside >> 8)] = (at - 1) as u16;
            }
        } else {
            at += 1 + ((at - literals_from) >> PATIENCE);
        }
    }
    if end + (text.len() - literals_from) > limit {
        return None;
    }
    end = put_literals(&mut out, end, text, literals_from..text.len());
    out.truncate(end);
    (end <= limit).then_some(out)
}

/// The eight bytes at an offset of the text. Behind its end they are 0.
#[inline]
fn word(text: &[u8], at: usize) -> Option<u64> {
    match text.get(at..at.wrapping_add(WORD)) {
        Some(bytes) => Some(u64::from_le_bytes(bytes.try_into().ok()?)),
        None => last_word(text, at),
    }
}

/// The word at an offset that fewer bytes follow; `None` behind the end.
#[cold]
fn last_word(text: &[u8], at: usize) -> Option<u64> {
    let missing = WORD - text.len().checked_sub(at)?;
    u64::from_le_bytes(*text.last_chunk()?).checked_shr(8 * missing as u32)
}

/// Index slot of the first three bytes of a word.
#[inline]
fn slot<const SLOTS: usize>(word: u64) -> usize {
    let hash = ((word & THREE) as u32).wrapping_mul(0x9E37_79B1);
    (hash >> (32 - SLOTS.ilog2())) as usize
}

/// Number of equal bytes from two offsets on: three or more, as the difference of the words there tells.
#[inline]
fn common(text: &[u8], from: usize, at: usize, differ: u64) -> usize {
    // Most matches are of three bytes. A branch for them is predicted, where a computed length would be waited for.
    let same = if differ & FOURTH != 0 {
        3
    } else if differ != 0 {
        differ.trailing_zeros() as usize / 8
    } else {
        common_bytes(text, from, at)
    };
    same.min(text.len() - at)
}

/// Number of equal bytes from two offsets on, counted.
fn common_bytes(text: &[u8], from: usize, at: usize) -> usize {
    let most = (text.len() - at).min(MAX_MATCH);
    let (before, here) = (&text[from..from + most], &text[at..at + most]);
    let words = before.as_chunks::<WORD>().0.iter().zip(here.as_chunks().0);
    let same = WORD * words.take_while(|(one, other)| one == other).count();
    let bytes = before[same..].iter().zip(&here[same..]);
    same + bytes.take_while(|(one, other)| one == other).count()
}

/// Writes a part of the text as literals behind `end`. Returns the new end.
// Called for each match, where the call would cost as much as the work.
#[inline(always)]
fn put_literals(out: &mut [u8], end: usize, text: &[u8], part: Range<usize>) -> usize {
    let len = part.len();
    if len <= MAX_LITERALS
        && let Some(bytes) = text.get(part.start..part.start + MAX_LITERALS)
    {
        // A copy of fixed length is faster; what is too much will be overwritten, and all of it if there is none.
        let room = &mut out[end..end + 1 + MAX_LITERALS];
        room[0] = (len as u8).wrapping_sub(1);
        room[1..].copy_from_slice(bytes);
        return end + usize::from(len > 0) + len;
    }
    put_runs(out, end, &text[part])
}

/// Writes any number of literals behind `end`. Returns the new end.
#[cold]
fn put_runs(out: &mut [u8], mut end: usize, literals: &[u8]) -> usize {
    for run in literals.chunks(MAX_LITERALS) {
        out[end] = run.len() as u8 - 1;
        out[end + 1..][..run.len()].copy_from_slice(run);
        end += 1 + run.len();
    }
    end
}

/// Writes a reference behind `end`. Returns the new end.
#[inline]
fn put_reference(out: &mut [u8], end: usize, distance: usize, length: usize) -> usize {
    let (back, count) = (distance - 1, length - 2);
    let high = (back >> 8) as u8;
    if count < 7 {
        out[end..end + 2].copy_from_slice(&[(count as u8) << 5 | high, back as u8]);
        end + 2
    } else {
        let reference = [7 << 5 | high, (count - 7) as u8, back as u8];
        out[end..end + 3].copy_from_slice(&reference);
        end + 3
    }
}

/// Decompresses to a text of exactly `len` bytes; `None` if the data is corrupt or has another length.
pub fn decompress(packed: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(len);
    let mut rest = packed;
    while let Some((&first, tail)) = rest.split_first() {
        if first < 32 {
            let (literals, tail) = tail.split_at_checked(usize::from(first) + 1)?;
            if literals.len() > len - text.len() {
                return None;
            }
            text.extend_from_slice(literals);
            rest = tail;
            continue;
        }
        let (count, tail) = match first >> 5 {
            7 => tail
                .split_first()
                .map(|(&more, tail)| (usize::from(more) + 9, tail))?,
            short => (usize::from(short) + 2, tail),
        };
        let (&low, tail) = tail.split_first()?;
        let back = usize::from(first & 31) << 8 | usize::from(low);
        let from = text.len().checked_sub(back + 1)?;
        if count > len - text.len() {
            return None;
        }
        // A reference may overlap its own output; then its beginning repeats.
        let mut left = count;
        while left > 0 {
            let run = left.min(text.len() - from);
            text.extend_from_within(from..from + run);
            left -= run;
        }
        rest = tail;
    }
    (text.len() == len).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::{compress, decompress};
    use crate::util::rand::Rng;

    #[test]
    fn compression_round_trips() {
        let mut rng = Rng::new(4);
        for round in 0..3000 {
            let letters = 1 + rng.below(if round % 3 == 0 { 256 } else { 4 });
            let text: Vec<u8> = (0..rng.below(600))
                .map(|_| rng.below(letters) as u8)
                .collect();
            if let Some(packed) = compress(&text) {
                assert!(packed.len() + 4 <= text.len());
                assert_eq!(decompress(&packed, text.len()).as_deref(), Some(&text[..]));
                assert_eq!(decompress(&packed, text.len() - 1), None);
                assert_eq!(decompress(&packed, text.len() + 1), None);
            }
        }
        // Each size of the index; runs of literals that make the output longer than the text; zeros at the end.
        for round in 0..200 {
            let len = [300, 5000, 40_000, 100_000][round % 4];
            let mut text = Vec::new();
            while text.len() < len {
                let fresh = rng.below(80);
                text.extend((0..fresh).map(|_| rng.next_u64() as u8));
                let from = text.len().saturating_sub(rng.below(9000) as usize);
                let to = text.len().min(from + rng.below(12) as usize);
                text.extend_from_within(from..to);
            }
            text.extend_from_slice(&[0; 8][..rng.below(9) as usize]);
            if let Some(packed) = compress(&text) {
                assert!(packed.len() + 4 <= text.len());
                assert_eq!(decompress(&packed, text.len()), Some(text));
            }
        }
        let digits: Vec<u8> = (0..100_000)
            .map(|_| b"0123456789abcdef"[rng.below(16) as usize])
            .collect();
        let packed = compress(&digits).expect("three digits recur");
        assert!(packed.len() < 77_000, "{}", packed.len());
        assert_eq!(decompress(&packed, digits.len()), Some(digits));
        let long = vec![b'a'; 100_000];
        let packed = compress(&long).expect("it is one letter");
        assert!(packed.len() < 1300);
        assert_eq!(decompress(&packed, long.len()), Some(long));
        assert_eq!(compress(b"abc"), None);
    }

    #[test]
    fn corrupt_input_is_refused() {
        let mut rng = Rng::new(5);
        let packed =
            compress(b"hello hello hello hello hello world world world").expect("it repeats");
        for _ in 0..20_000 {
            let mut bytes = packed.clone();
            let at = rng.below(bytes.len() as u64) as usize;
            bytes[at] = rng.next_u64() as u8;
            bytes.truncate(1 + rng.below(bytes.len() as u64) as usize);
            let _ = decompress(&bytes, 47);
        }
    }
}
