//! Clusters of real Redis nodes and ours, over TCP and TLS.
//!
//! Debian's nodes (7.0.15) cannot load what ours serialize, so there keys move only to ours. If `REAL_REDIS` names a
//! `redis-server` of 7.2 with TLS, they move in both directions:
//!
//! ```text
//! REAL_REDIS=/path/to/redis-server cargo test -p tests --profile fast --test suite cluster_peers
//! ```

use tests::client::{Client, Transport, show};
use tests::nodes::{Node, Nodes};
use tests::pair::wait_for_link;
use tests::peer::{program, real_redis};
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
/// Keys that are written and then looked for.
const KEYS: usize = 300;

/// Executes a command for a key at the node that serves it.
fn at_owner(nodes: &mut Nodes, line: &str) -> String {
    let replies = nodes.all.iter_mut().map(|node| node.client.text(line));
    let mut served = replies.filter(|reply| !reply.starts_with("-MOVED"));
    served.next().expect("some node serves it")
}

fn fill(nodes: &mut Nodes) {
    for n in 0..KEYS {
        assert_eq!(at_owner(nodes, &format!("SET key:{n} value:{n}")), "OK");
    }
}

fn check(nodes: &mut Nodes) {
    for n in 0..KEYS {
        let value = at_owner(nodes, &format!("GET key:{n}"));
        assert_eq!(value, format!("value:{n}"));
    }
}

/// Makes a replica the primary, without loss. All nodes must know their roles, or they refuse to vote.
fn take_over(nodes: &mut Nodes, replica: usize, primary: usize) {
    for at in 0..nodes.all.len() {
        nodes.wait_for_flags(at, replica, "slave");
        nodes.wait_for_flags(at, primary, "master");
    }
    until("CLUSTER FAILOVER to be accepted", || {
        let reply = nodes.all[replica].client.text("CLUSTER FAILOVER");
        (reply == "OK").then_some(())
    });
    nodes.wait_for_flags(replica, replica, "master");
    nodes.wait_for_flags(primary, primary, "slave");
    wait_for_link(&mut nodes.all[primary].client);
}

/// A message that is published at one node reaches the other.
fn check_messages(nodes: &mut Nodes, from: usize, to: usize) {
    let mut subscriber: Client = nodes.all[to].connect();
    subscriber.text("SUBSCRIBE news");
    nodes.all[from].client.text("PUBLISH news hello");
    assert_eq!(show(&subscriber.read()), "[message news hello]");
}

#[test]
fn a_real_cluster_is_replaced_node_by_node() {
    let debian = program("redis-server");
    for real in [Some(debian), real_redis()].into_iter().flatten() {
        for transport in BOTH {
            let mut all: Vec<Node> = (0..3)
                .map(|_| Node::start_real(&real, transport, &[]))
                .collect();
            all.extend((0..3).map(|_| Node::start(transport, &[])));
            let mut nodes = Nodes::form(transport, 3, all);
            fill(&mut nodes);
            for at in 0..3 {
                take_over(&mut nodes, 3 + at, at);
            }
            check_messages(&mut nodes, 0, 4);
            check_messages(&mut nodes, 3, 1);
            check(&mut nodes);
            nodes.all.drain(..3);
            for node in &mut nodes.all {
                until("the real nodes to be seen as failed", || {
                    let text = node.client.text("CLUSTER NODES");
                    (text.matches(",fail ").count() == 3).then_some(())
                });
                node.wait_until_ok();
            }
            check(&mut nodes);
        }
    }
}

#[test]
fn our_node_takes_over_from_a_real_one_that_dies() {
    let debian = program("redis-server");
    for real in [Some(debian), real_redis()].into_iter().flatten() {
        for transport in BOTH {
            let mut all: Vec<Node> = (0..3)
                .map(|_| Node::start_real(&real, transport, &[]))
                .collect();
            all.push(Node::start(transport, &[]));
            let mut nodes = Nodes::form(transport, 3, all);
            fill(&mut nodes);
            let mut dead = nodes.all.remove(0);
            assert_eq!(dead.client.text("WAIT 1 10000"), "1");
            drop(dead);
            nodes.wait_for_flags(2, 2, "master");
            for node in &mut nodes.all {
                node.wait_until_ok();
            }
            check(&mut nodes);
        }
    }
}

#[test]
fn slots_move_between_real_nodes_and_ours() {
    let debian = (program("redis-server"), false);
    let real = real_redis().map(|real| (real, true));
    for (real, moves_back) in [Some(debian), real].into_iter().flatten() {
        for transport in BOTH {
            let all = vec![
                Node::start_real(&real, transport, &[]),
                Node::start(transport, &[]),
                Node::start(transport, &[]),
            ];
            let mut nodes = Nodes::form(transport, 3, all);
            fill(&mut nodes);
            reshard(&mut nodes, 0, 1, 3000);
            check(&mut nodes);
            if moves_back {
                reshard(&mut nodes, 1, 0, 6000);
                check(&mut nodes);
            }
        }
    }
}

/// Moves slots with the cluster manager.
fn reshard(nodes: &mut Nodes, from: usize, to: usize, slots: usize) {
    let (entry, count) = (nodes.address(from), slots.to_string());
    let ids = [from, to].map(|at| nodes.all[at].name.clone());
    let args = [
        "--cluster",
        "reshard",
        &entry,
        "--cluster-yes",
        "--cluster-from",
        &ids[0],
        "--cluster-to",
        &ids[1],
        "--cluster-slots",
        &count,
    ];
    let done = nodes.cli(&args, "");
    assert_eq!(done.code, Some(0), "{done:?}");
    for at in 0..nodes.all.len() {
        nodes.all[at].wait_until_ok();
    }
}
