//! Closing clients: at once when they are idle, by the close queue when they are on the stack.

use crate::report::replicas::name;
use crate::server::Server;
use crate::state::client::{Client, ClientFlags, Closing};
use crate::state::client_id::ClientId;

/// Closes a client at once, or by the queue if it is on the stack.
pub fn close_now(srv: &mut Server, id: ClientId) {
    let Some(client) = srv.clients.get(id) else {
        return;
    };
    if client.is_on_stack() {
        srv.clients.queue_close(id);
        return;
    }
    let replica = client.is_replica().then(|| name(srv, id));
    let Some(mut client) = srv.clients.remove(id) else {
        return;
    };
    srv.watch.remove_all(id, &mut client.watched);
    if let Some(own) = client.subscriptions.take() {
        srv.pubsub.remove_all(id, &own);
    }
    if let Some(own) = client.tracking.take() {
        srv.tracking.end(id, &own);
    }
    if let Some(command) = client.blocked.take() {
        srv.blocked.unblock(id, &command);
    }
    if client.flags.contains(ClientFlags::MONITOR) {
        srv.observers.remove_monitor(id);
    }
    if let Some(conn) = client.conn {
        srv.conns.close(&mut srv.el, conn);
    }
    if client.flags.contains(ClientFlags::PRIMARY) {
        (srv.hooks.primary_gone)(srv, id, &client);
    }
    if let Some(replica) = replica {
        srv.replication.replicas.retain(|&other| other != id);
        (srv.hooks.replica_gone)(srv, &client, &replica);
    }
}

/// Closes a client after its pending output is sent; it runs no further command.
pub fn close_after_reply(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get_mut(id)
        && client.closing == Closing::No
    {
        client.closing = Closing::AfterReply;
        // Its input is no longer read; a readable socket would keep the loop awake.
        if let Some(conn) = client.conn {
            srv.conns.set_read_handler(&mut srv.el, conn, None);
        }
        // A client without output would never be flushed, and so never closed.
        srv.clients.queue_write(id);
    }
}

/// Closes all clients in the queue; those on the stack stay queued.
pub fn drain_close_queue(srv: &mut Server) {
    let mut rest = std::mem::take(&mut srv.clients.close_queue);
    rest.retain(|&id| {
        let client = srv.clients.get(id);
        let on_stack = client.is_some_and(Client::is_on_stack);
        if !on_stack {
            close_now(srv, id);
        }
        on_stack
    });
    srv.clients.close_queue.append(&mut rest);
}
