//! Keyed hashing: SipHash-1-3, one key at a time or eight together.
//!
//! Clients choose the keys, so the hash must stay unpredictable to them: SipHash with a secret seed
//! is a keyed family made for that, and the reduced 1-3 rounds are what Rust's own maps use. The
//! seed is one static, drawn at random on first use unless the process sets it before.
//!
//! A pipeline's keys are hashed together by [`hash_batch`]: eight independent states advance in
//! lockstep, one per lane of a vector register. The body is plain array code, compiled three times
//! (baseline, AVX2, AVX-512) and chosen at run time; every variant yields what [`hash`] yields.
//! Measured on 16-byte keys: TABLES.md figures of 2.5 to 4.9 ns per key instead of 8.9.
//!
//! Reference: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.

#![allow(unsafe_code)]

use std::array;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;

/// The secret of this process. Tables remember hashes, so it never changes once it was used.
static SEED: OnceLock<[u64; 2]> = OnceLock::new();

/// Keys hashed in lockstep.
const LANES: usize = 8;

/// The 48 high bits of a hash: a position on the ring that tables divide into lines.
pub const POSITION_BITS: u32 = 48;

/// Sets the seed. False, and without effect, once a seed was set or a key was hashed.
pub fn set_seed(seed: [u8; 16]) -> bool {
    let whole = u128::from_le_bytes(seed);
    SEED.set([whole as u64, (whole >> 64) as u64]).is_ok()
}

/// The hash of `key` under the seed of this process.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    siphash(seed(), key, |word| word)
}

/// The hash of `key` with ASCII letters taken as lowercase.
#[inline]
pub fn hash_nocase(key: &[u8]) -> u64 {
    siphash(seed(), key, lowercase)
}

/// Appends the hash of each of `keys` to `out`, in order: the same values as [`hash`] gives.
pub fn hash_batch(keys: &[&[u8]], out: &mut Vec<u64>) {
    let seed = seed();
    let lanes = best_lanes();
    let mut groups = keys.chunks_exact(LANES);
    for group in &mut groups {
        let group: &[&[u8]; LANES] = group.try_into().expect("a chunk of LANES keys");
        out.extend_from_slice(&lanes(seed, group));
    }
    out.extend(
        groups
            .remainder()
            .iter()
            .map(|key| siphash(seed, key, |word| word)),
    );
}

#[inline]
fn seed() -> [u64; 2] {
    *SEED.get_or_init(|| {
        let random = RandomState::new();
        [random.hash_one(1), random.hash_one(2)]
    })
}

/// The four words that SipHash starts from: "somepseudorandomlygeneratedbytes".
const START: [u64; 4] = [
    0x736f_6d65_7073_6575,
    0x646f_7261_6e64_6f6d,
    0x6c79_6765_6e65_7261,
    0x7465_6462_7974_6573,
];

#[inline(always)]
fn siphash([k0, k1]: [u64; 2], key: &[u8], map: impl Fn(u64) -> u64) -> u64 {
    let mut v = [START[0] ^ k0, START[1] ^ k1, START[2] ^ k0, START[3] ^ k1];
    let (words, tail) = key.as_chunks::<8>();
    for word in words {
        let word = map(u64::from_le_bytes(*word));
        v[3] ^= word;
        round(&mut v);
        v[0] ^= word;
    }
    let last = map(tail_word(tail)) | (key.len() as u64) << 56;
    v[3] ^= last;
    round(&mut v);
    v[0] ^= last;
    v[2] ^= 0xff;
    (0..3).for_each(|_| round(&mut v));
    v[0] ^ v[1] ^ v[2] ^ v[3]
}

#[inline(always)]
fn round(v: &mut [u64; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = a.wrapping_add(b);
    c = c.wrapping_add(d);
    b = b.rotate_left(13) ^ a;
    d = d.rotate_left(16) ^ c;
    a = a.rotate_left(32).wrapping_add(d);
    c = c.wrapping_add(b);
    d = d.rotate_left(21) ^ a;
    b = b.rotate_left(17) ^ c;
    *v = [a, b, c.rotate_left(32), d];
}

/// Up to seven bytes as the low end of a word. Two overlapping loads instead of a loop.
#[inline(always)]
fn tail_word(tail: &[u8]) -> u64 {
    let byte = |at: usize| u64::from(tail[at]);
    match tail.len() {
        0 => 0,
        1..=3 => {
            let last = tail.len() - 1;
            byte(0)
                | byte(last / 2 + last % 2) << (8 * (last / 2 + last % 2))
                | byte(last) << (8 * last)
        }
        _ => {
            let half = |at: usize| {
                u64::from(u32::from_le_bytes([
                    tail[at],
                    tail[at + 1],
                    tail[at + 2],
                    tail[at + 3],
                ]))
            };
            let back = tail.len() - 4;
            half(0) | half(back) << (8 * back)
        }
    }
}

/// Lowercases the ASCII letters among eight bytes at once.
#[inline(always)]
fn lowercase(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    // With the high bits cleared no sum carries into the next byte; the high bit of each sum then
    // tells whether the byte is at least 'A', or beyond 'Z'.
    let low = word & (EACH * 0x7f);
    let from_a = low + EACH * (0x80 - u64::from(b'A'));
    let beyond_z = low + EACH * (0x7f - u64::from(b'Z'));
    let upper = from_a & !beyond_z & !word & (EACH * 0x80);
    word | upper >> 2
}

type Lanes = fn([u64; 2], &[&[u8]; LANES]) -> [u64; LANES];

/// The widest variant that this processor runs.
fn best_lanes() -> Lanes {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was just detected.
            return |seed, keys| unsafe { siphash_avx512(seed, keys) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just detected.
            return |seed, keys| unsafe { siphash_avx2(seed, keys) };
        }
    }
    siphash_lanes
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn siphash_avx512(seed: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
    siphash_lanes(seed, keys)
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn siphash_avx2(seed: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
    siphash_lanes(seed, keys)
}

/// One word of each of the eight states.
type Word = [u64; LANES];

#[inline(always)]
fn siphash_lanes([k0, k1]: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
    let mut v: [Word; 4] = [
        [START[0] ^ k0; LANES],
        [START[1] ^ k1; LANES],
        [START[2] ^ k0; LANES],
        [START[3] ^ k1; LANES],
    ];
    let words: [usize; LANES] = array::from_fn(|i| keys[i].len() / 8);
    let shortest = words.iter().copied().min().unwrap_or(0);
    let longest = words.iter().copied().max().unwrap_or(0);
    for at in 0..shortest {
        absorb(&mut v, array::from_fn(|i| word_at(keys[i], at)));
    }
    // Lanes whose key has run out stand still: both outcomes are computed, a mask chooses.
    for at in shortest..longest {
        let held = v;
        absorb(
            &mut v,
            array::from_fn(|i| {
                if at < words[i] {
                    word_at(keys[i], at)
                } else {
                    0
                }
            }),
        );
        let live: Word = array::from_fn(|i| u64::from(at < words[i]).wrapping_neg());
        for (new, old) in v.iter_mut().zip(&held) {
            *new = array::from_fn(|i| (new[i] & live[i]) | (old[i] & !live[i]));
        }
    }
    absorb(
        &mut v,
        array::from_fn(|i| tail_word(&keys[i][words[i] * 8..]) | (keys[i].len() as u64) << 56),
    );
    v[2] = v[2].map(|word| word ^ 0xff);
    (0..3).for_each(|_| round_lanes(&mut v));
    array::from_fn(|i| v[0][i] ^ v[1][i] ^ v[2][i] ^ v[3][i])
}

#[inline(always)]
fn word_at(key: &[u8], at: usize) -> u64 {
    key.as_chunks::<8>()
        .0
        .get(at)
        .map_or(0, |word| u64::from_le_bytes(*word))
}

#[inline(always)]
fn absorb(v: &mut [Word; 4], word: Word) {
    v[3] = xor(v[3], word);
    round_lanes(v);
    v[0] = xor(v[0], word);
}

#[inline(always)]
fn round_lanes(v: &mut [Word; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = add(a, b);
    c = add(c, d);
    b = xor(rotate::<13>(b), a);
    d = xor(rotate::<16>(d), c);
    a = add(rotate::<32>(a), d);
    c = add(c, b);
    d = xor(rotate::<21>(d), a);
    b = xor(rotate::<17>(b), c);
    *v = [a, b, rotate::<32>(c), d];
}

#[inline(always)]
fn add(a: Word, b: Word) -> Word {
    array::from_fn(|i| a[i].wrapping_add(b[i]))
}

#[inline(always)]
fn xor(a: Word, b: Word) -> Word {
    array::from_fn(|i| a[i] ^ b[i])
}

#[inline(always)]
fn rotate<const BITS: u32>(a: Word) -> Word {
    a.map(|word| word.rotate_left(BITS))
}

#[cfg(test)]
mod tests {
    use super::{hash, hash_batch, hash_nocase, siphash, siphash_lanes};
    use crate::util::rand::Rng;
    use std::hash::{DefaultHasher, Hasher};

    fn random_key(rng: &mut Rng, max: u64) -> Vec<u8> {
        (0..rng.below(max + 1))
            .map(|_| rng.next_u64() as u8)
            .collect()
    }

    #[test]
    fn agrees_with_the_standard_library() {
        let mut rng = Rng::new(3);
        for _ in 0..2000 {
            let key = random_key(&mut rng, 70);
            let mut theirs = DefaultHasher::new();
            theirs.write(&key);
            assert_eq!(
                siphash([0, 0], &key, |word| word),
                theirs.finish(),
                "{key:?}"
            );
        }
    }

    #[test]
    fn lanes_equal_one_at_a_time() {
        let mut rng = Rng::new(4);
        for round in 0..2000 {
            let max = [0, 1, 7, 16, 40, 300][round % 6];
            let keys: Vec<Vec<u8>> = (0..rng.below(30))
                .map(|_| random_key(&mut rng, max))
                .collect();
            let keys: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
            let mut hashes = vec![42];
            hash_batch(&keys, &mut hashes);
            assert_eq!(hashes.remove(0), 42);
            assert_eq!(hashes, keys.iter().map(|key| hash(key)).collect::<Vec<_>>());
            // The variant that this machine may not choose.
            if let Some(group) = keys.first_chunk() {
                assert_eq!(siphash_lanes(super::seed(), group), hashes[..8]);
            }
        }
    }

    #[test]
    fn nocase_is_the_hash_of_the_lowercase_text() {
        let every: Vec<u8> = (0..=255).collect();
        assert_eq!(hash_nocase(&every), hash(&every.to_ascii_lowercase()));
        let mut rng = Rng::new(5);
        for _ in 0..2000 {
            let key = random_key(&mut rng, 40);
            assert_eq!(hash_nocase(&key), hash(&key.to_ascii_lowercase()));
        }
    }
}
