//! MIGRATE over TCP and TLS: at any time each key is on the source or on the target.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::client::{Client, Transport, show};
use tests::mock_primary::{Link, MockPrimary};
use tests::mock_replica::MockReplica;
use tests::pair::port;
use tests::peer::Peer;
use tests::proxy::{Fault, Plan, Proxy};
use tests::server::Server;
use tests::wait::{PATIENCE, until};

/// Tests run the same body over both.
const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A server that migrates over this transport, and a client of it.
fn start_source(transport: Transport) -> (Server, Client) {
    let tls = if transport == Transport::Tls {
        "yes"
    } else {
        "no"
    };
    let server = Server::start(&["--tls-migrate", tls]);
    let client = server.client(Transport::Tcp);
    (server, client)
}

/// The next request, without its payload and later arguments.
fn next(link: &mut Link) -> Vec<String> {
    let mut words = link.request();
    words.truncate(3);
    words
}

#[test]
fn keys_move_with_value_and_ttl() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let target = Server::start(&[]);
        let mut destination = target.client(Transport::Tcp);
        let mut mock = MockReplica::new(&server, Transport::Tcp);
        let to = port(&target, transport);
        source.text("SET a 1 PX 600000");
        source.text("RPUSH l 1 2 3");
        source.text("SET c 3");
        let big = "x".repeat(3_000_000);
        source.text(&format!("SET big {big}"));
        for _ in 0..5 {
            mock.next_request();
        }
        assert_eq!(
            source.text(&format!("MIGRATE 127.0.0.1 {to} nokey 3 5000")),
            "NOKEY"
        );
        assert_eq!(
            source.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000 COPY")),
            "OK"
        );
        assert_eq!(source.info("migrate_cached_sockets"), "1");
        let line = [
            "MIGRATE",
            "127.0.0.1",
            &to.to_string(),
            "",
            "3",
            "5000",
            "KEYS",
            "a",
            "gone",
            "l",
            "big",
        ];
        assert_eq!(show(&source.call(&line)), "OK");
        assert_eq!(mock.next_request(), "DEL a l big");
        assert_eq!(source.text("KEYS *"), "[c]");
        assert_eq!(destination.text("SELECT 3"), "OK");
        assert_eq!(destination.text("LRANGE l 0 -1"), "[1 2 3]");
        assert_eq!(destination.text("GET big"), big);
        let ttl: i64 = destination.text("PTTL a").parse().expect("a time");
        assert!((1..=600_000).contains(&ttl), "{ttl}");
        let busy =
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert_eq!(
            source.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000")),
            busy
        );
        assert_eq!(source.text("GET c"), "3");
        assert_eq!(
            source.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000 REPLACE")),
            "OK"
        );
        assert_eq!(source.text("DBSIZE"), "0");
    }
}

#[test]
fn in_a_transaction_migrate_is_synchronous() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let target = Server::start(&[]);
        let to = port(&target, transport);
        let mut mock = MockReplica::new(&server, Transport::Tcp);
        source.text("MULTI");
        source.text("SET a 1");
        source.text(&format!("MIGRATE 127.0.0.1 {to} a 0 5000"));
        source.text("EXISTS a");
        assert_eq!(source.text("EXEC"), "[OK OK 0]");
        let received: Vec<String> = (0..5).map(|_| mock.next_request()).collect();
        assert_eq!(received[2..], ["SET a 1", "DEL a", "EXEC"]);
        assert_eq!(target.client(Transport::Tcp).text("GET a"), "1");
    }
}

/// The target sends one byte of an endless reply every 20 ms.
#[test]
fn in_a_transaction_the_timeout_bounds_the_whole_transfer() {
    for transport in BOTH {
        let (_server, mut source) = start_source(transport);
        let target = MockPrimary::new(transport);
        source.text("SET a 1");
        source.text("MULTI");
        source.text(&format!("MIGRATE localhost {} a 0 700", target.port));
        source.text("PING");
        source.send(b"EXEC\r\n");
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        link.send("+OK\r\n+");
        source
            .raw()
            .set_read_timeout(Some(Duration::from_millis(20)));
        let reply = until("the reply to EXEC", || {
            let reply = source.raw().read().ok();
            link.try_send("x");
            reply
        });
        let failure = "[-IOERR error or timeout reading to target instance PONG]";
        assert_eq!(show(&reply), failure);
        source.raw().set_read_timeout(Some(PATIENCE));
        assert_eq!(source.text("GET a"), "1");
    }
}

#[test]
fn only_commands_that_name_a_key_in_flight_block() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let target = MockPrimary::new(transport);
        let (mut other, mut third) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
        source.text("MSET a 1 b 2 c 3");
        source
            .send(format!("MIGRATE 127.0.0.1 {} a 0 20000 AUTH2 u p\r\n", target.port).as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["AUTH", "u", "p"]);
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
        other.send(b"GET a\r\nGET b\r\n");
        third.text("MULTI");
        third.text("INCR a");
        third.send(b"EXEC\r\n");
        server.client(Transport::Tcp).wait_for_blocked(3);
        assert_eq!(server.client(Transport::Tcp).text("GET c"), "3");
        link.send("+OK\r\n+OK\r\n+OK\r\n");
        assert_eq!(show(&source.read()), "OK");
        assert_eq!(show(&other.read()), "nil");
        assert_eq!(show(&other.read()), "2");
        assert_eq!(show(&third.read()), "[1]");
    }
}

#[test]
fn commands_that_cannot_block_cancel_the_transfer() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let target = MockPrimary::new(transport);
        let mut other = server.client(Transport::Tcp);
        for (command, left) in [
            ("SWAPDB 0 1", "[nil]"),
            ("FLUSHALL", "[nil]"),
            ("COPY b a DB 0 REPLACE", "[2]"),
        ] {
            let copies = command.starts_with("COPY");
            other.text("FLUSHALL");
            source.text("SET a 1");
            other.text("SELECT 1");
            other.text("SET b 2");
            source.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
            let mut link = target.accept();
            assert_eq!(next(&mut link), ["SELECT", "0"]);
            assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
            assert_eq!(other.text(command), if copies { "1" } else { "OK" });
            let expected = "-IOERR error or timeout reading to target instance";
            assert_eq!(show(&source.read()), expected);
            link.wait_for_close();
            assert_eq!(source.text("MGET a"), left);
        }
    }
}

#[test]
fn a_failing_target_loses_no_key() {
    for transport in BOTH {
        let (_server, mut source) = start_source(transport);
        let target = MockPrimary::new(transport);
        source.text("MSET a 1 b 2 c 3");
        let line = format!(
            "MIGRATE 127.0.0.1 {} \"\" 0 400 KEYS a b c\r\n",
            target.port
        );
        // The target closes before any reply, which is retried; then after one reply.
        source.send(line.as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        drop(link);
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        link.send("+OK\r\n+OK\r\n");
        drop(link);
        let expected = "-IOERR error or timeout reading to target instance";
        assert_eq!(show(&source.read()), expected);
        assert_eq!(source.text("MGET a b c"), "[nil 2 3]");
        // The target does not reply.
        source.send(line.as_bytes());
        let link = target.accept();
        assert_eq!(show(&source.read()), expected);
        link.wait_for_close();
        // The target replies with garbage.
        source.send(line.as_bytes());
        for _ in 0..2 {
            let mut link = target.accept();
            link.send("hello\r\n");
            link.wait_for_close();
        }
        assert_eq!(show(&source.read()), expected);
        // The target does not listen.
        drop(target);
        source.send(line.as_bytes());
        let expected = match transport {
            Transport::Tls => "-IOERR error or timeout connecting to the client",
            _ => "-IOERR error or timeout writing to target instance",
        };
        assert_eq!(show(&source.read()), expected);
        // Inside a transaction it shows in the same way.
        source.send(format!("MULTI\r\n{line}EXEC\r\n").as_bytes());
        for reply in ["OK", "QUEUED", &format!("[{expected}]")] {
            assert_eq!(show(&source.read()), reply);
        }
        assert_eq!(source.text("MGET a b c"), "[nil 2 3]");
        assert_eq!(source.info("migrate_cached_sockets"), "0");
    }
}

#[test]
fn migrated_keys_are_not_deleted_while_writes_are_paused() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let target = MockPrimary::new(transport);
        let mut other = server.client(Transport::Tcp);
        let mut mock = MockReplica::new(&server, Transport::Tcp);
        source.text("SET a 1");
        source.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
        assert_eq!(other.text("CLIENT PAUSE 1000000 WRITE"), "OK");
        link.send("+OK\r\n+OK\r\n");
        let offset = other.info("master_repl_offset");
        for _ in 0..100 {
            assert_eq!(other.text("DBSIZE"), "1");
        }
        assert_eq!(other.info("master_repl_offset"), offset);
        assert_eq!(other.text("CLIENT UNPAUSE"), "OK");
        assert_eq!(show(&source.read()), "OK");
        assert_eq!(other.text("DBSIZE"), "0");
        let received: Vec<String> = (0..3).map(|_| mock.next_request()).collect();
        assert_eq!(received, ["SELECT 0", "SET a 1", "DEL a"]);
    }
}

#[test]
fn a_source_that_becomes_a_replica_deletes_nothing() {
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let (target, primary) = (
            MockPrimary::new(transport),
            MockPrimary::new(Transport::Tcp),
        );
        let mut other = server.client(Transport::Tcp);
        source.text("SET a 1");
        source.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
        let command = format!("REPLICAOF 127.0.0.1 {}", primary.port);
        assert_eq!(other.text(&command), "OK");
        let reply = show(&source.read());
        assert!(reply.starts_with("-UNBLOCKED"), "{reply}");
        assert!(source.try_read().is_none());
        // The target may have restored the key nevertheless.
        link.send("+OK\r\n+OK\r\n");
        link.wait_for_close();
        assert_eq!(other.text("REPLICAOF NO ONE"), "OK");
        assert_eq!(other.text("GET a"), "1");
    }
}

#[test]
fn concurrent_transfers_and_the_limit_of_cached_connections() {
    const MOST: usize = 64;
    for transport in BOTH {
        let (server, mut source) = start_source(transport);
        let targets: Vec<MockPrimary> = (0..=MOST).map(|_| MockPrimary::new(transport)).collect();
        let mut callers = Vec::new();
        for (number, target) in targets.iter().enumerate() {
            source.text(&format!("SET key:{number} {number}"));
            let mut caller = server.client(Transport::Tcp);
            let line = format!("MIGRATE 127.0.0.1 {} key:{number} 0 20000\r\n", target.port);
            caller.send(line.as_bytes());
            callers.push(caller);
        }
        let mut links: Vec<Link> = targets.iter().map(MockPrimary::accept).collect();
        for (number, link) in links.iter_mut().enumerate() {
            assert_eq!(next(link), ["SELECT", "0"]);
            assert_eq!(next(link)[1], format!("key:{number}"));
        }
        assert_eq!(source.text("DBSIZE"), (MOST + 1).to_string());
        for (link, caller) in links.iter_mut().zip(&mut callers).rev() {
            link.send("+OK\r\n+OK\r\n");
            assert_eq!(show(&caller.read()), "OK");
        }
        assert_eq!(source.text("DBSIZE"), "0");
        assert_eq!(source.info("migrate_cached_sockets"), MOST.to_string());
    }
}

/// Wherever the link is cut, each key is on the source or on the target.
#[test]
fn a_broken_link_never_loses_a_key() {
    for transport in BOTH {
        let (_server, mut source) = start_source(transport);
        let target = Server::start(&[]);
        let mut destination = target.client(Transport::Tcp);
        let proxy = Proxy::new(port(&target, transport));
        let keys = ["a", "b", "c"];
        let line = format!(
            "MIGRATE 127.0.0.1 {} \"\" 0 5000 REPLACE KEYS a b c\r\n",
            proxy.port
        );
        let mut migrate = || {
            destination.text("FLUSHALL");
            source.text("MSET a 1 b 2 c 3");
            source.send(line.as_bytes());
            let reply = show(&source.read());
            let gone = keys
                .iter()
                .filter(|key| source.text(&format!("GET {key}")) == "nil");
            let gone: Vec<_> = gone.collect();
            for key in &gone {
                assert_eq!(destination.text(&format!("EXISTS {key}")), "1", "{reply}");
            }
            (reply, gone.len())
        };
        assert_eq!(migrate(), ("OK".to_owned(), keys.len()));
        let total = proxy.forwarded();
        let mut outcomes = [0; 4];
        for at in (1..total).step_by(1 + total as usize / 100) {
            // The cached connection is closed as well, which costs one retry.
            proxy.cut();
            let fault = Some((Fault::Cut, at));
            proxy.plan(Plan {
                fault,
                bytewise: at % 2 == 0,
            });
            let (reply, gone) = migrate();
            assert_eq!(
                reply == "OK",
                gone == keys.len(),
                "{reply}, {gone} keys have moved"
            );
            outcomes[gone] += 1;
        }
        assert!(outcomes[0] > 0, "{outcomes:?}");
        if transport == Transport::Tcp {
            assert!(outcomes[1] > 0 && outcomes[2] > 0, "{outcomes:?}");
        }
    }
}

#[test]
fn a_killed_target_loses_no_key() {
    for transport in BOTH {
        let (_server, mut source) = start_source(transport);
        let mut target = Server::start(&[]);
        source.text("SET a 1");
        let to = port(&target, transport);
        // A stopped target accepts the bytes and does not reply.
        source.text(&format!("MIGRATE 127.0.0.1 {to} a 0 5000 COPY"));
        target.signal(Signal::SIGSTOP);
        source.send(format!("MIGRATE 127.0.0.1 {to} a 0 20000 REPLACE\r\n").as_bytes());
        target.signal(Signal::SIGKILL);
        assert_eq!(target.wait_for_exit(), None);
        let reply = show(&source.read());
        assert!(reply.starts_with("-IOERR"), "{reply}");
        assert_eq!(source.text("GET a"), "1");
    }
}

#[test]
fn a_target_that_is_too_old_refuses_and_the_source_keeps_the_key() {
    let (_server, mut source) = start_source(Transport::Tcp);
    let target = Peer::start();
    source.text("SET a 1");
    let reply = source.text(&format!("MIGRATE 127.0.0.1 {} a 0 5000", target.port));
    let refused =
        "-ERR Target instance replied with error: ERR DUMP payload version or checksum are wrong";
    assert_eq!(reply, refused);
    assert_eq!(source.text("GET a"), "1");
}

#[test]
fn invalid_arguments_are_refused() {
    let (_server, mut source) = start_source(Transport::Tcp);
    for (line, reply) in [
        (
            "MIGRATE h 1 k 0 x",
            "-ERR value is not an integer or out of range",
        ),
        ("MIGRATE h 1 k 0 5 NOPE", "-ERR syntax error"),
        ("MIGRATE h 1 k 0 5 AUTH", "-ERR syntax error"),
        ("MIGRATE h 1 k 0 5 AUTH2 u", "-ERR syntax error"),
        (
            "MIGRATE h 1 k 0 5 KEYS a",
            "-ERR When using MIGRATE KEYS option, the key argument must be set to the empty string",
        ),
    ] {
        assert_eq!(source.text(line), reply, "{line}");
    }
}
