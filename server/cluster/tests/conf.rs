//! nodes.conf: files that Redis 7.2.6 wrote, older ones, ones that were cut or edited.

#![allow(clippy::unwrap_used)]

use cluster::action::{Action, Facts};
use cluster::node::Flags;
use cluster::settings::Settings;
use cluster::state::Cluster;
use data::util::rand::Rng;

const NOW_MS: i64 = 1_795_964_700_000;

fn facts() -> Facts {
    Facts {
        now_ms: NOW_MS,
        ..Facts::default()
    }
}

/// Settings of the node whose file it is: what it announces must be what the file says.
fn settings(number: u16) -> Settings {
    let hostname = match number % 2 {
        0 => format!("host-{number}.example.com"),
        _ => String::new(),
    };
    Settings {
        tcp_port: 30_100 + number,
        bus_port: 31_100 + number,
        announce_bus_port: 32_100 + number,
        announce_hostname: hostname,
        announce_human_name: format!("node-{number}"),
        ..Settings::default()
    }
}

fn load(text: &[u8], settings: Settings) -> Result<Cluster, String> {
    let cluster = Cluster::load(text, Rng::new(1), settings, facts());
    cluster
        .inspect(cluster::membership::check)
        .map_err(|error| error.to_string())
}

/// Lines in alphabetical order, without times and the state of links: those are not loaded.
fn comparable(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8(text.to_vec()).unwrap();
    assert!(text.ends_with('\n'));
    let line = |line: &str| {
        let mut words: Vec<&str> = line.split(' ').collect();
        if words[0] != "vars" {
            words[4] = if words[4] == "0" { "0" } else { "some" };
            words[5] = if words[5] == "0" { "0" } else { "some" };
            words[7] = "link";
        }
        words.join(" ")
    };
    let mut lines: Vec<String> = text.lines().map(line).collect();
    lines.sort();
    lines
}

const FILES: [(u16, &[u8]); 4] = [
    (0, include_bytes!("real/nodes-0.conf")),
    (1, include_bytes!("real/nodes-1.conf")),
    (3, include_bytes!("real/nodes-3.conf")),
    (0, include_bytes!("real/nodes-fail.conf")),
];

#[test]
fn files_of_redis_are_written_as_they_were_read() {
    for (number, text) in FILES {
        let cluster = load(text, settings(number)).unwrap();
        assert_eq!(comparable(&cluster.encode()), comparable(text));
        let again = load(&cluster.encode(), settings(number)).unwrap();
        assert_eq!(comparable(&again.encode()), comparable(text));
    }
}

#[test]
fn a_new_node_saves_a_file_that_loads() {
    let mut cluster = Cluster::new(Rng::new(5), settings(2), facts());
    assert_eq!(cluster.next_action(), Some(Action::Save { fsync: true }));
    let name = cluster.my_node().name;
    let shard = cluster.my_node().shard;
    let text = cluster.encode();
    assert_eq!(
        String::from_utf8_lossy(&text),
        format!(
            "{name} :30102@32102,host-2.example.com,tls-port=0,nodename=node-2,shard-id={shard} myself,master - 0 0 0 connected\n\
             vars currentEpoch 0 lastVoteEpoch 0\n"
        )
    );
    let again = load(&text, settings(2)).unwrap();
    assert_eq!(again.encode(), text);
    assert_eq!(again.my_node().name, name);
}

#[test]
fn every_cut_of_a_file_loads_or_is_an_error() {
    for (number, text) in FILES {
        let mut loaded = 0;
        for len in 0..text.len() {
            match load(&text[..len], settings(number)) {
                Ok(cluster) => loaded += cluster.node_count(),
                Err(error) => assert!(!error.is_empty()),
            }
        }
        assert!(loaded > 0);
    }
}

#[test]
fn files_with_changed_bytes_load_or_are_an_error() {
    let mut rng = Rng::new(11);
    let alphabet = b" \n,:@=-0123456789abcdef[]<>?\"'\\x\0\xff";
    for round in 0..3000 {
        let (number, text) = FILES[round % FILES.len()];
        let mut text = text.to_vec();
        for _ in 0..=rng.below(3) {
            let at = rng.below(text.len() as u64) as usize;
            let byte = alphabet[rng.below(alphabet.len() as u64) as usize];
            match rng.below(3) {
                0 => text[at] = byte,
                1 => text.insert(at, byte),
                _ => _ = text.remove(at),
            }
        }
        if let Ok(cluster) = load(&text, settings(number)) {
            // What it writes can always be read.
            let again = load(&cluster.encode(), settings(number));
            assert!(again.is_ok(), "{again:?} {}", text.escape_ascii());
        }
    }
}

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

#[test]
fn wrong_lines_are_told() {
    let me = format!("{A} 127.0.0.1:1@2,,shard-id={A} myself,master - 0 0 1 connected");
    let rows: &[(String, &str)] = &[
        (String::new(), "no node is marked as myself"),
        (
            "vars currentEpoch".into(),
            "line 1: a variable has no value",
        ),
        (
            "vars currentEpoch x".into(),
            "line 1: an epoch is not a number",
        ),
        (
            format!("{A} a:1 master - 0 0"),
            "line 1: a node has fewer than eight fields",
        ),
        (
            me.replacen('a', "A", 1),
            "line 1: the name of a node is invalid",
        ),
        (
            me.replace("127.0.0.1:1@2", "127"),
            "line 1: an address has no port",
        ),
        (me.replace(":1@", ":70000@"), "line 1: a port is invalid"),
        (me.replace(":1@2", ":1@-2"), "line 1: a port is invalid"),
        (
            me.replace("shard-id=a", "shard-id=A"),
            "line 1: the name of a shard is invalid",
        ),
        (
            me.replace("shard-id", "shard"),
            "line 1: a field of an address is unknown",
        ),
        (
            me.replace("shard-id=", "shard-id"),
            "line 1: a field of an address has no value",
        ),
        (me.replace("master", "leader"), "line 1: a flag is unknown"),
        (
            me.replace("master", "master,slave"),
            "line 1: a node is both master and slave",
        ),
        (
            me.replace(" - ", " x "),
            "line 1: the name of a primary is invalid",
        ),
        (
            me.replace(" - ", &format!(" {A} ")),
            "line 1: a node is its own master",
        ),
        (
            format!("{} 5", me.replace("master -", &format!("slave {B}"))),
            "line 1: this node is a replica and has slots",
        ),
        (
            me.replace(" 0 0 1", " 0 now 1"),
            "line 1: a time is not a number",
        ),
        (
            me.replace(" 0 0 1", " 0 0 -1"),
            "line 1: an epoch is not a number",
        ),
        (format!("{me} 16384"), "line 1: a slot is invalid"),
        (format!("{me} 1-"), "line 1: a slot is invalid"),
        (
            format!("{me} 9-8"),
            "line 1: a range of slots ends before it begins",
        ),
        (
            format!("{me} [5->{B}]"),
            "line 1: the move of a slot is invalid",
        ),
        (
            format!("{me} [5->-{B}"),
            "line 1: the move of a slot is invalid",
        ),
        (format!("{me} [5"), "line 1: the move of a slot is invalid"),
        (format!("{me} \"5"), "line 1: unbalanced quotes"),
        (
            format!("{me}\n{}", me.replace(A, B)),
            "two nodes are marked as myself",
        ),
    ];
    for (text, error) in rows {
        assert_eq!(
            load(text.as_bytes(), settings(1)).unwrap_err(),
            *error,
            "{text}"
        );
    }
}

#[test]
fn files_of_older_versions_load() {
    let text = format!(
        "{A} 127.0.0.1:7000 myself,slave {B} 0 0 1 connected\n\n{B} 10.0.0.1:7001@17005,host master - 1 1 3 connected 0-9\n"
    );
    let cluster = load(text.as_bytes(), settings(1)).unwrap();
    let (me, primary) = (cluster.my_node(), cluster.find(B.as_bytes()).unwrap());
    assert_eq!(me.primary, Some(primary));
    let primary = cluster.node(primary);
    assert_eq!(
        me.shard, primary.shard,
        "a replica shares the shard of its primary"
    );
    assert_eq!((primary.tcp_port, primary.bus_port), (7001, 17_005));
    assert_eq!((&*primary.hostname, primary.slot_count()), ("host", 10));
    assert_eq!(
        (primary.ping_sent_ms, primary.pong_received_ms),
        (NOW_MS, NOW_MS)
    );
    assert_eq!(cluster.current_epoch(), 3, "the highest epoch of a node");
    let tls = Settings {
        tls_cluster: true,
        ..settings(1)
    };
    let cluster = load(text.replace("@17005", "").as_bytes(), tls).unwrap();
    let primary = cluster.node(cluster.find(B.as_bytes()).unwrap());
    assert_eq!(
        (primary.tcp_port, primary.tls_port, primary.bus_port),
        (0, 7001, 17_001)
    );
}

#[test]
fn a_replica_takes_the_shard_of_its_primary() {
    let text = format!(
        "{A} :1@2,,shard-id={A} myself,master - 0 0 1 connected\n{B} :1@2,,shard-id={B} slave {A} 0 0 1 connected\n"
    );
    let cluster = load(text.as_bytes(), settings(1)).unwrap();
    let replica = cluster.find(B.as_bytes()).unwrap();
    assert_eq!(cluster.node(replica).shard, cluster.my_node().shard);
}

#[test]
fn unknown_variables_are_logged_and_skipped() {
    let text = format!(
        "vars x 1 currentEpoch 7 LASTVOTEEPOCH 6\n{A} :1@2 myself,master - 0 0 1 connected\n"
    );
    let mut cluster = load(text.as_bytes(), settings(1)).unwrap();
    assert_eq!(cluster.current_epoch(), 7);
    let logged: Vec<String> = std::iter::from_fn(|| cluster.next_action())
        .filter_map(|action| match action {
            Action::Log { text, .. } => Some(text),
            _ => None,
        })
        .collect();
    assert_eq!(logged[0], "Skipping unknown cluster config variable 'x'");
    assert_eq!(logged[1], format!("Node configuration loaded, I'm {A}"));
    assert!(
        String::from_utf8_lossy(&cluster.encode())
            .ends_with("vars currentEpoch 7 lastVoteEpoch 6\n")
    );
}

#[test]
fn moves_are_kept_and_flags_loaded() {
    let text = format!(
        "{A} :1@2 myself,master - 0 0 1 connected 1 [1->-{B}] [2-<-{B}]\n{B} 1.2.3.4:1@2 master,fail?,noaddr,nofailover - 0 0 1 connected\n"
    );
    let cluster = load(text.as_bytes(), settings(1)).unwrap();
    let other = cluster.find(B.as_bytes());
    assert_eq!((cluster.migrating(1), cluster.importing(2)), (other, other));
    assert_eq!(
        cluster.node(other.unwrap()).flags,
        Flags::PRIMARY | Flags::PFAIL | Flags::NOADDR | Flags::NOFAILOVER
    );
}
