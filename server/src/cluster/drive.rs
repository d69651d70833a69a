//! Performing what the protocol asks for.
//!
//! Events of one turn are collected ([`tell`]); [`settle`] performs all actions, in their order, before the loop
//! sleeps. Nothing is sent before nodes.conf has what it tells.
//!
//! While a command processes events (a script that has run for long) or a snapshot is loaded, other nodes are still
//! answered, or they would take this one for failed; but what changes the data set or the role is held back.

use std::path::Path;

use cluster::action::{Action, Level};
use cluster::ids::LinkId;
use cluster::state::Cluster;

use crate::cluster::events::{facts, tell};
use crate::cluster::{bus, file, slots};
use crate::egress::publish::{publish, publish_to_shard};
use crate::keyspace::delete::flush;
use crate::replication::replica::role::{become_primary, become_replica};
use crate::server::Server;
use crate::state::cluster::ClusterNode;
use crate::sys::host::reason;
use crate::{debug, notice, verbose, warning};

/// The step of cron, ten times a second.
pub fn cron(srv: &mut Server) {
    if srv.cluster.is_none() {
        return;
    }
    tell(srv, Cluster::cron);
    bus::limit(srv);
}

/// Whether the protocol was told something since [`settle`].
pub fn is_stirred(srv: &Server) -> bool {
    srv.cluster.as_deref().is_some_and(|node| node.is_stirred)
}

/// Performs what the protocol asks for, if it was told anything.
#[inline]
pub fn settle(srv: &mut Server) {
    let is_resolving = |node: &ClusterNode| !node.resolving.is_empty();
    if is_stirred(srv) || srv.cluster.as_deref().is_some_and(is_resolving) {
        perform_all(srv);
    }
}

fn perform_all(srv: &mut Server) {
    bus::resume(srv);
    let facts = facts(srv);
    if let Some(node) = srv.cluster.as_deref_mut() {
        node.is_stirred = false;
        node.core.before_sleep(facts);
    }
    bus::change_pause(srv);
    // Packets are sent when all actions are performed, so that those for one link go out together.
    let mut written = Vec::new();
    while let Some(action) = next(srv) {
        perform(srv, action, &mut written);
    }
    for link in written {
        bus::send(srv, link);
    }
}

/// The next action that can be performed now.
fn next(srv: &mut Server) -> Option<Action> {
    let is_restricted = srv.unit.depth > 0 || srv.snapshot.hides_data();
    let node = srv.cluster.as_deref_mut()?;
    if !is_restricted && let Some(action) = node.held.pop_front() {
        return Some(action);
    }
    loop {
        let action = node.core.next_action()?;
        if !is_restricted || is_harmless(&action) {
            return Some(action);
        }
        node.held.push_back(action);
        node.is_stirred = true;
    }
}

/// Whether an action leaves the data set and the role of this server alone.
fn is_harmless(action: &Action) -> bool {
    !matches!(
        action,
        Action::Replicate { .. }
            | Action::BecomePrimary
            | Action::FlushAll
            | Action::DropKeys { .. }
            | Action::SlotsLeft { .. }
    )
}

/// Performs an action. Links that have something to send are added to `written`.
fn perform(srv: &mut Server, action: Action, written: &mut Vec<LinkId>) {
    match action {
        Action::Save { fsync } => save(srv, fsync),
        Action::Connect {
            link,
            ip,
            port,
            hostname,
        } => bus::connect(srv, link, (&ip, port), hostname),
        Action::Send { link, packet } => {
            if bus::queue(srv, link, packet) {
                written.push(link);
            }
        }
        Action::Close { link } => bus::close(srv, link),
        Action::Replicate { ip, port } => {
            become_replica(srv, &ip, port);
            // The cluster decides whom a node follows: its configuration does not.
            srv.config.replicaof = None;
        }
        Action::BecomePrimary => become_primary(srv),
        Action::FlushAll => {
            let lazy = srv.config.replica_lazy_flush;
            flush(srv, None, lazy);
        }
        Action::Publish {
            channel,
            message,
            sharded,
        } => {
            if sharded {
                publish_to_shard(srv, &channel, &message);
            } else {
                publish(srv, &channel, &message);
            }
        }
        Action::DropKeys { slots } => slots::drop_keys(srv, &slots),
        Action::SlotsLeft { slots } => slots::left(srv, &slots),
        Action::Log { level, text } => match level {
            Level::Debug => debug!("{text}"),
            Level::Verbose => verbose!("{text}"),
            Level::Notice => notice!("{text}"),
            Level::Warning => warning!("{text}"),
        },
    }
}

/// Writes nodes.conf. A node that cannot keep what it has promised must not go on.
fn save(srv: &mut Server, fsync: bool) {
    let Some(node) = srv.cluster.as_deref_mut() else {
        return;
    };
    let path = Path::new(&srv.config.cluster_config_file);
    match file::save(path, &node.core.encode(), fsync) {
        Ok(lock) => node.lock = Some(lock),
        Err(error) => {
            warning!("Could not save {}: {}", path.display(), reason(&error));
            warning!("Fatal: can't update cluster config file.");
            std::process::exit(1);
        }
    }
}

/// CLUSTER SAVECONFIG.
///
/// # Errors
/// A sentence: it cannot be written.
pub fn save_on_demand(srv: &mut Server) -> Result<(), String> {
    let Some(node) = srv.cluster.as_deref_mut() else {
        return Ok(());
    };
    let path = Path::new(&srv.config.cluster_config_file);
    let lock = file::save(path, &node.core.encode(), true).map_err(|error| reason(&error))?;
    node.lock = Some(lock);
    Ok(())
}
