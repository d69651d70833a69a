//! Output that is not the reply to the command being executed.

use crate::server::Server;
use crate::state::client::{Closing, ReplyMode};
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
    let Some(client) = srv.clients.get_mut(id) else {
        return;
    };
    let limit = srv.config.client_output_buffer_limit[client.class().limit_index()].hard as usize;
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
