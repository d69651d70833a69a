//! What must hold in a simulated cluster: always, and when it has had time to settle.

use cluster::membership;
use cluster::name::Name;
use cluster::state::Health;
use data::util::crc::SLOTS;

use crate::world::World;

/// What must hold at any moment: the tables of every node are consistent, and no two primaries serve a slot in the same epoch.
pub fn always(world: &World) -> Result<(), String> {
    let mut serving = Vec::new();
    for node in world.up() {
        let cluster = world.cluster(node);
        membership::check(cluster);
        let me = cluster.my_node();
        if me.is_primary() && me.slot_count() > 0 {
            serving.push((node, me.config_epoch, cluster.slots_of(cluster.myself())));
        }
    }
    for (at, (first, epoch, slots)) in serving.iter().enumerate() {
        for (second, other_epoch, other_slots) in &serving[at + 1..] {
            let shared = slots.iter().find(|slot| other_slots.contains(*slot));
            if let Some(slot) = shared.filter(|_| epoch == other_epoch) {
                return Err(format!(
                    "nodes {first} and {second} both serve slot {slot} in epoch {epoch}"
                ));
            }
        }
    }
    Ok(())
}

/// Whether all nodes that are up agree on everything that matters to clients, and serve them.
pub fn settled(world: &World) -> Result<(), String> {
    let view = |node: usize| -> Vec<Option<Name>> {
        let cluster = world.cluster(node);
        let owner = |slot| cluster.owner(slot).map(|ix| cluster.node(ix).name);
        (0..SLOTS).map(owner).collect()
    };
    let up = world.up();
    let first = view(up[0]);
    for node in &up {
        let cluster = world.cluster(*node);
        if cluster.state() != Health::Ok {
            return Err(format!("node {node}: the cluster is down"));
        }
        let own = view(*node);
        if let Some(slot) = (0..usize::from(SLOTS)).find(|slot| own[*slot] != first[*slot]) {
            return Err(format!(
                "nodes {} and {node} disagree about slot {slot}: {:?}, {:?}",
                up[0], first[slot], own[slot]
            ));
        }
        let me = cluster.my_node();
        let owns = own.iter().filter(|owner| **owner == Some(me.name)).count();
        if owns > 0 && !me.is_primary() {
            return Err(format!("node {node} is a replica with slots"));
        }
        if me.is_replica() {
            let primary = me.primary.map(|ix| cluster.node(ix));
            if primary.is_none_or(|primary| primary.slot_count() == 0) {
                return Err(format!(
                    "node {node} is a replica of a primary without slots"
                ));
            }
        }
    }
    Ok(())
}

/// Text of the views of all nodes, for a test that fails.
pub fn views(world: &World) -> String {
    let mut text = String::new();
    for node in world.up() {
        text.push_str(&format!(
            "--- node {node}\n{}",
            world.cluster(node).nodes_text(false)
        ));
    }
    text
}
