//! A client that is a replica of this server.
//!
//! ```text
//! (client) ── PSYNC ──> Waiting ── a child saves ──> Saving ── sent ──> Online
//!     │                              └── disk: file is there ──> Sending ──┘
//!     └── PSYNC, and the backlog has what it misses ────────────────────────┘
//! ```

use std::fs::File;

/// How far a replica is.
#[derive(Debug, Default)]
pub enum ReplicaStage {
    /// It has told about itself, and is a client like others yet.
    #[default]
    None,
    /// It waits for a snapshot to begin.
    Waiting,
    /// A snapshot for it is being made. With a diskless one it is being sent, too.
    Saving,
    /// A snapshot file is being sent to it.
    Sending(Sending),
    /// It has the data set, and is sent the stream.
    Online,
    /// It wanted a snapshot only, has it, and will go.
    Served,
}

/// A file on its way to a replica.
#[derive(Debug)]
pub struct Sending {
    /// The snapshot.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that were read from it.
    pub read: u64,
    /// What was read last, and how much of that is sent.
    pub piece: Vec<u8>,
    /// Bytes of `piece` that are sent.
    pub sent: usize,
}

/// What is known about a replica.
#[derive(Debug, Default)]
pub struct Replica {
    /// How far it is.
    pub stage: ReplicaStage,
    /// Port that it listens on.
    pub port: i64,
    /// Address that it announces, if another than the one it connects from.
    pub ip: String,
    /// It finds the end of a transfer whose size it was not told.
    pub can_eof: bool,
    /// It understands `+CONTINUE` with an id.
    pub can_psync2: bool,
    /// It is no replica but a tool that wants a snapshot.
    pub rdb_only: bool,
    /// Parts of the snapshot that it does not want.
    pub without: SnapshotFilter,
    /// The stream up to this position is sent to it.
    pub position: u64,
    /// The offset that it was promised with `+FULLRESYNC`.
    pub initial_offset: u64,
    /// It has said itself how far it is, in bytes of the stream.
    pub ack_offset: u64,
    /// When it last said something, Unix seconds.
    pub ack_at: i64,
    /// The offset up to which its own snapshot has been written to its disk (`REPLCONF ACK … FACK`).
    pub fack_offset: u64,
    /// It gets the stream once it has said that the snapshot is loaded.
    pub online_on_ack: bool,
    /// The number of the diskless transfer that it is sent; 0 for none.
    pub transfer: u64,
    /// Position in a diskless transfer up to which it was sent.
    pub ring_position: u64,
    /// Since when its socket takes nothing of a diskless transfer, Unix seconds; 0 while it does.
    pub stalled_since: i64,
    /// When it asked for a snapshot, Unix seconds.
    pub asked_at: i64,
    /// It used SYNC, so it does not acknowledge.
    pub is_old: bool,
}

/// Parts of a snapshot that are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotFilter {
    /// Keys.
    pub data: bool,
    /// Libraries.
    pub functions: bool,
}

impl Replica {
    /// Whether it is a replica, or on its way to be one.
    pub fn is_one(&self) -> bool {
        !matches!(self.stage, ReplicaStage::None)
    }

    /// Whether the stream is being kept for it.
    pub fn needs_stream(&self) -> bool {
        let has_begun = matches!(
            self.stage,
            ReplicaStage::Saving | ReplicaStage::Sending(_) | ReplicaStage::Online
        );
        has_begun && !self.rdb_only
    }

    /// Bytes of the stream that it was not sent yet; `offset` is how far the stream has come.
    pub fn behind(&self, offset: u64) -> u64 {
        if self.needs_stream() {
            offset.saturating_sub(self.position)
        } else {
            0
        }
    }

    /// Its state as INFO names it; nothing when it is of no interest.
    pub fn state_name(&self) -> &'static str {
        match self.stage {
            ReplicaStage::Waiting | ReplicaStage::Saving => "wait_bgsave",
            ReplicaStage::Sending(_) => "send_bulk",
            ReplicaStage::Online => "online",
            ReplicaStage::None | ReplicaStage::Served => "",
        }
    }
}
