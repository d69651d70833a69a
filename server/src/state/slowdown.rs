//! Delays after each key that is saved or loaded, for tests: `rdb-key-save-delay` and `key-load-delay`.

use std::thread;
use std::time::Duration;

use data::util::rand::Rng;

use crate::sys::clock;

/// Microseconds per key; a negative value sleeps one microsecond per that many keys.
pub struct Slowdown {
    delay: i64,
    rng: Rng,
}

impl Slowdown {
    /// From the value of a directive.
    pub fn new(delay: i64) -> Self {
        Slowdown {
            delay,
            rng: Rng::new(clock::monotonic_ns()),
        }
    }

    /// Sleeps if the delay is due.
    #[inline]
    pub fn take(&mut self) {
        if self.delay != 0 {
            self.wait();
        }
    }

    #[cold]
    fn wait(&mut self) {
        let micros = match u64::try_from(self.delay) {
            Ok(micros) => micros,
            Err(_) => u64::from(self.rng.below(self.delay.unsigned_abs()) == 0),
        };
        if micros > 0 {
            thread::sleep(Duration::from_micros(micros));
        }
    }
}
