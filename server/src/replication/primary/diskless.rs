//! Diskless transfers: a child writes the snapshot into a pipe, and this process hands it to each replica's connection, TLS
//! or not. The child never touches a connection.
//!
//! ```text
//! child ──pipe──> on_pipe ──> ring ──┬──> replica A (egress/replica, at its own pace)
//!                                    └──> replica B
//! ```

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use ae::file::Mask;

use crate::egress::replica::{go_online, ring_moved};
use crate::persist::fork;
use crate::persist::rdb_file::stream;
use crate::replication::primary::snapshot::being_served;
use crate::report::replicas::name;
use crate::server::Server;
use crate::state::child::{Child, Purpose};
use crate::state::replication::blocks::BLOCK;
use crate::state::replication::id::ReplId;
use crate::state::replication::replica::Filter;
use crate::state::replication::transfer::{RING, Transfer};
use crate::sys::child::{Ended, set_nonblocking};
use crate::sys::{host, process};
use crate::{notice, warning};

/// Bytes read from the pipe at once: as much as a pipe holds.
const PIECE: usize = 64 * 1024;
/// Pieces read per turn of the loop.
const PIECES_PER_TURN: usize = 16;

/// Begins a transfer; whether there is a child for it.
pub fn begin(srv: &mut Server, without: Filter) -> bool {
    match make_child(srv, without) {
        Ok(pid) => {
            notice!("Background RDB transfer started by pid {pid}");
            true
        }
        Err(error) => {
            warning!("Can't save in background: fork: {}", host::reason(&error));
            srv.replication.transfer = None;
            false
        }
    }
}

fn make_child(srv: &mut Server, without: Filter) -> io::Result<i32> {
    let (reader, writer) = io::pipe()?;
    set_nonblocking(&reader);
    let mark = ReplId::new(process::random_bytes());
    let child = fork::start(
        srv,
        Purpose::Stream,
        "redis-rdb-to-slaves",
        "RDB",
        move |srv, reporter| {
            let pipe = File::from(OwnedFd::from(writer));
            stream(srv, pipe, mark.as_bytes(), without, reporter)
        },
    )?;
    srv.el.add(reader.as_raw_fd(), Mask::READABLE, on_pipe, 0)?;
    srv.replication.transfer = Some(Transfer::new(reader));
    Ok(child)
}

/// The read handler of the pipe.
fn on_pipe(srv: &mut Server, fd: RawFd, _data: u64) {
    for _ in 0..PIECES_PER_TURN {
        let Some(transfer) = &mut srv.replication.transfer else {
            return;
        };
        if transfer.ring.len() >= RING {
            transfer.is_full = true;
            srv.el.set_mask(fd, Mask::empty());
            break;
        }
        let Some(pipe) = &mut transfer.pipe else {
            return;
        };
        let mut piece = [0; PIECE];
        match pipe.read(&mut piece) {
            Ok(0) => {
                end_of_pipe(srv, fd);
                break;
            }
            Ok(n) => {
                transfer.ring.append(&piece[..n], BLOCK);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                srv.el.drained(fd, Mask::READABLE);
                break;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                warning!(
                    "Diskless rdb transfer, read error sending DB to replicas: {}",
                    host::reason(&error)
                );
                return give_up(srv);
            }
        }
    }
    for id in being_served(srv) {
        srv.clients.queue_write(id);
    }
}

fn end_of_pipe(srv: &mut Server, fd: RawFd) {
    srv.el.forget(fd);
    if let Some(transfer) = &mut srv.replication.transfer {
        transfer.pipe = None;
    }
    notice!(
        "Diskless rdb transfer, done reading from pipe, {} replicas still up.",
        being_served(srv).len()
    );
    settle(srv);
}

/// The child has ended.
pub fn child_ended(srv: &mut Server, child: &Child, ended: Ended) {
    srv.snapshot.last_cow = child.latest.cow;
    match ended {
        Ended::Exit(0) => {
            notice!("Background RDB transfer terminated with success");
            if let Some(transfer) = &mut srv.replication.transfer {
                transfer.is_good = true;
            }
            settle(srv);
        }
        Ended::Exit(_) => {
            warning!("Background transfer error");
            give_up(srv);
        }
        Ended::Signal(signal) => {
            warning!("Background transfer terminated by signal {signal}");
            give_up(srv);
        }
        Ended::Quietly => {
            warning!("Background transfer terminated by signal 10");
            give_up(srv);
        }
    }
}

/// Replicas that have all of it are given the stream once they say that they have loaded it. Without any left the transfer
/// is over.
pub fn settle(srv: &mut Server) {
    let served = being_served(srv);
    let mut left = served.len();
    for id in served {
        let client = srv.clients.get(id);
        let Some(replica) = client.and_then(|client| client.replica.as_ref()) else {
            continue;
        };
        let complete = srv.replication.transfer.as_ref();
        if !complete.is_some_and(|transfer| transfer.is_complete_at(replica.ring_position)) {
            continue;
        }
        left -= 1;
        notice!(
            "Streamed replica with {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
            name(srv, id)
        );
        if let Some(replica) = srv
            .clients
            .get_mut(id)
            .and_then(|client| client.replica.as_mut())
        {
            replica.online_on_ack = true;
            if replica.rdb_only {
                srv.clients.queue_close(id);
            }
        }
        go_online(srv, id);
    }
    let done = srv
        .replication
        .transfer
        .as_ref()
        .is_some_and(|transfer| transfer.is_good && transfer.pipe.is_none());
    if left == 0 && done {
        srv.replication.transfer = None;
    } else {
        ring_moved(srv);
    }
}

/// The clockwork's look at a transfer, once a second: replicas that were slow may have it all now.
pub fn settle_if_any(srv: &mut Server) {
    if srv.replication.transfer.is_some() {
        settle(srv);
    }
}

/// A replica is gone: a child that nobody reads any more is ended.
pub fn replica_left(srv: &mut Server) {
    if srv.replication.transfer.is_none() {
        return;
    }
    if !being_served(srv).is_empty() {
        return ring_moved(srv);
    }
    if fork::kill(srv, Purpose::Stream).is_some() {
        warning!("Diskless rdb transfer, last replica dropped, killing fork child.");
    }
    close_pipe(srv);
    srv.replication.transfer = None;
}

/// The transfer has failed: its replicas are to come again.
fn give_up(srv: &mut Server) {
    fork::kill(srv, Purpose::Stream);
    for id in being_served(srv) {
        warning!("SYNC failed. BGSAVE child returned an error");
        srv.clients.queue_close(id);
    }
    close_pipe(srv);
    srv.replication.transfer = None;
}

fn close_pipe(srv: &mut Server) {
    if let Some(transfer) = &mut srv.replication.transfer
        && let Some(pipe) = transfer.pipe.take()
    {
        srv.el.forget(pipe.as_raw_fd());
    }
}
