//! HyperLogLog: estimates the number of distinct elements that were added, with a standard error of 0.81 %.
//!
//! A HyperLogLog is stored as a string in Redis's format, so GET, SET, replicas and dumps handle it like any other
//! string. Each element is hashed (MurmurHash64A): 14 bits select a register, and the register keeps the maximum,
//! over all elements, of the position of the lowest 1 bit among the other 50 bits, counted from 1. The estimator is that
//! of Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284).
//!
//! # Format
//! ```text
//! offset  size    meaning
//! 0       4       HYLL
//! 4       1       encoding: 0 dense, 1 sparse
//! 5       3       zero
//! 8       8       cached estimate, little-endian; the highest bit marks it as stale
//! 16      12288   dense: 6-bit registers, starting at the lowest bits of each byte
//! 16      ...     sparse: runs of equal registers, in order
//!                 00nnnnnn            n + 1 registers with value 0
//!                 01nnnnnn nnnnnnnn   n + 1 registers with value 0
//!                 1vvvvvnn            n + 1 registers with value v + 1
//! ```
//!
//! # Invariants
//! 1. The bytes may come from a client: every walk over the runs checks that they cover exactly all registers.
//! 2. Updates of the sparse encoding take the same steps as Redis, so both sides of a replication link, and DUMP, have
//!    identical bytes.

mod estimate;
pub mod sparse;

use crate::ds::hyperloglog::estimate::{Histogram, estimate};
use crate::ds::hyperloglog::sparse::{Raised, walk, write_run};
use crate::util::murmur::murmur64;

/// Number of registers.
pub const REGISTERS: usize = 1 << INDEX_BITS;

/// Bits of the hash that select a register.
const INDEX_BITS: u32 = 14;
/// The other bits of the hash, whose trailing zeros are counted.
const RUN_BITS: usize = 64 - INDEX_BITS as usize;
const HEADER: usize = 16;
const DENSE_LEN: usize = HEADER + REGISTERS * 6 / 8;
const MAGIC: &[u8; 4] = b"HYLL";
const DENSE: u8 = 0;
const SPARSE: u8 = 1;
/// Offset of the header byte that holds the stale bit of the cached estimate, and the bit.
const STALE_AT: usize = 15;
const STALE: u8 = 0x80;
const SEED: u64 = 0xadc8_3b19;

/// Sparse runs that do not cover exactly all registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Corrupted;

/// Encoding of the registers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// One 6-bit field per register.
    Dense,
    /// Run-length encoded.
    Sparse,
}

/// The encoding of a string, if its header is valid and, for the dense encoding, its length too.
pub fn encoding(text: &[u8]) -> Option<Encoding> {
    if text.len() < HEADER || !text.starts_with(MAGIC) {
        return None;
    }
    match text[4] {
        DENSE if text.len() == DENSE_LEN => Some(Encoding::Dense),
        SPARSE => Some(Encoding::Sparse),
        _ => None,
    }
}

/// An empty sparse HyperLogLog.
pub fn empty() -> Vec<u8> {
    let mut text = vec![0; HEADER + 2];
    text[..4].copy_from_slice(MAGIC);
    text[4] = SPARSE;
    write_run(&mut text[HEADER..], 0, REGISTERS);
    text
}

/// The cached estimate; `None` if it is stale.
pub fn cached(text: &[u8]) -> Option<u64> {
    let bytes = text[8..HEADER].first_chunk()?;
    (text[STALE_AT] & STALE == 0).then(|| u64::from_le_bytes(*bytes))
}

/// Stores the cached estimate.
pub fn set_cached(text: &mut [u8], estimate: u64) {
    text[8..HEADER].copy_from_slice(&estimate.to_le_bytes());
}

/// Marks the cached estimate as stale.
pub fn invalidate(text: &mut [u8]) {
    text[STALE_AT] |= STALE;
}

/// The register that an element selects, and the minimum value that it requires of it.
#[inline]
pub fn register_of(element: &[u8]) -> (usize, u8) {
    let hash = murmur64(element, SEED);
    let index = hash as usize & (REGISTERS - 1);
    let rest = hash >> INDEX_BITS | 1 << RUN_BITS;
    (index, rest.trailing_zeros() as u8 + 1)
}

/// Raises a register of the dense encoding to `value`. Returns whether it was lower.
#[inline]
pub fn raise_dense(text: &mut [u8], index: usize, value: u8) -> bool {
    // The last register ends in the last byte; every other register is read from two bytes.
    let (at, shift) = (HEADER + index * 6 / 8, index * 6 % 8);
    let low = u16::from(text[at]);
    let high = text.get(at + 1).map_or(0, |&byte| u16::from(byte));
    let pair = low | high << 8;
    let old = (pair >> shift & 63) as u8;
    if old >= value {
        return false;
    }
    let pair = pair & !(63 << shift) | u16::from(value) << shift;
    text[at] = pair as u8;
    if let Some(byte) = text.get_mut(at + 1) {
        *byte = (pair >> 8) as u8;
    }
    true
}

/// Raises a register to `value`. Returns whether it was lower. Converts the sparse encoding to dense if it would
/// exceed `max_bytes` or cannot represent `value`.
///
/// # Errors
/// No run covers the register.
pub fn raise(
    text: &mut Vec<u8>,
    index: usize,
    value: u8,
    max_bytes: usize,
) -> Result<bool, Corrupted> {
    if text[4] == DENSE {
        return Ok(raise_dense(text, index, value));
    }
    match sparse::raise(text, index, value, max_bytes)? {
        Raised::Yes => invalidate(text),
        Raised::No => return Ok(false),
        Raised::TooBig => {
            make_dense(text)?;
            return Ok(raise_dense(text, index, value));
        }
    }
    Ok(true)
}

/// Converts the sparse encoding to dense.
///
/// # Errors
/// The runs do not cover exactly all registers; the string is unchanged.
pub fn make_dense(text: &mut Vec<u8>) -> Result<(), Corrupted> {
    if text[4] == DENSE {
        return Ok(());
    }
    let mut dense = vec![0; DENSE_LEN];
    dense[..HEADER].copy_from_slice(&text[..HEADER]);
    dense[4] = DENSE;
    walk(text, |first, run| {
        if run.value != 0 {
            for index in first..first + run.len {
                raise_dense(&mut dense, index, run.value);
            }
        }
    })?;
    *text = dense;
    Ok(())
}

/// The union of any number of HyperLogLogs: the maximum of each register.
#[derive(Clone)]
pub struct Registers(Box<[u8; REGISTERS]>);

impl Default for Registers {
    fn default() -> Self {
        Registers(Box::new([0; REGISTERS]))
    }
}

impl Registers {
    /// Value of each register.
    pub fn values(&self) -> &[u8] {
        self.0.as_slice()
    }

    /// Merges another HyperLogLog into the union.
    ///
    /// # Errors
    /// Its runs do not cover exactly all registers.
    pub fn merge(&mut self, text: &[u8]) -> Result<(), Corrupted> {
        if text[4] == SPARSE {
            return walk(text, |first, run| {
                if run.value != 0 {
                    for value in &mut self.0[first..first + run.len] {
                        *value = run.value.max(*value);
                    }
                }
            });
        }
        let (packed, _) = text[HEADER..].as_chunks::<3>();
        let (values, _) = self.0.as_chunks_mut::<4>();
        for (packed, values) in packed.iter().zip(values) {
            for (value, other) in values.iter_mut().zip(unpack(*packed)) {
                *value = other.max(*value);
            }
        }
        Ok(())
    }

    /// Merges the union into the destination, which is one of its operands, and marks its estimate as stale. A sparse
    /// destination is updated register by register, because its bytes depend on the order of updates.
    ///
    /// # Errors
    /// The runs of the destination do not cover exactly all registers.
    pub fn write(
        &self,
        text: &mut Vec<u8>,
        dense: bool,
        max_bytes: usize,
    ) -> Result<(), Corrupted> {
        if dense {
            make_dense(text)?;
            let (values, _) = self.0.as_chunks::<4>();
            let (packed, _) = text[HEADER..].as_chunks_mut::<3>();
            for (packed, values) in packed.iter_mut().zip(values) {
                *packed = pack(*values);
            }
        } else {
            for (index, &value) in self.0.iter().enumerate() {
                if value != 0 {
                    raise(text, index, value, max_bytes)?;
                }
            }
        }
        invalidate(text);
        Ok(())
    }

    /// The estimate for the union.
    pub fn estimate(&self) -> u64 {
        let mut histogram = Histogram::default();
        let mut zeros = 0;
        let (eights, _) = self.0.as_chunks::<8>();
        for eight in eights {
            // Most registers of the union of a few sparse operands are 0.
            if *eight == [0; 8] {
                zeros += 8;
            } else {
                let (values, _) = eight.as_chunks::<4>();
                values.iter().for_each(|values| histogram.add(*values));
            }
        }
        let mut total = histogram.total();
        total[0] += zeros;
        estimate(&total)
    }
}

/// Decodes the four registers in three bytes.
#[inline]
fn unpack([one, two, three]: [u8; 3]) -> [u8; 4] {
    [
        one & 63,
        (one >> 6 | two << 2) & 63,
        (two >> 4 | three << 4) & 63,
        three >> 2,
    ]
}

/// Encodes four registers in three bytes.
#[inline]
fn pack([one, two, three, four]: [u8; 4]) -> [u8; 3] {
    [
        one | two << 6,
        two >> 2 | three << 4,
        three >> 4 | four << 2,
    ]
}

/// The estimate for one HyperLogLog, computed from its registers.
///
/// # Errors
/// Its runs do not cover exactly all registers.
pub fn count(text: &[u8]) -> Result<u64, Corrupted> {
    if text[4] == SPARSE {
        return Ok(estimate(&sparse::histogram(&text[HEADER..])?));
    }
    let mut histogram = Histogram::default();
    let (packed, _) = text[HEADER..].as_chunks::<3>();
    for packed in packed {
        histogram.add(unpack(*packed));
    }
    Ok(estimate(&histogram.total()))
}

#[cfg(test)]
mod tests {
    use super::{
        Corrupted, Encoding, HEADER, REGISTERS, Registers, cached, count, empty, encoding,
        invalidate, make_dense, raise, raise_dense, register_of, set_cached,
    };
    use crate::ds::hyperloglog::sparse::describe;
    use crate::util::rand::Rng;

    const MAX_BYTES: usize = 3000;

    fn sparse(runs: &[u8]) -> Vec<u8> {
        let mut text = empty();
        text.truncate(HEADER);
        text.extend_from_slice(runs);
        text
    }

    fn raised(changes: &[(usize, u8)]) -> Vec<u8> {
        let mut text = empty();
        for &(index, value) in changes {
            assert_eq!(raise(&mut text, index, value, MAX_BYTES), Ok(true));
        }
        text
    }

    #[test]
    fn runs_are_split_and_joined() {
        let table: [(&[(usize, u8)], &str); 7] = [
            (&[], "Z:16384"),
            (&[(0, 1)], "v:1,1 Z:16383"),
            (&[(16383, 32)], "Z:16383 v:32,1"),
            (&[(64, 2)], "z:64 v:2,1 Z:16319"),
            (&[(5, 3), (6, 3), (4, 3)], "z:4 v:3,3 Z:16377"),
            (
                &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)],
                "z:1 v:1,4 v:1,1 Z:16378",
            ),
            (
                &[(1, 1), (2, 1), (3, 1), (2, 2)],
                "z:1 v:1,1 v:2,1 v:1,1 Z:16380",
            ),
        ];
        for (changes, words) in table {
            let text = raised(changes);
            assert_eq!(describe(&text), words);
            let mut registers = Registers::default();
            assert_eq!(registers.merge(&text), Ok(()));
            for &(index, value) in changes {
                assert!(registers.values()[index] >= value);
            }
        }
    }

    #[test]
    fn lower_values_do_not_change_a_register() {
        let mut text = raised(&[(7, 3)]);
        set_cached(&mut text, 1);
        assert_eq!(raise(&mut text, 7, 3, MAX_BYTES), Ok(false));
        assert_eq!(cached(&text), Some(1));
        invalidate(&mut text);
        assert_eq!(cached(&text), None);
    }

    #[test]
    fn sparse_becomes_dense_for_high_values_and_above_its_limit() {
        let mut text = raised(&[(7, 3)]);
        assert_eq!(raise(&mut text, 8, 33, MAX_BYTES), Ok(true));
        assert_eq!(encoding(&text), Some(Encoding::Dense));
        let mut text = raised(&[(7, 3)]);
        let max = text.len();
        assert_eq!(raise(&mut text, 7, 4, max), Ok(true));
        assert_eq!(encoding(&text), Some(Encoding::Sparse));
        assert_eq!(raise(&mut text, 9, 4, max), Ok(true));
        assert_eq!(encoding(&text), Some(Encoding::Dense));
    }

    #[test]
    fn both_encodings_hold_the_same_registers() {
        let mut rng = Rng::new(1);
        let (mut one, mut other) = (empty(), empty());
        make_dense(&mut other).expect("an empty one is whole");
        let mut model = vec![0u8; REGISTERS];
        for _ in 0..20_000 {
            let (index, value) = register_of(&rng.next_u64().to_le_bytes());
            let changed = model[index] < value;
            model[index] = model[index].max(value);
            assert_eq!(raise(&mut one, index, value, usize::MAX), Ok(changed));
            assert_eq!(raise_dense(&mut other, index, value), changed);
        }
        assert_eq!(count(&one), count(&other));
        for text in [&one, &other] {
            let mut registers = Registers::default();
            assert_eq!(registers.merge(text), Ok(()));
            assert_eq!(registers.values(), model);
            assert_eq!(count(text), Ok(registers.estimate()));
            for dense in [false, true] {
                let mut copy = text.clone();
                assert_eq!(registers.write(&mut copy, dense, usize::MAX), Ok(()));
                assert_eq!(
                    copy[..HEADER - 1] == other[..HEADER - 1],
                    dense || text == &other
                );
                let mut again = Registers::default();
                assert_eq!(again.merge(&copy), Ok(()));
                assert_eq!(again.values(), model);
            }
        }
    }

    #[test]
    fn estimates_are_close() {
        let mut rng = Rng::new(2);
        let mut text = empty();
        let mut elements = 0;
        for power in 0..6 {
            let target = 10u32.pow(power);
            while elements < target {
                let (index, value) = register_of(&rng.next_u64().to_le_bytes());
                raise(&mut text, index, value, MAX_BYTES).expect("whole");
                elements += 1;
            }
            let estimate = count(&text).expect("whole") as f64;
            let error = (estimate - f64::from(target)).abs() / f64::from(target);
            assert!(error < 0.05, "{estimate} of {target}");
        }
    }

    #[test]
    fn runs_that_do_not_cover_the_registers_are_refused() {
        let table: [&[u8]; 6] = [
            &[],
            &[0x7f, 0xfe],
            &[0x7f, 0xff, 0x00],
            &[0x7f, 0xff, 0x80],
            &[0x7f, 0xfd, 0x83],
            &[0x7f],
        ];
        for runs in table {
            let mut text = sparse(runs);
            assert_eq!(encoding(&text), Some(Encoding::Sparse));
            assert_eq!(count(&text), Err(Corrupted), "{runs:?}");
            assert_eq!(Registers::default().merge(&text), Err(Corrupted));
            assert_eq!(make_dense(&mut text), Err(Corrupted));
            assert_eq!(text, sparse(runs));
        }
        // Enough maximum-length runs to overflow a 32-bit sum.
        let text = sparse(&[0x7f, 0xff].repeat(300_000));
        assert_eq!(count(&text), Err(Corrupted));
        let mut text = sparse(&[0x00, 0x83]);
        assert_eq!(raise(&mut text, 5, 1, MAX_BYTES), Err(Corrupted));
    }

    #[test]
    fn incomplete_headers_are_refused() {
        assert_eq!(encoding(&empty()), Some(Encoding::Sparse));
        assert_eq!(encoding(&empty()[..15]), None);
        for (at, byte) in [(0, b'h'), (4, 0), (4, 2), (4, 255)] {
            let mut text = empty();
            text[at] = byte;
            assert_eq!(encoding(&text), None);
        }
    }

    #[test]
    fn forged_registers_have_a_saturated_estimate() {
        let mut text = empty();
        make_dense(&mut text).expect("whole");
        text[HEADER..].fill(0xff);
        assert_eq!(count(&text), Ok(i64::MIN as u64));
    }
}
