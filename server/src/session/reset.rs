//! RESET: a connection as good as new.

use crate::server::Server;
use crate::session::transaction;
use crate::state::caller::Caller;
use crate::state::client::{ClientFlags, ReplyMode};
use crate::state::session::Session;

/// Takes back everything a client has set for its connection, its authentication included.
pub fn reset(srv: &mut Server, caller: &mut Caller) {
    transaction::take(&mut srv.watch, &mut srv.clients, caller.client);
    caller.session = Session {
        authenticated: srv.config.requirepass.is_empty(),
        ..Session::default()
    };
    if let Some(client) = srv.clients.get_mut(caller.client) {
        client.flags.remove(ClientFlags::NO_EVICT);
        client.reply_mode = ReplyMode::On;
        client.name.clear();
    }
}
