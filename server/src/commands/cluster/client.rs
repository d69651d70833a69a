//! READONLY, READWRITE and ASKING: what a client says about its next reads.

use table::cluster as rows;

use crate::commands::Family;
use crate::server::{Ctx, Done};
use crate::state::client::ClientFlags;
use crate::wire::fault::NO_CLUSTER;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::READONLY, readonly),
    (&rows::READWRITE, readwrite),
    (&rows::ASKING, asking),
];

fn readonly(cx: &mut Ctx<'_>) -> Done {
    set(cx, ClientFlags::READS_REPLICA, true)
}

fn readwrite(cx: &mut Ctx<'_>) -> Done {
    set(cx, ClientFlags::READS_REPLICA, false)
}

fn asking(cx: &mut Ctx<'_>) -> Done {
    set(cx, ClientFlags::ASKING, true)
}

fn set(cx: &mut Ctx<'_>, flag: ClientFlags, value: bool) -> Done {
    if cx.srv.cluster.is_none() {
        return Err(NO_CLUSTER);
    }
    if let Some(client) = cx.srv.clients.get_mut(cx.caller.client) {
        client.flags.set(flag, value);
    }
    cx.reply.ok();
    Ok(())
}
