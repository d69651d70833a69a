//! Moves a slot with its keys from one node to another.
//!
//! The target imports the slot and the source migrates it while its keys move (`transfer`), so that clients are
//! redirected key by key. Then the new owner is told first: should it fail before anybody knows that it owns the slot,
//! the slot still has its old owner.

use crate::cluster::check::Repair;
use crate::cluster::node::Refusal;
use crate::cluster::topology::Cluster;
use crate::cluster::transfer::move_keys;
use crate::out::{Exit, print};

/// The error of a source that has lost its last slot and has become a replica already.
const NO_PRIMARY: &str = "ERR Please use SETSLOT only with masters.";

/// How a slot is moved.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Print which slot it is, and a dot per key.
    pub shows: bool,
    /// Move the keys alone; the configuration stays as it is.
    pub keys_only: bool,
    /// Slots that no node serves are assigned on the way.
    pub repair: Repair,
}

/// A slot that moves from one node to another.
#[derive(Clone, Copy, Debug)]
pub struct Move {
    /// The node that loses it.
    pub source: usize,
    /// The node that gets it.
    pub target: usize,
    /// Its number.
    pub slot: u16,
    /// How it is moved.
    pub manner: Manner,
}

/// A slot could not be moved.
#[derive(Debug)]
pub struct Stuck {
    /// Why.
    pub refusal: Refusal,
    /// The node that refused; `None` if that was printed.
    pub node: Option<usize>,
    /// What went wrong was explained in full: there is nothing to add to it.
    pub is_explained: bool,
}

impl Stuck {
    /// Prints the reason, unless that was done.
    pub fn show(&self, cluster: &Cluster<'_>) -> Exit {
        if let Some(at) = self.node {
            self.refusal.show(&cluster.nodes[at]);
        }
        Exit(1)
    }
}

/// Moves a slot.
///
/// # Errors
/// A node refused; the slot may be open.
pub fn move_slot(cluster: &mut Cluster<'_>, task: Move) -> Result<(), Stuck> {
    let Move {
        source,
        target,
        slot,
        manner,
    } = task;
    if manner.shows {
        let nodes = &cluster.nodes;
        print(format!(
            "Moving slot {slot} from {} to {}: ",
            nodes[source], nodes[target]
        ));
    }
    if !manner.keys_only {
        set_slot(cluster, target, slot, "importing", source)?;
        set_slot(cluster, source, slot, "migrating", target)?;
    }
    let moved = move_keys(cluster, &task);
    if manner.shows {
        print("\n");
    }
    moved?;
    if manner.keys_only {
        return Ok(());
    }
    set_slot(cluster, target, slot, "node", target)?;
    match set_slot(cluster, source, slot, "node", target) {
        Err(Stuck {
            refusal: Refusal::Error(text),
            ..
        }) if text.starts_with(NO_PRIMARY) => {}
        other => other?,
    }
    // The others would learn it from the new owner; until then they would redirect clients to the old one.
    for at in cluster.primaries() {
        if at != source && at != target {
            set_slot(cluster, at, slot, "node", target)?;
        }
    }
    cluster.nodes[source].slots.remove(slot);
    cluster.nodes[target].slots.insert(slot);
    Ok(())
}

/// CLUSTER SETSLOT with a state that names another node.
///
/// # Errors
/// The node refused; nothing was printed.
pub fn set_slot(
    cluster: &mut Cluster<'_>,
    at: usize,
    slot: u16,
    state: &str,
    about: usize,
) -> Result<(), Stuck> {
    let id = cluster.nodes[about].id.clone();
    let argv = ["CLUSTER", "SETSLOT", &slot.to_string(), state, &id];
    match cluster.nodes[at].call(&argv) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Stuck {
            refusal,
            node: Some(at),
            is_explained: false,
        }),
    }
}
