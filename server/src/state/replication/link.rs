//! The way to the primary that this server is a replica of.
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
//! 2. What the primary would be asked to go on from is always the present history and offset: `cached` says whether that
//!    may be asked for.

use std::collections::VecDeque;
use std::fs::File;

use conn::connection::ConnId;
use conn::dial::Dialer;

use crate::state::background::Forced;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::loading::Session;
use crate::state::replication::id::{DIGITS, ReplId};

/// The link.
#[derive(Default)]
pub struct Link {
    /// Name or address of the primary.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How far the link is.
    pub stage: Stage,
    /// The connection, until it is a client's.
    pub conn: Option<ConnId>,
    /// What was read of a line that is not whole.
    pub inbox: Vec<u8>,
    /// What could not be sent at once.
    pub outbox: Vec<u8>,
    /// When the present step began, or the primary was last heard, Unix seconds.
    pub last_io: i64,
    /// Since when the link is down, Unix seconds; 0 when it is up or never was.
    pub down_since: i64,
    /// Going on with the present history may be asked for; the stream had this database selected.
    pub cached: Option<usize>,
    /// History and offset that were promised with `+FULLRESYNC`; `None` of a primary that knows SYNC only.
    pub promised: Option<(ReplId, u64)>,
    /// The primary does not know PSYNC, so it is told nothing about offsets.
    pub is_old: bool,
    /// Bytes of the primary's requests that are executed, counted from the beginning of the connection.
    pub applied: u64,
    /// The loop is to connect before it sleeps, without waiting for the clockwork.
    pub again: bool,
    /// When it was last said that what comes cannot be saved, Unix milliseconds.
    pub warned_ms: i64,
    /// Counts attempts to connect; a timer of an earlier one finds another number.
    pub attempt: u64,
}

/// How far the link is.
#[derive(Default)]
pub enum Stage {
    /// The clockwork will connect.
    #[default]
    Idle,
    /// The primary sends what this server cannot execute: nothing is tried again before somebody says so.
    Halted,
    /// The primary's name is being resolved, or TCP and TLS are being set up.
    Connecting(Dialer),
    /// These replies are awaited.
    Handshake(VecDeque<Step>),
    /// The data set is coming.
    Transfer(Box<Transfer>),
    /// The stream is followed.
    Up(ClientId),
}

/// A reply that is awaited from the primary.
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

/// A data set on its way.
#[derive(Default)]
pub struct Transfer {
    /// Its end; `None` before the line that tells.
    pub end: Option<Ending>,
    /// Bytes read so far.
    pub read: u64,
    /// With a mark at the end: the latest bytes, which may be part of it.
    pub tail: Vec<u8>,
    /// Where it goes.
    pub sink: Sink,
}

/// How the end of a data set is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By its size in bytes.
    Size(u64),
    /// By a mark behind it.
    Mark([u8; DIGITS]),
}

/// The biggest value that is believed of a primary, in bytes; `proto-max-bulk-len` is for clients.
pub const MAX_BULK_OF_PRIMARY: i64 = 4 << 30;

/// Where a data set goes.
#[derive(Default)]
pub enum Sink {
    /// It is not known yet.
    #[default]
    None,
    /// Into a file, to be loaded when it is whole.
    Spool(Spool),
    /// Straight into the decoder.
    Parser(Box<Session>, bool),
    /// The file, of so many bytes, is whole and is being forced to the disk.
    Forcing(Spool, u64),
    /// The file is in its place and is being loaded.
    Loading(File, Box<Session>),
}

/// A file that is being written.
pub struct Spool {
    /// The file.
    pub file: File,
    /// Its temporary name.
    pub name: String,
    /// Bytes written since it was last decided to force them to the disk.
    pub unsynced: u64,
    /// What is being forced to the disk, or was of late.
    pub forced: Vec<Forced>,
}

impl Link {
    /// To a primary that is to be connected to.
    pub fn new(host: String, port: u16) -> Self {
        Link {
            host,
            port,
            ..Link::default()
        }
    }

    /// Whether the primary's stream is being followed.
    pub fn is_up(&self) -> bool {
        matches!(self.stage, Stage::Up(_))
    }

    /// The client that stands for the primary, while its stream is followed.
    pub fn client(&self) -> Option<ClientId> {
        match self.stage {
            Stage::Up(id) => Some(id),
            _ => None,
        }
    }

    /// The database that the stream has selected, if the present history can be gone on with.
    pub fn stream_db(&self, clients: &Clients) -> Option<usize> {
        let cached = self.cached?;
        let client = self.client().and_then(|id| clients.get(id));
        Some(client.map_or(cached, |client| client.db))
    }

    /// How far it is, in the word that ROLE uses.
    pub fn role(&self) -> &'static str {
        match self.stage {
            Stage::Idle | Stage::Halted => "connect",
            Stage::Connecting(_) => "connecting",
            Stage::Handshake(_) => "handshake",
            Stage::Transfer(_) => "sync",
            Stage::Up(_) => "connected",
        }
    }
}
