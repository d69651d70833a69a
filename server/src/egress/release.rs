//! Sending output that was held, when the writes before it have reached the disk (`egress/held`).

use std::mem;

use crate::egress::account::account_if_limited;
use crate::egress::flush::{Occasion, flush_client};
use crate::egress::held::released_position;
use crate::server::Server;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;

/// Sends the output whose writes have reached the disk; whether there was any.
pub fn release(srv: &mut Server) -> bool {
    let limit = released_position(srv);
    let mut reached = Vec::new();
    while let Some(batch) = srv.aof.held.take_reached(limit) {
        reached.push(batch);
    }
    let has_released = !reached.is_empty();
    for batch in &mut reached {
        // A batch that was put back has an offset that was passed long ago.
        srv.aof.released_offset = srv.aof.released_offset.max(batch.mark.offset);
        let outputs = mem::take(&mut batch.outputs).into_iter();
        batch.outputs = outputs
            .filter(|&output| !release_output(srv, output))
            .collect();
    }
    for batch in reached.into_iter().rev() {
        srv.aof.held.put_back(batch);
    }
    has_released
}

/// Releases output of a client and sends it. False if that must wait, since its output is on the stack.
fn release_output(srv: &mut Server, (id, bytes): (ClientId, usize)) -> bool {
    let round = srv.aof.gather.round();
    let Some(client) = srv.clients.get_mut(id) else {
        return true;
    };
    if client.flags.contains(ClientFlags::EXECUTING) {
        return false;
    }
    client.io.out.release(bytes);
    client.released_in = round;
    flush_client(srv, id, Occasion::Released);
    account_if_limited(srv, id);
    true
}
