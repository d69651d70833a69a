//! Output that a client gets outside of its own commands' replies: raw bytes, error replies, and the messages that arrive
//! while its input is processed.

use crate::egress::publish::{Message, send_to};
use crate::server::Server;
use crate::state::client::{Client, ClientFlags};
use crate::state::client_id::ClientId;
use crate::wire::fault::Fault;
use crate::wire::output::Output;
use crate::wire::reply::{Reply, Resp};

/// Appends raw bytes to the output of a client, whatever its reply mode and its limit.
pub fn push_raw(srv: &mut Server, id: ClientId, bytes: &[u8]) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.io.out.tail.extend_from_slice(bytes);
        srv.clients.queue_write(id);
    }
}

/// Sends a client an error reply; the client must not be the one whose command is executed.
pub fn push_fault(srv: &mut Server, id: ClientId, fault: &Fault) {
    let mut reply = Reply::behind(Output::default(), Resp::V2, 0);
    reply.fault(fault);
    send_to(srv, id, &mut Message::reply(reply.out.into_bytes()));
}

/// Moves messages that a client was sent while its input is processed behind its replies so far. Replies to the primary
/// are dropped, but not the acknowledgements among its output.
#[inline]
pub fn take_pushes(client: &mut Client, reply: &mut Reply) {
    if !client.io.out.is_empty() && !client.flags.contains(ClientFlags::PRIMARY) {
        reply.out.append(std::mem::take(&mut client.io.out));
    }
}

/// Sends what a client was sent before its command is executed, such as invalidations of evicted keys, in front of the
/// reply.
#[cold]
pub fn settle_pushes(srv: &mut Server, id: ClientId, reply: &mut Reply) {
    if let Some(client) = srv.clients.get_mut(id) {
        take_pushes(client, reply);
    }
}
