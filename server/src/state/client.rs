//! One client: who it is, what it asked for and has not got yet.
//!
//! # Invariants
//! 1. `io` is the only part that touches the socket's bytes. While the client's input is being processed, `request` and
//!    `out` are on the stack of `ingress/input`; `sizes` then says how big they were.
//! 2. A client in `Closing::Now` is in the close queue and runs no further command.

use bitflags::bitflags;
use conn::connection::ConnId;
use table::CmdId;

use crate::state::blocked::Parked;
use crate::state::multi::Multi;
use crate::state::replication::replica::Replica;
use crate::state::watch::Watched;
use crate::wire::output::Output;
use crate::wire::reply::Resp;
use crate::wire::request::Request;

bitflags! {
    /// States of a client that do not exclude each other.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct ClientFlags: u32 {
        /// It came in over a Unix socket.
        const UNIX = 1;
        /// Never evicted for memory (CLIENT NO-EVICT).
        const NO_EVICT = 1 << 1;
        /// Its reads do not change recency (CLIENT NO-TOUCH).
        const NO_TOUCH = 1 << 2;
        /// It is in the list of clients with output to send.
        const PENDING_WRITE = 1 << 3;
        /// Its write handler is installed: the socket was full.
        const WRITE_HANDLER = 1 << 4;
        /// A command of its own is on the stack right now.
        const EXECUTING = 1 << 5;
        /// It stands for the link to the primary that this server is a replica of.
        const PRIMARY = 1 << 6;
    }
}

/// Whether and when a client is to be closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Closing {
    /// It stays.
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

/// The side of a client that moves bytes. It is `Send`, so that another thread may borrow it one day.
#[derive(Default)]
pub struct ClientIo {
    /// Query buffer and parser.
    pub request: Request,
    /// Replies and pushes that are not sent yet.
    pub out: Output,
}

/// Sizes in bytes of what may be moved out of the slab, for CLIENT LIST and client eviction.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// Query buffer in use.
    pub qbuf: usize,
    /// Query buffer allocated and free.
    pub qbuf_free: usize,
    /// Arguments of the command under way.
    pub argv: usize,
    /// Commands queued by MULTI.
    pub multi: usize,
}

/// A connected client.
#[derive(Default)]
pub struct Client {
    /// Its public, ever increasing number.
    pub id: u64,
    /// Its connection; `None` for a client without a socket.
    pub conn: Option<ConnId>,
    /// Bytes in and out.
    pub io: ClientIo,
    /// States.
    pub flags: ClientFlags,
    /// Whether it is to be closed.
    pub closing: Closing,
    /// CLIENT REPLY.
    pub reply_mode: ReplyMode,
    /// Protocol version.
    pub resp: Resp,
    /// Selected database.
    pub db: usize,
    /// It has given the password, or none is needed.
    pub authenticated: bool,
    /// MULTI: the transaction being put together.
    pub multi: Option<Box<Multi>>,
    /// Keys that it watches.
    pub watched: Vec<Watched>,
    /// One of them has changed.
    pub dirty_cas: bool,
    /// Its command that waits; no other is executed meanwhile.
    pub parked: Option<Box<Parked>>,
    /// It is a replica of this server, or has begun to tell about itself as one.
    pub replica: Option<Box<Replica>>,
    /// CLIENT SETNAME.
    pub name: Vec<u8>,
    /// CLIENT SETINFO lib-name.
    pub lib_name: Vec<u8>,
    /// CLIENT SETINFO lib-ver.
    pub lib_ver: Vec<u8>,
    /// How far the stream of writes had come when it last wrote something: what WAIT waits for.
    pub written_offset: u64,
    /// The command executed last.
    pub last_cmd: Option<CmdId>,
    /// When it connected, Unix seconds.
    pub created: i64,
    /// When it was last heard or written to, Unix seconds.
    pub last_active: i64,
    /// When its output passed the soft limit, Unix seconds; 0 when it is below.
    pub soft_limit_since: i64,
    /// Sizes of what may be on the stack.
    pub sizes: Sizes,
    /// Biggest query buffer seen of late, in bytes.
    pub qbuf_peak: usize,
    /// Biggest reply buffer seen of late, in bytes: `rbp`.
    pub reply_peak: usize,
    /// Size of the reply buffer, in bytes: `rbs`.
    pub reply_size: usize,
    /// When `reply_peak` was last reset, Unix milliseconds.
    pub reply_peak_at: i64,
}

impl Client {
    /// Whether it is a replica of this server, or on its way to be one.
    pub fn is_replica(&self) -> bool {
        let replica = self.replica.as_ref();
        replica.is_some_and(|replica| replica.is_one())
    }

    /// Bytes of output waiting, in our buffers.
    pub fn output_bytes(&self) -> usize {
        self.io.out.len()
    }
}
