//! The gate: may this caller run this command now?
//!
//! Keys are evicted here when more than `maxmemory` is in use, so that the command finds room.
//!
//! The checks run in Redis's order and ask the caller; the first answer other than "run" wins. Commands of the primary that
//! this server obeys pass the checks of server state.

use conn::addr::Addr;
use table::keys::accessed;
use table::spec::{Group, Spec};
use table::words::Flags;
use table::{CmdId, connection, pubsub, scripting, transactions};

use crate::config::values::Allow;
use crate::egress::push::settle_pushes;
use crate::exec::permission;
use crate::exec::route::{Located, Redirection, route};
use crate::keyspace::evict::{Room, evict};
use crate::server::Server;
use crate::session::auth;
use crate::session::client_eviction::evict_clients;
use crate::state::acl::user::Denied;
use crate::state::caller::Caller;
use crate::state::client::{Class, Client, Closing};
use crate::state::pauses::Scope;
use crate::state::scripts::cache::digest_of;
use crate::state::scripts::flags::{ScriptFlags, header};
use crate::state::scripts::run::Run;
use crate::wire::argv::Argv;
use crate::wire::fault::{
    BUSY_FUNCTION, BUSY_SCRIPT, Fault, LOADING, MASTER_DOWN, MISCONF_RDB, NO_AUTH, NO_REPLICAS,
    NOT_IN_TRANSACTION, OOM, READ_ONLY,
};
use crate::wire::reply::{Reply, Resp};

/// Answer of the gate.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Call it.
    Run,
    /// Keep it for EXEC, with these flags.
    Queue(Flags),
    /// Block it until a pause ends.
    Postpone,
    /// Block it until a key that it names is no longer in flight to another server.
    Hold,
    /// Tell the client this instead.
    Refuse(Fault),
    /// Tell the client that its user lacks a right, and log that.
    Deny(Denied),
    /// Another node of the cluster executes it, or none.
    Redirect(Redirection),
    /// The client was evicted.
    Gone,
}

/// Runs all checks for one command. What the client is sent because keys were evicted stands in front of `reply`.
#[inline]
pub fn verdict(
    srv: &mut Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
    reply: &mut Reply,
) -> Verdict {
    let request = Request {
        caller,
        cmd,
        spec,
        flags: effective_flags(srv, cmd, spec, argv),
    };
    if spec.flags.contains(Flags::PROTECTED)
        && let Some(fault) = protected(srv, &request)
    {
        return Verdict::Refuse(fault);
    }
    if auth::is_required(srv, &caller.session) && !spec.flags.contains(Flags::NO_AUTH) {
        return Verdict::Refuse(NO_AUTH);
    }
    if caller.queued.is_some() && spec.flags.contains(Flags::NO_MULTI) {
        return Verdict::Refuse(NOT_IN_TRANSACTION);
    }
    if let Some(denied) = permission::denied(srv, caller, cmd, spec, argv) {
        return Verdict::Deny(denied);
    }
    match route(srv, caller, cmd, spec, request.flags, argv) {
        Ok(located) => keep_hash(srv, located),
        Err(redirection) => return Verdict::Redirect(redirection),
    }
    if srv.config.maxmemory_clients != 0 && is_evicted(srv, caller) {
        return Verdict::Gone;
    }
    if srv.config.maxmemory > 0 && srv.scripts.busy().is_none() {
        let evicted = srv.stats.evicted_keys;
        let room = evict(srv);
        if srv.stats.evicted_keys != evicted {
            settle_pushes(srv, caller.client, reply);
        }
        srv.eviction.found_no_room = room == Room::None;
        if room == Room::None && needs_memory(&request) {
            return Verdict::Refuse(OOM);
        }
    }
    if !caller.obeyed
        && let Some(fault) = not_now(srv, &request)
    {
        return Verdict::Refuse(fault);
    }
    if (caller.class == Class::Replica || caller.is_monitor) && request.does(KEYSPACE) {
        return Verdict::Refuse(Fault::new("ERR Replica can't interact with the keyspace"));
    }
    if let Some(scope) = srv.pauses.scope()
        && is_paused(&request, scope)
    {
        return Verdict::Postpone;
    }
    let verdict = if caller.queued.is_some() && !NOT_QUEUED.contains(&cmd) {
        Verdict::Queue(request.flags)
    } else {
        Verdict::Run
    };
    let may_hold = verdict == Verdict::Run && !caller.obeyed && !srv.migration.is_idle();
    if may_hold && names_key_in_flight(srv, &request, argv) {
        return Verdict::Hold;
    }
    verdict
}

/// Keeps the hash of the first key for its lookup.
#[inline]
fn keep_hash(srv: &mut Server, located: Option<Located>) {
    if let Some(located) = located {
        srv.turn.key_hash = located.hash;
    }
}

/// A command and its caller.
struct Request<'a> {
    caller: &'a Caller,
    cmd: CmdId,
    spec: &'a Spec,
    /// The flags of its row; for a command that runs a script also what the script declares.
    flags: Flags,
}

impl Request<'_> {
    /// Whether the command, or one that it executes from the queue, has one of these flags.
    #[inline]
    fn does(&self, flags: Flags) -> bool {
        self.caller.does_any(self.flags, self.cmd == EXEC, flags)
    }

    /// Whether the command, or one that it executes from the queue, lacks this flag.
    #[inline]
    fn lacks(&self, flag: Flags) -> bool {
        self.caller.lacks(self.flags, self.cmd == EXEC, flag)
    }
}

/// The flags of a command. What runs a script does what the script declares.
#[inline]
fn effective_flags(srv: &mut Server, cmd: CmdId, spec: &Spec, argv: &Argv) -> Flags {
    if spec.group == Group::Scripting && spec.flags.contains(Flags::SKIP_MONITOR) {
        script_flags(srv, cmd, argv).of_command(spec.flags)
    } else {
        spec.flags
    }
}

/// What the script declares that a command runs.
#[cold]
fn script_flags(srv: &mut Server, cmd: CmdId, argv: &Argv) -> ScriptFlags {
    let name = &argv[1];
    let found = if BY_DIGEST.contains(&cmd) {
        let script = digest_of(name).and_then(|sha| srv.scripts.cache.find(&sha));
        script.map(|script| script.flags)
    } else if BY_SOURCE.contains(&cmd) {
        header(name).ok().map(|header| header.flags)
    } else {
        let found = srv.scripts.libraries.find(name);
        found.map(|found| found.flags)
    };
    found.unwrap_or(ScriptFlags::UNDECLARED)
}

/// Evicts clients that use too much memory; whether the caller was among them.
#[cold]
fn is_evicted(srv: &mut Server, caller: &Caller) -> bool {
    evict_clients(srv);
    let client = srv.clients.get(caller.client);
    client.is_some_and(|client| client.closing == Closing::Now)
}

/// Whether a command is refused when no memory can be freed. So is whatever would be queued: a transaction must not grow
/// without bounds.
#[cold]
fn needs_memory(request: &Request<'_>) -> bool {
    let caller = request.caller;
    let is_queued = caller.queued.is_some() && !ENDS_TRANSACTION.contains(&request.cmd);
    !caller.obeyed && (is_queued || request.does(Flags::DENYOOM))
}

/// Flags of commands that a replica may not send: it receives the keyspace and does not query it.
const KEYSPACE: Flags = Flags::WRITE
    .union(Flags::READONLY)
    .union(Flags::MAY_REPLICATE);

/// Whether a command, or one that it executes from the queue, names a key in flight.
#[cold]
fn names_key_in_flight(srv: &Server, request: &Request<'_>, argv: &Argv) -> bool {
    let in_flight = |spec: &Spec, argv: &Argv, db: Option<usize>| {
        accessed(spec, &|at| &argv[at], argv.len())
            .iter()
            .any(|key| srv.migration.carries(db, &argv[key.pos as usize]))
    };
    if in_flight(request.spec, argv, Some(request.caller.session.db)) {
        return true;
    }
    let client = srv.clients.get(request.caller.client);
    let multi = client.and_then(|client| client.multi.as_ref());
    let Some(multi) = multi.filter(|_| request.cmd == EXEC) else {
        return false;
    };
    let mut queue = multi.queue.reader();
    let mut argv = Argv::default();
    while let Some(cmd) = queue.next_into(&mut argv) {
        // A transaction may select another database on its way.
        if in_flight(table::spec(cmd), &argv, None) {
            return true;
        }
    }
    false
}

/// Whether a command is held back until a pause ends. The primary's stream is held back where it is read
/// (`replica/apply`).
#[cold]
fn is_paused(request: &Request<'_>, scope: Scope) -> bool {
    let is_link = matches!(request.caller.class, Class::Primary | Class::Replica);
    !is_link && (scope == Scope::All || request.does(Flags::WRITE.union(Flags::MAY_REPLICATE)))
}

/// Why the state of the server does not allow a command.
#[inline]
fn not_now(srv: &Server, request: &Request<'_>) -> Option<Fault> {
    if (srv.snapshot.failed || srv.aof.failure().is_some())
        && let Some(fault) = disk_fault(srv, request.cmd, request.does(Flags::WRITE))
    {
        return Some(fault);
    }
    if srv.config.min_replicas_to_write > 0 && request.does(Flags::WRITE) && lacks_replicas(srv) {
        return Some(NO_REPLICAS);
    }
    let link = srv.replication.link.as_ref();
    if link.is_some() && srv.config.replica_read_only && request.does(Flags::WRITE) {
        return Some(READ_ONLY);
    }
    if request.caller.class == Class::PubSub
        && let Some(fault) = while_subscribed(request)
    {
        return Some(fault);
    }
    if is_stale(srv) && request.lacks(Flags::STALE) {
        return Some(MASTER_DOWN);
    }
    if let Some(loading) = srv.snapshot.loading {
        let is_refused = if loading.serves_old {
            request.does(Flags::NO_ASYNC_LOADING)
        } else {
            request.lacks(Flags::LOADING)
        };
        if is_refused {
            return Some(LOADING);
        }
    }
    let busy = srv.scripts.busy();
    busy.filter(|_| request.lacks(Flags::ALLOW_BUSY))
        .map(busy_fault)
}

/// Whether this is a replica whose primary is gone, and which is told not to serve what may be out of date.
#[inline]
pub fn is_stale(srv: &Server) -> bool {
    let link = srv.replication.link.as_ref();
    link.is_some_and(|link| !link.is_up()) && !srv.config.replica_serve_stale_data
}

/// The reply to a command that comes while a script has been running for long.
#[cold]
pub fn busy_fault(run: &Run) -> Fault {
    if run.is_eval() {
        BUSY_SCRIPT
    } else {
        BUSY_FUNCTION
    }
}

/// Why a subscriber may not send a command: in RESP2 its replies could not be told from messages.
#[cold]
fn while_subscribed(request: &Request<'_>) -> Option<Fault> {
    let is_allowed = request.caller.session.resp == Resp::V3 || SUBSCRIBED.contains(&request.cmd);
    (!is_allowed).then(|| {
        Fault::new(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this \
             context",
            request.spec.full_name
        ))
    })
}

/// Whether fewer than `min-replicas-to-write` replicas are connected with an acceptable lag.
#[cold]
pub fn lacks_replicas(srv: &Server) -> bool {
    let (now, max_lag) = (srv.unit.now_s(), srv.config.min_replicas_max_lag);
    let good = srv.replication.good_replicas(&srv.clients, now, max_lag);
    max_lag > 0 && !srv.replication.is_replica() && (good as i64) < srv.config.min_replicas_to_write
}

/// Why a command must be refused because data does not reach the disk: the last save failed, or the append-only file
/// cannot be written. PING counts, too, so that monitoring notices.
#[cold]
pub fn disk_fault(srv: &Server, cmd: CmdId, writes: bool) -> Option<Fault> {
    if cmd != PING && !writes {
        return None;
    }
    if is_save_fault(srv) {
        return Some(MISCONF_RDB);
    }
    let why = srv.aof.failure()?;
    Some(Fault::new(format!(
        "MISCONF Errors writing to the AOF file: {why}"
    )))
}

/// Whether writes are refused because the last snapshot could not be saved.
pub fn is_save_fault(srv: &Server) -> bool {
    let config = &srv.config;
    srv.snapshot.failed && config.stop_writes_on_bgsave_error && !config.save.is_empty()
}

const PING: CmdId = table::id(&connection::PING);
const DEBUG: CmdId = table::id(&table::server::DEBUG);
const EXEC: CmdId = table::id(&transactions::EXEC);

/// Commands that name a script by its digest.
const BY_DIGEST: [CmdId; 2] = [
    table::id(&scripting::EVALSHA),
    table::id(&scripting::EVALSHA_RO),
];

/// Commands that bring a script.
const BY_SOURCE: [CmdId; 2] = [table::id(&scripting::EVAL), table::id(&scripting::EVAL_RO)];

/// Commands that a subscriber may send in RESP2.
const SUBSCRIBED: [CmdId; 9] = [
    PING,
    table::id(&connection::QUIT),
    table::id(&connection::RESET),
    table::id(&pubsub::SUBSCRIBE),
    table::id(&pubsub::UNSUBSCRIBE),
    table::id(&pubsub::PSUBSCRIBE),
    table::id(&pubsub::PUNSUBSCRIBE),
    table::id(&pubsub::SSUBSCRIBE),
    table::id(&pubsub::SUNSUBSCRIBE),
];

/// Commands that end a transaction.
const ENDS_TRANSACTION: [CmdId; 4] = [
    EXEC,
    table::id(&transactions::DISCARD),
    table::id(&connection::QUIT),
    table::id(&connection::RESET),
];

/// Commands that run at once inside MULTI.
const NOT_QUEUED: [CmdId; 6] = [
    EXEC,
    table::id(&transactions::DISCARD),
    table::id(&transactions::MULTI),
    table::id(&transactions::WATCH),
    table::id(&connection::QUIT),
    table::id(&connection::RESET),
];

/// DEBUG and MODULE are allowed only for the clients that the configuration names.
fn protected(srv: &Server, request: &Request<'_>) -> Option<Fault> {
    let (name, allow, directive) = if request.cmd == DEBUG {
        (
            "DEBUG",
            srv.config.enable_debug_command,
            "enable-debug-command",
        )
    } else {
        (
            "MODULE",
            srv.config.enable_module_command,
            "enable-module-command",
        )
    };
    let client = srv.clients.get(request.caller.client);
    if client.is_some_and(|client| allowed(srv, client, allow)) {
        return None;
    }
    Some(Fault::new(format!(
        "ERR {name} command not allowed. If the {directive} option is set to \"local\", you can run it from a local \
         connection, otherwise you need to set this option in the configuration file, and then restart the server."
    )))
}

/// Whether a client may use what `allow` protects.
pub fn allowed(srv: &Server, client: &Client, allow: Allow) -> bool {
    match allow {
        Allow::Yes => true,
        Allow::No => false,
        Allow::Local => is_local(srv, client),
    }
}

/// Whether a client is connected over loopback or a Unix socket.
pub fn is_local(srv: &Server, client: &Client) -> bool {
    let peer = client.conn.and_then(|conn| srv.conns.peer(conn));
    peer.is_some_and(Addr::is_local)
}
