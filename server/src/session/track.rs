//! A client's side of client-side caching: turning tracking on and off.

use crate::server::Server;
use crate::state::client_id::ClientId;
use crate::state::tracking::ClientTracking;

/// Turns tracking on, or changes how the client tracks. Prefixes of earlier calls stay.
pub fn track(srv: &mut Server, id: ClientId, mut wanted: ClientTracking, prefixes: &[&[u8]]) {
    let Server {
        tracking, clients, ..
    } = srv;
    let Some(client) = clients.get_mut(id) else {
        return;
    };
    if let Some(before) = client.tracking.take() {
        wanted.caching = before.caching;
        wanted.keep_prefixes(*before);
    }
    tracking.begin(id);
    if wanted.broadcast {
        let all: &[&[u8]] = &[b""];
        let prefixes = if prefixes.is_empty() { all } else { prefixes };
        for prefix in prefixes {
            tracking.follow(id, &mut wanted, prefix);
        }
    }
    client.tracking = Some(Box::new(wanted));
}

/// Turns tracking off.
pub fn untrack(srv: &mut Server, id: ClientId) {
    let client = srv.clients.get_mut(id);
    if let Some(own) = client.and_then(|client| client.tracking.take()) {
        srv.tracking.end(id, &own);
    }
}
