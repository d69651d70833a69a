//! What a node tells of itself, and texts.

use std::sync::Arc;

use cluster::action::{Action, Facts};
use cluster::node::Flags;
use cluster::packet::decode::{Body, decode};
use cluster::packet::extension::Extension;
use cluster::packet::header::Header;
use cluster::packet::{Kind, encode};
use cluster::settings::Settings;
use cluster::state::Cluster;
use data::util::rand::Rng;

use crate::rig::{Rig, START_MS, conf, name, settings};

#[test]
fn ports_are_told_by_transport() {
    let conf = format!(
        "{} 10.0.0.1:7000@17100,,tls-port=7100,shard-id={} myself,master - 0 0 1 connected\n\
         {} 10.0.0.97:7000@17100,host.example.com,tls-port=7100,shard-id={} master - 0 0 2 connected 5\n",
        name('m'),
        name('m'),
        name('a'),
        name('a')
    );
    let tls = Settings {
        tcp_port: 7000,
        tls_port: 7100,
        bus_port: 17_100,
        tls_cluster: true,
        tls_replication: true,
        ..settings()
    };
    let facts = Facts {
        now_ms: START_MS,
        ..Facts::default()
    };
    let mut cluster = Cluster::load(conf.as_bytes(), Rng::new(1), tls, facts).unwrap();
    assert_eq!(
        String::from_utf8(cluster.encode()).unwrap().lines().next(),
        conf.lines().next()
    );
    let a = cluster.find(name('a').as_bytes()).unwrap();
    let start = |text: String| text.split(' ').nth(1).unwrap().to_owned();
    assert_eq!(
        start(cluster.node_text(a, false)),
        "10.0.0.97:7000@17100,host.example.com"
    );
    assert_eq!(
        start(cluster.node_text(a, true)),
        "10.0.0.97:7100@17100,host.example.com"
    );
    cluster.cron(facts);
    let next =
        |cluster: &mut Cluster| std::iter::from_fn(|| cluster.next_action()).collect::<Vec<_>>();
    let link = next(&mut cluster)
        .into_iter()
        .find_map(|action| match action {
            Action::Connect {
                link,
                ip,
                port,
                hostname,
            } => {
                assert_eq!((ip.as_str(), port), ("10.0.0.97", 17_100));
                assert_eq!(hostname, "host.example.com");
                Some(link)
            }
            _ => None,
        });
    cluster.connected(link.unwrap(), "10.0.0.1", facts);
    let packet = next(&mut cluster)
        .into_iter()
        .find_map(|action| match action {
            Action::Send { packet, .. } => Some(packet),
            _ => None,
        });
    let packet = packet.unwrap();
    let header = decode(&packet).unwrap().header;
    assert_eq!(
        (header.port, header.other_port, header.bus_port),
        (7100, 7000, 17_100)
    );
    // Its primary moves to other ports, and replication follows.
    cluster::admin::replicate(&mut cluster, facts, name('a').as_bytes(), 0).unwrap();
    let follows = |port| Action::Replicate {
        ip: "10.0.0.97".to_owned(),
        port,
    };
    assert!(next(&mut cluster).contains(&follows(7100)));
    let inbound = cluster.accepted("10.0.0.97", 1, "10.0.0.1", facts);
    let moved = Header {
        kind: Kind::Ping.number(),
        port: 8100,
        other_port: 8000,
        sender: name('a'),
        primary: None,
        slots: [5].into_iter().collect(),
        config_epoch: 2,
        ..header
    };
    let packet = encode::ping(&moved, &[], &[Extension::Shard(name('a'))]);
    cluster.received(inbound, &packet, facts);
    assert_eq!(start(cluster.node_text(a, true)), "10.0.0.97:8100@17100");
    assert_eq!(start(cluster.node_text(a, false)), "10.0.0.97:8000@17100");
    assert_eq!(&*cluster.node(a).hostname, "", "it announces none any more");
    assert!(next(&mut cluster).contains(&follows(8100)));
}

#[test]
fn what_is_announced_follows_the_configuration() {
    let mut rig = Rig::new(&conf());
    let base = settings();
    type Step<'a> = (&'a dyn Fn(&mut Settings), &'static str);
    let steps: [Step<'_>; 4] = [
        (
            &|settings| settings.announce_ip = "10.9.9.9".to_owned(),
            "10.9.9.9:6379@16379 myself,master",
        ),
        (
            &|settings| settings.announce_tcp_port = 7,
            "10.9.9.9:7@16379 myself,master",
        ),
        (
            &|settings| settings.announce_hostname = "h.io".to_owned(),
            "10.9.9.9:7@16379,h.io myself,master",
        ),
        (
            &|settings| settings.no_failover = true,
            "10.9.9.9:7@16379,h.io myself,master,nofailover",
        ),
    ];
    let mut settings = base;
    for (change, expected) in steps {
        change(&mut settings);
        rig.cluster.configure(settings.clone(), rig.facts());
        let text = rig.cluster.node_text(rig.cluster.myself(), false);
        assert!(text.contains(expected), "{text}");
    }
    rig.actions.clear();
    rig.settle();
    assert!(rig.actions.contains(&Action::Save { fsync: false }));
    // Others are told.
    rig.ping('a', Kind::Ping, &[]);
    let packet = rig.actions.iter().find_map(|action| match action {
        Action::Send { packet, .. } => Some(Arc::clone(packet)),
        _ => None,
    });
    let packet = packet.unwrap();
    let packet = decode(&packet).unwrap();
    assert_eq!((packet.header.ip, packet.header.port), ("10.9.9.9", 7));
    assert!(packet.header.flags.contains(Flags::NOFAILOVER));
    let Body::Ping { extensions, .. } = packet.body else {
        panic!("a PONG");
    };
    assert!(extensions.contains(&Extension::Hostname("h.io")));
    // Unset, the address is found out from the next connection.
    settings.announce_ip = String::new();
    rig.cluster.configure(settings, rig.facts());
    rig.ping('a', Kind::Ping, &[]);
    assert_eq!(&*rig.cluster.my_node().ip, "10.0.0.109");
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
                    cluster_stats_messages_ping_sent:5\r\ncluster_stats_messages_sent:5\r\n\
                    cluster_stats_messages_fail_received:1\r\ncluster_stats_messages_received:1\r\n\
                    total_cluster_links_buffer_limit_exceeded:0\r\n";
    assert_eq!(text.replace("state:fail", "state:ok"), expected);
}
