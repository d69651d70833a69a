//! MIGRATE's client side: RESTORE on the target, then DEL here, without blocking the event loop.
//!
//! The calling client is blocked while its keys are in flight; other clients are served. A client that names such a key
//! waits for the outcome (`exec/gate`). Changes that cannot be delayed (the primary's stream, expiry, FLUSHALL, SWAPDB) go
//! ahead: they invalidate the key, and the transfer fails. All transfers that have ended are handled in one place,
//! [`conclude`], before the loop sleeps: keys that the target has confirmed are deleted and propagated as one DEL.
//!
//! Inside a transaction the client cannot be blocked. [`at_once`] blocks the loop instead, over a connection of its own
//! that is not cached; the time-out bounds the whole conversation, name resolution included, however slowly the target
//! answers.
//!
//! # Invariants
//! 1. A key is deleted only after the target has confirmed it, and only if it still is what was sent.
//! 2. Nothing is deleted while writes are paused: the end of the transfer waits for the end of the pause.

use std::time::{Duration, Instant};

use ae::time::{Next, TimerId};
use conn::blocking::Client;
use conn::connection::{ConnId, State};
use conn::conns::ClientTls;
use conn::dial::{Dialed, Dialer, Place};
use conn::encode::{array, bulk};
use conn::error::Step;
use conn::names::NameCheck;
use conn::stream::Io;
use conn::tls::context::TlsContext;
use data::rdb::encoder::payload;

use crate::config::params::Params;
use crate::egress::dial::{dialer, query};
use crate::exec::unblock::give_up;
use crate::feed::propagate::{also, as_unit};
use crate::ingress::input::release_all;
use crate::keyspace::delete::delete;
use crate::keyspace::lookup::db;
use crate::server::{Ctx, Done, Server};
use crate::state::blocked::BlockKind;
use crate::state::client_id::ClientId;
use crate::state::migration::{
    Answers, Failure, Kept, KeyTransfer, LINK_TTL_S, MAX_LINKS, Order, Phase,
};
use crate::verbose;
use crate::wire::fault::Fault;

/// Bytes sent per call, so that a target that reads fast does not hold the loop.
const CHUNK: usize = 256 * 1024;
/// Bytes of replies read at a time.
const ANSWERS: usize = 16 * 1024;

/// Starts to send keys; `client` is told the outcome.
pub fn begin(srv: &mut Server, client: ClientId, db: usize, order: Order) {
    let id = srv.migration.number();
    let spoiled = order.keys.iter().map(|key| (key.clone(), false)).collect();
    let timer = srv.el.add_timer(order.timeout_ms, on_timer, id);
    srv.migration.transfers.push(KeyTransfer {
        id,
        timer,
        client,
        db,
        order,
        spoiled,
        phase: Phase::Exchange,
        conn: None,
        may_retry: true,
        outbox: Vec::new(),
        sent: 0,
        answers: Answers::default(),
        progress_ms: srv.unit.now_ms,
        outcome: None,
    });
    start(srv, id);
}

/// Starts a transfer, over the cached link if there is one.
fn start(srv: &mut Server, id: u64) {
    let Some(transfer) = srv.migration.get(id) else {
        return;
    };
    let (from, order) = (transfer.db, transfer.order.clone());
    let target = (order.host.clone(), order.port);
    let kept = srv.migration.links.remove(&target);
    let is_selected = kept.and_then(|link| link.db) == Some(order.db);
    let (outbox, answers) = compose(srv, from, &order, is_selected);
    let Some(transfer) = srv.migration.get(id) else {
        return;
    };
    (transfer.outbox, transfer.sent, transfer.answers) = (outbox, 0, answers);
    match kept {
        Some(link) => {
            transfer.conn = Some(link.conn);
            exchange(srv, link.conn);
        }
        None => connect(srv, id, &order),
    }
}

/// The commands to send, and the replies to expect.
fn compose(srv: &Server, from: usize, order: &Order, is_selected: bool) -> (Vec<u8>, Answers) {
    let mut out = Vec::new();
    let mut prelude = 0;
    if !order.auth.is_empty() {
        array(1 + order.auth.len(), &mut out);
        bulk(b"AUTH", &mut out);
        for word in &order.auth {
            bulk(word, &mut out);
        }
        prelude += 1;
    }
    if !is_selected {
        array(2, &mut out);
        bulk(b"SELECT", &mut out);
        bulk(order.db.to_string().as_bytes(), &mut out);
        prelude += 1;
    }
    let mut keys = 0;
    let restore: &[u8] = if srv.config.cluster_enabled {
        b"RESTORE-ASKING"
    } else {
        b"RESTORE"
    };
    for key in &order.keys {
        let Some(entry) = db(srv, from).find(key) else {
            continue;
        };
        // 0 would mean no expiry.
        let ttl = entry
            .expire()
            .map_or(0, |at_ms| (at_ms - srv.unit.now_ms).max(1));
        array(4 + usize::from(order.replace), &mut out);
        bulk(restore, &mut out);
        bulk(key, &mut out);
        bulk(itoa::Buffer::new().format(ttl).as_bytes(), &mut out);
        bulk(&payload(entry, srv.config.rdbcompression), &mut out);
        if order.replace {
            bulk(b"REPLACE", &mut out);
        }
        keys += 1;
    }
    (out, Answers::to(prelude, keys))
}

/// Resolves the target's name and connects.
fn connect(srv: &mut Server, id: u64, order: &Order) {
    let dialer = dialer(srv, &order.host, order.port);
    dial(srv, id, dialer, Failure::Connect);
}

/// Connects to the next address, if the name is resolved and one is left; otherwise the transfer ends with a failure.
fn dial(srv: &mut Server, id: u64, mut dialer: Dialer, failure: Failure) {
    let Some(transfer) = srv.migration.transfers.iter_mut().find(|t| t.id == id) else {
        return;
    };
    let context = srv.tls.context.clone();
    let Ok(tls) = tls_for(&srv.config, context.as_ref(), &transfer.order.host) else {
        return transfer.end(Err(Failure::Connect));
    };
    let told = |error: &_| verbose!("MIGRATE: {error}");
    match dialer.next((&mut srv.el, &mut srv.conns), tls, on_connect, told) {
        Dialed::Resolving => transfer.phase = Phase::Connecting(dialer),
        Dialed::Begun(conn) => {
            transfer.conn = Some(conn);
            transfer.phase = Phase::Connecting(dialer);
        }
        Dialed::Exhausted => transfer.end(Err(failure)),
    }
}

/// The TLS settings of a link to a target, if it uses TLS.
///
/// `tls-cluster` counts outside of a cluster too, as it does in Redis; `tls-migrate` is for servers without a cluster.
fn tls_for<'a>(
    config: &Params,
    context: Option<&'a TlsContext>,
    host: &'a str,
) -> Result<Option<ClientTls<'a>>, Failure> {
    if !config.tls_cluster && (config.cluster_enabled || !config.tls_migrate) {
        return Ok(None);
    }
    let names = NameCheck::between_servers(host, config.tls_peer_name_check);
    Ok(Some(names.tls(context.ok_or(Failure::Connect)?)))
}

/// The connection was made, or it has failed.
fn on_connect(srv: &mut Server, conn: ConnId) {
    let connected = srv.conns.state(conn) == State::Connected;
    if let Some(error) = srv.conns.error(conn) {
        verbose!("MIGRATE: {error}");
    }
    let Some(transfer) = srv.migration.by_conn(conn) else {
        return srv.conns.close(&mut srv.el, conn);
    };
    if connected {
        transfer.phase = Phase::Exchange;
        return exchange(srv, conn);
    }
    let id = transfer.id;
    let phase = std::mem::replace(&mut transfer.phase, Phase::Exchange);
    transfer.conn = None;
    let failure = refused(srv.conns.is_tls(conn));
    srv.conns.close(&mut srv.el, conn);
    match phase {
        Phase::Connecting(dialer) => dial(srv, id, dialer, failure),
        _ => fail(srv, id, failure),
    }
}

/// How a target that refuses connections shows. Redis takes a TCP connection that was refused for one that is made, and then
/// cannot write.
fn refused(is_tls: bool) -> Failure {
    if is_tls {
        Failure::Connect
    } else {
        Failure::Write
    }
}

/// Sends the commands over a link that is connected, and reads the replies.
fn exchange(srv: &mut Server, conn: ConnId) {
    let now_ms = srv.unit.now_ms;
    if let Some(transfer) = srv.migration.by_conn(conn) {
        transfer.progress_ms = now_ms;
    }
    srv.conns
        .set_read_handler(&mut srv.el, conn, Some(on_readable));
    on_writable(srv, conn);
}

/// Sends what is left to be sent.
fn on_writable(srv: &mut Server, conn: ConnId) {
    let now_ms = srv.unit.now_ms;
    let Server {
        conns,
        el,
        migration,
        ..
    } = srv;
    let Some(transfer) = migration.by_conn(conn) else {
        return;
    };
    let id = transfer.id;
    let left = &transfer.outbox[transfer.sent..];
    let written = conns.write(el, conn, &left[..left.len().min(CHUNK)]);
    let flushed = conns.flush(el, conn);
    match (written, flushed) {
        (Io::Failed(_) | Io::Eof, _) | (_, Io::Failed(_)) => fail(srv, id, Failure::Write),
        (Io::Done(n), _) => {
            transfer.sent += n;
            transfer.progress_ms = now_ms;
            let has_more = transfer.sent < transfer.outbox.len();
            set_writer(srv, conn, has_more);
        }
        (Io::WouldBlock, _) => set_writer(srv, conn, true),
    }
}

fn set_writer(srv: &mut Server, conn: ConnId, has_more: bool) {
    if has_more != srv.conns.has_write_handler(conn) {
        let handler: Option<fn(&mut Server, ConnId)> = has_more.then_some(on_writable);
        srv.conns
            .set_write_handler(&mut srv.el, conn, handler, false);
    }
}

/// Reads replies.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let now_ms = srv.unit.now_ms;
    let mut buf = vec![0; ANSWERS];
    let read = srv.conns.read(&mut srv.el, conn, &mut buf);
    let Some(transfer) = srv.migration.by_conn(conn) else {
        return;
    };
    let id = transfer.id;
    match read {
        Io::WouldBlock => {}
        Io::Done(n) if transfer.answers.feed(&buf[..n]) => {
            transfer.progress_ms = now_ms;
            if transfer.answers.is_complete() {
                transfer.end(Ok(()));
            }
        }
        Io::Done(_) | Io::Eof | Io::Failed(_) => fail(srv, id, Failure::Read),
    }
}

/// A step has failed. Unless a key was answered already, the transfer is tried once more over a new link.
fn fail(srv: &mut Server, id: u64, failure: Failure) {
    let Some(transfer) = srv.migration.get(id) else {
        return;
    };
    let again = failure != Failure::Connect
        && transfer.may_retry
        && transfer.outcome.is_none()
        && transfer.answers.restored.is_empty();
    transfer.may_retry = false;
    let conn = transfer.conn.take();
    // The first outcome counts.
    if !again && transfer.outcome.is_none() {
        transfer.end(Err(failure));
    }
    if let Some(conn) = conn {
        srv.conns.close(&mut srv.el, conn);
    }
    if again {
        start(srv, id);
    }
}

/// Fails a transfer that has made no progress for its time-out.
fn on_timer(srv: &mut Server, _timer: TimerId, id: u64) -> Next {
    let now_ms = srv.unit.now_ms;
    let Some(transfer) = srv.migration.get(id) else {
        return Next::Never;
    };
    let late_ms = transfer.progress_ms + transfer.order.timeout_ms as i64;
    if now_ms < late_ms {
        return Next::In((late_ms - now_ms) as u64);
    }
    let failure = match transfer.phase {
        Phase::Connecting(_) => Failure::Connect,
        Phase::Exchange if transfer.sent < transfer.outbox.len() => Failure::Write,
        Phase::Exchange => Failure::Read,
    };
    if transfer.outcome.is_none() {
        transfer.end(Err(failure));
    }
    Next::Never
}

/// Before the loop sleeps: goes on where a name may have been resolved, and handles transfers that have ended.
pub fn conclude(srv: &mut Server) {
    if srv.migration.is_idle() {
        return;
    }
    let mut resolving = Vec::new();
    for transfer in &mut srv.migration.transfers {
        if let Phase::Connecting(dialer) = &transfer.phase
            && dialer.is_resolving()
            && transfer.outcome.is_none()
            && let Phase::Connecting(dialer) =
                std::mem::replace(&mut transfer.phase, Phase::Exchange)
        {
            resolving.push((transfer.id, dialer));
        }
    }
    for (id, dialer) in resolving {
        dial(srv, id, dialer, Failure::Connect);
    }
    if srv.pauses.scope().is_some() {
        return;
    }
    let mut any = false;
    while let Some(transfer) = srv.migration.take_ended() {
        end(srv, transfer);
        any = true;
    }
    if any {
        release_all(srv, BlockKind::KeyInFlight);
    }
}

/// Deletes the keys that have arrived, caches or closes the link, and answers the client.
fn end(srv: &mut Server, transfer: KeyTransfer) {
    let KeyTransfer {
        timer,
        client,
        db,
        order,
        spoiled,
        conn,
        answers,
        outcome,
        ..
    } = transfer;
    srv.el.remove_timer(timer);
    let is_whole = |key: &[u8]| spoiled.get(key) == Some(&false);
    as_unit(srv, |srv| {
        let gone = delete_restored(srv, db, &order, &answers, is_whole);
        if !gone.is_empty() {
            let line: Vec<&[u8]> = [b"DEL".as_slice()].into_iter().chain(gone).collect();
            also(srv, db, line.into_iter());
        }
    });
    let offset = srv.replication.offset;
    if let Some(client) = srv.clients.get_mut(client) {
        client.written_offset = offset;
    }
    let failure = outcome.and_then(Result::err);
    match conn {
        Some(conn) if failure.is_some() => srv.conns.close(&mut srv.el, conn),
        Some(conn) => keep(srv, &order, conn, answers.refusal.is_none()),
        None => {}
    }
    give_up(srv, client, verdict(&answers, failure).err().as_ref());
}

/// Deletes the keys that the target has, and returns them.
fn delete_restored<'a>(
    srv: &mut Server,
    db: usize,
    order: &'a Order,
    answers: &Answers,
    is_whole: impl Fn(&[u8]) -> bool,
) -> Vec<&'a [u8]> {
    if order.copy {
        return Vec::new();
    }
    let lazy = srv.config.lazyfree_lazy_server_del;
    let answered = order.keys.iter().zip(&answers.restored);
    answered
        .filter(|(key, restored)| **restored && is_whole(key) && delete(srv, db, key, lazy))
        .map(|(key, _)| &**key)
        .collect()
}

/// The reply to the client.
fn verdict(answers: &Answers, failure: Option<Failure>) -> Done {
    if let Some(text) = &answers.refusal
        && !answers.restored.is_empty()
    {
        return Err(Fault::new(format!(
            "ERR Target instance replied with error: {}",
            String::from_utf8_lossy(text)
        )));
    }
    match failure {
        None => Ok(()),
        Some(Failure::Connect) => Err(Fault::new(
            "IOERR error or timeout connecting to the client",
        )),
        Some(Failure::Write) => Err(Fault::new(
            "IOERR error or timeout writing to target instance",
        )),
        Some(Failure::Read) => Err(Fault::new(
            "IOERR error or timeout reading to target instance",
        )),
    }
}

/// Caches a link for the next transfer to the same target.
fn keep(srv: &mut Server, order: &Order, conn: ConnId, is_selected: bool) {
    // If the target closes it, the next transfer finds out.
    srv.conns.set_read_handler(&mut srv.el, conn, None);
    let kept = Kept {
        conn,
        db: is_selected.then_some(order.db),
        used_s: srv.unit.now_s(),
    };
    let links = &mut srv.migration.links;
    let target = (order.host.clone(), order.port);
    if links.len() >= MAX_LINKS && !links.contains_key(&target) {
        let oldest = links.iter().min_by_key(|(_, link)| link.used_s);
        if let Some(oldest) = oldest.map(|(target, _)| target.clone())
            && let Some(link) = links.remove(&oldest)
        {
            srv.conns.close(&mut srv.el, link.conn);
        }
    }
    // Two transfers to the same target at the same time end with two links.
    if let Some(other) = srv.migration.links.insert(target, kept) {
        srv.conns.close(&mut srv.el, other.conn);
    }
}

/// Closes links that have not been used for long, once a second.
pub fn cron(srv: &mut Server) {
    let now_s = srv.unit.now_s();
    let (conns, el) = (&mut srv.conns, &mut srv.el);
    srv.migration.links.retain(|_, link| {
        let stays = now_s - link.used_s <= LINK_TTL_S;
        if !stays {
            conns.close(el, link.conn);
        }
        stays
    });
}

/// Sends keys and blocks until the outcome is known, or the time-out has passed; `gone` is given the keys that were
/// deleted.
///
/// # Errors
/// The reply to the client. Keys may have been deleted all the same.
pub fn at_once(cx: &mut Ctx<'_>, order: &Order, gone: impl FnOnce(&mut Ctx<'_>, &[&[u8]])) -> Done {
    let (outbox, mut answers) = compose(cx.srv, cx.db, order, false);
    let failure = exchange_blocking(cx.srv, order, &outbox, &mut answers).err();
    let deleted = delete_restored(cx.srv, cx.db, order, &answers, |_| true);
    if !deleted.is_empty() {
        gone(cx, &deleted);
    }
    verdict(&answers, failure)
}

/// The whole conversation with a target, within one deadline.
fn exchange_blocking(
    srv: &Server,
    order: &Order,
    outbox: &[u8],
    answers: &mut Answers,
) -> Result<(), Failure> {
    let timeout = Duration::from_millis(order.timeout_ms);
    let deadline = Instant::now() + timeout;
    let query = query(&srv.config, &order.host, order.port);
    let place = Place::Tcp {
        host: &query.host,
        port: query.port,
        source: query.source.as_deref(),
    };
    let tls = tls_for(&srv.config, srv.tls.context.as_ref(), &order.host)?;
    let is_tls = tls.is_some();
    let mut link = Client::connect(&place, tls, Some(timeout)).map_err(|error| {
        if error.step() == Step::Resolve || Instant::now() >= deadline {
            Failure::Connect
        } else {
            refused(is_tls)
        }
    })?;
    link.set_deadline(Some(deadline));
    link.send(outbox).map_err(|_| Failure::Write)?;
    let mut buf = vec![0; ANSWERS];
    while !answers.is_complete() {
        match link.receive(&mut buf) {
            Ok(n) if n > 0 && answers.feed(&buf[..n]) => {}
            _ => return Err(Failure::Read),
        }
    }
    Ok(())
}
