//! Changes of role: REPLICAOF to a primary, to another one, and to NO ONE.

use crate::exec::unblock::give_up;
use crate::feed::replicas::disconnect_all;
use crate::notice;
use crate::persist::aof::switch;
use crate::replication::replica::link::{cancel, lose, reconnect};
use crate::server::Server;
use crate::session::close::{close_after_reply, close_now};
use crate::state::replication::id::ReplId;
use crate::state::replication::link::{CONTINUES_OWN_HISTORY, Link};
use crate::sys::log::{self, Role};
use crate::sys::process;
use crate::wire::fault::Fault;

/// Follows a primary from now on.
pub fn become_replica(srv: &mut Server, host: &str, port: u16) {
    let was_replica = srv.replication.is_replica();
    log::set_role(Role::Replica);
    // Keys in flight may no longer be deleted here.
    srv.migration.spoil_all(None);
    let cached = if was_replica {
        leave(srv)
    } else {
        notice!("{CONTINUES_OWN_HISTORY}");
        Some(0)
    };
    let down_since = match &srv.replication.link {
        Some(link) if link.down_since != 0 => link.down_since,
        _ if was_replica => srv.unit.now_s(),
        _ => 0,
    };
    srv.replication.link = Some(Box::new(Link {
        cached,
        down_since,
        ..Link::new(host.to_owned(), port)
    }));
    disconnect_blocked(srv);
    srv.config.replicaof = Some((host.to_owned(), port));
    notice!("Connecting to MASTER {host}:{port}");
    reconnect(srv);
}

/// Becomes a primary. The history continues under a new id from the current offset.
pub fn become_primary(srv: &mut Server) {
    if !srv.replication.is_replica() {
        return;
    }
    log::set_role(Role::Primary);
    if leave(srv).is_some() {
        notice!("Discarding previously cached master state.");
    }
    let now = srv.unit.now_s();
    let replication = &mut srv.replication;
    replication.link = None;
    replication.forget_unexecuted();
    replication.fork_history(ReplId::new(process::random_bytes()));
    notice!(
        "Setting secondary replication ID to {}, valid up to offset: {}. New replication ID is {}",
        replication.id2,
        replication.second_offset,
        replication.id
    );
    replication.selected = None;
    replication.alone_since = now;
    srv.config.replicaof = None;
    // A synchronization that was given up has switched it off.
    switch::restart_or_exit(srv);
    // Replicas reconnect to learn the new id; they can continue from where they are.
    disconnect_all(srv);
}

/// Disconnects from the primary; returns the database selected in its stream, if it can be resumed.
fn leave(srv: &mut Server) -> Option<usize> {
    let link = srv.replication.link.as_deref_mut()?;
    let client = link.client();
    if let Some(id) = client {
        let db = srv.clients.get(id).map_or(0, |client| client.session.db);
        // The link is Idle before its client is closed, so it does not reconnect.
        lose(link, db);
        close_now(srv, id);
        srv.replication.forget_unexecuted();
    } else {
        cancel(srv);
    }
    srv.replication.link.as_ref()?.cached
}

/// Unblocks and closes clients that are blocked on a write, which will not come.
fn disconnect_blocked(srv: &mut Server) {
    let fault = Fault::new(
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
    );
    for id in srv.blocked.ended_by_role_change() {
        give_up(srv, id, Some(&fault));
        close_after_reply(srv, id);
    }
}
