//! Outgoing TLS connections: whom our client accepts, and what it says of those it does not.

mod common;

use common::certs::{Authority, Site};
use common::{World, blocking_client, failures, listen, next, on_accept};
use conn::connection::{ConnId, State};
use conn::conns::ClientTls;
use conn::dial::Target;
use conn::error::Cause;
use conn::resolve::Hop;
use conn::stream::Io;
use conn::tls::config::{AuthClients, TlsConfig};
use conn::tls::context::{ClientTlsConfig, TlsContext};

/// A site that asks clients for certificates as told.
fn site(auth_clients: AuthClients) -> Site {
    let mut site = Site::new();
    site.config.auth_clients = auth_clients;
    site
}

fn local(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

fn on_connect(world: &mut World, id: ConnId) {
    on_accept(world, id);
}

/// Our own client against our own server; the client's line and the server's.
fn link(
    server: &TlsContext,
    client: &TlsContext,
    sni: Option<&str>,
    verify_name: Option<&str>,
) -> (World, ConnId, Vec<String>) {
    let mut world = World::new();
    let listener = listen();
    let target = Target::Tcp(Hop {
        addr: local(listener.port()),
        source: None,
    });
    let tls = ClientTls {
        context: client,
        sni,
        verify_name,
    };
    let id = world
        .conns
        .connect(&mut world.el, &target, Some(tls), on_connect, 0)
        .expect("under way");
    assert_eq!(world.conns.state(id), State::Connecting);
    world
        .conns
        .accept(&mut world.el, next(&listener), Some(server), on_accept, 0)
        .expect("a connection");
    world.until("both", |world| {
        world.log.iter().filter(|line| *line != "nothing").count() >= 2
    });
    let port = listener.port().to_string();
    let lines = world
        .log
        .iter()
        .filter(|line| *line != "nothing")
        .map(|line| line.replace(&port, "PORT"))
        .collect();
    (world, id, lines)
}

#[test]
fn our_client_verifies_who_answers() {
    let mut site = site(AuthClients::Yes);
    let context = site.context();
    // The server's own certificate is shown on outgoing links when there is no other.
    let (mut world, id, lines) = link(&context, &context, Some("server"), Some("server"));
    assert_eq!(lines, ["connected", "connected"]);
    assert_eq!(
        world
            .conns
            .peer_cert(id)
            .and_then(|peer| peer.common_name)
            .as_deref(),
        Some("server")
    );
    world.write_all(id, b"PING");
    world.until("the bytes", |world| world.input == b"PING");

    let (_, _, lines) = link(&context, &context, None, Some("127.0.0.1"));
    assert_eq!(lines, ["connected", "connected"]);
    let (_, _, lines) = link(&context, &context, None, Some("other.example"));
    let line = lines
        .iter()
        .find(|line| line.contains("127.0.0.1:PORT"))
        .expect("the client's line");
    let expected =
        "certificate verify failed: hostname mismatch (CN=server; valid for server, 127.0.0.1)";
    assert!(
        line.to_lowercase().ends_with(&expected.to_lowercase()),
        "{line}"
    );
    assert!(
        lines
            .iter()
            .any(|line| line.contains("the peer refused with an alert: ")),
        "{lines:?}"
    );

    // A client certificate of its own for outgoing links.
    let (cert, key) = site
        .authority
        .issue("node", (-1, 30))
        .save(&site.folder, "node");
    (site.config.client_cert_file, site.config.client_key_file) = (Some(cert), Some(key));
    let (world, id, _) = link(&context, &site.context(), None, None);
    let other = world
        .conns
        .ids()
        .find(|other| *other != id)
        .expect("the accepted one");
    assert_eq!(
        world
            .conns
            .peer_cert(other)
            .and_then(|peer| peer.common_name)
            .as_deref(),
        Some("node")
    );
}

#[test]
fn a_server_that_does_not_speak_tls_is_named_so() {
    let site = Site::new();
    let mut world = World::new();
    let listener = listen();
    let target = Target::Tcp(Hop {
        addr: local(listener.port()),
        source: None,
    });
    let context = site.context();
    let tls = ClientTls {
        context: &context,
        sni: None,
        verify_name: None,
    };
    world
        .conns
        .connect(&mut world.el, &target, Some(tls), on_connect, 0)
        .expect("under way");
    let id = world.accept(&listener, None);
    world.write_all(id, b"-ERR what is this?\r\n");
    world.until("a verdict", |world| {
        world.log.iter().any(|line| line.starts_with("failed"))
    });
    let line = world
        .log
        .iter()
        .find(|line| line.starts_with("failed"))
        .expect("a line");
    assert!(line.contains("the peer does not speak TLS ("), "{line}");
}

/// The line of the connection to a server on `PORT`.
fn line_of_client(lines: &[String]) -> &str {
    let mut with_port = lines.iter().filter(|line| line.contains("127.0.0.1:PORT:"));
    with_port.next().expect("the client's line")
}

/// The first record of the server is its alert, which was taken for something other than TLS.
#[test]
fn a_refused_version_or_cipher_is_not_taken_for_another_protocol() {
    type Change = fn(&mut TlsConfig, &mut TlsConfig);
    let cases: [(Change, &str); 2] = [
        (
            |server, client| {
                server.protocols = Some("TLSv1.3".into());
                client.protocols = Some("TLSv1.2".into());
            },
            "the peer refused with an alert: protocol version",
        ),
        (
            |server, client| {
                for config in [&mut *server, &mut *client] {
                    config.protocols = Some("TLSv1.2".into());
                }
                server.ciphers = Some("ECDHE-ECDSA-AES256-GCM-SHA384".into());
                client.ciphers = Some("ECDHE-ECDSA-AES128-GCM-SHA256".into());
            },
            "the peer refused with an alert: handshake failure",
        ),
    ];
    for (change, expected) in cases {
        let site = Site::new();
        let (mut server, mut client) = (site.config.clone(), site.config.clone());
        change(&mut server, &mut client);
        let server = TlsContext::load(&server, None).expect("a context");
        let client = TlsContext::load(&client, None).expect("a context");
        let (world, id, lines) = link(&server, &client, None, None);
        let line = line_of_client(&lines);
        assert!(line.ends_with(expected), "{line}");
        let cause = world.conns.error(id).expect("a failure").cause();
        assert_eq!(cause, Cause::Alert);
        assert_eq!(failures(&world.conns.stats(), Cause::NotTls), 0);
    }
}

/// A client that does not verify knows that the certificate is self-signed all the same; that was
/// given as the reason for whatever failed.
#[test]
fn without_verification_a_verdict_on_the_certificate_is_not_the_reason() {
    use conn::tls::context::ClientTlsConfig;

    let mut server = site(AuthClients::Yes);
    server.config.protocols = Some("TLSv1.2".into());
    let insecure = TlsContext::for_client(&ClientTlsConfig {
        cacert: server.config.ca_cert_file.clone(),
        insecure: true,
        ..ClientTlsConfig::default()
    });
    let other = Authority::new("Another CA");
    let (cert, key) = other.issue("server", (-1, 30)).save(&server.folder, "odd");
    (server.config.cert_file, server.config.key_file) = (Some(cert), Some(key));
    let (world, id, lines) = link(&server.context(), &insecure.expect("a context"), None, None);
    let line = line_of_client(&lines);
    assert!(
        line.ends_with("the peer refused with an alert: handshake failure"),
        "{line}"
    );
    assert_eq!(
        world.conns.error(id).expect("a failure").cause(),
        Cause::Alert
    );
}

#[test]
fn an_untrusted_server_is_named_by_address_and_certificate() {
    use conn::tls::context::ClientTlsConfig;

    let server = Site::new();
    let trusted = Authority::new("Another CA");
    let cacert = server
        .folder
        .write("other.crt", &trusted.cert.to_pem().expect("PEM"));
    let client = TlsContext::for_client(&ClientTlsConfig {
        cacert: Some(cacert),
        ..ClientTlsConfig::default()
    });
    let (world, id, lines) = link(&server.context(), &client.expect("a context"), None, None);
    let line = line_of_client(&lines);
    assert_eq!(
        line,
        "failed: TLS handshake with 127.0.0.1:PORT: certificate verify failed: \
         self-signed certificate in certificate chain (CN=Test CA)"
    );
    let cause = world.conns.error(id).expect("a failure").cause();
    assert_eq!(cause, Cause::Certificate);
}

/// In TLS 1.3 the refusal comes behind the client's handshake, in its first read.
#[test]
fn a_client_whose_certificate_is_refused_knows_by_whom() {
    let site = site(AuthClients::Yes);
    let mut world = World::new();
    let listener = listen();
    let stranger = Authority::new("Another CA").issue("stranger", (-1, 30));
    let (cert, key) = stranger.save(&site.folder, "stranger");
    let config = ClientTlsConfig {
        cacert: site.config.ca_cert_file.clone(),
        cert: Some(cert),
        key: Some(key),
        ..ClientTlsConfig::default()
    };
    let port = listener.port();
    let program = blocking_client(port, config, None, |tls, pool| {
        match tls.read(pool, &mut [0; 16]) {
            Io::Failed(error) => error.to_string(),
            other => panic!("{other:?}"),
        }
    });
    world.await_client(&listener, &site.context());
    world.until("a refusal", |world| !world.log.is_empty());
    let sentence = program.join().expect("no panic");
    assert_eq!(
        sentence,
        format!("reading from 127.0.0.1:{port}: the peer refused with an alert: unknown CA")
    );
}
