//! SYNC and PSYNC: a client becomes a replica and gets the missing part of the stream, or a snapshot.

use crate::egress::push::push_raw;
use crate::replication::primary::served::replica;
use crate::replication::primary::snapshot;
use crate::report::replicas::name;
use crate::server::Server;
use crate::state::child::Purpose;
use crate::state::client_id::ClientId;
use crate::state::replication::id::ReplId;
use crate::state::replication::replica::ReplicaStage;
use crate::sys::process;
use crate::{notice, warning};

/// Grants a partial resynchronization if the id matches and the backlog has what the replica misses; `offset` is that
/// of the first byte it wants.
pub fn resume(srv: &mut Server, id: ClientId, history: &[u8], offset: i64) -> bool {
    if !is_known(srv, id, history, offset) || !is_kept(srv, id, offset) {
        return false;
    }
    let now = srv.unit.now_s();
    let position = (offset - 1) as u64;
    let Some(replica) = replica(srv, id) else {
        return false;
    };
    replica.stage = ReplicaStage::Online;
    replica.online_on_ack = false;
    replica.ack_at = now;
    replica.position = position;
    let line = if replica.can_psync2 {
        format!("+CONTINUE {}\r\n", srv.replication.id)
    } else {
        "+CONTINUE\r\n".to_owned()
    };
    srv.replication.replicas.push(id);
    push_raw(srv, id, line.as_bytes());
    notice!(
        "Partial resynchronization request from {} accepted. Sending {} bytes of backlog starting from offset {offset}.",
        name(srv, id),
        srv.replication.offset - position
    );
    true
}

/// Whether an id names this server's history up to an offset.
fn is_known(srv: &Server, id: ClientId, history: &[u8], offset: i64) -> bool {
    let replication = &srv.replication;
    let same = |own: ReplId| own.as_bytes().eq_ignore_ascii_case(history);
    if same(replication.id) || (same(replication.id2) && offset <= replication.second_offset) {
        return true;
    }
    if history.first() == Some(&b'?') {
        notice!("Full resync requested by replica {}", name(srv, id));
    } else if same(replication.id2) {
        notice!(
            "Partial resynchronization not accepted: Requested offset for second ID was {offset}, but I can reply up to {}",
            replication.second_offset
        );
    } else {
        notice!(
            "Partial resynchronization not accepted: Replication ID mismatch (Replica asked for '{}', my replication IDs are \
             '{}' and '{}')",
            String::from_utf8_lossy(history),
            replication.id,
            replication.id2
        );
    }
    false
}

/// Whether the stream is kept from an offset on.
fn is_kept(srv: &Server, id: ClientId, offset: i64) -> bool {
    let replication = &srv.replication;
    let kept = replication.backlog.as_ref().is_some_and(|backlog| {
        let first = backlog.start as i64 + 1;
        (first..=replication.offset as i64 + 1).contains(&offset)
    });
    if kept {
        return true;
    }
    let shown = name(srv, id);
    notice!(
        "Unable to partial resync with replica {shown} for lack of backlog (Replica request was: {offset})."
    );
    if offset > replication.offset as i64 {
        warning!(
            "Warning: replica {shown} tried to PSYNC with an offset that is greater than the master replication offset."
        );
    }
    false
}

/// Makes a client a replica that waits for a snapshot, and begins one if possible.
pub fn begin_full(srv: &mut Server, id: ClientId) {
    srv.stats.sync_full += 1;
    let now = srv.unit.now_s();
    let Some(replica) = replica(srv, id) else {
        return;
    };
    replica.stage = ReplicaStage::Waiting;
    replica.asked_at = now;
    let (can_eof, without) = (replica.can_eof, replica.without);
    srv.replication.replicas.push(id);
    if srv.config.repl_disable_tcp_nodelay
        && let Some(conn) = srv.clients.get(id).and_then(|client| client.conn)
    {
        // A failure only costs more packets.
        let _ = srv.conns.set_nodelay(conn, false);
    }
    if srv.replication.replicas.len() == 1 && srv.replication.backlog.is_none() {
        // Writes until now were not kept, so no replica can continue from them.
        let replication = &mut srv.replication;
        replication.new_history(ReplId::new(process::random_bytes()));
        replication.create_backlog();
        notice!(
            "Replication backlog created, my new replication IDs are '{}' and '{}'",
            replication.id,
            replication.id2
        );
    }
    match srv.child.as_ref().map(|child| child.purpose) {
        Some(Purpose::Save) => snapshot::join_save(srv, id),
        Some(Purpose::Stream) => {
            notice!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
        }
        Some(Purpose::Rewrite) => {
            notice!(
                "No BGSAVE in progress, but another BG operation is active. BGSAVE for replication delayed"
            );
        }
        None if !snapshot::may_begin(srv) => {
            notice!("Current BGSAVE has socket target. Waiting for next BGSAVE for SYNC");
        }
        None if srv.config.repl_diskless_sync
            && can_eof
            && srv.config.repl_diskless_sync_delay > 0 =>
        {
            notice!("Delay next BGSAVE for diskless SYNC");
        }
        None => snapshot::begin(srv, can_eof, without),
    }
}
