//! Output that waits for writes to reach the disk (`appendfsync always`).
//!
//! A reply must not tell what a crash could take back, whoever reads it. So all output that is produced while a write is
//! not on the disk is held: replies to writes and to reads, messages, and the stream that replicas follow. The loop
//! goes on meanwhile; it looks at the progress of the fsync thread before it sleeps (`persist/aof/flush`).

use crate::config::values::AppendFsync;
use crate::egress::account::account_memory;
use crate::egress::flush::flush_client;
use crate::server::Server;
use crate::state::aof::held::Batch;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;

/// Whether output must not be sent before the writes in front of it are on the disk.
fn is_strict(srv: &Server) -> bool {
    srv.config.appendfsync == AppendFsync::Always && srv.aof.is_on()
}

/// Decides whether the output of this turn is held; it is if a write is not on the disk yet.
pub fn begin(srv: &mut Server) -> bool {
    let offset = srv.replication.offset;
    let holds = is_strict(srv) && srv.aof.ordered > srv.aof.synced;
    if holds {
        let mark = srv.aof.mark(offset);
        srv.aof.held.begin(mark);
    } else {
        srv.aof.released_offset = offset;
    }
    holds
}

/// Holds what a client's output has gained.
pub fn hold(srv: &mut Server, id: ClientId) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let bytes = client.io.out.hold();
    if bytes > 0 {
        srv.aof.held.add(id, bytes);
    }
}

/// Sends the output whose writes have reached the disk; whether there was any.
pub fn release(srv: &mut Server) -> bool {
    let limit = if is_strict(srv) {
        srv.aof.synced
    } else {
        u64::MAX
    };
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
        flush_client(srv, id);
        account_memory(srv, id);
    }
}

/// The offset up to which replicas may be sent the stream.
pub fn released_offset(srv: &Server) -> u64 {
    let offset = srv.replication.offset;
    if is_strict(srv) {
        offset.min(srv.aof.released_offset)
    } else {
        offset
    }
}
