//! Blocked clients: what each waits for, until when, and how its wait may end.
//!
//! ```text
//! running ── a command finds nothing ──> blocked ── a key is ready ──> executed again ──> running, or blocked anew
//!                                          │
//!                                          └── deadline, CLIENT UNBLOCK, change of role, gone ──> running, or closed
//! ```
//!
//! A blocked client has a ticket. Tickets rise, so the clients of one key stand in the order in which they blocked; one
//! that blocks again gets a new ticket.
//!
//! # Invariants
//! 1. A blocked client is in the queue of each of its keys, in `by_kind`, and in `deadlines` if it has one; nobody else is.
//! 2. No queue is empty. `keys_on_nokey` counts the queues with a client that is also served when the key vanishes.
//! 3. A key is in `ready` at most once per queue (`KeyQueue::is_ready`).
//!
//! Blocking, unblocking and marking a key ready cost the logarithm of the number of clients per key.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use data::value::Type;
use table::CmdId;

use crate::state::client_id::ClientId;
use crate::wire::argv::Argv;

/// A command that found nothing: to be executed again when one of its keys is ready.
#[derive(Clone, Debug)]
pub struct KeyBlock {
    /// The type that a key must have to be of use.
    pub ty: Type,
    /// The keys, in the selected database.
    pub keys: Vec<Box<[u8]>>,
    /// When to give up, in milliseconds of Unix time; `None` blocks until a key is ready.
    pub deadline_ms: Option<i64>,
    /// Also executed again when a key vanishes or changes its type (XREADGROUP).
    pub on_nokey: bool,
}

/// What WAIT and WAITAOF ask for: a number of replicas that have acknowledged the stream up to an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaBlock {
    /// Bytes of the stream.
    pub offset: u64,
    /// Replicas.
    pub count: i64,
    /// For WAITAOF, whether this server counts as well. Then acknowledged means that the stream is on the disk.
    pub local: Option<bool>,
    /// When to give up, in milliseconds of Unix time; `None` blocks until they have.
    pub deadline_ms: Option<i64>,
}

/// What a client is blocked on.
#[derive(Clone, Debug)]
pub enum Block {
    /// A key that is ready.
    Keys(KeyBlock),
    /// Acknowledgements of replicas, or of this server's own disk.
    Replicas(ReplicaBlock),
    /// The end of a pause.
    Pause,
    /// SHUTDOWN: the end of the server.
    Shutdown,
    /// The outcome of its own MIGRATE.
    Migration,
    /// The outcome of another client's MIGRATE: a key that it names is in flight.
    KeyInFlight,
}

/// The kinds of blocks, without what they hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockKind {
    /// See [`Block::Keys`].
    Keys,
    /// See [`Block::Replicas`].
    Replicas,
    /// See [`Block::Pause`].
    Pause,
    /// See [`Block::Shutdown`].
    Shutdown,
    /// See [`Block::Migration`].
    Migration,
    /// See [`Block::KeyInFlight`].
    KeyInFlight,
}

/// What a command answers when its block ends without it being executed again and without an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnCancel {
    /// A null array.
    NullArray,
    /// The number of replicas that have acknowledged.
    Acknowledged(ReplicaBlock),
    /// OK.
    Ok,
}

/// How the block of one kind may end.
#[derive(Clone, Copy, Debug)]
pub struct BlockRule {
    /// The command was executed before it blocked; otherwise it was held back in front of the gate.
    pub was_executed: bool,
    /// It goes on when this server becomes a replica.
    pub survives_role_change: bool,
    /// CLIENT UNBLOCK ends it.
    pub may_be_unblocked: bool,
}

impl BlockKind {
    /// Every kind, in the order of their numbers.
    const ALL: [BlockKind; 6] = [
        BlockKind::Keys,
        BlockKind::Replicas,
        BlockKind::Pause,
        BlockKind::Shutdown,
        BlockKind::Migration,
        BlockKind::KeyInFlight,
    ];

    /// The rule of this kind.
    pub fn rule(self) -> BlockRule {
        let held_back = BlockRule {
            was_executed: false,
            survives_role_change: true,
            may_be_unblocked: false,
        };
        match self {
            BlockKind::Keys | BlockKind::Replicas => BlockRule {
                was_executed: true,
                survives_role_change: false,
                may_be_unblocked: true,
            },
            BlockKind::Shutdown | BlockKind::Migration => BlockRule {
                was_executed: true,
                survives_role_change: false,
                ..held_back
            },
            BlockKind::Pause | BlockKind::KeyInFlight => held_back,
        }
    }
}

impl Block {
    /// Its kind.
    pub fn kind(&self) -> BlockKind {
        match self {
            Block::Keys(_) => BlockKind::Keys,
            Block::Replicas(_) => BlockKind::Replicas,
            Block::Pause => BlockKind::Pause,
            Block::Shutdown => BlockKind::Shutdown,
            Block::Migration => BlockKind::Migration,
            Block::KeyInFlight => BlockKind::KeyInFlight,
        }
    }

    /// What the command answers when its block is cancelled: by its deadline, or by CLIENT UNBLOCK.
    pub fn on_cancel(&self) -> OnCancel {
        match self {
            Block::Keys(_) => OnCancel::NullArray,
            Block::Replicas(block) => OnCancel::Acknowledged(*block),
            Block::Pause | Block::Shutdown | Block::Migration | Block::KeyInFlight => OnCancel::Ok,
        }
    }

    /// When to give up, in milliseconds of Unix time.
    pub fn deadline_ms(&self) -> Option<i64> {
        match self {
            Block::Keys(block) => block.deadline_ms,
            Block::Replicas(block) => block.deadline_ms,
            _ => None,
        }
    }
}

/// A command that is blocked.
#[derive(Debug)]
pub struct BlockedCommand {
    /// The command.
    pub cmd: CmdId,
    /// Its arguments, on memory of their own.
    pub argv: Argv,
    /// The database that was selected.
    pub db: usize,
    /// What it is blocked on.
    pub block: Block,
    /// Time that its executions have taken so far, in nanoseconds.
    pub spent_ns: u64,
    /// `Keys::version` when it was last executed: as long as that stays, executing it again finds nothing again.
    pub seen_version: u64,
    ticket: u64,
}

/// The clients blocked on one key, by ticket.
#[derive(Default)]
struct KeyQueue {
    waiters: BTreeMap<u64, Waiter>,
    /// How many of them have the same needs.
    needs: Vec<(Need, usize)>,
    is_ready: bool,
}

impl KeyQueue {
    /// Whether a key that holds a value of this type, or that is gone, may serve a client.
    fn is_served_by(&self, found: Option<Type>) -> bool {
        let mut needs = self.needs.iter();
        needs.any(|(need, _)| need.on_nokey || found == Some(need.ty))
    }

    /// Whether a client in it is also served when the key vanishes.
    fn has_nokey(&self) -> bool {
        self.needs.iter().any(|(need, _)| need.on_nokey)
    }

    fn count(&mut self, need: Need) {
        match self.needs.iter_mut().find(|(known, _)| *known == need) {
            Some((_, count)) => *count += 1,
            None => self.needs.push((need, 1)),
        }
    }

    fn discount(&mut self, need: Need) {
        if let Some((_, count)) = self.needs.iter_mut().find(|(known, _)| *known == need) {
            *count -= 1;
        }
        self.needs.retain(|&(_, count)| count > 0);
    }
}

/// What serves a client that is blocked on a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The type that the key must have, as in its [`KeyBlock`].
    pub ty: Type,
    /// Also served when the key vanishes or changes its type.
    pub on_nokey: bool,
}

/// A client in the queue of a key.
#[derive(Clone, Copy, Debug)]
pub struct Waiter {
    /// The client.
    pub id: ClientId,
    /// What serves it.
    pub need: Need,
    /// Its place in the queue.
    pub ticket: u64,
}

/// All blocked clients.
#[derive(Default)]
pub struct Blocked {
    /// By database, then by key.
    queues: HashMap<usize, HashMap<Box<[u8]>, KeyQueue>>,
    keys_on_nokey: usize,
    deadlines: BTreeSet<(i64, u64, ClientId)>,
    ready: VecDeque<(usize, Box<[u8]>)>,
    by_kind: [BTreeMap<u64, ClientId>; BlockKind::ALL.len()],
    last_ticket: u64,
    /// Clients that were unblocked and whose further input is to be looked at.
    pub resumed: Vec<ClientId>,
    /// Ready keys are being served: whoever does so also serves those that become ready meanwhile.
    pub serving: bool,
}

impl Blocked {
    /// Whether no client is blocked on a key.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }

    /// Blocked clients.
    pub fn len(&self) -> usize {
        self.by_kind.iter().map(BTreeMap::len).sum()
    }

    /// The clients blocked on something of a kind, first come first.
    pub fn of_kind(&self, kind: BlockKind) -> Vec<ClientId> {
        self.by_kind[kind as usize].values().copied().collect()
    }

    /// Whether a client is blocked on something of a kind.
    pub fn has_kind(&self, kind: BlockKind) -> bool {
        !self.by_kind[kind as usize].is_empty()
    }

    /// All blocked clients that a change of this server's role unblocks.
    pub fn ended_by_role_change(&self) -> Vec<ClientId> {
        let ended = BlockKind::ALL
            .into_iter()
            .filter(|kind| !kind.rule().survives_role_change);
        ended.flat_map(|kind| self.of_kind(kind)).collect()
    }

    /// Keys that clients are blocked on.
    pub fn keys_len(&self) -> usize {
        self.queues.values().map(HashMap::len).sum()
    }

    /// Of these, the keys with a client that is also served when they vanish.
    pub fn keys_on_nokey_len(&self) -> usize {
        self.keys_on_nokey
    }

    /// Clients that have a deadline.
    pub fn deadlines_len(&self) -> usize {
        self.deadlines.len()
    }

    /// Blocks a client; the command goes into [`crate::state::client::Client::blocked`].
    pub fn block(&mut self, id: ClientId, mut command: BlockedCommand) -> Box<BlockedCommand> {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        command.ticket = ticket;
        if let Block::Keys(block) = &command.block {
            let queues = self.queues.entry(command.db).or_default();
            let need = Need {
                ty: block.ty,
                on_nokey: block.on_nokey,
            };
            let waiter = Waiter { id, need, ticket };
            for key in &block.keys {
                let queue = queues.entry(key.clone()).or_default();
                let is_first = queue.waiters.insert(ticket, waiter).is_none();
                // A command may name a key twice.
                if is_first {
                    let had_nokey = queue.has_nokey();
                    queue.count(need);
                    self.keys_on_nokey += usize::from(!had_nokey && need.on_nokey);
                }
            }
        }
        self.by_kind[command.block.kind() as usize].insert(ticket, id);
        if let Some(at_ms) = command.block.deadline_ms() {
            self.deadlines.insert((at_ms, ticket, id));
        }
        Box::new(command)
    }

    /// Unblocks a client.
    pub fn unblock(&mut self, id: ClientId, command: &BlockedCommand) {
        if let Block::Keys(block) = &command.block {
            self.leave_queues(command.db, &block.keys, command.ticket);
        }
        self.by_kind[command.block.kind() as usize].remove(&command.ticket);
        if let Some(at_ms) = command.block.deadline_ms() {
            self.deadlines.remove(&(at_ms, command.ticket, id));
        }
    }

    fn leave_queues(&mut self, db: usize, keys: &[Box<[u8]>], ticket: u64) {
        let Some(queues) = self.queues.get_mut(&db) else {
            return;
        };
        for key in keys {
            let Some(queue) = queues.get_mut(key) else {
                continue;
            };
            if let Some(waiter) = queue.waiters.remove(&ticket) {
                queue.discount(waiter.need);
                self.keys_on_nokey -= usize::from(waiter.need.on_nokey && !queue.has_nokey());
            }
            if queue.waiters.is_empty() {
                queues.remove(key);
            }
        }
        if queues.is_empty() {
            self.queues.remove(&db);
        }
    }

    /// Whether a client is blocked on a key that was not marked ready yet.
    pub fn is_awaited(&self, db: usize, key: &[u8]) -> bool {
        let queue = self.queues.get(&db).and_then(|queues| queues.get(key));
        queue.is_some_and(|queue| !queue.is_ready)
    }

    /// A key has changed and holds a value of the type `found`: the clients blocked on it are served when the command
    /// under way is done. A value that serves none of them costs nothing, however many they are.
    pub fn mark_ready(&mut self, db: usize, key: &[u8], found: Option<Type>) {
        let queues = self.queues.get_mut(&db);
        let queue = queues.and_then(|queues| queues.get_mut(key));
        if let Some(queue) = queue.filter(|queue| !queue.is_ready && queue.is_served_by(found)) {
            queue.is_ready = true;
            self.ready.push_back((db, key.into()));
        }
    }

    /// A database was replaced or emptied; `found` is the type that a key has now. As in [`Blocked::mark_ready`], a key that
    /// serves none of its clients costs nothing further.
    pub fn mark_all_ready(&mut self, db: usize, found: impl Fn(&[u8]) -> Option<Type>) {
        for (key, queue) in self.queues.get_mut(&db).into_iter().flatten() {
            if !queue.is_ready && queue.is_served_by(found(key)) {
                queue.is_ready = true;
                self.ready.push_back((db, key.clone()));
            }
        }
    }

    /// Whether a key is ready.
    #[inline]
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Takes the key that was ready first, and the ticket handed out last: who blocks from now on is not served with it.
    pub fn take_ready(&mut self) -> Option<(usize, Box<[u8]>, u64)> {
        let (db, key) = self.ready.pop_front()?;
        let queues = self.queues.get_mut(&db);
        if let Some(queue) = queues.and_then(|queues| queues.get_mut(&key)) {
            queue.is_ready = false;
        }
        Some((db, key, self.last_ticket))
    }

    /// The next client blocked on a key whose ticket is above `after` and at most `last`.
    pub fn next_waiter(&self, db: usize, key: &[u8], after: u64, last: u64) -> Option<Waiter> {
        let queue = self.queues.get(&db)?.get(key)?;
        if after >= last {
            return None;
        }
        let mut later = queue.waiters.range(after + 1..=last);
        later.next().map(|(_, waiter)| *waiter)
    }

    /// Whether a client is blocked on a key that is also served when the key vanishes.
    pub fn is_awaited_on_nokey(&self, db: usize, key: &[u8]) -> bool {
        let queue = self.queues.get(&db).and_then(|queues| queues.get(key));
        queue.is_some_and(KeyQueue::has_nokey)
    }

    /// The earliest deadline, in milliseconds of Unix time.
    #[inline]
    pub fn next_deadline(&self) -> Option<i64> {
        self.deadlines.first().map(|&(at_ms, _, _)| at_ms)
    }

    /// A client whose deadline has passed.
    pub fn overdue(&self, now_ms: i64) -> Option<ClientId> {
        let first = self.deadlines.first();
        first
            .filter(|&&(at_ms, _, _)| at_ms <= now_ms)
            .map(|&(_, _, id)| id)
    }
}

impl BlockedCommand {
    /// A command that is to be blocked.
    pub fn new(cmd: CmdId, argv: Argv, db: usize, block: Block) -> Self {
        BlockedCommand {
            cmd,
            argv,
            db,
            block,
            spent_ns: 0,
            seen_version: 0,
            ticket: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use data::value::Type;

    use super::{Block, Blocked, BlockedCommand, KeyBlock};
    use crate::state::client_id::ClientId;
    use crate::wire::argv::Argv;

    fn command(ty: Type, on_nokey: bool) -> BlockedCommand {
        let block = KeyBlock {
            ty,
            keys: vec![(*b"k").into(), (*b"k").into()],
            deadline_ms: None,
            on_nokey,
        };
        let argv = Argv::of([b"BLPOP".as_slice()]);
        let cmd = table::id(&table::list::BLPOP);
        BlockedCommand::new(cmd, argv, 0, Block::Keys(block))
    }

    #[test]
    fn only_a_value_that_serves_someone_makes_a_key_ready() {
        let (list, stream) = (command(Type::List, false), command(Type::Stream, true));
        let cases: [(&[&BlockedCommand], Option<Type>, bool); 8] = [
            (&[], Some(Type::List), false),
            (&[&list], Some(Type::List), true),
            (&[&list], Some(Type::String), false),
            (&[&list], Some(Type::Zset), false),
            (&[&list], None, false),
            (&[&stream], None, true),
            (&[&stream, &list], Some(Type::String), true),
            (&[&list, &list], Some(Type::List), true),
        ];
        for (waiting, found, expected) in cases {
            let mut blocked = Blocked::default();
            let waiting: Vec<_> = (1..)
                .zip(waiting)
                .map(|(word, &command)| {
                    let id = ClientId::from_word(word);
                    let again = command_of(command);
                    (id, blocked.block(id, again))
                })
                .collect();
            blocked.mark_ready(0, b"k", found);
            assert_eq!(blocked.has_ready(), expected, "{waiting:?} {found:?}");
            let one_by_one = blocked.take_ready();
            blocked.mark_all_ready(0, |_| found);
            assert_eq!(blocked.take_ready(), one_by_one, "{waiting:?} {found:?}");
            for (id, command) in waiting {
                blocked.unblock(id, &command);
            }
            assert!(blocked.is_empty());
            assert_eq!(blocked.keys_on_nokey_len(), 0);
        }
    }

    fn command_of(other: &BlockedCommand) -> BlockedCommand {
        BlockedCommand::new(
            other.cmd,
            other.argv.detached(),
            other.db,
            other.block.clone(),
        )
    }
}
