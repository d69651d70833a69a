//! TLS from outside: who gets in, who does not, and what the log says of it.

use std::path::Path;

use conn::blocking;
use conn::conns::ClientTls;
use conn::dial::Target;
use conn::tls::context::{ClientTlsConfig, TlsContext};
use tests::certs;
use tests::client::{Transport, speak, tls_config};
use tests::server::Server;
use tests::wait::{PATIENCE, until};

/// Connects with these settings and pings; the reply or the failure as a sentence.
fn ping(port: u16, config: &ClientTlsConfig, verify_name: Option<&str>) -> Result<String, String> {
    let context = TlsContext::for_client(config).map_err(|error| error.to_string())?;
    let target = Target::Tcp {
        host: "127.0.0.1",
        port,
        bind_source: None,
    };
    let tls = ClientTls {
        context: &context,
        sni: Some("localhost"),
        verify_name,
    };
    let mut client = blocking::Client::connect(&target, Some(tls), Some(PATIENCE))
        .map_err(|error| error.to_string())?;
    client.set_read_timeout(Some(PATIENCE));
    let reply = client
        .call(&["PING"])
        .map_err(|failure| failure.to_string())?;
    Ok(tests::client::show(&reply))
}

fn shown(folder: &Path, name: &str) -> (Option<String>, Option<String>) {
    let path = |ext: &str| {
        Some(
            folder
                .join(format!("{name}.{ext}"))
                .to_string_lossy()
                .into_owned(),
        )
    };
    (path("crt"), path("key"))
}

#[test]
fn the_matrix_of_client_certificates() {
    let made = tempfile::tempdir().expect("a temporary folder");
    certs::issue(made.path(), "expired", "old", -1, true);
    certs::issue(made.path(), "stranger", "stranger", 10, false);
    let good = tls_config();
    let none = ClientTlsConfig {
        cert: None,
        key: None,
        ..tls_config()
    };
    let with = |name: &str| {
        let (cert, key) = shown(made.path(), name);
        ClientTlsConfig {
            cert,
            key,
            ..tls_config()
        }
    };
    for (auth, no_certificate_works) in [("yes", false), ("optional", true), ("no", true)] {
        let server = Server::start(&["--tls-auth-clients", auth]);
        assert_eq!(
            ping(server.tls_port, &good, None),
            Ok("PONG".into()),
            "{auth}"
        );
        assert_eq!(
            ping(server.tls_port, &none, None).is_ok(),
            no_certificate_works,
            "{auth} without a certificate"
        );
        for name in ["expired", "stranger"] {
            assert_eq!(
                ping(server.tls_port, &with(name), None).is_ok(),
                auth == "no",
                "{auth} {name}"
            );
        }
        if auth != "no" {
            let line = server.wait_for_log(&["certificate has expired"]);
            assert!(
                line.contains("Error accepting a client connection"),
                "{line}"
            );
            assert!(
                line.contains("127.0.0.1:") && line.contains("CN=old"),
                "{line}"
            );
        }
    }
}

#[test]
fn a_client_knows_whom_it_talks_to() {
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
    certs::issue(made.path(), "other-ca", "other", 10, false);
    let wrong_ca = ClientTlsConfig {
        cacert: shown(made.path(), "other-ca").0,
        ..tls_config()
    };
    let error = ping(server.tls_port, &wrong_ca, None).expect_err("it cannot be verified");
    assert!(error.contains("certificate verify failed"), "{error}");
}

#[test]
fn protocols_and_ciphers_are_what_the_configuration_says() {
    for (protocols, version) in [
        ("TLSv1.2", "TLSv1.2"),
        ("TLSv1.3", "TLSv1.3"),
        ("TLSv1.2 TLSv1.3", "TLSv1.3"),
    ] {
        let server = Server::start(&["--tls-protocols", protocols]);
        let mut client = server.client(Transport::Tls);
        assert_eq!(
            client.raw().tls().map(|(version, _)| version),
            Some(version)
        );
        assert!(
            client
                .text("INFO tls")
                .contains(&format!("version={version},"))
        );
    }
    let server = Server::start(&[
        "--tls-protocols",
        "TLSv1.2",
        "--tls-ciphers",
        "AES256-GCM-SHA384",
    ]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.raw().tls(), Some(("TLSv1.2", "AES256-GCM-SHA384")));
    let other = ClientTlsConfig {
        ciphers: Some("AES128-GCM-SHA256".into()),
        ..tls_config()
    };
    assert!(ping(server.tls_port, &other, None).is_err());
}

#[test]
fn a_plaintext_client_gets_a_closed_connection_and_the_log_a_reason() {
    let server = Server::start(&[]);
    assert_eq!(
        speak(server.tls_port, b"PING\r\n")
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
    // And the reverse: a hello on the plain port is a protocol error, not a hang.
    let hello = [22, 3, 1, 0, 5, 1, 0, 0, 1, 0, b'\n'];
    assert!(speak(server.port, &hello).len() < 200);
}

#[test]
fn a_key_with_a_password_and_a_chain() {
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
fn openssls_memory_is_part_of_used_memory_and_given_back() {
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
    until("the memory is given back", || {
        (number(&mut admin, "tls_memory") < before + 50_000).then_some(())
    });
}
