//! Slot ownership by announcements: the one with the highest configuration epoch wins.

use crate::action::{Action, Level};
use crate::ids::NodeIx;
use crate::membership;
use crate::role;
use crate::slots::{Bitmap, SlotSet};
use crate::state::{Cluster, Todo};

/// A primary announced its slots, by itself or through another node's UPDATE.
pub(crate) fn announced(c: &mut Cluster, ix: NodeIx, epoch: u64, slots: &SlotSet) {
    if ix == c.myself {
        c.log(Level::Notice, |_| {
            "Discarding UPDATE message about myself.".to_owned()
        });
        return;
    }
    // This node, or its primary: if all its slots are taken over, this node follows the new owner.
    let current = match c.me().is_primary() {
        true => Some(c.myself),
        false => c.my_primary(),
    };
    let mut lost = SlotSet::new();
    let mut taken = 0;
    for slot in slots.iter() {
        let owner = c.owners.owner(slot);
        if owner == Some(ix) {
            c.owners.unclaimed.remove(slot);
            continue;
        }
        // A slot that is being imported is only assigned by SETSLOT.
        if c.owners.importing.contains_key(&slot) {
            continue;
        }
        let claimed = c.owners.claimed_owner(slot);
        if claimed.is_some_and(|owner| c.nodes[owner].config_epoch >= epoch) {
            continue;
        }
        if owner == Some(c.myself) {
            lost.insert(slot);
        }
        taken += u16::from(owner.is_some() && owner == current);
        membership::unassign(c, slot);
        membership::assign(c, slot, ix);
        c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
    }
    if let Some(known) = &c.nodes[ix].slots {
        for slot in known.without(slots).iter() {
            c.owners.unclaimed.insert(slot);
        }
    }
    let emptied = taken > 0 && current.is_some_and(|ix| c.nodes[ix].slots.is_none());
    if emptied && (c.settings.allow_replica_migration || slots.len() == taken) {
        c.log(Level::Notice, |c| {
            let new = c.shown(ix);
            format!("Configuration change detected. Reconfiguring myself as a replica of {new}")
        });
        follow(c, ix);
    } else if leave_chain(c) {
        // The data set is replaced by synchronization, so no keys need to be deleted.
    } else if !lost.is_empty() {
        let slots = Box::new(lost);
        c.emit(Action::DropKeys { slots });
    }
}

fn follow(c: &mut Cluster, ix: NodeIx) {
    role::follow(c, ix);
    c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
}

/// A replica whose primary has become a replica itself follows the primary of that; whether it does. (In Redis it does so only
/// when slots move, and otherwise stays behind a replica for good.)
pub(crate) fn leave_chain(c: &mut Cluster) -> bool {
    let grand = c.my_primary().and_then(|primary| c.nodes[primary].primary);
    // After a TAKEOVER nodes can be each other's replicas; the operator has to resolve that.
    let grand = grand.filter(|grand| *grand != c.myself && c.nodes[*grand].is_primary());
    let Some(grand) = grand.filter(|_| c.me().is_replica()) else {
        return false;
    };
    c.log(Level::Notice, |c| {
        let new = c.shown(grand);
        format!("I'm a sub-replica! Reconfiguring myself as a replica of grandmaster {new}")
    });
    follow(c, grand);
    true
}

/// The owner of a slot that a node announces with an older configuration epoch.
pub(crate) fn newer_owner(c: &Cluster, ix: NodeIx, epoch: u64, slots: &SlotSet) -> Option<NodeIx> {
    slots.iter().find_map(|slot| {
        let owner = c.owners.claimed_owner(slot)?;
        (owner != ix && c.nodes[owner].config_epoch > epoch).then_some(owner)
    })
}

/// The first slot whose owner has a configuration epoch that is newer than the given one, and that epoch.
pub(crate) fn newer_epoch(c: &Cluster, epoch: u64, slots: &Bitmap) -> Option<(u16, u64)> {
    slots.iter().find_map(|slot| {
        let owner = c.owners.claimed_owner(slot)?;
        let newer = c.nodes[owner].config_epoch;
        (newer > epoch).then_some((slot, newer))
    })
}
