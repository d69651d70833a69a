//! Output that is not the reply to the command being executed.

use crate::egress::flush::hard_limit;
use crate::server::Server;
use crate::state::client::{Client, Closing, ReplyMode};
use crate::state::client_id::ClientId;
use crate::wire::reply::Reply;

/// Appends raw bytes to the output of a client, whatever its reply mode.
pub fn push_raw(srv: &mut Server, id: ClientId, bytes: &[u8]) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.io.out.tail.extend_from_slice(bytes);
        srv.clients.queue_write(id);
    }
}

/// Lets `write` append to the output of a client other than the one executing, within its limit.
pub fn push(srv: &mut Server, id: ClientId, write: impl FnOnce(&mut Reply)) {
    let Some(class) = srv.clients.get(id).map(Client::class) else {
        return;
    };
    let limit = hard_limit(srv, class);
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    if client.conn.is_none() || client.closing == Closing::Now || client.reply_mode != ReplyMode::On
    {
        return;
    }
    let mut reply = Reply::behind(
        std::mem::take(&mut client.io.out),
        client.session.resp,
        limit,
    );
    write(&mut reply);
    let overflow = reply.overflow;
    client.io.out = reply.out;
    srv.clients.queue_write(id);
    if overflow {
        srv.clients.queue_close(id);
    }
}
