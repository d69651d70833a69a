//! Ports that serve peers with and without TLS: what tells them apart, and when.

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use common::certs::Site;
use common::peer::{Peer, client_context};
use common::{World, dial, listen, next, on_accept};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, State};
use conn::tls::context::TlsContext;

const TIMEOUT_MS: u64 = 100;

struct Port {
    world: World,
    tls: TlsContext,
    _site: Site,
}

impl Port {
    fn new() -> Self {
        let site = Site::new();
        let limits = HandshakeLimits {
            handshake_timeout_ms: TIMEOUT_MS,
            ..HandshakeLimits::default()
        };
        Port {
            world: World::with_limits(limits),
            tls: site.context(),
            _site: site,
        }
    }

    fn join(&mut self) -> (ConnId, TcpStream) {
        let listener = listen();
        let socket = dial(&listener);
        let (el, conns) = (&mut self.world.el, &mut self.world.conns);
        let id = conns
            .accept_mixed(el, next(&listener), &self.tls, on_accept, 0)
            .expect("a connection");
        (id, socket)
    }

    fn until_log(&mut self, line: &str) {
        self.world.until(line, |world| {
            world.log.iter().any(|each| each.contains(line))
        });
    }
}

/// Lets the time for a handshake pass while no event is processed.
fn stall() {
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(TIMEOUT_MS + 1) {
        std::thread::yield_now();
    }
}

#[test]
fn a_silent_peer_is_plain_when_the_time_for_a_handshake_has_passed() {
    let mut port = Port::new();
    let (id, mut socket) = port.join();
    port.until_log("connected");
    assert!(!port.world.conns.is_tls(id));
    assert_eq!(port.world.conns.stats().waiting, 0);
    socket.write_all(b"hello").expect("sent");
    port.world.until("bytes", |world| world.input == b"hello");
    port.world.write_all(id, b"bye");
    let mut answer = [0; 3];
    port.world
        .until("an answer", |_| socket.read_exact(&mut answer).is_ok());
    assert_eq!(&answer, b"bye");
    // Nothing ends it any more.
    stall();
    port.world.glance();
    assert_eq!(port.world.conns.state(id), State::Connected);
}

#[test]
fn a_handshake_that_has_begun_has_to_end() {
    let mut port = Port::new();
    let (id, mut socket) = port.join();
    socket.write_all(&[22, 3, 1]).expect("sent");
    port.until_log("failed: ");
    assert!(port.world.log[0].contains("the handshake was not finished in time"));
    assert_eq!(port.world.conns.state(id), State::Failed);
}

/// The first byte counts, whenever this side looks at it.
#[test]
fn a_peer_that_has_spoken_is_not_silent() {
    let mut port = Port::new();
    let (id, socket) = port.join();
    let mut peer = Peer::new(socket, &client_context(|_| {}));
    let _ = peer.step();
    peer.push();
    stall();
    peer.handshake(&mut port.world);
    port.until_log("connected");
    assert!(port.world.conns.is_tls(id));

    let (id, mut socket) = port.join();
    port.world.take_log();
    socket.write_all(b"hello").expect("sent");
    stall();
    port.until_log("connected");
    assert!(!port.world.conns.is_tls(id));

    // What a peer would have spoken that has left is unknown, and no handshake has failed.
    let (id, socket) = port.join();
    port.world.take_log();
    drop(socket);
    stall();
    port.until_log("connected");
    assert!(!port.world.conns.is_tls(id));
}
