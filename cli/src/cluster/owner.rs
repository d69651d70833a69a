//! The owner of a slot: who has most keys of it, and making a node the owner.

use conn::resp::Value;

use crate::cluster::node::Refusal;
use crate::cluster::topology::Cluster;
use crate::out::Exit;

/// Number of keys that a node has of a slot.
///
/// # Errors
/// The node does not tell; a message was printed.
pub fn count_keys(cluster: &mut Cluster<'_>, at: usize, slot: u16) -> Result<i64, Exit> {
    cluster.nodes[at].count(&["CLUSTER", "COUNTKEYSINSLOT", &slot.to_string()])
}

/// Of these nodes the one with most keys of a slot, the first of several; `None` if one does not tell.
pub fn most_keys(cluster: &mut Cluster<'_>, nodes: &[usize], slot: u16) -> Option<usize> {
    let mut most: Option<(usize, i64)> = None;
    for &at in nodes {
        if cluster.nodes[at].is_replica() {
            continue;
        }
        let keys = count_keys(cluster, at, slot).ok()?;
        if most.is_none_or(|(_, before)| keys > before) {
            most = Some((at, keys));
        }
    }
    most.map(|(at, _)| at)
}

/// Ends the migration or import of a slot on a node.
///
/// # Errors
/// The node refuses; a message was printed.
pub fn clear(cluster: &mut Cluster<'_>, at: usize, slot: u16) -> Result<(), Exit> {
    let argv = ["CLUSTER", "SETSLOT", &slot.to_string(), "STABLE"];
    cluster.nodes[at].demand(&argv).map(|_| ())
}

/// Has a node forget the owner of a slot. It may have forgotten it already.
pub fn delete(cluster: &mut Cluster<'_>, at: usize, slot: u16) {
    let argv = ["CLUSTER", "DELSLOTS", &slot.to_string()];
    if let Err(refusal @ Refusal::Lost(_)) = cluster.nodes[at].call(&argv) {
        refusal.show(&cluster.nodes[at]);
    }
}

/// Makes a node the owner of a slot, in an epoch of its own so that the others follow. With `clears` it also ends the
/// migration or import of the slot there.
///
/// # Errors
/// The node refuses; a message was printed.
pub fn set_owner(
    cluster: &mut Cluster<'_>,
    at: usize,
    slot: u16,
    clears: bool,
) -> Result<(), Exit> {
    let slot_word = slot.to_string();
    let node = &mut cluster.nodes[at];
    node.demand(&["MULTI"])?;
    node.demand(&["CLUSTER", "DELSLOTS", &slot_word])?;
    node.demand(&["CLUSTER", "ADDSLOTS", &slot_word])?;
    if clears {
        node.demand(&["CLUSTER", "SETSLOT", &slot_word, "STABLE"])?;
    }
    node.demand(&["CLUSTER", "BUMPEPOCH"])?;
    let replies = node.demand(&["EXEC"])?;
    // DELSLOTS fails if the slot had no owner there.
    for reply in replies.elements().unwrap_or_default().iter().skip(1) {
        if let Value::Error(text) = reply {
            let text = String::from_utf8_lossy(text).into_owned();
            return Err(node.fail(&Refusal::Error(text)));
        }
    }
    node.slots.insert(slot);
    Ok(())
}
