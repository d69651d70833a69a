//! Connecting to the primary, and the clockwork of the link: nothing here waits.
//!
//! Every step has `repl-timeout` seconds. The clockwork looks once a second whether one has taken longer, and connects
//! again where there is no connection; who does not want to wait for it sets `again`, which is looked at before each sleep
//! of the loop.

use std::net::IpAddr;

use conn::connection::{ConnId, State};
use conn::conns::ClientTls;
use conn::dial::Target;

use crate::replication::replica::link::{Again, cancel, fail, link};
use crate::replication::replica::{apply, handshake, transfer};
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::replication::link::LinkStage;
use crate::sys::host;
use crate::{notice, warning};

/// Begins to connect.
fn connect(srv: &mut Server) {
    let (now, waker) = (srv.unit.now_ms / 1000, srv.el.waker());
    let Some(link) = link(srv) else { return };
    link.again = false;
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
        Ok(receiver) => link.stage = LinkStage::Resolving(receiver),
        Err(error) => warning!("Unable to connect to MASTER: {}", host::reason(&error)),
    }
}

/// Before the loop sleeps: connects again if that is wanted, and goes on when the primary's name is resolved.
pub fn advance(srv: &mut Server) {
    if link(srv).is_some_and(|link| link.again && matches!(link.stage, LinkStage::Idle)) {
        connect(srv);
    }
    take_addresses(srv);
}

fn take_addresses(srv: &mut Server) {
    let Some(link) = link(srv) else { return };
    let LinkStage::Resolving(receiver) = &link.stage else {
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
            link.stage = LinkStage::Idle;
        }
        Err(_) => {}
    }
}

/// Connects to the first of these addresses; the others are for when it fails.
fn dial(srv: &mut Server, mut addresses: Vec<IpAddr>) {
    let Some(link) = srv.replication.link.as_deref_mut() else {
        return;
    };
    link.stage = LinkStage::Idle;
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
            link.stage = LinkStage::Connecting(addresses);
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
        Some(LinkStage::Connecting(others)) => others,
        _ => Vec::new(),
    };
    cancel(srv);
    dial(srv, others);
}

/// The clockwork's look at the link, once a second.
pub fn cron(srv: &mut Server) {
    let now = srv.unit.now_ms / 1000;
    let timeout = srv.config.repl_timeout;
    let Some(link) = link(srv) else { return };
    let late = now - link.last_io > timeout;
    match link.stage {
        LinkStage::Idle => {
            notice!("Connecting to MASTER {}:{}", link.host, link.port);
            connect(srv);
        }
        LinkStage::Halted => {}
        LinkStage::Resolving(_) | LinkStage::Connecting(_) | LinkStage::Handshake(_) if late => {
            warning!("Timeout connecting to the MASTER...");
            fail(srv, Again::Now);
        }
        LinkStage::Resolving(_) | LinkStage::Connecting(_) | LinkStage::Handshake(_) => {}
        LinkStage::Transfer(_) => transfer::cron(srv, late),
        LinkStage::Up(id) if late => {
            warning!("MASTER timeout: no data nor PING received...");
            close_now(srv, id);
        }
        LinkStage::Up(_) => apply::send_ack(srv),
    }
}
