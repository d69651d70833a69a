//! Pauses: times in which commands of clients wait.
//!
//! There is one for each purpose, and what they ask for adds up.

/// Why clients are paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// CLIENT PAUSE.
    Client,
    /// Replicas are to catch up before the server ends.
    Shutdown,
    /// A replica is to catch up before it takes over.
    Failover,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Commands that may change the data set, or that replicas hear of.
    Writes,
    /// All commands.
    All,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    scope: Scope,
    /// Milliseconds of Unix time.
    end_ms: i64,
}

/// All pauses.
#[derive(Debug, Default)]
pub struct Pauses {
    by_purpose: [Option<Pause>; 3],
}

impl Pauses {
    /// Begins a pause, or makes the one of this purpose longer; one that was to end later still does.
    pub fn begin(&mut self, purpose: Purpose, scope: Scope, end_ms: i64) {
        let pause = &mut self.by_purpose[purpose as usize];
        let end_ms = pause.map_or(end_ms, |known| known.end_ms.max(end_ms));
        *pause = Some(Pause { scope, end_ms });
    }

    /// The scope of the pause of a purpose.
    pub fn scope_of(&self, purpose: Purpose) -> Option<Scope> {
        self.by_purpose[purpose as usize].map(|pause| pause.scope)
    }

    /// Ends the pause of a purpose.
    pub fn end(&mut self, purpose: Purpose) {
        self.by_purpose[purpose as usize] = None;
    }

    /// Ends those whose time is over; whether there is none any more, and there was one.
    pub fn expire(&mut self, now_ms: i64) -> bool {
        if self.scope().is_none() {
            return false;
        }
        for pause in &mut self.by_purpose {
            *pause = pause.filter(|pause| pause.end_ms > now_ms);
        }
        self.scope().is_none()
    }

    /// What waits now.
    #[inline]
    pub fn scope(&self) -> Option<Scope> {
        let pauses = self.by_purpose.iter().flatten();
        pauses.map(|pause| pause.scope).max()
    }

    /// The end of the pause that ends first.
    pub fn next_end_ms(&self) -> Option<i64> {
        let pauses = self.by_purpose.iter().flatten();
        pauses.map(|pause| pause.end_ms).min()
    }
}

#[cfg(test)]
mod tests {
    use super::{Pauses, Purpose, Scope};

    #[test]
    fn pauses_add_up_and_end_on_their_own() {
        let mut pauses = Pauses::default();
        assert!(!pauses.expire(0));
        pauses.begin(Purpose::Client, Scope::All, 100);
        pauses.begin(Purpose::Failover, Scope::Writes, i64::MAX);
        assert_eq!(pauses.scope(), Some(Scope::All));
        pauses.begin(Purpose::Client, Scope::All, 50);
        assert!(!pauses.expire(99));
        assert_eq!(pauses.scope(), Some(Scope::All));
        assert!(!pauses.expire(100));
        assert_eq!(pauses.scope(), Some(Scope::Writes));
        pauses.end(Purpose::Failover);
        assert_eq!(pauses.scope(), None);
    }
}
