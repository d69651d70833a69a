//! One node that gets hand-made packets: votes, announcements of slots, gossip, forged and damaged packets.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use cluster::action::{Action, Facts, Level};
use cluster::ids::LinkId;
use cluster::membership;
use cluster::name::Name;
use cluster::node::Flags;
use cluster::packet::decode::{Body, decode};
use cluster::packet::extension::Extension;
use cluster::packet::gossip::Gossip;
use cluster::packet::header::Header;
use cluster::packet::{Kind, encode};
use cluster::settings::Settings;
use cluster::slots::{Bitmap, SlotSet};
use cluster::state::Cluster;
use data::util::rand::Rng;

const START_MS: i64 = 1_700_000_000_000;
const TIMEOUT_MS: i64 = 1000;

fn name(letter: char) -> Name {
    Name::parse(letter.to_string().repeat(40).as_bytes()).unwrap()
}

/// nodes.conf of node `m`, a primary with slots 0-99, in epoch 10: primaries `a` (100-199, epoch 3), `b` (200-299, epoch 2),
/// replicas `c` of `a`, `d` of `b`, `e` of `m`.
fn conf() -> String {
    let line = |own: char, shard: char, rest: &str| {
        let (own_name, shard) = (name(own), name(shard));
        format!(
            "{own_name} 10.0.0.{}:7000@17000,,tls-port=0,shard-id={shard} {rest}\n",
            own as u32
        )
    };
    [
        line('m', 'm', "myself,master - 0 0 1 connected 0-99"),
        line('a', 'a', "master - 0 0 3 connected 100-199"),
        line('b', 'b', "master - 0 0 2 connected 200-299"),
        line('c', 'a', &format!("slave {} 0 0 3 connected", name('a'))),
        line('d', 'b', &format!("slave {} 0 0 2 connected", name('b'))),
        line('e', 'm', &format!("slave {} 0 0 1 connected", name('m'))),
        "vars currentEpoch 10 lastVoteEpoch 9\n".to_owned(),
    ]
    .concat()
}

fn settings() -> Settings {
    Settings {
        node_timeout_ms: TIMEOUT_MS,
        require_full_coverage: false,
        log_level: Level::Verbose,
        ..Settings::default()
    }
}

/// A node, and the links from and to the others by the letter of their name.
struct Rig {
    cluster: Cluster,
    now_ms: i64,
    offset: i64,
    inbound: Vec<(char, LinkId)>,
    actions: Vec<Action>,
}

impl Rig {
    fn new(conf: &str) -> Self {
        let facts = Facts {
            now_ms: START_MS,
            ..Facts::default()
        };
        let cluster = Cluster::load(conf.as_bytes(), Rng::new(1), settings(), facts).unwrap();
        let mut rig = Rig {
            cluster,
            now_ms: START_MS,
            offset: 7,
            inbound: Vec::new(),
            actions: Vec::new(),
        };
        rig.cron();
        let links: Vec<LinkId> = rig
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::Connect { link, .. } => Some(*link),
                _ => None,
            })
            .collect();
        for link in links {
            rig.cluster.connected(link, "10.0.0.109", rig.facts());
        }
        rig.settle();
        rig.actions.clear();
        rig
    }

    fn facts(&self) -> Facts {
        Facts {
            now_ms: self.now_ms,
            offset: self.offset,
            replicating: true,
            data_age_ms: 0,
        }
    }

    fn settle(&mut self) {
        self.cluster.before_sleep(self.facts());
        while let Some(action) = self.cluster.next_action() {
            self.actions.push(action);
        }
        membership::check(&self.cluster);
    }

    fn cron(&mut self) {
        self.cluster.cron(self.facts());
        self.settle();
    }

    /// Time passes, without cron.
    fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    fn node(&self, letter: char) -> &cluster::node::Node {
        let ix = self.cluster.find(name(letter).as_bytes()).unwrap();
        self.cluster.node(ix)
    }

    /// The link from a node, which connects with the first packet.
    fn link(&mut self, from: char) -> LinkId {
        if let Some((_, link)) = self.inbound.iter().find(|(letter, _)| *letter == from) {
            return *link;
        }
        let ip = format!("10.0.0.{}", from as u32);
        let link = self
            .cluster
            .accepted(&ip, 40_000, "10.0.0.109", self.facts());
        self.inbound.push((from, link));
        link
    }

    fn receive(&mut self, from: char, packet: &[u8]) {
        let link = self.link(from);
        self.cluster.received(link, packet, self.facts());
        self.settle();
    }

    /// A header from a node, as it is known, with its kind.
    fn header(&self, from: char, kind: Kind) -> Header<'static> {
        let (slots, primary, epoch): (Bitmap, _, _) = match from {
            'a' => ((100..200).collect(), None, 3),
            'b' => ((200..300).collect(), None, 2),
            'c' => ((100..200).collect(), Some(name('a')), 3),
            'd' => ((200..300).collect(), Some(name('b')), 2),
            'e' => ((0..100).collect(), Some(name('m')), 1),
            _ => (Bitmap::EMPTY, None, 0),
        };
        Header {
            kind: kind.number(),
            port: 7000,
            other_port: 0,
            bus_port: 17_000,
            epoch: 10,
            config_epoch: epoch,
            offset: 5,
            sender: name(from),
            slots,
            primary,
            ip: "",
            flags: if primary.is_some() {
                Flags::REPLICA
            } else {
                Flags::PRIMARY
            },
            failing: false,
            paused: false,
            force_ack: false,
        }
    }

    fn ping(&mut self, from: char, kind: Kind, gossip: &[Gossip<'_>]) {
        let packet = encode::ping(
            &self.header(from, kind),
            gossip,
            &[Extension::Shard(name(from))],
        );
        self.receive(from, &packet);
    }

    /// A node answers on the link to it.
    fn pong(&mut self, from: char) {
        let packet = encode::ping(&self.header(from, Kind::Pong), &[], &[]);
        let link = self.node(from).link.expect("there is a link");
        self.cluster.received(link, &packet, self.facts());
        self.settle();
    }

    /// Takes the kinds of packets that were sent to a node, on the link to it or from it.
    fn sent_to(&mut self, to: char) -> Vec<Kind> {
        let node = self.node(to);
        let links = [node.link, node.inbound];
        let packets = self.actions.iter().filter_map(|action| match action {
            Action::Send { link, packet } if links.contains(&Some(*link)) => Some(packet),
            _ => None,
        });
        let kind = |packet: &Arc<Vec<u8>>| decode(packet).unwrap().header.kind;
        packets
            .map(|packet| Kind::from_number(kind(packet)).unwrap())
            .collect()
    }

    /// Takes the log.
    fn logged(&mut self) -> Vec<String> {
        let actions = std::mem::take(&mut self.actions);
        let lines = actions.into_iter().filter_map(|action| match action {
            Action::Log { text, .. } => Some(text),
            _ => None,
        });
        lines.collect()
    }

    /// Marks a node as failed, as `b` tells.
    fn fail(&mut self, letter: char) {
        let packet = encode::fail(&self.header('b', Kind::Fail), &name(letter));
        self.receive('b', &packet);
        assert!(self.node(letter).has_failed());
    }

    fn ask(&mut self, from: char, change: impl FnOnce(&mut Header<'_>)) {
        let mut header = self.header(from, Kind::AuthRequest);
        header.epoch = 11;
        change(&mut header);
        let packet = encode::empty(&header);
        self.receive(from, &packet);
    }

    /// Why the latest request got no vote, or that it got one.
    fn verdict(&mut self, from: char) -> String {
        let voted = self.sent_to(from).contains(&Kind::AuthAck);
        let logged = self.logged();
        let denied: Vec<&String> = logged
            .iter()
            .filter(|line| line.contains("denied"))
            .collect();
        assert_eq!(voted, logged.iter().any(|line| line.contains("granted")));
        match (voted, denied.as_slice()) {
            (true, []) => "granted".to_owned(),
            (false, [line]) => line.split(": ").nth(1).unwrap().to_owned(),
            (false, []) => "ignored".to_owned(),
            _ => panic!("{logged:?}"),
        }
    }
}

#[test]
fn a_vote_is_given_once_and_for_good_reasons() {
    let mut rig = Rig::new(&conf());
    rig.ask('c', |_| {});
    assert_eq!(rig.verdict('c'), "its master is up");
    rig.ask('c', |header| header.force_ack = true);
    assert_eq!(rig.verdict('c'), "granted");
    assert_eq!(rig.cluster.last_vote_epoch(), 11);
    rig.ask('d', |header| header.force_ack = true);
    assert_eq!(rig.verdict('d'), "already voted for epoch 11");
    rig.ask('d', |header| (header.epoch, header.force_ack) = (10, true));
    assert_eq!(rig.verdict('d'), "reqEpoch (10) < curEpoch(11)");
    rig.ask('c', |header| (header.epoch, header.force_ack) = (12, true));
    assert_eq!(
        rig.verdict('c'),
        "can't vote about this master before 2000 milliseconds"
    );
    rig.pass(TIMEOUT_MS * 2);
    rig.ask('c', |header| {
        (header.epoch, header.config_epoch, header.force_ack) = (12, 2, true);
    });
    assert_eq!(rig.verdict('c'), "slot 100 epoch (3) > reqEpoch (2)");
    rig.ask('a', |header| (header.epoch, header.force_ack) = (12, true));
    assert_eq!(rig.verdict('a'), "it is a master node");
    rig.fail('a');
    rig.logged();
    rig.ask('c', |header| header.epoch = 13);
    assert_eq!(rig.verdict('c'), "granted");
}

#[test]
fn a_vote_is_remembered_across_a_restart() {
    let mut rig = Rig::new(&conf());
    rig.ask('c', |header| header.force_ack = true);
    let save = rig
        .actions
        .iter()
        .position(|action| matches!(action, Action::Save { fsync: true }));
    let vote = rig.actions.iter().position(|action| match action {
        Action::Send { packet, .. } => {
            decode(packet).unwrap().header.kind == Kind::AuthAck.number()
        }
        _ => false,
    });
    assert!(
        save.unwrap() < vote.unwrap(),
        "it is on the disk before it is sent"
    );
    let file = String::from_utf8(rig.cluster.encode()).unwrap();
    let mut rig = Rig::new(&file);
    rig.ask('d', |header| header.force_ack = true);
    assert_eq!(rig.verdict('d'), "already voted for epoch 11");
}

#[test]
fn only_primaries_with_slots_vote() {
    let mut rig = Rig::new(&conf().replace(" connected 0-99", " connected"));
    rig.ask('c', |header| header.force_ack = true);
    assert_eq!(rig.verdict('c'), "ignored");
}

#[test]
fn of_two_announcements_the_higher_epoch_prevails() {
    let owner = |rig: &Rig, slot| rig.cluster.owner(slot).map(|ix| rig.cluster.node(ix).name);
    for (epoch, taken) in [(1, false), (2, false), (3, true)] {
        let mut rig = Rig::new(&conf());
        let mut header = rig.header('a', Kind::Ping);
        header.config_epoch = epoch;
        header.slots = (100..210).collect();
        let packet = encode::ping(&header, &[], &[]);
        rig.receive('a', &packet);
        let expected = if taken { 'a' } else { 'b' };
        assert_eq!(owner(&rig, 205), Some(name(expected)), "epoch {epoch}");
        // Who announces what another has with a newer epoch is told so.
        assert_eq!(rig.sent_to('a').contains(&Kind::Update), epoch < 2);
    }
}

#[test]
fn slots_that_are_lost_are_cleared_of_keys_and_left_slots_are_told() {
    let mut rig = Rig::new(&conf());
    let mut header = rig.header('a', Kind::Ping);
    header.config_epoch = 4;
    header.slots = (90..200).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    let expected: SlotSet = (90..100).collect();
    let dropped = Action::DropKeys {
        slots: Box::new(expected.clone()),
    };
    let left = Action::SlotsLeft {
        slots: Box::new(expected),
    };
    assert!(
        rig.actions.contains(&dropped) && rig.actions.contains(&left),
        "{:?}",
        rig.actions
    );
    // The rest as well: now it is a replica, and its keys are replaced by those of its primary.
    rig.actions.clear();
    let packet = encode::update(
        &rig.header('b', Kind::Update),
        5,
        &name('a'),
        &(0..200).collect(),
    );
    rig.receive('b', &packet);
    assert!(rig.cluster.my_node().is_replica());
    let follows = Action::Replicate {
        ip: "10.0.0.97".to_owned(),
        port: 7000,
    };
    assert!(rig.actions.contains(&follows));
    assert!(
        !rig.actions
            .iter()
            .any(|action| matches!(action, Action::DropKeys { .. }))
    );
    assert_eq!(rig.cluster.my_epoch(), 5);
}

#[test]
fn an_owner_that_no_longer_announces_a_slot_is_not_passed_on() {
    let mut rig = Rig::new(&conf());
    let mut header = rig.header('a', Kind::Ping);
    header.slots = (100..199).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    let a = rig.cluster.find(name('a').as_bytes());
    assert_eq!(rig.cluster.owner(199), a, "clients are still sent there");
    // With an older epoch, another one can have it.
    let mut header = rig.header('b', Kind::Ping);
    header.slots = (199..300).collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('b', &packet);
    assert_eq!(
        rig.cluster.owner(199),
        rig.cluster.find(name('b').as_bytes())
    );
}

fn gossip(about: char, flags: Flags) -> Gossip<'static> {
    Gossip {
        name: name(about),
        ping_sent_s: 0,
        pong_received_s: 0,
        ip: "10.0.0.1",
        port: 7000,
        other_port: 0,
        bus_port: 17_000,
        flags,
    }
}

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
    assert_eq!(count(&mut rig), Ok(2));
    rig.ping('b', Kind::Ping, &[gossip('c', Flags::REPLICA)]);
    assert_eq!(count(&mut rig), Ok(1));
    rig.pass(TIMEOUT_MS * 2 + 1);
    assert_eq!(count(&mut rig), Ok(0));
}

/// nodes.conf of the replica `m` of `a`.
fn replica_conf() -> String {
    let own = format!(
        "shard-id={} myself,master - 0 0 1 connected 0-99",
        name('m')
    );
    let replica = format!(
        "shard-id={} myself,slave {} 0 0 3 connected",
        name('a'),
        name('a')
    );
    conf().replace(&own, &replica)
}

fn kinds_sent(rig: &Rig) -> Vec<Kind> {
    let packets = rig.actions.iter().filter_map(|action| match action {
        Action::Send { packet, .. } => Some(decode(packet).unwrap().header.kind),
        _ => None,
    });
    packets
        .map(|kind| Kind::from_number(kind).unwrap())
        .collect()
}

#[test]
fn a_manual_failover_waits_for_the_offset_of_the_paused_primary() {
    let mut rig = Rig::new(&replica_conf());
    rig.cluster.before_sleep(rig.facts());
    let facts = rig.facts();
    let how = cluster::admin::Failover::Agreed;
    cluster::admin::failover(&mut rig.cluster, facts, how).unwrap();
    rig.settle();
    assert!(rig.sent_to('a').contains(&Kind::ManualStart));
    // A PING from before the pause does not tell the offset that is waited for.
    rig.ping('a', Kind::Ping, &[]);
    let mut header = rig.header('a', Kind::Ping);
    header.paused = true;
    header.offset = 50;
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('a', &packet);
    rig.cron();
    assert!(
        !kinds_sent(&rig).contains(&Kind::AuthRequest),
        "it has executed less"
    );
    rig.offset = 50;
    rig.settle();
    assert!(kinds_sent(&rig).contains(&Kind::AuthRequest));
    let asked = rig.actions.iter().find_map(|action| match action {
        Action::Send { packet, .. } => {
            let header = decode(packet).unwrap().header;
            (header.kind == Kind::AuthRequest.number()).then_some(header.force_ack)
        }
        _ => None,
    });
    assert_eq!(asked, Some(true), "the primary has not failed");
    assert_eq!(
        rig.logged()
            .into_iter()
            .filter(|line| !line.contains("Cluster state"))
            .collect::<Vec<_>>(),
        [
            "Manual failover user request accepted.",
            "Received replication offset for paused master manual failover: 50",
            "All master replication stream processed, manual failover can start.",
            "Start of election delayed for 0 milliseconds (rank #0, offset 50).",
            "Starting a failover election for epoch 11.",
        ]
    );
    // Votes do not come, and it is given up.
    rig.pass(5001);
    rig.cron();
    assert!(
        rig.logged()
            .contains(&"Manual failover timed out.".to_owned())
    );
}

#[test]
fn an_old_data_set_does_not_replace_the_primary() {
    let mut rig = Rig::new(&replica_conf());
    rig.fail('a');
    rig.logged();
    let old = Facts {
        data_age_ms: TIMEOUT_MS * 11 + 10_001,
        ..rig.facts()
    };
    rig.cluster.cron(old);
    let scheduled = |rig: &mut Rig| {
        rig.settle();
        rig.logged()
            .iter()
            .any(|line| line.starts_with("Start of election delayed"))
    };
    assert!(!scheduled(&mut rig));
    let fresh = Facts {
        data_age_ms: TIMEOUT_MS * 11 + 10_000,
        ..rig.facts()
    };
    rig.cluster.cron(fresh);
    assert!(scheduled(&mut rig));
}

#[test]
fn a_slot_that_is_imported_is_assigned_by_hand_only() {
    let mut rig = Rig::new(&conf());
    let facts = rig.facts();
    let source = name('a');
    let args: [&[u8]; 3] = [b"100", b"importing", source.as_bytes()];
    cluster::setslot::set_slot(&mut rig.cluster, facts, &args, &|_| 0).unwrap();
    let mut header = rig.header('b', Kind::Ping);
    header.config_epoch = 9;
    header.slots = [100, 101].into_iter().collect();
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('b', &packet);
    let owner = |slot| rig.cluster.owner(slot);
    assert_eq!(owner(100), rig.cluster.find(name('a').as_bytes()));
    assert_eq!(owner(101), rig.cluster.find(name('b').as_bytes()));
}

#[test]
fn of_two_primaries_in_one_epoch_the_one_with_the_smaller_name_takes_the_next() {
    for (other, epoch) in [('a', 1), ('z', 11)] {
        let line = format!(
            "{} 10.0.0.1:7000@17000 master - 0 0 1 connected 900\n",
            name('z')
        );
        let mut rig = Rig::new(&(conf() + &line));
        let mut header = rig.header(other, Kind::Ping);
        header.config_epoch = 1;
        let packet = encode::ping(&header, &[], &[]);
        if other == 'a' {
            // As if the table did not know better.
            rig = Rig::new(&conf().replace("0 0 3 connected 100-199", "0 0 1 connected 100-199"));
        }
        rig.receive(other, &packet);
        assert_eq!(rig.cluster.my_node().config_epoch, epoch, "{other}");
    }
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
    assert_eq!(forget(&mut rig, 'd'), Ok(()));
    rig.pass(61_000);
    rig.ping('a', Kind::Ping, &[gossip('d', Flags::REPLICA)]);
    assert!(known(&rig, 'd'));
    assert_eq!(
        forget(&mut rig, 'q').unwrap_err(),
        format!("Unknown node {}", name('q'))
    );
}

#[test]
fn strangers_and_forged_packets_change_nothing() {
    let before = Rig::new(&conf()).cluster.nodes_text(false);
    let mut rig = Rig::new(&conf());
    let new = [gossip('x', Flags::PRIMARY)];
    let stranger = rig.header('z', Kind::Ping);
    let packets = [
        encode::ping(&stranger, &new, &[]),
        encode::fail(&rig.header('z', Kind::Fail), &name('a')),
        encode::update(
            &rig.header('z', Kind::Update),
            99,
            &name('a'),
            &SlotSet::all(),
        ),
        encode::empty(&rig.header('z', Kind::AuthRequest)),
        encode::empty(&rig.header('z', Kind::AuthAck)),
        encode::empty(&rig.header('z', Kind::ManualStart)),
        encode::publish(&rig.header('z', Kind::Publish), b"c", b"m").unwrap(),
    ];
    for packet in &packets {
        rig.receive('z', packet);
    }
    // From this node itself, on a link of its own.
    for kind in [Kind::Ping, Kind::Meet, Kind::Pong] {
        let mut header = rig.header('m', kind);
        header.primary = Some(name('a'));
        header.config_epoch = 99;
        let packet = encode::ping(&header, &[], &[Extension::Shard(name('q'))]);
        rig.receive('m', &packet);
    }
    assert_eq!(rig.cluster.nodes_text(false), before);
    assert!(
        !rig.actions
            .iter()
            .any(|action| matches!(action, Action::Publish { .. }))
    );
}

#[test]
fn flags_that_cannot_be_are_not_believed() {
    let mut rig = Rig::new(&conf());
    let lies = Flags::MYSELF | Flags::HANDSHAKE | Flags::MEET | Flags::PRIMARY | Flags::REPLICA;
    rig.ping(
        'a',
        Kind::Ping,
        &[gossip('x', lies | Flags::from_bits_retain(0x8000))],
    );
    assert_eq!(rig.node('x').flags, Flags::PRIMARY);
    // Neither is a primary that is the node itself, nor one with the same two roles.
    let mut header = rig.header('c', Kind::Ping);
    header.primary = Some(name('c'));
    let packet = encode::ping(&header, &[], &[]);
    rig.receive('c', &packet);
    assert_ne!(
        rig.node('c').primary,
        rig.cluster.find(name('c').as_bytes())
    );
    let text = String::from_utf8(rig.cluster.encode()).unwrap();
    Rig::new(&text);
}

#[test]
fn two_nodes_that_claim_to_be_each_other_s_replica_are_no_endless_circle() {
    let mut rig = Rig::new(&conf());
    for (from, primary) in [('c', 'd'), ('d', 'c'), ('c', 'd')] {
        let mut header = rig.header(from, Kind::Ping);
        header.primary = Some(name(primary));
        let packet = encode::ping(&header, &[], &[]);
        rig.receive(from, &packet);
    }
    let c = rig.cluster.find(name('c').as_bytes()).unwrap();
    assert_eq!(rig.cluster.node(rig.cluster.root_of(c)).name, name('d'));
}

#[test]
fn packets_come_in_any_parts() {
    let packet = {
        let rig = Rig::new(&conf());
        encode::ping(
            &rig.header('a', Kind::Ping),
            &[gossip('x', Flags::PRIMARY)],
            &[],
        )
    };
    let stream: Vec<u8> = [&packet[..], &packet, &packet].concat();
    for size in [
        1,
        7,
        8,
        9,
        79,
        100,
        2255,
        2256,
        2257,
        packet.len() + 1,
        stream.len(),
    ] {
        let mut rig = Rig::new(&conf());
        for part in stream.chunks(size) {
            rig.receive('a', part);
        }
        assert_eq!(rig.cluster.stats().received[0], 3, "parts of {size}");
        assert_eq!(
            rig.sent_to('a')
                .iter()
                .filter(|kind| **kind == Kind::Pong)
                .count(),
            3
        );
        assert!(rig.cluster.find(name('x').as_bytes()).is_some());
    }
}

#[test]
fn a_link_with_bytes_that_make_no_sense_is_closed() {
    let rows: [&[u8]; 3] = [
        b"GET / HTTP/1.1\r\n",
        b"RCmb\0\0\0\x10",
        b"RCmb\0\0\x08\xcf",
    ];
    for bytes in rows {
        let mut rig = Rig::new(&conf());
        let link = rig.link('a');
        rig.receive('a', bytes);
        assert!(rig.actions.contains(&Action::Close { link }));
        assert!(rig.cluster.link(link).is_none());
        assert_eq!(
            rig.logged(),
            ["Bad message length or signature received on the Cluster bus from 10.0.0.97:40000"]
        );
    }
}

#[test]
fn a_stranger_cannot_have_memory_for_a_long_packet() {
    let mut rig = Rig::new(&conf());
    let long = encode::publish(&rig.header('z', Kind::Publish), b"c", &vec![0; 4 << 20]).unwrap();
    let link = rig.link('z');
    rig.receive('z', &long[..100]);
    assert!(rig.cluster.link(link).is_none());
    // A node that is known may publish as much with its first packet.
    let long = encode::publish(&rig.header('a', Kind::Publish), b"c", &vec![0; 4 << 20]).unwrap();
    for part in long.chunks(65_536) {
        rig.receive('a', part);
    }
    let got = rig.actions.iter().any(|action| match action {
        Action::Publish { message, .. } => message.len() == 4 << 20,
        _ => false,
    });
    assert!(got);
    assert!(rig.cluster.input_memory() < 100_000, "it is freed");
}

#[test]
fn damaged_packets_are_logged_and_dropped() {
    let mut rig = Rig::new(&conf());
    let mut packet = encode::ping(&rig.header('a', Kind::Ping), &[], &[]);
    packet[14] = 1;
    rig.receive('a', &packet);
    let len = packet.len();
    assert_eq!(
        rig.logged(),
        [format!(
            "Received invalid ping packet of length {len} but expected length {}",
            len + 256 * 104
        )]
    );
    assert_eq!(rig.cluster.stats().received[0], 1);
    // A version of the protocol that is unknown.
    let mut packet = encode::ping(&rig.header('a', Kind::Ping), &[], &[]);
    packet[9] = 2;
    rig.receive('a', &packet);
    assert_eq!(rig.actions, []);
    // A kind that is unknown, and one that is filtered.
    let mut header = rig.header('a', Kind::Ping);
    header.kind = 77;
    let unknown = encode::empty(&header);
    rig.receive('a', &unknown);
    assert_eq!(rig.logged(), ["Received unknown packet type: 77"]);
    rig.cluster.set_drop_filter(Some(0));
    let packet = encode::ping(&rig.header('a', Kind::Ping), &[], &[]);
    rig.receive('a', &packet);
    assert_eq!(
        rig.logged(),
        ["Dropping packet that matches debug drop filter"]
    );
}

#[test]
fn a_stranger_that_repeats_a_meet_is_met_once() {
    let mut rig = Rig::new(&conf());
    for _ in 0..3 {
        rig.ping('z', Kind::Meet, &[]);
    }
    assert_eq!(rig.cluster.node_count(), 7);
    assert_eq!(
        rig.actions
            .iter()
            .filter(|action| matches!(action, Action::Connect { .. }))
            .count(),
        0
    );
    rig.cron();
    let connects = rig.actions.iter().filter_map(|action| match action {
        Action::Connect { ip, port, .. } => Some((ip.clone(), *port)),
        _ => None,
    });
    assert_eq!(
        connects.collect::<Vec<_>>(),
        [("10.0.0.122".to_owned(), 17_000)]
    );
}

#[test]
fn the_text_of_cluster_info() {
    let mut rig = Rig::new(&conf());
    rig.fail('a');
    rig.pass(2001);
    rig.cron();
    let text = rig.cluster.info_text();
    let expected = "cluster_state:ok\r\ncluster_slots_assigned:300\r\ncluster_slots_ok:100\r\n\
                    cluster_slots_pfail:100\r\ncluster_slots_fail:100\r\ncluster_known_nodes:6\r\n\
                    cluster_size:3\r\ncluster_current_epoch:10\r\ncluster_my_epoch:1\r\n\
                    cluster_stats_messages_ping_sent:10\r\ncluster_stats_messages_sent:10\r\n\
                    cluster_stats_messages_fail_received:1\r\ncluster_stats_messages_received:1\r\n\
                    total_cluster_links_buffer_limit_exceeded:0\r\n";
    assert_eq!(text.replace("state:fail", "state:ok"), expected);
}

#[test]
fn random_packets_keep_the_tables_consistent() {
    let mut rng = Rng::new(99);
    for _ in 0..60 {
        let mut rig = Rig::new(&conf());
        for _ in 0..60 {
            let from = ['a', 'b', 'c', 'd', 'e', 'z', 'm'][rng.below(7) as usize];
            let packet = random_packet(&rig, from, &mut rng);
            rig.receive(from, &packet);
            rig.pass(rng.below(400) as i64);
            if rng.below(4) == 0 {
                rig.cron();
            }
            rig.inbound
                .retain(|(_, link)| rig.cluster.link(*link).is_some());
            rig.actions.clear();
        }
        // What it would save always loads, and keeps its name.
        let text = rig.cluster.encode();
        let again = Cluster::load(&text, Rng::new(1), settings(), rig.facts());
        let again =
            again.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&text)));
        assert_eq!(again.my_node().name, name('m'));
    }
}

fn random_packet(rig: &Rig, from: char, rng: &mut Rng) -> Vec<u8> {
    let letters = ['a', 'b', 'c', 'd', 'e', 'm', 'x', 'y', 'z'];
    let any = |rng: &mut Rng| name(letters[rng.below(9) as usize]);
    let kind = Kind::from_number(rng.below(11) as u16).unwrap();
    let mut header = rig.header(from, kind);
    if rng.below(3) == 0 {
        header.primary = Some(any(rng));
    }
    if rng.below(3) == 0 {
        header.slots = (rng.below(50) as u16 * 6..rng.below(60) as u16 * 6).collect();
    }
    header.config_epoch = rng.below(20);
    header.epoch = if rng.below(50) == 0 {
        u64::MAX
    } else {
        rng.below(20)
    };
    header.flags = Flags::from_bits_retain(rng.next_u64() as u16);
    header.force_ack = rng.below(2) == 0;
    header.paused = rng.below(2) == 0;
    header.offset = if rng.below(9) == 0 { i64::MIN } else { 7 };
    let target = any(rng);
    match kind {
        Kind::Ping | Kind::Pong | Kind::Meet => {
            let flags = Flags::from_bits_retain(rng.next_u64() as u16);
            let mut entry = gossip('x', flags);
            entry.name = target;
            entry.pong_received_s = rng.next_u64() as u32;
            let forgotten = Extension::Forgotten {
                name: any(rng),
                ttl_s: rng.next_u64() >> rng.below(64),
            };
            let shard = Extension::Shard(any(rng));
            let extensions = [shard, Extension::HumanName("human"), forgotten];
            encode::ping(&header, &[entry], &extensions[..rng.below(4) as usize])
        }
        Kind::Fail => encode::fail(&header, &target),
        Kind::Publish | Kind::PublishShard => encode::publish(&header, b"c", b"m").unwrap(),
        Kind::Update => {
            let epoch = if rng.below(20) == 0 {
                u64::MAX
            } else {
                rng.below(20)
            };
            let slots = (0..rng.below(400) as u16).collect();
            encode::update(&header, epoch, &target, &slots)
        }
        _ => encode::empty(&header),
    }
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
