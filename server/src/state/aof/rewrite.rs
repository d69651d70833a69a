//! Rewrites of the append-only file: when the next one may start, and how the last ones went.
//!
//! After three failures in a row, automatic rewrites are put off: by a minute, and by twice as long after each further
//! failure, up to an hour.

/// Failures in a row after which rewrites are put off.
const FAILURES: u64 = 3;
/// The longest delay, in minutes.
const MAX_DELAY: i64 = 60;

/// State of rewrites. All times are Unix time in seconds.
#[derive(Debug, Default)]
pub struct Rewrites {
    /// One is to start as soon as no other child is running.
    pub scheduled: bool,
    /// When the running one began.
    pub started: Option<i64>,
    /// Duration of the last one, in seconds.
    pub last_duration: Option<i64>,
    /// The last one failed.
    pub failed: bool,
    /// How many were started.
    pub count: u64,
    /// How many failed since one succeeded.
    pub failures: u64,
    /// Memory copied because of the last child, in bytes.
    pub last_cow: u64,
    /// The offset in the stream of writes when the file was switched on: its base contains everything up to there.
    pub offset: u64,
    /// How many could not begin since one succeeded. They are limited as failures are, but INFO does not count them.
    refusals: u64,
    delay_minutes: i64,
    next_allowed: i64,
}

/// Whether a rewrite may start by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Yes.
    Granted,
    /// No; the delay has just begun, in minutes.
    NewlyPutOff(i64),
    /// No.
    PutOff,
}

impl Rewrites {
    /// A rewrite has failed.
    pub fn note_failure(&mut self) {
        self.failed = true;
        self.failures += 1;
    }

    /// A rewrite could not begin.
    pub fn note_refusal(&mut self) {
        self.failed = true;
        self.refusals += 1;
    }

    /// The next rewrite may start at once.
    pub fn forget_failures(&mut self) {
        self.failures = 0;
        self.refusals = 0;
    }

    /// Whether a rewrite may start by itself now.
    pub fn ask(&mut self, now: i64) -> Permission {
        if self.failures + self.refusals < FAILURES {
            self.delay_minutes = 0;
            self.next_allowed = 0;
            return Permission::Granted;
        }
        if self.next_allowed != 0 {
            if now < self.next_allowed {
                return Permission::PutOff;
            }
            self.next_allowed = 0;
            return Permission::Granted;
        }
        self.delay_minutes = match self.delay_minutes {
            0 => 1,
            minutes => (minutes * 2).min(MAX_DELAY),
        };
        self.next_allowed = now + self.delay_minutes * 60;
        Permission::NewlyPutOff(self.delay_minutes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Permission, Rewrites};

    #[test]
    fn the_delay_doubles_with_each_failure_up_to_an_hour() {
        let mut rewrites = Rewrites {
            failures: 2,
            ..Rewrites::default()
        };
        assert_eq!(rewrites.ask(0), Permission::Granted);
        rewrites.failures = 3;
        let mut now = 0;
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(rewrites.ask(now), Permission::NewlyPutOff(minutes));
            assert_eq!(rewrites.ask(now + minutes * 60 - 1), Permission::PutOff);
            now += minutes * 60;
            assert_eq!(rewrites.ask(now), Permission::Granted);
            rewrites.failures += 1;
        }
        rewrites.forget_failures();
        assert_eq!(rewrites.ask(now), Permission::Granted);
        rewrites.failures = 1;
        for _ in 0..2 {
            assert_eq!(rewrites.ask(now), Permission::Granted);
            rewrites.note_refusal();
        }
        assert_eq!(rewrites.ask(now), Permission::NewlyPutOff(1));
    }
}
