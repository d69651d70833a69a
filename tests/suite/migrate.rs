//! MIGRATE: keys leave for another server, over TCP and over TLS, and are never nowhere.

use std::time::Duration;

use nix::sys::signal::Signal;
use tests::client::{Client, Transport, show};
use tests::follower::Follower;
use tests::peer::Peer;
use tests::primary::{Link, Primary};
use tests::proxy::{Fault, Plan, Proxy};
use tests::server::Server;
use tests::wait::{PATIENCE, until};

/// The same body over both.
const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A server that migrates over this transport, and a client of it.
fn source(transport: Transport) -> (Server, Client) {
    let tls = if transport == Transport::Tls {
        "yes"
    } else {
        "no"
    };
    let server = Server::start(&["--tls-migrate", tls]);
    let client = server.client(Transport::Tcp);
    (server, client)
}

fn port(server: &Server, transport: Transport) -> u16 {
    match transport {
        Transport::Tls => server.tls_port,
        _ => server.port,
    }
}

/// The next request with an argument that holds a payload left out.
fn next(link: &mut Link) -> Vec<String> {
    let mut words = link.request();
    words.truncate(3);
    words
}

#[test]
fn keys_leave_with_value_and_time() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let target = Server::start(&[]);
        let mut there = target.client(Transport::Tcp);
        let mut follower = Follower::new(&server, Transport::Tcp);
        let to = port(&target, transport);
        here.text("SET a 1 PX 600000");
        here.text("RPUSH l 1 2 3");
        here.text("SET c 3");
        let big = "x".repeat(3_000_000);
        here.text(&format!("SET big {big}"));
        for _ in 0..5 {
            follower.hear();
        }
        assert_eq!(
            here.text(&format!("MIGRATE 127.0.0.1 {to} nokey 3 5000")),
            "NOKEY"
        );
        assert_eq!(
            here.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000 COPY")),
            "OK"
        );
        assert_eq!(here.info("migrate_cached_sockets"), "1");
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
        assert_eq!(show(&here.call(&line)), "OK");
        assert_eq!(follower.hear(), "DEL a l big");
        assert_eq!(here.text("KEYS *"), "[c]");
        assert_eq!(there.text("SELECT 3"), "OK");
        assert_eq!(there.text("LRANGE l 0 -1"), "[1 2 3]");
        assert_eq!(there.text("GET big"), big);
        let ttl: i64 = there.text("PTTL a").parse().expect("a time");
        assert!((1..=600_000).contains(&ttl), "{ttl}");
        let busy =
            "-ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert_eq!(here.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000")), busy);
        assert_eq!(here.text("GET c"), "3");
        assert_eq!(
            here.text(&format!("MIGRATE 127.0.0.1 {to} c 3 5000 REPLACE")),
            "OK"
        );
        assert_eq!(here.text("DBSIZE"), "0");
    }
}

#[test]
fn in_a_transaction_it_is_done_at_once() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let target = Server::start(&[]);
        let to = port(&target, transport);
        let mut follower = Follower::new(&server, Transport::Tcp);
        here.text("MULTI");
        here.text("SET a 1");
        here.text(&format!("MIGRATE 127.0.0.1 {to} a 0 5000"));
        here.text("EXISTS a");
        assert_eq!(here.text("EXEC"), "[OK OK 0]");
        let heard: Vec<String> = (0..5).map(|_| follower.hear()).collect();
        assert_eq!(heard[2..], ["SET a 1", "DEL a", "EXEC"]);
        assert_eq!(target.client(Transport::Tcp).text("GET a"), "1");
    }
}

/// A target that sends a byte of a reply that never ends whenever 20 ms have passed.
#[test]
fn in_a_transaction_the_time_out_bounds_the_whole_transfer() {
    for transport in BOTH {
        let (_server, mut here) = source(transport);
        let target = Primary::new(transport);
        here.text("SET a 1");
        here.text("MULTI");
        here.text(&format!("MIGRATE localhost {} a 0 700", target.port));
        here.text("PING");
        here.send(b"EXEC\r\n");
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        link.send("+OK\r\n+");
        here.raw().set_read_timeout(Some(Duration::from_millis(20)));
        let told = until("an end of EXEC", || {
            let told = here.raw().read().ok();
            link.try_send("x");
            told
        });
        let failure = "[-IOERR error or timeout reading to target instance PONG]";
        assert_eq!(show(&told), failure);
        here.raw().set_read_timeout(Some(PATIENCE));
        assert_eq!(here.text("GET a"), "1");
    }
}

#[test]
fn who_names_a_key_in_flight_waits_and_nobody_else_does() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let target = Primary::new(transport);
        let (mut other, mut third) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
        here.text("MSET a 1 b 2 c 3");
        here.send(format!("MIGRATE 127.0.0.1 {} a 0 20000 AUTH2 u p\r\n", target.port).as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["AUTH", "u", "p"]);
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
        other.send(b"GET a\r\nGET b\r\n");
        third.text("MULTI");
        third.text("INCR a");
        third.send(b"EXEC\r\n");
        until("two that wait", || {
            (server.client(Transport::Tcp).info("blocked_clients") == "3").then_some(())
        });
        assert_eq!(server.client(Transport::Tcp).text("GET c"), "3");
        link.send("+OK\r\n+OK\r\n+OK\r\n");
        assert_eq!(show(&here.read()), "OK");
        assert_eq!(show(&other.read()), "nil");
        assert_eq!(show(&other.read()), "2");
        assert_eq!(show(&third.read()), "[1]");
    }
}

#[test]
fn what_cannot_wait_cancels_the_transfer() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let target = Primary::new(transport);
        let mut other = server.client(Transport::Tcp);
        for (command, left) in [
            ("SWAPDB 0 1", "[nil]"),
            ("FLUSHALL", "[nil]"),
            ("COPY b a DB 0 REPLACE", "[2]"),
        ] {
            let copies = command.starts_with("COPY");
            other.text("FLUSHALL");
            here.text("SET a 1");
            other.text("SELECT 1");
            other.text("SET b 2");
            here.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
            let mut link = target.accept();
            assert_eq!(next(&mut link), ["SELECT", "0"]);
            assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
            assert_eq!(other.text(command), if copies { "1" } else { "OK" });
            let told = "-IOERR error or timeout reading to target instance";
            assert_eq!(show(&here.read()), told);
            link.wait_for_end();
            assert_eq!(here.text("MGET a"), left);
        }
    }
}

#[test]
fn a_target_that_fails_costs_no_key() {
    for transport in BOTH {
        let (_server, mut here) = source(transport);
        let target = Primary::new(transport);
        here.text("MSET a 1 b 2 c 3");
        let line = format!(
            "MIGRATE 127.0.0.1 {} \"\" 0 400 KEYS a b c\r\n",
            target.port
        );
        // It hangs up before any answer, which is tried again; then after one answer.
        here.send(line.as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        drop(link);
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        link.send("+OK\r\n+OK\r\n");
        drop(link);
        let told = "-IOERR error or timeout reading to target instance";
        assert_eq!(show(&here.read()), told);
        assert_eq!(here.text("MGET a b c"), "[nil 2 3]");
        // It says nothing.
        here.send(line.as_bytes());
        let link = target.accept();
        assert_eq!(show(&here.read()), told);
        link.wait_for_end();
        // It talks nonsense.
        here.send(line.as_bytes());
        for _ in 0..2 {
            let mut link = target.accept();
            link.send("hello\r\n");
            link.wait_for_end();
        }
        assert_eq!(show(&here.read()), told);
        // It is not there.
        drop(target);
        here.send(line.as_bytes());
        let told = "-IOERR error or timeout connecting to the client";
        assert_eq!(show(&here.read()), told);
        assert_eq!(here.text("MGET a b c"), "[nil 2 3]");
        assert_eq!(here.info("migrate_cached_sockets"), "0");
    }
}

#[test]
fn what_has_arrived_is_not_deleted_while_writes_are_paused() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let target = Primary::new(transport);
        let mut other = server.client(Transport::Tcp);
        let mut follower = Follower::new(&server, Transport::Tcp);
        here.text("SET a 1");
        here.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
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
        assert_eq!(show(&here.read()), "OK");
        assert_eq!(other.text("DBSIZE"), "0");
        let heard: Vec<String> = (0..3).map(|_| follower.hear()).collect();
        assert_eq!(heard, ["SELECT 0", "SET a 1", "DEL a"]);
    }
}

#[test]
fn a_source_that_becomes_a_replica_deletes_nothing() {
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let (target, primary) = (Primary::new(transport), Primary::new(Transport::Tcp));
        let mut other = server.client(Transport::Tcp);
        here.text("SET a 1");
        here.send(format!("MIGRATE 127.0.0.1 {} a 0 20000\r\n", target.port).as_bytes());
        let mut link = target.accept();
        assert_eq!(next(&mut link), ["SELECT", "0"]);
        assert_eq!(next(&mut link), ["RESTORE", "a", "0"]);
        let command = format!("REPLICAOF 127.0.0.1 {}", primary.port);
        assert_eq!(other.text(&command), "OK");
        let told = show(&here.read());
        assert!(told.starts_with("-UNBLOCKED"), "{told}");
        assert!(here.try_read().is_none());
        // The target has it all the same, maybe.
        link.send("+OK\r\n+OK\r\n");
        link.wait_for_end();
        assert_eq!(other.text("REPLICAOF NO ONE"), "OK");
        assert_eq!(other.text("GET a"), "1");
    }
}

#[test]
fn many_transfers_at_once_and_as_many_links_as_are_kept() {
    const MOST: usize = 64;
    for transport in BOTH {
        let (server, mut here) = source(transport);
        let targets: Vec<Primary> = (0..=MOST).map(|_| Primary::new(transport)).collect();
        let mut callers = Vec::new();
        for (number, target) in targets.iter().enumerate() {
            here.text(&format!("SET key:{number} {number}"));
            let mut caller = server.client(Transport::Tcp);
            let line = format!("MIGRATE 127.0.0.1 {} key:{number} 0 20000\r\n", target.port);
            caller.send(line.as_bytes());
            callers.push(caller);
        }
        let mut links: Vec<Link> = targets.iter().map(Primary::accept).collect();
        for (number, link) in links.iter_mut().enumerate() {
            assert_eq!(next(link), ["SELECT", "0"]);
            assert_eq!(next(link)[1], format!("key:{number}"));
        }
        assert_eq!(here.text("DBSIZE"), (MOST + 1).to_string());
        for (link, caller) in links.iter_mut().zip(&mut callers).rev() {
            link.send("+OK\r\n+OK\r\n");
            assert_eq!(show(&caller.read()), "OK");
        }
        assert_eq!(here.text("DBSIZE"), "0");
        assert_eq!(here.info("migrate_cached_sockets"), MOST.to_string());
    }
}

/// Wherever the link is cut, each key is on the source or on the target.
#[test]
fn a_key_is_never_on_neither() {
    for transport in BOTH {
        let (_server, mut here) = source(transport);
        let target = Server::start(&[]);
        let mut there = target.client(Transport::Tcp);
        let proxy = Proxy::new(port(&target, transport));
        let keys = ["a", "b", "c"];
        let line = format!(
            "MIGRATE 127.0.0.1 {} \"\" 0 5000 REPLACE KEYS a b c\r\n",
            proxy.port
        );
        let mut migrate = || {
            there.text("FLUSHALL");
            here.text("MSET a 1 b 2 c 3");
            here.send(line.as_bytes());
            let told = show(&here.read());
            let gone = keys
                .iter()
                .filter(|key| here.text(&format!("GET {key}")) == "nil");
            let gone: Vec<_> = gone.collect();
            for key in &gone {
                assert_eq!(there.text(&format!("EXISTS {key}")), "1", "{told}");
            }
            (told, gone.len())
        };
        assert_eq!(migrate(), ("OK".to_owned(), keys.len()));
        let total = proxy.passed();
        let mut outcomes = [0; 4];
        for at in (1..total).step_by(1 + total as usize / 100) {
            // The link that is kept is of no use, which costs no more than another attempt.
            proxy.cut();
            let fault = Some((Fault::Cut, at));
            proxy.plan(Plan {
                fault,
                trickle: at % 2 == 0,
            });
            let (told, gone) = migrate();
            assert_eq!(told == "OK", gone == keys.len(), "{told}, {gone} are gone");
            outcomes[gone] += 1;
        }
        assert!(outcomes[0] > 0, "{outcomes:?}");
        if transport == Transport::Tcp {
            assert!(outcomes[1] > 0 && outcomes[2] > 0, "{outcomes:?}");
        }
    }
}

#[test]
fn a_target_that_is_killed_costs_no_key() {
    for transport in BOTH {
        let (_server, mut here) = source(transport);
        let mut target = Server::start(&[]);
        here.text("SET a 1");
        let to = port(&target, transport);
        // One that stands still takes the key in, and says nothing.
        here.text(&format!("MIGRATE 127.0.0.1 {to} a 0 5000 COPY"));
        target.signal(Signal::SIGSTOP);
        here.send(format!("MIGRATE 127.0.0.1 {to} a 0 20000 REPLACE\r\n").as_bytes());
        target.signal(Signal::SIGKILL);
        assert_eq!(target.wait_for_exit(), None);
        let told = show(&here.read());
        assert!(told.starts_with("-IOERR"), "{told}");
        assert_eq!(here.text("GET a"), "1");
    }
}

#[test]
fn a_server_that_is_too_old_refuses_and_the_key_stays() {
    let (_server, mut here) = source(Transport::Tcp);
    let target = Peer::start();
    here.text("SET a 1");
    let told = here.text(&format!("MIGRATE 127.0.0.1 {} a 0 5000", target.port));
    let refused =
        "-ERR Target instance replied with error: ERR DUMP payload version or checksum are wrong";
    assert_eq!(told, refused);
    assert_eq!(here.text("GET a"), "1");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (_server, mut here) = source(Transport::Tcp);
    for (line, told) in [
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
        assert_eq!(here.text(line), told, "{line}");
    }
}
