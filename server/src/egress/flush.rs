//! Sending pending output: before the loop sleeps, and when a socket becomes writable again.
//!
//! Output is passed to the connection until it is empty or the connection would block, which it also answers when its
//! budget of this turn is used up. TLS collects about three records per send. Bytes that TLS has accepted and not sent
//! (`pending_out`) still count as output: towards limits, and before a client is closed after its reply.
//!
//! # Invariants
//! 1. Nothing is sent to a client whose input is being processed (`EXECUTING`): its replies are on the stack, and what
//!    others have appended to its output may only be sent behind them. `ingress/input` queues it again.
//! 2. Nothing more is sent to a client that is about to be closed: a replica would otherwise get bytes of another history.
//! 3. While a write that must be on the disk is not (`appendfsync always`), new output is held (`egress/held`), and only what
//!    was released is sent.

use std::io::IoSlice;

use ae::event_loop::EventLoop;
use conn::connection::ConnId;
use conn::conns::Conns;
use conn::stream::Io;

use crate::egress::account::account_if_limited;
use crate::egress::held;
use crate::egress::replica::{MAX_SLICES, Sent, send_more};
use crate::server::Server;
use crate::state::client::{Client, ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::verbose;
use crate::wire::output::Output;

/// What there is to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// New output, which may be sent.
    New,
    /// New output that waits for writes to reach the disk. What was released before may be sent.
    Held,
    /// Output that was released before.
    Released,
}

/// Sends or holds the pending output of all clients, the most recently queued first. After PUBLISH the publisher is thus
/// answered before the subscribers, as in Redis. Unlike in Redis, this also holds for a client whose push unblocked others.
pub fn flush_pending(srv: &mut Server) {
    let occasion = if held::begin(srv) {
        Occasion::Held
    } else {
        Occasion::New
    };
    let mut ids = std::mem::take(&mut srv.clients.pending_write);
    for id in ids.drain(..).rev() {
        flush_client(srv, id, occasion);
        account_if_limited(srv, id);
    }
    // Closing may have queued others; otherwise the empty list is kept for its memory.
    if srv.clients.pending_write.is_empty() {
        srv.clients.pending_write = ids;
    }
}

/// Sends what is queued for replicas, in the middle of a long run of evictions. They stay in the list.
pub fn flush_replicas(srv: &mut Server) {
    for at in 0..srv.replication.replicas.len() {
        let Some(&id) = srv.replication.replicas.get(at) else {
            return;
        };
        let client = srv.clients.get(id);
        let is_waiting = |client: &Client| client.flags.contains(ClientFlags::PENDING_WRITE);
        if client.is_some_and(is_waiting) {
            flush_client(srv, id, Occasion::Released);
        }
    }
}

/// The write handler: the socket is writable again.
pub fn on_writable(srv: &mut Server, conn: ConnId) {
    let id = ClientId::from_word(srv.conns.data(conn));
    flush_client(srv, id, Occasion::Released);
    account_if_limited(srv, id);
}

/// Sends the output of a client as far as it may be sent.
pub fn flush_client(srv: &mut Server, id: ClientId, occasion: Occasion) {
    let Server {
        aof,
        clients,
        conns,
        el,
        stats,
        unit,
        ..
    } = srv;
    let Some(client) = clients.slab.get_mut(id) else {
        return;
    };
    if occasion != Occasion::Released {
        client.flags.remove(ClientFlags::PENDING_WRITE);
    }
    if client.flags.contains(ClientFlags::EXECUTING) || client.closing == Closing::Now {
        return;
    }
    match occasion {
        Occasion::New => client.io.out.release_all(),
        Occasion::Held => aof.held.add(id, client.io.out.hold()),
        Occasion::Released => {}
    }
    if occasion != Occasion::Released && client.flags.contains(ClientFlags::WRITE_HANDLER) {
        // It is sent when the socket is writable.
        return;
    }
    let Some(conn) = client.conn else {
        return;
    };
    let before = client.io.out.len();
    let sent = send(conns, el, conn, &mut client.io.out);
    let moved = before - client.io.out.len();
    stats.output_bytes += moved as u64;
    stats.writes += 1;
    // A peer that takes a long reply is not idle; of a primary only what it sends counts.
    if moved > 0 && !client.flags.contains(ClientFlags::PRIMARY) {
        client.last_active = unit.now_s();
    }
    if sent == Sent::All {
        let waits = client.flags.contains(ClientFlags::WRITE_HANDLER);
        if !waits && client.replica.is_none() && client.closing == Closing::No {
            client.soft_limit_since = 0;
            return;
        }
    }
    conclude(srv, id, conn, sent);
}

/// Sends output until it is empty or the connection would block.
#[inline]
fn send(
    conns: &mut Conns<Server>,
    el: &mut EventLoop<Server>,
    conn: ConnId,
    out: &mut Output,
) -> Sent {
    while out.released() > 0 {
        let io = if out.chunks() == 0 {
            conns.write(el, conn, out.first_released())
        } else {
            write_chunks(conns, el, conn, out)
        };
        match io {
            Io::Done(n) => out.advance_many(n),
            Io::WouldBlock => return Sent::Some,
            Io::Eof | Io::Failed(_) => return Sent::Failed,
        }
    }
    match conns.flush(el, conn) {
        Io::Done(_) if out.is_empty() => Sent::All,
        Io::Done(_) => Sent::Released,
        Io::WouldBlock => Sent::Some,
        Io::Eof | Io::Failed(_) => Sent::Failed,
    }
}

fn write_chunks(
    conns: &mut Conns<Server>,
    el: &mut EventLoop<Server>,
    conn: ConnId,
    out: &Output,
) -> Io {
    let mut slices = [IoSlice::new(&[]); MAX_SLICES];
    let count = out.slices(&mut slices);
    conns.write_vectored(el, conn, &slices[..count])
}

/// What follows from how far sending got, in the unusual cases.
fn conclude(srv: &mut Server, id: ClientId, conn: ConnId, sent: Sent) {
    let is_replica = |client: &Client| client.replica.is_some();
    let sent = if sent == Sent::All && srv.clients.get(id).is_some_and(is_replica) {
        send_more(srv, id)
    } else {
        sent
    };
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    match sent {
        Sent::All => {
            client.soft_limit_since = 0;
            let is_last = client.closing == Closing::AfterReply;
            remove_write_handler(srv, id, conn);
            if is_last {
                srv.clients.queue_close(id);
            }
        }
        Sent::Released => remove_write_handler(srv, id, conn),
        Sent::Some => {
            if !client.flags.contains(ClientFlags::WRITE_HANDLER) {
                client.flags.insert(ClientFlags::WRITE_HANDLER);
                srv.conns
                    .set_write_handler(&mut srv.el, conn, Some(on_writable), false);
            }
        }
        Sent::Failed => {
            if let Some(error) = srv.conns.error(conn) {
                verbose!("Error writing to client: {}", error.reason());
            }
            srv.clients.queue_close(id);
        }
    }
}

fn remove_write_handler(srv: &mut Server, id: ClientId, conn: ConnId) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    if client.flags.contains(ClientFlags::WRITE_HANDLER) {
        client.flags.remove(ClientFlags::WRITE_HANDLER);
        srv.conns.set_write_handler(&mut srv.el, conn, None, false);
    }
}
