//! Many nodes: they begin with a nodes.conf that knows all. `SIM_NODES` sets how many.

use cluster::name::Name;
use cluster::node::Flags;

use crate::build;
use crate::checks::{self, History};
use crate::world::World;

/// Name of a node.
fn name(node: usize) -> String {
    format!("{node:040x}")
}

/// nodes.conf of a node in a cluster of primaries `0..primaries`, whose replicas are the rest in turn.
fn conf(own: usize, nodes: usize, primaries: usize) -> Vec<u8> {
    let mut text = String::new();
    for node in 0..nodes {
        let myself = if node == own { "myself," } else { "" };
        let shard = name(node % primaries);
        let (role, slots) = match node < primaries {
            true => {
                let (first, last) = build::range(node, primaries);
                ("master -".to_owned(), format!(" {first}-{last}"))
            }
            false => (format!("slave {shard}"), String::new()),
        };
        let epoch = node % primaries + 1;
        let (name, ip) = (name(node), World::ip(node));
        text.push_str(&format!(
            "{name} {ip}:7000@17000,,tls-port=0,shard-id={shard} {myself}{role} 0 1 {epoch} connected{slots}\n"
        ));
    }
    text.push_str(&format!("vars currentEpoch {primaries} lastVoteEpoch 0\n"));
    text.into_bytes()
}

fn settles(world: &mut World, what: &str, ms: i64) {
    let start_ms = world.now_ms;
    let done = world.run_until(ms, |world| checks::settled(world).is_ok());
    assert!(done, "{what}: {:?}", checks::settled(world));
    println!("{what}: settled after {} ms", world.now_ms - start_ms);
}

#[test]
fn a_large_cluster_replaces_its_primaries() {
    let number = std::env::var("SIM_NODES")
        .ok()
        .and_then(|text| text.parse().ok());
    let nodes: usize = number.unwrap_or(60);
    let primaries = nodes / 3;
    // A tenth of the nodes is told of in a packet, and each is pinged every half timeout.
    let timeout_ms = 2000 + nodes as i64 * 10;
    let mut world = World::new(nodes as u64, nodes, timeout_ms);
    // Not all at once: each new link carries a PING and a PONG.
    world.connect_ms = timeout_ms as u64 / 2;
    for node in 0..nodes {
        world.nodes[node].file = conf(node, nodes, primaries);
        world.start(node);
    }
    settles(&mut world, "start", timeout_ms + 5000);
    world.run(timeout_ms);
    let (before, start) = (world.delivered, std::time::Instant::now());
    world.run(timeout_ms);
    let packets = world.delivered - before;
    let each_us = start.elapsed().as_micros() as f64 / packets.max(1) as f64;
    println!("{nodes} nodes: {packets} packets in {timeout_ms} ms, {each_us:.1} us each");
    // Some primaries crash at once, and one of their two replicas.
    let crashed: Vec<usize> = (0..primaries).step_by(20).take(3).collect();
    for node in &crashed {
        world.crash(*node);
        world.crash(*node + primaries);
    }
    // Suspicion, the agreement of a majority, and an election; several follow each other, as an epoch has one.
    let bound_ms = timeout_ms * 4 + 5000 + crashed.len() as i64 * 2000;
    let replaced = |world: &World| {
        let heir = |node: &usize| world.cluster(*node + primaries * 2).my_node().is_primary();
        crashed.iter().all(heir)
    };
    let start_ms = world.now_ms;
    let done = world.run_until(bound_ms, replaced);
    println!("replaced after {} ms", world.now_ms - start_ms);
    assert!(done, "{} primaries are replaced", crashed.len());
    settles(&mut world, "crash", timeout_ms);
    let gone = Name::parse(name(0).as_bytes()).map(|name| name.as_bytes().to_vec());
    let gone = gone.expect("the name is valid");
    let failed = |world: &World| {
        let fails = |node: &usize| {
            let cluster = world.cluster(*node);
            cluster
                .find(&gone)
                .is_some_and(|ix| cluster.node(ix).is(Flags::FAIL))
        };
        world.up().iter().all(fails)
    };
    assert!(
        world.run_until(timeout_ms, failed),
        "all know of the failure"
    );
    for node in crashed {
        world.start(node);
        world.start(node + primaries);
    }
    settles(&mut world, "return", timeout_ms * 4 + 5000);
    History::default()
        .check(&world)
        .expect("the tables are consistent");
}
