//! ACL LOG: what was refused, newest first. Similar refusals within a minute share an entry.

use std::collections::VecDeque;

/// How many of the newest entries are searched for a similar one.
const SEARCHED: usize = 10;
/// Longest time between similar refusals that share an entry, in milliseconds.
const GROUPED_MS: i64 = 60_000;

/// What was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An authentication.
    Auth,
    /// A command.
    Command,
    /// Access to a key.
    Key,
    /// The use of a channel.
    Channel,
    /// A certificate names no user.
    Certificate,
}

impl Reason {
    /// The word that ACL LOG shows.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Auth => "auth",
            Reason::Command => "command",
            Reason::Key => "key",
            Reason::Channel => "channel",
            Reason::Certificate => "tls-cert",
        }
    }
}

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    /// As a request.
    TopLevel,
    /// Inside of a transaction, when it was queued or by EXEC.
    Multi,
    /// By a script.
    Lua,
}

impl Context {
    /// The word that ACL LOG shows.
    pub fn name(self) -> &'static str {
        match self {
            Context::TopLevel => "toplevel",
            Context::Multi => "multi",
            Context::Lua => "lua",
        }
    }
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub reason: Reason,
    /// Where.
    pub context: Context,
    /// The name of the command, the key or the channel; for an authentication the command's name as it was given,
    /// for a certificate the directive's value.
    pub object: Vec<u8>,
    /// The user, or the name that a client wanted to authenticate as.
    pub username: Vec<u8>,
}

/// An entry of the log.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its number; numbers only rise.
    pub id: u64,
    /// How often it was refused.
    pub count: u64,
    /// What was refused.
    pub refusal: Refusal,
    /// The client that was refused last, as CLIENT INFO shows it.
    pub client: String,
    /// When it was first refused, Unix milliseconds.
    pub created_ms: i64,
    /// When it was last refused, Unix milliseconds.
    pub updated_ms: i64,
}

/// The log, and the counters of INFO.
#[derive(Debug, Default)]
pub struct AclLog {
    entries: VecDeque<Entry>,
    next_id: u64,
    counts: [u64; 5],
}

impl AclLog {
    /// Adds a refusal; at most `max_len` entries are kept.
    pub fn add(&mut self, refusal: Refusal, client: String, now_ms: i64, max_len: usize) {
        self.counts[refusal.reason as usize] += 1;
        let similar = self.entries.iter().take(SEARCHED).position(|entry| {
            entry.refusal == refusal && (now_ms - entry.updated_ms).abs() <= GROUPED_MS
        });
        if let Some(mut entry) = similar.and_then(|at| self.entries.remove(at)) {
            entry.count += 1;
            entry.client = client;
            entry.updated_ms = now_ms;
            self.entries.push_front(entry);
            return;
        }
        self.entries.push_front(Entry {
            id: self.next_id,
            count: 1,
            refusal,
            client,
            created_ms: now_ms,
            updated_ms: now_ms,
        });
        self.next_id += 1;
        self.entries.truncate(max_len);
    }

    /// The entries, newest first.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }

    /// Removes all entries.
    pub fn reset(&mut self) {
        self.entries.clear();
    }

    /// How often this was refused since the server started.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::{AclLog, Context, Reason, Refusal};

    fn refusal(object: &str) -> Refusal {
        Refusal {
            reason: Reason::Key,
            context: Context::TopLevel,
            object: object.into(),
            username: b"u".to_vec(),
        }
    }

    /// Objects, counts and ids, newest first.
    fn shown(log: &AclLog) -> Vec<(String, u64, u64)> {
        let entries = log.entries().map(|entry| {
            let object = String::from_utf8_lossy(&entry.refusal.object).into_owned();
            (object, entry.count, entry.id)
        });
        entries.collect()
    }

    #[test]
    fn similar_refusals_share_an_entry() {
        let mut log = AclLog::default();
        for (object, now_ms) in [
            ("a", 0),
            ("b", 1),
            ("a", 60_000),
            ("a", 120_000),
            ("b", 60_002),
        ] {
            log.add(refusal(object), format!("at {now_ms}"), now_ms, 128);
        }
        let expected = [("b", 1, 2), ("a", 3, 0), ("b", 1, 1)];
        assert_eq!(
            shown(&log),
            expected.map(|(name, count, id)| (name.to_owned(), count, id))
        );
        let entry = log.entries().nth(1).expect("an entry");
        assert_eq!((entry.created_ms, entry.updated_ms), (0, 120_000));
        assert_eq!(entry.client, "at 120000");
        assert_eq!((log.count(Reason::Key), log.count(Reason::Auth)), (5, 0));
        log.reset();
        assert!(shown(&log).is_empty());
    }

    #[test]
    fn only_the_newest_entries_are_searched_and_kept() {
        let mut log = AclLog::default();
        for number in 0..11 {
            log.add(refusal(&number.to_string()), String::new(), 0, 11);
        }
        log.add(refusal("0"), String::new(), 0, 11);
        assert_eq!(shown(&log)[0], ("0".to_owned(), 1, 11));
        assert_eq!(log.entries().len(), 11);
        log.add(refusal("2"), String::new(), 0, 11);
        assert_eq!(shown(&log)[0], ("2".to_owned(), 2, 2));
        log.add(refusal("new"), String::new(), 0, 0);
        assert_eq!(log.entries().len(), 0);
    }
}
