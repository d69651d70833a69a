//! Bit operations on strings: counting, searching, and integers of any width.
//!
//! Bit 0 is the highest bit of the first byte.

use std::ops::Range;

/// Mask of the bits `bits` of one byte, a range within 0 to 8.
fn mask(bits: Range<usize>) -> u8 {
    let from = 0xffu16 >> bits.start;
    let behind = 0xffu16 >> bits.end;
    (from & !behind) as u8
}

/// Splits a range of bits into its first and last byte, each with a mask of the bits that belong to it, and the whole
/// bytes between.
fn parts(bytes: &[u8], bits: &Range<usize>) -> ((u8, u8), Range<usize>, (u8, u8)) {
    let (first, last) = (bits.start / 8, (bits.end - 1) / 8);
    let head = bits.start % 8..if first == last {
        (bits.end - 1) % 8 + 1
    } else {
        8
    };
    let tail = if first == last {
        0
    } else {
        mask(0..(bits.end - 1) % 8 + 1)
    };
    (
        (bytes[first], mask(head)),
        first + 1..last.max(first + 1),
        (bytes[last], tail),
    )
}

/// Number of 1 bits in a range.
pub fn count(bytes: &[u8], bits: Range<usize>) -> usize {
    if bits.is_empty() {
        return 0;
    }
    let (head, middle, tail) = parts(bytes, &bits);
    let ends = (head.0 & head.1).count_ones() + (tail.0 & tail.1).count_ones();
    ends as usize + count_all(&bytes[middle])
}

/// Number of 1 bits. Whole words are added to four sums, which the compiler vectorises.
fn count_all(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    let (blocks, left) = words.as_chunks::<4>();
    let ones = |word: &[u8; 8]| u64::from(u64::from_ne_bytes(*word).count_ones());
    let mut sums = [0u64; 4];
    for block in blocks {
        for (sum, word) in sums.iter_mut().zip(block) {
            *sum += ones(word);
        }
    }
    let total = sums.iter().sum::<u64>() + left.iter().map(ones).sum::<u64>();
    total as usize
        + rest
            .iter()
            .map(|byte| byte.count_ones() as usize)
            .sum::<usize>()
}

/// The first bit of a range that equals `wanted`.
pub fn find(bytes: &[u8], bits: Range<usize>, wanted: bool) -> Option<usize> {
    if bits.is_empty() {
        return None;
    }
    // A search for 0 is a search for 1 in the complement.
    let flip = if wanted { 0 } else { 0xff };
    let (head, middle, tail) = parts(bytes, &bits);
    let in_byte = |byte: u8, at: usize| (byte != 0).then(|| at * 8 + byte.leading_zeros() as usize);
    in_byte((head.0 ^ flip) & head.1, bits.start / 8)
        .or_else(|| {
            let at = first_other(&bytes[middle.clone()], flip)? + middle.start;
            in_byte(bytes[at] ^ flip, at)
        })
        .or_else(|| in_byte((tail.0 ^ flip) & tail.1, (bits.end - 1) / 8))
}

/// The first byte that differs from `byte`.
fn first_other(bytes: &[u8], byte: u8) -> Option<usize> {
    let (blocks, _) = bytes.as_chunks::<64>();
    let same = blocks
        .iter()
        .take_while(|block| block.iter().fold(0, |all, other| all | (other ^ byte)) == 0)
        .count();
    let rest = &bytes[same * 64..];
    rest.iter()
        .position(|other| *other != byte)
        .map(|at| same * 64 + at)
}

/// The `bits` bits (at most 64) at bit `offset` as a number. Bits past the end read as 0.
pub fn get_field(bytes: &[u8], offset: usize, bits: u32) -> u64 {
    let first = offset / 8;
    let mut window = [0u8; 16];
    let known = bytes.get(first..).unwrap_or_default();
    let len = known.len().min(9);
    window[..len].copy_from_slice(&known[..len]);
    let below = u128::BITS - offset as u32 % 8 - bits;
    let shifted = u128::from_be_bytes(window) >> below;
    (shifted & ((1u128 << bits) - 1)) as u64
}

/// Writes the low `bits` bits (at most 64) of a number at bit `offset`; the range must be within the string.
pub fn set_field(bytes: &mut [u8], offset: usize, bits: u32, number: u64) {
    let first = offset / 8;
    let last = (offset + bits as usize - 1) / 8;
    let below = u128::BITS - offset as u32 % 8 - bits;
    let mask = ((1u128 << bits) - 1) << below;
    let new = ((u128::from(number) << below) & mask).to_be_bytes();
    for ((byte, new), mask) in bytes[first..=last]
        .iter_mut()
        .zip(new)
        .zip(mask.to_be_bytes())
    {
        *byte = *byte & !mask | new;
    }
}

#[cfg(test)]
mod tests {
    use super::{count, find, get_field, set_field};
    use crate::util::rand::Rng;

    fn bit(bytes: &[u8], at: usize) -> bool {
        bytes[at / 8] & (0x80 >> (at % 8)) != 0
    }

    #[test]
    fn ranges_are_counted_and_searched_bit_by_bit() {
        let mut rng = Rng::new(5);
        for round in 0..3000 {
            let len = 1 + rng.below(300) as usize;
            let dense = round % 3;
            let bytes: Vec<u8> = (0..len)
                .map(|_| match (dense, rng.below(100)) {
                    (0, 0..98) => 0,
                    (1, 0..98) => 0xff,
                    _ => rng.next_u64() as u8,
                })
                .collect();
            let start = rng.below(len as u64 * 8) as usize;
            let end = start + rng.below((len * 8 - start) as u64 + 1) as usize;
            let ones = (start..end).filter(|&at| bit(&bytes, at)).count();
            assert_eq!(count(&bytes, start..end), ones);
            for wanted in [false, true] {
                let first = (start..end).find(|&at| bit(&bytes, at) == wanted);
                assert_eq!(find(&bytes, start..end, wanted), first, "{start}..{end}");
            }
        }
    }

    #[test]
    fn fields_are_read_as_they_were_written() {
        let mut rng = Rng::new(6);
        for _ in 0..5000 {
            let mut bytes: Vec<u8> = (0..20).map(|_| rng.next_u64() as u8).collect();
            let before = bytes.clone();
            let bits = 1 + rng.below(64) as u32;
            let offset = rng.below(20 * 8 - u64::from(bits) + 1) as usize;
            let number = rng.next_u64() & (u64::MAX >> (64 - bits));
            set_field(&mut bytes, offset, bits, number);
            assert_eq!(get_field(&bytes, offset, bits), number);
            for at in (0..offset).chain(offset + bits as usize..160) {
                assert_eq!(bit(&bytes, at), bit(&before, at));
            }
        }
        assert_eq!(get_field(&[0xff], 4, 8), 0xf0);
        assert_eq!(get_field(&[0xff], 1000, 64), 0);
    }
}
