//! Random numbers without cryptographic strength: for the final ECHO of `--pipe`, the keys of `--lru-test` and the node for an
//! uncovered slot.

use std::hash::{BuildHasher, RandomState};

/// A generator (SplitMix64), seeded from the system.
pub struct Dice(u64);

impl Dice {
    /// A generator with a random seed.
    pub fn new() -> Self {
        // The hasher's keys come from the system's random source.
        Self(RandomState::new().hash_one(0))
    }

    /// 64 random bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number in [0, 1).
    pub fn fraction(&mut self) -> f64 {
        // A double has a mantissa of 53 bits.
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}
