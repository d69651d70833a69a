//! The gate: may this client run this command now?
//!
//! Small questions in Redis's order; the first answer that is not "run" wins. A question whose subject does not exist
//! in this build (cluster, scripts) is not asked. What the primary of a replica sends is let in: it has been asked there.

use conn::addr::Addr;
use table::keys::accessed;
use table::spec::Spec;
use table::words::Flags;
use table::{CmdId, connection, transactions};

use crate::config::values::Allow;
use crate::server::Server;
use crate::state::client::{Client, ClientFlags};
use crate::state::client_id::ClientId;
use crate::state::pauses::Scope;
use crate::wire::fault::{
    Fault, LOADING, MASTER_DOWN, MISCONF_RDB, NO_AUTH, NO_REPLICAS, NOT_IN_TRANSACTION, READ_ONLY,
};
use crate::wire::request::Argv;

/// Answer of the gate.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Call it.
    Run,
    /// Keep it for EXEC.
    Queue,
    /// Let it wait for the end of a pause.
    Postpone,
    /// Let it wait until a key that it names is no longer in flight to another server.
    Hold,
    /// Tell the client this instead.
    Refuse(Fault),
}

/// Asks all questions about one command.
#[inline]
pub fn verdict(
    srv: &Server,
    id: ClientId,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
) -> Verdict {
    let Some(client) = srv.clients.get(id) else {
        return Verdict::Refuse(NO_AUTH);
    };
    if spec.flags.contains(Flags::PROTECTED)
        && let Some(fault) = protected(srv, client, argv)
    {
        return Verdict::Refuse(fault);
    }
    if !client.authenticated && !spec.flags.contains(Flags::NO_AUTH) {
        return Verdict::Refuse(NO_AUTH);
    }
    if !client.flags.contains(ClientFlags::PRIMARY)
        && let Some(fault) = not_now(srv, client, cmd, spec)
    {
        return Verdict::Refuse(fault);
    }
    if client.replica.is_some() && is_foul(client, cmd, spec) {
        return Verdict::Refuse(Fault::new("ERR Replica can't interact with the keyspace"));
    }
    if let Some(scope) = srv.pauses.scope()
        && is_paused(client, cmd, spec, scope)
    {
        return Verdict::Postpone;
    }
    let verdict = if client.multi.is_some() {
        in_transaction(cmd, spec)
    } else {
        Verdict::Run
    };
    if verdict == Verdict::Run && !srv.migration.is_idle() && is_held(srv, client, cmd, spec, argv)
    {
        return Verdict::Hold;
    }
    verdict
}

/// Whether a command, or one that it executes, names a key in flight. What comes from the primary is never held.
#[cold]
fn is_held(srv: &Server, client: &Client, cmd: CmdId, spec: &Spec, argv: &Argv) -> bool {
    let flying = |spec: &Spec, argv: &Argv, db: Option<usize>| {
        accessed(spec, &|at| &argv[at], argv.len())
            .iter()
            .any(|key| srv.migration.carries(db, &argv[key.pos as usize]))
    };
    if client.flags.contains(ClientFlags::PRIMARY) {
        return false;
    }
    let queue = client.multi.iter().flat_map(|multi| &multi.queue);
    // A transaction may select another database on its way.
    let mut queued = queue.map(|each| flying(table::spec(each.cmd), &each.argv, None));
    flying(spec, argv, Some(client.db)) || (cmd == EXEC && queued.any(|held| held))
}

/// Whether a command waits for the end of a pause.
#[cold]
fn is_paused(client: &Client, cmd: CmdId, spec: &Spec, scope: Scope) -> bool {
    // The primary's stream is held back where it is read.
    let is_link = client.flags.contains(ClientFlags::PRIMARY) || client.is_replica();
    let is_told = |spec: &Spec| spec.flags.intersects(Flags::WRITE | Flags::MAY_REPLICATE);
    !is_link && (scope == Scope::All || does(client, cmd, spec, is_told))
}

/// Whether a replica of this server asks for what is not a replica's business.
fn is_foul(client: &Client, cmd: CmdId, spec: &Spec) -> bool {
    let touches = Flags::WRITE | Flags::READONLY | Flags::MAY_REPLICATE;
    client.is_replica()
        && (spec.flags.intersects(touches) || changes_data(client, cmd, spec, false))
}

/// Why the state of the server does not allow a command.
#[inline]
fn not_now(srv: &Server, client: &Client, cmd: CmdId, spec: &Spec) -> Option<Fault> {
    if srv.snapshot.failed && cannot_be_saved(srv, client, cmd, spec) {
        return Some(MISCONF_RDB);
    }
    if srv.config.min_replicas_to_write > 0
        && changes_data(client, cmd, spec, false)
        && lacks_replicas(srv)
    {
        return Some(NO_REPLICAS);
    }
    if let Some(link) = &srv.replication.link {
        if srv.config.replica_read_only && changes_data(client, cmd, spec, false) {
            return Some(READ_ONLY);
        }
        if !srv.config.replica_serve_stale_data
            && !link.is_up()
            && does(client, cmd, spec, |spec| !spec.flags.contains(Flags::STALE))
        {
            return Some(MASTER_DOWN);
        }
    }
    if let Some(loading) = srv.snapshot.loading {
        let is_refused = |spec: &Spec| {
            if loading.serves_old {
                spec.flags.contains(Flags::NO_ASYNC_LOADING)
            } else {
                !spec.flags.contains(Flags::LOADING)
            }
        };
        if does(client, cmd, spec, is_refused) {
            return Some(LOADING);
        }
    }
    None
}

/// Whether fewer replicas than wanted would get a write soon.
#[cold]
fn lacks_replicas(srv: &Server) -> bool {
    let (now, max_lag) = (srv.unit.now_ms / 1000, srv.config.min_replicas_max_lag);
    let good = srv.replication.good_replicas(&srv.clients, now, max_lag);
    max_lag > 0 && !srv.replication.is_replica() && (good as i64) < srv.config.min_replicas_to_write
}

/// Whether a command changes data that has to be saved; asked when the latest save has failed.
pub fn cannot_be_saved(srv: &Server, client: &Client, cmd: CmdId, spec: &Spec) -> bool {
    srv.config.stop_writes_on_bgsave_error
        && !srv.config.save.is_empty()
        && changes_data(client, cmd, spec, true)
}

/// Whether a command writes, or executes one that does. With `ping` that counts, too: whoever asks shall hear of the
/// trouble.
fn changes_data(client: &Client, cmd: CmdId, spec: &Spec, ping: bool) -> bool {
    let writes = |spec: &Spec| spec.flags.contains(Flags::WRITE);
    (ping && cmd == PING) || does(client, cmd, spec, writes)
}

/// Whether a command is of a kind, or executes one that is.
#[inline]
fn does(client: &Client, cmd: CmdId, spec: &Spec, kind: impl Fn(&Spec) -> bool) -> bool {
    let queue = client.multi.iter().flat_map(|multi| &multi.queue);
    kind(spec) || (cmd == EXEC && queue.map(|queued| table::spec(queued.cmd)).any(kind))
}

const PING: CmdId = table::id(&connection::PING);
const EXEC: CmdId = table::id(&transactions::EXEC);

/// Commands that are executed at once in a transaction.
const NOT_QUEUED: [CmdId; 6] = [
    EXEC,
    table::id(&transactions::DISCARD),
    table::id(&transactions::MULTI),
    table::id(&transactions::WATCH),
    table::id(&connection::QUIT),
    table::id(&connection::RESET),
];

fn in_transaction(cmd: CmdId, spec: &Spec) -> Verdict {
    if spec.flags.contains(Flags::NO_MULTI) {
        Verdict::Refuse(NOT_IN_TRANSACTION)
    } else if NOT_QUEUED.contains(&cmd) {
        Verdict::Run
    } else {
        Verdict::Queue
    }
}

/// DEBUG and MODULE are for whom the configuration says.
fn protected(srv: &Server, client: &Client, argv: &Argv) -> Option<Fault> {
    let is_debug = argv[0].eq_ignore_ascii_case(b"debug");
    let (allow, directive) = if is_debug {
        (srv.config.enable_debug_command, "enable-debug-command")
    } else {
        (srv.config.enable_module_command, "enable-module-command")
    };
    if allowed(srv, client, allow) {
        return None;
    }
    let name = if is_debug { "DEBUG" } else { "MODULE" };
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

/// Whether a client sits on this machine.
pub fn is_local(srv: &Server, client: &Client) -> bool {
    client.flags.contains(ClientFlags::UNIX)
        || client
            .conn
            .and_then(|conn| srv.conns.peer(conn))
            .is_some_and(|peer| match peer {
                Addr::Unix(_) => true,
                Addr::Tcp(addr) => addr.ip().is_loopback(),
            })
}
