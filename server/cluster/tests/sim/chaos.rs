//! Clusters under random faults, on many seeds.

use cluster::admin::{self, Failover};
use cluster::state::Cluster;

use crate::build;
use crate::checks::{self, History};
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

/// How much happened in all runs.
#[derive(Debug)]
pub struct Total {
    seeds: u64,
    failovers: u64,
    votes: u64,
}

/// Runs a scenario on many seeds; the first that fails is reported with what it takes to repeat it.
pub fn on_seeds(
    default: u64,
    scenario: impl Fn(&mut World) -> Result<(), String>,
    make: impl Fn(u64) -> World,
) -> Total {
    let range = seeds(default);
    let count = range.end - range.start;
    let (mut failovers, mut votes) = (0, 0);
    for seed in range {
        let mut world = make(seed);
        if count == 1 {
            world.log = Some(Vec::new());
        }
        if let Err(reason) = scenario(&mut world) {
            let log = world.log.take().unwrap_or_default().join("\n");
            let views = checks::views(&world);
            panic!("SIM_SEED={seed}: {reason}\n{views}\n{log}");
        }
        failovers += world.won;
        votes += world.votes.len() as u64;
    }
    let total = Total {
        seeds: count,
        failovers,
        votes,
    };
    println!("{total:?}");
    total
}

/// One fault, or the end of one, in a cluster that has `primaries` primaries at the start.
fn disturb(world: &mut World, primaries: usize) {
    let nodes = world.nodes.len() as u64;
    let node = world.rng.below(nodes) as usize;
    match world.rng.below(16) {
        0..4 => match world.is_up(node) {
            // At least two nodes are up.
            true if world.up().len() > 2 => world.crash(node),
            true => {}
            false => world.start(node),
        },
        4..6 => {
            for side in &mut world.sides {
                *side = world.rng.below(2) as usize;
            }
        }
        6..9 => world.sides.fill(0),
        9 => world.sides[node] = 1 + node,
        10 => world.break_link(),
        11 => world.delay_ms = 1 + world.rng.below(300),
        // A node that is restarted at once.
        12 if world.is_up(node) => {
            world.crash(node);
            world.start(node);
        }
        13 if world.is_up(node) => {
            let _ = world.with(node, |cluster, facts| {
                admin::failover(cluster, facts, Failover::Agreed)
            });
        }
        // All replicas of a primary at once, and more.
        _ => {
            for other in (node % primaries..world.nodes.len()).step_by(primaries) {
                if world.is_up(other) {
                    let force = |cluster: &mut Cluster, facts| {
                        admin::failover(cluster, facts, Failover::Force)
                    };
                    let _ = world.with(other, force);
                }
            }
        }
    }
}

/// Faults for a while, then peace: the cluster serves all slots again.
fn survive(world: &mut World, primaries: usize, faults: usize) -> Result<(), String> {
    build::cluster(world, primaries);
    let mut history = History::default();
    world.crash_rate = 4000;
    for _ in 0..faults {
        disturb(world, primaries);
        let pause_ms = match world.rng.below(3) {
            0 => world.rng.below(300) as i64,
            _ => world.rng.below(TIMEOUT_MS as u64 * 4) as i64,
        };
        let end_ms = world.now_ms + pause_ms;
        while world.now_ms < end_ms {
            world.run(100.min(end_ms - world.now_ms));
            history.check(world)?;
        }
    }
    world.crash_rate = 0;
    world.sides.fill(0);
    world.delay_ms = 20;
    for node in 0..world.nodes.len() {
        if !world.is_up(node) {
            world.start(node);
        }
    }
    let end_ms = world.now_ms + TIMEOUT_MS * SETTLE_TIMEOUTS + 10_000;
    while world.now_ms < end_ms && checks::settled(world).is_err() {
        world.run(100);
        history.check(world)?;
    }
    checks::settled(world)
}

#[test]
fn clusters_survive_faults() {
    let make = |seed: u64| World::new(seed, 3 * (2 + seed % 2) as usize, TIMEOUT_MS);
    let total = on_seeds(150, |world| survive(world, 3, 16), make);
    // There must be something to be checked.
    assert!(
        total.failovers > total.seeds && total.votes > total.failovers,
        "{total:?}"
    );
}

#[test]
fn clusters_of_primaries_without_replicas_survive_faults() {
    let make = |seed: u64| World::new(seed + 1_000_000, 3 + (seed % 3) as usize, TIMEOUT_MS);
    on_seeds(50, |world| survive(world, world.nodes.len(), 8), make);
}

#[test]
fn a_run_can_be_repeated() {
    let log = || {
        let mut world = World::new(7, 6, TIMEOUT_MS);
        world.log = Some(Vec::new());
        survive(&mut world, 3, 10).expect("the seed succeeds");
        (world.delivered, world.log.take().unwrap_or_default())
    };
    let first = log();
    assert!(first.1.len() > 50, "there is something to be compared");
    assert!(first == log());
}
