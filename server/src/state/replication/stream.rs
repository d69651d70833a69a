//! The stream of writes: its id, its offset, and the part that is kept.
//!
//! ```text
//! positions   kept from .. offset .. end
//!                          │         └─ a replica has read this much from its primary
//!                          └─ executed: what replicas of ours may be sent
//! ```
//!
//! On a primary every byte is executed when it is appended, so `offset` and `end` are equal.
//!
//! # Invariants
//! 1. With a backlog, `blocks` covers at least the last `histlen` bytes before `offset`.
//! 2. Without a backlog nothing is kept, and `blocks` ends at `offset`.

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

/// State of replication.
pub struct Replication {
    /// The replication id of this server's history.
    pub id: ReplId,
    /// The id before the latest change of role.
    pub id2: ReplId,
    /// The first offset at which `id` and `id2` may differ; -1 if there is no second id.
    pub second_offset: i64,
    /// Bytes of the stream that were executed: `master_repl_offset`.
    pub offset: u64,
    /// The part of the stream that is kept.
    pub blocks: Blocks,
    /// The backlog, once there is one.
    pub backlog: Option<Backlog>,
    /// The database selected in the stream; `None` makes the next write select one.
    pub selected: Option<usize>,
    /// Something was appended since replicas were last queued for sending.
    pub unsent: bool,
    /// Clients that are replicas.
    pub replicas: Vec<ClientId>,
    /// Since when there have been no replicas, Unix seconds.
    pub alone_since: i64,
    /// Replicas are to be asked for acknowledgements.
    pub wants_acks: bool,
    /// Seconds counted by cron, for the PING period.
    pub seconds: u64,
    /// The failover in progress.
    pub failover: Option<Failover>,
    /// Diskless transfers in progress; only the last one may still be written.
    pub transfers: Vec<DisklessTransfer>,
    /// The number of the next transfer.
    pub next_transfer: u64,
    /// The link to the primary, if this server is a replica.
    pub link: Option<Box<Link>>,
}

/// The backlog: the part of the stream kept for partial resynchronization.
pub struct Backlog {
    /// Position of its first byte.
    pub start: u64,
}

impl Replication {
    /// The state at start, with a new id.
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

    /// Whether writes of this server go into the stream.
    #[inline]
    pub fn is_fed(&self) -> bool {
        self.backlog.is_some() && self.link.is_none()
    }

    /// Replicas that have acknowledged within `max_lag` seconds.
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

    /// The transfer with this number.
    pub fn transfer(&self, number: u64) -> Option<&DisklessTransfer> {
        self.transfers
            .iter()
            .find(|transfer| transfer.number == number)
    }

    /// Appends bytes to the stream; `size` is `repl-backlog-size`, in bytes. Returns whether a block was added.
    pub fn keep(&mut self, bytes: &[u8], size: u64) -> bool {
        self.blocks
            .append(bytes, (size / BLOCKS_PER_BACKLOG) as usize)
    }

    /// Creates an empty backlog at the current offset.
    pub fn create_backlog(&mut self) {
        if self.backlog.is_none() {
            self.blocks = Blocks::at(self.offset);
            self.backlog = Some(Backlog { start: self.offset });
        }
    }

    /// Drops the backlog.
    pub fn drop_backlog(&mut self) {
        self.backlog = None;
        self.blocks = Blocks::at(self.offset);
        self.selected = None;
    }

    /// Bytes in the backlog: `repl_backlog_histlen`.
    pub fn histlen(&self) -> u64 {
        self.backlog
            .as_ref()
            .map_or(0, |backlog| self.offset - backlog.start)
    }

    /// Starts a new history with an empty second id.
    pub fn new_history(&mut self, id: ReplId) {
        self.id = id;
        self.id2 = ReplId::NONE;
        self.second_offset = -1;
    }

    /// Changes the id on promotion. Up to the current offset both histories are equal, so other replicas of the old
    /// primary can continue with this server.
    pub fn fork_history(&mut self, id: ReplId) {
        self.id2 = self.id;
        self.second_offset = self.offset as i64 + 1;
        self.id = id;
    }

    /// Takes over id and offset of a primary after a full synchronization.
    pub fn adopt(&mut self, id: ReplId, offset: u64) {
        self.id = id;
        self.offset = offset;
        self.id2 = ReplId::NONE;
        self.second_offset = -1;
        self.backlog = None;
        self.create_backlog();
    }

    /// Advances the offset by `n` executed bytes on a replica.
    pub fn executed(&mut self, n: u64) {
        self.offset += n;
        debug_assert!(
            self.offset <= self.blocks.end(),
            "executed before it was read"
        );
    }

    /// Counts `n` requests that nobody follows, since there is no backlog: WAITAOF needs an offset that grows.
    pub fn count_unkept(&mut self, n: u64) {
        if self.backlog.is_none() && self.link.is_none() {
            self.offset += n;
            self.blocks.skip_to(self.offset);
        }
    }

    /// Drops what was read from the primary and not executed.
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
