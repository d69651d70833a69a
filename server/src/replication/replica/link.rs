//! Connecting to the primary, and what happens when the link fails: nothing here waits.
//!
//! Every step has `repl-timeout` seconds. The clockwork looks once a second whether one has taken longer, and connects
//! again where there is no connection.

use std::net::IpAddr;

use conn::connection::{ConnId, State};
use conn::conns::ClientTls;
use conn::dial::Target;
use conn::stream::Io;

use crate::replication::replica::{apply, handshake, transfer};
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::replication::link::{Link, Stage};
use crate::sys::host;
use crate::{notice, warning};

/// Whether a link that failed is tried again at once, or by the clockwork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// At once.
    Now,
    /// By the clockwork, within a second.
    Later,
}

/// The link, when this server is a replica.
pub fn link(srv: &mut Server) -> Option<&mut Link> {
    srv.replication.link.as_deref_mut()
}

/// Begins to connect.
pub fn connect(srv: &mut Server) {
    let (now, waker) = (srv.unit.now_ms / 1000, srv.el.waker());
    let Some(link) = link(srv) else { return };
    link.attempt += 1;
    link.last_io = now;
    link.inbox.clear();
    link.outbox.clear();
    link.promised = None;
    link.is_old = false;
    notice!("MASTER <-> REPLICA sync started");
    if let Ok(ip) = link.host.parse() {
        return dial(srv, vec![ip]);
    }
    // A loop that cannot be woken turns by itself ten times a second.
    match host::resolve(link.host.clone(), link.port, move || drop(waker.wake())) {
        Ok(receiver) => link.stage = Stage::Resolving(receiver),
        Err(error) => warning!("Unable to connect to MASTER: {}", host::reason(&error)),
    }
}

/// Before the loop sleeps: goes on when the primary's name is resolved.
pub fn take_addresses(srv: &mut Server) {
    let Some(link) = link(srv) else { return };
    let Stage::Resolving(receiver) = &link.stage else {
        return;
    };
    match receiver.try_recv() {
        Ok(Ok(addresses)) => dial(srv, addresses),
        Ok(Err(error)) => {
            warning!(
                "Unable to connect to MASTER: {}: {}",
                link.host,
                host::reason(&error)
            );
            link.stage = Stage::Idle;
        }
        Err(_) => {}
    }
}

/// Connects to the first of these addresses; the others are for when it fails.
fn dial(srv: &mut Server, mut addresses: Vec<IpAddr>) {
    let Some(link) = srv.replication.link.as_deref_mut() else {
        return;
    };
    link.stage = Stage::Idle;
    if addresses.is_empty() {
        return;
    }
    let address = addresses.remove(0).to_string();
    let is_name = link.host.parse::<IpAddr>().is_err();
    let source = &srv.config.bind_source_addr;
    let target = Target::Tcp {
        host: &address,
        port: link.port,
        bind_source: (!source.is_empty()).then_some(source.as_str()),
    };
    let context = srv.tls.context.clone();
    let tls = match &context {
        Some(context) if srv.config.tls_replication => Some(ClientTls {
            context,
            sni: is_name.then_some(link.host.as_str()),
            verify_name: srv.config.tls_peer_name_check.then_some(link.host.as_str()),
        }),
        None if srv.config.tls_replication => {
            return warning!("Unable to connect to MASTER: no certificates are loaded");
        }
        _ => None,
    };
    match srv.conns.connect(&mut srv.el, &target, tls, on_connect, 0) {
        Ok(conn) => {
            link.conn = Some(conn);
            link.stage = Stage::Connecting(addresses);
        }
        Err(error) => {
            warning!("Unable to connect to MASTER: {error}");
            dial(srv, addresses);
        }
    }
}

/// The connection has come about, or not.
fn on_connect(srv: &mut Server, conn: ConnId) {
    if link(srv).is_none_or(|link| link.conn != Some(conn)) {
        return srv.conns.close(&mut srv.el, conn);
    }
    if srv.conns.state(conn) == State::Connected {
        return handshake::begin(srv, conn);
    }
    if let Some(error) = srv.conns.error(conn) {
        warning!("Error condition on socket for SYNC: {error}");
    }
    let others = match link(srv).map(|link| std::mem::take(&mut link.stage)) {
        Some(Stage::Connecting(others)) => others,
        _ => Vec::new(),
    };
    cancel(srv);
    dial(srv, others);
}

/// Sends to the primary while there is no client for it. If that fails the link is given up, and has no connection.
pub fn send(srv: &mut Server, bytes: &[u8]) {
    let Some(link) = link(srv) else { return };
    link.outbox.extend_from_slice(bytes);
    if let Some(conn) = link.conn {
        on_writable(srv, conn);
    }
}

/// Sends what is left to be sent.
fn on_writable(srv: &mut Server, conn: ConnId) {
    let Server {
        conns,
        el,
        replication,
        ..
    } = srv;
    let Some(link) = replication.link.as_deref_mut() else {
        return;
    };
    while !link.outbox.is_empty() {
        match conns.write(el, conn, &link.outbox) {
            Io::Done(n) => drop(link.outbox.drain(..n)),
            Io::WouldBlock => break,
            Io::Failed(error) => {
                warning!("Sending command to master in replication handshake: {error}");
                return fail(srv, Again::Later);
            }
            Io::Eof => return,
        }
    }
    if let Io::Failed(error) = conns.flush(el, conn) {
        warning!("Sending command to master in replication handshake: {error}");
        return fail(srv, Again::Later);
    }
    let waits = !link.outbox.is_empty();
    if waits != conns.has_write_handler(conn) {
        let handler: Option<fn(&mut Server, ConnId)> = if waits { Some(on_writable) } else { None };
        conns.set_write_handler(el, conn, handler, false);
    }
}

/// Gives up what is under way before the stream is followed; whether something was.
pub fn cancel(srv: &mut Server) -> bool {
    let Some(link) = link(srv) else { return false };
    if link.is_up() {
        return false;
    }
    let stage = std::mem::take(&mut link.stage);
    let conn = link.conn.take();
    let was_busy = !matches!(stage, Stage::Idle | Stage::Halted);
    if let Some(conn) = conn {
        srv.conns.close(&mut srv.el, conn);
    }
    if let Stage::Transfer(transfer) = stage {
        transfer::discard(srv, *transfer);
    }
    was_busy
}

/// Gives up what is under way, and tries again.
pub fn fail(srv: &mut Server, again: Again) {
    cancel(srv);
    if again == Again::Now {
        let Some(link) = link(srv) else { return };
        notice!(
            "Reconnecting to MASTER {}:{} after failure",
            link.host,
            link.port
        );
        connect(srv);
    }
}

/// The client of the primary is gone (a hook of `session/close`): the place in its stream is kept.
pub fn primary_gone(srv: &mut Server, id: ClientId, client: &Client) {
    let now = srv.unit.now_ms / 1000;
    let replication = &mut srv.replication;
    let Some(link) = replication.link.as_deref_mut() else {
        return;
    };
    if link.client() != Some(id) {
        return;
    }
    notice!("Connection with master lost.");
    if link.cached.is_some() {
        notice!("Caching the disconnected master state.");
        link.cached = Some(client.db);
    }
    link.stage = Stage::Idle;
    link.down_since = now;
    notice!("Reconnecting to MASTER {}:{}", link.host, link.port);
    replication.forget_unexecuted();
    connect(srv);
}

/// The clockwork's look at the link, once a second.
pub fn cron(srv: &mut Server) {
    let now = srv.unit.now_ms / 1000;
    let timeout = srv.config.repl_timeout;
    let Some(link) = link(srv) else { return };
    let late = now - link.last_io > timeout;
    match link.stage {
        Stage::Idle => {
            notice!("Connecting to MASTER {}:{}", link.host, link.port);
            connect(srv);
        }
        Stage::Halted => {}
        Stage::Resolving(_) | Stage::Connecting(_) | Stage::Handshake(_) if late => {
            warning!("Timeout connecting to the MASTER...");
            fail(srv, Again::Now);
        }
        Stage::Resolving(_) | Stage::Connecting(_) | Stage::Handshake(_) => {}
        Stage::Transfer(_) => transfer::cron(srv, late),
        Stage::Up(id) if late => {
            warning!("MASTER timeout: no data nor PING received...");
            close_now(srv, id);
        }
        Stage::Up(_) => apply::send_ack(srv),
    }
}
