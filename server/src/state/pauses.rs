//! Pauses: times in which commands of clients are held back.
//!
//! There is at most one for each purpose, and what they ask for adds up.

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

/// What is held back.
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
    /// The widest scope of `by_purpose`.
    scope: Option<Scope>,
    /// Less is held back than before: clients may go on.
    has_narrowed: bool,
}

impl Pauses {
    /// Holds commands back until `end_ms`, in milliseconds of Unix time: begins a pause, or makes the one of this
    /// purpose longer; one that was to end later still does.
    pub fn begin(&mut self, purpose: Purpose, scope: Scope, end_ms: i64) {
        let pause = &mut self.by_purpose[purpose as usize];
        let end_ms = pause.map_or(end_ms, |known| known.end_ms.max(end_ms));
        *pause = Some(Pause { scope, end_ms });
        self.settle();
    }

    /// The scope of the pause of a purpose.
    pub fn scope_of(&self, purpose: Purpose) -> Option<Scope> {
        self.by_purpose[purpose as usize].map(|pause| pause.scope)
    }

    /// Ends the pause of a purpose. Commands that were held back run before the loop sleeps, if no other pause is left.
    pub fn end(&mut self, purpose: Purpose) {
        self.by_purpose[purpose as usize] = None;
        self.settle();
    }

    /// Ends the pauses whose deadline has passed.
    pub fn expire(&mut self, now_ms: i64) {
        if self.scope.is_some() {
            for pause in &mut self.by_purpose {
                *pause = pause.filter(|pause| pause.end_ms > now_ms);
            }
            self.settle();
        }
    }

    /// Whether the scope has become narrower since this was asked.
    pub fn take_narrowed(&mut self) -> bool {
        std::mem::take(&mut self.has_narrowed)
    }

    /// As [`Pauses::take_narrowed`], which is left to answer the same.
    pub fn has_narrowed(&self) -> bool {
        self.has_narrowed
    }

    /// When the first pause ends that ends by itself, in milliseconds of Unix time.
    #[inline]
    pub fn next_end(&self) -> Option<i64> {
        let ends = self.by_purpose.iter().flatten().map(|pause| pause.end_ms);
        ends.filter(|&end_ms| end_ms != i64::MAX).min()
    }

    /// What is held back now.
    #[inline]
    pub fn scope(&self) -> Option<Scope> {
        self.scope
    }

    fn settle(&mut self) {
        let scopes = self.by_purpose.iter().flatten();
        let scope = scopes.map(|pause| pause.scope).max();
        self.has_narrowed |= scope < self.scope;
        self.scope = scope;
    }
}

#[cfg(test)]
mod tests {
    use super::{Pauses, Purpose, Scope};

    #[test]
    fn pauses_add_up_and_end_on_their_own() {
        let mut pauses = Pauses::default();
        assert!(!pauses.take_narrowed());
        pauses.begin(Purpose::Client, Scope::All, 100);
        pauses.begin(Purpose::Failover, Scope::Writes, i64::MAX);
        assert_eq!(pauses.scope(), Some(Scope::All));
        pauses.begin(Purpose::Client, Scope::All, 50);
        pauses.expire(99);
        assert_eq!(pauses.scope(), Some(Scope::All));
        assert!(!pauses.take_narrowed());
        pauses.expire(100);
        assert!(pauses.take_narrowed());
        assert_eq!(pauses.scope(), Some(Scope::Writes));
        pauses.end(Purpose::Failover);
        assert_eq!(pauses.scope(), None);
        assert!(pauses.take_narrowed());
        assert!(!pauses.take_narrowed());
    }
}
