//! The generator of `math.random`: the one of `lrand48`, so that scripts see the numbers of Redis on every platform.
//!
//! A state of 48 bits is multiplied and added to; a number is its upper 31 bits. All scripts of an interpreter share one
//! sequence, as in Redis 7.2, which does not start it anew for each script.

use libc::c_int;
use mlua_sys::lua_State;

use crate::interpreter::Shared;

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const INCREMENT: u64 = 0xB;
const MASK: u64 = (1 << 48) - 1;

/// The state.
pub(crate) struct Random(u64);

impl Default for Random {
    /// The state before any seed.
    fn default() -> Self {
        Random(0x1234_ABCD_330E)
    }
}

impl Random {
    /// The state after a seed.
    fn seeded(seed: i32) -> Self {
        Random(u64::from(seed as u32) << 16 | 0x330E)
    }

    /// The next number: from 0 to 2^31 - 1.
    fn next(&mut self) -> u32 {
        self.0 = (self.0.wrapping_mul(MULTIPLIER).wrapping_add(INCREMENT)) & MASK;
        (self.0 >> 17) as u32
    }

    /// The next number as a fraction: from 0 to below 1.
    fn fraction(&mut self) -> f64 {
        let most = i32::MAX as u32;
        f64::from(self.next() % most) / f64::from(most)
    }
}

/// For the math library, by an edit.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn lua_random(state: *mut lua_State) -> f64 {
    // SAFETY: Lua code calls this, so the state is that of an interpreter, and no reference to its shared part is held.
    unsafe { Shared::of(state).random.fraction() }
}

/// For the math library, by an edit.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn lua_randomseed(state: *mut lua_State, seed: c_int) {
    // SAFETY: as above.
    unsafe { Shared::of(state).random = Random::seeded(seed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_redis() {
        // From `EVAL "math.randomseed(42) ..."` on Redis 7.2.6.
        let mut random = Random::seeded(42);
        assert_eq!(format!("{:.14}", random.fraction()), "0.74452500033403");
        let span = f64::from((1 << 30) + 5 + 1);
        assert_eq!((random.fraction() * span).floor() - 5.0, 367_972_907.0);
        // The first numbers of a server that has just started.
        let mut random = Random::default();
        let first = format!("{:.14}", random.fraction());
        assert_eq!(first, "0.39646477363839");
    }
}
