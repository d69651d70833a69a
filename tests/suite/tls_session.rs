//! TLS over the life of a connection: tickets, renewed keys, renegotiation, goodbyes at a bad moment.

use openssl::ssl::{SslContext, SslSession, SslVersion};
use tests::certs::{self, Order, Signer, file_in};
use tests::client::{Client, Transport};
use tests::server::Server;
use tests::stranger::{self, Stranger};
use tests::wait::until;

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// Connects, pings, leaves; whether the session was resumed, and the one to resume next.
fn visit(
    server: &Server,
    context: &SslContext,
    session: Option<&SslSession>,
) -> (bool, SslSession) {
    let mut peer = Stranger::connect(server.tls_port, context, session).expect("a handshake");
    peer.ping().expect("an answer");
    let resumed = peer.ssl().session_reused();
    (resumed, peer.leave())
}

fn reload(admin: &mut Client, name: &str) {
    let (cert, key) = (
        certs::file(&format!("{name}.crt")),
        certs::file(&format!("{name}.key")),
    );
    assert_eq!(
        admin.text(&format!(
            "CONFIG SET tls-cert-file {cert} tls-key-file {key}"
        )),
        "OK"
    );
}

#[test]
fn tickets_survive_a_new_certificate() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    for version in VERSIONS {
        let context = stranger::context(true, stranger::only(version));
        let (resumed, ticket) = visit(&server, &context, None);
        assert!(!resumed);
        let (resumed, ticket) = visit(&server, &context, Some(&ticket));
        assert!(resumed, "{version:?} before");
        let serial = admin.info("tls_server_cert_serial");
        reload(&mut admin, "server");
        assert_ne!(admin.info("tls_server_cert_serial"), serial);
        let (resumed, ticket) = visit(&server, &context, Some(&ticket));
        assert!(resumed, "{version:?} after");
        reload(&mut admin, "redis");
        assert!(
            visit(&server, &context, Some(&ticket)).0,
            "{version:?} after the second"
        );
    }
    assert_eq!(admin.info("tls_handshakes_resumed"), "6");
    // Two more were not.
    assert_eq!(admin.info("tls_handshakes_done"), "8");
}

#[test]
fn keys_of_tickets_are_rotated_and_two_generations_accepted() {
    let server = Server::start(&["--tls-session-ticket-rotation", "0"]);
    let mut admin = server.client(Transport::Tcp);
    let contexts = VERSIONS.map(|version| stranger::context(true, stranger::only(version)));
    let tickets = |count: usize| -> Vec<(SslSession, SslSession)> {
        contexts[..count]
            .iter()
            .map(|context| {
                (
                    visit(&server, context, None).1,
                    visit(&server, context, None).1,
                )
            })
            .collect()
    };
    let old = tickets(2);
    let mut rotate = |times: u64| {
        let rotations = |admin: &mut Client| -> u64 {
            let text = admin.info("tls_ticket_rotations");
            text.parse().expect("a number")
        };
        let before = rotations(&mut admin);
        assert_eq!(admin.text("CONFIG SET tls-session-ticket-rotation 1"), "OK");
        until("a rotation", || {
            (rotations(&mut admin) >= before + times).then_some(())
        });
        assert_eq!(admin.text("CONFIG SET tls-session-ticket-rotation 0"), "OK");
        rotations(&mut admin) - before
    };
    let rotated = rotate(1);
    for (context, (first, _)) in contexts.iter().zip(&old) {
        let (resumed, _) = visit(&server, context, Some(first));
        assert_eq!(resumed, rotated == 1, "the previous key still opens");
    }
    rotate(2);
    for (context, (_, second)) in contexts.iter().zip(&old) {
        let (resumed, _) = visit(&server, context, Some(second));
        assert!(!resumed, "its key is gone");
    }
}

/// A ticket stands for a verification that took place under other rules: it must not outlive them.
#[test]
fn a_ticket_is_worth_nothing_once_the_rules_for_clients_have_changed() {
    let made = tempfile::tempdir().expect("a temporary folder");
    certs::issue(
        made.path(),
        &Order {
            name: "new-ca",
            signer: Signer::Itself,
            extensions: certs::AUTHORITY,
            ..Order::default()
        },
    );
    for version in VERSIONS {
        let server = Server::start(&["--tls-auth-clients", "no"]);
        let mut admin = server.client(Transport::Tcp);
        let bare = stranger::context(false, stranger::only(version));
        let (_, ticket) = visit(&server, &bare, None);
        assert!(
            visit(&server, &bare, Some(&ticket)).0,
            "{version:?}: resumed as long as the rules stand"
        );
        assert_eq!(admin.text("CONFIG SET tls-auth-clients yes"), "OK");
        let got_in = Stranger::connect(server.tls_port, &bare, Some(&ticket))
            .and_then(|mut peer| peer.ping());
        assert!(
            got_in.is_err(),
            "{version:?}: in by a ticket, without a certificate"
        );

        let trusted = stranger::context(true, stranger::only(version));
        let (_, ticket) = visit(&server, &trusted, None);
        let new_ca = file_in(made.path(), "new-ca.crt");
        assert_eq!(
            admin.text(&format!("CONFIG SET tls-ca-cert-file {new_ca}")),
            "OK"
        );
        let got_in = Stranger::connect(server.tls_port, &trusted, Some(&ticket))
            .and_then(|mut peer| peer.ping());
        assert!(
            got_in.is_err(),
            "{version:?}: in by a ticket, of an authority that is trusted no more"
        );
    }
}

#[test]
fn keys_are_renewed_while_the_output_is_blocked() {
    const REPLIES: usize = 32;
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let value: Vec<u8> = (0..1 << 20)
        .map(|n: u32| (n.wrapping_mul(31) >> 3) as u8)
        .collect();
    admin.call(&[b"SET".as_slice(), b"big", &value]);
    let context = stranger::context(true, stranger::only(SslVersion::TLS1_3));
    for ask in [false, true] {
        let mut peer = Stranger::connect(server.tls_port, &context, None).expect("a handshake");
        peer.send(b"CLIENT SETNAME peer\r\n").expect("connected");
        assert_eq!(peer.read(5).expect("a reply"), b"+OK\r\n");
        peer.send("GET big\r\n".repeat(REPLIES).as_bytes())
            .expect("connected");
        let line = |admin: &mut Client| {
            let list = admin.text("CLIENT LIST");
            list.lines()
                .find(|line| line.contains("name=peer"))
                .map(str::to_owned)
                .expect("connected")
        };
        let blocked = |line: &str| line.contains("events=rw") && !line.contains(" oll=0 ");
        until("its output is blocked", || {
            blocked(&line(&mut admin)).then_some(())
        });
        // Several in a row: each of those that ask wants an answer, behind output that does not move.
        for _ in 0..3 {
            peer.update_keys(ask);
            peer.send(b"APPEND log x\r\n")
                .expect("the server still reads");
        }
        let wanted = if ask { "6" } else { "3" };
        until("what came behind new keys is done", || {
            (admin.text("STRLEN log") == wanted).then_some(())
        });
        assert!(blocked(&line(&mut admin)), "and still nothing moves");
        let header = format!("${}\r\n", value.len()).into_bytes();
        for _ in 0..REPLIES {
            assert!(peer.read(header.len()).expect("a header") == header);
            assert!(
                peer.read(value.len()).expect("a value") == value,
                "asked: {ask}"
            );
            assert_eq!(peer.read(2).expect("an end"), b"\r\n");
        }
        let first = if ask { 4 } else { 1 };
        let lengths: String = (first..first + 3).map(|n| format!(":{n}\r\n")).collect();
        assert_eq!(
            peer.read(lengths.len()).expect("lengths"),
            lengths.as_bytes()
        );
        peer.ping().expect("the keys are good");
    }
}

#[test]
fn a_storm_of_renegotiations_costs_connections_and_nothing_else() {
    let server = Server::start(&[]);
    let mut honest = server.client(Transport::Tls);
    let context = stranger::context(true, stranger::only(SslVersion::TLS1_2));
    for _ in 0..50 {
        let mut peer = Stranger::connect(server.tls_port, &context, None).expect("a handshake");
        peer.ping().expect("an answer");
        let error = peer.renegotiate().expect_err("it is refused");
        assert!(error.contains("renegotiation"), "{error}");
    }
    assert_eq!(honest.info("tls_handshakes_done"), "51");
    until("their connections are gone", || {
        (honest.info("tls_connections") == "1").then_some(())
    });
}

#[test]
fn a_goodbye_in_the_middle_of_a_reply_ends_in_order() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let value = vec![b'v'; 1 << 20];
    admin.call(&[b"SET".as_slice(), b"big", &value]);
    for version in VERSIONS {
        let context = stranger::context(true, stranger::only(version));
        for vanishes in [false, true] {
            let mut peer = Stranger::connect(server.tls_port, &context, None).expect("a handshake");
            peer.send("GET big\r\n".repeat(16).as_bytes())
                .expect("connected");
            assert_eq!(peer.read(5).expect("the reply begins"), b"$1048");
            if vanishes {
                peer.vanish();
            } else {
                peer.say_goodbye();
                drop(peer);
            }
            until("nothing of it is left", || {
                (admin.info("tls_connections") == "0" && admin.info("connected_clients") == "1")
                    .then_some(())
            });
        }
    }
    assert_eq!(admin.text("STRLEN big"), "1048576");
}
