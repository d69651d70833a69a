//! RESET: a connection as good as new.

use crate::server::Server;
use crate::session::transaction;
use crate::state::client::{ClientFlags, ReplyMode};
use crate::state::client_id::ClientId;
use crate::wire::reply::Resp;

/// Takes back everything a client has set for its connection, its authentication included.
pub fn reset(srv: &mut Server, id: ClientId) {
    transaction::take(&mut srv.watch, &mut srv.clients, id);
    let no_password = srv.config.requirepass.is_empty();
    if let Some(client) = srv.clients.get_mut(id) {
        client
            .flags
            .remove(ClientFlags::NO_EVICT | ClientFlags::NO_TOUCH);
        client.reply_mode = ReplyMode::On;
        client.resp = Resp::V2;
        client.db = 0;
        client.name.clear();
        client.authenticated = no_password;
    }
}
