//! `check` and `info`: do the nodes agree, is a slot open, is every slot served, and by one node alone?
//!
//! `fix` is a check that repairs what it finds. Other commands begin with a check, and those that move slots refuse to
//! work on a cluster with problems.

use std::collections::BTreeSet;

use crate::cluster::console::{bad, good, step};
use crate::cluster::fix;
use crate::cluster::owners;
use crate::cluster::slots::{SLOTS, SlotSet};
use crate::cluster::topology::{Cluster, is_consistent, load_named};
use crate::out::{Exit, print};

/// Whether a check repairs what it finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// It does.
    Yes,
    /// It does not.
    No,
}

/// `info`
///
/// # Errors
/// The cluster cannot be loaded; a message was printed.
pub fn info(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 2)?;
    show_keys(cluster);
    Ok(())
}

/// `check`
///
/// # Errors
/// There is a problem; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 2)?;
    show_keys(cluster);
    check(cluster, Repair::No, true)
}

/// `fix`
///
/// # Errors
/// There is a problem that could not be repaired; a message was printed.
pub fn fix(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 2)?;
    show_keys(cluster);
    check(cluster, Repair::Yes, true)
}

/// Checks the cluster, and lists its nodes if `lists` is set.
///
/// # Errors
/// There is a problem; a message was printed.
pub fn check(cluster: &mut Cluster<'_>, repair: Repair, lists: bool) -> Result<(), Exit> {
    step(format!(
        ">>> Performing Cluster Check (using node {})",
        cluster.nodes[0]
    ));
    if lists {
        cluster.show();
    }
    let mut result = Ok(());
    if is_consistent(cluster) {
        good("[OK] All nodes agree about slots configuration.");
    } else {
        cluster.problem("[ERR] Nodes don't agree about configuration!");
        result = Err(Exit(1));
    }
    step(">>> Check for open slots...");
    let open = open_slots(cluster);
    if !open.is_empty() {
        result = match repair {
            Repair::Yes => {
                fix::require_reachable(cluster, "open slots")?;
                open.into_iter()
                    .try_for_each(|slot| fix::open_slot(cluster, slot))
            }
            Repair::No => Err(Exit(1)),
        };
    }
    step(">>> Check slots coverage...");
    let covered = covered(cluster);
    if covered.len() == SLOTS {
        good(format!("[OK] All {SLOTS} slots covered."));
    } else {
        cluster.problem(&format!(
            "[ERR] Not all {SLOTS} slots are covered by nodes.\n"
        ));
        result = match repair {
            Repair::Yes => {
                fix::require_reachable(cluster, "slots coverage")?;
                fix::coverage(cluster, &covered)
            }
            Repair::No => Err(Exit(1)),
        };
    }
    if cluster.asked.searches_owners {
        owners::check(cluster, repair, &mut result);
    }
    result
}

/// The slots that some node serves.
pub fn covered(cluster: &Cluster<'_>) -> SlotSet {
    let mut covered = SlotSet::new();
    for node in &cluster.nodes {
        for slot in node.slots.iter() {
            covered.insert(slot);
        }
    }
    covered
}

/// Prints which nodes have open slots and returns these slots.
fn open_slots(cluster: &mut Cluster<'_>) -> BTreeSet<u16> {
    let mut open = BTreeSet::new();
    let mut sentences = Vec::new();
    for node in &cluster.nodes {
        for (slots, state) in [
            (&node.migrating, "migrating"),
            (&node.importing, "importing"),
        ] {
            if slots.is_empty() {
                continue;
            }
            let slots: Vec<u16> = slots.iter().map(|&(slot, _)| slot).collect();
            let list = list(&slots);
            sentences.push(format!(
                "[WARNING] Node {node} has slots in {state} state {list}."
            ));
            open.extend(slots);
        }
    }
    for sentence in sentences {
        cluster.problem(&sentence);
    }
    if !open.is_empty() {
        let slots: Vec<u16> = open.iter().copied().collect();
        bad(format!(
            "[WARNING] The following slots are open: {}.",
            list(&slots)
        ));
    }
    open
}

/// `1,2,3`
pub fn list(slots: &[u16]) -> String {
    let words: Vec<String> = slots.iter().map(ToString::to_string).collect();
    words.join(",")
}

/// Prints the number of keys of every primary.
fn show_keys(cluster: &mut Cluster<'_>) {
    let mut sum = 0i64;
    let primaries = cluster.primaries();
    for &at in &primaries {
        let node = &mut cluster.nodes[at];
        let Ok(keys) = node.count(&["DBSIZE"]) else {
            return;
        };
        sum = sum.saturating_add(keys);
        let id = node.id.get(..8).unwrap_or(&node.id);
        print(format!(
            "{node} ({id}...) -> {keys} keys | {} slots | {} slaves.\n",
            node.slots.len(),
            node.replicas
        ));
    }
    good(format!("[OK] {sum} keys in {} masters.", primaries.len()));
    print(format!(
        "{:.2} keys per slot on average.\n",
        sum as f32 / f32::from(SLOTS)
    ));
}
