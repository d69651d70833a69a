//! Replication with real Redis servers, over TCP and TLS, disk-based and diskless: in the end both data sets have the
//! same DEBUG DIGEST, and both servers propagate the same requests.
//!
//! Debian's server (7.0.15) can only be our primary, since it cannot load RDB version 11. If `REAL_REDIS` names a
//! `redis-server` of 7.2 with TLS, that one is primary and replica of ours, and takes both roles beside ours in a
//! chain:
//!
//! ```text
//! REAL_REDIS=/path/to/redis-server cargo test -p tests --profile fast --test suite replication_peers
//! ```

use std::time::{SystemTime, UNIX_EPOCH};

use conn::resp::Value;
use tests::client::{Client, Transport, show};
use tests::mock_replica::MockReplica;
use tests::pair::{self, follow, wait_for_link, wait_for_offset};
use tests::peer::{Peer, program, real_redis};
use tests::proxy::Proxy;
use tests::server::Server;
use tests::wait::until;

use crate::differential::{FAMILIES, Family, Source, readable, setting};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
/// Commands of each family before, during and after a synchronization.
const SHARE: u64 = 200;
/// Commands of each family whose propagation is compared.
const COMPARED: u64 = 4000;
const BATCH: u64 = 50;

/// What the families leave out since its effect depends on chance, the clock or blocking, and which is propagated in a
/// rewritten form.
pub(crate) const CHANCE: &[&str] = &[
    // A database that no family uses.
    "SELECT 9",
    "SET brief 1 PX 20",
    "GET brief",
    "SELECT 0",
    "SADD crowd a b c d e f g h i j k l m",
    "SPOP crowd",
    "SPOP crowd 3",
    "INCRBYFLOAT float 0.1",
    "HINCRBYFLOAT floats f 1.5",
    "SET long 1 EX 1000",
    "GETEX long PX 100000",
    "GETEX long PERSIST",
    "XADD log MAXLEN ~ 50 * f v",
    "XGROUP CREATE log all $ MKSTREAM",
    "XREADGROUP GROUP all me COUNT 2 STREAMS log >",
    "XAUTOCLAIM log all you 0 0 COUNT 3",
    "RPUSH queue a b c d",
    "BLPOP queue 1",
    "BLMOVE queue other LEFT RIGHT 1",
    "BLMPOP 1 2 queue other LEFT COUNT 2",
    "ZADD ranks 1 a 2 b 3 c",
    "BZPOPMIN ranks 1",
    "BZMPOP 1 1 ranks MAX COUNT 2",
    "EXPIRE other 1000",
    "RESTORE restored 1000 \u{0} REPLACE",
    "MULTI",
    "INCR counter",
    "SPOP crowd",
    "SELECT 3",
    "INCR counter",
    "EXEC",
    "SELECT 0",
    "PFADD visits a b c",
    "PFCOUNT visits",
    "SORT queue ALPHA STORE sorted",
];

/// Adds one key of every type and encoding beyond the small ones that the families make.
fn fill(client: &mut Client) {
    let numbers = |from: u64, to: u64| (from..to).map(|n| n.to_string()).collect::<Vec<_>>();
    let pairs = |to| {
        numbers(0, to)
            .iter()
            .map(|n| format!("{n} {n}"))
            .collect::<Vec<_>>()
    };
    let mut fill = |name: &str, words: Vec<String>| {
        let reply = client.text(&format!("{name} {}", words.join(" ")));
        assert!(!reply.starts_with('-'), "{name}: {reply}");
    };
    fill("SET type:int", vec!["1234567".into()]);
    fill("SET type:embstr", vec!["abc".into()]);
    fill("SET type:raw", vec!["compressible ".trim().repeat(3000)]);
    fill("RPUSH type:list:listpack", numbers(0, 5));
    fill("RPUSH type:list:quicklist", numbers(0, 3000));
    fill(
        "RPUSH type:list:plain",
        vec!["x".repeat(20_000), "y".into()],
    );
    fill("SADD type:set:intset:16", numbers(0, 10));
    fill("SADD type:set:intset:32", numbers(100_000, 100_010));
    fill("SADD type:set:intset:64", numbers(1 << 40, (1 << 40) + 10));
    fill("SADD type:set:listpack", vec!["a b c 1".into()]);
    fill("SADD type:set:hashtable", numbers(0, 2000));
    fill("HSET type:hash:listpack", pairs(5));
    fill("HSET type:hash:hashtable", pairs(2000));
    fill("ZADD type:zset:listpack", pairs(5));
    fill("ZADD type:zset:skiplist", pairs(2000));
    fill("PFADD type:hll:sparse", numbers(0, 10));
    fill("PFADD type:hll:dense", numbers(0, 5000));
    for n in 1..300 {
        fill(&format!("XADD type:stream {n}-1"), pairs(3));
    }
    fill("XGROUP CREATE type:stream readers", vec!["0".into()]);
    fill(
        "XREADGROUP GROUP readers me COUNT 20 STREAMS type:stream",
        vec![">".into()],
    );
    fill("PEXPIREAT type:int", vec!["9999999999999".into()]);
}

/// Generates writes of every family for a primary.
struct Writes(Vec<Source>);

impl Writes {
    fn new(seed: u64) -> Self {
        // Lexicographic ranges are undefined for unequal scores: the result depends on how the set was built.
        let families = FAMILIES
            .iter()
            .filter(|family| family.name != "zsets by name");
        Writes(families.map(|family| Source::new(family, seed)).collect())
    }

    /// Sends `share` commands of each family, in turns, and those that no family has.
    fn send(&mut self, client: &mut Client, share: u64) {
        for _ in 0..share.div_ceil(BATCH) {
            for source in &mut self.0 {
                let commands: Vec<_> = (0..BATCH).map(|_| source.command().0).collect();
                send(client, &commands);
            }
            let chance = CHANCE.iter().map(|line| words(line)).collect::<Vec<_>>();
            send(client, &chance);
        }
        // This key would expire while both data sets are compared.
        for line in ["SELECT 9", "DEL brief", "SELECT 0"] {
            client.text(line);
        }
    }
}

pub(crate) fn words(line: &str) -> Vec<Vec<u8>> {
    line.split(' ')
        .map(|word| word.as_bytes().to_vec())
        .collect()
}

/// Sends commands as one batch, except those that are excluded.
pub(crate) fn send(client: &mut Client, commands: &[Vec<Vec<u8>>]) {
    // FLUSHALL would keep the data set small. A BITFIELD that fails may still have extended its string, which neither
    // Redis nor this server propagates.
    let is_left_out = |words: &[Vec<u8>]| {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        is(&words[0], "FLUSHALL") || words.iter().any(|word| is(word, "FAIL"))
    };
    let commands: Vec<_> = commands
        .iter()
        .filter(|words| !is_left_out(words))
        .collect();
    for words in &commands {
        client.raw().write(words).expect("it is connected");
    }
    for _ in commands {
        client.read();
    }
}

/// A server of this workspace or a real one.
enum Node {
    Ours(Server),
    Real(Peer),
}

impl Node {
    fn ours(transport: Transport, args: &[&str]) -> (Node, Client) {
        let (server, client) = pair::start(transport, args);
        (Node::Ours(server), client)
    }

    fn real(transport: Transport, args: &[&str]) -> Option<(Node, Client)> {
        let peer = Peer::start_program(&real_redis()?, &options(transport, args));
        let client = peer.connect();
        Some((Node::Real(peer), client))
    }

    fn port(&self, transport: Transport) -> u16 {
        match (self, transport) {
            (Node::Ours(server), _) => pair::port(server, transport),
            (Node::Real(peer), Transport::Tls) => peer.tls_port,
            (Node::Real(peer), _) => peer.port,
        }
    }
}

/// The options that `pair::start` passes to our servers.
fn options<'a>(transport: Transport, args: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec![
        "--repl-diskless-sync-delay",
        "0",
        "--repl-ping-replica-period",
        "3600",
    ];
    if transport == Transport::Tls {
        all.extend(["--tls-replication", "yes"]);
    }
    all.extend(args);
    all
}

/// Waits until a replica has caught up with its primary, and compares both.
fn wait_for_sync(context: &str, primary: &mut Client, replica: &mut Client) {
    wait_for_offset(primary, replica);
    let digest = primary.text("DEBUG DIGEST");
    if replica.text("DEBUG DIGEST") != digest {
        panic!("{context}: {}", differences(primary, replica).join("\n"));
    }
}

/// The keys that differ.
fn differences(primary: &mut Client, replica: &mut Client) -> Vec<String> {
    let mut found = Vec::new();
    for db in 0..16 {
        let mut keys = Vec::new();
        for client in [&mut *primary, &mut *replica] {
            client.text(&format!("SELECT {db}"));
            let Value::Array(names) = client.cmd("KEYS *") else {
                panic!("KEYS failed");
            };
            keys.extend(
                names
                    .iter()
                    .filter_map(|name| name.text().map(<[u8]>::to_vec)),
            );
        }
        keys.sort();
        keys.dedup();
        for key in keys {
            let mut ask = |words: &[&[u8]]| {
                let words: Vec<&[u8]> = words.iter().copied().chain([key.as_slice()]).collect();
                [show(&primary.call(&words)), show(&replica.call(&words))]
            };
            let [here, there] = ask(&[b"DEBUG", b"DIGEST-VALUE"]);
            if here != there {
                let shown = key.escape_ascii();
                let (types, times) = (ask(&[b"TYPE"]), ask(&[b"PEXPIRETIME"]));
                found.push(format!("{db} {shown}: {types:?} {times:?}"));
            }
        }
    }
    found
}

/// A full synchronization with writes before, during and after it, and a link that is cut twice; the link lasts as
/// long as the returned proxy.
fn replicate_with_cuts(
    context: &str,
    primary: &mut Client,
    replica: &mut Client,
    port: u16,
) -> Proxy {
    let proxy = Proxy::new(port);
    let mut writes = Writes::new(setting("DIFFERENTIAL_SEED", 1));
    fill(primary);
    writes.send(primary, SHARE);
    follow(replica, proxy.port);
    until(context, || {
        writes.send(primary, BATCH);
        (replica.info("master_link_status") == "up").then_some(())
    });
    writes.send(primary, SHARE);
    wait_for_sync(context, primary, replica);
    for _ in 0..2 {
        proxy.cut();
        writes.send(primary, SHARE);
        wait_for_sync(context, primary, replica);
    }
    let resumed: u64 = primary.info("sync_partial_ok").parse().expect("a number");
    assert!(resumed >= 2, "{context}: resumed {resumed} times");
    proxy
}

/// Promotes the replica; the old primary continues from it by a partial resynchronization.
fn switch_roles(context: &str, primary: &mut Client, replica: &mut Client, port: u16) {
    let mut writes = Writes::new(7);
    let given = replica.info("sync_full");
    assert_eq!(replica.text("REPLICAOF NO ONE"), "OK");
    writes.send(replica, BATCH);
    follow(primary, port);
    wait_for_sync(context, replica, primary);
    writes.send(replica, SHARE);
    wait_for_sync(context, replica, primary);
    assert_eq!(
        replica.info("sync_full"),
        given,
        "{context}: the old primary must resume"
    );
}

/// The kinds of transfer: `repl-diskless-sync` of the primary and `repl-diskless-load` of the replica.
const WAYS: [(&str, &str); 3] = [("no", "disabled"), ("yes", "disabled"), ("yes", "swapdb")];

#[test]
fn debians_server_as_primary() {
    for transport in BOTH {
        for (diskless, load) in WAYS {
            let context = format!("Debian's, {transport:?}, diskless {diskless}, load {load}");
            let args = [
                "--repl-diskless-sync",
                diskless,
                "--repl-backlog-size",
                "64mb",
            ];
            let peer = Peer::start_program(&program("redis-server"), &options(transport, &args));
            let (_server, mut replica) = Node::ours(transport, &["--repl-diskless-load", load]);
            let port = Node::Real(peer);
            let Node::Real(peer) = &port else { continue };
            let mut primary = peer.connect();
            let _proxy =
                replicate_with_cuts(&context, &mut primary, &mut replica, port.port(transport));
        }
    }
}

#[test]
fn redis_7_2_as_primary_and_as_replica() {
    for transport in BOTH {
        for (diskless, load) in WAYS {
            let first = [
                "--repl-diskless-sync",
                diskless,
                "--repl-backlog-size",
                "64mb",
            ];
            let second = ["--repl-diskless-load", load, "--repl-backlog-size", "64mb"];
            for ours_first in [true, false] {
                let context = format!(
                    "{transport:?}, diskless {diskless}, load {load}, ours first {ours_first}"
                );
                let (args, other) = if ours_first {
                    (first, second)
                } else {
                    (second, first)
                };
                let ours = Node::ours(transport, &args);
                let Some(theirs) = Node::real(transport, &other) else {
                    return;
                };
                let (mut a, mut b) = if ours_first {
                    (ours, theirs)
                } else {
                    (theirs, ours)
                };
                let _proxy = replicate_with_cuts(&context, &mut a.1, &mut b.1, a.0.port(transport));
                switch_roles(&context, &mut a.1, &mut b.1, b.0.port(transport));
            }
        }
    }
}

#[test]
fn chains_with_redis_7_2() {
    for transport in BOTH {
        for ours_inside in [true, false] {
            let context = format!("a chain, {transport:?}, ours inside {ours_inside}");
            let size = ["--repl-backlog-size", "64mb"];
            let node = |ours: bool| {
                if ours {
                    Some(Node::ours(transport, &size))
                } else {
                    Node::real(transport, &size)
                }
            };
            let nodes = [node(!ours_inside), node(ours_inside), node(!ours_inside)];
            let [Some(mut a), Some(mut b), Some(mut c)] = nodes else {
                return;
            };
            let proxy = Proxy::new(b.0.port(transport));
            follow(&mut c.1, proxy.port);
            wait_for_link(&mut c.1);
            let _proxy = replicate_with_cuts(&context, &mut a.1, &mut b.1, a.0.port(transport));
            wait_for_sync(&context, &mut b.1, &mut c.1);
            proxy.cut();
            let mut writes = Writes::new(5);
            writes.send(&mut a.1, SHARE);
            wait_for_sync(&context, &mut a.1, &mut b.1);
            wait_for_sync(&context, &mut a.1, &mut c.1);
            // The server in the middle is promoted, and both others continue from it.
            switch_roles(&context, &mut a.1, &mut b.1, b.0.port(transport));
            wait_for_sync(&context, &mut b.1, &mut c.1);
        }
    }
}

/// A request with the times that depend on the clock replaced by `#`.
pub(crate) fn timeless(request: &str) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("a clock");
    let now = now.as_millis() as i64;
    let is_near = |word: &str| {
        let ms = word.parse::<i64>();
        ms.is_ok_and(|ms| ms.abs_diff(now) < 2_000_000_000)
    };
    let words = request
        .split(' ')
        .map(|word| if is_near(word) { "#" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// A server under comparison: a client and a mock replica of it.
struct Side {
    client: Client,
    mock: MockReplica,
}

impl Side {
    /// Executes a command and returns what was propagated for it.
    fn propagated_by(&mut self, words: &[Vec<u8>], number: u64) -> Vec<String> {
        self.client.call(words);
        let end = format!("SET end {number}");
        self.client.text(&end);
        let mut received = Vec::new();
        loop {
            let request = self.mock.next_request();
            if request == end {
                return received;
            }
            received.push(timeless(&request));
        }
    }
}

/// Executes the same commands on both; what they propagate must be the same.
fn compare_streams(family: &Family, sides: &mut [Side; 2]) {
    for side in &mut *sides {
        for (name, value) in family.config {
            let reply = side.client.text(&format!("CONFIG SET {name} {value}"));
            assert_eq!(reply, "OK", "{name}");
        }
    }
    let mut source = Source::new(family, setting("DIFFERENTIAL_SEED", 1));
    for number in 0..setting("DIFFERENTIAL_COMMANDS", COMPARED) {
        let words = source.command().0;
        let [ours, theirs] = sides
            .each_mut()
            .map(|side| side.propagated_by(&words, number));
        let name = family.name;
        assert_eq!(
            ours,
            theirs,
            "{name}, {}: ours and theirs",
            readable(&words)
        );
    }
}

#[test]
fn both_servers_propagate_the_same_requests() {
    for family in FAMILIES {
        let Some(program) = real_redis() else { return };
        let args = ["--repl-diskless-sync", "no", "--repl-timeout", "3600"];
        let theirs = Peer::start_program(&program, &options(Transport::Tcp, &args));
        let (ours, client) = pair::start(Transport::Tcp, &args);
        let mut sides = [
            Side {
                client,
                mock: MockReplica::new(&ours, Transport::Tcp),
            },
            Side {
                client: theirs.connect(),
                mock: MockReplica::connect(theirs.port, Transport::Tcp),
            },
        ];
        compare_streams(family, &mut sides);
    }
}
