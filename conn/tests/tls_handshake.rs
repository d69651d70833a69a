//! Handshakes: dribbled, refused, bounded, resumed; and the sentences for what goes wrong.

mod common;

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use common::certs::{Authority, Site};
use common::peer::{Peer, client_context, only, showing};
use common::{World, dial, failures, listen};
use conn::admission::HandshakeLimits;
use conn::connection::{ConnId, State};
use conn::error::Cause;
use conn::listener::Listener;
use conn::tls::config::{AuthClients, TlsConfig};
use conn::tls::context::TlsContext;
use conn::tls::info::TlsStats;
use openssl::asn1::Asn1Time;
use openssl::ssl::{SslContext, SslSession, SslVersion};

/// A site that asks clients for certificates as told.
fn site(auth_clients: AuthClients) -> Site {
    let mut site = Site::new();
    site.config.auth_clients = auth_clients;
    site
}

/// The one line that a connection of `peer` left in the log, and how it ended on the other side.
fn refusal(site: &Site, context: &SslContext) -> (String, String, TlsStats) {
    let mut world = World::new();
    let listener = listen();
    let socket = dial(&listener);
    let address = socket.local_addr().expect("an address").to_string();
    let id = world.accept(&listener, Some(&site.context()));
    let mut peer = Peer::new(socket, context);
    let end = peer.failure(&mut world);
    world.until("a verdict", |world| !world.log.is_empty());
    assert_eq!(world.log.len(), 1, "{:?}", world.log);
    assert_eq!(world.conns.state(id), State::Failed);
    world.conns.close(&mut world.el, id);
    let line = world.log[0].replace(&address, "PEER");
    let stats = world.conns.stats();
    assert_eq!(stats.in_flight, 0);
    assert!(
        stats
            .last_failure
            .as_ref()
            .is_some_and(|last| last.unix_time > 1_700_000_000 && line.contains("PEER"))
    );
    (line, end, stats)
}

#[test]
fn a_certificate_without_its_chain_is_shown_with_the_trusted_issuers() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let mut site = Site::new();
        let issuer = &site.authority.cert;
        let name = format!("{:08x}.0", issuer.subject_name_hash());
        let file = site.folder.write(&name, &issuer.to_pem().expect("PEM"));
        (site.config.ca_cert_file, site.config.ca_cert_dir) = (None, Some(site.folder.path("")));
        let context = site.context();
        // The chain was built when the context was loaded; a handshake reads no file.
        fs::remove_file(file).expect("the file is there");
        let mut world = World::new();
        let listener = listen();
        let mut peer = Peer::new(dial(&listener), &client_context(only(version)));
        world.accept(&listener, Some(&context));
        peer.handshake(&mut world);
        let chain = peer.tls.ssl().peer_cert_chain().expect("a chain");
        let issuers: Vec<_> = chain.iter().skip(1).map(ToOwned::to_owned).collect();
        assert_eq!(issuers, [site.authority.cert.clone()], "{version:?}");
    }
}

#[test]
fn a_handshake_may_come_byte_by_byte() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let site = Site::new();
        let mut world = World::new();
        let listener = listen();
        let mut peer = Peer::new(dial(&listener), &client_context(only(version)));
        let id = world.accept(&listener, Some(&site.context()));
        world.until("both to be done", |world| {
            peer.pull();
            let done = peer.step();
            for byte in peer.take_output() {
                peer.send_raw(&[byte]);
                world.glance();
            }
            done && world.conns.state(id) == State::Connected
        });
        assert_eq!(world.log, ["connected", "nothing"]);
    }
}

#[test]
fn a_client_certificate_is_an_identity() {
    let site = site(AuthClients::Yes);
    let alice = site.authority.issue("alice", (-1, 30));
    let mut world = World::new();
    let listener = listen();
    let id = {
        let mut peer = Peer::new(dial(&listener), &client_context(showing(&alice)));
        let id = world.accept(&listener, Some(&site.context()));
        peer.handshake(&mut world);
        id
    };
    let identity = world.conns.peer_cert(id).expect("an identity");
    assert_eq!(identity.common_name.as_deref(), Some("alice"));
    assert_eq!(identity.names, ["alice", "127.0.0.1"]);
}

#[test]
fn an_optional_certificate_may_be_missing_but_not_wrong() {
    let site = site(AuthClients::Optional);
    let mut world = World::new();
    let listener = listen();
    let mut peer = Peer::new(dial(&listener), &client_context(|_| {}));
    let id = world.accept(&listener, Some(&site.context()));
    peer.handshake(&mut world);
    assert_eq!(world.conns.peer_cert(id), None);
    let stranger = Authority::new("Other CA").issue("mallory", (-1, 30));
    let (line, ..) = refusal(&site, &client_context(showing(&stranger)));
    assert!(line.contains("certificate verify failed"), "{line}");
}

#[test]
fn the_bus_may_ask_for_more_than_the_clients_port() {
    let mut site = Site::new();
    let context = site.context().with_auth_clients(AuthClients::Yes);
    assert_eq!(site.context().auth_clients(), AuthClients::No);
    site.config.auth_clients = AuthClients::Yes;
    assert_eq!(context.auth_clients(), AuthClients::Yes);
    assert_eq!(context.certs(), site.context().certs());
}

#[test]
fn what_is_wrong_with_a_client_is_said_on_both_sides() {
    let site = site(AuthClients::Yes);
    let old = site.authority.issue("old", (-20, -10));
    let (line, end, stats) = refusal(&site, &client_context(showing(&old)));
    assert_eq!(
        line,
        "failed: TLS handshake with PEER: certificate verify failed: certificate has expired (CN=old)"
    );
    assert!(end.contains("certificate expired"), "{end}");
    assert_eq!(failures(&stats, Cause::Certificate), 1);

    let stranger = Authority::new("Other CA").issue("mallory", (-1, 30));
    let (line, end, stats) = refusal(&site, &client_context(showing(&stranger)));
    let expected = "failed: TLS handshake with PEER: certificate verify failed: unable to get local issuer certificate (CN=mallory)";
    assert_eq!(line, expected);
    assert!(end.contains("unknown ca"), "{end}");
    assert_eq!(failures(&stats, Cause::Certificate), 1);

    let (line, end, stats) = refusal(&site, &client_context(|_| {}));
    assert!(line.ends_with("did not return a certificate"), "{line}");
    assert!(end.contains("alert"), "{end}");
    assert_eq!(failures(&stats, Cause::Certificate), 1);
}

#[test]
fn a_client_without_common_ground_is_told() {
    let mut site = Site::new();
    site.config.protocols = Some("tlsv1.3".into());
    let (line, end, stats) = refusal(&site, &client_context(only(SslVersion::TLS1_2)));
    assert!(
        line.starts_with("failed: TLS handshake with PEER: "),
        "{line}"
    );
    assert!(
        !line.contains("null") && !line.contains("Success"),
        "{line}"
    );
    assert!(end.contains("protocol version"), "{end}");
    assert_eq!(failures(&stats, Cause::Protocol), 1);
}

/// Sends `bytes` in plain text and hangs up if told to; the line in the log.
fn plain(bytes: &[u8], hang_up: bool) -> (String, TlsStats) {
    let site = Site::new();
    let mut world = World::new();
    let listener = listen();
    let mut socket = TcpStream::connect(("127.0.0.1", listener.port())).expect("a connection");
    let address = socket.local_addr().expect("an address").to_string();
    socket.write_all(bytes).expect("room");
    let held = (!hang_up).then_some(socket);
    world.accept(&listener, Some(&site.context()));
    world.until("a verdict", |world| !world.log.is_empty());
    drop(held);
    (world.log[0].replace(&address, "PEER"), world.conns.stats())
}

#[test]
fn a_client_that_does_not_speak_tls_is_named_so() {
    for bytes in [
        &b"PING\r\n"[..],
        b"*1\r\n$4\r\nPING\r\n",
        b"GET / HTTP/1.0\r\n\r\n",
    ] {
        let (line, stats) = plain(bytes, false);
        assert!(
            line.starts_with("failed: TLS handshake with PEER: the peer does not speak TLS ("),
            "{line}"
        );
        assert_eq!(failures(&stats, Cause::NotTls), 1);
    }
    for bytes in [&b""[..], b"\x16\x03"] {
        let (line, stats) = plain(bytes, true);
        assert_eq!(
            line,
            "failed: TLS handshake with PEER: the peer closed the connection during the handshake"
        );
        assert_eq!(failures(&stats, Cause::Closed), 1);
    }
}

fn limits(
    handshakes_in_flight: usize,
    handshakes_per_turn: u32,
    handshake_timeout_ms: u64,
) -> HandshakeLimits {
    HandshakeLimits {
        handshakes_in_flight,
        handshakes_per_turn,
        handshakes_turn_us: 0,
        handshake_timeout_ms,
        contended_slot_ms: 60_000,
    }
}

/// Clients of one listener, with what each would say first in its outbox.
struct Crowd {
    world: World,
    listener: Listener,
    tls: TlsContext,
    ids: Vec<ConnId>,
    peers: Vec<Peer>,
    _site: Site,
}

impl Crowd {
    fn new(limits: HandshakeLimits) -> Self {
        let site = Site::new();
        let world = World::with_limits(limits);
        Self {
            world,
            listener: listen(),
            tls: site.context(),
            ids: Vec::new(),
            peers: Vec::new(),
            _site: site,
        }
    }

    fn join(&mut self) -> &mut Peer {
        let mut peer = Peer::new(
            dial(&self.listener),
            &client_context(only(SslVersion::TLS1_3)),
        );
        peer.step();
        self.ids
            .push(self.world.accept(&self.listener, Some(&self.tls)));
        self.peers.push(peer);
        self.peers.last_mut().expect("just joined")
    }

    fn connected(&self) -> Vec<usize> {
        let connected = |n: &usize| self.world.conns.state(self.ids[*n]) == State::Connected;
        (0..self.ids.len()).filter(connected).collect()
    }

    /// Lets client `n` finish what it has begun.
    fn finish(&mut self, n: usize) {
        let Self {
            world, peers, ids, ..
        } = self;
        world.until("one client", |world| {
            peers[n].pull();
            peers[n].step();
            peers[n].push();
            world.conns.state(ids[n]) == State::Connected
        });
    }
}

#[test]
fn silent_clients_take_no_slots() {
    let mut crowd = Crowd::new(limits(1, 100, 0));
    for _ in 0..50 {
        crowd.join();
    }
    for _ in 0..3 {
        crowd.world.glance();
    }
    let stats = crowd.world.conns.stats();
    assert_eq!((stats.in_flight, stats.waiting), (0, 50));
    assert!(crowd.world.conns.memory(crowd.ids[0]) < 200);
    crowd.join().push();
    crowd.finish(50);
}

#[test]
fn handshakes_in_flight_are_bounded_and_the_newest_goes_next() {
    let mut crowd = Crowd::new(limits(2, 100, 0));
    for _ in 0..5 {
        crowd.join().push();
        crowd.world.glance();
        crowd.world.glance();
    }
    let stats = crowd.world.conns.stats();
    assert_eq!((stats.in_flight, stats.waiting), (2, 3));
    // The loop sleeps while no slot is free.
    let id = crowd.ids[4];
    assert!(crowd.world.el.mask(crowd.world.conns.fd(id)).is_empty());
    crowd.finish(0);
    crowd.world.glance();
    assert_eq!(crowd.world.conns.stats().in_flight, 2);
    crowd.finish(4);
    assert_eq!(crowd.connected(), [0, 4]);
    // One that is parked may go; the place it would have had is not lost.
    let gone = crowd.ids[3];
    crowd.world.conns.close(&mut crowd.world.el, gone);
    for n in [1, 2] {
        crowd.finish(n);
    }
    assert_eq!(crowd.world.conns.stats().in_flight, 0);
}

#[test]
fn more_slots_wake_those_that_wait() {
    let mut crowd = Crowd::new(limits(1, 100, 0));
    for _ in 0..4 {
        crowd.join().push();
        crowd.world.glance();
        crowd.world.glance();
    }
    assert_eq!(crowd.world.conns.stats().in_flight, 1);
    let World { el, conns, .. } = &mut crowd.world;
    conns.set_limits(el, limits(3, 100, 0));
    for _ in 0..3 {
        crowd.world.glance();
    }
    assert_eq!(crowd.world.conns.stats().in_flight, 3);
    crowd.finish(3);
    crowd.finish(2);
    assert_eq!(crowd.connected(), [2, 3]);
}

#[test]
fn a_handshake_that_stands_still_gives_its_slot_to_one_that_waits() {
    let mut crowd = Crowd::new(HandshakeLimits {
        contended_slot_ms: 0,
        ..limits(1, 100, 0)
    });
    crowd.join().push();
    crowd.world.until("a slot is taken", |world| {
        world.conns.stats().in_flight == 1
    });
    for _ in 0..3 {
        crowd.world.glance();
    }
    assert!(crowd.world.log.is_empty(), "nobody waits yet");
    crowd.join().push();
    crowd.finish(1);
    let line = &crowd.world.log[0];
    assert!(
        line.ends_with("the handshake stood still while others waited"),
        "{line}"
    );
    let stats = crowd.world.conns.stats();
    assert_eq!((failures(&stats, Cause::Timeout), stats.in_flight), (1, 0));
}

#[test]
fn one_that_was_woken_and_closed_passes_its_slot_on() {
    let mut crowd = Crowd::new(limits(1, 100, 0));
    for _ in 0..3 {
        crowd.join().push();
        crowd.world.glance();
        crowd.world.glance();
    }
    let (holder, newest) = (crowd.ids[0], crowd.ids[2]);
    crowd.world.conns.close(&mut crowd.world.el, holder);
    crowd.world.conns.close(&mut crowd.world.el, newest);
    crowd.finish(1);
}

#[test]
fn steps_per_turn_are_bounded() {
    let mut crowd = Crowd::new(limits(100, 2, 0));
    for _ in 0..5 {
        crowd.join().push();
    }
    crowd
        .world
        .until("a first step", |world| world.conns.stats().in_flight > 0);
    let mut in_flight = vec![crowd.world.conns.stats().in_flight];
    for _ in 0..2 {
        crowd.world.glance();
        in_flight.push(crowd.world.conns.stats().in_flight);
    }
    assert_eq!(in_flight, [2, 4, 5]);
    for n in 0..5 {
        crowd.finish(n);
    }
}

#[test]
fn a_deadline_ends_what_does_not_end_by_itself() {
    let mut crowd = Crowd::new(limits(1, 100, 30));
    crowd.join();
    crowd.join().push();
    crowd.join().push();
    crowd
        .world
        .until("the deadline", |world| world.log.len() == 3);
    for line in &crowd.world.log {
        assert!(
            line.ends_with("the handshake was not finished in time"),
            "{line}"
        );
    }
    let stats = crowd.world.conns.stats();
    assert_eq!((failures(&stats, Cause::Timeout), stats.in_flight), (3, 0));
    // One that is in time is left alone.
    crowd.world.take_log();
    let World { el, conns, .. } = &mut crowd.world;
    conns.set_limits(el, limits(1, 100, 500));
    crowd.join().push();
    crowd.finish(3);
    // A silent one that came later is the clock: when it is sent away, the other's time is over too.
    crowd.join();
    crowd.world.until("the deadline", |world| {
        world
            .log
            .last()
            .is_some_and(|line| line.starts_with("failed"))
    });
    assert_eq!(crowd.world.log[0], "connected");
    assert_eq!(crowd.connected(), [3]);
}

/// A handshake against `tls`; whether the session was resumed, and the session it left.
fn session(tls: &TlsContext, context: &SslContext, old: Option<&SslSession>) -> (bool, SslSession) {
    let mut world = World::new();
    let listener = listen();
    let socket = dial(&listener);
    let id = world.accept(&listener, Some(tls));
    let mut peer = Peer::resuming(socket, context, old);
    peer.handshake(&mut world);
    world.write_all(id, b"x");
    world.until("a ticket", |_| {
        peer.read();
        peer.input == b"x"
    });
    assert_eq!(
        world.conns.stats().resumed == 1,
        peer.tls.ssl().session_reused()
    );
    // OpenSSL does not resume a session whose connection ended without goodbye.
    let resumed = peer.tls.ssl().session_reused();
    peer.tls.shutdown().expect("a goodbye");
    (resumed, peer.session())
}

#[test]
fn tickets_survive_a_reload_and_a_new_certificate() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let site = Site::new();
        let context = client_context(only(version));
        let before = site.context();
        let (resumed, ticket) = session(&before, &context, None);
        assert!(!resumed);
        let (cert, key) = site
            .authority
            .issue("renewed", (-1, 30))
            .save(&site.folder, "renewed");
        let config = TlsConfig {
            cert_file: Some(cert),
            key_file: Some(key),
            ..site.config.clone()
        };
        let after = TlsContext::load(&config, Some(&before)).expect("a context");
        let (resumed, ticket) = session(&after, &context, Some(&ticket));
        assert!(resumed, "{version:?}");
        let unrelated = TlsContext::load(&config, None).expect("a context");
        let (resumed, _) = session(&unrelated, &context, Some(&ticket));
        assert!(!resumed);
    }
}

#[test]
fn a_ticket_is_good_for_two_generations_of_keys_and_over_reloads() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let site = Site::new();
        let context = client_context(only(version));
        let tls = site.context();
        let (_, first) = session(&tls, &context, None);
        let (_, second) = session(&tls, &context, None);
        assert!(!tls.rotate_tickets(Duration::from_secs(3600)), "too early");
        assert!(tls.rotate_tickets(Duration::ZERO));
        let tls = TlsContext::load(&site.config, Some(&tls)).expect("a context");
        let (resumed, renewed) = session(&tls, &context, Some(&first));
        assert!(resumed, "{version:?}: the previous key still opens");
        assert!(tls.rotate_tickets(Duration::ZERO));
        assert_eq!(tls.ticket_rotations(), 2);
        let (resumed, _) = session(&tls, &context, Some(&second));
        assert!(!resumed, "{version:?}: its key is gone");
        let (resumed, _) = session(&tls, &context, Some(&renewed));
        assert!(
            resumed,
            "{version:?}: it came with a ticket of the next key"
        );
    }
}

/// OpenSSL verifies a certificate once and hands out a ticket for it, which may live longer.
#[test]
fn a_ticket_is_worth_nothing_once_its_certificate_has_expired() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let site = site(AuthClients::Yes);
        let client = site.authority.issue_for("app1", (-60, 3));
        let context = client_context(|builder| {
            only(version)(builder);
            showing(&client)(builder);
        });
        let tls = site.context();
        let (_, ticket) = session(&tls, &context, None);
        let (resumed, ticket) = session(&tls, &context, Some(&ticket));
        assert!(resumed, "{version:?}: as long as it is valid");
        let mut world = World::new();
        world.until("the certificate expires", |_| {
            let now = Asn1Time::days_from_now(0).expect("a time");
            client.cert.not_after() < now
        });
        let listener = listen();
        let mut peer = Peer::resuming(dial(&listener), &context, Some(&ticket));
        world.accept(&listener, Some(&tls));
        world.until("a verdict", |world| {
            peer.pull();
            peer.step();
            peer.push();
            !world.log.is_empty()
        });
        let line = &world.log[0];
        assert!(
            line.ends_with("certificate of the resumed session has expired (CN=app1)"),
            "{line}"
        );
        assert_eq!(failures(&world.conns.stats(), Cause::Certificate), 1);
    }
}

/// Both share keys for tickets, but not what a client has to show.
#[test]
fn a_ticket_of_the_clients_port_is_none_on_the_bus() {
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let context = client_context(only(version));
        let port = Site::new().context();
        let (_, ticket) = session(&port, &context, None);
        let bus = port.with_auth_clients(AuthClients::Optional);
        let (resumed, ticket_of_bus) = session(&bus, &context, Some(&ticket));
        assert!(!resumed, "{version:?}");
        assert!(session(&bus, &context, Some(&ticket_of_bus)).0);
    }
}

/// OpenSSL skips some records in a handshake; a flood of them kept it busy inside one call.
#[test]
fn a_flood_of_records_ends_a_handshake() {
    let mut crowd = Crowd::new(limits(9, 100, 0));
    crowd.join();
    let hello = crowd.peers[0].take_output();
    let skipped = [20, 3, 3, 0, 1, 1].repeat(4000);
    let mut socket = crowd.peers[0].socket.try_clone().expect("a second handle");
    socket
        .write_all(&[hello, skipped].concat())
        .expect("room for it");
    crowd
        .world
        .until("a verdict", |world| !world.log.is_empty());
    let line = &crowd.world.log[0];
    assert!(line.starts_with("failed: "), "{line}");
    assert_eq!(failures(&crowd.world.conns.stats(), Cause::Protocol), 1);
}
