//! Links and the bytes that come from them.

use cluster::action::Action;
use cluster::ids::LinkId;
use cluster::node::Flags;
use cluster::packet::{Kind, encode};

use crate::rig::{Rig, conf, gossip, name};

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
    let mut come = 0;
    for part in long.chunks(65_536) {
        // Small buffers double, large ones grow by an eighth.
        let growth = (come / 8).max(128 << 10);
        assert!(rig.cluster.input_memory() <= come + growth + 65_536);
        rig.receive('a', part);
        come += part.len();
    }
    let got = rig.actions.iter().any(|action| match action {
        Action::Publish { message, .. } => message.len() == 4 << 20,
        _ => false,
    });
    assert!(got);
    assert!(rig.cluster.input_memory() < 100_000, "it is freed");
}

#[test]
fn a_link_with_too_much_output_is_closed_and_counted() {
    let mut rig = Rig::new(&conf());
    rig.ping('a', Kind::Ping, &[]);
    let links: Vec<LinkId> = rig.cluster.links().map(|(link, _)| link).collect();
    assert_eq!(links.len(), 6, "one to each, one from a");
    let (to, from) = (rig.node('a').link.unwrap(), rig.node('a').inbound.unwrap());
    rig.logged();
    for (link, way) in [(to, "to"), (from, "from")] {
        rig.cluster.overflowed(link, 12_345, rig.facts());
        rig.settle();
        assert!(rig.actions.contains(&Action::Close { link }));
        assert_eq!(
            rig.logged(),
            [format!(
                "Freeing cluster link({way} node {}, used memory: 12345) due to exceeding send buffer memory limit.",
                name('a')
            )]
        );
    }
    assert_eq!(rig.cluster.stats().link_limit_exceeded, 2);
    rig.cron();
    assert!(rig.node('a').link.is_some(), "it connects again");
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
fn another_node_at_the_address_of_a_known_one_is_not_taken_for_it() {
    let mut rig = Rig::new(&conf());
    let link = rig.node('c').link.unwrap();
    let mut header = rig.header('z', Kind::Pong);
    header.config_epoch = 99;
    header.epoch = 99;
    header.offset = 1000;
    let packet = encode::ping(&header, &[], &[]);
    rig.cluster.received(link, &packet, rig.facts());
    rig.settle();
    let c = rig.node('c');
    assert!(c.is(Flags::NOADDR) && c.link.is_none() && c.ip.is_empty());
    assert_eq!((c.config_epoch, c.offset, c.data_received_ms), (0, 0, 0));
    assert_eq!(rig.cluster.current_epoch(), 10);
    assert!(rig.actions.contains(&Action::Close { link }));
    // It is not connected to any more, until it tells its address itself.
    rig.actions.clear();
    rig.cron();
    assert_eq!(rig.node('c').link, None);
    rig.ping('c', Kind::Ping, &[]);
    assert!(!rig.node('c').is(Flags::NOADDR));
    assert_eq!(&*rig.node('c').ip, "10.0.0.99");
    rig.cron();
    assert!(rig.node('c').link.is_some());
}
