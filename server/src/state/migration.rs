//! MIGRATE: keys in flight to other servers, and cached links to these servers.
//!
//! ```text
//! begin ──> Connecting ──> Exchange ──> outcome ──> removed from the list, before the loop sleeps
//!   └── a link is cached ────┘ │
//!                              └── the link broke before a key was answered: once more from the top
//! ```
//!
//! # Invariants
//! 1. A key in flight belongs to one transfer: a client that names it is blocked until the outcome.
//! 2. A key in flight that changes is spoiled: it is never deleted here, and its transfer fails.
//! 3. A link is cached, or it belongs to one transfer.

use std::collections::HashMap;

use ae::time::TimerId;
use conn::connection::ConnId;
use conn::dial::Dialer;
use conn::resp::{Decoder, Value};

use crate::state::client_id::ClientId;

/// Links that are cached at most.
pub const MAX_LINKS: usize = 64;
/// Seconds for which an unused link is cached.
pub const LINK_TTL_S: i64 = 10;

/// The arguments of MIGRATE.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name or address of the target.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database on the target.
    pub db: i64,
    /// How long a step may take without progress, in milliseconds.
    pub timeout_ms: u64,
    /// COPY: the keys are not deleted here.
    pub copy: bool,
    /// REPLACE: existing keys of the target are replaced.
    pub replace: bool,
    /// The arguments of AUTH; without any it is not sent.
    pub auth: Vec<Vec<u8>>,
    /// The keys to send.
    pub keys: Vec<Box<[u8]>>,
}

/// The step in which a transfer failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Connecting failed.
    Connect,
    /// Sending failed.
    Write,
    /// Not all replies arrived.
    Read,
}

/// Replies of the target so far.
#[derive(Default)]
pub struct Answers {
    decoder: Decoder,
    /// Outstanding replies to AUTH and SELECT.
    prelude: usize,
    keys: usize,
    /// AUTH or SELECT was refused: keys may have been restored, but in the wrong database.
    astray: bool,
    /// The first error reply.
    pub refusal: Option<Vec<u8>>,
    /// For each answered key, in order, whether the target has it now.
    pub restored: Vec<bool>,
}

impl Answers {
    /// Expects replies to `prelude` commands before those of the keys.
    pub fn to(prelude: usize, keys: usize) -> Self {
        Answers {
            prelude,
            keys,
            ..Answers::default()
        }
    }

    /// Whether all replies have arrived.
    pub fn is_complete(&self) -> bool {
        self.restored.len() == self.keys
    }

    /// Takes bytes; false when they are not valid replies.
    pub fn feed(&mut self, bytes: &[u8]) -> bool {
        self.decoder.feed(bytes);
        while !self.is_complete() {
            match self.decoder.next_value() {
                Ok(Some(answer)) => self.take(answer),
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
        // More replies than commands: it is unknown what they answer.
        self.decoder.pending() == 0
    }

    fn take(&mut self, answer: Value) {
        let refusal = match answer {
            Value::Error(text) => Some(text),
            _ => None,
        };
        if self.prelude > 0 {
            self.prelude -= 1;
            self.astray |= refusal.is_some();
        } else {
            self.restored.push(refusal.is_none() && !self.astray);
        }
        if self.refusal.is_none() {
            self.refusal = refusal;
        }
    }
}

/// The progress of a transfer.
pub enum Phase {
    /// The target's name is being resolved, or a connection is under way.
    Connecting(Dialer),
    /// Keys are sent and replies are read.
    Exchange,
}

/// Keys in flight to one server.
pub struct KeyTransfer {
    /// Its number, ever increasing.
    pub id: u64,
    /// Ends it when it makes no progress.
    pub timer: TimerId,
    /// The client that is blocked on it; it may have been closed.
    pub client: ClientId,
    /// The source database.
    pub db: usize,
    /// The arguments.
    pub order: Order,
    /// The keys in flight, and whether each has changed since it was sent.
    pub spoiled: HashMap<Box<[u8]>, bool>,
    /// Its progress.
    pub phase: Phase,
    /// Its link.
    pub conn: Option<ConnId>,
    /// It may start again, once, when the link breaks: a cached link may have been closed long ago.
    pub may_retry: bool,
    /// The bytes to send.
    pub outbox: Vec<u8>,
    /// How many of them were sent.
    pub sent: usize,
    /// The replies.
    pub answers: Answers,
    /// When it last made progress, in milliseconds of Unix time.
    pub progress_ms: i64,
    /// The outcome: all replies have arrived, or a step failed.
    pub outcome: Option<Result<(), Failure>>,
}

/// A link that is cached for the next MIGRATE to the same target.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// The connection.
    pub conn: ConnId,
    /// The database selected on the target, if known.
    pub db: Option<i64>,
    /// When it was last used, Unix seconds.
    pub used_s: i64,
}

/// All transfers and cached links.
#[derive(Default)]
pub struct Migration {
    /// Transfers under way, oldest first.
    pub transfers: Vec<KeyTransfer>,
    /// Links by host and port of the target.
    pub links: HashMap<(String, u16), Kept>,
    next_id: u64,
}

impl Migration {
    /// A number for a transfer.
    pub fn number(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    /// Whether no key is in flight.
    #[inline]
    pub fn is_idle(&self) -> bool {
        self.transfers.is_empty()
    }

    /// Whether a key is in flight from this database, or from any.
    pub fn carries(&self, db: Option<usize>, key: &[u8]) -> bool {
        let from = |transfer: &&KeyTransfer| db.is_none_or(|db| db == transfer.db);
        let mut transfers = self.transfers.iter().filter(from);
        transfers.any(|transfer| transfer.spoiled.contains_key(key))
    }

    /// Marks a changed key as spoiled if it is in flight.
    #[cold]
    pub fn spoil(&mut self, db: usize, key: &[u8]) {
        for transfer in self.transfers.iter_mut().filter(|each| each.db == db) {
            if let Some(spoiled) = transfer.spoiled.get_mut(key) {
                *spoiled = true;
                transfer.end(Err(Failure::Read));
            }
        }
    }

    /// Marks the keys of a database, or all keys, as spoiled.
    #[cold]
    pub fn spoil_all(&mut self, db: Option<usize>) {
        for transfer in &mut self.transfers {
            if db.is_none_or(|db| db == transfer.db) {
                transfer.spoiled.values_mut().for_each(|each| *each = true);
                transfer.end(Err(Failure::Read));
            }
        }
    }

    /// The transfer of this number.
    pub fn get(&mut self, id: u64) -> Option<&mut KeyTransfer> {
        self.transfers.iter_mut().find(|each| each.id == id)
    }

    /// The transfer that uses this connection.
    pub fn by_conn(&mut self, conn: ConnId) -> Option<&mut KeyTransfer> {
        let is_its = |each: &&mut KeyTransfer| each.conn == Some(conn);
        self.transfers.iter_mut().find(is_its)
    }

    /// Takes a transfer that has come to its end.
    pub fn take_ended(&mut self) -> Option<KeyTransfer> {
        let at = self.transfers.iter().position(|t| t.outcome.is_some())?;
        Some(self.transfers.remove(at))
    }
}

impl KeyTransfer {
    /// Records its outcome. The first failure counts, also one after a success that was not handled yet: a key has changed.
    pub fn end(&mut self, outcome: Result<(), Failure>) {
        if !matches!(self.outcome, Some(Err(_))) {
            self.outcome = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Answers;

    #[test]
    fn answers_are_counted_and_weighed() {
        /// Test: replies before those of the keys, replies, which keys are there, the error, and whether that is all.
        type Row = (
            usize,
            &'static [u8],
            &'static [bool],
            Option<&'static [u8]>,
            bool,
        );
        let table: [Row; 5] = [
            (0, b"+OK\r\n+OK\r\n", &[true, true], None, true),
            (
                1,
                b"+OK\r\n-BUSYKEY x\r\n+OK\r\n",
                &[false, true],
                Some(b"BUSYKEY x"),
                true,
            ),
            (
                1,
                b"-ERR db\r\n+OK\r\n-NO\r\n",
                &[false, false],
                Some(b"ERR db"),
                true,
            ),
            (2, b"+OK\r\n+OK\r\n+O", &[], None, true),
            (0, b"+OK\r\n+OK\r\n+", &[true, true], None, false),
        ];
        for (prelude, bytes, restored, refusal, sane) in table {
            let mut answers = Answers::to(prelude, 2);
            let (last, all) = bytes.split_last().expect("not empty");
            let so_far = answers.feed(all);
            assert_eq!(so_far && answers.feed(&[*last]), sane);
            assert_eq!(answers.restored, restored);
            assert_eq!(answers.refusal.as_deref(), refusal);
        }
    }
}
