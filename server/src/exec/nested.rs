//! Events inside a command: while a long command runs (loading a file, a slow script), other clients are served.
//!
//! The client whose command is running is protected: it is neither read nor closed. So is the link to the primary, unless
//! it has sent the command: its writes, and a snapshot all the more, would change the data set under a script, or one that
//! is being loaded. The unit is saved and restored as a whole. Its depth stays above 0, so that no inner command drains a
//! queue of the outer one, and the before-sleep page is reduced.

use ae::event_loop::{What, process_events};
use conn::connection::ConnId;

use crate::server::Server;
use crate::state::client::{Class, ClientFlags};
use crate::state::client_id::ClientId;

/// Processes the file events that are due.
pub fn process_events_inside(srv: &mut Server) {
    let outer = srv.unit;
    let link = link_to_primary(srv);
    if let Some(id) = outer.client {
        protect(srv, id, true);
    }
    if let Some(conn) = link {
        srv.conns.protect(&mut srv.el, conn, true);
    }
    srv.unit.client = None;
    let look = What {
        hooks: true,
        ..What::FILES_ONLY
    };
    process_events(srv, look);
    srv.unit = outer;
    if let Some(id) = outer.client {
        protect(srv, id, false);
    }
    if let Some(conn) = link {
        srv.conns.protect(&mut srv.el, conn, false);
    }
}

/// The connection to the primary, unless a script of the primary is running.
fn link_to_primary(srv: &Server) -> Option<ConnId> {
    let link = srv.replication.link.as_ref()?;
    let run = srv.scripts.run.as_ref();
    if run.is_some_and(|run| run.caller.class == Class::Primary) {
        return None;
    }
    let client = link.client().and_then(|id| srv.clients.get(id));
    client.map_or(link.conn, |client| client.conn)
}

fn protect(srv: &mut Server, id: ClientId, protected: bool) {
    let Server {
        clients, conns, el, ..
    } = srv;
    let Some(client) = clients.get_mut(id) else {
        return;
    };
    client.flags.set(ClientFlags::PROTECTED, protected);
    if let Some(conn) = client.conn {
        conns.protect(el, conn, protected);
    }
}
