//! A node, its links, and packets made by hand.

use std::sync::Arc;

use cluster::action::{Action, Facts, Level};
use cluster::ids::LinkId;
use cluster::membership;
use cluster::name::Name;
use cluster::node::Flags;
use cluster::packet::decode::decode;
use cluster::packet::extension::Extension;
use cluster::packet::gossip::Gossip;
use cluster::packet::header::Header;
use cluster::packet::{Kind, encode};
use cluster::settings::Settings;
use cluster::slots::Bitmap;
use cluster::state::Cluster;
use data::util::rand::Rng;

pub const START_MS: i64 = 1_700_000_000_000;
pub const TIMEOUT_MS: i64 = 1000;

pub fn name(letter: char) -> Name {
    Name::parse(letter.to_string().repeat(40).as_bytes()).unwrap()
}

/// nodes.conf of node `m`, a primary with slots 0-99, in epoch 10: primaries `a` (100-199, epoch 3), `b` (200-299, epoch 2),
/// replicas `c` of `a`, `d` of `b`, `e` of `m`.
pub fn conf() -> String {
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

pub fn settings() -> Settings {
    Settings {
        node_timeout_ms: TIMEOUT_MS,
        require_full_coverage: false,
        log_level: Level::Verbose,
        ..Settings::default()
    }
}

/// A node, and the links from and to the others by the letter of their name.
pub struct Rig {
    pub cluster: Cluster,
    pub now_ms: i64,
    pub offset: i64,
    pub inbound: Vec<(char, LinkId)>,
    pub actions: Vec<Action>,
}

impl Rig {
    pub fn new(conf: &str) -> Self {
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

    pub fn facts(&self) -> Facts {
        Facts {
            now_ms: self.now_ms,
            offset: self.offset,
            replicating: true,
            data_age_ms: 0,
        }
    }

    pub fn settle(&mut self) {
        self.cluster.before_sleep(self.facts());
        while let Some(action) = self.cluster.next_action() {
            self.actions.push(action);
        }
        membership::check(&self.cluster);
    }

    pub fn cron(&mut self) {
        self.cluster.cron(self.facts());
        self.settle();
    }

    /// Time passes, without cron.
    pub fn pass(&mut self, ms: i64) {
        self.now_ms += ms;
    }

    pub fn node(&self, letter: char) -> &cluster::node::Node {
        let ix = self.cluster.find(name(letter).as_bytes()).unwrap();
        self.cluster.node(ix)
    }

    /// The link from a node, which connects with the first packet.
    pub fn link(&mut self, from: char) -> LinkId {
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

    pub fn receive(&mut self, from: char, packet: &[u8]) {
        let link = self.link(from);
        self.cluster.received(link, packet, self.facts());
        self.settle();
    }

    /// A header from a node, as it is known, with its kind.
    pub fn header(&self, from: char, kind: Kind) -> Header<'static> {
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

    pub fn ping(&mut self, from: char, kind: Kind, gossip: &[Gossip<'_>]) {
        let packet = encode::ping(
            &self.header(from, kind),
            gossip,
            &[Extension::Shard(name(from))],
        );
        self.receive(from, &packet);
    }

    /// A node answers on the link to it.
    pub fn pong(&mut self, from: char) {
        let packet = encode::ping(&self.header(from, Kind::Pong), &[], &[]);
        let link = self.node(from).link.expect("there is a link");
        self.cluster.received(link, &packet, self.facts());
        self.settle();
    }

    /// Takes the kinds of packets that were sent to a node, on the link to it or from it.
    pub fn sent_to(&mut self, to: char) -> Vec<Kind> {
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
    pub fn logged(&mut self) -> Vec<String> {
        let actions = std::mem::take(&mut self.actions);
        let lines = actions.into_iter().filter_map(|action| match action {
            Action::Log { text, .. } => Some(text),
            _ => None,
        });
        lines.collect()
    }

    /// Marks a node as failed, as `b` tells.
    pub fn fail(&mut self, letter: char) {
        let packet = encode::fail(&self.header('b', Kind::Fail), &name(letter));
        self.receive('b', &packet);
        assert!(self.node(letter).has_failed());
    }

    pub fn ask(&mut self, from: char, change: impl FnOnce(&mut Header<'_>)) {
        let mut header = self.header(from, Kind::AuthRequest);
        header.epoch = 11;
        change(&mut header);
        let packet = encode::empty(&header);
        self.receive(from, &packet);
    }

    /// Why the latest request got no vote, or that it got one.
    pub fn verdict(&mut self, from: char) -> String {
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

/// nodes.conf of the replica `m` of `a`.
pub fn replica_conf() -> String {
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

pub fn kinds_sent(rig: &Rig) -> Vec<Kind> {
    let packets = rig.actions.iter().filter_map(|action| match action {
        Action::Send { packet, .. } => Some(decode(packet).unwrap().header.kind),
        _ => None,
    });
    packets
        .map(|kind| Kind::from_number(kind).unwrap())
        .collect()
}

pub fn gossip(about: char, flags: Flags) -> Gossip<'static> {
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
