//! Following the primary's stream: the read handler of the client that represents the primary.
//!
//! The bytes that are read are appended to this server's stream unchanged, for its backlog and its own replicas, and
//! executed command by command. The offset counts exactly what was executed: it moves past a command after it was
//! executed, and past a transaction after EXEC.
//!
//! Writes are never skipped silently: a command of Redis 7.2 that this server does not have ends the link until REPLICAOF
//! is called again. One that fails, has the wrong number of arguments or does not exist in Redis 7.2 either is logged and
//! skipped, as in Redis. `propagation-error-behavior` and `replica-ignore-disk-write-errors` can make the process end instead.

use conn::connection::ConnId;
use conn::stream::Io;
use table::words::Flags;
use table::{connection, transactions};

use crate::config::values::PropagationError;
use crate::exec::gate::disk_fault;
use crate::exec::obeyed;
use crate::exec::process::{Flow, Unresolved, resolve};
use crate::exec::unblock::run;
use crate::feed::replicas::trim;
use crate::ingress::input::read;
use crate::replication::replica::link::link;
use crate::report::client_line::client_line;
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::caller::Caller;
use crate::state::client::{Client, ClientFlags, ReplyMode};
use crate::state::client_id::ClientId;
use crate::state::replication::link::{LinkStage, MAX_BULK_OF_PRIMARY};
use crate::state::session::Session;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;
use crate::wire::reply::{Reply, Resp};
use crate::wire::request::{Origin, Parsed, Request, RequestLimits};
use crate::{notice, warning};

/// Reads per turn of the loop.
const READS_PER_TURN: u32 = 8;
/// Interval of the warning about a failed save, in milliseconds.
const WARN_EVERY_MS: i64 = 10_000;

/// The stream begins: a client represents the primary from now on. What was read of the stream already is in `inbox`.
pub fn go_live(srv: &mut Server, conn: ConnId, db: usize) {
    let now = srv.unit.now_s();
    let id = srv.clients.add(Client {
        conn: Some(conn),
        flags: ClientFlags::PRIMARY,
        // The replica sends acknowledgements, but no replies.
        reply_mode: ReplyMode::Off,
        session: Session {
            authenticated: true,
            db: db.min(srv.keys.dbs.len() - 1),
            ..Session::default()
        },
        created: now,
        last_active: now,
        reply_size: crate::wire::output::KEEP_TAIL,
        reply_peak_at: srv.unit.now_ms,
        ..Client::default()
    });
    let Some(link) = link(srv) else { return };
    link.stage = LinkStage::Up(id);
    link.conn = None;
    link.last_io = now;
    link.down_since = 0;
    link.applied = 0;
    link.cached = (!link.is_pre_psync).then_some(db);
    let (unsent, begun) = (
        std::mem::take(&mut link.outbox),
        std::mem::take(&mut link.inbox),
    );
    srv.conns.set_data(conn, id.to_word());
    let Server { conns, el, .. } = srv;
    conns.set_write_handler(el, conn, None, false);
    conns.set_read_handler(el, conn, Some(on_readable));
    if let Some(client) = srv.clients.get_mut(id) {
        client.io.out.tail.extend_from_slice(&unsent);
        srv.clients.queue_write(id);
    }
    take_in(srv, id, &begun);
}

/// Executes bytes that arrived together with the end of the handshake or snapshot.
fn take_in(srv: &mut Server, id: ClientId, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Some(client) = srv.clients.get_mut(id) else {
            return;
        };
        let space = client.io.request.space();
        let n = space.len().min(bytes.len());
        space[..n].copy_from_slice(&bytes[..n]);
        client.io.request.filled(n);
        append(srv, &bytes[..n]);
        bytes = &bytes[n..];
        execute(srv, id);
    }
}

/// Appends bytes to the stream.
fn append(srv: &mut Server, bytes: &[u8]) {
    let size = srv.config.repl_backlog_size as u64;
    if srv.replication.keep(bytes, size) {
        trim(srv);
    }
}

/// The read handler of the primary's client.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let id = ClientId::from_word(srv.conns.data(conn));
    for _ in 0..READS_PER_TURN {
        if !take_more(srv, id, conn) {
            return;
        }
        execute(srv, id);
    }
}

/// Reads from the socket; whether there was anything.
fn take_more(srv: &mut Server, id: ClientId, conn: ConnId) -> bool {
    let why = match read(srv, id, conn) {
        Some(Io::Done(n)) => {
            came_in(srv, id, n);
            return true;
        }
        None | Some(Io::WouldBlock) => return false,
        Some(Io::Eof) => "connection closed".to_owned(),
        Some(Io::Failed(error)) => error.to_string(),
    };
    notice!("Reading from master: {why}");
    close_now(srv, id);
    false
}

/// Accounts for `n` new bytes in the query buffer.
fn came_in(srv: &mut Server, id: ClientId, n: usize) {
    let size = srv.config.repl_backlog_size as u64;
    let Server {
        clients,
        stats,
        unit,
        replication,
        ..
    } = srv;
    stats.repl_input_bytes += n as u64;
    if let Some(link) = &mut replication.link {
        link.last_io = unit.now_s();
    }
    let Some(client) = clients.get(id) else {
        return;
    };
    if replication.keep(client.io.request.latest(n), size) {
        trim(srv);
    }
}

/// Executes the complete commands of the stream.
fn execute(srv: &mut Server, id: ClientId) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let mut request = std::mem::take(&mut client.io.request);
    let mut reply = Reply::behind(Default::default(), Resp::V2, 0);
    client.flags.insert(ClientFlags::EXECUTING);
    let outer = srv.unit.client.replace(id);
    srv.unit.now_ms = srv.turn.tick();
    while next(srv, id, &mut request, &mut reply) {}
    srv.unit.client = outer;
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    client.flags.remove(ClientFlags::EXECUTING);
    request.compact();
    client.io.request = request;
    let has_output = !client.io.out.is_empty();
    if has_output {
        srv.clients.queue_write(id);
    }
    // A command longer than the backlog had to be kept until it was executed.
    if srv.replication.blocks.len() > srv.config.repl_backlog_size as u64 {
        trim(srv);
    }
}

/// Continues after a pause.
pub fn go_on(srv: &mut Server) {
    let id = srv.replication.link.as_ref().and_then(|link| link.client());
    if let Some(id) = id {
        execute(srv, id);
    }
}

/// Executes the next command; returns whether there may be another. During a pause the stream is held back.
fn next(srv: &mut Server, id: ClientId, request: &mut Request, reply: &mut Reply) -> bool {
    if srv.pauses.scope().is_some() {
        return false;
    }
    let limits = RequestLimits {
        max_bulk: srv.config.proto_max_bulk_len.max(MAX_BULK_OF_PRIMARY),
        unauthenticated: false,
        origin: Origin::Primary,
    };
    match request.parse(limits) {
        Ok(Parsed::Command) => {}
        Ok(Parsed::Nothing) => return true,
        Ok(Parsed::Incomplete) => return false,
        Err(error) => {
            warning!(
                "Protocol error ({}) from master: {}",
                error.0,
                client_line(srv, id)
            );
            distrust(srv, id);
            return false;
        }
    }
    if srv.snapshot.failed || srv.aof.failure().is_some() {
        mind_the_disk(srv, id, &request.argv);
    }
    reply.unheard = None;
    let flow = run(srv, id, &request.argv, reply);
    if let Some(fault) = reply.unheard.take()
        && !take_fault(srv, id, &request.argv, &fault)
    {
        return false;
    }
    advance_offset(srv, id, request.position());
    flow == Flow::Next
}

/// Data does not reach the disk: a write is executed anyway, or the process ends (`replica-ignore-disk-write-errors`).
#[cold]
fn mind_the_disk(srv: &mut Server, id: ClientId, argv: &Argv) {
    let Ok((cmd, spec, _)) = resolve(&srv.commands, argv) else {
        return;
    };
    let caller = srv.clients.get(id).map(|client| Caller::of(id, client));
    let is_exec = cmd == table::id(&transactions::EXEC);
    let writes = caller.is_some_and(|caller| caller.does_any(spec.flags, is_exec, Flags::WRITE));
    let fault = disk_fault(srv, cmd, writes);
    if fault.is_none() {
        return;
    }
    let is_ping = cmd == table::id(&connection::PING);
    assert!(
        srv.config.replica_ignore_disk_write_errors || is_ping,
        "Replica was unable to write command to disk."
    );
    let now_ms = srv.unit.now_ms;
    if let Some(link) = link(srv).filter(|link| now_ms > link.warned_ms + WARN_EVERY_MS) {
        link.warned_ms = now_ms;
        warning!("Replica is applying a command even though it is unable to write to disk.");
    }
}

/// Advances the offset to `position` after a command was executed; inside a transaction only after EXEC.
fn advance_offset(srv: &mut Server, id: ClientId, position: u64) {
    let queueing = srv
        .clients
        .get(id)
        .is_some_and(|client| client.multi.is_some());
    let Some(link) = &mut srv.replication.link else {
        return;
    };
    if !queueing && link.client() == Some(id) {
        let n = position - link.applied;
        link.applied = position;
        srv.replication.executed(n);
        srv.replication.unsent = true;
    }
}

/// A command of the primary has failed; returns whether the link may continue.
#[cold]
fn take_fault(srv: &mut Server, id: ClientId, argv: &Argv, fault: &Fault) -> bool {
    let panics = srv.config.replica_read_only
        && srv.config.propagation_error_behavior != PropagationError::Ignore;
    let resolved = resolve(&srv.commands, argv).map(|(cmd, ..)| cmd);
    let cmd = resolved.map_or_else(Unresolved::cmd, Some);
    let name = cmd.map_or("<unknown>", table::full_name);
    obeyed::report(srv, ["replica", "master"], name, fault, panics);
    // A command that Redis 7.2 does not have is skipped, as Redis does.
    let is_missing = matches!(resolved, Err(Unresolved::Command | Unresolved::Subcommand));
    if table::lookup(&argv[0]).is_none() || !is_missing {
        return true;
    }
    warning!(
        "== CRITICAL == This server lacks a command that its master sends. The link is ended, so that no write is \
         skipped, until REPLICAOF is called again"
    );
    srv.clients.queue_close(id);
    let now = srv.unit.now_s();
    if let Some(link) = link(srv) {
        link.stage = LinkStage::Halted;
        link.cached = None;
        link.down_since = now;
    }
    srv.replication.forget_unexecuted();
    false
}

/// The stream is invalid: the link is closed and cannot be resumed.
fn distrust(srv: &mut Server, id: ClientId) {
    if let Some(link) = link(srv) {
        link.cached = None;
    }
    srv.clients.queue_close(id);
}

/// Sends the primary an acknowledgement.
pub fn send_ack(srv: &mut Server) {
    let offset = srv.replication.offset as i64;
    let synced = srv.aof.synced_offset;
    let Some(id) = link(srv)
        .filter(|link| !link.is_pre_psync)
        .and_then(|link| link.client())
    else {
        return;
    };
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let mut reply = Reply::behind(std::mem::take(&mut client.io.out), Resp::V2, 0);
    reply.array(if synced.is_some() { 5 } else { 3 });
    reply.bulk(b"REPLCONF");
    reply.bulk(b"ACK");
    reply.bulk_int(offset);
    if let Some(synced) = synced {
        reply.bulk(b"FACK");
        reply.bulk_int(synced as i64);
    }
    client.io.out = reply.out;
    srv.clients.queue_write(id);
}
