//! Snapshots for replicas: when one begins, which replicas share it, and what happens when its child has ended.
//!
//! A snapshot on disk is an ordinary save whose file is then sent to each replica. Diskless snapshots are in
//! `replication/primary/diskless`.

use std::fs::File;

use crate::egress::push::{push_fault, push_raw};
use crate::persist::aof::rewrite;
use crate::persist::{bgsave, fork};
use crate::replication::primary::diskless;
use crate::replication::primary::served::{promise, replica, served_by, waiting};
use crate::server::Server;
use crate::session::close::close_after_reply;
use crate::state::child::Purpose;
use crate::state::client_id::ClientId;
use crate::state::replication::replica::{ReplicaStage, Sending, SnapshotFilter};
use crate::state::replication::transfer::{DisklessTransfer, MAX_TRANSFERS};
use crate::sys::child::Ended;
use crate::sys::host;
use crate::wire::fault::Fault;
use crate::{notice, warning};

/// Checks the child, the save points and the waiting replicas: a step of cron.
pub fn tend(srv: &mut Server) {
    if srv.child.is_none() {
        return begin_any(srv);
    }
    let Some((child, ended)) = fork::poll(srv) else {
        return;
    };
    match child.purpose {
        Purpose::Save => {
            bgsave::save_ended(srv, &child, ended);
            saved(srv, ended == Ended::Exit(0));
        }
        Purpose::Stream => diskless::child_ended(srv, &child, ended),
        Purpose::Rewrite => rewrite::ended(srv, &child, ended),
    }
    begin_if_due(srv);
}

/// Starts a save or a rewrite of the append-only file if one is due; there must be no child.
fn begin_any(srv: &mut Server) {
    if srv.aof.rewrites.scheduled {
        rewrite::begin_if_due(srv);
    }
    if srv.child.is_none() {
        bgsave::begin_if_due(srv);
    }
    if srv.child.is_none() {
        rewrite::begin_if_due(srv);
    }
}

/// Replicas that a running save is for.
fn being_saved_for(srv: &Server) -> Vec<ClientId> {
    served_by(srv, 0)
}

/// Whether a snapshot may begin: there is no child, and few replicas are still receiving earlier ones.
pub fn may_begin(srv: &Server) -> bool {
    let transfers = &srv.replication.transfers;
    srv.child.is_none()
        && !srv.snapshot.hides_data()
        && transfers.len() < MAX_TRANSFERS
        && !transfers.iter().any(DisklessTransfer::is_open)
}

/// Begins a snapshot for the waiting replicas once it is due: a diskless one waits for further replicas to arrive.
pub fn begin_if_due(srv: &mut Server) {
    if !may_begin(srv) {
        return;
    }
    let now = srv.unit.now_s();
    let (mut count, mut longest, mut can_eof, mut wanted) = (0, 0, true, None);
    for id in waiting(srv) {
        let Some(replica) = srv.clients.replica(id) else {
            continue;
        };
        if *wanted.get_or_insert(replica.without) != replica.without {
            continue;
        }
        count += 1;
        longest = longest.max(now - replica.asked_at);
        can_eof &= replica.can_eof;
    }
    let Some(without) = wanted else { return };
    let config = &srv.config;
    let enough = config.repl_diskless_sync_max_replicas;
    if !config.repl_diskless_sync
        || (enough > 0 && count >= enough)
        || longest >= config.repl_diskless_sync_delay
    {
        begin(srv, can_eof, without);
    }
}

/// Begins a snapshot for all replicas that wait for one without the parts in `without`.
pub fn begin(srv: &mut Server, can_eof: bool, without: SnapshotFilter) {
    let partial = without != SnapshotFilter::default();
    let diskless = (srv.config.repl_diskless_sync || partial) && can_eof;
    notice!(
        "Starting BGSAVE for SYNC with target: {}",
        if diskless { "replicas sockets" } else { "disk" }
    );
    let served: Vec<ClientId> = waiting(srv)
        .into_iter()
        .filter(|&id| replica(srv, id).is_some_and(|replica| replica.without == without))
        .collect();
    let begun = if diskless {
        diskless::begin(srv, without)
    } else {
        srv.snapshot.is_for_replicas = srv.config.rdb_del_sync_files;
        bgsave::begin(srv).then_some(0)
    };
    if let Some(transfer) = begun {
        let offset = srv.replication.offset;
        for id in served {
            promise(srv, id, offset, transfer);
        }
        return;
    }
    warning!("BGSAVE for replication failed");
    for id in served {
        let fault = Fault::new("ERR BGSAVE failed, replication can't continue");
        if let Some(replica) = replica(srv, id) {
            replica.stage = ReplicaStage::None;
        }
        srv.replication.replicas.retain(|&other| other != id);
        push_fault(srv, id, &fault);
        close_after_reply(srv, id);
    }
}

/// A save is running: a replica may share it with another one for which the stream has been kept since the save began.
pub fn join_save(srv: &mut Server, id: ClientId) {
    let Some(new) = replica(srv, id) else {
        return;
    };
    let (rdb_only, can_eof, can_psync2, without) =
        (new.rdb_only, new.can_eof, new.can_psync2, new.without);
    let fits = being_saved_for(srv).into_iter().find_map(|other| {
        let other = srv.clients.replica(other)?;
        let fits = (!other.rdb_only || rdb_only)
            && (can_eof || !other.can_eof)
            && (can_psync2 || !other.can_psync2)
            && without == other.without;
        fits.then_some(other.initial_offset)
    });
    match fits {
        Some(offset) => {
            promise(srv, id, offset, 0);
            notice!("Waiting for end of BGSAVE for SYNC");
        }
        None => notice!(
            "Can't attach the replica to the current BGSAVE. Waiting for next BGSAVE for SYNC"
        ),
    }
}

/// A replica that a save was for is gone. If no other replica waits for it, the child is killed so that it does not
/// delay the next snapshot, unless save points are set and the file is useful by itself.
pub fn replica_left(srv: &mut Server) {
    if srv.config.save.is_empty() && being_saved_for(srv).is_empty() {
        fork::kill(srv, Purpose::Save);
    }
}

/// A save has ended: its replicas are sent the file.
fn saved(srv: &mut Server, good: bool) {
    for id in being_saved_for(srv) {
        let file = if good {
            open(srv)
        } else {
            Err("BGSAVE child returned an error".into())
        };
        match file {
            Ok((file, size)) => {
                let head = format!("${size}\r\n");
                push_raw(srv, id, head.as_bytes());
                if let Some(replica) = replica(srv, id) {
                    replica.stage = ReplicaStage::Sending(Sending {
                        file,
                        size,
                        read: 0,
                        piece: Vec::new(),
                        sent: 0,
                    });
                }
                srv.clients.queue_write(id);
            }
            Err(why) => {
                warning!("SYNC failed. {why}");
                srv.clients.queue_close(id);
            }
        }
    }
}

fn open(srv: &Server) -> Result<(File, u64), String> {
    let opened = File::open(&srv.config.dbfilename).and_then(|file| {
        let size = file.metadata()?.len();
        Ok((file, size))
    });
    opened.map_err(|error| format!("Can't open/stat DB after BGSAVE: {}", host::reason(&error)))
}
