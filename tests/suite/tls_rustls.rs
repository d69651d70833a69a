//! A client whose TLS is not OpenSSL: rustls.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion, version,
};
use tests::certs::{self, CertSpec, ListSpec, file_in, issue, revoke};
use tests::client::{Client, Transport};
use tests::server::{Server, temp_dir};
use tests::wait::PATIENCE;

const REVOKED: u32 = 4242;

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn certificates(file: &str) -> Vec<CertificateDer<'static>> {
    let certs = CertificateDer::pem_file_iter(file).expect("issued");
    certs.collect::<Result<_, _>>().expect("PEM")
}

/// The settings of a client that speaks one version, trusts the test CA, and shows `CERT` with `KEY`, or nothing.
fn config(
    version: &'static SupportedProtocolVersion,
    pair: Option<(&str, &str)>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for cert in certificates(&certs::file("ca.crt")) {
        roots.add(cert).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[version])
        .expect("ring has it")
        .with_root_certificates(roots);
    let mut config = match pair {
        Some((cert, key)) => {
            let key = PrivateKeyDer::from_pem_file(key).expect("issued");
            builder
                .with_client_auth_cert(certificates(cert), key)
                .expect("a pair")
        }
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

fn redis_pair(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let (cert, key) = (certs::file("redis.crt"), certs::file("redis.key"));
    config(version, Some((&cert, &key)))
}

/// Connects, and sends a command whose reply has this many bytes.
fn ask(
    server: &Server,
    config: &Arc<ClientConfig>,
    line: &str,
    len: usize,
) -> std::io::Result<(Tls, Vec<u8>)> {
    let socket = TcpStream::connect(("127.0.0.1", server.tls_port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from("localhost").expect("a name");
    let client = ClientConnection::new(Arc::clone(config), name).expect("settings that fit");
    let mut tls = StreamOwned::new(client, socket);
    tls.write_all(format!("{line}\r\n").as_bytes())?;
    let mut reply = vec![0; len];
    tls.read_exact(&mut reply)?;
    Ok((tls, reply))
}

fn ping(server: &Server, config: &Arc<ClientConfig>) -> std::io::Result<Tls> {
    let (tls, reply) = ask(server, config, "PING", 7)?;
    assert_eq!(reply, b"+PONG\r\n");
    Ok(tls)
}

fn versions() -> [(&'static SupportedProtocolVersion, ProtocolVersion); 2] {
    [
        (&version::TLS12, ProtocolVersion::TLSv1_2),
        (&version::TLS13, ProtocolVersion::TLSv1_3),
    ]
}

#[test]
fn handshakes_are_full_and_then_resumed() {
    for auth in ["no", "optional", "yes"] {
        let server = Server::start(&["--tls-auth-clients", auth]);
        let mut admin = server.client(Transport::Tcp);
        for (number, (version, negotiated)) in versions().into_iter().enumerate() {
            let config = redis_pair(version);
            for kind in [
                HandshakeKind::Full,
                HandshakeKind::Resumed,
                HandshakeKind::Resumed,
            ] {
                let mut tls = ping(&server, &config).expect("admitted");
                assert_eq!(
                    tls.conn.handshake_kind(),
                    Some(kind),
                    "{auth} {negotiated:?}"
                );
                assert_eq!(tls.conn.protocol_version(), Some(negotiated));
                assert_eq!(tls.conn.alpn_protocol(), None);
                tls.conn.send_close_notify();
                tls.flush().expect("sent");
            }
            let resumed = (2 * (number + 1)).to_string();
            assert_eq!(admin.info("tls_handshakes_resumed"), resumed);
        }
        assert_eq!(admin.info("tls_handshakes_failed"), "0");
    }
}

#[test]
fn values_of_many_records_arrive_whole() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let value: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    admin.call(&[b"SET".as_slice(), b"big", &value]);
    for (version, _) in versions() {
        let header = format!("${}\r\n", value.len());
        let len = header.len() + value.len() + 2;
        let (mut tls, reply) = ask(&server, &redis_pair(version), "GET big", len).expect("a reply");
        assert!(reply[header.len()..].starts_with(&value));
        // And the other way round.
        let set = format!("*3\r\n$3\r\nSET\r\n$4\r\ncopy\r\n{header}");
        for part in [set.as_bytes(), &value, b"\r\n"] {
            tls.write_all(part).expect("sent");
        }
        let mut ok = [0; 5];
        tls.read_exact(&mut ok).expect("a reply");
        assert_eq!(&ok, b"+OK\r\n");
        assert_eq!(
            admin.text("GETRANGE copy 2999990 -1").len(),
            admin.text("GETRANGE big 2999990 -1").len()
        );
        assert_eq!(admin.text("STRLEN copy"), value.len().to_string());
    }
}

/// The server does not choose a protocol of an application, whatever is offered.
#[test]
fn offered_protocols_of_applications_are_ignored() {
    let server = Server::start(&[]);
    for (version, _) in versions() {
        let mut config = redis_pair(version);
        let offers = Arc::get_mut(&mut config).expect("one owner");
        offers.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec(), b"redis".to_vec()];
        let tls = ping(&server, &config).expect("admitted");
        assert_eq!(tls.conn.alpn_protocol(), None);
    }
}

#[test]
fn a_client_needs_a_certificate_that_is_not_revoked() {
    let folder = temp_dir();
    let path = |name: &str| file_in(folder.path(), name);
    let name = "bob";
    issue(
        folder.path(),
        &CertSpec {
            name,
            serial: REVOKED,
            ..CertSpec::default()
        },
    );
    let list = |serials: &[u32]| {
        let spec = ListSpec {
            serials,
            ..ListSpec::default()
        };
        revoke(folder.path(), &spec);
    };
    list(&[]);
    let server = Server::start(&[
        "--tls-crl-file",
        &path("list.crl"),
        "--tls-auto-reload",
        "yes",
    ]);
    let mut admin: Client = server.client(Transport::Tcp);
    for (version, _) in versions() {
        assert!(
            ping(&server, &config(version, None)).is_err(),
            "no certificate"
        );
    }
    server.wait_for_log(&["peer did not return a certificate"]);
    let bobs =
        versions().map(|(version, _)| config(version, Some((&path("bob.crt"), &path("bob.key")))));
    let mut connected = bobs
        .each_ref()
        .map(|bob| ping(&server, bob).expect("not revoked yet"));
    list(&[REVOKED]);
    for tls in &mut connected {
        // Clean or not: the connection ends.
        let end = tls.read(&mut [0; 1]);
        assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    }
    assert_eq!(admin.info("tls_crl_ended_connections"), "2");
    for (bob, (version, _)) in bobs.iter().zip(versions()) {
        assert!(ping(&server, bob).is_err(), "by full handshake or ticket");
        ping(&server, &redis_pair(version)).expect("others are not concerned");
    }
}

#[test]
fn a_server_of_another_name_or_authority_is_refused() {
    let folder = temp_dir();
    issue(
        folder.path(),
        &CertSpec {
            name: "other",
            extensions: &["subjectAltName=DNS:other.example"],
            ..CertSpec::default()
        },
    );
    let path = |name: &str| file_in(Path::new(folder.path()), name);
    let server = Server::start(&[
        "--tls-cert-file",
        &path("other.crt"),
        "--tls-key-file",
        &path("other.key"),
    ]);
    for (version, _) in versions() {
        let error = ping(&server, &redis_pair(version)).expect_err("another name");
        assert!(
            error.to_string().contains("certificate not valid for name"),
            "{error}"
        );
    }
    server.wait_for_log(&["the peer refused with an alert"]);
}
