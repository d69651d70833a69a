//! MONITOR: a live view of the commands that are executed.

use table::server as rows;

use crate::commands::Family;
use crate::server::{Ctx, Done};
use crate::state::client::ClientFlags;
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::MONITOR, monitor)];

fn monitor(cx: &mut Ctx<'_>) -> Done {
    if !cx.caller.may_block() {
        return Err(Fault::new(
            "ERR MONITOR isn't allowed for DENY BLOCKING client",
        ));
    }
    let id = cx.caller.client;
    let Some(client) = cx.srv.clients.get_mut(id) else {
        return Ok(());
    };
    // As in Redis, a client that is in MONITOR already, or a replica, gets no reply.
    if client.is_replica() || client.flags.contains(ClientFlags::MONITOR) {
        return Ok(());
    }
    client.flags.insert(ClientFlags::MONITOR);
    cx.srv.observers.add_monitor(id);
    cx.reply.ok();
    Ok(())
}
