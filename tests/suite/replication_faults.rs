//! Links that break: at many points of the handshake and the transfer, at random under writes, and with processes that
//! are killed or stopped. In the end a replica equals its primary, and neither keeps more of the stream than its
//! backlog.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use data::util::rand::Rng;
use nix::sys::signal::Signal;
use tests::certs::{CertSpec, file_in, issue};
use tests::client::{Client, Transport};
use tests::pair::{change_role, follow, port, start, wait_for_link, wait_for_sync};
use tests::proxy::{Fault, Plan, Proxy};
use tests::server::{Server, send_signal, temp_dir};
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];
const FAULTS: [Fault; 3] = [Fault::Cut, Fault::CloseToClient, Fault::CloseToServer];
/// Writes per batch.
const BATCH: usize = 20;

/// A proxy in front of a server's port for replicas.
fn proxy_to(server: &Server, transport: Transport) -> Proxy {
    Proxy::new(port(server, transport))
}

/// Waits until the stream buffers fit the backlog, rounded up to whole blocks.
fn wait_for_small_stream(client: &mut Client, backlog: u64) {
    until("the stream buffers to be freed", || {
        let kept: u64 = client.info("mem_total_replication_buffers").parse().ok()?;
        (kept <= backlog + backlog / 4).then_some(())
    });
}

/// Writes to a server on a thread until the flag falls; returns the number of writes.
fn start_writer(server: &Server, running: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let mut client = server.client(Transport::Tcp);
    let running = Arc::clone(running);
    thread::spawn(move || {
        let mut rng = Rng::new(7);
        let mut written = 0;
        while running.load(Ordering::Relaxed) {
            let mut batch = Vec::new();
            for _ in 0..BATCH {
                let n = rng.below(500);
                let line = match rng.below(6) {
                    0 => format!("INCR count:{n}\r\n"),
                    1 => format!("SET text:{n} {} EX 1000\r\n", "x".repeat(n as usize / 8)),
                    2 => format!("LPUSH list:{n} {written}\r\n"),
                    3 => format!("SADD set:{n} {written}\r\n"),
                    4 => "SPOP set:1 2\r\n".to_owned(),
                    _ => format!("DEL text:{n}\r\n"),
                };
                batch.extend_from_slice(line.as_bytes());
            }
            client.send(&batch);
            for _ in 0..BATCH {
                client.read();
            }
            written += BATCH;
        }
        written
    })
}

/// Offsets at which to break a link that transfers `total` bytes: closely spaced during the handshake, a few during
/// the transfer, and one in the EOF marker. The size of another run differs a little: the RDB file holds memory sizes,
/// and TLS records vary.
fn break_offsets(total: u64, transport: Transport) -> Vec<u64> {
    let (talk, step, mark) = match transport {
        Transport::Tls => (5000, 389, total / 50),
        _ => (130, 9, 25),
    };
    let mut places: Vec<u64> = (1..talk.min(total)).step_by(step).collect();
    places.extend((1..8).map(|part| total * part / 8));
    places.push(total - mark);
    places
}

#[test]
fn a_full_resync_that_breaks_at_any_stage_recovers() {
    for transport in BOTH {
        for load in ["disabled", "swapdb"] {
            let (server, mut primary) =
                start(transport, &["--rdbcompression", "no", "--hz", "100"]);
            let (_other, mut replica) = start(transport, &["--repl-diskless-load", load]);
            primary.text("DEBUG POPULATE 500 filler 100");
            let proxy = proxy_to(&server, transport);
            follow(&mut replica, proxy.port);
            wait_for_link(&mut replica);
            let total = proxy.forwarded();
            for (number, at) in break_offsets(total, transport).into_iter().enumerate() {
                // With a replication id of its own it needs a full resynchronization.
                change_role(&mut replica, "REPLICAOF NO ONE");
                let fault = Some((FAULTS[number % 3], at));
                let bytewise = number % 4 == 3;
                let before = proxy.faults();
                proxy.plan(Plan { fault, bytewise });
                follow(&mut replica, proxy.port);
                proxy.wait_for_fault(before);
            }
            proxy.plan(Plan::default());
            // Whatever state the last fault has left, the replica recovers from it by itself.
            primary.text("SET last 1");
            wait_for_sync(&mut primary, &mut replica);
            assert_eq!(replica.text("GET last"), "1");
        }
    }
}

#[test]
fn a_stream_that_breaks_at_random_under_writes_resumes() {
    for transport in BOTH {
        let size = ["--repl-backlog-size", "256mb"];
        let (server, mut primary) = start(transport, &size);
        let (_other, mut replica) = start(transport, &[]);
        let proxy = proxy_to(&server, transport);
        follow(&mut replica, proxy.port);
        wait_for_link(&mut replica);
        let running = Arc::new(AtomicBool::new(true));
        let writer = start_writer(&server, &running);
        let mut rng = Rng::new(11);
        for round in 1..=24_usize {
            let fault = Some((FAULTS[round % 3], 6000 + rng.below(60_000)));
            let bytewise = rng.below(8) == 0;
            let before = proxy.faults();
            proxy.plan(Plan { fault, bytewise });
            if round == 1 {
                proxy.cut();
            }
            proxy.wait_for_fault(before);
        }
        proxy.plan(Plan::default());
        proxy.cut();
        running.store(false, Ordering::Relaxed);
        let written = writer.join().expect("the writer ends");
        wait_for_sync(&mut primary, &mut replica);
        assert!(written >= 1000, "{written}");
        assert_eq!(primary.info("sync_full"), "1");
        // The first attempt used the replica's own replication id.
        assert_eq!(primary.info("sync_partial_err"), "1");
        let resumed: u64 = primary.info("sync_partial_ok").parse().expect("a number");
        assert!(resumed >= 20, "{resumed}");
    }
}

#[test]
fn a_chain_whose_links_break_under_writes_resumes() {
    for transport in BOTH {
        let size = ["--repl-backlog-size", "256mb"];
        let (first, mut a) = start(transport, &size);
        let (second, mut b) = start(transport, &size);
        let (_third, mut c) = start(transport, &size);
        let proxies = [proxy_to(&first, transport), proxy_to(&second, transport)];
        for (replica, proxy) in [(&mut b, &proxies[0]), (&mut c, &proxies[1])] {
            follow(replica, proxy.port);
            wait_for_link(replica);
        }
        let running = Arc::new(AtomicBool::new(true));
        let writer = start_writer(&first, &running);
        let mut rng = Rng::new(13);
        for round in 0..16_usize {
            let proxy = &proxies[round % 2];
            let fault = Some((FAULTS[round % 3], 6000 + rng.below(40_000)));
            let before = proxy.faults();
            proxy.plan(Plan {
                fault,
                bytewise: false,
            });
            proxy.cut();
            proxy.wait_for_fault(before);
            proxy.plan(Plan::default());
        }
        running.store(false, Ordering::Relaxed);
        writer.join().expect("the writer ends");
        wait_for_sync(&mut a, &mut b);
        wait_for_sync(&mut a, &mut c);
        assert_eq!(a.info("sync_full"), "1");
        assert_eq!(b.info("sync_full"), "1");
    }
}

#[test]
fn a_stopped_replica_catches_up_after_sigcont() {
    for transport in BOTH {
        let size = ["--repl-backlog-size", "1mb"];
        let (server, mut primary) = start(transport, &size);
        let (other, mut replica) = start(transport, &size);
        let proxy = proxy_to(&server, transport);
        follow(&mut replica, proxy.port);
        wait_for_link(&mut replica);
        other.signal(Signal::SIGSTOP);
        proxy.pause();
        let value = "x".repeat(100_000);
        for number in 0..200 {
            primary.text(&format!("SET big:{number} {value}"));
        }
        let kept: u64 = primary
            .info("mem_total_replication_buffers")
            .parse()
            .expect("a number");
        assert!(
            kept > 4 << 20,
            "the stream must be kept for the replica: {kept}"
        );
        other.signal(Signal::SIGCONT);
        proxy.resume();
        wait_for_sync(&mut primary, &mut replica);
        assert_eq!(primary.info("sync_full"), "1");
        primary.text("SET one more");
        wait_for_small_stream(&mut primary, 1 << 20);
        wait_for_small_stream(&mut replica, 1 << 20);
    }
}

#[test]
fn a_killed_replica_is_dropped_and_its_buffers_are_freed() {
    for transport in BOTH {
        let size = ["--repl-backlog-size", "1mb"];
        let (server, mut primary) = start(transport, &size);
        let (mut other, mut replica) = start(transport, &[]);
        let proxy = proxy_to(&server, transport);
        follow(&mut replica, proxy.port);
        wait_for_link(&mut replica);
        proxy.pause();
        let value = "x".repeat(100_000);
        for number in 0..100 {
            primary.text(&format!("SET big:{number} {value}"));
        }
        other.signal(Signal::SIGKILL);
        assert_eq!(other.wait_for_exit(), None);
        proxy.resume();
        until("the replica to be dropped", || {
            (primary.info("connected_slaves") == "0").then_some(())
        });
        primary.text("SET one more");
        wait_for_small_stream(&mut primary, 1 << 20);
        let (_new, mut replica) = start(transport, &[]);
        follow(&mut replica, proxy.port);
        wait_for_link(&mut replica);
        wait_for_sync(&mut primary, &mut replica);
    }
}

#[test]
fn a_transfer_whose_child_is_killed_is_repeated() {
    for transport in BOTH {
        let slow = ["--rdb-key-save-delay", "10000"];
        let (server, mut primary) = start(transport, &slow);
        let (_other, mut replica) = start(transport, &["--repl-diskless-load", "swapdb"]);
        primary.text("DEBUG POPULATE 5000 filler 100");
        let proxy = proxy_to(&server, transport);
        follow(&mut replica, proxy.port);
        let child = server.child_pid();
        primary.text("CONFIG SET rdb-key-save-delay 0");
        send_signal(child, Signal::SIGKILL);
        server.wait_for_log(&["Background transfer terminated by signal 9"]);
        wait_for_link(&mut replica);
        wait_for_sync(&mut primary, &mut replica);
        assert_eq!(proxy.connections(), 2);
    }
}

#[test]
fn a_transfer_is_retried_after_a_full_disk_on_either_side() {
    for transport in BOTH {
        let by_file = ["--repl-diskless-sync", "no", "--rdbcompression", "no"];
        let (server, mut primary) = start(transport, &by_file);
        let (other, mut replica) = start(transport, &["--repl-diskless-load", "disabled"]);
        primary.text("DEBUG POPULATE 2000 filler 500");
        server.limit_file_size("100000");
        follow(&mut replica, port(&server, transport));
        server
            .wait_for_log(&["Write error while saving DB to the disk(rdbSaveRio): File too large"]);
        other.limit_file_size("100000");
        server.limit_file_size("unlimited");
        other.wait_for_log(&["Write error or short write writing to the DB dump file"]);
        assert_eq!(replica.text("PING"), "PONG");
        other.limit_file_size("unlimited");
        wait_for_link(&mut replica);
        wait_for_sync(&mut primary, &mut replica);
        let left: Vec<_> = fs::read_dir(other.dir.path())
            .expect("readable")
            .map(|entry| entry.expect("readable").file_name())
            .filter(|name| name.to_string_lossy().starts_with("temp-"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn new_certificates_do_not_break_a_link() {
    let (server, mut primary) = start(Transport::Tls, &[]);
    let (_other, mut replica) = start(Transport::Tls, &[]);
    let proxy = proxy_to(&server, Transport::Tls);
    follow(&mut replica, proxy.port);
    wait_for_link(&mut replica);
    let made = temp_dir();
    let new = CertSpec {
        name: "new",
        ..CertSpec::default()
    };
    issue(made.path(), &new);
    let (cert, key) = (
        file_in(made.path(), "new.crt"),
        file_in(made.path(), "new.key"),
    );
    for client in [&mut primary, &mut replica] {
        let renew = format!("CONFIG SET tls-cert-file {cert} tls-key-file {key}");
        let before = client.info("tls_server_cert_serial");
        assert_eq!(client.text(&renew), "OK");
        assert_ne!(client.info("tls_server_cert_serial"), before);
    }
    primary.text("SET k old");
    wait_for_sync(&mut primary, &mut replica);
    assert_eq!(
        primary.info("sync_partial_ok"),
        "0",
        "the link must not break"
    );
    proxy.cut();
    until("a partial resynchronization", || {
        (primary.info("sync_partial_ok") == "1").then_some(())
    });
    primary.text("SET k new");
    wait_for_sync(&mut primary, &mut replica);
    assert_eq!(primary.info("sync_full"), "1");
}
