//! Forged and damaged packets, and random ones.

use cluster::action::Action;
use cluster::cron::{MAX_CONNECTING, MAX_CONNECTS};
use cluster::ids::LinkId;
use cluster::membership::{MAX_HANDSHAKES, MAX_STRANGERS};
use cluster::name::Name;
use cluster::node::Flags;
use cluster::packet::extension::Extension;
use cluster::packet::gossip::Gossip;
use cluster::packet::{Kind, encode};
use cluster::slots::SlotSet;
use cluster::state::Cluster;
use data::util::rand::Rng;

use crate::rig::{Rig, TIMEOUT_MS, conf, gossip, name, settings};

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

/// Names of nodes that nobody has heard of.
fn strange_name(number: usize) -> Name {
    Name::parse(format!("{number:040}").as_bytes()).unwrap()
}

/// The links that are to be connected, of actions that are taken away.
fn taken_connects(rig: &mut Rig) -> Vec<LinkId> {
    let taken = std::mem::take(&mut rig.actions).into_iter();
    let connects = taken.filter_map(|action| match action {
        Action::Connect { link, .. } => Some(link),
        _ => None,
    });
    connects.collect()
}

/// Whether an action is a packet to a node that only gossip has told of.
fn is_for_stranger(rig: &Rig, action: &Action) -> bool {
    let Action::Send { link, .. } = action else {
        return false;
    };
    let link = rig.cluster.link(*link).unwrap();
    let name = link.node.map(|ix| rig.cluster.node(ix).name);
    name.is_some_and(|name| name.as_str().starts_with("00"))
}

#[test]
fn nodes_that_do_not_exist_are_connected_to_in_turn_and_a_few_at_a_time() {
    const COUNT: usize = 3000;
    let mut rig = Rig::new(&conf());
    let gossip_of = |number: usize| {
        let mut entry = gossip('x', Flags::PRIMARY);
        entry.name = strange_name(number);
        entry
    };
    let entries: Vec<Gossip<'_>> = (0..COUNT).map(gossip_of).collect();
    rig.ping('a', Kind::Ping, &entries);
    assert_eq!(rig.cluster.node_count(), COUNT + 6);
    // Each is refused at once: all are tried before the first is tried again.
    let mut tried = std::collections::HashSet::new();
    for _ in 0..COUNT.div_ceil(MAX_CONNECTS) {
        rig.cron();
        // Nothing is made for a link that may never be connected: a PING carries the gossip of a tenth of all nodes.
        assert!(
            !rig.actions
                .iter()
                .any(|action| is_for_stranger(&rig, action))
        );
        let links = taken_connects(&mut rig);
        assert!(links.len() <= MAX_CONNECTS, "{}", links.len());
        for link in links {
            tried.insert(rig.cluster.link(link).unwrap().node);
            rig.cluster.failed(link, "refused", rig.facts());
        }
    }
    assert_eq!(tried.len(), COUNT);
    // None of them answers.
    let mut pending = 0;
    for _ in 0..20 {
        rig.cron();
        pending += taken_connects(&mut rig).len();
    }
    assert_eq!(pending, MAX_CONNECTING);
}

#[test]
fn a_flood_of_meets_does_not_fill_the_table() {
    let mut rig = Rig::new(&conf());
    for port in 1..=MAX_HANDSHAKES as u16 + 500 {
        let mut header = rig.header('z', Kind::Meet);
        header.bus_port = port;
        let link = rig.link('z');
        let packet = encode::ping(&header, &[], &[]);
        rig.cluster.received(link, &packet, rig.facts());
    }
    rig.settle();
    assert_eq!(rig.cluster.node_count(), MAX_HANDSHAKES + 6);
    // They are given up together.
    rig.pass(TIMEOUT_MS + 1000);
    rig.cron();
    assert_eq!(rig.cluster.node_count(), 6);
}

#[test]
fn of_too_many_strangers_the_one_that_connected_first_is_closed() {
    let mut rig = Rig::new(&conf());
    rig.ping('a', Kind::Ping, &[]);
    let member = rig.link('a');
    let facts = rig.facts();
    let links: Vec<LinkId> = (0..MAX_STRANGERS + 2)
        .map(|_| rig.cluster.accepted("127.0.0.9", 9, "127.0.0.1", facts))
        .collect();
    rig.settle();
    let is_open = |link: &LinkId| rig.cluster.link(*link).is_some();
    assert!(is_open(&member));
    assert!(!links[..2].iter().any(is_open));
    assert!(links[2..].iter().all(is_open));
    let closed = rig.actions.iter().filter_map(|action| match action {
        Action::Close { link } => Some(*link),
        _ => None,
    });
    assert_eq!(closed.collect::<Vec<_>>(), links[..2]);
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
fn packets_of_redis_with_changed_bytes_keep_the_tables_consistent() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
    let mut files: Vec<_> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let is_packet = |path: &std::path::PathBuf| path.extension().is_some_and(|ext| ext == "bin");
    let packets: Vec<Vec<u8>> = files
        .iter()
        .filter(|path| is_packet(path))
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let conf = std::fs::read_to_string(folder.join("nodes-0.conf")).unwrap();
    let mut rng = Rng::new(123);
    for _ in 0..30 {
        let mut rig = Rig::new(&conf);
        let mut links = Vec::new();
        for round in 0..100 {
            let mut packet = packets[rng.below(packets.len() as u64) as usize].clone();
            for _ in 0..rng.below(4) {
                // Not the signature and length, or nothing else would be looked at.
                let at = 8 + rng.below(packet.len() as u64 - 8) as usize;
                packet[at] = match rng.below(3) {
                    0 => 0,
                    1 => 0xff,
                    _ => rng.below(256) as u8,
                };
            }
            if links.is_empty() || rng.below(10) == 0 {
                let facts = rig.facts();
                links.push(rig.cluster.accepted("127.0.0.1", 1, "127.0.0.1", facts));
            }
            let link = links[rng.below(links.len() as u64) as usize];
            let cut = rng.below(packet.len() as u64) as usize;
            let facts = rig.facts();
            rig.cluster.received(link, &packet[..cut], facts);
            rig.cluster.received(link, &packet[cut..], facts);
            if round % 7 == 0 {
                rig.pass(300);
                rig.cron();
            }
            rig.settle();
            rig.actions.clear();
        }
        let text = rig.cluster.encode();
        let again = Cluster::load(&text, Rng::new(1), settings(), rig.facts());
        again.unwrap_or_else(|error| panic!("{error}\n{}", String::from_utf8_lossy(&text)));
    }
}
