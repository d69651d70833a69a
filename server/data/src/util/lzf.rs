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

/// Maximum distance of a reference.
const MAX_DISTANCE: usize = 1 << 13;
/// Maximum length of a reference.
const MAX_MATCH: usize = 264;
/// Maximum length of a literal run.
const MAX_LITERALS: usize = 32;
/// Base-2 logarithm of the number of bytes without a match after which the search takes longer steps.
const PATIENCE: u32 = 6;

/// Compresses a text; `None` unless that saves at least four bytes.
pub fn compress(text: &[u8]) -> Option<Vec<u8>> {
    // The index is sized by the length of the text, so that clearing it does not dominate.
    match text.len() {
        0..256 => compress_with(text, &mut [0; 1 << 8]),
        256..4096 => compress_with(text, &mut [0; 1 << 11]),
        _ => compress_with(text, &mut [0; 1 << 13]),
    }
}

/// Compresses with an index that maps the hash of three bytes to their last position.
///
/// The index stores the low 16 bits of an offset. Entries are hints: the bytes there are compared before use.
fn compress_with<const SLOTS: usize>(text: &[u8], seen: &mut [u16; SLOTS]) -> Option<Vec<u8>> {
    let limit = text.len().checked_sub(4)?;
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut literals_from) = (0, 0);
    while let Some(slot) = slot::<SLOTS>(text, at) {
        let distance = usize::from((at as u16).wrapping_sub(seen[slot]));
        seen[slot] = at as u16;
        let length = match at.checked_sub(distance) {
            Some(from) if from < at && distance <= MAX_DISTANCE => common(text, from, at),
            _ => 0,
        };
        if length < 3 {
            at += 1 + ((at - literals_from) >> PATIENCE);
            continue;
        }
        put_literals(&mut out, &text[literals_from..at]);
        put_reference(&mut out, distance, length);
        if out.len() > limit {
            return None;
        }
        at += length;
        literals_from = at;
        // Positions inside a match are indexed sparsely: its last bytes suffice.
        for inside in [at - 2, at - 1] {
            if let Some(slot) = self::slot::<SLOTS>(text, inside) {
                seen[slot] = inside as u16;
            }
        }
    }
    let rest = &text[literals_from..];
    if out.len() + rest.len() > limit {
        return None;
    }
    put_literals(&mut out, rest);
    (out.len() <= limit).then_some(out)
}

/// Index slot of the three bytes at an offset, if there are three.
fn slot<const SLOTS: usize>(text: &[u8], at: usize) -> Option<usize> {
    let &[a, b, c] = text.get(at..)?.first_chunk()?;
    let hash = u32::from_le_bytes([a, b, c, 0]).wrapping_mul(0x9E37_79B1);
    Some((hash >> (32 - SLOTS.ilog2())) as usize)
}

/// Number of equal bytes from two offsets on.
fn common(text: &[u8], from: usize, at: usize) -> usize {
    let most = (text.len() - at).min(MAX_MATCH);
    let (before, here) = (&text[from..from + most], &text[at..at + most]);
    let words = before.as_chunks::<8>().0.iter().zip(here.as_chunks().0);
    let same = 8 * words.take_while(|(one, other)| one == other).count();
    let bytes = before[same..].iter().zip(&here[same..]);
    same + bytes.take_while(|(one, other)| one == other).count()
}

fn put_literals(out: &mut Vec<u8>, literals: &[u8]) {
    for run in literals.chunks(MAX_LITERALS) {
        out.push(run.len() as u8 - 1);
        out.extend_from_slice(run);
    }
}

fn put_reference(out: &mut Vec<u8>, distance: usize, length: usize) {
    let (back, count) = (distance - 1, length - 2);
    let high = (back >> 8) as u8;
    if count < 7 {
        out.push((count as u8) << 5 | high);
    } else {
        out.extend_from_slice(&[7 << 5 | high, (count - 7) as u8]);
    }
    out.push(back as u8);
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
