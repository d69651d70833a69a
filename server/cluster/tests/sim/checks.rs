//! What must hold in a simulated cluster: always, and when it has had time to settle.

use std::collections::BTreeMap;

use cluster::membership;
use cluster::name::Name;
use cluster::slots::SlotSet;
use cluster::state::Health;

use crate::world::World;

/// How long two primaries that reach each other may both serve a slot: until one has told the other, in node timeouts, beside
/// some seconds.
const CONFLICT_TIMEOUTS: i64 = 2;
const CONFLICT_MS: i64 = 2000;

/// What happened so far, to be compared with what is.
#[derive(Default)]
pub struct History {
    /// Slots that nodes served, by epoch.
    claims: BTreeMap<u64, Vec<(Name, SlotSet)>>,
    /// Since when two nodes that reach each other serve a slot both.
    conflicts: BTreeMap<(usize, usize), i64>,
    /// Number of checks.
    checks: u64,
}

impl History {
    /// What must hold at any moment: the tables of every node are consistent, no two primaries ever serve a slot in the same
    /// epoch, and no node votes twice in an epoch.
    pub fn check(&mut self, world: &World) -> Result<(), String> {
        if let Some(((node, epoch), _)) = world.votes.iter().find(|(_, count)| **count > 1) {
            return Err(format!("node {node} voted twice in epoch {epoch}"));
        }
        let mut serving = Vec::new();
        self.checks += 1;
        for node in world.up() {
            let cluster = world.cluster(node);
            if self.checks % 8 == 1 {
                membership::check(cluster);
            }
            let me = cluster.my_node();
            if me.is_primary() && me.slot_count() > 0 {
                let slots = cluster.slots_of(cluster.myself());
                self.claim(node, me.name, me.config_epoch, &slots)?;
                serving.push((node, slots));
            }
        }
        self.check_conflicts(world, &serving)
    }

    fn claim(
        &mut self,
        node: usize,
        name: Name,
        epoch: u64,
        slots: &SlotSet,
    ) -> Result<(), String> {
        let claims = self.claims.entry(epoch).or_default();
        for (other, theirs) in claims.iter().filter(|(other, _)| *other != name) {
            if let Some(slot) = slots.iter().find(|slot| theirs.contains(*slot)) {
                return Err(format!(
                    "node {node} serves slot {slot} in epoch {epoch}, as {other} did"
                ));
            }
        }
        match claims.iter_mut().find(|(other, _)| *other == name) {
            Some((_, known)) if known == slots => {}
            Some((_, known)) => *known = known.iter().chain(slots.iter()).collect(),
            None => claims.push((name, slots.clone())),
        }
        Ok(())
    }

    fn check_conflicts(
        &mut self,
        world: &World,
        serving: &[(usize, SlotSet)],
    ) -> Result<(), String> {
        let bound_ms = world.timeout_ms * CONFLICT_TIMEOUTS + CONFLICT_MS;
        for (at, (first, slots)) in serving.iter().enumerate() {
            for (second, others) in &serving[at + 1..] {
                let pair = (*first, *second);
                let reach = world.reach(*first, *second);
                let shared = slots.without(others).len() < slots.len();
                if !reach || !shared {
                    self.conflicts.remove(&pair);
                    continue;
                }
                let since_ms = *self.conflicts.entry(pair).or_insert(world.now_ms);
                if world.now_ms - since_ms > bound_ms {
                    return Err(format!(
                        "nodes {first} and {second} serve the same slots for long"
                    ));
                }
            }
        }
        let up: Vec<usize> = serving.iter().map(|(node, _)| *node).collect();
        self.conflicts
            .retain(|(first, second), _| up.contains(first) && up.contains(second));
        Ok(())
    }
}

/// Whether all nodes that are up agree on everything that matters to clients, and serve them.
pub fn settled(world: &World) -> Result<(), String> {
    let view = |node: usize| -> Vec<(u16, u16, Name)> {
        let cluster = world.cluster(node);
        let ranges = cluster.slot_ranges();
        ranges
            .map(|(first, last, ix)| (first, last, cluster.node(ix).name))
            .collect()
    };
    let up = world.up();
    let first = view(up[0]);
    for node in &up {
        let cluster = world.cluster(*node);
        if cluster.state() != Health::Ok {
            return Err(format!("node {node}: the cluster is down"));
        }
        let own = view(*node);
        if own != first {
            return Err(format!("nodes {} and {node} disagree about slots", up[0]));
        }
        let me = cluster.my_node();
        let owns = own.iter().filter(|(_, _, owner)| *owner == me.name).count();
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
