//! Replicas during synchronization: who waits for a snapshot, who is sent which transfer, and the offset each was
//! promised.

use crate::egress::push::push_raw;
use crate::server::Server;
use crate::state::client_id::ClientId;
use crate::state::replication::replica::{Replica, ReplicaStage};

/// The state of a client that becomes a replica.
pub fn replica(srv: &mut Server, id: ClientId) -> Option<&mut Replica> {
    srv.clients
        .get_mut(id)
        .map(|client| &mut **client.replica.get_or_insert_default())
}

/// Replicas at a stage.
fn at_stage(srv: &Server, is_it: fn(&ReplicaStage) -> bool) -> Vec<ClientId> {
    let replicas = srv.replication.replicas.iter().copied();
    let at = |id: &ClientId| {
        let replica = srv.clients.replica(*id);
        replica.is_some_and(|replica| is_it(&replica.stage))
    };
    replicas.filter(at).collect()
}

/// Replicas that wait for a snapshot to begin.
pub fn waiting(srv: &Server) -> Vec<ClientId> {
    at_stage(srv, |stage| matches!(stage, ReplicaStage::Waiting))
}

/// Replicas that are sent a transfer; number 0 is the running save.
pub fn served_by(srv: &Server, transfer: u64) -> Vec<ClientId> {
    let mut ids = at_stage(srv, |stage| matches!(stage, ReplicaStage::Saving));
    ids.retain(|&id| {
        let replica = srv.clients.replica(id);
        replica.is_some_and(|replica| replica.transfer == transfer)
    });
    ids
}

/// Promises a replica the snapshot of this moment, or of `offset`, and the stream from there on; `transfer` is the
/// number of a diskless transfer.
pub fn promise(srv: &mut Server, id: ClientId, offset: u64, transfer: u64) {
    let history = srv.replication.id;
    // The new replica has no database selected, so the next write must select one.
    srv.replication.selected = None;
    let Some(replica) = replica(srv, id) else {
        return;
    };
    replica.stage = ReplicaStage::Saving;
    replica.initial_offset = offset;
    replica.position = offset;
    replica.transfer = transfer;
    replica.ring_position = 0;
    replica.stalled_since = 0;
    if !replica.is_pre_psync {
        let line = format!("+FULLRESYNC {history} {offset}\r\n");
        push_raw(srv, id, line.as_bytes());
    }
}
