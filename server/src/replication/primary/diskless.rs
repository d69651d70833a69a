//! Diskless transfers: a child writes the snapshot into a pipe, and this process proxies it to the connection of each
//! replica, TLS or not. The child never touches a connection.
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
use crate::replication::primary::served::served_by;
use crate::report::replicas::name;
use crate::server::Server;
use crate::state::child::{Child, Purpose};
use crate::state::client_id::ClientId;
use crate::state::replication::blocks::BLOCK;
use crate::state::replication::id::ReplId;
use crate::state::replication::replica::SnapshotFilter;
use crate::state::replication::transfer::{DisklessTransfer, RING};
use crate::sys::child::{Ended, set_nonblocking};
use crate::sys::{host, process};
use crate::{notice, warning};

/// Bytes read from the pipe at once: its capacity.
const PIECE: usize = 64 * 1024;
/// Pieces read per turn of the loop.
const PIECES_PER_TURN: usize = 16;

/// Starts a transfer; returns its number, or `None` if there is no child for it.
pub fn begin(srv: &mut Server, without: SnapshotFilter) -> Option<u64> {
    let number = srv.replication.next_transfer;
    srv.replication.next_transfer += 1;
    match make_child(srv, number, without) {
        Ok(pid) => {
            notice!("Background RDB transfer started by pid {pid}");
            srv.snapshot.started = srv.unit.now_s();
            Some(number)
        }
        Err(error) => {
            warning!("Can't save in background: fork: {}", host::reason(&error));
            None
        }
    }
}

fn make_child(srv: &mut Server, number: u64, without: SnapshotFilter) -> io::Result<i32> {
    let (reader, writer) = io::pipe()?;
    set_nonblocking(&reader);
    let mark = ReplId::new(process::random_bytes());
    let fd = reader.as_raw_fd();
    // The child closes what is registered. With this end in its hands it would not notice that the parent is gone.
    srv.el.add(fd, Mask::READABLE, on_pipe, 0)?;
    let child = fork::start(srv, Purpose::Stream, move |srv, reporter| {
        let pipe = File::from(OwnedFd::from(writer));
        stream(srv, pipe, mark.as_bytes(), without, reporter)
    });
    match child {
        Ok(_) => {
            let transfer = DisklessTransfer::new(number, reader);
            srv.replication.transfers.push(transfer);
        }
        Err(_) => srv.el.forget(fd),
    }
    child
}

/// The read handler of the pipe.
fn on_pipe(srv: &mut Server, fd: RawFd, _data: u64) {
    let Some(number) = open(srv) else { return };
    let mut piece = [0; PIECE];
    for _ in 0..PIECES_PER_TURN {
        let Some(transfer) = srv.replication.open_transfer() else {
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
        match pipe.read(&mut piece) {
            Ok(0) => {
                end_of_pipe(srv, fd, number);
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
    for id in served_by(srv, number) {
        srv.clients.queue_write(id);
    }
}

/// The number of the transfer that a child is writing.
fn open(srv: &mut Server) -> Option<u64> {
    srv.replication
        .open_transfer()
        .map(|transfer| transfer.number)
}

fn end_of_pipe(srv: &mut Server, fd: RawFd, number: u64) {
    srv.el.forget(fd);
    if let Some(transfer) = srv.replication.open_transfer() {
        transfer.pipe = None;
    }
    notice!(
        "Diskless rdb transfer, done reading from pipe, {} replicas still up.",
        served_by(srv, number).len()
    );
    finish_transfer(srv, number);
}

/// The child has ended.
pub fn child_ended(srv: &mut Server, child: &Child, ended: Ended) {
    let snapshot = &mut srv.snapshot;
    snapshot.last_cow = child.latest.cow;
    snapshot.last_duration = Some(srv.unit.now_s() - snapshot.started);
    let number = open(srv);
    match ended {
        Ended::Exit(0) => {
            notice!("Background RDB transfer terminated with success");
            if let Some(transfer) = srv.replication.open_transfer() {
                transfer.is_good = true;
            }
            if let Some(number) = number {
                finish_transfer(srv, number);
            }
        }
        Ended::Exit(_) => {
            warning!("Background transfer error");
            give_up(srv);
        }
        Ended::Signal(signal) => {
            warning!("Background transfer terminated by signal {signal}");
            give_up(srv);
        }
    }
}

/// Completes a transfer for the replicas that were sent all of it; they get the stream after they acknowledge that
/// they have loaded it. A transfer without replicas is removed.
fn finish_transfer(srv: &mut Server, number: u64) {
    for id in served_by(srv, number) {
        let replica = srv.clients.replica(id);
        let position = replica.map_or(0, |replica| replica.ring_position);
        let transfer = srv.replication.transfer(number);
        if transfer.is_some_and(|transfer| transfer.is_complete_at(position)) {
            complete(srv, id);
        }
    }
    if served_by(srv, number).is_empty() {
        let done = |transfer: &DisklessTransfer| transfer.number == number && !transfer.is_open();
        srv.replication.transfers.retain(|transfer| !done(transfer));
    }
    ring_moved(srv, number);
}

/// A replica has received all of its transfer.
fn complete(srv: &mut Server, id: ClientId) {
    notice!(
        "Streamed RDB transfer with replica {} succeeded (socket). Waiting for REPLCONF ACK from replica to enable streaming",
        name(srv, id)
    );
    if let Some(replica) = srv.clients.replica_mut(id) {
        replica.online_on_ack = true;
        if replica.rdb_only {
            srv.clients.queue_close(id);
        }
    }
    go_online(srv, id);
}

/// Checks all transfers: by cron, and when a replica acknowledges.
pub fn finish_transfers(srv: &mut Server) {
    let transfers = srv.replication.transfers.iter();
    let numbers: Vec<u64> = transfers.map(|transfer| transfer.number).collect();
    for number in numbers {
        finish_transfer(srv, number);
    }
}

/// A replica is gone: a child whose output nobody reads is killed.
pub fn replica_left(srv: &mut Server) {
    if let Some(number) = open(srv)
        && served_by(srv, number).is_empty()
    {
        if fork::kill(srv, Purpose::Stream).is_some() {
            warning!("Diskless rdb transfer, last replica dropped, killing fork child.");
        }
        drop_open(srv);
    }
    finish_transfers(srv);
}

/// The transfer being written has failed: its replicas are disconnected and will retry.
fn give_up(srv: &mut Server) {
    fork::kill(srv, Purpose::Stream);
    let Some(number) = open(srv) else { return };
    for id in served_by(srv, number) {
        warning!("SYNC failed. BGSAVE child returned an error");
        srv.clients.queue_close(id);
    }
    drop_open(srv);
}

fn drop_open(srv: &mut Server) {
    let Some(transfer) = srv.replication.open_transfer() else {
        return;
    };
    let pipe = transfer.pipe.take();
    srv.replication.transfers.pop();
    if let Some(pipe) = pipe {
        srv.el.forget(pipe.as_raw_fd());
    }
}
