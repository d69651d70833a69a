//! One client: its connection, its session, and its place in the client lifecycle.
//!
//! | state | held in | socket is read | next command runs | is closed |
//! |---|---|---|---|---|
//! | idle | none of the following | yes | yes | at once |
//! | executing: its input is being processed | `EXECUTING` | no | by the function that processes it | by the queue |
//! | protected: its command processes events | `PROTECTED` | no | no | by the queue |
//! | blocked | `blocked` | yes, to notice a disconnect | no | at once |
//! | resumed: unblocked, further input not processed yet | `Blocked::resumed` | yes | yes | at once |
//! | closing after its reply | `Closing::AfterReply` | no | no | when its output is sent, or by cron if its peer has left it unread |
//! | closing | `Closing::Now` | no | no | by the queue |
//!
//! [`Client::may_run`] and [`Client::may_read`] are the questions that other code asks about these states.
//!
//! # Invariants
//! 1. `io` is the only part that touches the socket's bytes. While the client's input is being processed, `request` and
//!    `out` are on the stack of `ingress/input`; `sizes` then says how big they were.
//! 2. A client in `Closing::Now` is in the close queue and runs no further command.
//! 3. While a command of the client executes, `session` is a copy of its caller's (`exec/call` writes it back).

use bitflags::bitflags;
use conn::connection::ConnId;
use table::CmdId;

use crate::state::blocked::BlockedCommand;
use crate::state::client_id::ClientId;
use crate::state::multi::Multi;
use crate::state::pubsub::Subscriptions;
use crate::state::replication::replica::Replica;
use crate::state::session::Session;
use crate::state::tracking::ClientTracking;
use crate::state::watch::Watched;
use crate::wire::output::Output;
use crate::wire::request::Request;

bitflags! {
    /// Flags of a client that do not exclude each other.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ClientFlags: u32 {
        /// It came in over a Unix socket.
        const UNIX = 1;
        /// Never evicted for memory (CLIENT NO-EVICT).
        const NO_EVICT = 1 << 1;
        /// It is in the list of clients with output to send.
        const PENDING_WRITE = 1 << 3;
        /// Its write handler is installed: the socket was full.
        const WRITE_HANDLER = 1 << 4;
        /// Its input is being processed: its request is on the stack.
        const EXECUTING = 1 << 5;
        /// It represents the link to the primary that this server is a replica of.
        const PRIMARY = 1 << 6;
        /// Its command processes events, so it is neither read nor closed until the command is done.
        const PROTECTED = 1 << 7;
        /// It is shown every command (MONITOR).
        const MONITOR = 1 << 8;
        /// It is subscribed to something.
        const PUBSUB = 1 << 9;
        /// Its next EVAL runs in the debugger (SCRIPT DEBUG).
        const DEBUG = 1 << 10;
        /// With `DEBUG`: in the server itself, and not in a child.
        const DEBUG_SYNC = 1 << 11;
        /// On a replica of a cluster it reads what its primary owns (READONLY).
        const READS_REPLICA = 1 << 12;
        /// Its next command is served although the slot is still moving here (ASKING).
        const ASKING = 1 << 13;
    }
}

/// The class of a client: selects its output limit and its type in CLIENT LIST and KILL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Any other client.
    Normal,
    /// The link to the primary that this server is a replica of.
    Primary,
    /// A replica of this server.
    Replica,
    /// A Pub/Sub subscriber.
    PubSub,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = 4;

    /// Index of its limit in `client-output-buffer-limit`.
    pub fn limit_index(self) -> usize {
        match self {
            Class::Normal | Class::Primary => 0,
            Class::Replica => 1,
            Class::PubSub => 2,
        }
    }
}

/// Whether and when a client is to be closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// It stays open.
    #[default]
    No,
    /// As soon as its output is sent.
    AfterReply,
    /// By the queue, at the next safe point.
    Now,
}

/// CLIENT REPLY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyMode {
    /// Everything is answered.
    #[default]
    On,
    /// Nothing is answered.
    Off,
    /// SKIP was just executed: the next command is not answered.
    SkipNext,
    /// The command being executed is not answered.
    Skipping,
}

/// The part of a client that does I/O: what was read and not executed, and what was not sent.
#[derive(Default)]
pub struct ClientIo {
    /// Query buffer and parser.
    pub request: Request,
    /// Output that was not sent yet.
    pub out: Output,
}

/// Sizes in bytes of what may have been moved out of the slab, for CLIENT LIST and client eviction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Query buffer in use.
    pub qbuf: usize,
    /// Query buffer allocated and free.
    pub qbuf_free: usize,
    /// Arguments of the command under way.
    pub argv: usize,
    /// The list of these arguments.
    pub list: usize,
    /// Commands queued by MULTI.
    pub multi: usize,
    /// Output on the stack, beyond the reply buffer.
    pub out: usize,
}

/// Where [`crate::state::size_classes`] keeps a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SizePlace {
    /// The class of its size.
    pub class: u8,
    /// Its index in the class.
    pub at: u32,
}

/// A connected client.
#[derive(Default)]
pub struct Client {
    /// Its id for CLIENT LIST and KILL; ids only rise.
    pub id: u64,
    /// Its connection; `None` for a client without a socket.
    pub conn: Option<ConnId>,
    /// The address of this end of its connection as a text, once CLIENT LIST has shown it.
    pub local: Option<Box<str>>,
    /// Bytes in and out.
    pub io: ClientIo,
    /// Flags.
    pub flags: ClientFlags,
    /// Whether it is to be closed.
    pub closing: Closing,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// Database, protocol version, authentication.
    pub session: Session,
    /// MULTI: the transaction being put together.
    pub multi: Option<Box<Multi>>,
    /// Number of commands of the transaction that is being executed.
    pub executing: Option<usize>,
    /// Keys that it watches.
    pub watched: Vec<Watched>,
    /// A watched key has changed.
    pub dirty_cas: bool,
    /// What it is subscribed to.
    pub subscriptions: Option<Box<Subscriptions>>,
    /// Set while it tracks keys for client-side caching.
    pub tracking: Option<Box<ClientTracking>>,
    /// Its blocked command; no other command is executed meanwhile.
    pub blocked: Option<Box<BlockedCommand>>,
    /// Set when it is a replica of this server, or has sent REPLCONF.
    pub replica: Option<Box<Replica>>,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO lib-name.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO lib-ver.
    pub lib_ver: Vec<u8>,
    /// Offset of the stream of writes after its latest write: WAIT waits for this offset.
    pub written_offset: u64,
    /// The round in which it was sent output that had been held (`state/aof/gather`).
    pub released_in: u32,
    /// The command executed last.
    pub last_cmd: Option<CmdId>,
    /// When it connected, Unix seconds.
    pub created: i64,
    /// When it last sent something or was last written to, Unix seconds.
    pub last_active: i64,
    /// When its output passed the soft limit, Unix seconds; 0 when it is below.
    pub soft_limit_since: i64,
    /// Sizes of what may be on the stack.
    pub sizes: Sizes,
    /// What [`crate::state::clients::Clients::account`] has added to the total of its class.
    pub accounted: Option<(Class, usize)>,
    /// Its place among the clients that may be evicted.
    pub place: Option<SizePlace>,
    /// Recent peak of the query buffer, in bytes.
    pub qbuf_peak: usize,
    /// Recent peak of the reply buffer, in bytes: `rbp`.
    pub reply_peak: usize,
    /// Size of the reply buffer, in bytes: `rbs`.
    pub reply_size: usize,
    /// When `reply_peak` was last reset, Unix milliseconds.
    pub reply_peak_at: i64,
}

impl Client {
    /// Whether its next command may be executed now.
    #[inline]
    pub fn may_run(&self) -> bool {
        !self.is_on_stack() && self.may_go_on()
    }

    /// Whether the command after the current one may follow.
    #[inline]
    pub fn may_go_on(&self) -> bool {
        self.closing == Closing::No && self.blocked.is_none()
    }

    /// Whether its socket may be read.
    #[inline]
    pub fn may_read(&self) -> bool {
        !self.is_on_stack() && self.closing == Closing::No
    }

    /// Whether a function further up the stack uses it, so that it may not be closed yet.
    #[inline]
    pub fn is_on_stack(&self) -> bool {
        self.flags
            .intersects(ClientFlags::EXECUTING | ClientFlags::PROTECTED)
    }

    /// Its class.
    #[inline]
    pub fn class(&self) -> Class {
        if self.flags.contains(ClientFlags::PRIMARY) {
            Class::Primary
        } else if self.is_replica() {
            Class::Replica
        } else if self.flags.contains(ClientFlags::PUBSUB) {
            Class::PubSub
        } else {
            Class::Normal
        }
    }

    /// A command was answered: moves CLIENT REPLY SKIP one step on.
    pub fn advance_reply_mode(&mut self) {
        self.reply_mode = match self.reply_mode {
            ReplyMode::SkipNext => ReplyMode::Skipping,
            ReplyMode::Skipping => ReplyMode::On,
            kept => kept,
        };
    }

    /// Adds the client to the queue of those that have output to be sent, unless it is there.
    #[inline]
    pub fn queue_write(&mut self, id: ClientId, queue: &mut Vec<ClientId>) {
        if !self.flags.contains(ClientFlags::PENDING_WRITE) {
            self.flags.insert(ClientFlags::PENDING_WRITE);
            queue.push(id);
        }
    }

    /// Whether the command being executed is not answered.
    pub fn is_muted(&self) -> bool {
        matches!(self.reply_mode, ReplyMode::Off | ReplyMode::Skipping)
    }

    /// Whether it may be closed because clients use too much memory.
    #[inline]
    pub fn is_evictable(&self) -> bool {
        let is_user = matches!(self.class(), Class::Normal | Class::PubSub);
        is_user && !self.flags.contains(ClientFlags::NO_EVICT)
    }

    /// Whether it is a replica of this server, or on its way to be one.
    pub fn is_replica(&self) -> bool {
        let replica = self.replica.as_ref();
        replica.is_some_and(|replica| replica.is_one())
    }

    /// Bytes of pending output in our buffers.
    pub fn output_bytes(&self) -> usize {
        self.io.out.len()
    }
}
