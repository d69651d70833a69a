//! Keyed hashing: SipHash-1-3, one key at a time or eight together.
//!
//! Clients choose the keys, so hashes must be unpredictable to them: SipHash with a secret seed is designed for that,
//! and the reduced 1-3 rounds are what Rust's own maps use. The seed is a static, random on first use unless it was
//! set before.
//!
//! The keys of a pipeline are hashed together by [`hash_batch`]: eight independent states advance in lockstep, one per
//! lane of a vector register (AVX-512, or two of AVX2, detected at run time). Compilers do not vectorise plain array
//! code this way, so the few operations use intrinsics. Every variant yields the same hashes as [`hash`].
//!
//! Reference: Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.

#![allow(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::OnceLock;

/// The seed of this process. Tables store hash bits, so it never changes once it was used.
static SEED: OnceLock<[u64; 2]> = OnceLock::new();

/// Keys hashed in lockstep.
const LANES: usize = 8;

/// A position is the high 48 bits of a hash, on the ring that tables divide into lines.
pub const POSITION_BITS: u32 = 48;

/// Sets the seed. Returns false, without effect, if a seed was already set or used.
pub fn set_seed(seed: [u8; 16]) -> bool {
    let whole = u128::from_le_bytes(seed);
    SEED.set([whole as u64, (whole >> 64) as u64]).is_ok()
}

/// The hash of `key` with the seed of this process.
#[inline]
pub fn hash(key: &[u8]) -> u64 {
    siphash(seed(), key)
}

/// Appends the hash of each of `keys` to `out`, in order: the same values as from [`hash`].
pub fn hash_batch(keys: &[&[u8]], out: &mut Vec<u64>) {
    let seed = seed();
    out.reserve(keys.len());
    let mut groups = keys.chunks_exact(LANES);
    for group in &mut groups {
        match group
            .first_chunk()
            .and_then(|group| hash_lanes(seed, group))
        {
            Some(hashes) => out.extend_from_slice(&hashes),
            None => out.extend(group.iter().map(|key| siphash(seed, key))),
        }
    }
    out.extend(groups.remainder().iter().map(|key| siphash(seed, key)));
}

#[inline]
fn seed() -> [u64; 2] {
    *SEED.get_or_init(|| {
        let random = RandomState::new();
        [random.hash_one(1), random.hash_one(2)]
    })
}

/// The four initial words of SipHash: "somepseudorandomlygeneratedbytes".
const START: [u64; 4] = [
    0x736f_6d65_7073_6575,
    0x646f_7261_6e64_6f6d,
    0x6c79_6765_6e65_7261,
    0x7465_6462_7974_6573,
];

#[inline(always)]
fn siphash([k0, k1]: [u64; 2], key: &[u8]) -> u64 {
    let mut v = [START[0] ^ k0, START[1] ^ k1, START[2] ^ k0, START[3] ^ k1];
    let (words, tail) = key.as_chunks::<8>();
    for word in words {
        let word = u64::from_le_bytes(*word);
        v[3] ^= word;
        round(&mut v);
        v[0] ^= word;
    }
    let last = tail_word(tail) | (key.len() as u64) << 56;
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

/// Hashes a group in lockstep with the widest registers of this processor; `None` if it has none.
fn hash_lanes(seed: [u64; 2], keys: &[&[u8]; LANES]) -> Option<[u64; LANES]> {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was just detected.
            return Some(unsafe { x86::siphash_avx512(seed, keys) });
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just detected.
            return Some(unsafe { x86::siphash_avx2(seed, keys) });
        }
    }
    let _ = (seed, keys);
    None
}

/// Eight words, one of each state, in vector registers.
trait Words: Copy {
    fn load(words: [u64; LANES]) -> Self;
    fn store(self) -> [u64; LANES];
    fn add(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    /// Rotates each word left. `RIGHT` is 64 − `LEFT`.
    fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self;
    /// Selects `self` where the mask is all ones and `other` where it is 0.
    fn select(self, mask: Self, other: Self) -> Self;
}

/// SipHash-1-3 of eight keys. Always inlined into a function that enables the target feature.
#[inline(always)]
fn siphash_lanes<W: Words>([k0, k1]: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
    let start = [START[0] ^ k0, START[1] ^ k1, START[2] ^ k0, START[3] ^ k1];
    let mut v = start.map(|word| W::load([word; LANES]));
    let words = keys.map(|key| key.len() / 8);
    let shortest = words.into_iter().min().unwrap_or(0);
    let longest = words.into_iter().max().unwrap_or(0);
    for at in 0..shortest {
        absorb(&mut v, W::load(keys.map(|key| word_at(key, at))));
    }
    // Lanes whose key has ended keep their state: both outcomes are computed and a mask selects one.
    for at in shortest..longest {
        let held = v;
        absorb(&mut v, W::load(keys.map(|key| word_at(key, at))));
        let live = W::load(words.map(|count| u64::from(at < count).wrapping_neg()));
        for (new, old) in v.iter_mut().zip(held) {
            *new = new.select(live, old);
        }
    }
    let last = keys.map(|key| tail_word(key.as_chunks::<8>().1) | (key.len() as u64) << 56);
    absorb(&mut v, W::load(last));
    v[2] = v[2].xor(W::load([0xff; LANES]));
    (0..3).for_each(|_| round_lanes(&mut v));
    v[0].xor(v[1]).xor(v[2].xor(v[3])).store()
}

/// A word of a key, zero-padded past its end.
#[inline(always)]
fn word_at(key: &[u8], at: usize) -> u64 {
    key.as_chunks::<8>()
        .0
        .get(at)
        .map_or(0, |word| u64::from_le_bytes(*word))
}

#[inline(always)]
fn absorb<W: Words>(v: &mut [W; 4], word: W) {
    v[3] = v[3].xor(word);
    round_lanes(v);
    v[0] = v[0].xor(word);
}

#[inline(always)]
fn round_lanes<W: Words>(v: &mut [W; 4]) {
    let [mut a, mut b, mut c, mut d] = *v;
    a = a.add(b);
    c = c.add(d);
    b = b.rotate::<13, 51>().xor(a);
    d = d.rotate::<16, 48>().xor(c);
    a = a.rotate::<32, 32>().add(d);
    c = c.add(b);
    d = d.rotate::<21, 43>().xor(a);
    b = b.rotate::<17, 47>().xor(c);
    *v = [a, b, c.rotate::<32, 32>(), d];
}

/// The registers of x86-64. The types are private, and all their methods are inlined into the one function that
/// enables the feature which every block below requires.
#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m256i, __m512i, _mm256_add_epi64, _mm256_blendv_epi8, _mm256_or_si256, _mm256_set_epi64x,
        _mm256_slli_epi64, _mm256_srli_epi64, _mm256_xor_si256, _mm512_add_epi64, _mm512_rol_epi64,
        _mm512_set_epi64, _mm512_ternarylogic_epi64, _mm512_xor_si512,
    };
    use std::mem::transmute;

    use super::{LANES, Words, siphash_lanes};

    #[target_feature(enable = "avx512f")]
    pub(super) fn siphash_avx512(seed: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
        siphash_lanes::<Avx512>(seed, keys)
    }

    #[derive(Clone, Copy)]
    struct Avx512(__m512i);

    impl Words for Avx512 {
        #[inline(always)]
        fn load(w: [u64; LANES]) -> Self {
            let [a, b, c, d, e, f, g, h] = w.map(u64::cast_signed);
            // SAFETY: `siphash_avx512` enables the feature.
            Avx512(unsafe { _mm512_set_epi64(h, g, f, e, d, c, b, a) })
        }

        #[inline(always)]
        fn store(self) -> [u64; LANES] {
            // SAFETY: a register of eight words, for which any bits are valid.
            unsafe { transmute::<__m512i, [u64; LANES]>(self.0) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: `siphash_avx512` enables the feature.
            Avx512(unsafe { _mm512_add_epi64(self.0, other.0) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: `siphash_avx512` enables the feature.
            Avx512(unsafe { _mm512_xor_si512(self.0, other.0) })
        }

        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            // SAFETY: `siphash_avx512` enables the feature.
            Avx512(unsafe { _mm512_rol_epi64::<LEFT>(self.0) })
        }

        #[inline(always)]
        fn select(self, mask: Self, other: Self) -> Self {
            // SAFETY: `siphash_avx512` enables the feature. 0xca is the truth table of "mask ? self : other".
            Avx512(unsafe { _mm512_ternarylogic_epi64::<0xca>(mask.0, self.0, other.0) })
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn siphash_avx2(seed: [u64; 2], keys: &[&[u8]; LANES]) -> [u64; LANES] {
        siphash_lanes::<Avx2>(seed, keys)
    }

    #[derive(Clone, Copy)]
    struct Avx2(__m256i, __m256i);

    impl Words for Avx2 {
        #[inline(always)]
        fn load(w: [u64; LANES]) -> Self {
            let [a, b, c, d, e, f, g, h] = w.map(u64::cast_signed);
            // SAFETY: `siphash_avx2` enables the feature.
            unsafe { Avx2(_mm256_set_epi64x(d, c, b, a), _mm256_set_epi64x(h, g, f, e)) }
        }

        #[inline(always)]
        fn store(self) -> [u64; LANES] {
            // SAFETY: two registers of four words, for which any bits are valid.
            unsafe { transmute::<[__m256i; 2], [u64; LANES]>([self.0, self.1]) }
        }

        #[inline(always)]
        fn add(self, other: Self) -> Self {
            // SAFETY: `siphash_avx2` enables the feature.
            unsafe {
                Avx2(
                    _mm256_add_epi64(self.0, other.0),
                    _mm256_add_epi64(self.1, other.1),
                )
            }
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: `siphash_avx2` enables the feature.
            unsafe {
                Avx2(
                    _mm256_xor_si256(self.0, other.0),
                    _mm256_xor_si256(self.1, other.1),
                )
            }
        }

        #[inline(always)]
        fn rotate<const LEFT: i32, const RIGHT: i32>(self) -> Self {
            // SAFETY: `siphash_avx2` enables the feature.
            let half = |w| unsafe {
                _mm256_or_si256(_mm256_slli_epi64::<LEFT>(w), _mm256_srli_epi64::<RIGHT>(w))
            };
            Avx2(half(self.0), half(self.1))
        }

        #[inline(always)]
        fn select(self, mask: Self, other: Self) -> Self {
            // SAFETY: `siphash_avx2` enables the feature.
            let half = |new, old, mask| unsafe { _mm256_blendv_epi8(old, new, mask) };
            Avx2(half(self.0, other.0, mask.0), half(self.1, other.1, mask.1))
        }
    }

    #[cfg(test)]
    mod tests {
        use super::super::{seed, siphash};
        use super::{siphash_avx2, siphash_avx512};

        #[test]
        fn both_widths_hash_keys_of_any_lengths() {
            let bytes: Vec<u8> = (0..100).collect();
            for from in 0..90 {
                let lengths = [0, 1, 3, 8, 9, 16, 40, from].map(|len| len.min(100 - from));
                let keys = lengths.map(|len| &bytes[from..from + len]);
                let expected = keys.map(|key| siphash(seed(), key));
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: the feature was just detected.
                    assert_eq!(unsafe { siphash_avx2(seed(), &keys) }, expected);
                }
                if is_x86_feature_detected!("avx512f") {
                    // SAFETY: the feature was just detected.
                    assert_eq!(unsafe { siphash_avx512(seed(), &keys) }, expected);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{hash, hash_batch, siphash};
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
            assert_eq!(siphash([0, 0], &key), theirs.finish(), "{key:?}");
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
        }
    }
}
