//! Connecting to the primary, and the periodic check of the link. Nothing here blocks.
//!
//! Every step may take `repl-timeout` seconds. Once a second the cron looks whether one has taken longer, and connects
//! where there is no connection; whoever cannot wait for it sets `again`, which is looked at before each sleep of the
//! loop. The name is resolved and its addresses are tried by `conn::dial::Dialer`.

use std::mem;

use conn::connection::{ConnId, State};
use conn::dial::{Dialed, Dialer};
use conn::names::NameCheck;

use crate::egress::dial::dialer;
use crate::replication::replica::link::{Again, cancel, fail, link};
use crate::replication::replica::{apply, handshake, transfer};
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::replication::link::LinkStage;
use crate::{notice, warning};

/// Begins to connect.
fn connect(srv: &mut Server) {
    let now = srv.unit.now_s();
    let Some(link) = link(srv) else { return };
    link.again = false;
    link.attempt += 1;
    link.last_io = now;
    link.inbox.clear();
    link.outbox.clear();
    link.promised = None;
    link.is_pre_psync = false;
    notice!("MASTER <-> REPLICA sync started");
    let (host, port) = (link.host.clone(), link.port);
    let dialer = dialer(srv, &host, port);
    dial(srv, dialer);
}

/// Before the loop sleeps: connects again if that is wanted, and goes on when the primary's name is resolved.
pub fn advance(srv: &mut Server) {
    if link(srv).is_some_and(|link| link.again && matches!(link.stage, LinkStage::Idle)) {
        connect(srv);
    }
    let Some(link) = link(srv) else { return };
    if let LinkStage::Connecting(dialer) = &link.stage
        && dialer.is_resolving()
        && let LinkStage::Connecting(dialer) = mem::take(&mut link.stage)
    {
        dial(srv, dialer);
    }
}

/// Connects to the next address, if the name is resolved and one is left.
fn dial(srv: &mut Server, mut dialer: Dialer) {
    let Some(link) = srv.replication.link.as_deref_mut() else {
        return;
    };
    link.stage = LinkStage::Idle;
    let context = srv.tls.context.clone();
    let names = NameCheck::between_servers(&link.host, srv.config.tls_peer_name_check);
    let tls = match &context {
        Some(context) if srv.config.tls_replication => Some(names.tls(context)),
        None if srv.config.tls_replication => {
            return warning!("Unable to connect to MASTER: no certificates are loaded");
        }
        _ => None,
    };
    let told = |error: &_| warning!("Unable to connect to MASTER: {error}");
    let dialed = dialer.next((&mut srv.el, &mut srv.conns), tls, on_connect, told);
    link.stage = match dialed {
        Dialed::Exhausted => return,
        Dialed::Resolving => LinkStage::Connecting(dialer),
        Dialed::Begun(conn) => {
            link.conn = Some(conn);
            LinkStage::Connecting(dialer)
        }
    };
}

/// The connection was made, or it has failed.
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
    let stage = link(srv).map(|link| mem::take(&mut link.stage));
    cancel(srv);
    if let Some(LinkStage::Connecting(dialer)) = stage {
        dial(srv, dialer);
    }
}

/// The periodic check of the link, once a second.
pub fn cron(srv: &mut Server) {
    let now = srv.unit.now_s();
    let timeout = srv.config.repl_timeout;
    let Some(link) = link(srv) else { return };
    let late = now - link.last_io > timeout;
    match link.stage {
        LinkStage::Idle => {
            notice!("Connecting to MASTER {}:{}", link.host, link.port);
            connect(srv);
        }
        LinkStage::Halted => {}
        LinkStage::Connecting(_) | LinkStage::Handshake(_) if late => {
            warning!("Timeout connecting to the MASTER...");
            fail(srv, Again::Now);
        }
        LinkStage::Connecting(_) | LinkStage::Handshake(_) => {}
        LinkStage::Transfer(_) => transfer::cron(srv, late),
        LinkStage::Up(id) if late => {
            warning!("MASTER timeout: no data nor PING received...");
            close_now(srv, id);
        }
        LinkStage::Up(_) => apply::send_ack(srv),
    }
}
