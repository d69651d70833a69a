//! Clusters under random faults, on many seeds.

use cluster::admin::{self, Failover};

use crate::build;
use crate::checks;
use crate::world::World;

/// Node timeout of most runs.
const TIMEOUT_MS: i64 = 1000;

/// Within how many node timeouts a cluster that is whole again settles, beside ten seconds: suspicion, failure, an election
/// that fails and its repetition, and the undoing of a failure.
const SETTLE_TIMEOUTS: i64 = 12;

/// Number of seeds: as many as CI has time for, or as the environment says.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse::<u64>().ok())
    };
    match (number("SIM_SEED"), number("SIM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, count) => 0..count.unwrap_or(default),
    }
}

/// Runs a scenario on many seeds; the first that fails is told with what it takes to repeat it.
fn on_seeds(
    default: u64,
    scenario: impl Fn(&mut World) -> Result<(), String>,
    make: impl Fn(u64) -> World,
) {
    let range = seeds(default);
    let single = range.end - range.start == 1;
    for seed in range {
        let mut world = make(seed);
        if single {
            world.log = Some(Vec::new());
        }
        if let Err(reason) = scenario(&mut world) {
            let log = world.log.take().unwrap_or_default().join("\n");
            panic!(
                "SIM_SEED={seed}: {reason}\n{}\n{log}",
                checks::views(&world)
            );
        }
    }
}

/// One fault, or the end of one.
fn disturb(world: &mut World) {
    let nodes = world.nodes.len() as u64;
    let node = world.rng.below(nodes) as usize;
    match world.rng.below(12) {
        0..3 => match world.is_up(node) {
            // At least two nodes are up.
            true if world.up().len() > 2 => world.crash(node),
            true => {}
            false => world.start(node),
        },
        3..5 => {
            for side in &mut world.sides {
                *side = world.rng.below(2) as usize;
            }
        }
        5..7 => world.sides.fill(0),
        7 => world.sides[node] = 1 + node,
        8 => world.break_link(),
        9 => world.delay_ms = 1 + world.rng.below(300),
        _ if world.is_up(node) => {
            let how = match world.rng.below(2) {
                0 => Failover::Agreed,
                _ => Failover::Force,
            };
            let _ = world.with(node, |cluster, facts| admin::failover(cluster, facts, how));
        }
        _ => {}
    }
}

/// Faults for a while, then peace: the cluster serves all slots again.
fn survive(world: &mut World, primaries: usize, faults: usize) -> Result<(), String> {
    build::cluster(world, primaries);
    for _ in 0..faults {
        disturb(world);
        let pause_ms = 100 + world.rng.below(TIMEOUT_MS as u64 * 4) as i64;
        let mut passed = 0;
        while passed < pause_ms {
            world.run(200);
            checks::always(world)?;
            passed += 200;
        }
    }
    world.sides.fill(0);
    world.delay_ms = 20;
    for node in 0..world.nodes.len() {
        if !world.is_up(node) {
            world.start(node);
        }
    }
    let bound_ms = TIMEOUT_MS * SETTLE_TIMEOUTS + 10_000;
    world.run_until(bound_ms, |world| checks::settled(world).is_ok());
    checks::settled(world)?;
    checks::always(world)
}

#[test]
fn clusters_survive_faults() {
    let make = |seed: u64| {
        let nodes = 6 + (seed % 4) as usize;
        World::new(seed, nodes, TIMEOUT_MS)
    };
    on_seeds(150, |world| survive(world, 3, 12), make);
}

#[test]
fn clusters_of_primaries_without_replicas_survive_faults() {
    let make = |seed: u64| World::new(seed + 1_000_000, 3 + (seed % 3) as usize, TIMEOUT_MS);
    on_seeds(50, |world| survive(world, world.nodes.len(), 8), make);
}
