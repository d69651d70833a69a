//! What every stage of the link to the primary needs: sending before there is a client, giving up, what a lost
//! connection leaves behind.
//!
//! Nothing here connects. Who wants the link again at once says so ([`reconnect`]), and the loop does it before it sleeps
//! (`connect`): by then whatever the failure has interrupted is over.

use conn::connection::ConnId;
use conn::stream::Io;

use crate::replication::replica::discard::discard;
use crate::server::Server;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::replication::link::{Link, LinkStage};
use crate::{notice, warning};

/// Whether a link that failed is tried again at once, or by the clockwork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Before the loop sleeps.
    Now,
    /// By the clockwork, within a second.
    Later,
}

/// The link, when this server is a replica.
pub fn link(srv: &mut Server) -> Option<&mut Link> {
    srv.replication.link.as_deref_mut()
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

/// Gives up what is under way before the stream is followed.
pub fn cancel(srv: &mut Server) {
    let Some(link) = link(srv).filter(|link| !link.is_up()) else {
        return;
    };
    let stage = std::mem::take(&mut link.stage);
    let conn = link.conn.take();
    if let Some(conn) = conn {
        srv.conns.close(&mut srv.el, conn);
    }
    if let LinkStage::Transfer(transfer) = stage {
        discard(srv, *transfer);
    }
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
        reconnect(srv);
    }
}

/// The loop is to connect before it sleeps.
pub fn reconnect(srv: &mut Server) {
    if let Some(link) = link(srv) {
        link.again = true;
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
        link.cached = Some(client.session.db);
    }
    link.stage = LinkStage::Idle;
    link.down_since = now;
    notice!("Reconnecting to MASTER {}:{}", link.host, link.port);
    replication.forget_unexecuted();
    reconnect(srv);
}
