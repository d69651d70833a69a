//! Access time or access frequency of a key: 24 bits in each entry.
//!
//! ```text
//! LRU   seconds of the clock, modulo 2^24
//! LFU   minutes of the last decrement (16 bits) | logarithmic counter (8 bits)
//! ```

use data::rdb::decoder::Recency;
use data::util::rand::Rng;

use crate::config::params::Params;

/// LFU counter of a new key: high enough that it is not evicted first.
const LFU_INIT: u32 = 5;

/// Seconds of the LRU clock.
pub fn lru_clock(now_ms: i64) -> u32 {
    (now_ms / 1000) as u32 & 0xff_ffff
}

fn minutes(now_ms: i64) -> u32 {
    (now_ms / 60_000) as u32 & 0xffff
}

/// The value for a new key.
#[inline]
pub fn recency(config: &Params, now_ms: i64) -> u32 {
    if config.maxmemory_policy.is_lfu() {
        minutes(now_ms) << 8 | LFU_INIT
    } else {
        lru_clock(now_ms)
    }
}

/// The value of a key with value `before` after an access.
#[inline]
pub fn touched(config: &Params, before: u32, now_ms: i64) -> u32 {
    if !config.maxmemory_policy.is_lfu() {
        return lru_clock(now_ms);
    }
    let counter = increment(
        lfu_counter(config, before, now_ms),
        config.lfu_log_factor,
        now_ms as u64 ^ u64::from(before),
    );
    minutes(now_ms) << 8 | counter
}

/// The LFU counter of a value, decayed by the time since the last access: `OBJECT FREQ`.
pub fn lfu_counter(config: &Params, value: u32, now_ms: i64) -> u32 {
    let (then, counter) = (value >> 8, value & 255);
    let elapsed = minutes(now_ms).wrapping_sub(then) & 0xffff;
    let periods = if config.lfu_decay_time > 0 {
        elapsed / config.lfu_decay_time as u32
    } else {
        0
    };
    counter.saturating_sub(periods)
}

/// Seconds since a value of the LRU clock: `OBJECT IDLETIME`.
pub fn idle_seconds(value: u32, now_ms: i64) -> u32 {
    lru_clock(now_ms).wrapping_sub(value) & 0xff_ffff
}

/// The value of a key that was last accessed so many seconds ago (RESTORE, RDB files); `None` under LFU.
pub fn idle_since(config: &Params, idle: i64, now_ms: i64) -> Option<u32> {
    let idle = idle.clamp(0, 0xff_ffff) as u32;
    let value = lru_clock(now_ms).wrapping_sub(idle) & 0xff_ffff;
    (!config.maxmemory_policy.is_lfu()).then_some(value)
}

/// The value of a key with an LFU counter (RESTORE, RDB files); `None` unless the policy is LFU.
pub fn frequency_of(config: &Params, counter: i64, now_ms: i64) -> Option<u32> {
    let value = minutes(now_ms) << 8 | counter.clamp(0, 255) as u32;
    config.maxmemory_policy.is_lfu().then_some(value)
}

/// The value that an RDB file gives, as far as the policy uses it.
pub fn saved(config: &Params, value: u32, now_ms: i64) -> Recency {
    if config.maxmemory_policy.is_lfu() {
        Recency::Frequency((value & 255) as u8)
    } else if config.maxmemory_policy.is_lru() {
        Recency::Idle(u64::from(idle_seconds(value, now_ms)))
    } else {
        Recency::Unknown
    }
}

/// Counts one access with a probability that falls as the counter rises.
fn increment(counter: u32, log_factor: i64, seed: u64) -> u32 {
    if counter >= 255 {
        return 255;
    }
    let base = f64::from(counter.saturating_sub(LFU_INIT));
    let chance = 1.0 / (base * log_factor as f64 + 1.0);
    counter + u32::from(Rng::new(seed).unit() < chance)
}

#[cfg(test)]
mod tests {
    use super::{idle_seconds, increment, lru_clock};

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap_ms = 0x100_0000i64 * 1000;
        assert_eq!(idle_seconds(lru_clock(wrap_ms - 3000), wrap_ms + 2000), 5);
    }

    #[test]
    fn the_counter_saturates_logarithmically() {
        let mut counter = 5;
        for seed in 0..1_000_000u64 {
            counter = increment(counter, 10, seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        }
        assert!((180..=255).contains(&counter), "{counter}");
    }
}
