//! Events inside a command: one that takes long (loading a file, later a slow script) lets others be served meanwhile.
//!
//! The client whose command it is stays protected: it is neither read nor closed. The unit is saved and restored as a whole,
//! and its depth is not 0 meanwhile, so no inner command drains a queue of the outer one; for the same reason the page before
//! sleep is a short one.

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
