//! Clusters to begin with.

use cluster::admin::{self, Change};
use cluster::state::Health;
use slot::SLOTS;

use crate::checks;
use crate::world::World;

/// Starts all nodes and has the first meet the others; whether all know all within a time.
pub fn join(world: &mut World, ms: i64) -> bool {
    for node in 0..world.nodes.len() {
        world.start(node);
    }
    for node in 1..world.nodes.len() {
        let ip = World::ip(node);
        let met = world.with(0, |cluster, facts| {
            admin::meet(cluster, facts, ip.as_bytes(), b"7000", None)
        });
        met.expect("the address is valid");
    }
    world.run_until(ms, |world| {
        let all = world.nodes.len();
        let knows = |node: &usize| {
            let cluster = world.cluster(*node);
            let known = cluster
                .nodes()
                .filter(|(_, node)| !node.is(cluster::node::Flags::HANDSHAKE));
            known.count() == all && cluster.node_count() == all
        };
        world.up().iter().all(knows)
    })
}

/// The slots of one of `primaries` primaries.
pub fn range(primary: usize, primaries: usize) -> (u16, u16) {
    let share = usize::from(SLOTS) / primaries;
    let last = match primary + 1 == primaries {
        true => usize::from(SLOTS) - 1,
        false => (primary + 1) * share - 1,
    };
    ((primary * share) as u16, last as u16)
}

/// A cluster of primaries `0..primaries` with slots, and of replicas for them in turn, that serves clients.
pub fn cluster(world: &mut World, primaries: usize) {
    assert!(join(world, 20_000), "{}", checks::views(world));
    for primary in 0..primaries {
        let (first, last) = range(primary, primaries);
        let (first, last) = (first.to_string(), last.to_string());
        let added = world.with(primary, |cluster, facts| {
            let args = [first.as_bytes(), last.as_bytes()];
            admin::change_ranges(cluster, facts, Change::Add, &args)
        });
        added.expect("the slots are free");
    }
    for node in primaries..world.nodes.len() {
        let name = world.cluster(node % primaries).my_node().name;
        let done = world.with(node, |cluster, facts| {
            admin::replicate(cluster, facts, name.as_bytes(), 0)
        });
        done.expect("the node is empty");
    }
    let timeout_ms = world.timeout_ms;
    let ready = world.run_until(timeout_ms * 4 + 10_000, |world| {
        let ok = |node: &usize| world.cluster(*node).state() == Health::Ok;
        world.up().iter().all(ok) && checks::settled(world).is_ok()
    });
    assert!(
        ready,
        "{:?}\n{}",
        checks::settled(world),
        checks::views(world)
    );
    world.run(timeout_ms);
}
