//! Keeping the memory totals of clients up to date.

use crate::report::client_line::memory;
use crate::server::Server;
use crate::state::client_id::ClientId;

/// Accounts for the current memory of a client after its input was processed or it was flushed, if that decides about
/// eviction. Otherwise cron does it once per second, as in Redis.
#[inline]
pub fn account_if_limited(srv: &mut Server, id: ClientId) {
    if srv.config.maxmemory_clients != 0 {
        account(srv, id);
    }
}

/// `maxmemory-clients` was set: the figures of all clients must be exact from now on.
pub fn account_all(srv: &mut Server) {
    for id in srv.clients.ids() {
        account_if_limited(srv, id);
    }
}

/// Accounts for the current memory of a client.
pub fn account(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get(id) {
        let bytes = memory(srv, client);
        srv.clients.account(id, bytes);
    }
}
