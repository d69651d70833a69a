//! What nodes tell of each other.

use cluster::action::Action;
use cluster::name::Name;
use cluster::node::Flags;
use cluster::packet::decode::{Body, decode};
use cluster::packet::gossip::Gossip;
use cluster::packet::{Kind, encode};

use crate::rig::{Rig, START_MS, TIMEOUT_MS, conf, gossip, name};

#[test]
fn a_node_fails_by_the_reports_of_a_majority_of_primaries() {
    let mut rig = Rig::new(&conf());
    // It is suspected here, as it does not answer.
    rig.pass(TIMEOUT_MS / 2);
    rig.pong('a');
    rig.pong('b');
    rig.pass(TIMEOUT_MS / 2 + 100);
    rig.cron();
    assert!(rig.node('c').is(Flags::PFAIL));
    let suspect = [gossip('c', Flags::REPLICA | Flags::PFAIL)];
    rig.ping('d', Kind::Ping, &suspect);
    assert!(
        !rig.node('c').has_failed(),
        "a replica's report does not count"
    );
    rig.logged();
    rig.ping('a', Kind::Ping, &suspect);
    assert!(rig.node('c').has_failed(), "two of three");
    assert!(rig.sent_to('b').contains(&Kind::Fail));
    let logged = rig.logged();
    let (a, c) = (name('a'), name('c'));
    assert!(logged.contains(&format!(
        "Node {a} () reported node {c} () as not reachable."
    )));
    assert!(logged.contains(&format!("Marking node {c} () as failing (quorum reached).")));
    // It answers: a replica is no longer failed.
    rig.cron();
    rig.logged();
    rig.pong('c');
    assert!(!rig.node('c').has_failed());
    assert_eq!(
        rig.logged(),
        [format!(
            "Clear FAIL state for node {c} ():replica is reachable again."
        )]
    );
}

#[test]
fn a_report_counts_for_two_node_timeouts_and_can_be_taken_back() {
    let mut rig = Rig::new(&conf());
    let count = |rig: &mut Rig| {
        let facts = rig.facts();
        cluster::admin::count_failure_reports(&mut rig.cluster, facts, name('c').as_bytes())
    };
    let suspect = [gossip('c', Flags::REPLICA | Flags::PFAIL)];
    rig.ping('a', Kind::Ping, &suspect);
    rig.ping('a', Kind::Ping, &suspect);
    rig.ping('b', Kind::Ping, &suspect);
    assert_eq!(count(&mut rig).unwrap(), 2);
    rig.ping('b', Kind::Ping, &[gossip('c', Flags::REPLICA)]);
    assert_eq!(count(&mut rig).unwrap(), 1);
    rig.pass(TIMEOUT_MS * 2 + 1);
    assert_eq!(count(&mut rig).unwrap(), 0);
}

#[test]
fn times_in_the_future_are_not_believed() {
    let mut rig = Rig::new(&conf());
    rig.pong('c');
    let before = rig.node('c').pong_received_ms;
    let at = |s: i64| Gossip {
        pong_received_s: (START_MS / 1000 + s) as u32,
        ..gossip('c', Flags::REPLICA)
    };
    rig.ping('a', Kind::Ping, &[at(2)]);
    assert_eq!(rig.node('c').pong_received_ms, before);
    rig.pass(1700);
    rig.ping('a', Kind::Ping, &[at(2)]);
    assert_eq!(rig.node('c').pong_received_ms, START_MS + 2000);
}

#[test]
fn a_forgotten_node_comes_back_after_a_minute() {
    let mut rig = Rig::new(&conf());
    let forget = |rig: &mut Rig, letter| {
        let facts = rig.facts();
        cluster::admin::forget(&mut rig.cluster, facts, name(letter).as_bytes())
    };
    let known = |rig: &Rig, letter| rig.cluster.find(name(letter).as_bytes()).is_some();
    forget(&mut rig, 'd').unwrap();
    assert!(!known(&rig, 'd'));
    // A node that does not know it yet tells of it.
    rig.ping('a', Kind::Ping, &[gossip('d', Flags::REPLICA)]);
    assert!(!known(&rig, 'd'));
    forget(&mut rig, 'd').unwrap();
    rig.pass(61_000);
    rig.ping('a', Kind::Ping, &[gossip('d', Flags::REPLICA)]);
    assert!(known(&rig, 'd'));
    assert_eq!(
        forget(&mut rig, 'q').unwrap_err(),
        format!("Unknown node {}", name('q'))
    );
    // What a client sent is shown as it is, up to a NUL.
    let facts = rig.facts();
    let refused = cluster::admin::forget(&mut rig.cluster, facts, b"\xffa\0b");
    assert_eq!(refused.unwrap_err(), b"Unknown node \xffa");
}

#[test]
fn gossip_tells_of_a_tenth_of_the_nodes_and_of_all_suspects() {
    let line = |number: usize| {
        format!("{number:040} 10.0.0.1:7000@17000,,tls-port=0 master - 0 0 1 connected {number}\n")
    };
    let lines: String = (0..100).map(line).collect();
    let me = conf().lines().next().unwrap().to_owned();
    let mut rig = Rig::new(&format!("{}\n{lines}", me.replace("0-99", "200")));
    let packets = |rig: &mut Rig| -> Vec<usize> {
        let actions = std::mem::take(&mut rig.actions);
        let sizes = actions.iter().filter_map(|action| match action {
            Action::Send { packet, .. } => match decode(packet).unwrap().body {
                Body::Ping { gossip, .. } => {
                    let mut names: Vec<Name> = gossip.iter().map(|entry| entry.name).collect();
                    names.sort();
                    names.dedup();
                    assert_eq!(names.len(), gossip.len(), "each node once");
                    Some(gossip.len())
                }
                _ => None,
            },
            _ => None,
        });
        sizes.collect()
    };
    rig.pass(TIMEOUT_MS / 2);
    for number in 0..100usize {
        let from = format!("{number:040}");
        let ix = rig.cluster.find(from.as_bytes()).unwrap();
        let link = rig.cluster.node(ix).link.unwrap();
        let mut header = rig.header('z', Kind::Pong);
        header.sender = Name::parse(from.as_bytes()).unwrap();
        header.slots = [number as u16].into_iter().collect();
        header.config_epoch = 1;
        // The last twenty do not answer.
        if number < 80 {
            let packet = encode::ping(&header, &[], &[]);
            rig.cluster.received(link, &packet, rig.facts());
        }
    }
    rig.settle();
    rig.actions.clear();
    rig.pass(TIMEOUT_MS / 2 + 100);
    rig.cron();
    let sizes = packets(&mut rig);
    assert!(
        sizes.len() >= 80 && sizes.iter().all(|size| *size == 10),
        "{sizes:?}"
    );
    rig.cron();
    let facts = rig.facts();
    let first = rig.cluster.find(format!("{:040}", 1).as_bytes()).unwrap();
    let inbound = rig.cluster.accepted("10.0.0.1", 1, "10.0.0.2", facts);
    let mut header = rig.header('z', Kind::Ping);
    header.sender = rig.cluster.node(first).name;
    header.slots = [1].into_iter().collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.actions.clear();
    rig.cluster.received(inbound, &packet, facts);
    rig.settle();
    let sizes = packets(&mut rig);
    assert_eq!(sizes, [30], "ten and the suspects");
}
