//! TLS over the life of a connection: session tickets, key updates, renegotiation, close_notify in the middle of a
//! reply.

use openssl::ssl::{SslContext, SslOptions, SslSession, SslVersion};
use tests::certs::{self, CertSpec, Signer, file_in};
use tests::client::{Client, Transport};
use tests::openssl_client::{self, OpensslClient};
use tests::server::Server;
use tests::wait::until;

const VERSIONS: [SslVersion; 2] = [SslVersion::TLS1_2, SslVersion::TLS1_3];

/// Connects, sends PING and closes; returns whether the session was resumed, and the session to resume next.
fn connect_once(
    server: &Server,
    context: &SslContext,
    session: Option<&SslSession>,
) -> (bool, SslSession) {
    let mut peer =
        OpensslClient::connect(server.tls_port, context, session).expect("the handshake succeeds");
    peer.ping().expect("a reply");
    let resumed = peer.ssl().session_reused();
    (resumed, peer.close())
}

#[test]
fn tickets_survive_a_new_certificate() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    for version in VERSIONS {
        let context = openssl_client::context(true, openssl_client::only(version));
        let (resumed, ticket) = connect_once(&server, &context, None);
        assert!(!resumed);
        let (resumed, ticket) = connect_once(&server, &context, Some(&ticket));
        assert!(resumed, "{version:?}: before the reload");
        let serial = admin.info("tls_server_cert_serial");
        admin.set_certificate("server");
        assert_ne!(admin.info("tls_server_cert_serial"), serial);
        let (resumed, ticket) = connect_once(&server, &context, Some(&ticket));
        assert!(resumed, "{version:?}: after the reload");
        admin.set_certificate("redis");
        assert!(
            connect_once(&server, &context, Some(&ticket)).0,
            "{version:?}: after the second reload"
        );
    }
    assert_eq!(admin.info("tls_handshakes_resumed"), "6");
    // Two more handshakes were not resumed.
    assert_eq!(admin.info("tls_handshakes_done"), "8");
}

/// The cache of sessions belongs to a context. Its sessions have no ticket to carry them over.
#[test]
fn a_session_without_a_ticket_ends_with_a_new_certificate() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let context = openssl_client::context(true, |builder| {
        builder.set_options(SslOptions::NO_TICKET);
        openssl_client::only(SslVersion::TLS1_2)(builder);
    });
    let (_, session) = connect_once(&server, &context, None);
    assert!(connect_once(&server, &context, Some(&session)).0);
    admin.set_certificate("server");
    let (resumed, session) = connect_once(&server, &context, Some(&session));
    assert!(!resumed, "the handshake is a full one, and succeeds");
    assert!(connect_once(&server, &context, Some(&session)).0);
}

#[test]
fn keys_of_tickets_are_rotated_and_two_generations_accepted() {
    let server = Server::start(&["--tls-session-ticket-rotation", "0"]);
    let mut admin = server.client(Transport::Tcp);
    let contexts =
        VERSIONS.map(|version| openssl_client::context(true, openssl_client::only(version)));
    let tickets = |count: usize| -> Vec<(SslSession, SslSession)> {
        contexts[..count]
            .iter()
            .map(|context| {
                (
                    connect_once(&server, context, None).1,
                    connect_once(&server, context, None).1,
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
        let (resumed, _) = connect_once(&server, context, Some(first));
        assert_eq!(resumed, rotated == 1, "the previous key still opens");
    }
    rotate(2);
    for (context, (_, second)) in contexts.iter().zip(&old) {
        let (resumed, _) = connect_once(&server, context, Some(second));
        assert!(!resumed, "its key is gone");
    }
}

/// A ticket stands for a client verification under the settings of its time, and must not outlive them.
#[test]
fn tickets_are_invalid_after_a_change_of_client_authentication() {
    let made = tempfile::tempdir().expect("a temporary folder");
    certs::issue(
        made.path(),
        &CertSpec {
            name: "new-ca",
            signer: Signer::SelfSigned,
            extensions: certs::CA_EXTENSIONS,
            ..CertSpec::default()
        },
    );
    for version in VERSIONS {
        let server = Server::start(&["--tls-auth-clients", "no"]);
        let mut admin = server.client(Transport::Tcp);
        let bare = openssl_client::context(false, openssl_client::only(version));
        let (_, ticket) = connect_once(&server, &bare, None);
        assert!(
            connect_once(&server, &bare, Some(&ticket)).0,
            "{version:?}: resumed under unchanged settings"
        );
        assert_eq!(admin.text("CONFIG SET tls-auth-clients yes"), "OK");
        let got_in = OpensslClient::connect(server.tls_port, &bare, Some(&ticket))
            .and_then(|mut peer| peer.ping());
        assert!(
            got_in.is_err(),
            "{version:?}: accepted by a ticket, without a certificate"
        );

        let trusted = openssl_client::context(true, openssl_client::only(version));
        let (_, ticket) = connect_once(&server, &trusted, None);
        let new_ca = file_in(made.path(), "new-ca.crt");
        assert_eq!(
            admin.text(&format!("CONFIG SET tls-ca-cert-file {new_ca}")),
            "OK"
        );
        let got_in = OpensslClient::connect(server.tls_port, &trusted, Some(&ticket))
            .and_then(|mut peer| peer.ping());
        assert!(
            got_in.is_err(),
            "{version:?}: accepted by a ticket of a CA that is no longer trusted"
        );
    }
}

#[test]
fn key_updates_work_while_output_is_blocked() {
    const REPLIES: usize = 32;
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let value: Vec<u8> = (0..1 << 20)
        .map(|n: u32| (n.wrapping_mul(31) >> 3) as u8)
        .collect();
    admin.call(&[b"SET".as_slice(), b"big", &value]);
    let context = openssl_client::context(true, openssl_client::only(SslVersion::TLS1_3));
    for ask in [false, true] {
        let mut peer = OpensslClient::connect(server.tls_port, &context, None)
            .expect("the handshake succeeds");
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
        until("blocked output", || {
            blocked(&line(&mut admin)).then_some(())
        });
        // Several key updates in a row: with `ask` each needs a response, which queues behind blocked output.
        for _ in 0..3 {
            peer.update_keys(ask);
            peer.send(b"APPEND log x\r\n")
                .expect("the server still reads");
        }
        let wanted = if ask { "6" } else { "3" };
        until("execution of the commands behind the key updates", || {
            (admin.text("STRLEN log") == wanted).then_some(())
        });
        assert!(
            blocked(&line(&mut admin)),
            "the output must still be blocked"
        );
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
        peer.ping().expect("the connection still works");
    }
}

#[test]
fn renegotiation_closes_only_its_own_connection() {
    let server = Server::start(&[]);
    let mut other = server.client(Transport::Tls);
    let context = openssl_client::context(true, openssl_client::only(SslVersion::TLS1_2));
    for _ in 0..50 {
        let mut peer = OpensslClient::connect(server.tls_port, &context, None)
            .expect("the handshake succeeds");
        peer.ping().expect("a reply");
        let error = peer.renegotiate().expect_err("it is refused");
        assert!(error.contains("renegotiation"), "{error}");
    }
    assert_eq!(other.info("tls_handshakes_done"), "51");
    until("their connections to be closed", || {
        (other.info("tls_connections") == "1").then_some(())
    });
}

#[test]
fn close_notify_or_eof_in_the_middle_of_a_reply_frees_the_client() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let value = vec![b'v'; 1 << 20];
    admin.call(&[b"SET".as_slice(), b"big", &value]);
    for version in VERSIONS {
        let context = openssl_client::context(true, openssl_client::only(version));
        for disconnects in [false, true] {
            let mut peer = OpensslClient::connect(server.tls_port, &context, None)
                .expect("the handshake succeeds");
            peer.send("GET big\r\n".repeat(16).as_bytes())
                .expect("connected");
            assert_eq!(peer.read(5).expect("the reply begins"), b"$1048");
            if disconnects {
                peer.disconnect();
            } else {
                peer.close_notify();
                drop(peer);
            }
            until("the connection to be freed", || {
                (admin.info("tls_connections") == "0" && admin.info("connected_clients") == "1")
                    .then_some(())
            });
        }
    }
    assert_eq!(admin.text("STRLEN big"), "1048576");
}
