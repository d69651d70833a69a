//! What a cluster does, one thing at a time.

use cluster::admin::{self, Failover};
use cluster::node::Flags;
use cluster::state::{Cluster, Health};

use crate::build;
use crate::checks::{self, History};
use crate::world::World;

const TIMEOUT_MS: i64 = 2000;

fn world(nodes: usize, primaries: usize) -> World {
    let mut world = World::new(nodes as u64, nodes, TIMEOUT_MS);
    build::cluster(&mut world, primaries);
    world
}

fn is_primary(world: &World, node: usize) -> bool {
    world.is_up(node) && world.cluster(node).my_node().is_primary()
}

fn settles(world: &mut World, ms: i64) {
    let done = world.run_until(ms, |world| checks::settled(world).is_ok());
    assert!(
        done,
        "{:?}\n{}",
        checks::settled(world),
        checks::views(world)
    );
    History::default().check(world).unwrap();
}

#[test]
fn nodes_that_are_met_know_each_other_and_have_different_epochs() {
    let mut world = World::new(1, 12, TIMEOUT_MS);
    assert!(build::join(&mut world, 10_000), "{}", checks::views(&world));
    let unique = |world: &World| {
        let mut epochs: Vec<u64> = world
            .up()
            .iter()
            .map(|node| world.cluster(*node).my_node().config_epoch)
            .collect();
        epochs.sort_unstable();
        epochs.dedup();
        epochs.len() == 12
    };
    assert!(world.run_until(30_000, unique), "{}", checks::views(&world));
    for node in world.up() {
        assert_eq!(&*world.cluster(node).my_node().ip, World::ip(node));
    }
}

#[test]
fn a_replica_replaces_a_primary_that_crashed() {
    let mut world = world(6, 3);
    world.crash(0);
    let taken = world.run_until(TIMEOUT_MS * 2 + 3000, |world| is_primary(world, 3));
    assert!(taken, "{}", checks::views(&world));
    settles(&mut world, 1000);
    // It comes back as a replica of the node that replaced it.
    world.start(0);
    let back = world.run_until(5000, |world| world.cluster(0).my_node().is_replica());
    assert!(back, "{}", checks::views(&world));
    assert_eq!(world.nodes[0].follows, Some(3));
    settles(&mut world, TIMEOUT_MS * 4);
}

#[test]
fn a_manual_failover_loses_no_write() {
    for (seed, delay_ms) in [(1, 5), (2, 20), (3, 80)] {
        let mut world = World::new(seed, 6, TIMEOUT_MS);
        world.delay_ms = delay_ms;
        build::cluster(&mut world, 3);
        let asked = world.with(3, |cluster, facts| {
            admin::failover(cluster, facts, Failover::Agreed)
        });
        asked.unwrap();
        assert!(
            world.run_until(4000, |world| is_primary(world, 3)),
            "{}",
            checks::views(&world)
        );
        let offsets = (world.nodes[3].offset, world.nodes[0].offset);
        assert!(offsets.0 >= offsets.1, "{offsets:?}");
        settles(&mut world, 3000);
        assert_eq!(world.nodes[0].follows, Some(3));
        assert!(world.nodes[0].paused_ms == 0, "the pause has ended");
    }
}

#[test]
fn votes_of_an_election_do_not_count_for_the_next() {
    // 3 and 0 replace each other soon after one another, each time in a new epoch.
    let mut world = world(6, 3);
    let failover = |world: &mut World, node: usize| {
        world.run(500);
        let force = |cluster: &mut Cluster, facts| admin::failover(cluster, facts, Failover::Force);
        world.with(node, force).expect("the node is a replica");
        world.run_until(5500, |world| is_primary(world, node))
    };
    assert!(failover(&mut world, 3));
    assert!(failover(&mut world, 0));
    let epoch = world.cluster(0).my_node().config_epoch;
    // Voters wait for two node timeouts before they vote about the same primary again.
    assert!(!failover(&mut world, 3), "{}", checks::views(&world));
    settles(&mut world, 100);
    // Then it is elected, in an epoch of its own.
    assert!(failover(&mut world, 3), "{}", checks::views(&world));
    assert!(world.cluster(3).my_node().config_epoch > epoch);
    settles(&mut world, 2000);
    assert!(is_primary(&world, 3) && !is_primary(&world, 0));
}

#[test]
fn a_forced_failover_and_a_takeover() {
    let mut world = world(6, 3);
    world.crash(0);
    let how = |how| move |cluster: &mut Cluster, facts| admin::failover(cluster, facts, how);
    world.run(300);
    world.with(3, how(Failover::Force)).unwrap();
    assert!(world.run_until(3000, |world| is_primary(world, 3)));
    // Without a majority only a takeover is possible.
    world.crash(1);
    world.crash(2);
    world.run(TIMEOUT_MS * 3);
    assert!(!is_primary(&world, 4));
    world.with(4, how(Failover::Takeover)).unwrap();
    world.with(5, how(Failover::Takeover)).unwrap();
    assert!(is_primary(&world, 4) && is_primary(&world, 5));
    settles(&mut world, TIMEOUT_MS * 4);
    let error = world.with(4, how(Failover::Agreed)).unwrap_err();
    assert_eq!(error, "You should send CLUSTER FAILOVER to a replica");
}

#[test]
fn the_replica_with_more_data_is_elected() {
    let mut world = world(9, 3);
    // 3 and 6 are replicas of 0; 3 has not followed lately.
    world.sides[3] = 1;
    world.run(TIMEOUT_MS / 4);
    world.crash(0);
    world.sides[3] = 0;
    world.nodes[3].offset -= 10;
    let taken = world.run_until(TIMEOUT_MS * 3 + 4000, |world| is_primary(world, 6));
    assert!(taken && !is_primary(&world, 3), "{}", checks::views(&world));
}

#[test]
fn a_replica_moves_to_a_primary_without_one() {
    let mut world = world(7, 3);
    // 0 has 3 and 6.
    world.crash(4);
    let name = world.cluster(1).my_node().name;
    let orphaned = |world: &World| {
        let cluster = world.cluster(3);
        let primary = cluster.find(name.as_bytes()).expect("it is known");
        let replicas = &cluster.node(primary).replicas;
        replicas.iter().all(|ix| cluster.node(*ix).has_failed())
    };
    assert!(world.run_until(TIMEOUT_MS * 3, orphaned));
    // Not at once: replicas of a failed primary have time to announce where they are.
    world.run(4500);
    assert!(
        [3, 6]
            .iter()
            .all(|node| world.nodes[*node].follows == Some(0))
    );
    let moved = world.run_until(TIMEOUT_MS * 3 + 10_000, |world| {
        [3, 6]
            .iter()
            .any(|node| world.nodes[*node].follows == Some(1))
    });
    assert!(moved, "{}", checks::views(&world));
    settles(&mut world, 2000);
}

#[test]
fn a_replica_does_not_stay_behind_another() {
    let mut world = World::new(8, 8, TIMEOUT_MS);
    assert!(build::join(&mut world, 10_000));
    let replicate = |world: &mut World, node: usize, of: usize| {
        let name = world.cluster(of).my_node().name;
        world.with(node, |cluster, facts| {
            admin::replicate(cluster, facts, name.as_bytes(), 0)
        })
    };
    replicate(&mut world, 7, 6).unwrap();
    world.run(TIMEOUT_MS);
    replicate(&mut world, 6, 0).unwrap();
    assert!(world.run_until(TIMEOUT_MS, |world| world.nodes[7].follows == Some(0)));
    let error = replicate(&mut world, 1, 7).unwrap_err();
    assert_eq!(error, "I can only replicate a master, not a replica.");
    assert_eq!(
        replicate(&mut world, 1, 1).unwrap_err(),
        "Can't replicate myself"
    );
}

#[test]
fn a_replica_stays_if_its_primary_would_have_too_few() {
    let mut world = world(7, 3);
    let settings = cluster::settings::Settings {
        migration_barrier: 2,
        ..world.settings()
    };
    for node in [3, 6] {
        world.with(node, |cluster, facts| {
            cluster.configure(settings.clone(), facts);
        });
    }
    world.crash(4);
    world.run(TIMEOUT_MS * 3 + 10_000);
    assert!(
        [3, 6]
            .iter()
            .all(|node| world.nodes[*node].follows == Some(0))
    );
}

#[test]
fn two_of_five_are_no_majority() {
    let mut world = World::new(5, 10, TIMEOUT_MS);
    build::cluster(&mut world, 5);
    let name = world.cluster(1).my_node().name;
    let failed = |world: &World| {
        let has_failed = |node: &usize| {
            let cluster = world.cluster(*node);
            cluster
                .find(name.as_bytes())
                .is_some_and(|ix| cluster.node(ix).has_failed())
        };
        world.up().iter().any(has_failed)
    };
    // Replicas do not count.
    world.cut = vec![(0, 1), (1, 2), (1, 5), (1, 7), (1, 8)];
    assert!(!world.run_until(TIMEOUT_MS * 6, failed));
    world.cut.push((1, 3));
    assert!(world.run_until(TIMEOUT_MS * 4, failed), "three are");
}

#[test]
fn a_node_that_never_answers_is_given_up() {
    let mut world = World::new(1, 2, TIMEOUT_MS);
    world.start(0);
    world
        .with(0, |cluster, facts| {
            admin::meet(cluster, facts, b"10.0.0.1", b"7000", None)
        })
        .unwrap();
    world
        .with(0, |cluster, facts| {
            admin::meet(cluster, facts, b"10.0.0.1", b"7000", None)
        })
        .unwrap();
    assert_eq!(world.cluster(0).node_count(), 2, "once");
    assert!(world.run_until(TIMEOUT_MS + 500, |world| world.cluster(0).node_count() == 1));
    type Row = (
        &'static [u8],
        &'static [u8],
        Option<&'static [u8]>,
        &'static str,
    );
    let errors: [Row; 7] = [
        (b"10.0.0.1", b"x", None, "Invalid base port specified: x"),
        (b"10.0.0.1", b"x\0y", None, "Invalid base port specified: x"),
        (
            b"host\0x",
            b"7000",
            None,
            "Invalid node address specified: host:7000",
        ),
        (
            b"10.0.0.1",
            b"1",
            Some(b"y"),
            "Invalid bus port specified: y",
        ),
        (
            b"host",
            b"7000",
            None,
            "Invalid node address specified: host:7000",
        ),
        (
            b"10.0.0.1",
            b"0",
            None,
            "Invalid node address specified: 10.0.0.1:0",
        ),
        (
            b"10.0.0.1",
            b"60000",
            None,
            "Invalid node address specified: 10.0.0.1:60000",
        ),
    ];
    for (ip, port, bus, error) in errors {
        let met = world.with(0, |cluster, facts| {
            admin::meet(cluster, facts, ip, port, bus)
        });
        assert_eq!(met.unwrap_err(), error);
    }
}

#[test]
fn a_primary_waits_before_it_serves_again() {
    let mut world = World::new(3, 3, TIMEOUT_MS);
    build::cluster(&mut world, 3);
    let ok = |world: &World| world.cluster(0).state() == Health::Ok;
    let reaches = |world: &World| {
        let cluster = world.cluster(0);
        !cluster
            .nodes()
            .any(|(_, node)| node.is(Flags::PFAIL | Flags::FAIL))
    };
    // After it was among a minority, for a node timeout.
    world.sides[0] = 1;
    assert!(world.run_until(TIMEOUT_MS * 2, |world| !ok(world)));
    world.sides[0] = 0;
    assert!(world.run_until(TIMEOUT_MS * 4, reaches));
    let start_ms = world.now_ms;
    assert!(world.run_until(TIMEOUT_MS * 2, ok));
    assert!(world.now_ms - start_ms >= TIMEOUT_MS / 2);
    // After a start, for two seconds.
    world.crash(0);
    world.start(0);
    let start_ms = world.now_ms;
    assert!(world.run_until(TIMEOUT_MS * 4, ok));
    assert!(world.now_ms - start_ms >= 2000);
}

#[test]
fn a_minority_stops_serving_and_yields_when_it_is_back() {
    let mut world = world(6, 3);
    world.sides[0] = 1;
    let down = world.run_until(TIMEOUT_MS * 2 + 1000, |world| {
        world.cluster(0).state() == Health::Fail
    });
    assert!(down);
    assert!(world.run_until(TIMEOUT_MS * 2 + 3000, |world| is_primary(world, 3)));
    world.sides[0] = 0;
    settles(&mut world, TIMEOUT_MS * 6);
    assert_eq!(world.nodes[0].follows, Some(3));
}

#[test]
fn a_node_that_only_one_does_not_reach_is_not_failed() {
    let mut world = world(6, 3);
    world.cut = vec![(0, 1)];
    let suspected = |world: &World, by: usize, node: usize, flags: Flags| {
        let name = world.cluster(node).my_node().name;
        let cluster = world.cluster(by);
        cluster
            .node(cluster.find(name.as_bytes()).unwrap())
            .is(flags)
    };
    assert!(world.run_until(TIMEOUT_MS * 2, |world| suspected(world, 0, 1, Flags::PFAIL)));
    for _ in 0..200 {
        world.run(100);
        assert!(
            world
                .up()
                .iter()
                .all(|by| !suspected(&world, *by, 1, Flags::FAIL))
        );
    }
    assert_eq!(world.won, 0);
    world.cut.clear();
    assert!(world.run_until(TIMEOUT_MS * 2, |world| !suspected(
        world,
        0,
        1,
        Flags::PFAIL
    )));
}

#[test]
fn who_was_away_learns_of_its_successor_although_that_is_away_now() {
    let mut world = world(6, 3);
    world.crash(0);
    assert!(world.run_until(TIMEOUT_MS * 4, |world| is_primary(world, 3)));
    world.run(1000);
    world.crash(3);
    world.start(0);
    // Only an UPDATE of the others can tell it.
    let yields = world.run_until(TIMEOUT_MS * 2, |world| {
        world.cluster(0).my_node().is_replica()
    });
    assert!(yields, "{}", checks::views(&world));
    // It is the replica of a primary that has failed, and replaces it in turn.
    assert!(
        world.run_until(TIMEOUT_MS * 12, |world| is_primary(world, 0)),
        "{}",
        checks::views(&world)
    );
}

#[test]
fn a_node_that_is_forgotten_once_is_forgotten_by_all() {
    let mut world = world(6, 3);
    let name = world.cluster(5).my_node().name;
    world.crash(5);
    world
        .with(0, |cluster, facts| {
            admin::forget(cluster, facts, name.as_bytes())
        })
        .unwrap();
    let gone = world.run_until(TIMEOUT_MS * 2, |world| {
        world
            .up()
            .iter()
            .all(|node| world.cluster(*node).find(name.as_bytes()).is_none())
    });
    assert!(gone, "{}", checks::views(&world));
    let other = world.cluster(1).my_node().name;
    let again = world.with(1, |cluster, facts| {
        admin::forget(cluster, facts, name.as_bytes())
    });
    again.expect("it was forgotten because of the others");
    let own = world.with(1, |cluster, facts| {
        admin::forget(cluster, facts, other.as_bytes())
    });
    assert_eq!(
        own.unwrap_err(),
        "I tried hard but I can't forget myself..."
    );
    let primary = world.cluster(1).my_node().name;
    let primary = world.with(4, |cluster, facts| {
        admin::forget(cluster, facts, primary.as_bytes())
    });
    assert_eq!(primary.unwrap_err(), "Can't forget my master!");
}

#[test]
fn messages_reach_all_nodes_or_those_of_the_shard() {
    let mut world = world(6, 3);
    world.with(0, |cluster, facts| {
        cluster.publish(b"channel", b"to all", false, facts);
    });
    world.with(0, |cluster, facts| {
        cluster.publish(b"channel", b"to the shard", true, facts);
    });
    world.run(500);
    for node in 0..6 {
        let messages: Vec<&[u8]> = world.nodes[node]
            .messages
            .iter()
            .map(Vec::as_slice)
            .collect();
        let expected: &[&[u8]] = match node {
            0 => &[],
            3 => &[b"to all", b"to the shard"],
            _ => &[b"to all"],
        };
        assert_eq!(messages, expected, "node {node}");
    }
}

#[test]
fn a_slot_moves_and_the_rest_learns_of_it() {
    let mut world = world(6, 3);
    let names: Vec<String> = (0..3)
        .map(|node| world.cluster(node).my_node().name.to_string())
        .collect();
    let set = |world: &mut World, node: usize, args: &[&str]| {
        let args: Vec<&[u8]> = args.iter().map(|arg| arg.as_bytes()).collect();
        world.with(node, |cluster, facts| {
            cluster::setslot::set_slot(cluster, facts, &args, 0)
        })
    };
    set(&mut world, 1, &["7", "IMPORTING", &names[0]]).unwrap();
    set(&mut world, 0, &["7", "migrating", &names[1]]).unwrap();
    assert!(world.cluster(1).importing(7).is_some() && world.cluster(0).migrating(7).is_some());
    let epoch = world.cluster(1).my_node().config_epoch;
    set(&mut world, 1, &["7", "node", &names[1]]).unwrap();
    set(&mut world, 0, &["7", "node", &names[1]]).unwrap();
    assert!(world.cluster(1).importing(7).is_none() && world.cluster(0).migrating(7).is_none());
    assert!(world.cluster(1).my_node().config_epoch >= epoch);
    settles(&mut world, 500);
    let owner = world
        .cluster(5)
        .owner(7)
        .map(|ix| world.cluster(5).node(ix).name.to_string());
    assert_eq!(owner.as_ref(), Some(&names[1]));
    let errors = [
        (1, vec!["7", "migrating", "x"], "I don't know about node x"),
        (
            0,
            vec!["7", "migrating", &names[1]],
            "I'm not the owner of hash slot 7",
        ),
        (
            1,
            vec!["7", "importing", &names[0]],
            "I'm already the owner of hash slot 7",
        ),
        (0, vec!["7", "node", "x"], "Unknown node x"),
        (0, vec!["16384", "stable"], "Invalid or out of range slot"),
        (
            0,
            vec!["7", "stable", "now"],
            "Invalid CLUSTER SETSLOT action or number of arguments. Try CLUSTER HELP",
        ),
        (
            4,
            vec!["7", "stable"],
            "Please use SETSLOT only with masters.",
        ),
    ];
    for (node, args, error) in errors {
        assert_eq!(set(&mut world, node, &args).unwrap_err(), error);
    }
}

#[test]
fn a_node_that_moved_is_found_again() {
    // Its address is announced in its packets, so others follow.
    let mut world = world(6, 3);
    let old = world
        .cluster(0)
        .find(world.cluster(4).my_node().name.as_bytes())
        .unwrap();
    let link = world.cluster(0).node(old).link;
    world.with(0, |cluster, _| cluster.kill_links(old, true, true));
    assert_eq!(world.cluster(0).node(old).link, None);
    world.run(500);
    let new = world.cluster(0).node(old).link;
    assert!(new.is_some() && new != link);
    assert!(!world.cluster(0).node(old).is(Flags::PFAIL | Flags::FAIL));
}

#[test]
fn a_hard_reset_leaves_an_empty_cluster_of_one() {
    let mut world = world(6, 3);
    let old = world.cluster(4).my_node().name;
    let keys = world.with(1, |cluster, facts| admin::reset(cluster, facts, true, 1));
    assert_eq!(
        keys.unwrap_err(),
        "CLUSTER RESET can't be called with master nodes containing keys"
    );
    world
        .with(4, |cluster, facts| admin::reset(cluster, facts, true, 1))
        .unwrap();
    let cluster = world.cluster(4);
    assert_eq!((cluster.node_count(), cluster.current_epoch()), (1, 0));
    assert_ne!(cluster.my_node().name, old);
    assert!(cluster.my_node().is_primary());
    assert_eq!(world.nodes[4].follows, None);
    History::default().check(&world).unwrap();
}
