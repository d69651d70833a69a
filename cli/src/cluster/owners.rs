//! `--cluster-search-multiple-owners`: slots that several nodes serve or have keys of.

use crate::cluster::check::Repair;
use crate::cluster::console::{bad, good, step};
use crate::cluster::fix::KEYS;
use crate::cluster::moving::{Move, move_slot, set_slot};
use crate::cluster::owner::{count_keys, delete, most_keys, set_owner};
use crate::cluster::slots::SLOTS;
use crate::cluster::topology::Cluster;
use crate::out::Exit;

/// Looks for such slots. `result` becomes what it is after that part of the check.
pub fn check(cluster: &mut Cluster<'_>, repair: Repair, result: &mut Result<(), Exit>) {
    step(">>> Check for multiple slot owners...");
    let mut found = 0;
    for slot in 0..SLOTS {
        let owners = owners(cluster, slot);
        if owners.len() < 2 {
            continue;
        }
        found += 1;
        *result = Err(Exit(1));
        bad(format!(
            "[WARNING] Slot {slot} has {} owners:",
            owners.len()
        ));
        for &at in &owners {
            bad(format!("    {}", cluster.nodes[at]));
        }
        if repair == Repair::Yes {
            *result = settle(cluster, slot, &owners);
            if result.is_err() {
                bad(format!("Failed to fix multiple owners for slot {slot}"));
                break;
            }
        }
    }
    if found == 0 {
        good("[OK] No multiple owners found.");
    }
}

/// The primaries that serve a slot or have keys of it.
fn owners(cluster: &mut Cluster<'_>, slot: u16) -> Vec<usize> {
    let primaries = cluster.primaries().into_iter();
    primaries
        .filter(|&at| {
            cluster.nodes[at].slots.contains(slot)
                || count_keys(cluster, at, slot).is_ok_and(|keys| keys > 0)
        })
        .collect()
}

/// Makes one of the nodes the only owner of a slot.
fn settle(cluster: &mut Cluster<'_>, slot: u16, owners: &[usize]) -> Result<(), Exit> {
    step(format!(">>> Fixing multiple owners for slot {slot}..."));
    let owner = most_keys(cluster, owners, slot).unwrap_or(owners[0]);
    step(format!(
        ">>> Setting slot {slot} owner: {}",
        cluster.nodes[owner]
    ));
    set_owner(cluster, owner, slot, false)?;
    for at in cluster.primaries() {
        if at == owner {
            continue;
        }
        let keys = count_keys(cluster, at, slot)?;
        delete(cluster, at, slot);
        set_slot(cluster, at, slot, "node", owner).map_err(|stuck| stuck.show(cluster))?;
        if keys > 0 {
            let task = Move {
                source: at,
                target: owner,
                slot,
                manner: KEYS,
            };
            move_slot(cluster, task).map_err(|stuck| stuck.show(cluster))?;
        }
    }
    Ok(())
}
