//! Sending output that was held, when the writes before it have reached the disk (`egress/held`).

use crate::egress::account::account_if_limited;
use crate::egress::flush::{Occasion, flush_client};
use crate::egress::held::released_position;
use crate::server::Server;
use crate::state::aof::held::Batch;
use crate::state::client::ClientFlags;

/// Sends the output whose writes have reached the disk; whether there was any.
pub fn release(srv: &mut Server) -> bool {
    let limit = released_position(srv);
    let mut reached = Vec::new();
    while let Some(batch) = srv.aof.held.take_reached(limit) {
        reached.push(batch);
    }
    let has_released = !reached.is_empty();
    for batch in reached {
        srv.aof.released_offset = batch.mark.offset;
        release_batch(srv, batch);
    }
    has_released
}

fn release_batch(srv: &mut Server, batch: Batch) {
    let round = srv.aof.gather.round();
    for (id, bytes) in batch.outputs {
        let Some(client) = srv.clients.get_mut(id) else {
            continue;
        };
        if client.flags.contains(ClientFlags::EXECUTING) {
            // Its output is on the stack.
            srv.aof.held.defer(batch.mark, (id, bytes));
            continue;
        }
        client.io.out.release(bytes);
        client.released_in = round;
        flush_client(srv, id, Occasion::Released);
        account_if_limited(srv, id);
    }
}
