//! Sending pending output: before the loop sleeps, and when a socket becomes writable again.
//!
//! Output is passed to the connection until it is empty or the connection would block, which it also answers when its
//! budget of this turn is used up. TLS collects about three records per send. Bytes that TLS has accepted and not sent
//! (`pending_out`) still count as output: towards limits, and before a client is closed after its reply.
//!
//! While a write is not on the disk that must be (`appendfsync always`), new output is held (`egress/held`), and only what
//! was released is sent.

use std::io::IoSlice;

use conn::connection::ConnId;
use conn::stream::Io;

use crate::egress::account::account_memory;
use crate::egress::held;
use crate::egress::replica::{Sent, send_more};
use crate::server::Server;
use crate::state::client::{Class, Client, ClientFlags, Closing};
use crate::state::client_id::ClientId;
use crate::wire::output::KEEP_TAIL;
use crate::{notice, verbose};

/// Parts of an output that are passed to the kernel at once.
const MAX_SLICES: usize = 16;

/// Sends the pending output of all clients, or holds it.
pub fn flush_pending(srv: &mut Server) {
    let holds = held::begin(srv);
    let mut ids = std::mem::take(&mut srv.clients.pending_write);
    for id in ids.drain(..) {
        let Some(client) = srv.clients.get_mut(id) else {
            continue;
        };
        client.flags.remove(ClientFlags::PENDING_WRITE);
        if client.flags.contains(ClientFlags::EXECUTING) {
            // `ingress/input` queues it again.
            continue;
        }
        if holds {
            held::hold(srv, id);
        } else {
            client.io.out.release_all();
        }
        let client = srv.clients.get(id);
        let is_full = |client: &Client| client.flags.contains(ClientFlags::WRITE_HANDLER);
        if !client.is_some_and(is_full) {
            flush_client(srv, id);
        }
        account_memory(srv, id);
    }
    // Closing may have queued others; otherwise the empty list is kept for its memory.
    if srv.clients.pending_write.is_empty() {
        srv.clients.pending_write = ids;
    }
}

/// Sends what is queued for replicas, in the middle of a long run of evictions.
pub fn flush_replicas(srv: &mut Server) {
    for at in 0..srv.replication.replicas.len() {
        let Some(&id) = srv.replication.replicas.get(at) else {
            return;
        };
        let client = srv.clients.get(id);
        let is_waiting = |client: &Client| client.flags.contains(ClientFlags::PENDING_WRITE);
        if client.is_some_and(is_waiting) {
            flush_client(srv, id);
        }
    }
}

/// The write handler: the socket is writable again.
pub fn on_writable(srv: &mut Server, conn: ConnId) {
    let id = ClientId::from_word(srv.conns.data(conn));
    flush_client(srv, id);
    account_memory(srv, id);
}

/// Sends what a client may be sent.
pub fn flush_client(srv: &mut Server, id: ClientId) {
    // A client that is about to be closed is sent nothing more: a replica would otherwise get bytes of another
    // history. While the input of a client is processed its replies are on the stack, and what others have appended to
    // its output may only be sent behind them; `ingress/input` queues it again.
    let client = srv.clients.get(id);
    if client.is_some_and(|client| {
        client.closing == Closing::Now || client.flags.contains(ClientFlags::EXECUTING)
    }) {
        return;
    }
    let mut sent = send(srv, id);
    let client = srv.clients.get(id);
    if sent == Sent::All && client.is_some_and(|client| client.replica.is_some()) {
        sent = send_more(srv, id);
    }
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let Some(conn) = client.conn else { return };
    match sent {
        Sent::All => {
            client.soft_limit_since = 0;
            if client.closing == Closing::AfterReply {
                srv.clients.queue_close(id);
            }
            remove_write_handler(srv, id);
        }
        // Released output is flushed without the socket becoming writable.
        Sent::Released => remove_write_handler(srv, id),
        Sent::Some => {
            if !client.flags.contains(ClientFlags::WRITE_HANDLER) {
                client.flags.insert(ClientFlags::WRITE_HANDLER);
                srv.conns
                    .set_write_handler(&mut srv.el, conn, Some(on_writable), false);
            }
        }
        Sent::Failed => {
            if let Some(error) = srv.conns.error(conn) {
                verbose!("Error writing to client: {error}");
            }
            srv.clients.queue_close(id);
        }
    }
}

fn remove_write_handler(srv: &mut Server, id: ClientId) {
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    if client.flags.contains(ClientFlags::WRITE_HANDLER)
        && let Some(conn) = client.conn
    {
        client.flags.remove(ClientFlags::WRITE_HANDLER);
        srv.conns.set_write_handler(&mut srv.el, conn, None, false);
    }
}

fn send(srv: &mut Server, id: ClientId) -> Sent {
    let Server {
        clients,
        conns,
        el,
        stats,
        ..
    } = srv;
    let Some(client) = clients.get_mut(id) else {
        return Sent::All;
    };
    let Some(conn) = client.conn else {
        return Sent::All;
    };
    let out = &mut client.io.out;
    let before = out.len();
    let mut blocked = false;
    let mut failed = false;
    while out.released() > 0 {
        let io = if out.chunks() == 0 {
            conns.write(el, conn, out.first_released())
        } else {
            let mut slices = [IoSlice::new(&[]); MAX_SLICES];
            let count = out.slices(&mut slices);
            conns.write_vectored(el, conn, &slices[..count])
        };
        match io {
            Io::Done(n) => out.advance_many(n),
            Io::WouldBlock => {
                blocked = true;
                break;
            }
            Io::Eof | Io::Failed(_) => {
                failed = true;
                break;
            }
        }
    }
    if !failed && !blocked {
        match conns.flush(el, conn) {
            Io::Done(_) => {}
            Io::WouldBlock => blocked = true,
            Io::Eof | Io::Failed(_) => failed = true,
        }
    }
    stats.output_bytes += (before - out.len()) as u64;
    stats.writes += 1;
    if failed {
        Sent::Failed
    } else if blocked {
        Sent::Some
    } else if !out.is_empty() {
        Sent::Released
    } else {
        client.last_active = srv.unit.now_ms / 1000;
        Sent::All
    }
}

/// The output in bytes at which a client of a class is closed; 0 is no limit. As in Redis, the first bytes are not
/// counted, so that a small limit does not lock everyone out.
pub fn hard_limit(srv: &Server, class: Class) -> usize {
    match srv.config.client_output_buffer_limit[class.limit_index()].hard {
        0 => 0,
        hard => usize::try_from(hard)
            .unwrap_or(usize::MAX)
            .saturating_add(KEEP_TAIL),
    }
}

/// Whether a client's output exceeds a limit of its class.
pub fn over_output_limit(srv: &mut Server, id: ClientId) -> bool {
    let offset = srv.replication.offset;
    let now = srv.unit.now_ms / 1000;
    let Some(client) = srv.clients.get_mut(id) else {
        return false;
    };
    if client.closing == Closing::Now {
        return false;
    }
    let replica = client.replica.as_ref().filter(|replica| replica.is_one());
    let mut limit = srv.config.client_output_buffer_limit[client.class().limit_index()];
    if replica.is_some() && limit.hard != 0 {
        // A replica's limit is at least the size of the backlog, which exists anyway.
        limit.hard = limit.hard.max(srv.config.repl_backlog_size as u64);
    }
    let behind = replica.map_or(0, |replica| replica.behind(offset));
    let waiting = client.output_bytes() + client.conn.map_or(0, |conn| srv.conns.pending_out(conn));
    let used = waiting.saturating_sub(KEEP_TAIL) as u64 + behind;
    if limit.hard != 0 && used > limit.hard {
        return true;
    }
    if limit.soft == 0 || used <= limit.soft {
        client.soft_limit_since = 0;
        return false;
    }
    if client.soft_limit_since == 0 {
        client.soft_limit_since = now;
    }
    now - client.soft_limit_since > limit.soft_seconds
}

/// Closes a client over its output limit, with Redis's log line.
pub fn close_over_limit(srv: &mut Server, id: ClientId) {
    srv.stats.output_buffer_disconnects += 1;
    let line = crate::report::client_line::client_line(srv, id);
    notice!("Client {line} scheduled to be closed ASAP for overcoming of output buffer limits.");
    srv.clients.queue_close(id);
}
