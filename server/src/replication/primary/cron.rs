//! Cron of a primary, once a second.

use std::path::Path;

use crate::egress::push::push_raw;
use crate::feed::replicas::{ping, trim};
use crate::persist::unlink::unlink;
use crate::replication::primary::snapshot::begin_if_due;
use crate::replication::primary::{diskless, snapshot};
use crate::report::replicas::{all, name};
use crate::server::Server;
use crate::session::close::close_now;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::pauses::Purpose;
use crate::state::replication::id::ReplId;
use crate::state::replication::replica::{Replica, ReplicaStage};
use crate::sys::process;
use crate::{notice, warning};

/// PINGs, timeouts, the backlog's time to live, and snapshots that are due.
pub fn cron(srv: &mut Server) {
    srv.replication.seconds += 1;
    remove_file_of_replicas(srv);
    if srv.replication.replicas.is_empty() {
        forget_backlog(srv);
        return;
    }
    send_keepalives(srv);
    close_silent(srv);
    diskless::finish_transfers(srv);
    begin_if_due(srv);
    trim(srv);
}

/// Removes a snapshot that was only written for replicas, when all have it and nothing else is to be kept on disk.
fn remove_file_of_replicas(srv: &mut Server) {
    srv.snapshot.is_for_replicas &= srv.config.rdb_del_sync_files;
    let is_unwanted = srv.snapshot.is_for_replicas && srv.config.deletes_sync_files();
    if !is_unwanted || srv.child.is_some() {
        return;
    }
    let is_needed = |replica: &Replica| {
        matches!(
            replica.stage,
            ReplicaStage::Waiting | ReplicaStage::Saving | ReplicaStage::Sending(_)
        )
    };
    if all(srv).any(|(_, _, replica)| is_needed(replica)) {
        return;
    }
    srv.snapshot.is_for_replicas = false;
    if Path::new(&srv.config.dbfilename).exists() {
        notice!("Removing the RDB file used to feed replicas in a persistence-less instance");
        unlink(&srv.background, Path::new(&srv.config.dbfilename));
    }
}

fn send_keepalives(srv: &mut Server) {
    let seconds = srv.replication.seconds;
    if seconds.is_multiple_of(srv.config.repl_ping_replica_period as u64)
        && !srv.replication.is_replica()
        // During a handover, in a cluster or without one, the offset must not move.
        && srv.pauses.scope_of(Purpose::Failover).is_none()
    {
        ping(srv);
    }
    // A replica that waits for a snapshot is sent empty lines, which are not part of the stream.
    for id in srv.replication.replicas.clone() {
        let waits = srv
            .clients
            .replica(id)
            .is_some_and(|replica| match replica.stage {
                ReplicaStage::Waiting => true,
                ReplicaStage::Saving => replica.transfer == 0,
                _ => false,
            });
        if waits {
            push_raw(srv, id, b"\n");
        }
    }
}

fn close_silent(srv: &mut Server) {
    let now = srv.unit.now_s();
    let timeout = srv.config.repl_timeout;
    let late = |since: i64| now - since > timeout;
    let mut silent: Vec<(ClientId, &str)> = Vec::new();
    for &id in &srv.replication.replicas {
        let Some(replica) = srv.clients.replica(id) else {
            continue;
        };
        match replica.stage {
            ReplicaStage::Online if !replica.is_pre_psync && late(replica.ack_at) => {
                silent.push((id, "streaming sync"));
            }
            ReplicaStage::Saving if replica.stalled_since != 0 && late(replica.stalled_since) => {
                silent.push((id, "full sync"));
            }
            _ => {}
        }
    }
    for (id, what) in silent {
        warning!("Disconnecting timedout replica ({what}): {}", name(srv, id));
        close_now(srv, id);
    }
}

/// Frees the backlog when there was no replica for `repl-backlog-ttl`. A replica keeps its backlog: it may be
/// promoted.
fn forget_backlog(srv: &mut Server) {
    let ttl = srv.config.repl_backlog_ttl;
    let idle = srv.unit.now_s() - srv.replication.alone_since;
    let replication = &mut srv.replication;
    if ttl == 0 || replication.backlog.is_none() || replication.is_replica() || idle <= ttl {
        return;
    }
    // Writes from now on are not in the stream, so this history cannot be continued.
    replication.new_history(ReplId::new(process::random_bytes()));
    replication.drop_backlog();
    notice!("Replication backlog freed after {ttl} seconds without connected replicas.");
}

/// A replica has disconnected (a hook of `session/close`).
pub fn replica_gone(srv: &mut Server, gone: &Client, shown: &str) {
    notice!("Connection with replica {shown} lost.");
    let waited =
        |replica: &Replica| matches!(replica.stage, ReplicaStage::Saving) && replica.transfer == 0;
    if gone.replica.as_deref().is_some_and(waited) {
        snapshot::replica_left(srv);
    }
    if srv.replication.replicas.is_empty() {
        srv.replication.alone_since = srv.unit.now_s();
    }
    trim(srv);
    diskless::replica_left(srv);
}
