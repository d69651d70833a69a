//! A small, fast, seedable random number generator: xoshiro256++ (Blackman and Vigna, 2019).
//!
//! For sampling, never for secrets: the state can be computed from a few outputs. The same seed gives the same numbers
//! on every platform, which tests rely on.

/// The state of a generator.
#[derive(Clone, Debug)]
pub struct Rng([u64; 4]);

impl Rng {
    /// A generator with a seed; any seed is valid, including 0.
    pub fn new(seed: u64) -> Self {
        // SplitMix64 expands the seed, so that adjacent seeds give unrelated states and the state is never all zero,
        // which is invalid.
        let mut x = seed;
        Rng([(); 4].map(|()| {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let y = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let y = (y ^ (y >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            y ^ (y >> 31)
        }))
    }

    /// A separate generator seeded from this one.
    pub fn fork(&mut self) -> Self {
        Rng::new(self.next_u64())
    }

    /// The next 64 random bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.0;
        let result = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        result
    }

    /// A number chosen uniformly from `0..n`; `n` must not be 0.
    #[inline]
    pub fn below(&mut self, n: u64) -> u64 {
        assert!(n != 0, "no number is below 0");
        loop {
            let wide = u128::from(self.next_u64()) * u128::from(n);
            // The low half tells where in its slice of 2^64 the draw fell. Slices differ in length by one; draws in
            // the excess part of the longer ones are rejected.
            let low = wide as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (wide >> 64) as u64;
            }
        }
    }

    /// A number in `0.0..1.0` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::Rng;

    #[test]
    fn first_outputs_are_those_of_the_reference() {
        // The reference implementation with s = {1, 2, 3, 4}.
        let mut rng = Rng([1, 2, 3, 4]);
        let expected = [
            41_943_041,
            58_720_359,
            3_588_806_011_781_223,
            3_591_011_842_654_386,
        ];
        assert_eq!(expected.map(|_| rng.next_u64()), expected);
    }

    #[test]
    fn below_is_in_range_and_uniform() {
        let mut rng = Rng::new(1);
        for n in [1, 2, 3, 10, 1000, u64::MAX] {
            assert!((0..1000).all(|_| rng.below(n) < n));
        }
        // A plain remainder would favour the lower third by a factor of two.
        let n = u64::MAX / 3 * 2;
        let low = (0..30_000).filter(|_| rng.below(n) < n / 2).count();
        assert!((14_500..15_500).contains(&low), "{low}");
    }

    #[test]
    fn unit_stays_below_one() {
        let mut rng = Rng::new(7);
        assert!(
            (0..1000)
                .map(|_| rng.unit())
                .all(|x| (0.0..1.0).contains(&x))
        );
    }
}
