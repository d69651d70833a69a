//! Random numbers where nothing depends on their being hard to guess: the last word of `--pipe`, the keys of
//! `--lru-test`.

use std::hash::{BuildHasher, RandomState};

/// A generator (SplitMix64), seeded from the system.
pub struct Dice(u64);

impl Dice {
    /// A generator of its own sequence.
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

    /// A number from 0 up to, and without, 1.
    pub fn fraction(&mut self) -> f64 {
        // 53 bits are all that a double holds.
        (self.roll() >> 11) as f64 / (1u64 << 53) as f64
    }
}
