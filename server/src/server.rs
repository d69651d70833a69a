//! The front page: the server, its one field per subject, and the types that name it.
//!
//! State below this file (`state/*`, `wire/*`, `config/*`) never names [`Server`]; everything above is free functions
//! over `&mut Server`. Procs are plain `fn`s stored as data here and implemented above.

use ae::event_loop::{EventLoop, Host};
use ae::file::FileProc;
use conn::conns::{ConnHost, Conns};
use table::CmdId;

use crate::config::params::Params;
use crate::state::acl::users::Acl;
use crate::state::aof::Aof;
use crate::state::background::Background;
use crate::state::blocked::{Block, Blocked};
use crate::state::caller::Caller;
use crate::state::child::Child;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::cluster::ClusterNode;
use crate::state::debug::DebugState;
use crate::state::defrag::Defrag;
use crate::state::eviction::Eviction;
use crate::state::keys::Keys;
use crate::state::latency::{self, LatencyMonitor};
use crate::state::listeners::Listeners;
use crate::state::memory::MemorySamples;
use crate::state::migration::Migration;
use crate::state::observers::Observers;
use crate::state::pauses::Pauses;
use crate::state::process::ProcessInfo;
use crate::state::propagation::Propagation;
use crate::state::pubsub::Pubsub;
use crate::state::replication::link::MAX_BULK_OF_PRIMARY;
use crate::state::replication::stream::Replication;
use crate::state::scripts::Scripts;
use crate::state::shutdown::Shutdown;
use crate::state::slowlog::SlowLog;
use crate::state::snapshot::Snapshot;
use crate::state::stats::Stats;
use crate::state::tls::TlsState;
use crate::state::tracking::Tracking;
use crate::state::turn::Turn;
use crate::state::unit::Unit;
use crate::state::wakeup::Wakeup;
use crate::state::watch::Watch;
use crate::sys::clock;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Result of a command: the reply was written, or the client gets an error reply.
pub type Done = Result<(), Fault>;

/// Implementation of a command.
pub type Proc = fn(&mut Ctx<'_>) -> Done;

/// What clients may use of a row of the table.
#[derive(Clone, Copy, Default)]
pub struct Bound {
    /// The proc; `None` makes the command unknown to clients.
    pub proc: Option<Proc>,
    /// Whether a subcommand of it has a proc.
    pub is_container: bool,
}

/// Names and procs of commands.
pub struct Commands {
    /// By the index of their [`CmdId`].
    pub rows: Vec<Bound>,
    /// `rename-command`: new name in lower case and id. A command renamed to the empty string is only in `hidden`.
    pub renamed: Vec<(Vec<u8>, CmdId)>,
    /// Commands whose original name no longer works, renamed ones included.
    pub hidden: Vec<CmdId>,
}

/// Whether a command is propagated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagate {
    /// If it has changed something.
    #[default]
    IfChanged,
    /// In any case.
    Always,
    /// In any case, but only to replicas: it changes no data (PUBLISH).
    ToReplicas,
    /// Never as a command: `feed/propagate` was told what to propagate instead.
    Never,
}

/// One execution of a command.
pub struct Ctx<'a> {
    /// The server.
    pub srv: &'a mut Server,
    /// The arguments, command name first.
    pub argv: &'a Argv,
    /// The reply.
    pub reply: &'a mut Reply,
    /// The command's row.
    pub cmd: CmdId,
    /// The database that was selected when the command began.
    pub db: usize,
    /// For whom it is executed; changes of its session are kept.
    pub caller: &'a mut Caller,
    /// Unix time in milliseconds that the command sees.
    pub now_ms: i64,
    /// Arguments that replace the original ones when the command blocks or is propagated.
    pub rewrite: Option<Box<Argv>>,
    /// Whether it is propagated.
    pub propagate: Propagate,
    /// It has replied with an error although it returns none: that of a script.
    pub failed: bool,
    /// Set if the command is to block.
    pub block: Option<Box<Block>>,
}

impl Ctx<'_> {
    /// Maximum length of a string, in bytes.
    pub fn max_string(&self) -> i64 {
        let limit = self.srv.config.proto_max_bulk_len;
        if self.caller.obeyed {
            limit.max(MAX_BULK_OF_PRIMARY)
        } else {
            limit
        }
    }
}

/// Callbacks from lower floors to higher ones.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// A replica has disconnected.
    pub replica_gone: fn(&mut Server, &Client, &str),
    /// The client that represents the primary is gone.
    pub primary_gone: fn(&mut Server, ClientId, &Client),
    /// A listening socket of the cluster's bus is readable.
    pub bus_acceptable: FileProc<Server>,
}

/// The whole server.
pub struct Server {
    /// Callbacks to higher floors.
    pub hooks: Hooks,
    /// The event loop.
    pub el: EventLoop<Server>,
    /// Connections.
    pub conns: Conns<Server>,
    /// Listening sockets.
    pub listeners: Listeners,
    /// Directives.
    pub config: Params,
    /// Users and their rights.
    pub acl: Acl,
    /// Clients.
    pub clients: Clients,
    /// Databases.
    pub keys: Keys,
    /// Eviction of keys.
    pub eviction: Eviction,
    /// Active defragmentation.
    pub defrag: Defrag,
    /// The cluster that this server is a node of.
    pub cluster: Option<Box<ClusterNode>>,
    /// Watched keys.
    pub watch: Watch,
    /// Subscribers.
    pub pubsub: Pubsub,
    /// Client-side caching.
    pub tracking: Tracking,
    /// Blocked clients.
    pub blocked: Blocked,
    /// Pauses of clients.
    pub pauses: Pauses,
    /// The timer for the earliest deadline of blocked clients and pauses.
    pub wakeup: Wakeup,
    /// The turn of the event loop.
    pub turn: Turn,
    /// The command being executed.
    pub unit: Unit,
    /// Counters.
    pub stats: Stats,
    /// Slow commands.
    pub slowlog: SlowLog,
    /// What took long, by event.
    pub latency: LatencyMonitor,
    /// Who is told of executed commands.
    pub observers: Observers,
    /// Commands.
    pub commands: Commands,
    /// TLS contexts.
    pub tls: TlsState,
    /// The background thread.
    pub background: Background,
    /// Memory figures sampled by cron.
    pub memory: MemorySamples,
    /// This process.
    pub process: ProcessInfo,
    /// Snapshots.
    pub snapshot: Snapshot,
    /// The append-only file.
    pub aof: Aof,
    /// The child process.
    pub child: Option<Child>,
    /// Writes of the current unit, to be propagated.
    pub propagation: Propagation,
    /// Replication.
    pub replication: Replication,
    /// Scripts.
    pub scripts: Scripts,
    /// Keys in flight to other servers.
    pub migration: Migration,
    /// Shutdown in progress.
    pub shutdown: Shutdown,
    /// Settings of DEBUG.
    pub debug: DebugState,
}

impl Server {
    /// Tells the latency monitor how long something took, in milliseconds.
    #[inline]
    pub fn note_latency(&mut self, event: latency::Event, ms: u64) {
        let threshold_ms = self.config.latency_monitor_threshold;
        self.latency
            .note(event, threshold_ms, ms, self.unit.now_s());
    }

    /// The start of something that the latency monitor may note; `None` while it is off, so that no clock is read.
    #[inline]
    pub fn latency_clock(&self) -> Option<u64> {
        (self.config.latency_monitor_threshold > 0).then(clock::monotonic_us)
    }

    /// Tells the latency monitor what has ended; `started` is from [`Server::latency_clock`].
    #[inline]
    pub fn note_latency_since(&mut self, event: latency::Event, started: Option<u64>) {
        if let Some(started) = started {
            self.note_latency(event, clock::monotonic_us().saturating_sub(started) / 1000);
        }
    }
}

impl Host for Server {
    fn el(&mut self) -> &mut EventLoop<Self> {
        &mut self.el
    }
}

impl ConnHost for Server {
    fn conns(&mut self) -> &mut Conns<Self> {
        &mut self.conns
    }

    fn io(&mut self) -> (&mut EventLoop<Self>, &mut Conns<Self>) {
        (&mut self.el, &mut self.conns)
    }
}
