//! Keeping the memory totals of clients up to date.

use crate::report::client_line::memory;
use crate::server::Server;
use crate::state::client_id::ClientId;

/// Accounts for the current memory of a client: after its input was processed, after it was flushed, and by cron.
#[inline]
pub fn account_memory(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get(id) {
        let bytes = memory(srv, client);
        srv.clients.account(id, bytes);
    }
}
