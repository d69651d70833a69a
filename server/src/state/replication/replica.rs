//! A client that is a replica of this server.
//!
//! ```text
//! (client) ── PSYNC ──> Waiting ── a child saves ──> Saving ── sent ──> Online
//!     │                              └── disk: file is there ──> Sending ──┘
//!     └── PSYNC, and the backlog has what it misses ────────────────────────┘
//! ```

use std::fs::File;

/// Stages of a replica.
#[derive(Debug, Default)]
pub enum ReplicaStage {
    /// It has sent REPLCONF but is still an ordinary client.
    #[default]
    None,
    /// Waiting for a snapshot to begin.
    Waiting,
    /// Its snapshot is being made; a diskless one is being sent at the same time.
    Saving,
    /// A snapshot file is being sent to it.
    Sending(Sending),
    /// It has the data set and is sent the stream.
    Online,
    /// It only wanted a snapshot and has it.
    Served,
}

/// A file being sent to a replica.
#[derive(Debug)]
pub struct Sending {
    /// The snapshot.
    pub file: File,
    /// Its size in bytes.
    pub size: u64,
    /// Bytes that were read from it.
    pub read: u64,
    /// The piece that was read last.
    pub piece: Vec<u8>,
    /// Bytes of `piece` that were sent.
    pub sent: usize,
}

impl Sending {
    /// Whether all of the file was sent.
    pub fn is_complete(&self) -> bool {
        self.read == self.size && self.sent == self.piece.len()
    }
}

/// Replication state of a client.
#[derive(Debug, Default)]
pub struct Replica {
    /// Its stage.
    pub stage: ReplicaStage,
    /// The port that it listens on.
    pub port: i64,
    /// The address that it announces, if it differs from its peer address.
    pub ip: String,
    /// It supports transfers with an end marker (`capa eof`).
    pub can_eof: bool,
    /// It supports `+CONTINUE` with an id (`capa psync2`).
    pub can_psync2: bool,
    /// It only wants a snapshot (`rdb-only`).
    pub rdb_only: bool,
    /// Parts of the snapshot that it does not want.
    pub without: SnapshotFilter,
    /// Position in the stream up to which it was sent.
    pub position: u64,
    /// The offset of its `+FULLRESYNC`.
    pub initial_offset: u64,
    /// The offset that it has acknowledged.
    pub ack_offset: u64,
    /// When it last acknowledged, Unix seconds.
    pub ack_at: i64,
    /// The offset that it has on disk (`REPLCONF ACK … FACK`).
    pub fack_offset: u64,
    /// The stream is sent once it acknowledges that the snapshot is loaded.
    pub online_on_ack: bool,
    /// The number of its diskless transfer; 0 for none.
    pub transfer: u64,
    /// Position in a diskless transfer up to which it was sent.
    pub ring_position: u64,
    /// Since when its socket has been full during a diskless transfer, Unix seconds; 0 while it is not.
    pub stalled_since: i64,
    /// When it asked for a snapshot, Unix seconds.
    pub asked_at: i64,
    /// It used SYNC, so it sends no acknowledgements.
    pub is_pre_psync: bool,
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
    /// Whether it is a replica, or is becoming one.
    pub fn is_one(&self) -> bool {
        !matches!(self.stage, ReplicaStage::None)
    }

    /// Whether the stream is kept for it.
    pub fn needs_stream(&self) -> bool {
        let has_begun = matches!(
            self.stage,
            ReplicaStage::Saving | ReplicaStage::Sending(_) | ReplicaStage::Online
        );
        has_begun && !self.rdb_only
    }

    /// Bytes of the stream that it was not sent yet; `offset` is the end of the stream.
    pub fn behind(&self, offset: u64) -> u64 {
        if self.needs_stream() {
            offset.saturating_sub(self.position)
        } else {
            0
        }
    }

    /// Its state in INFO; empty if it is not shown.
    pub fn state_name(&self) -> &'static str {
        match self.stage {
            ReplicaStage::Waiting | ReplicaStage::Saving => "wait_bgsave",
            ReplicaStage::Sending(_) => "send_bulk",
            ReplicaStage::Online => "online",
            ReplicaStage::None | ReplicaStage::Served => "",
        }
    }
}
