//! A client's side of MULTI and WATCH: starting, queueing, discarding.

use table::CmdId;
use table::words::Flags;

use crate::keyspace::lookup::is_expired;
use crate::server::Server;
use crate::state::client::Client;
use crate::state::client_id::ClientId;
use crate::state::clients::Clients;
use crate::state::multi::Multi;
use crate::state::watch::{Watch, Watched};
use crate::wire::argv::Argv;

/// Starts a transaction; false when one is under way.
pub fn begin(client: &mut Client) -> bool {
    let fresh = client.multi.is_none();
    if fresh {
        client.multi = Some(Box::default());
    }
    fresh
}

/// Queues a command. Once the transaction can only fail, commands are no longer kept.
pub fn queue(client: &mut Client, cmd: CmdId, flags: Flags, argv: &Argv) {
    let dirty = client.dirty_cas;
    let Some(multi) = &mut client.multi else {
        return;
    };
    if multi.aborted || dirty {
        return;
    }
    multi.push(cmd, flags, argv);
    client.sizes.multi = multi.queue.memory();
}

/// Aborts the transaction of a client after a command was refused.
pub fn flag(client: &mut Client) {
    if let Some(multi) = &mut client.multi {
        multi.aborted = true;
    }
}

/// Ends a transaction, executed or not, and all watches; returns what was queued.
pub fn take(watch: &mut Watch, clients: &mut Clients, id: ClientId) -> Option<Box<Multi>> {
    let client = clients.get_mut(id)?;
    client.dirty_cas = false;
    client.sizes.multi = 0;
    watch.remove_all(id, &mut client.watched);
    client.multi.take()
}

/// Notes that the commands of a transaction are being executed, for CLIENT LIST and the log of refusals; `None` when they have
/// been.
pub fn show_executing(srv: &mut Server, id: ClientId, multi: Option<&Multi>) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.executing = multi.map(|multi| multi.queue.len());
        client.sizes.multi = multi.map_or(0, |multi| multi.queue.memory());
    }
}

/// Lets a client watch a key.
pub fn watch(srv: &mut Server, id: ClientId, db: usize, key: &[u8]) {
    let expired = is_expired(srv, db, key);
    if let Some(client) = srv.clients.get_mut(id) {
        srv.watch.add(id, &mut client.watched, (db, key), expired);
    }
}

/// Unwatches all keys and forgets that one had changed.
pub fn unwatch(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.dirty_cas = false;
        srv.watch.remove_all(id, &mut client.watched);
    }
}

/// Whether a watched key has changed, or has expired without having been deleted yet.
pub fn is_dirty(srv: &Server, id: ClientId) -> bool {
    srv.clients.get(id).is_some_and(|client| {
        let has_expired = |Watched { db, key }: &Watched| {
            let watcher = srv.watch.watcher(*db, key, id);
            is_expired(srv, *db, key) && !watcher.is_some_and(|watcher| watcher.expired)
        };
        client.dirty_cas || client.watched.iter().any(has_expired)
    })
}
