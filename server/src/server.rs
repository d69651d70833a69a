//! The front page: the server, its one field per subject, and the types that name it.
//!
//! Nouns below this file (`state/*`, `wire/*`, `config/*`) never name [`Server`]; deeds above it are free functions over
//! `&mut Server`. Procs are plain `fn`s stored as data here and written above.

use ae::event_loop::{EventLoop, Host};
use conn::conns::{ConnHost, Conns};
use table::CmdId;

use crate::config::params::Params;
use crate::state::background::Background;
use crate::state::blocked::{Block, Blocked};
use crate::state::caller::Caller;
use crate::state::child::Child;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::debug::DebugState;
use crate::state::keys::Keys;
use crate::state::listeners::Listeners;
use crate::state::memory::MemorySamples;
use crate::state::migration::Migration;
use crate::state::pauses::Pauses;
use crate::state::process::ProcessInfo;
use crate::state::propagation::Propagation;
use crate::state::replication::link::MAX_BULK_OF_PRIMARY;
use crate::state::replication::stream::Replication;
use crate::state::shutdown::Shutdown;
use crate::state::snapshot::Snapshot;
use crate::state::stats::Stats;
use crate::state::tls::TlsState;
use crate::state::turn::Turn;
use crate::state::unit::Unit;
use crate::state::wakeup::Wakeup;
use crate::state::watch::Watch;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Result of a command: the reply is written, or the client is told a fault.
pub type Done = Result<(), Fault>;

/// What executes a command.
pub type Proc = fn(&mut Ctx<'_>) -> Done;

/// Names and procs of commands, by the index of their [`CmdId`].
pub struct Commands {
    /// The proc of each command; `None` is unknown to clients.
    pub procs: Vec<Option<Proc>>,
    /// Whether a subcommand of it has a proc.
    pub containers: Vec<bool>,
    /// `rename-command`: new name in lower case to id. A command renamed to nothing is in `hidden` alone.
    pub renamed: Vec<(Vec<u8>, CmdId)>,
    /// Ids whose own name no longer works.
    pub hidden: Vec<CmdId>,
}

/// Whether what a command did is propagated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagate {
    /// If it has changed something.
    #[default]
    IfChanged,
    /// In any case.
    Always,
    /// Not as a command: what it has told `feed/propagate` says all.
    Never,
}

/// One execution of a command.
pub struct Ctx<'a> {
    /// The server.
    pub srv: &'a mut Server,
    /// The arguments, name first.
    pub argv: &'a Argv,
    /// Where the answer goes.
    pub reply: &'a mut Reply,
    /// The row that is executed.
    pub cmd: CmdId,
    /// The database that was selected when it began.
    pub db: usize,
    /// For whom it is executed; what it changes of the session is kept.
    pub caller: &'a mut Caller,
    /// Unix time in milliseconds that the command sees.
    pub now_ms: i64,
    /// The arguments that stand for these from now on: what blocks, and what is propagated.
    pub rewrite: Option<Argv>,
    /// Whether it is propagated.
    pub propagate: Propagate,
    /// The command has found nothing and is to block.
    pub block: Option<Block>,
}

impl Ctx<'_> {
    /// Bytes that a string may have.
    pub fn max_string(&self) -> i64 {
        let limit = self.srv.config.proto_max_bulk_len;
        if self.caller.obeyed {
            limit.max(MAX_BULK_OF_PRIMARY)
        } else {
            limit
        }
    }
}

/// What a deed must tell one on a floor above it.
#[derive(Clone, Copy)]
pub struct Hooks {
    /// A client that was a replica is gone.
    pub replica_gone: fn(&mut Server, &Client, &str),
    /// The client that stood for the primary is gone.
    pub primary_gone: fn(&mut Server, ClientId, &Client),
}

/// Everything.
pub struct Server {
    /// Ways up.
    pub hooks: Hooks,
    /// The event loop.
    pub el: EventLoop<Server>,
    /// Connections.
    pub conns: Conns<Server>,
    /// Listening sockets.
    pub listeners: Listeners,
    /// Directives.
    pub config: Params,
    /// Clients.
    pub clients: Clients,
    /// Databases.
    pub keys: Keys,
    /// Watched keys.
    pub watch: Watch,
    /// Blocked clients.
    pub blocked: Blocked,
    /// Pauses of clients.
    pub pauses: Pauses,
    /// The timer for the earliest deadline of both.
    pub wakeup: Wakeup,
    /// The turn of the event loop.
    pub turn: Turn,
    /// What is being executed.
    pub unit: Unit,
    /// Counters.
    pub stats: Stats,
    /// Commands.
    pub commands: Commands,
    /// Certificates.
    pub tls: TlsState,
    /// The background thread.
    pub background: Background,
    /// Samples of memory, by cron.
    pub memory: MemorySamples,
    /// This process.
    pub process: ProcessInfo,
    /// Snapshots.
    pub snapshot: Snapshot,
    /// The child process.
    pub child: Option<Child>,
    /// Writes that are to be propagated.
    pub propagation: Propagation,
    /// Replication.
    pub replication: Replication,
    /// Keys on their way to other servers.
    pub migration: Migration,
    /// The way out.
    pub shutdown: Shutdown,
    /// Switches of DEBUG.
    pub debug: DebugState,
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
