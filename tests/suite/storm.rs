//! Many clients at once: pipelines, random disconnects, certificate reloads, handshakes that are never finished.

use std::collections::HashMap;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;

use data::util::rand::Rng;
use tests::client::{Transport, show};
use tests::descriptors;
use tests::server::Server;
use tests::wait::until;

const CLIENTS: usize = 500;
const LANES: usize = 10;
const ROUNDS: usize = 4;

/// Clients write pipelines of keys of their own, and some disconnect in the middle of a request; returns the
/// acknowledged writes.
fn lane(server: &Server, lane: usize) -> HashMap<String, String> {
    let mut rng = Rng::new(lane as u64 + 1);
    let mut acknowledged = HashMap::new();
    let mut clients: Vec<_> = (0..CLIENTS / LANES)
        .map(|_| server.client(Transport::Tls))
        .collect();
    for round in 0..ROUNDS {
        for (number, client) in clients.iter_mut().enumerate() {
            if rng.below(10) == 0 {
                // Disconnect with half a request sent; a new client takes its place.
                client.try_send(b"*3\r\n$3\r\nSET\r\n$4\r\nhalf");
                *client = server.client(Transport::Tls);
            }
            let writes: Vec<(String, String)> = (0..16)
                .map(|i| {
                    (
                        format!("{lane}:{number}:{i}"),
                        format!("{round}:{}", rng.next_u64()),
                    )
                })
                .collect();
            for (key, value) in &writes {
                client.raw().write(&["SET", key, value]).expect("connected");
            }
            for (key, value) in writes {
                assert_eq!(show(&client.read()), "OK");
                acknowledged.insert(key, value);
            }
        }
    }
    acknowledged
}

#[test]
fn every_acknowledged_write_of_500_tls_clients_is_stored() {
    let server = Server::start(&[]);
    let acknowledged: Vec<HashMap<String, String>> = thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES)
            .map(|number| {
                scope.spawn({
                    let server = &server;
                    move || lane(server, number)
                })
            })
            .collect();
        lanes
            .into_iter()
            .map(|lane| lane.join().expect("no client failed"))
            .collect()
    });
    let mut client = server.client(Transport::Tcp);
    for (key, value) in acknowledged.iter().flatten() {
        assert_eq!(&client.text(&format!("GET {key}")), value);
    }
    assert_eq!(client.text("EXISTS half"), "0");
}

#[test]
fn certificate_reloads_under_load_fail_no_request() {
    let server = Server::start(&[]);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|number| {
                let (server, done) = (&server, &done);
                scope.spawn(move || {
                    let mut requests = 0u64;
                    while !done.load(Relaxed) {
                        let mut client = server.client(Transport::Tls);
                        for _ in 0..20 {
                            assert_eq!(client.text(&format!("SET k{number} v")), "OK");
                            requests += 1;
                        }
                    }
                    requests
                })
            })
            .collect();
        let mut admin = server.client(Transport::Tcp);
        for round in 0..20 {
            let name = if round % 2 == 0 { "server" } else { "redis" };
            admin.set_certificate(name);
        }
        done.store(true, Relaxed);
        for worker in workers {
            assert!(worker.join().expect("no request failed") > 0);
        }
    });
}

/// A connection that does not finish its handshake costs little memory, and delays other clients by at most the
/// handshake timeout.
#[test]
fn ten_thousand_unfinished_handshakes_block_no_client() {
    const UNFINISHED: u64 = 10_000;
    // Other tests of this process need descriptors as well.
    const RESERVED: u64 = 4000;
    let unfinished = (descriptors::raise(UNFINISHED + RESERVED) - RESERVED).min(UNFINISHED);
    let server = Server::start(&["--maxclients", "12000", "--tcp-backlog", "4096"]);
    let mut admin = server.client(Transport::Tcp);
    let before: u64 = admin.info("used_memory").parse().expect("a number");
    let half_open = |sends_bytes: bool| {
        let mut socket =
            TcpStream::connect(("127.0.0.1", server.tls_port)).expect("the port listens");
        if sends_bytes {
            socket.write_all(&[22, 3, 1]).expect("connected");
        }
        socket
    };
    // Most connections send nothing; some send the start of a ClientHello and so occupy a handshake slot, but not all
    // slots yet.
    let mut sockets: Vec<TcpStream> = (0..unfinished)
        .map(|number| half_open(number % 25 == 0))
        .collect();
    for _ in 0..20 {
        assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    }
    // Now all slots are occupied. The new client waits until one of them times out, and is then served before the
    // others.
    sockets.extend((0..300).map(|_| half_open(true)));
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    let number = |admin: &mut tests::client::Client, field: &str| -> u64 {
        admin.info(field).parse().expect("a number")
    };
    let used = number(&mut admin, "used_memory").saturating_sub(before);
    assert!(
        used < 64 << 20,
        "{used} bytes for {unfinished} unfinished handshakes"
    );
    assert!(number(&mut admin, "tls_handshakes_in_flight") <= 512);
    drop(sockets);
    until("all handshakes to be dropped", || {
        let left = number(&mut admin, "tls_handshakes_waiting")
            + number(&mut admin, "tls_handshakes_in_flight");
        (left == 0).then_some(())
    });
}

/// Clients that send their handshakes byte by byte, more of them than there are slots, do not keep others from connecting.
#[test]
fn a_thousand_slow_handshakes_block_no_client() {
    let server = Server::start(&[]);
    let mut established = server.client(Transport::Tls);
    // The beginning of a ClientHello that announces more than is ever sent.
    let hello = [22, 3, 1, 1, 0, 1, 0, 0, 252, 3, 3];
    let mut slow: Vec<TcpStream> = (0..1000)
        .map(|_| TcpStream::connect(("127.0.0.1", server.tls_port)).expect("the port listens"))
        .collect();
    for byte in hello {
        for socket in &mut slow {
            // Some lose their slot, and their connection with it, to those that wait for one.
            let _ = socket.write_all(&[byte]);
        }
        assert_eq!(established.text("PING"), "PONG");
        assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    }
    let mut admin = server.client(Transport::Tcp);
    assert!(
        admin
            .info("tls_handshakes_in_flight")
            .parse::<u32>()
            .expect("a number")
            <= 512
    );
}
