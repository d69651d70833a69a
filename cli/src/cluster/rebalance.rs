//! `rebalance`: moves slots until every primary has its share by weight.

use crate::cluster::check::{Repair, check};
use crate::cluster::console::{give_up, step, warn};
use crate::cluster::moving::{Manner, Move, move_slot};
use crate::cluster::plan::{Share, Shift, rebalance, reshard};
use crate::cluster::topology::{Cluster, load_named};
use crate::out::{Exit, print};

/// `rebalance`
///
/// # Errors
/// Nothing, or not everything, was moved; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 2)?;
    let shares = shares(cluster)?;
    let _ = check(cluster, Repair::No, false);
    if cluster.problems > 0 {
        return give_up("*** Please fix your cluster problems before rebalancing");
    }
    let threshold = cluster.asked.threshold;
    let Some(balance) = rebalance(&shares, threshold) else {
        warn(format!(
            "*** No rebalancing needed! All nodes are within the {threshold:.2}% threshold."
        ));
        return Ok(());
    };
    let total: f32 = shares.iter().map(|share| share.weight).sum();
    step(format!(
        ">>> Rebalancing across {} nodes. Total weight = {total:.2}",
        shares.len()
    ));
    if cluster.options.verbose {
        for (at, surplus) in &balance.surplus {
            let node = &cluster.nodes[*at];
            print(format!("{node} balance is {surplus} slots\n"));
        }
    }
    balance
        .shifts
        .iter()
        .try_for_each(|shift| execute(cluster, shift))
}

/// The primaries that take part, with their weights.
fn shares(cluster: &Cluster<'_>) -> Result<Vec<Share>, Exit> {
    let mut weights = vec![1.0; cluster.nodes.len()];
    for word in &cluster.asked.weights {
        let (name, weight) = word.split_once('=').unwrap_or((word, ""));
        let Some(weight) = weight.parse().ok().filter(|w| (0.0..1e9).contains(w)) else {
            return give_up(format!("*** invalid input {word}"));
        };
        // A primary that has lost all slots may be a replica by now: its weight has no effect.
        let name_of = name.to_ascii_lowercase();
        let mut nodes = cluster.nodes.iter();
        match nodes.position(|node| node.id.starts_with(&name_of)) {
            Some(at) => weights[at] = weight,
            None => return give_up(format!("*** No such master node {name}")),
        }
    }
    let primaries = cluster.primaries().into_iter();
    let shares = primaries.map(|node| Share {
        node,
        slots: cluster.nodes[node].slots.len(),
        weight: weights[node],
    });
    let shares: Vec<Share> = shares
        .filter(|share| cluster.asked.uses_empty || share.slots > 0)
        .collect();
    if shares.iter().all(|share| share.weight == 0.0) {
        return give_up("*** At least one of the masters needs a weight above 0");
    }
    Ok(shares)
}

fn execute(cluster: &mut Cluster<'_>, shift: &Shift) -> Result<(), Exit> {
    let &Shift { from, to, count } = shift;
    print(format!(
        "Moving {count} slots from {} to {}\n",
        cluster.nodes[from], cluster.nodes[to]
    ));
    let plan = reshard(&[(from, &cluster.nodes[from].slots)], count);
    if cluster.asked.simulates {
        print("#".repeat(plan.len()));
    } else {
        let manner = Manner {
            shows: false,
            keys_only: false,
            repair: Repair::No,
        };
        for leaving in plan {
            let task = Move {
                source: from,
                target: to,
                slot: leaving.slot,
                manner,
            };
            if let Err(stuck) = move_slot(cluster, task) {
                return give_up(format!(
                    "*** clusterManagerMoveSlot: {}",
                    stuck.refusal.text()
                ));
            }
            print("#");
        }
    }
    print("\n");
    Ok(())
}
