//! Clients that wait: for keys, for replicas, for a pause or a transfer of keys to end; until a deadline.
//!
//! ```text
//! running ── a command finds nothing ──> parked ── its key is ready ──> executed again ──> running, or parked anew
//!                                          │
//!                                          └── deadline, CLIENT UNBLOCK, gone ──> running, or closed
//! ```
//!
//! A waiter has a ticket. Tickets rise, so the clients of one key stand in the order in which they came; who is parked
//! anew gets a new one.
//!
//! # Invariants
//! 1. A parked client is in the queue of each of its keys, and in `deadlines` if it has one; nobody else is.
//! 2. `ready` holds a key at most once.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use data::value::Type;
use table::CmdId;

use crate::state::client_id::ClientId;
use crate::wire::request::Argv;

/// What a command asks for that finds nothing: to be executed again when one of its keys is ready.
#[derive(Clone, Debug)]
pub struct KeyWait {
    /// The type that a key must have to be of use.
    pub ty: Type,
    /// The keys, in the selected database.
    pub keys: Vec<Box<[u8]>>,
    /// When to give up, in milliseconds of Unix time; `None` waits for ever.
    pub deadline_ms: Option<i64>,
    /// Also executed again when a key vanishes or changes its type (XREADGROUP).
    pub on_nokey: bool,
}

/// What WAIT asks for: so many replicas that have acknowledged the stream up to an offset.
#[derive(Clone, Copy, Debug)]
pub struct ReplicaWait {
    /// Bytes of the stream.
    pub offset: u64,
    /// Replicas.
    pub count: i64,
    /// When to give up, in milliseconds of Unix time; `None` waits for ever.
    pub deadline_ms: Option<i64>,
}

/// What a command waits for.
#[derive(Clone, Debug)]
pub enum Wait {
    /// A key that is ready.
    Keys(KeyWait),
    /// Replicas that have come as far as the client.
    Replicas(ReplicaWait),
    /// The end of a pause.
    Pause,
    /// The end of the server.
    Shutdown,
    /// The outcome of the MIGRATE that it is.
    Migration,
    /// The outcome of somebody else's MIGRATE: a key of its own is in flight.
    Outcome,
}

impl Wait {
    /// When to give up, in milliseconds of Unix time.
    pub fn deadline_ms(&self) -> Option<i64> {
        match self {
            Wait::Keys(wait) => wait.deadline_ms,
            Wait::Replicas(wait) => wait.deadline_ms,
            Wait::Pause | Wait::Shutdown | Wait::Migration | Wait::Outcome => None,
        }
    }

    /// The keys it is about.
    fn keys(&self) -> &[Box<[u8]>] {
        match self {
            Wait::Keys(wait) => &wait.keys,
            _ => &[],
        }
    }
}

/// A command that waits.
#[derive(Debug)]
pub struct Parked {
    /// The command.
    pub cmd: CmdId,
    /// Its arguments, on memory of their own.
    pub argv: Argv,
    /// The database that was selected.
    pub db: usize,
    /// What it waits for.
    pub wait: Wait,
    /// Time that its executions have taken so far, in nanoseconds.
    pub spent_ns: u64,
    ticket: u64,
}

/// Who waits for one key, by ticket.
type Queue = BTreeMap<u64, Waiter>;

#[derive(Clone, Copy, Debug)]
struct Waiter {
    id: ClientId,
    /// As in its [`KeyWait`].
    on_nokey: bool,
}

/// Everybody who waits.
#[derive(Default)]
pub struct Blocked {
    /// By database, then by key.
    queues: HashMap<usize, HashMap<Box<[u8]>, Queue>>,
    deadlines: BTreeSet<(i64, u64, ClientId)>,
    ready: VecDeque<(usize, Box<[u8]>)>,
    next_ticket: u64,
    /// Clients that wait for replicas.
    pub for_replicas: Vec<ClientId>,
    /// Clients that wait for the end of a pause, first come first.
    pub for_pause: Vec<ClientId>,
    /// Clients that wait for a key in flight, first come first.
    pub for_outcome: Vec<ClientId>,
    /// Clients that wait for the end of the server.
    pub for_shutdown: Vec<ClientId>,
    /// Clients whose wait is over and whose further input is to be looked at.
    pub resumed: Vec<ClientId>,
    /// Ready keys are being served: who does so serves those that come up meanwhile, too.
    pub serving: bool,
    /// Parked clients.
    pub count: usize,
}

impl Blocked {
    /// Whether nobody waits for a key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Keys that somebody waits for.
    pub fn keys_len(&self) -> usize {
        self.queues.values().map(HashMap::len).sum()
    }

    /// Of these, the keys that somebody also wants to know of when they vanish.
    pub fn keys_on_nokey_len(&self) -> usize {
        let queues = self.queues.values().flat_map(HashMap::values);
        queues
            .filter(|queue| queue.values().any(|waiter| waiter.on_nokey))
            .count()
    }

    /// Clients that have a deadline.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }

    /// Lets a client wait; the record goes into [`crate::state::client::Client::parked`].
    pub fn park(
        &mut self,
        id: ClientId,
        cmd: CmdId,
        argv: Argv,
        db: usize,
        wait: Wait,
        spent_ns: u64,
    ) -> Box<Parked> {
        self.next_ticket += 1;
        let ticket = self.next_ticket;
        match &wait {
            Wait::Keys(wait) => {
                let queues = self.queues.entry(db).or_default();
                for key in &wait.keys {
                    let on_nokey = wait.on_nokey;
                    let queue = queues.entry(key.clone()).or_default();
                    queue.insert(ticket, Waiter { id, on_nokey });
                }
            }
            Wait::Replicas(_) => self.for_replicas.push(id),
            Wait::Pause => self.for_pause.push(id),
            Wait::Shutdown => self.for_shutdown.push(id),
            // Its transfer knows it.
            Wait::Migration => {}
            Wait::Outcome => self.for_outcome.push(id),
        }
        if let Some(at_ms) = wait.deadline_ms() {
            self.deadlines.insert((at_ms, ticket, id));
        }
        self.count += 1;
        Box::new(Parked {
            cmd,
            argv,
            db,
            wait,
            spent_ns,
            ticket,
        })
    }

    /// Ends a wait.
    pub fn unpark(&mut self, id: ClientId, parked: &Parked) {
        if let Some(queues) = self.queues.get_mut(&parked.db) {
            for key in parked.wait.keys() {
                if let Some(queue) = queues.get_mut(key) {
                    queue.remove(&parked.ticket);
                    if queue.is_empty() {
                        queues.remove(key);
                    }
                }
            }
            if queues.is_empty() {
                self.queues.remove(&parked.db);
            }
        }
        match parked.wait {
            Wait::Keys(_) | Wait::Migration => {}
            Wait::Outcome => self.for_outcome.retain(|&other| other != id),
            Wait::Shutdown => self.for_shutdown.retain(|&other| other != id),
            Wait::Replicas(_) => self.for_replicas.retain(|&other| other != id),
            Wait::Pause => self.for_pause.retain(|&other| other != id),
        }
        if let Some(at_ms) = parked.wait.deadline_ms() {
            self.deadlines.remove(&(at_ms, parked.ticket, id));
        }
        self.count -= 1;
    }

    /// A key has changed: whoever waits for it is served when the command under way is done.
    pub fn mark_ready(&mut self, db: usize, key: &[u8]) {
        let waited_for = self
            .queues
            .get(&db)
            .is_some_and(|queues| queues.contains_key(key));
        // Few keys are ready at a time: one command's.
        if waited_for
            && !self
                .ready
                .iter()
                .any(|(at, known)| *at == db && **known == *key)
        {
            self.ready.push_back((db, key.into()));
        }
    }

    /// Every key of a database may have changed.
    pub fn mark_all_ready(&mut self, db: usize) {
        let keys: Vec<_> = match self.queues.get(&db) {
            Some(queues) => queues.keys().cloned().collect(),
            None => return,
        };
        for key in keys {
            self.mark_ready(db, &key);
        }
    }

    /// Whether a key is ready.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes the key that was ready first.
    pub fn take_ready(&mut self) -> Option<(usize, Box<[u8]>)> {
        self.ready.pop_front()
    }

    /// Who waits for a key, first come first.
    pub fn waiters(&self, db: usize, key: &[u8]) -> Vec<ClientId> {
        let queue = self.queues.get(&db).and_then(|queues| queues.get(key));
        queue.map_or_else(Vec::new, |queue| {
            queue.values().map(|waiter| waiter.id).collect()
        })
    }

    /// The earliest deadline, in milliseconds of Unix time.
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|&(at_ms, _, _)| at_ms)
    }

    /// A client whose deadline has passed.
    pub fn overdue(&self, now_ms: i64) -> Option<ClientId> {
        self.deadlines
            .first()
            .filter(|&&(at_ms, _, _)| at_ms <= now_ms)
            .map(|&(_, _, id)| id)
    }
}
