//! Replication between servers: full and partial resynchronization, changes of role, over TCP and TLS by the same
//! body.

use std::thread;

use tests::client::{Client, Transport, show};
use tests::mock_replica::{MockReplica, psync, stalled};
use tests::pair::{follow, port, start, wait_for_link, wait_for_sync};
use tests::peer::Peer;
use tests::server::Server;
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// Adds keys of every type, small and big.
fn fill(client: &mut Client) {
    fill_by(&mut |line| client.text(line));
}

/// The same through any function that executes a command.
fn fill_by(say: &mut dyn FnMut(&str) -> String) {
    say("DEBUG POPULATE 1000 filler 100");
    for number in 0..300 {
        for line in [
            format!("SET text:{number} value EX 1000"),
            format!("RPUSH list {number}-element"),
            format!("SADD set {number}-member"),
            format!("ZADD zset {number}.25 {number}-member"),
            format!("HSET hash {number}-field value"),
            format!("XADD stream * field {number}"),
        ] {
            let reply = say(&line);
            assert!(!reply.starts_with('-'), "{line}: {reply}");
        }
    }
    say("SELECT 7");
    say("SET elsewhere 1");
    say("SELECT 0");
}

#[test]
fn a_full_resync_and_the_stream_after_it() {
    for transport in BOTH {
        for diskless in ["no", "yes"] {
            for load in ["disabled", "swapdb"] {
                let (server, mut primary) = start(transport, &["--repl-diskless-sync", diskless]);
                let (_other, mut replica) = start(transport, &["--repl-diskless-load", load]);
                fill(&mut primary);
                replica.text("SET mine 1");
                follow(&mut replica, port(&server, transport));
                for number in 0..1000 {
                    primary.text(&format!("INCRBY live {number}"));
                }
                wait_for_link(&mut replica);
                assert_eq!(primary.text("WAIT 1 0"), "1");
                wait_for_sync(&mut primary, &mut replica);
                assert_eq!(replica.text("EXISTS mine"), "0");
                assert!(primary.info("slave0").contains("state=online"));
            }
        }
    }
}

#[test]
fn a_chain_of_three_resumes_after_every_cut() {
    for transport in BOTH {
        let (first, mut a) = start(transport, &[]);
        let (second, mut b) = start(transport, &[]);
        let (_third, mut c) = start(transport, &[]);
        fill(&mut a);
        follow(&mut b, port(&first, transport));
        wait_for_link(&mut b);
        follow(&mut c, port(&second, transport));
        wait_for_link(&mut c);
        for round in 0..3 {
            a.text("CLIENT KILL TYPE replica");
            a.text(&format!("SET round {round}"));
            b.text("CLIENT KILL TYPE replica");
            wait_for_link(&mut b);
            wait_for_link(&mut c);
            wait_for_sync(&mut a, &mut b);
            wait_for_sync(&mut a, &mut c);
        }
        assert_eq!(a.info("sync_full"), "1");
        assert_eq!(b.info("sync_full"), "1");
    }
}

#[test]
fn a_promoted_replica_serves_partial_resyncs() {
    for transport in BOTH {
        let (first, mut a) = start(transport, &[]);
        let (second, mut b) = start(transport, &[]);
        let (_third, mut c) = start(transport, &[]);
        fill(&mut a);
        for replica in [&mut b, &mut c] {
            follow(replica, port(&first, transport));
            wait_for_link(replica);
        }
        wait_for_sync(&mut a, &mut b);
        wait_for_sync(&mut a, &mut c);
        let history = a.info("master_replid");
        assert_eq!(b.text("REPLICAOF NO ONE"), "OK");
        assert_eq!(b.info("master_replid2"), history);
        b.text("SET new 1");
        for replica in [&mut a, &mut c] {
            follow(replica, port(&second, transport));
            wait_for_link(replica);
        }
        wait_for_sync(&mut b, &mut a);
        wait_for_sync(&mut b, &mut c);
        assert_eq!(
            (b.info("sync_full"), b.info("sync_partial_ok")),
            ("0".into(), "2".into())
        );
    }
}

#[test]
fn a_dropped_replica_receives_no_writes_of_a_later_replid() {
    for transport in BOTH {
        let (server, mut client) = start(transport, &["--repl-diskless-sync", "no"]);
        let mock = MockReplica::new(&server, transport);
        client.text("REPLICAOF 127.0.0.1 1");
        client.send(b"REPLICAOF NO ONE\r\nSET later 1\r\n");
        let received = mock.read_to_end();
        let words = String::from_utf8_lossy(&received);
        assert!(!words.contains("later"), "{words}");
        assert_eq!(show(&client.read()), "OK");
        assert_eq!(show(&client.read()), "OK");
    }
}

#[test]
fn psync_continues_only_a_known_replid_within_the_backlog() {
    for transport in BOTH {
        let (server, mut client) = start(transport, &["--repl-diskless-sync", "no"]);
        let mock = MockReplica::new(&server, transport);
        let (history, offset) = mock.resync_point.clone();
        client.text("SET a 1");
        let ask = |history: &str, offset: u64| psync(&server, transport, history, offset);
        assert_eq!(ask(&history, offset + 1), format!("+CONTINUE {history}"));
        for (history, offset) in [
            (history.as_str(), offset + 10_000),
            (history.as_str(), 0),
            ("0123456789abcdef0123456789abcdef01234567", 1),
            ("nonsense", 1),
        ] {
            assert!(ask(history, offset).starts_with("+FULLRESYNC"), "{history}");
        }
        let answer = psync(&server, transport, &history, u64::MAX);
        assert!(answer.starts_with("-ERR"), "{answer}");
    }
}

/// A replica that stops reading blocks neither the event loop nor another replica; when it disconnects, the transfer
/// continues.
#[test]
fn a_stalled_replica_blocks_nobody() {
    for transport in BOTH {
        let (server, mut primary) = start(transport, &["--rdbcompression", "no"]);
        primary.text("DEBUG POPULATE 2000 big 10000");
        let stalled_replica = stalled(&server, transport);
        let (_other, mut replica) = start(transport, &[]);
        follow(&mut replica, port(&server, transport));
        wait_for_link(&mut replica);
        wait_for_sync(&mut primary, &mut replica);
        assert_eq!(primary.info("connected_slaves"), "2");
        drop(stalled_replica);
        server.wait_for_log(&["lost"]);
        assert_eq!(primary.info("connected_slaves"), "1");
    }
}

#[test]
fn the_child_is_killed_when_the_last_replica_disconnects() {
    let args = ["--rdb-key-save-delay", "1000", "--repl-timeout", "60"];
    let (server, mut primary) = start(Transport::Tcp, &args);
    primary.text("DEBUG POPULATE 100000 big 100");
    let stalled_replica = stalled(&server, Transport::Tcp);
    until("a child process", || {
        (primary.info("rdb_bgsave_in_progress") == "1").then_some(())
    });
    drop(stalled_replica);
    server.wait_for_log(&["last replica dropped, killing fork child"]);
    until("the child to exit", || {
        (primary.info("rdb_bgsave_in_progress") == "0").then_some(())
    });
}

#[test]
fn info_has_the_duration_of_a_diskless_transfer() {
    for transport in BOTH {
        let args = ["--rdb-key-save-delay", "1000", "--repl-timeout", "60"];
        let (server, mut primary) = start(transport, &args);
        primary.text("DEBUG POPULATE 100000 big 100");
        assert_eq!(primary.info("rdb_last_bgsave_time_sec"), "-1");
        let stalled_replica = stalled(&server, transport);
        until("a child process", || {
            (primary.info("rdb_bgsave_in_progress") == "1").then_some(())
        });
        let current = primary.info("rdb_current_bgsave_time_sec");
        drop(stalled_replica);
        primary.wait_for_child();
        let last = primary.info("rdb_last_bgsave_time_sec");
        for seconds in [current, last] {
            let seconds: i64 = seconds.parse().expect("a number");
            assert!((0..600).contains(&seconds), "{transport:?}: {seconds}");
        }
    }
}

#[test]
fn flushall_restarts_a_diskless_transfer() {
    for transport in BOTH {
        let args = ["--rdb-key-save-delay", "10000000"];
        let (server, mut primary) = start(transport, &args);
        primary.text("DEBUG POPULATE 1000");
        primary.text("CONFIG SET repl-diskless-sync-delay 0");
        let (_other, mut replica) = start(transport, &["--repl-diskless-load", "swapdb"]);
        follow(&mut replica, port(&server, transport));
        server.wait_for_log(&["Background RDB transfer started by pid"]);
        primary.text("CONFIG SET rdb-key-save-delay 0");
        assert_eq!(primary.text("FLUSHALL"), "OK");
        server.wait_for_log(&["Background transfer terminated by signal 10"]);
        wait_for_link(&mut replica);
        assert_eq!(primary.info("sync_full"), "2");
        assert_eq!(replica.text("DBSIZE"), "0");
    }
}

#[test]
fn a_save_for_replicas_is_killed_with_the_last_one_without_save_points() {
    let args = [
        "--rdb-key-save-delay",
        "10000000",
        "--repl-diskless-sync",
        "no",
    ];
    for (transport, points) in [(Transport::Tcp, ""), (Transport::Tls, "900 100000")] {
        let (server, mut primary) = start(transport, &args);
        primary.text("DEBUG POPULATE 1000");
        primary.call(&["CONFIG", "SET", "save", points]);
        let first = stalled(&server, transport);
        let second = stalled(&server, transport);
        let disconnect = |primary: &mut Client, replica, left: &str| {
            drop(replica);
            until("one replica less", || {
                (primary.info("connected_slaves") == left).then_some(())
            });
        };
        until("both replicas to wait for one child", || {
            let text = primary.text("INFO replication");
            (text.matches("state=wait_bgsave").count() == 2).then_some(())
        });
        server.wait_for_log(&["Background saving started by pid"]);
        disconnect(&mut primary, first, "1");
        assert_eq!(primary.info("rdb_bgsave_in_progress"), "1");
        disconnect(&mut primary, second, "0");
        if points.is_empty() {
            server.wait_for_log(&["Background saving terminated by signal 10"]);
            assert_eq!(primary.info("rdb_bgsave_in_progress"), "0");
        } else {
            assert_eq!(primary.info("rdb_bgsave_in_progress"), "1");
        }
    }
}

#[test]
fn writes_are_refused_without_enough_replicas() {
    let (server, mut primary) = start(Transport::Tcp, &["--min-replicas-to-write", "1"]);
    let refusal = "-NOREPLICAS Not enough good replicas to write.";
    assert_eq!(primary.text("SET a 1"), refusal);
    assert_eq!(primary.text("WAIT 1 1"), "0");
    let (_other, mut replica) = start(Transport::Tcp, &[]);
    follow(&mut replica, port(&server, Transport::Tcp));
    wait_for_link(&mut replica);
    until("a replica without lag", || {
        (primary.text("SET a 1") == "OK").then_some(())
    });
    assert_eq!(primary.text("WAIT 1 0"), "1");
    assert_eq!(primary.text("WAIT 2 10"), "1");
    let role = primary.text("ROLE");
    assert!(role.starts_with("[master "), "{role}");
    assert!(replica.text("ROLE").contains("connected"));
    assert!(replica.text("WAIT 0 0").starts_with("-ERR WAIT cannot"));
}

#[test]
fn client_pause_delays_writes_and_keeps_their_order() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let mut client = server.client(transport);
        assert_eq!(client.text("CLIENT PAUSE 100000 WRITE"), "OK");
        assert_eq!(client.text("GET a"), "nil");
        let mut writers: Vec<Client> = (0..3).map(|_| server.client(transport)).collect();
        for (number, writer) in writers.iter_mut().enumerate() {
            writer.send(format!("RPUSH l {number}\r\nGET a\r\n").as_bytes());
            client.wait_for_blocked(number + 1);
        }
        assert_eq!(client.text("CLIENT UNPAUSE"), "OK");
        for (number, writer) in writers.iter_mut().enumerate() {
            assert_eq!(show(&writer.read()), (number + 1).to_string());
            assert_eq!(show(&writer.read()), "nil");
        }
        assert_eq!(client.text("LRANGE l 0 -1"), "[0 1 2]");
        assert_eq!(client.text("CLIENT PAUSE 20"), "OK");
        assert_eq!(client.text("SET a 1"), "OK");
    }
}

/// The write arrives during the pause. It may be late by chance, so one of several attempts must succeed.
#[test]
fn after_a_pause_a_replica_applies_what_has_arrived_before_it_serves_clients() {
    for transport in BOTH {
        let (server, mut primary) = start(transport, &[]);
        let (other, mut replica) = start(transport, &[]);
        follow(&mut replica, port(&server, transport));
        wait_for_link(&mut replica);
        let mut reader = other.client(transport);
        let is_new = (0..10).any(|number| {
            assert_eq!(replica.text("CLIENT PAUSE 200 ALL"), "OK");
            assert_eq!(primary.text(&format!("SET key {number}")), "OK");
            reader.text("GET key") == number.to_string()
        });
        assert!(is_new, "{transport:?}");
    }
}

#[test]
fn failover_loses_no_write() {
    for transport in BOTH {
        let (first, mut a) = start(transport, &[]);
        let (second, mut b) = start(transport, &[]);
        follow(&mut b, port(&first, transport));
        wait_for_link(&mut b);
        let mut writer = first.client(Transport::Tcp);
        let written = thread::spawn(move || {
            let mut written = 0;
            while writer.text("INCR count") == (written + 1).to_string() {
                written += 1;
            }
            written
        });
        until("the first writes", || {
            (a.text("GET count") != "nil").then_some(())
        });
        assert_eq!(a.text("FAILOVER"), "OK");
        until("the promotion of the replica", || {
            (b.info("role") == "master").then_some(())
        });
        let written = written.join().expect("the writer ends");
        wait_for_link(&mut a);
        wait_for_sync(&mut b, &mut a);
        assert_eq!(b.text("GET count"), written.to_string());
        assert_eq!(a.info("master_failover_state"), "no-failover");
        assert_eq!(b.info("sync_full"), "0");
        drop(second);
    }
}

#[test]
fn a_replica_that_sends_commands_is_disconnected() {
    let (server, _client) = start(Transport::Tcp, &["--repl-diskless-sync", "no"]);
    for command in ["PING", "GET a", "SET a 1"] {
        let mut mock = MockReplica::new(&server, Transport::Tcp);
        mock.send_command(command);
        mock.wait_for_close();
    }
    // It gets no reply to a command that was blocked either.
    let mut mock = MockReplica::new(&server, Transport::Tcp);
    mock.send_command("WAIT 2 10");
    let stream = mock.read_to_end();
    assert!(!stream.ends_with(b":1\r\n"), "{}", stream.escape_ascii());
    server.wait_for_log(&[
        "Replica generated a reply to command 'ping'",
        "can't interact with the keyspace",
    ]);
}

#[test]
fn a_replica_on_the_unix_socket_is_listed() {
    let (server, mut client) = start(Transport::Tcp, &["--repl-diskless-sync", "no"]);
    let mut replica = server.client(Transport::Unix);
    assert_eq!(replica.text("REPLCONF listening-port 77"), "OK");
    replica.send(b"SYNC\r\n");
    until("a replica", || {
        let shown = client.info("slave0");
        shown
            .starts_with("ip=/unixsocket,port=77,state=online")
            .then_some(())
    });
    assert_eq!(client.text("ROLE"), "[master 0 [[/unixsocket 77 0]]]");
    server.wait_for_log(&["Synchronization with replica /unixsocket:77 succeeded"]);
}

/// Debian's server is the primary; as a replica it could not load RDB version 11.
#[test]
fn a_replica_of_debians_server() {
    let peer = Peer::start();
    let mut raw = peer.client();
    let mut primary = |line: &str| {
        let args: Vec<&str> = line.split(' ').collect();
        show(&raw.call(&args).expect("Debian's server replies"))
    };
    fill_by(&mut primary);
    let (_server, mut replica) = start(Transport::Tcp, &[]);
    follow(&mut replica, peer.port);
    for number in 0..1000 {
        primary(&format!("ZADD z {number} member:{number}"));
        primary("SPOP set");
        primary("XADD stream MAXLEN ~ 100 * a b");
    }
    wait_for_link(&mut replica);
    until("equal digests", || {
        let digest = primary("DEBUG DIGEST");
        (replica.text("DEBUG DIGEST") == digest).then_some(())
    });
}
