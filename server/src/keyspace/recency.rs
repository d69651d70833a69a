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

/// The value of a key with value `before` after an access. `seed` decides whether a frequency rises; it must differ
/// between accesses within a millisecond, of one key or of several.
#[inline]
pub fn touched(config: &Params, before: u32, now_ms: i64, seed: u64) -> u32 {
    if !config.maxmemory_policy.is_lfu() {
        return lru_clock(now_ms);
    }
    let counter = increment(
        lfu_counter(config, before, now_ms),
        config.lfu_log_factor,
        seed,
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

/// The value of a key that was last accessed `idle` seconds ago (RESTORE, RDB files); `None` under LFU.
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
    use super::{frequency_of, idle_seconds, increment, lfu_counter, lru_clock, touched};
    use crate::config::params::Params;
    use crate::config::values::MaxmemoryPolicy;

    #[test]
    fn idle_time_survives_the_wrap_of_the_clock() {
        let wrap_ms = 0x100_0000i64 * 1000;
        assert_eq!(idle_seconds(lru_clock(wrap_ms - 3000), wrap_ms + 2000), 5);
    }

    #[test]
    fn the_counter_grows_as_redis_documents_it() {
        // Factor, and the counter after 100, 1000, 100,000 and 1,000,000 accesses.
        let rows = [
            (0, [105, 255, 255, 255]),
            (1, [18, 49, 255, 255]),
            (10, [10, 18, 142, 255]),
            (100, [8, 11, 49, 143]),
        ];
        for (factor, expected) in rows {
            for (accesses, expected) in [100, 1000, 100_000, 1_000_000].into_iter().zip(expected) {
                let counter = (0..accesses).fold(5, |counter, n: u64| {
                    increment(counter, factor, n.wrapping_mul(0x9E37_79B9_7F4A_7C15))
                });
                let tolerance = 3 + expected / 10;
                assert!(
                    counter.abs_diff(expected) <= tolerance,
                    "{factor} {accesses}: {counter}"
                );
            }
        }
    }

    #[test]
    fn the_counter_decays_with_the_time_since_the_last_access() {
        let minute = 60_000;
        let now_ms = 65_530 * minute;
        let mut config = Params {
            maxmemory_policy: MaxmemoryPolicy::AllkeysLfu,
            lfu_decay_time: 1,
            ..Params::default()
        };
        let value = frequency_of(&config, 100, now_ms).expect("LFU");
        for (decay, minutes, expected) in [
            (1, 0, 100),
            (1, 10, 90),
            (1, 100, 0),
            (1, 5000, 0),
            (10, 19, 99),
            (0, 5000, 100),
        ] {
            config.lfu_decay_time = decay;
            let later_ms = now_ms + minutes * minute;
            let counter = lfu_counter(&config, value, later_ms);
            assert_eq!(counter, expected, "{decay} {minutes}");
            config.lfu_log_factor = 0;
            let after = touched(&config, value, later_ms, 1);
            assert_eq!(lfu_counter(&config, after, later_ms), expected + 1);
        }
    }
}
