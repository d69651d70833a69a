//! RESET: the connection returns to its initial state.

use crate::server::Server;
use crate::session::auth::new_session;
use crate::session::subscribe::{leave_all, settle};
use crate::session::track::untrack;
use crate::session::transaction;
use crate::state::caller::Caller;
use crate::state::client::{ClientFlags, ReplyMode};

/// Resets everything that a client has set for its connection, including its authentication.
pub fn reset(srv: &mut Server, caller: &mut Caller) {
    transaction::take(&mut srv.watch, &mut srv.clients, caller.client);
    untrack(srv, caller.client);
    leave_all(srv, caller.client);
    settle(srv, caller);
    caller.session = new_session(srv);
    if let Some(client) = srv.clients.get_mut(caller.client) {
        let own = ClientFlags::NO_EVICT | ClientFlags::READS_REPLICA | ClientFlags::ASKING;
        client.flags.remove(own);
        if client.flags.contains(ClientFlags::MONITOR) {
            client.flags.remove(ClientFlags::MONITOR);
            srv.observers.remove_monitor(caller.client);
        }
        // As in Redis, SKIP still holds for this command.
        if client.reply_mode != ReplyMode::Skipping {
            client.reply_mode = ReplyMode::On;
        }
        client.name.clear();
    }
}
