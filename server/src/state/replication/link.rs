//! The link to the primary that this server is a replica of.
//!
//! ```text
//!          ┌──────────────── any failure, a second later ──────────────────┐
//!          v                                                               │
//! Idle ──────> Connecting ───────> Handshake ── +FULLRESYNC ──> Transfer ──┤
//!     (name, address by address, TLS)  │                           │       │
//!                                      └──── +CONTINUE ──> Up <────┘       │
//!                                                          └───────────────┘
//! ```
//!
//! # Invariants
//! 1. `conn` is set in Connecting once the name is resolved, in Handshake and in Transfer; in Up the connection is the
//!    client's.
//! 2. A partial resynchronization is always requested from the current id and offset; `cached` says whether it may be
//!    requested.

use std::collections::VecDeque;
use std::fs::File;

use conn::connection::ConnId;
use conn::dial::Dialer;

use crate::state::background::SyncOutcome;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::loading::LoadSession;
use crate::state::replication::id::{DIGITS, ReplId};

/// The link.
#[derive(Default)]
pub struct Link {
    /// Name or address of the primary.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// State of the link.
    pub stage: LinkStage,
    /// The connection, until it belongs to a client.
    pub conn: Option<ConnId>,
    /// An incomplete line that was read.
    pub inbox: Vec<u8>,
    /// Output that could not be sent yet.
    pub outbox: Vec<u8>,
    /// When the current step began, or when the primary last sent something, Unix seconds.
    pub last_io: i64,
    /// Since when the link has been down, Unix seconds; 0 while it is up and before it was first up.
    pub down_since: i64,
    /// Set if a partial resynchronization may be requested: the database that the stream had selected.
    pub cached: Option<usize>,
    /// Id and offset of `+FULLRESYNC`; `None` for a primary that only knows SYNC.
    pub promised: Option<(ReplId, u64)>,
    /// The primary does not know PSYNC, so it is sent no acknowledgements.
    pub is_pre_psync: bool,
    /// Bytes of the primary's requests that were executed on this connection.
    pub applied: u64,
    /// The loop connects before it sleeps, without waiting for cron.
    pub again: bool,
    /// When the warning about a failed save was last logged, Unix milliseconds.
    pub warned_ms: i64,
    /// Number of the connection attempt; a timer of an earlier attempt finds another number.
    pub attempt: u64,
}

/// States of the link.
#[derive(Default)]
pub enum LinkStage {
    /// Cron will connect.
    #[default]
    Idle,
    /// The primary has sent a command that this server lacks; no new attempt until REPLICAOF.
    Halted,
    /// The primary's name is being resolved, or TCP and TLS are being set up.
    Connecting(Dialer),
    /// Waiting for these replies.
    Handshake(VecDeque<Step>),
    /// The snapshot is being received.
    Transfer(Box<IncomingSnapshot>),
    /// The stream is followed.
    Up(ClientId),
}

/// A reply that is expected from the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// To PING.
    Ping,
    /// To AUTH.
    Auth,
    /// To REPLCONF listening-port.
    Port,
    /// To REPLCONF ip-address.
    Ip,
    /// To REPLCONF capa.
    Capa,
    /// To PSYNC.
    Psync,
}

/// A snapshot being received.
#[derive(Default)]
pub struct IncomingSnapshot {
    /// How its end is found; `None` before its header line.
    pub end: Option<Ending>,
    /// Bytes read so far.
    pub read: u64,
    /// With an end marker: the latest bytes, which may be part of it.
    pub tail: Vec<u8>,
    /// Where it is written.
    pub destination: Destination,
}

/// How the end of a snapshot is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// After this number of bytes.
    Size(u64),
    /// By a marker that follows it.
    Mark([u8; DIGITS]),
}

/// Logged when this server's own history becomes the one that it asks its primary to continue.
pub const CONTINUES_OWN_HISTORY: &str = "Before turning into a replica, using my own master parameters to synthesize a cached \
    master: I may be able to synchronize with the new master with just a partial transfer.";

/// The biggest value accepted from a primary, in bytes; `proto-max-bulk-len` applies to clients.
pub const MAX_BULK_OF_PRIMARY: i64 = 4 << 30;

/// Destination of a snapshot.
#[derive(Default)]
pub enum Destination {
    /// Not known yet.
    #[default]
    None,
    /// A file that is loaded when it is complete.
    Spool(Spool),
    /// The decoder.
    Parser(Box<LoadSession>, bool),
    /// The file is complete, with this number of bytes, and is being synced to the disk.
    Syncing(Spool, u64),
    /// The file was renamed and is being loaded.
    Loading(File, Box<LoadSession>),
}

/// A file that is being written.
pub struct Spool {
    /// The file.
    pub file: File,
    /// Its temporary name.
    pub name: String,
    /// Bytes written since the last fsync was started.
    pub unsynced: u64,
    /// The fsyncs that were started last.
    pub syncs: Vec<SyncOutcome>,
}

impl Link {
    /// A link to a primary that is to be connected to.
    pub fn new(host: String, port: u16) -> Self {
        Link {
            host,
            port,
            ..Link::default()
        }
    }

    /// Whether the primary's stream is being followed.
    pub fn is_up(&self) -> bool {
        matches!(self.stage, LinkStage::Up(_))
    }

    /// The client that represents the primary while its stream is followed.
    pub fn client(&self) -> Option<ClientId> {
        match self.stage {
            LinkStage::Up(id) => Some(id),
            _ => None,
        }
    }

    /// The database that the stream has selected, if a partial resynchronization is possible.
    pub fn stream_db(&self, clients: &Clients) -> Option<usize> {
        let cached = self.cached?;
        let client = self.client().and_then(|id| clients.get(id));
        Some(client.map_or(cached, |client| client.session.db))
    }

    /// Its state in ROLE.
    pub fn role(&self) -> &'static str {
        match self.stage {
            LinkStage::Idle | LinkStage::Halted => "connect",
            LinkStage::Connecting(_) => "connecting",
            LinkStage::Handshake(_) => "handshake",
            LinkStage::Transfer(_) => "sync",
            LinkStage::Up(_) => "connected",
        }
    }
}
