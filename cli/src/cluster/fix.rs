//! Repairs: slots that are open, and slots that no node serves.
//!
//! An open slot is one that a node migrates or imports, usually because a reshard was interrupted. What is done about it
//! depends on who does which:
//!
//! | migrating | importing | repair |
//! |---|---|---|
//! | one | one | the move is completed |
//! | none | some | their keys move to the owner, and they close the slot |
//! | one | several, without keys | the move is completed if its target is one of them; the others close the slot |
//! | one, the owner or without keys | none | it closes the slot |
//!
//! If several nodes claim a slot, the one with most keys becomes its owner, and the others import it from then on.

use crate::cluster::check::Repair;
use crate::cluster::console::{confirm, give_up, step, warn};
use crate::cluster::moving::{Manner, Move, move_slot, set_slot};
use crate::cluster::owner::{clear, count_keys, delete, most_keys, set_owner};
use crate::cluster::slots::{SLOTS, SlotSet};
use crate::cluster::topology::Cluster;
use crate::out::{Exit, print};

/// A whole move, shown.
const WHOLE: Manner = Manner {
    shows: true,
    keys_only: false,
    repair: Repair::Yes,
};
/// A move of keys, shown.
pub const KEYS: Manner = Manner {
    shows: true,
    keys_only: true,
    repair: Repair::Yes,
};

/// Makes sure that all primaries were reached, or that the user agrees to lose what the others have. An error
/// ends the check.
///
/// # Errors
/// The repair would assume that primaries are gone; a message was printed.
pub fn require_reachable(cluster: &Cluster<'_>, what: &str) -> Result<(), Exit> {
    if cluster.unreachable == 0 || cluster.asked.fixes_unreachable {
        return Ok(());
    }
    warn(format!(
        "*** Fixing {what} with {} unreachable masters is dangerous: redis-cli will assume that slots about masters that \
         are not reachable are not covered, and will try to reassign them to the reachable nodes. This can cause data loss \
         and is rarely what you want to do. If you really want to proceed use the \
         --cluster-fix-with-unreachable-masters option.",
        cluster.unreachable
    ));
    Err(Exit(1))
}

/// What is known about an open slot.
struct OpenSlot {
    slot: u16,
    owner: Option<usize>,
    /// Nodes that serve it or have keys of it.
    claimants: Vec<usize>,
    migrating: Vec<usize>,
    importing: Vec<usize>,
}

/// Repairs an open slot.
///
/// # Errors
/// It is still open; a message was printed.
pub fn open_slot(cluster: &mut Cluster<'_>, slot: u16) -> Result<(), Exit> {
    step(format!(">>> Fixing open slot {slot}"));
    let mut open = examine(cluster, slot)?;
    for (state, nodes) in [
        ("migrating", &open.migrating),
        ("importing", &open.importing),
    ] {
        if !nodes.is_empty() {
            print(format!("Set as {state} in: {}\n", names(cluster, nodes)));
        }
    }
    let owner = match open.owner {
        Some(owner) => owner,
        None => elect(cluster, &mut open)?,
    };
    demote_others(cluster, &mut open, owner)?;
    match (&open.migrating[..], &open.importing[..]) {
        (&[source], &[target]) => {
            step(format!(
                ">>> Case 1: Moving slot {slot} from {} to {}",
                cluster.nodes[source], cluster.nodes[target]
            ));
            carry_out(cluster, source, target, slot, WHOLE)
        }
        ([], [_, ..]) => gather(cluster, &open, owner),
        (&[source], [_, _, ..]) => close_importing(cluster, &open, source, owner),
        (&[source], []) if source == owner || !has_keys(cluster, source, slot)? => {
            step(format!(
                ">>> Case 4: Closing slot {slot} on {}",
                cluster.nodes[source]
            ));
            clear(cluster, source, slot)
        }
        _ => unhandled(cluster, &open, owner),
    }
}

fn carry_out(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    slot: u16,
    manner: Manner,
) -> Result<(), Exit> {
    let task = Move {
        source,
        target,
        slot,
        manner,
    };
    move_slot(cluster, task).map_err(|stuck| stuck.show(cluster))
}

fn names(cluster: &Cluster<'_>, nodes: &[usize]) -> String {
    let names = nodes.iter().map(|&at| cluster.nodes[at].to_string());
    names.collect::<Vec<_>>().join(",")
}

fn has_keys(cluster: &mut Cluster<'_>, at: usize, slot: u16) -> Result<bool, Exit> {
    Ok(count_keys(cluster, at, slot)? > 0)
}

/// Finds out who claims a slot, migrates it or imports it.
fn examine(cluster: &mut Cluster<'_>, slot: u16) -> Result<OpenSlot, Exit> {
    let mut open = OpenSlot {
        slot,
        owner: None,
        claimants: Vec::new(),
        migrating: Vec::new(),
        importing: Vec::new(),
    };
    for at in cluster.primaries() {
        if cluster.nodes[at].slots.contains(slot) {
            open.claimants.push(at);
        } else if has_keys(cluster, at, slot)? {
            warn(format!(
                "*** Found keys about slot {slot} in non-owner node {}!",
                cluster.nodes[at]
            ));
            open.claimants.push(at);
        }
    }
    if let [only] = open.claimants[..] {
        open.owner = Some(only);
    }
    for at in cluster.primaries() {
        let node = &cluster.nodes[at];
        let is_in = |slots: &[(u16, String)]| slots.iter().any(|&(one, _)| one == slot);
        if is_in(&node.migrating) {
            open.migrating.push(at);
        } else if is_in(&node.importing) {
            open.importing.push(at);
        } else if open.owner != Some(at) && has_keys(cluster, at, slot)? {
            warn(format!(
                "*** Found keys about slot {slot} in node {}!",
                cluster.nodes[at]
            ));
            open.importing.push(at);
        }
    }
    Ok(open)
}

/// Makes the node with most keys the owner.
fn elect(cluster: &mut Cluster<'_>, open: &mut OpenSlot) -> Result<usize, Exit> {
    step(">>> No single clear owner for the slot, selecting an owner by # of keys...");
    let primaries = cluster.primaries();
    let Some(owner) = most_keys(cluster, &primaries, open.slot) else {
        return give_up("[ERR] Can't select a slot owner. Impossible to fix.");
    };
    warn(format!(
        "*** Configuring {} as the slot owner",
        cluster.nodes[owner]
    ));
    clear(cluster, owner, open.slot)?;
    set_owner(cluster, owner, open.slot, false)?;
    open.migrating.retain(|&at| at != owner);
    open.importing.retain(|&at| at != owner);
    Ok(owner)
}

/// Has all claimants but the owner import the slot.
fn demote_others(cluster: &mut Cluster<'_>, open: &mut OpenSlot, owner: usize) -> Result<(), Exit> {
    if open.claimants.len() < 2 {
        return Ok(());
    }
    let slot = open.slot;
    for &at in open.claimants.iter().filter(|&&at| at != owner) {
        delete(cluster, at, slot);
        cluster.nodes[at].slots.remove(slot);
        for state in ["node", "importing"] {
            set_slot(cluster, at, slot, state, owner).map_err(|stuck| stuck.show(cluster))?;
        }
        open.importing.retain(|&one| one != at);
        open.importing.push(at);
        open.migrating.retain(|&one| one != at);
    }
    Ok(())
}

/// Moves the keys of all importing nodes to the owner.
fn gather(cluster: &mut Cluster<'_>, open: &OpenSlot, owner: usize) -> Result<(), Exit> {
    let slot = open.slot;
    step(format!(
        ">>> Case 2: Moving all the {slot} slot keys to its owner {}",
        cluster.nodes[owner]
    ));
    for &at in open.importing.iter().filter(|&&at| at != owner) {
        carry_out(cluster, at, owner, slot, KEYS)?;
        step(format!(
            ">>> Setting {slot} as STABLE in {}",
            cluster.nodes[at]
        ));
        clear(cluster, at, slot)?;
    }
    // Their configuration may be older than the owner's.
    for at in cluster.primaries() {
        if at != owner {
            set_slot(cluster, at, slot, "NODE", owner).map_err(|stuck| stuck.show(cluster))?;
        }
    }
    Ok(())
}

/// Completes the move of one node, unless several others have keys.
fn close_importing(
    cluster: &mut Cluster<'_>,
    open: &OpenSlot,
    source: usize,
    owner: usize,
) -> Result<(), Exit> {
    let slot = open.slot;
    for &at in &open.importing {
        if has_keys(cluster, at, slot)? {
            return unhandled(cluster, open, owner);
        }
    }
    let migrating = cluster.nodes[source].migrating.iter();
    let target = migrating
        .filter(|&&(one, _)| one == slot)
        .find_map(|(_, id)| cluster.by_id(id))
        .filter(|target| open.importing.contains(target));
    match target {
        Some(target) => {
            step(format!(
                ">>> Case 3: Moving slot {slot} from {} to {} and closing it on all the other importing nodes.",
                cluster.nodes[source], cluster.nodes[target]
            ));
            carry_out(cluster, source, target, slot, WHOLE)?;
        }
        None => {
            step(format!(
                ">>> Case 3: Closing slot {slot} on both migrating and importing nodes."
            ));
            clear(cluster, source, slot)?;
        }
    }
    let importing = open.importing.iter().filter(|&&at| Some(at) != target);
    importing
        .copied()
        .try_for_each(|at| clear(cluster, at, slot))
}

fn unhandled(cluster: &Cluster<'_>, open: &OpenSlot, owner: usize) -> Result<(), Exit> {
    give_up(format!(
        "[ERR] Sorry, redis-cli can't fix this slot yet (work in progress). Slot is set as migrating in {}, as importing \
         in {}, owner is {}",
        names(cluster, &open.migrating),
        names(cluster, &open.importing),
        cluster.nodes[owner]
    ))
}

/// Slots that nobody serves, by who has keys of them.
#[derive(Default)]
struct Uncovered {
    /// Nobody.
    none: Vec<u16>,
    /// One node.
    single: Vec<(u16, usize)>,
    /// Several nodes.
    multiple: Vec<(u16, Vec<usize>)>,
}

/// Has all slots served, as far as the user agrees.
///
/// # Errors
/// Nothing was repaired, or a node refused; a message was printed.
pub fn coverage(cluster: &mut Cluster<'_>, covered: &SlotSet) -> Result<(), Exit> {
    step(">>> Fixing slots coverage...");
    let mut uncovered = Uncovered::default();
    for slot in (0..SLOTS).filter(|&slot| !covered.contains(slot)) {
        let mut holders = Vec::new();
        for at in cluster.primaries() {
            if has_keys(cluster, at, slot)? {
                holders.push(at);
            }
        }
        match holders[..] {
            [] => uncovered.none.push(slot),
            [only] => uncovered.single.push((slot, only)),
            _ => uncovered.multiple.push((slot, holders)),
        }
    }
    let repaired = cover_without_keys(cluster, &uncovered.none)?
        + cover_by_holder(cluster, &uncovered.single)?
        + cover_by_moving(cluster, &uncovered.multiple)?;
    // As in Redis, a part is a success.
    if repaired > 0 { Ok(()) } else { Err(Exit(1)) }
}

/// Prints slots and asks what to do about them; false without slots.
fn agrees(slots: impl Iterator<Item = u16>, which: &str, question: &str) -> bool {
    let mut set = SlotSet::new();
    slots.for_each(|slot| set.insert(slot));
    if set.is_empty() {
        return false;
    }
    print(format!(
        "The following uncovered slots have {which}:\n{}\n",
        set.text()
    ));
    confirm(question)
}

fn cover_without_keys(cluster: &mut Cluster<'_>, slots: &[u16]) -> Result<usize, Exit> {
    let question = "Fix these slots by covering with a random node?";
    if !agrees(
        slots.iter().copied(),
        "no keys across the cluster",
        question,
    ) {
        return Ok(0);
    }
    let primaries = cluster.primaries();
    if primaries.is_empty() {
        return give_up("[ERR] No master could be reached. Impossible to fix.");
    }
    let mut dice = crate::dice::Dice::new();
    for &slot in slots {
        let at = primaries[dice.roll() as usize % primaries.len()];
        step(format!(
            ">>> Covering slot {slot} with {}",
            cluster.nodes[at]
        ));
        set_owner(cluster, at, slot, false)?;
    }
    Ok(slots.len())
}

fn cover_by_holder(cluster: &mut Cluster<'_>, slots: &[(u16, usize)]) -> Result<usize, Exit> {
    let question = "Fix these slots by covering with those nodes?";
    let numbers = slots.iter().map(|&(slot, _)| slot);
    if !agrees(numbers, "keys in just one node", question) {
        return Ok(0);
    }
    for &(slot, at) in slots {
        step(format!(
            ">>> Covering slot {slot} with {}",
            cluster.nodes[at]
        ));
        set_owner(cluster, at, slot, false)?;
    }
    Ok(slots.len())
}

fn cover_by_moving(cluster: &mut Cluster<'_>, slots: &[(u16, Vec<usize>)]) -> Result<usize, Exit> {
    let question = "Fix these slots by moving keys into a single node?";
    let numbers = slots.iter().map(|&(slot, _)| slot);
    if !agrees(numbers, "keys in multiple nodes", question) {
        return Ok(0);
    }
    for (slot, holders) in slots {
        let slot = *slot;
        let Some(target) = most_keys(cluster, holders, slot) else {
            return give_up("[ERR] Can't select a slot owner. Impossible to fix.");
        };
        step(format!(
            ">>> Covering slot {slot} moving keys to {}",
            cluster.nodes[target]
        ));
        set_owner(cluster, target, slot, true)?;
        for &source in holders.iter().filter(|&&at| at != target) {
            // While it imports the slot, the source is not redirected by MIGRATE.
            for state in ["NODE", "IMPORTING"] {
                set_slot(cluster, source, slot, state, target)
                    .map_err(|stuck| stuck.show(cluster))?;
            }
            carry_out(cluster, source, target, slot, KEYS)?;
            clear(cluster, source, slot)?;
        }
    }
    Ok(slots.len())
}
