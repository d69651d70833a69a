//! The stream of writes: its history's name, how far it has come, and what of it is kept.
//!
//! ```text
//! positions   kept from .. offset .. end
//!                          │         └─ a replica has read this much from its primary
//!                          └─ executed: what replicas of ours may be sent
//! ```
//!
//! On a primary every byte is executed when it is written, so `offset` and `end` are the same.
//!
//! # Invariants
//! 1. With a backlog, `blocks` covers at least the last `histlen` bytes before `offset`.
//! 2. Without one nothing is kept, and `blocks` ends at `offset`.

use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::replication::blocks::Blocks;
use crate::state::replication::failover::Failover;
use crate::state::replication::id::ReplId;
use crate::state::replication::link::Link;
use crate::state::replication::replica::ReplicaStage;
use crate::state::replication::transfer::DisklessTransfer;

/// A block of the stream is at most this share of the backlog.
const BLOCKS_PER_BACKLOG: u64 = 16;

/// Everything about replication.
pub struct Replication {
    /// The history that this server's data has.
    pub id: ReplId,
    /// The history that it had before its role changed.
    pub id2: ReplId,
    /// The first offset at which histories `id` and `id2` differ; -1 when there is no other.
    pub second_offset: i64,
    /// Bytes of the stream that are executed: `master_repl_offset`.
    pub offset: u64,
    /// The stream, as far as it is kept.
    pub blocks: Blocks,
    /// The past is kept for replicas that come back.
    pub backlog: Option<Backlog>,
    /// The database that the stream has selected; `None` makes the next write select one.
    pub selected: Option<usize>,
    /// Something was appended since replicas were last sent what there is.
    pub unsent: bool,
    /// Clients that are replicas.
    pub replicas: Vec<ClientId>,
    /// Unix seconds since when there is none.
    pub alone_since: i64,
    /// Replicas are to be asked how far they are.
    pub wants_acks: bool,
    /// Seconds of the clockwork, for the signs of life.
    pub seconds: u64,
    /// The role is being handed to a replica.
    pub failover: Option<Failover>,
    /// Snapshots that are being sent to replicas straight from the child that makes them; only the last one may be open.
    pub transfers: Vec<DisklessTransfer>,
    /// The number of the next one.
    pub next_transfer: u64,
    /// This server is a replica, and this its way to its primary.
    pub link: Option<Box<Link>>,
}

/// The part of the stream that is kept for replicas that come back.
pub struct Backlog {
    /// Position of its first byte.
    pub start: u64,
}

impl Replication {
    /// Of a server that starts, with a history of its own.
    pub fn new(id: ReplId, now: i64) -> Self {
        Replication {
            id,
            id2: ReplId::NONE,
            second_offset: -1,
            offset: 0,
            blocks: Blocks::at(0),
            backlog: None,
            selected: None,
            unsent: false,
            replicas: Vec::new(),
            alone_since: now,
            wants_acks: false,
            seconds: 0,
            failover: None,
            transfers: Vec::new(),
            next_transfer: 1,
            link: None,
        }
    }

    /// Whether this server is a replica.
    #[inline]
    pub fn is_replica(&self) -> bool {
        self.link.is_some()
    }

    /// Whether writes of this server's own go into the stream.
    #[inline]
    pub fn is_fed(&self) -> bool {
        self.backlog.is_some() && self.link.is_none()
    }

    /// Replicas in good standing: heard in the last `max_lag` seconds.
    pub fn good_replicas(&self, clients: &Clients, now: i64, max_lag: i64) -> usize {
        let is_good = |id: &&ClientId| {
            let replica = clients.replica(**id);
            replica.is_some_and(|replica| {
                matches!(replica.stage, ReplicaStage::Online) && now - replica.ack_at <= max_lag
            })
        };
        self.replicas.iter().filter(is_good).count()
    }

    /// The transfer that a child is writing.
    pub fn open_transfer(&mut self) -> Option<&mut DisklessTransfer> {
        self.transfers
            .last_mut()
            .filter(|transfer| transfer.is_open())
    }

    /// The transfer of a number.
    pub fn transfer(&self, number: u64) -> Option<&DisklessTransfer> {
        self.transfers
            .iter()
            .find(|transfer| transfer.number == number)
    }

    /// Keeps bytes of the stream; `size` is `repl-backlog-size`, in bytes. Answers whether there are more blocks now.
    pub fn keep(&mut self, bytes: &[u8], size: u64) -> bool {
        self.blocks
            .append(bytes, (size / BLOCKS_PER_BACKLOG) as usize)
    }

    /// Begins to keep the past, from now on.
    pub fn create_backlog(&mut self) {
        if self.backlog.is_none() {
            self.blocks = Blocks::at(self.offset);
            self.backlog = Some(Backlog { start: self.offset });
        }
    }

    /// Forgets the past.
    pub fn drop_backlog(&mut self) {
        self.backlog = None;
        self.blocks = Blocks::at(self.offset);
        self.selected = None;
    }

    /// Bytes of the past that are kept: `repl_backlog_histlen`.
    pub fn histlen(&self) -> u64 {
        self.backlog
            .as_ref()
            .map_or(0, |backlog| self.offset - backlog.start)
    }

    /// Begins another history, as one does that may write on its own.
    pub fn new_history(&mut self, id: ReplId) {
        self.id = id;
        self.id2 = ReplId::NONE;
        self.second_offset = -1;
    }

    /// Goes on with another history than the primary that was followed until now: up to here they are the same, so its
    /// other replicas may go on with this server.
    pub fn fork_history(&mut self, id: ReplId) {
        self.id2 = self.id;
        self.second_offset = self.offset as i64 + 1;
        self.id = id;
    }

    /// Takes over history and offset of a primary, of which nothing is known but its data set.
    pub fn adopt(&mut self, id: ReplId, offset: u64) {
        self.id = id;
        self.offset = offset;
        self.id2 = ReplId::NONE;
        self.second_offset = -1;
        self.backlog = None;
        self.create_backlog();
    }

    /// A replica has executed `n` bytes more of what it has read.
    pub fn executed(&mut self, n: u64) {
        self.offset += n;
        debug_assert!(
            self.offset <= self.blocks.end(),
            "executed before it was read"
        );
    }

    /// A replica forgets what it has read and not executed: its link broke, or it is a primary now.
    pub fn forget_unexecuted(&mut self) {
        self.blocks.truncate(self.offset);
    }

    /// Drops what neither the backlog nor the slowest of `readers` needs; `size` is `repl-backlog-size`, in bytes.
    pub fn trim(&mut self, size: u64, slowest: Option<u64>) {
        let Some(backlog) = &mut self.backlog else {
            return;
        };
        let backlog_start = self.offset.saturating_sub(size);
        let needed = slowest.map_or(backlog_start, |at| at.min(backlog_start));
        while self.blocks.drop_first_before(needed) {}
        backlog.start = backlog.start.max(self.blocks.start());
    }
}
