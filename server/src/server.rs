//! The front page: the server, its one field per subject, and the types that name it.
//!
//! Nouns below this file (`state/*`, `wire/*`, `config/*`) never name [`Server`]; deeds above it are free functions over
//! `&mut Server`. Procs are plain `fn`s stored as data here and written above.

use ae::event_loop::{EventLoop, Host};
use conn::conns::{ConnHost, Conns};
use table::CmdId;

use crate::config::params::Params;
use crate::state::background::Background;
use crate::state::blocked::{Blocked, Wait};
use crate::state::child::Child;
use crate::state::client::{Client, ClientFlags};
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
use crate::state::unit::Unit;
use crate::state::watch::Watch;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;
use crate::wire::request::Argv;

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

/// On whose behalf a command runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A client's own request.
    Client(ClientId),
    /// A request that the client had queued in a transaction.
    Exec(ClientId),
    /// A request of the primary that this server is a replica of; its client stands for the link.
    Primary(ClientId),
}

impl Origin {
    /// The client behind it.
    pub fn client_id(self) -> ClientId {
        match self {
            Origin::Client(id) | Origin::Exec(id) | Origin::Primary(id) => id,
        }
    }
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
    /// The selected database.
    pub db: usize,
    /// On whose behalf.
    pub origin: Origin,
    /// Unix time in milliseconds that the command sees.
    pub now_ms: i64,
    /// The arguments that stand for these from now on: what waits, and what is propagated.
    pub rewrite: Option<Argv>,
    /// Whether it is propagated.
    pub propagate: Propagate,
    /// The command has found nothing and is to wait.
    pub wait: Option<Wait>,
}

impl Ctx<'_> {
    /// The client that asked.
    pub fn client_id(&self) -> ClientId {
        self.origin.client_id()
    }

    /// Whether the command may wait; one in a transaction may not.
    pub fn may_wait(&self) -> bool {
        matches!(self.origin, Origin::Client(_))
    }

    /// Whether it comes from the primary, in a transaction or not: limits of this server do not count then, since the
    /// primary has executed it.
    pub fn must_obey(&self) -> bool {
        let client = self.srv.clients.get(self.client_id());
        client.is_some_and(|client| client.flags.contains(ClientFlags::PRIMARY))
    }

    /// Bytes that a string may have.
    pub fn max_string(&self) -> i64 {
        let limit = self.srv.config.proto_max_bulk_len;
        if limit < MAX_BULK_OF_PRIMARY && self.must_obey() {
            MAX_BULK_OF_PRIMARY
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
    /// Clients that wait.
    pub blocked: Blocked,
    /// Pauses of clients.
    pub pauses: Pauses,
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
