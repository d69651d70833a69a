//! TLS from outside: which clients are accepted, which are refused, and what the log says.

use conn::tls::context::ClientTlsConfig;
use tests::certs::{self, CertSpec, Signer, file_in};
use tests::client::{Transport, ping, send_raw, tls_config};
use tests::server::Server;
use tests::wait::until;

#[test]
fn clients_verify_the_server() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    let config = tls_config();
    for (name, works) in [
        (Some("localhost"), true),
        (Some("127.0.0.1"), true),
        (Some("other.example"), false),
        (None, true),
    ] {
        assert_eq!(
            ping(server.tls_port, &config, name).is_ok(),
            works,
            "{name:?}"
        );
    }
    let made = tempfile::tempdir().expect("a temporary folder");
    certs::issue(
        made.path(),
        &CertSpec {
            name: "other-ca",
            signer: Signer::SelfSigned,
            extensions: certs::CA_EXTENSIONS,
            ..CertSpec::default()
        },
    );
    let wrong_ca = ClientTlsConfig {
        cacert: Some(file_in(made.path(), "other-ca.crt")),
        ..tls_config()
    };
    let error = ping(server.tls_port, &wrong_ca, None).expect_err("it cannot be verified");
    assert!(error.contains("certificate verify failed"), "{error}");
}

#[test]
fn a_plaintext_client_on_the_tls_port_is_closed_and_logged() {
    let server = Server::start(&[]);
    assert_eq!(
        send_raw(server.tls_port, b"PING\r\n")
            .iter()
            .filter(|byte| byte.is_ascii_alphabetic())
            .count(),
        0
    );
    let line = server.wait_for_log(&["Error accepting a client connection"]);
    assert!(line.contains("127.0.0.1:"), "{line}");
    assert!(
        !line.contains("(null)") && !line.contains("Success"),
        "{line}"
    );
    // And the reverse: a ClientHello on the plain port is a protocol error and does not hang.
    let hello = [22, 3, 1, 0, 5, 1, 0, 0, 1, 0, b'\n'];
    assert!(send_raw(server.port, &hello).len() < 200);
}

#[test]
fn an_encrypted_key_file_loads() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let encrypted = made.path().join("enc.key").to_string_lossy().into_owned();
    let key = certs::file("redis.key");
    certs::openssl(
        made.path(),
        &[
            "rsa",
            "-in",
            &key,
            "-out",
            &encrypted,
            "-aes256",
            "-passout",
            "pass:1234",
        ],
    );
    let server = Server::start(&["--tls-key-file", &encrypted, "--tls-key-file-pass", "1234"]);
    assert_eq!(
        ping(server.tls_port, &tls_config(), Some("localhost")),
        Ok("PONG".into())
    );
}

#[test]
fn openssl_memory_is_part_of_used_memory_and_is_freed() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    drop(server.client(Transport::Tls));
    let number = |admin: &mut tests::client::Client, name: &str| {
        admin.info(name).parse::<i64>().expect("a number")
    };
    let (before, used_before) = (
        number(&mut admin, "tls_memory"),
        number(&mut admin, "used_memory"),
    );
    let clients: Vec<_> = (0..50).map(|_| server.client(Transport::Tls)).collect();
    let (during, used_during) = (
        number(&mut admin, "tls_memory"),
        number(&mut admin, "used_memory"),
    );
    assert!(during - before > 50 * 5_000, "{before} {during}");
    assert!(
        used_during - used_before >= during - before,
        "{used_before} {used_during}"
    );
    drop(clients);
    until("OpenSSL's memory to be freed", || {
        (number(&mut admin, "tls_memory") < before + 50_000).then_some(())
    });
}
