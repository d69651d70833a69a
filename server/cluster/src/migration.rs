//! Replica migration: a replica of a primary that has several moves to a primary that has none left.

use crate::action::Level;
use crate::ids::NodeIx;
use crate::node::Flags;
use crate::role;
use crate::state::{Cluster, Health, Todo};

/// How long a primary must be without a replica, so that those of a failed one have time to announce where they are.
const DELAY_MS: i64 = 5000;

/// Number of working replicas of a node.
pub(crate) fn working_replicas(c: &Cluster, ix: NodeIx) -> usize {
    let replicas = c.nodes[ix].replicas.iter();
    replicas.filter(|ix| !c.nodes[**ix].has_failed()).count()
}

/// Moves this replica to an orphaned primary, if it is the one to do so: of all replicas of the primaries with the most working
/// replicas, `most`, it has the smallest name. Several may move at once in rare cases, which does no harm.
pub(crate) fn proceed(c: &mut Cluster, most: usize) {
    let Some(mine) = c.my_primary().filter(|_| c.health == Health::Ok) else {
        return;
    };
    let replicas = c.nodes[mine].replicas.iter().map(|ix| &c.nodes[*ix]);
    let working = replicas
        .filter(|node| !node.is(Flags::FAIL | Flags::PFAIL))
        .count();
    if working <= c.settings.migration_barrier {
        return;
    }
    let (mut candidate, mut target) = (c.myself, None);
    for ix in c.nodes.list().to_vec() {
        let replicas = match c.nodes[ix].is_primary() {
            true => working_replicas(c, ix),
            false => 0,
        };
        note_orphaned(c, ix, replicas);
        let node = &c.nodes[ix];
        if target.is_none() && node.orphaned_ms != 0 && node.slots.is_some() {
            target = Some(ix);
        }
        if replicas == most {
            let smallest = node.replicas.iter().chain([&candidate]);
            candidate = *smallest
                .min_by_key(|ix| c.nodes[**ix].name)
                .unwrap_or(&candidate);
        }
    }
    let Some(target) = target.filter(|_| candidate == c.myself) else {
        return;
    };
    if c.now_ms() - c.nodes[target].orphaned_ms > DELAY_MS {
        let name = c.nodes[target].name;
        c.log(Level::Notice, |_| {
            format!("Migrating to orphaned master {name}")
        });
        role::follow(c, target);
        // Redis saves this only with the next change.
        c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
    }
}

/// Notes since when a primary that is supposed to have replicas has none.
fn note_orphaned(c: &mut Cluster, ix: NodeIx, replicas: usize) {
    let now_ms = c.now_ms();
    let node = &mut c.nodes[ix];
    let working = !node.is_replica() && !node.has_failed();
    let orphaned = working && node.is(Flags::MIGRATE_TO) && replicas == 0;
    match (orphaned, node.orphaned_ms) {
        (false, _) => node.orphaned_ms = 0,
        (true, 0) => node.orphaned_ms = now_ms,
        (true, _) => {}
    }
}
