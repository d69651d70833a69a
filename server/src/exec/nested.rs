//! Events inside a command: while a long command runs (loading a file, later a slow script), other clients are served.
//!
//! The client whose command is running is protected: it is neither read nor closed. The unit is saved and restored as
//! a whole. Its depth stays above 0, so that no inner command drains a queue of the outer one, and the before-sleep
//! page is reduced.

use ae::event_loop::{What, process_events};

use crate::server::Server;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;

/// Processes the file events that are due.
pub fn process_events_inside(srv: &mut Server) {
    let outer = srv.unit;
    if let Some(id) = outer.client {
        protect(srv, id, true);
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
