//! A cluster of servers: routing, redirection, moving slots, failover, messages, restarts. Each test runs over TCP and
//! TLS, where the transport is that of the bus, of replication and of the clients.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use conn::tls::context::ClientTlsConfig;
use tests::client::{Client, Transport, show, tls_config};
use tests::nodes::{Node, Nodes};
use tests::wait::{PATIENCE, until};

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// Keys of the two halves of the slots: `foo` is in slot 12182, `bar` in 5061.
const LOW: &str = "bar";
const HIGH: &str = "foo";

/// Moves what node `from` and `to` say about a slot to the beginning of its migration.
fn open_slot(nodes: &mut Nodes, slot: u16, from: usize, to: usize) {
    let (source, target) = (nodes.all[from].name.clone(), nodes.all[to].name.clone());
    let line = format!("CLUSTER SETSLOT {slot} IMPORTING {source}");
    assert_eq!(nodes.all[to].client.text(&line), "OK");
    let line = format!("CLUSTER SETSLOT {slot} MIGRATING {target}");
    assert_eq!(nodes.all[from].client.text(&line), "OK");
}

/// Gives a slot to a node, at both ends of its migration.
fn close_slot(nodes: &mut Nodes, slot: u16, from: usize, to: usize) {
    let line = format!("CLUSTER SETSLOT {slot} NODE {}", nodes.all[to].name);
    for at in [to, from] {
        assert_eq!(nodes.all[at].client.text(&line), "OK");
    }
}

#[test]
fn clients_are_sent_to_the_node_that_serves_a_key_by_their_own_transport() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 2, 0, &[]);
        for by in BOTH {
            let mut client = nodes.all[0].server().client(by);
            let moved = format!("-MOVED 12182 127.0.0.1:{}", nodes.all[1].port(by));
            assert_eq!(client.text("GET foo"), moved, "{transport:?} {by:?}");
            assert_eq!(client.text("SET bar 1"), "OK");
            assert_eq!(
                client.text("MGET bar foo"),
                "-CROSSSLOT Keys in request don't hash to the same slot"
            );
            assert_eq!(client.text("MULTI"), "OK");
            assert_eq!(client.text("GET bar"), "QUEUED");
            assert_eq!(client.text("GET foo"), moved);
            assert!(client.text("EXEC").starts_with("-EXECABORT"));
            let script = ["EVAL", "return redis.call('GET', 'foo')", "0"];
            let error = show(&client.call(&script));
            assert!(
                error.contains("attempted to access a non local key"),
                "{error}"
            );
        }
        let line = nodes.all[0].client.text("CLUSTER KEYSLOT foo");
        assert_eq!(line, "12182");
    }
}

#[test]
fn a_slot_moves_with_its_keys() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 2, 0, &[]);
        let port = nodes.all[1].port(transport);
        for key in ["{bar}a", "{bar}b", "{bar}c"] {
            let line = format!("SET {key} 1");
            assert_eq!(nodes.all[0].client.text(&line), "OK");
        }
        open_slot(&mut nodes, 5061, 0, 1);
        let ask = format!("-ASK 5061 127.0.0.1:{port}");
        {
            let source = &mut nodes.all[0].client;
            assert_eq!(source.text("GET {bar}a"), "1");
            assert_eq!(source.text("GET {bar}z"), ask);
            let line = format!("MIGRATE 127.0.0.1 {port}  0 5000 KEYS {{bar}}a {{bar}}b");
            assert_eq!(source.text(&line), "OK");
            assert_eq!(source.text("GET {bar}a"), ask);
            let unstable = "-TRYAGAIN Multiple keys request during rehashing of slot";
            assert_eq!(source.text("MGET {bar}a {bar}c"), unstable);
            assert_eq!(source.text("CLUSTER COUNTKEYSINSLOT 5061"), "1");
        }
        {
            let port = nodes.all[0].port(transport);
            let target = &mut nodes.all[1].client;
            let moved = format!("-MOVED 5061 127.0.0.1:{port}");
            assert_eq!(target.text("GET {bar}a"), moved);
            assert_eq!(target.text("ASKING"), "OK");
            assert_eq!(target.text("GET {bar}a"), "1");
            assert_eq!(target.text("GET {bar}a"), moved, "ASKING holds once");
        }
        let line = format!("MIGRATE 127.0.0.1 {port} {{bar}}c 0 5000");
        assert_eq!(nodes.all[0].client.text(&line), "OK");
        close_slot(&mut nodes, 5061, 0, 1);
        assert_eq!(
            nodes.all[1].client.text("MGET {bar}a {bar}b {bar}c"),
            "[1 1 1]"
        );
        let moved = format!("-MOVED 5061 127.0.0.1:{port}");
        assert_eq!(nodes.all[0].client.text("GET {bar}a"), moved);
    }
}

#[test]
fn what_waits_for_a_slot_follows_it() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 2, 0, &[]);
        let port = nodes.all[1].port(transport);
        let mut waiter = nodes.all[0].server().client(transport);
        waiter.send(b"BLPOP bar 0\r\n");
        let mut subscriber = nodes.all[0].server().client(transport);
        assert_eq!(subscriber.text("SSUBSCRIBE bar"), "[ssubscribe bar 1]");
        nodes.all[0].client.wait_for_blocked(1);
        open_slot(&mut nodes, 5061, 0, 1);
        close_slot(&mut nodes, 5061, 0, 1);
        let moved = format!("-MOVED 5061 127.0.0.1:{port}");
        assert_eq!(show(&waiter.read()), moved);
        let told = show(&subscriber.read());
        assert_eq!(told, "[sunsubscribe bar 0]");
    }
}

#[test]
fn nodes_may_announce_a_name_as_their_address() {
    for transport in BOTH {
        let args = ["--cluster-announce-ip", "localhost"];
        let mut nodes = Nodes::start(transport, 2, 1, &args);
        let moved = format!("-MOVED 12182 localhost:{}", nodes.all[1].port(transport));
        assert_eq!(nodes.all[0].client.text("GET foo"), moved);
        // Other nodes would refuse it, and nodes.conf could not be read again.
        for (directive, value) in [
            ("cluster-announce-ip", "my host"),
            ("cluster-announce-ip", "a,b"),
            ("cluster-announce-human-nodename", "my host"),
            ("cluster-announce-human-nodename", "a=b"),
        ] {
            let client = &mut nodes.all[0].client;
            let reply = show(&client.call(&["CONFIG", "SET", directive, value]));
            assert!(reply.starts_with("-ERR CONFIG SET failed"), "{reply}");
        }
    }
}

#[test]
fn a_replica_that_was_given_a_slot_gives_it_back_and_stays_a_replica() {
    let mut nodes = Nodes::start(Transport::Tls, 2, 1, &[]);
    // The claim with the higher epoch counts, and the replica may have got a higher one when it was a primary.
    let bumped = nodes.all[0].client.text("CLUSTER BUMPEPOCH");
    assert!(
        bumped.starts_with("BUMPED") || bumped.starts_with("STILL"),
        "{bumped}"
    );
    let replica = &mut nodes.all[2].client;
    for command in ["CLUSTER DELSLOTS 7", "CLUSTER ADDSLOTS 7"] {
        assert_eq!(replica.text(command), "OK");
    }
    until("the primary to have the slot", || {
        let text = replica.text("CLUSTER NODES");
        let own = text.lines().find(|line| line.contains("myself"))?;
        (own.contains("slave") && own.ends_with("connected")).then_some(())
    });
    nodes.all[2].wait_until_ok();
}

/// The keys of a slot that moves are not deleted for clients: the new owner has them.
#[test]
fn keys_of_a_slot_that_was_lost_go_without_an_event() {
    let mut nodes = Nodes::start(Transport::Tcp, 2, 0, &[]);
    let owner = nodes.all[0].client.text("CLUSTER MYID");
    let mut subscriber = nodes.all[0].server().client(Transport::Tcp);
    let [old, new] = &mut nodes.all[..] else {
        panic!("two nodes were started");
    };
    assert_eq!(
        old.client.text("CONFIG SET notify-keyspace-events KEA"),
        "OK"
    );
    assert_eq!(old.client.text("SET b v"), "OK");
    subscriber.text("PSUBSCRIBE *");
    for state in [
        format!("IMPORTING {owner}"),
        format!("NODE {}", new.client.text("CLUSTER MYID")),
    ] {
        assert_eq!(
            new.client.text(&format!("CLUSTER SETSLOT 3300 {state}")),
            "OK"
        );
    }
    until("the key to be dropped", || {
        (old.client.text("DBSIZE") == "0").then_some(())
    });
    assert_eq!(old.client.text("PUBLISH channel end"), "1");
    let first = show(&subscriber.read());
    assert!(
        first.contains("channel") && first.contains("end"),
        "{first}"
    );
}

#[test]
fn a_replica_takes_over_and_the_old_primary_follows_it() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 3, 1, &[]);
        assert_eq!(nodes.all[0].client.text("SET {bar}1 kept"), "OK");
        let owner = |nodes: &mut Nodes, at: usize| nodes.view(at, at).contains("0-5460");
        assert!(owner(&mut nodes, 0));
        assert_eq!(nodes.all[0].client.text("WAIT 1 5000"), "1");
        let replica = nodes.all[3].port(transport);
        nodes.all[0].client.send(b"SHUTDOWN NOSAVE NOW FORCE\r\n");
        until("the failover", || owner(&mut nodes, 3).then_some(()));
        nodes.all[3].wait_until_ok();
        assert_eq!(nodes.all[3].client.text("GET {bar}1"), "kept");
        nodes.wait_for_flags(1, 0, "master,fail");
        nodes.all[1].wait_until_ok();
        let moved = format!("-MOVED 5061 127.0.0.1:{replica}");
        assert_eq!(nodes.all[1].client.text("GET bar"), moved);
    }
}

/// Keys that are written, and later asked for, at once.
const BATCH: usize = 100;

/// Writes keys with consecutive numbers, many at a time, until the node serves them no longer. Returns how many were
/// acknowledged.
fn write_until_moved(mut client: Client, tag: &str) -> usize {
    // Ends after the wait for the load and that for the failover would have.
    let deadline = Instant::now() + 2 * PATIENCE;
    let mut acknowledged = 0;
    loop {
        assert!(Instant::now() < deadline, "the slot was never moved");
        let batch = acknowledged..acknowledged + BATCH;
        let lines: String = batch.map(|n| format!("SET {tag}:{n} {n}\r\n")).collect();
        client.send(lines.as_bytes());
        let replies: Vec<String> = (0..BATCH).map(|_| show(&client.read())).collect();
        let served = replies.iter().take_while(|reply| *reply == "OK").count();
        acknowledged += served;
        if served < BATCH {
            assert!(
                replies[served..]
                    .iter()
                    .all(|reply| reply.starts_with("-MOVED"))
            );
            return acknowledged;
        }
    }
}

/// Asks a replica to take over until it has. A node gives a manual failover up after five seconds, which may not suffice
/// on a busy machine.
fn fail_over(replica: &mut Client) {
    let mut next = Instant::now();
    until("the manual failover", || {
        if replica.text("ROLE").starts_with("[master") {
            return Some(());
        }
        if Instant::now() >= next {
            assert_eq!(replica.text("CLUSTER FAILOVER"), "OK");
            next = Instant::now() + Duration::from_secs(6);
        }
        None
    });
}

#[test]
fn a_manual_failover_under_load_loses_nothing() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 3, 1, &[]);
        for (primary, replica) in [(0, 3), (3, 0)] {
            let tag = format!("{{bar}}{primary}");
            let writers: Vec<_> = (0..4)
                .map(|number| {
                    let client = nodes.all[primary].server().client(transport);
                    let tag = format!("{tag}:{number}");
                    std::thread::spawn(move || write_until_moved(client, &tag))
                })
                .collect();
            let key = format!("EXISTS {tag}:3:1000");
            until("the load", || {
                (nodes.all[primary].client.text(&key) == "1").then_some(())
            });
            fail_over(&mut nodes.all[replica].client);
            let written = writers
                .into_iter()
                .map(|writer| writer.join().expect("it ends"));
            let written: Vec<usize> = written.collect();
            until("the change of roles", || {
                let is_new = nodes.view(replica, replica).contains("myself,master");
                let is_old = nodes.view(primary, primary).contains("myself,slave");
                // Until then the new primary would ignore what it asks for.
                let is_known = nodes.view(replica, primary).contains("slave");
                (is_new && is_old && is_known).then_some(())
            });
            tests::pair::wait_for_link(&mut nodes.all[primary].client);
            for (number, count) in written.into_iter().enumerate() {
                for first in (0..count).step_by(BATCH) {
                    let numbers = first..count.min(first + BATCH);
                    let expected = numbers.len().to_string();
                    let keys: String = numbers.map(|n| format!(" {tag}:{number}:{n}")).collect();
                    let found = nodes.all[replica].client.text(&format!("EXISTS{keys}"));
                    assert_eq!(found, expected, "{keys} of {count}");
                }
            }
        }
    }
}

#[test]
fn a_replica_serves_readers_that_say_so() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 3, 1, &[]);
        assert_eq!(nodes.all[0].client.text("SET bar 1"), "OK");
        assert_eq!(nodes.all[0].client.text("WAIT 1 5000"), "1");
        let moved = format!("-MOVED 5061 127.0.0.1:{}", nodes.all[0].port(transport));
        let replica = &mut nodes.all[3].client;
        assert_eq!(replica.text("GET bar"), moved);
        assert_eq!(replica.text("READONLY"), "OK");
        assert_eq!(replica.text("GET bar"), "1");
        assert_eq!(replica.text("SET bar 2"), moved);
        assert_eq!(replica.text("READWRITE"), "OK");
        assert_eq!(replica.text("GET bar"), moved);
    }
}

#[test]
fn messages_reach_all_nodes_and_those_of_shards_their_shard() {
    for transport in BOTH {
        let nodes = Nodes::start(transport, 2, 1, &[]);
        let subscribe = |at: usize, line: &str| {
            let mut client = nodes.all[at].server().client(transport);
            client.text(line);
            client
        };
        let mut everywhere: Vec<Client> =
            (0..4).map(|at| subscribe(at, "SUBSCRIBE news")).collect();
        let mut shard = [
            subscribe(1, &format!("SSUBSCRIBE {HIGH}")),
            subscribe(3, &format!("SSUBSCRIBE {HIGH}")),
        ];
        let mut sender = nodes.all[1].server().client(transport);
        assert_eq!(sender.text("PUBLISH news hello"), "1");
        assert_eq!(sender.text(&format!("SPUBLISH {HIGH} shard")), "1");
        for client in &mut everywhere {
            let message = show(&client.read());
            assert_eq!(message, "[message news hello]");
        }
        for client in &mut shard {
            let message = show(&client.read());
            assert_eq!(message, format!("[smessage {HIGH} shard]"));
        }
    }
}

/// A transaction is executed before its messages are sent: they are memory of the links meanwhile.
#[test]
fn messages_of_a_transaction_count_as_memory_of_links() {
    for transport in BOTH {
        let mut nodes = Nodes::start(transport, 2, 0, &[]);
        let client = &mut nodes.all[0].client;
        assert_eq!(client.text("MULTI"), "OK");
        let message = "x".repeat(10_000);
        assert_eq!(client.text(&format!("PUBLISH news {message}")), "QUEUED");
        for line in ["INFO memory", "CLUSTER LINKS"] {
            assert_eq!(client.text(line), "QUEUED");
        }
        let reply = client.text("EXEC");
        let (_, text) = reply.split_once("mem_cluster_links:").expect("the field");
        let (total, links) = text.split_once('\r').expect("the end of the line");
        assert!(total.parse::<usize>().is_ok_and(|len| len > 10_000));
        let used = links.split("send-buffer-used ").skip(1).map(|rest| {
            let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
            digits.and_then(|digits| digits.parse::<usize>().ok())
        });
        let used: Vec<usize> = used.map(|len| len.expect("a number")).collect();
        assert_eq!(used.len(), 2, "{links}");
        assert!(used.iter().any(|len| *len > 10_000), "{links}");
    }
}

/// A PING of a node that no other knows; the answer is as long.
fn ping_of_a_stranger() -> Vec<u8> {
    const LEN: u32 = 2256;
    let mut packet = vec![0; LEN as usize];
    packet[..4].copy_from_slice(b"RCmb");
    packet[4..8].copy_from_slice(&LEN.to_be_bytes());
    packet[9] = 1;
    packet[40..80].fill(b'f');
    packet
}

/// Whoever reaches the bus can send PINGs and read no answer.
#[test]
fn answers_that_a_stranger_does_not_read_are_limited() {
    let pings = ping_of_a_stranger().repeat(100);
    for transport in BOTH {
        let mut node = Node::start(transport, &[]);
        let mut send: Box<dyn FnMut() -> bool> = match transport {
            Transport::Tls => {
                let mut peer = Client::with_tls(node.bus_port, &tls_config());
                let pings = pings.clone();
                Box::new(move || peer.try_send(&pings))
            }
            _ => {
                let peer = TcpStream::connect(("127.0.0.1", node.bus_port));
                let mut peer = peer.expect("the bus listens");
                let pings = pings.clone();
                Box::new(move || peer.write_all(&pings).is_ok())
            }
        };
        until("the link is closed", || (!send()).then_some(()));
        let used = node.client.info("mem_cluster_links");
        let used: usize = used.parse().expect("a number");
        assert!(used < 1 << 20, "{transport:?}: {used}");
        let log = node.server().log();
        assert!(log.contains("exceeding send buffer memory limit"), "{log}");
    }
}

#[test]
fn the_bus_asks_every_node_for_a_certificate() {
    for auth_clients in ["no", "optional", "yes"] {
        let args = ["--tls-auth-clients", auth_clients, "--loglevel", "notice"];
        let node = Node::start(Transport::Tls, &args);
        let without = ClientTlsConfig {
            cert: None,
            key: None,
            ..tls_config()
        };
        let refused = |bus: &mut Client| bus.try_send(b"RCmb") && bus.read_to_end().is_empty();
        if let Ok(mut bus) = Client::try_tls(node.bus_port, &without) {
            assert!(refused(&mut bus), "{auth_clients}");
        }
        node.server().wait_for_log(&[
            "Error accepting cluster node: ",
            "peer did not return a certificate",
        ]);
        Client::try_tls(node.bus_port, &tls_config()).expect("a node is accepted");
    }
}

#[test]
fn a_node_comes_back_as_it_was() {
    let mut node = Node::start(Transport::Tcp, &[]);
    assert_eq!(node.client.text("CLUSTER ADDSLOTSRANGE 0 16383"), "OK");
    node.wait_until_ok();
    assert_eq!(node.client.text(&format!("SET {LOW} 1")), "OK");
    let file = node.server().dir.path().join("nodes.conf");
    let text = fs::read_to_string(&file).expect("nodes.conf");
    assert!(
        text.contains("myself,master") && text.contains("0-16383"),
        "{text}"
    );
    assert!(
        text.ends_with("vars currentEpoch 0 lastVoteEpoch 0\n"),
        "{text}"
    );
    // Another process may not use it meanwhile.
    let output = std::process::Command::new(tests::binary("redis-server"))
        .current_dir(node.server().dir.path())
        .args(["--cluster-enabled", "yes", "--port", "0", "--tls-port", "0"])
        .args(["--port", &tests::server::free_port().to_string()])
        .args(["--cluster-port", &tests::server::free_port().to_string()])
        .output()
        .expect("the program runs");
    let log = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success());
    assert!(
        log.contains("already used by a different Redis Cluster node"),
        "{log}"
    );
}
