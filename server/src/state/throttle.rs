//! Limits lines of the log that strangers can cause, so that a scanner cannot fill a disk.
//!
//! After a burst, one line per period is admitted. Lines that are not are counted, and the next line that is admitted tells
//! how many there were. Times are those of the monotonic clock: if the wall clock is set, no line is lost by that.

/// After this many milliseconds without a line, the number of lines left out is logged.
const SILENCE_MS: u64 = 10_000;

/// The limit for one kind of line: `BURST` lines are admitted at once, and then one every `PERIOD_MS` milliseconds.
#[derive(Debug, Default)]
pub struct Throttle<const BURST: u64, const PERIOD_MS: u64> {
    /// When the burst would be whole again, in milliseconds; a line adds a period.
    free_at_ms: u64,
    /// Lines left out since one was admitted, and when the last of them was.
    left_out: u64,
    left_out_at_ms: u64,
    total: u64,
}

impl<const BURST: u64, const PERIOD_MS: u64> Throttle<BURST, PERIOD_MS> {
    /// Whether a line may be logged; if so, how many were left out before it.
    pub fn admit(&mut self, now_ms: u64) -> Option<u64> {
        self.free_at_ms = self.free_at_ms.max(now_ms);
        if self.free_at_ms + PERIOD_MS > now_ms + BURST * PERIOD_MS {
            self.left_out += 1;
            self.total += 1;
            self.left_out_at_ms = now_ms;
            return None;
        }
        self.free_at_ms += PERIOD_MS;
        Some(std::mem::take(&mut self.left_out))
    }

    /// How many lines were left out, once that has been silent for a while; 0 if there is nothing to tell.
    pub fn overdue(&mut self, now_ms: u64) -> u64 {
        if self.left_out == 0 || now_ms - self.left_out_at_ms < SILENCE_MS {
            return 0;
        }
        std::mem::take(&mut self.left_out)
    }

    /// Lines left out since start.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::{SILENCE_MS, Throttle};

    const BURST: u64 = 50;
    const PERIOD_MS: u64 = 2000;

    #[test]
    fn a_burst_is_admitted_and_then_one_line_per_period() {
        let (mut throttle, start) = (Throttle::<BURST, PERIOD_MS>::default(), 1_700_000);
        for _ in 0..BURST {
            assert_eq!(throttle.admit(start), Some(0));
        }
        assert_eq!(
            (throttle.admit(start), throttle.admit(start + 1)),
            (None, None)
        );
        assert_eq!(throttle.admit(start + PERIOD_MS), Some(2));
        assert_eq!(throttle.admit(start + PERIOD_MS), None);
        assert_eq!(throttle.total(), 3);
        let silent = start + PERIOD_MS + SILENCE_MS;
        assert_eq!(
            (throttle.overdue(silent - 1), throttle.overdue(silent)),
            (0, 1)
        );
        assert_eq!(throttle.overdue(silent), 0);
        // After a while there is a whole burst again.
        let later = start + 10 * BURST * PERIOD_MS;
        assert_eq!(
            (0..BURST + 1).filter_map(|_| throttle.admit(later)).count() as u64,
            BURST
        );
    }
}
