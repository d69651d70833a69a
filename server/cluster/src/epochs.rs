//! Configuration epochs. Of two primaries that announce the same slot, the one with the higher epoch owns it.
//!
//! An epoch is given by an election, that is, by a majority. It is given without consensus in two cases: when a slot was
//! imported, and by CLUSTER FAILOVER TAKEOVER. If two primaries get the same epoch in that way, the one with the smaller
//! name takes the next.

use crate::action::Level;
use crate::ids::NodeIx;
use crate::state::{Cluster, Todo};

/// The highest epoch known.
pub(crate) fn highest(c: &Cluster) -> u64 {
    let epochs = c.nodes.iter().map(|(_, node)| node.config_epoch);
    epochs.fold(c.epoch, u64::max)
}

/// Gives this node a new configuration epoch without consensus; false if it has the highest one already.
pub(crate) fn bump(c: &mut Cluster) -> bool {
    let mine = c.me().config_epoch;
    if mine != 0 && mine == highest(c) {
        return false;
    }
    take_next(c);
    c.later(Todo::SAVE | Todo::FSYNC);
    let epoch = c.epoch;
    c.log(Level::Notice, |_| format!("New configEpoch set to {epoch}"));
    true
}

/// Resolves a collision: another primary announced the configuration epoch of this node.
pub(crate) fn resolve_collision(c: &mut Cluster, other: NodeIx) {
    let (me, node) = (c.me(), &c.nodes[other]);
    let collides = node.config_epoch == me.config_epoch && node.is_primary() && me.is_primary();
    if !collides || node.name <= me.name || c.epoch == u64::MAX {
        return;
    }
    take_next(c);
    c.emit_save(true);
    c.log(Level::Verbose, |c| {
        format!(
            "WARNING: configEpoch collision with node {}. configEpoch set to {}",
            c.shown(other),
            c.epoch
        )
    });
}

/// Saturates: an epoch from another node may be the largest number. A collision there stays.
fn take_next(c: &mut Cluster) {
    c.epoch = c.epoch.saturating_add(1);
    c.me_mut().config_epoch = c.epoch;
}
