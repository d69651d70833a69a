//! MIGRATE's client side: RESTORE there, then DEL here, without waiting for anybody.
//!
//! The caller is parked while its keys are in flight, and everybody else is served. Whoever names such a key waits for the
//! outcome (`exec/gate`). What cannot be held (the primary's stream, expiry, FLUSHALL, SWAPDB) goes ahead: the key is
//! spoiled and the transfer fails. A transfer that has come to its end is acted upon at one place, [`conclude`], before
//! the loop sleeps: keys that the target has confirmed are deleted and propagated as one DEL.
//!
//! In a transaction nobody can be parked: [`at_once`] waits for that one target, each step of it for the time-out at
//! most, on a connection of its own that is not kept.
//!
//! # Invariants
//! 1. A key is deleted only after the target has said that it has it, and only if it is what was sent.
//! 2. Nothing is deleted while writes are paused: the end of the transfer waits for the end of the pause.

use std::net::IpAddr;
use std::time::Duration;

use ae::time::{Next, TimerId};
use conn::blocking::Client;
use conn::connection::{ConnId, State};
use conn::conns::ClientTls;
use conn::dial::Target;
use conn::resp::encode;
use conn::stream::Io;
use conn::tls::context::TlsContext;
use data::rdb::encoder::payload;

use crate::config::params::Params;
use crate::exec::unblock::{give_up, release};
use crate::feed::propagate::{also, as_unit};
use crate::keyspace::delete::delete;
use crate::keyspace::lookup::db;
use crate::server::{Ctx, Done, Server};
use crate::state::blocked::BlockKind;
use crate::state::client_id::ClientId;
use crate::state::migration::{
    Answers, Failure, Kept, LINK_TTL_S, MAX_LINKS, Order, Stage, Transfer,
};
use crate::sys::host;
use crate::verbose;
use crate::wire::fault::Fault;

/// Bytes sent in one go: a target that reads fast must not keep the loop from others.
const CHUNK: usize = 256 * 1024;
/// Bytes of answers read at a time.
const ANSWERS: usize = 16 * 1024;

/// Sends keys on their way; `client` hears of the outcome.
pub fn begin(srv: &mut Server, client: ClientId, db: usize, order: Order) {
    let id = srv.migration.number();
    let spoiled = order.keys.iter().map(|key| (key.clone(), false)).collect();
    let timeout_ms = order.timeout_ms;
    srv.migration.transfers.push(Transfer {
        id,
        client,
        db,
        order,
        spoiled,
        stage: Stage::Talking,
        conn: None,
        may_retry: true,
        outbox: Vec::new(),
        sent: 0,
        answers: Answers::default(),
        progress_ms: srv.unit.now_ms,
        outcome: None,
    });
    srv.el.add_timer(timeout_ms, on_timer, id);
    set_out(srv, id);
}

/// Begins, by the link that is kept if there is one.
fn set_out(srv: &mut Server, id: u64) {
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
            talk(srv, link.conn);
        }
        None => reach(srv, id, order),
    }
}

/// All that is sent, and what is to come back.
fn compose(srv: &Server, from: usize, order: &Order, is_selected: bool) -> (Vec<u8>, Answers) {
    let mut out = Vec::new();
    let mut prelude = 0;
    if !order.auth.is_empty() {
        let mut auth = vec![b"AUTH".as_slice()];
        auth.extend(order.auth.iter().map(Vec::as_slice));
        encode(&mut out, &auth);
        prelude += 1;
    }
    if !is_selected {
        encode(&mut out, &["SELECT", &order.db.to_string()]);
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
        // 0 would be for ever.
        let ttl = entry
            .expire()
            .map_or(0, |at_ms| (at_ms - srv.unit.now_ms).max(1));
        let (ttl, value) = (ttl.to_string(), payload(entry, srv.config.rdbcompression));
        let mut line = vec![restore, key, ttl.as_bytes(), &value];
        if order.replace {
            line.push(b"REPLACE");
        }
        encode(&mut out, &line);
        keys += 1;
    }
    (out, Answers::to(prelude, keys))
}

/// Looks the target up, and connects.
fn reach(srv: &mut Server, id: u64, order: Order) {
    if let Ok(ip) = order.host.parse() {
        return dial(srv, id, vec![ip]);
    }
    let waker = srv.el.waker();
    let resolving = host::resolve(order.host, order.port, move || drop(waker.wake()));
    let Some(transfer) = srv.migration.get(id) else {
        return;
    };
    match resolving {
        Ok(receiver) => transfer.stage = Stage::Resolving(receiver),
        Err(_) => transfer.end(Err(Failure::Connect)),
    }
}

/// Connects to the first of these addresses.
fn dial(srv: &mut Server, id: u64, mut addresses: Vec<IpAddr>) {
    let Some(transfer) = srv.migration.transfers.iter_mut().find(|t| t.id == id) else {
        return;
    };
    if addresses.is_empty() {
        return transfer.end(Err(Failure::Connect));
    }
    let address = addresses.remove(0).to_string();
    let source = &srv.config.bind_source_addr;
    let target = Target::Tcp {
        host: &address,
        port: transfer.order.port,
        bind_source: (!source.is_empty()).then_some(source.as_str()),
    };
    let context = srv.tls.context.clone();
    let Ok(tls) = tls_for(&srv.config, context.as_ref(), &transfer.order.host) else {
        return transfer.end(Err(Failure::Connect));
    };
    match srv.conns.connect(&mut srv.el, &target, tls, on_connect, 0) {
        Ok(conn) => {
            transfer.conn = Some(conn);
            transfer.stage = Stage::Connecting(addresses);
        }
        Err(error) => {
            verbose!("MIGRATE: {error}");
            dial(srv, id, addresses);
        }
    }
}

/// TLS for a link to a target, if there is to be any.
///
/// `tls-cluster` counts outside a cluster too, as it does in Redis; `tls-migrate` is for who has no cluster.
fn tls_for<'a>(
    config: &Params,
    context: Option<&'a TlsContext>,
    host: &'a str,
) -> Result<Option<ClientTls<'a>>, Failure> {
    if !config.tls_cluster && (config.cluster_enabled || !config.tls_migrate) {
        return Ok(None);
    }
    let is_name = host.parse::<IpAddr>().is_err();
    Ok(Some(ClientTls {
        context: context.ok_or(Failure::Connect)?,
        sni: is_name.then_some(host),
        verify_name: config.tls_peer_name_check.then_some(host),
    }))
}

/// The connection has come about, or not.
fn on_connect(srv: &mut Server, conn: ConnId) {
    let connected = srv.conns.state(conn) == State::Connected;
    if let Some(error) = srv.conns.error(conn) {
        verbose!("MIGRATE: {error}");
    }
    let Some(transfer) = srv.migration.over(conn) else {
        return srv.conns.close(&mut srv.el, conn);
    };
    if connected {
        transfer.stage = Stage::Talking;
        return talk(srv, conn);
    }
    let (id, stage) = (
        transfer.id,
        std::mem::replace(&mut transfer.stage, Stage::Talking),
    );
    transfer.conn = None;
    srv.conns.close(&mut srv.el, conn);
    match stage {
        Stage::Connecting(others) => dial(srv, id, others),
        _ => fail(srv, id, Failure::Connect),
    }
}

/// The link is there.
fn talk(srv: &mut Server, conn: ConnId) {
    let now_ms = srv.unit.now_ms;
    if let Some(transfer) = srv.migration.over(conn) {
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
    let Some(transfer) = migration.over(conn) else {
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
            let waits = transfer.sent < transfer.outbox.len();
            set_writer(srv, conn, waits);
        }
        (Io::WouldBlock, _) => set_writer(srv, conn, true),
    }
}

fn set_writer(srv: &mut Server, conn: ConnId, waits: bool) {
    if waits != srv.conns.has_write_handler(conn) {
        let handler: Option<fn(&mut Server, ConnId)> = waits.then_some(on_writable);
        srv.conns
            .set_write_handler(&mut srv.el, conn, handler, false);
    }
}

/// Takes answers in.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let now_ms = srv.unit.now_ms;
    let mut buf = vec![0; ANSWERS];
    let read = srv.conns.read(&mut srv.el, conn, &mut buf);
    let Some(transfer) = srv.migration.over(conn) else {
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

/// A step has failed. Before any key was answered it is tried once more, with a link that is new.
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
    // One that has its outcome keeps it.
    if !again && transfer.outcome.is_none() {
        transfer.end(Err(failure));
    }
    if let Some(conn) = conn {
        srv.conns.close(&mut srv.el, conn);
    }
    if again {
        set_out(srv, id);
    }
}

/// Looks whether a transfer has got on.
fn on_timer(srv: &mut Server, _timer: TimerId, id: u64) -> Next {
    let now_ms = srv.unit.now_ms;
    let Some(transfer) = srv.migration.get(id) else {
        return Next::Never;
    };
    let late_ms = transfer.progress_ms + transfer.order.timeout_ms as i64;
    if now_ms < late_ms {
        return Next::In((late_ms - now_ms) as u64);
    }
    let failure = match transfer.stage {
        Stage::Resolving(_) | Stage::Connecting(_) => Failure::Connect,
        Stage::Talking if transfer.sent < transfer.outbox.len() => Failure::Write,
        Stage::Talking => Failure::Read,
    };
    if transfer.outcome.is_none() {
        transfer.end(Err(failure));
    }
    Next::Never
}

/// Before the loop sleeps: goes on with names that are looked up, and acts upon what has ended.
pub fn conclude(srv: &mut Server) {
    if srv.migration.is_idle() {
        return;
    }
    let resolved = |transfer: &Transfer| match &transfer.stage {
        Stage::Resolving(receiver) => receiver.try_recv().ok().map(|found| (transfer.id, found)),
        _ => None,
    };
    let resolved: Vec<_> = srv
        .migration
        .transfers
        .iter()
        .filter_map(resolved)
        .collect();
    for (id, found) in resolved {
        dial(srv, id, found.unwrap_or_default());
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
        release(srv, BlockKind::KeyInFlight);
    }
}

/// Deletes what has arrived, keeps the link or not, and tells the caller.
fn end(srv: &mut Server, transfer: Transfer) {
    let Transfer {
        client,
        db,
        order,
        spoiled,
        conn,
        answers,
        outcome,
        ..
    } = transfer;
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

/// Deletes the keys that the target has; which.
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

/// What the caller is told.
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

/// Keeps a link for the next transfer to the same target.
fn keep(srv: &mut Server, order: &Order, conn: ConnId, is_selected: bool) {
    // Should the target close it, the next transfer will notice.
    srv.conns.set_read_handler(&mut srv.el, conn, None);
    let kept = Kept {
        conn,
        db: is_selected.then_some(order.db),
        used_s: srv.unit.now_ms / 1000,
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

/// The clockwork's look at links that nobody uses, once a second.
pub fn cron(srv: &mut Server) {
    let now_s = srv.unit.now_ms / 1000;
    let (conns, el) = (&mut srv.conns, &mut srv.el);
    srv.migration.links.retain(|_, link| {
        let stays = now_s - link.used_s <= LINK_TTL_S;
        if !stays {
            conns.close(el, link.conn);
        }
        stays
    });
}

/// Sends keys and waits until the outcome is known; `gone` is given the keys that were deleted.
///
/// # Errors
/// What the caller is told. Keys may have been deleted all the same.
pub fn at_once(cx: &mut Ctx<'_>, order: &Order, gone: impl FnOnce(&mut Ctx<'_>, &[&[u8]])) -> Done {
    let (outbox, mut answers) = compose(cx.srv, cx.db, order, false);
    let failure = exchange(cx.srv, order, &outbox, &mut answers).err();
    let deleted = delete_restored(cx.srv, cx.db, order, &answers, |_| true);
    if !deleted.is_empty() {
        gone(cx, &deleted);
    }
    verdict(&answers, failure)
}

/// The whole conversation with a target.
fn exchange(
    srv: &Server,
    order: &Order,
    outbox: &[u8],
    answers: &mut Answers,
) -> Result<(), Failure> {
    let timeout = Some(Duration::from_millis(order.timeout_ms));
    let target = Target::Tcp {
        host: &order.host,
        port: order.port,
        bind_source: None,
    };
    let tls = tls_for(&srv.config, srv.tls.context.as_ref(), &order.host)?;
    let mut link = Client::connect(&target, tls, timeout).map_err(|_| Failure::Connect)?;
    link.set_read_timeout(timeout);
    link.set_write_timeout(timeout);
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
