//! What every stage of the link to the primary has in common: sending before there is a client for the primary, giving
//! up, and cleaning up after a lost connection.
//!
//! Nothing here connects. [`reconnect`] only asks for it, and `connect` does it before the loop sleeps, when the code that
//! the failure has interrupted has returned.

use conn::connection::ConnId;
use conn::stream::Io;

use crate::replication::replica::discard::discard;
use crate::server::Server;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::replication::link::{Link, LinkStage};
use crate::{notice, warning};

/// When a link that failed is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// Before the loop sleeps.
    Now,
    /// By the cron, within a second.
    Later,
}

/// The link, when this server is a replica.
pub fn link(srv: &mut Server) -> Option<&mut Link> {
    srv.replication.link.as_deref_mut()
}

/// Sends to the primary while there is no client for it. If that fails the link is given up and has no connection.
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
    let has_more = !link.outbox.is_empty();
    if has_more != conns.has_write_handler(conn) {
        let handler: Option<fn(&mut Server, ConnId)> = has_more.then_some(on_writable);
        conns.set_write_handler(el, conn, handler, false);
    }
}

/// Gives up a link that does not follow the stream yet.
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

/// Has the loop connect before it sleeps.
pub fn reconnect(srv: &mut Server) {
    if let Some(link) = link(srv) {
        link.again = true;
    }
}

/// The client of the primary is gone, or about to be closed. `db` is the database selected in its stream.
pub fn lose(link: &mut Link, db: usize) {
    notice!("Connection with master lost.");
    if link.cached.is_some() {
        notice!("Caching the disconnected master state.");
        link.cached = Some(db);
    }
    link.stage = LinkStage::Idle;
}

/// The primary's client was closed (called by `session/close`): its position in the stream is cached.
pub fn primary_gone(srv: &mut Server, id: ClientId, client: &Client) {
    let now = srv.unit.now_s();
    let replication = &mut srv.replication;
    let Some(link) = replication.link.as_deref_mut() else {
        return;
    };
    if link.client() != Some(id) {
        return;
    }
    lose(link, client.session.db);
    link.down_since = now;
    notice!("Reconnecting to MASTER {}:{}", link.host, link.port);
    replication.forget_unexecuted();
    reconnect(srv);
}
