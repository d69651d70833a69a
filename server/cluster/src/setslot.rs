//! CLUSTER SETSLOT: moving a slot by hand, or by `redis-cli --cluster reshard`.
//!
//! The source marks the slot as migrating, the target as importing; keys are moved; then both are told that the target is the
//! owner. The target takes a new epoch, so that its announcement prevails.

use crate::action::{Facts, Level};
use crate::admin::{parse_slot, unknown};
use crate::epochs;
use crate::ids::NodeIx;
use crate::membership;
use crate::refusal::Refusal;
use crate::role;
use crate::send::{self, Audience};
use crate::state::{Cluster, Todo};

/// SETSLOT with its arguments, of which there are two or more. `keys` is the number of keys on this server in the slot.
pub fn set_slot(c: &mut Cluster, facts: Facts, args: &[&[u8]], keys: usize) -> Result<(), Refusal> {
    c.facts = facts;
    if c.me().is_replica() {
        return Err("Please use SETSLOT only with masters.".into());
    }
    let slot = parse_slot(args[0])?;
    let is = |word: &str| args[1].eq_ignore_ascii_case(word.as_bytes());
    match args[2..] {
        [name] if is("migrating") => {
            if c.owners.owner(slot) != Some(c.myself) {
                return Err(format!("I'm not the owner of hash slot {slot}").into());
            }
            let to = peer(c, name)?;
            c.owners.migrating.insert(slot, to);
        }
        [name] if is("importing") => {
            if c.owners.owner(slot) == Some(c.myself) {
                return Err(format!("I'm already the owner of hash slot {slot}").into());
            }
            let from = peer(c, name)?;
            c.owners.importing.insert(slot, from);
        }
        [] if is("stable") => {
            c.owners.importing.remove(&slot);
            c.owners.migrating.remove(&slot);
        }
        [name] if is("node") => {
            let ix = membership::find(c, name).ok_or_else(|| unknown(name))?;
            set_owner(c, slot, ix, keys)?;
        }
        _ => {
            let text = "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP";
            return Err(text.into());
        }
    }
    c.later(Todo::SAVE | Todo::STATE);
    Ok(())
}

/// The primary that a slot moves to or from.
fn peer(c: &Cluster, name: &[u8]) -> Result<NodeIx, Refusal> {
    let unknown = || Refusal::naming(&[("I don't know about node ", name)]);
    let ix = membership::find(c, name).ok_or_else(unknown)?;
    check_primary(c, ix)?;
    Ok(ix)
}

fn check_primary(c: &Cluster, ix: NodeIx) -> Result<(), Refusal> {
    match c.nodes[ix].is_replica() {
        true => Err("Target node is not a master".into()),
        false => Ok(()),
    }
}

fn set_owner(c: &mut Cluster, slot: u16, ix: NodeIx, keys: usize) -> Result<(), Refusal> {
    check_primary(c, ix)?;
    let was_mine = c.owners.owner(slot) == Some(c.myself);
    if was_mine && ix != c.myself && keys != 0 {
        return Err(format!(
            "Can't assign hashslot {slot} to a different node while I still hold keys for this hash slot."
        ).into());
    }
    if keys == 0 {
        c.owners.migrating.remove(&slot);
    }
    membership::unassign(c, slot);
    membership::assign(c, slot, ix);
    let left = was_mine && ix != c.myself && c.me().slots.is_none();
    if left && c.settings.allow_replica_migration {
        c.log(Level::Notice, |c| {
            format!(
                "Configuration change detected. Reconfiguring myself as a replica of {}",
                c.shown(ix)
            )
        });
        role::follow(c, ix);
        c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
    }
    if ix == c.myself && c.owners.importing.contains_key(&slot) {
        if epochs::bump(c) {
            c.log(Level::Notice, |_| {
                format!("configEpoch updated after importing slot {slot}")
            });
        }
        c.owners.importing.remove(&slot);
        send::broadcast_pong(c, Audience::All);
    }
    Ok(())
}
