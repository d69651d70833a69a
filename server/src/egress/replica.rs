//! Sending to a replica: a snapshot file, a diskless transfer, the stream of writes.
//!
//! None of this is copied into the replica's output; it is read from where it is kept, as far as the socket takes it.

use std::io::{IoSlice, Read};
use std::os::fd::AsRawFd;

use ae::file::Mask;
use conn::connection::ConnId;
use conn::stream::Io;

use crate::egress::held::released_offset;
use crate::report::replicas::name;
use crate::server::Server;
use crate::state::client::Closing;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::replication::replica::{Replica, ReplicaStage, Sending};
use crate::state::replication::transfer::RING;
use crate::sys::host;
use crate::{notice, warning};

/// Bytes of a file that are read at once.
const PIECE: usize = 64 * 1024;
/// Parts of an output or of the stream that are passed to the kernel at once.
pub const MAX_SLICES: usize = 16;

/// How far sending got.
#[derive(PartialEq, Eq)]
pub enum Sent {
    /// Everything was sent.
    All,
    /// Everything was sent that may be; the rest waits for writes to reach the disk.
    Released,
    /// The socket is full, or the budget of this turn is used up.
    Some,
    /// The connection has failed.
    Failed,
}

/// Sends a replica what it is due, until its connection would block.
pub fn send_more(srv: &mut Server, id: ClientId) -> Sent {
    loop {
        let client = srv.clients.get(id);
        let Some((client, replica)) = client.and_then(|c| Some((c, c.replica.as_ref()?))) else {
            return Sent::All;
        };
        let is_leaving = client.closing == Closing::Now;
        let io = match &replica.stage {
            ReplicaStage::Saving if replica.transfer != 0 => send_ring(srv, id),
            ReplicaStage::Sending(sending) if sending.is_complete() => {
                go_online(srv, id);
                continue;
            }
            ReplicaStage::Sending(_) => send_file(srv, id),
            // After a change of history the stream may not match what the replica expects.
            ReplicaStage::Online if is_leaving => Io::Done(0),
            ReplicaStage::Online if !replica.online_on_ack => send_stream(srv, id),
            ReplicaStage::None
            | ReplicaStage::Waiting
            | ReplicaStage::Saving
            | ReplicaStage::Online
            | ReplicaStage::Served => Io::Done(0),
        };
        match io {
            Io::Done(0) => return finish(srv, id),
            Io::Done(n) => srv.stats.replica_output_bytes += n as u64,
            Io::WouldBlock => return Sent::Some,
            Io::Eof | Io::Failed(_) => return Sent::Failed,
        }
    }
}

/// Flushes what the connection has collected.
fn finish(srv: &mut Server, id: ClientId) -> Sent {
    let Some(conn) = srv.clients.get(id).and_then(|client| client.conn) else {
        return Sent::All;
    };
    match srv.conns.flush(&mut srv.el, conn) {
        Io::Done(_) => Sent::All,
        Io::WouldBlock => Sent::Some,
        Io::Eof | Io::Failed(_) => Sent::Failed,
    }
}

/// The connection and the state of a replica.
fn link_of(clients: &mut Clients, id: ClientId) -> Option<(ConnId, &mut Replica)> {
    let client = clients.get_mut(id)?;
    Some((client.conn?, client.replica.as_deref_mut()?))
}

/// Sends the part of the stream that is executed and not sent yet; `Done(0)` when there is none.
fn send_stream(srv: &mut Server, id: ClientId) -> Io {
    let end = released_offset(srv);
    let Server {
        clients,
        conns,
        el,
        replication,
        ..
    } = srv;
    let Some((conn, replica)) = link_of(clients, id) else {
        return Io::Done(0);
    };
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let count = replication
        .blocks
        .slices(replica.position, end.max(replica.position), &mut slices);
    if count == 0 {
        return Io::Done(0);
    }
    let io = conns.write_vectored(el, conn, &slices[..count]);
    if let Io::Done(n) = io {
        replica.position += n as u64;
    }
    io
}

/// Sends the part of a diskless transfer that was read from the pipe; `Done(0)` when the replica has all of it.
fn send_ring(srv: &mut Server, id: ClientId) -> Io {
    let now = srv.unit.now_s();
    let Server {
        clients,
        conns,
        el,
        replication,
        ..
    } = srv;
    let Some((conn, replica)) = link_of(clients, id) else {
        return Io::Done(0);
    };
    let Some(transfer) = replication.transfer(replica.transfer) else {
        return Io::Done(0);
    };
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let end = transfer.ring.end();
    let count = transfer
        .ring
        .slices(replica.ring_position, end, &mut slices);
    if count == 0 {
        return Io::Done(0);
    }
    let io = conns.write_vectored(el, conn, &slices[..count]);
    match io {
        Io::Done(n) => {
            replica.ring_position += n as u64;
            replica.stalled_since = 0;
            let number = replica.transfer;
            ring_moved(srv, number);
        }
        Io::WouldBlock if replica.stalled_since == 0 => replica.stalled_since = now,
        _ => {}
    }
    io
}

/// Drops the part of the ring that every replica has, and resumes reading the pipe when there is room.
pub fn ring_moved(srv: &mut Server, number: u64) {
    let clients = &srv.clients;
    let positions = srv.replication.replicas.iter().filter_map(|&id| {
        let replica = clients.replica(id)?;
        let is_sent = matches!(replica.stage, ReplicaStage::Saving) && replica.transfer == number;
        is_sent.then_some(replica.ring_position)
    });
    let slowest = positions.min();
    let mut transfers = srv.replication.transfers.iter_mut();
    let Some(transfer) = transfers.find(|transfer| transfer.number == number) else {
        return;
    };
    let needed = slowest.unwrap_or(transfer.ring.end());
    while transfer.ring.drop_first_before(needed) {}
    if transfer.is_full && transfer.ring.len() < RING {
        transfer.is_full = false;
        if let Some(pipe) = &transfer.pipe {
            srv.el.set_mask(pipe.as_raw_fd(), Mask::READABLE);
        }
    }
}

/// Sends the next piece of a file.
fn send_file(srv: &mut Server, id: ClientId) -> Io {
    let Server {
        clients, conns, el, ..
    } = srv;
    let Some((conn, replica)) = link_of(clients, id) else {
        return Io::Done(0);
    };
    let ReplicaStage::Sending(sending) = &mut replica.stage else {
        return Io::Done(0);
    };
    if sending.sent == sending.piece.len()
        && let Err(why) = next_piece(sending)
    {
        warning!("Read error sending DB to replica: {why}");
        srv.clients.queue_close(id);
        return Io::Done(0);
    }
    let io = conns.write(el, conn, &sending.piece[sending.sent..]);
    if let Io::Done(n) = io {
        sending.sent += n;
    }
    io
}

fn next_piece(sending: &mut Sending) -> Result<(), String> {
    let left = sending.size - sending.read;
    let wanted = left.min(PIECE as u64) as usize;
    sending.piece.resize(wanted, 0);
    sending.sent = 0;
    let read = sending.file.read_exact(&mut sending.piece);
    read.map_err(|error| host::reason(&error))?;
    sending.read += wanted as u64;
    Ok(())
}

/// A replica was sent its snapshot.
pub fn go_online(srv: &mut Server, id: ClientId) {
    let now = srv.unit.now_s();
    let shown = name(srv, id);
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let Some(replica) = &mut client.replica else {
        return;
    };
    if replica.rdb_only {
        replica.stage = ReplicaStage::Served;
        client.closing = Closing::AfterReply;
        notice!("RDB transfer completed, rdb only replica ({shown}) should be disconnected asap");
        return;
    }
    replica.stage = ReplicaStage::Online;
    replica.ack_at = now;
    notice!("Synchronization with replica {shown} succeeded");
}
