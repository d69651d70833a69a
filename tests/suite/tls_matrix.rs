//! TLS as a matrix: valid and invalid certificates on both sides, and combinations of protocol version, cipher and
//! client authentication.

use std::path::Path;
use std::process::Command;

use conn::tls::context::ClientTlsConfig;
use openssl::ssl::SslContextBuilder;
use tests::certs::{self, CertSpec, Signer, file_in};
use tests::client::{Transport, ping, tls_config};
use tests::openssl_client::{self, OpensslClient};
use tests::server::Server;

/// Each value of `tls-auth-clients`, and whether it accepts a client without a certificate.
const AUTH: [(&str, bool); 3] = [("yes", false), ("optional", true), ("no", true)];

/// Settings of a client that presents this certificate of `folder`.
fn presenting(folder: &Path, cert: &str, key: &str) -> ClientTlsConfig {
    ClientTlsConfig {
        cert: Some(file_in(folder, cert)),
        key: Some(file_in(folder, key)),
        ..tls_config()
    }
}

/// Certificates that a server must refuse, each with the reason that it logs.
const BAD: [(&str, &str); 4] = [
    ("expired", "certificate has expired (CN=old)"),
    ("self-signed", "self-signed certificate (CN=unknown)"),
    ("forged", "certificate signature failure (CN=forged)"),
    ("purpose", " certificate purpose (CN=serves)"),
];

fn make_bad(folder: &Path) {
    let specs = [
        CertSpec {
            name: "expired",
            subject: "/CN=old",
            days: -1,
            ..CertSpec::default()
        },
        CertSpec {
            name: "self-signed",
            subject: "/CN=unknown",
            signer: Signer::SelfSigned,
            ..CertSpec::default()
        },
        // A different CA with the name of the trusted one.
        CertSpec {
            name: "false-ca",
            subject: "/O=Redis Test/CN=Certificate Authority",
            signer: Signer::SelfSigned,
            extensions: certs::CA_EXTENSIONS,
            ..CertSpec::default()
        },
        CertSpec {
            name: "forged",
            subject: "/CN=forged",
            signer: Signer::Other("false-ca"),
            ..CertSpec::default()
        },
        CertSpec {
            name: "purpose",
            subject: "/CN=serves",
            extensions: &["extendedKeyUsage=serverAuth"],
            ..CertSpec::default()
        },
    ];
    for spec in specs {
        certs::issue(folder, &spec);
    }
}

#[test]
fn client_certificates_by_tls_auth_clients() {
    let made = tempfile::tempdir().expect("a temporary folder");
    make_bad(made.path());
    let none = ClientTlsConfig {
        cert: None,
        key: None,
        ..tls_config()
    };
    for (auth, open) in AUTH {
        let server = Server::start(&["--tls-auth-clients", auth]);
        let port = server.tls_port;
        assert_eq!(ping(port, &tls_config(), None), Ok("PONG".into()), "{auth}");
        assert_eq!(
            ping(port, &none, None).is_ok(),
            open,
            "{auth} without a certificate"
        );
        for (name, _) in BAD {
            let config = presenting(made.path(), &format!("{name}.crt"), &format!("{name}.key"));
            assert_eq!(
                ping(port, &config, None).is_ok(),
                auth == "no",
                "{auth} {name}"
            );
        }
        if auth != "no" {
            for (name, reason) in BAD {
                // For a forged signature OpenSSL reports a mismatched algorithm or a missing issuer; either is right.
                let reason = if name == "forged" {
                    "(CN=forged)"
                } else {
                    reason
                };
                let line =
                    server.wait_for_log(&[reason, &reason.replace("self-signed", "self signed")]);
                assert!(
                    line.contains("Error accepting a client connection: "),
                    "{line}"
                );
                assert!(line.contains("127.0.0.1:"), "{line}");
            }
        }
    }
}

#[test]
fn certificate_chains_are_sent_and_verified() {
    let made = tempfile::tempdir().expect("a temporary folder");
    certs::issue_chain(made.path());
    let (chain, leaf, key) = ("chain.crt", "leaf.crt", "leaf.key");
    for (shown, works) in [(chain, true), (leaf, false)] {
        // The server's chain.
        let server = Server::start(&[
            "--tls-cert-file",
            &file_in(made.path(), shown),
            "--tls-key-file",
            &file_in(made.path(), key),
        ]);
        let reply = ping(server.tls_port, &tls_config(), Some("localhost"));
        assert_eq!(reply.is_ok(), works, "{reply:?}");
        if let Err(error) = reply {
            assert!(
                error.contains("certificate verify failed: unable to"),
                "{error}"
            );
        }
        // The client's chain.
        let server = Server::start(&[]);
        let reply = ping(
            server.tls_port,
            &presenting(made.path(), shown, key),
            Some("localhost"),
        );
        assert_eq!(reply.is_ok(), works, "{reply:?}");
        if !works {
            server.wait_for_log(&["certificate verify failed: unable to"]);
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused_before_connecting() {
    let config = ClientTlsConfig {
        key: Some(certs::file("client.key")),
        ..tls_config()
    };
    let error = ping(1, &config, None).expect_err("they do not match");
    assert!(
        error.contains("the private key does not match the certificate in "),
        "{error}"
    );

    let server = Server::start(&[]);
    let port = server.tls_port.to_string();
    let (ca, cert, key) = (
        certs::file("ca.crt"),
        certs::file("redis.crt"),
        certs::file("client.key"),
    );
    let files = ["--cacert", &ca, "--cert", &cert, "--key", &key];
    for program in ["redis-cli", "redis-benchmark"] {
        let args: &[&str] = if program == "redis-cli" {
            &["PING"]
        } else {
            &["-n", "1", "-q"]
        };
        let done = Command::new(tests::binary(program))
            .args(["-p", &port, "--tls"])
            .args(files)
            .args(args)
            .output()
            .expect("the program runs");
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert_eq!(done.status.code(), Some(1), "{program}: {text}");
        assert!(
            text.contains("client.key") && text.contains("does not match"),
            "{program}: {text}"
        );
    }
    let mut admin = server.client(Transport::Tcp);
    assert_eq!(admin.info("tls_handshakes_failed"), "0");
}

#[test]
fn redis_cli_lists_the_names_of_a_certificate_that_does_not_match() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    let port = server.tls_port.to_string();
    let done = Command::new(tests::binary("redis-cli"))
        .args([
            "-p",
            &port,
            "--tls",
            "--cacert",
            &certs::file("ca.crt"),
            "--sni",
            "db.example",
            "PING",
        ])
        .output()
        .expect("the program runs");
    let text = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(!done.status.success());
    let expected = "(asked for \"db.example\"; the certificate has CN=Generic-cert; valid for localhost, 127.0.0.1, ::1)";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn a_certificate_name_with_a_nul_byte_does_not_match() {
    let made = tempfile::tempdir().expect("a temporary folder");
    let name = b"localhost\0.evil.example";
    // A SEQUENCE with one dNSName.
    let der = [
        &[0x30, name.len() as u8 + 2, 0x82, name.len() as u8],
        &name[..],
    ]
    .concat();
    let hex: Vec<String> = der.iter().map(|byte| format!("{byte:02x}")).collect();
    let extension = format!("subjectAltName=DER:{}", hex.join(":"));
    certs::issue(
        made.path(),
        &CertSpec {
            name: "nul",
            extensions: &[&extension],
            ..CertSpec::default()
        },
    );
    let server = Server::start(&[
        "--tls-cert-file",
        &file_in(made.path(), "nul.crt"),
        "--tls-key-file",
        &file_in(made.path(), "nul.key"),
    ]);
    let error = ping(server.tls_port, &tls_config(), Some("localhost"))
        .expect_err("the name does not match");
    assert!(
        error.to_lowercase().contains("hostname mismatch"),
        "{error}"
    );
    assert!(!error.contains("evil"), "{error}");
    assert_eq!(
        ping(server.tls_port, &tls_config(), None),
        Ok("PONG".into())
    );
    assert!(
        !server
            .client(Transport::Tcp)
            .info("tls_server_cert_names")
            .contains("localhost")
    );
}

/// Protocol versions and ciphers.
const CIPHERS: [(&str, &str); 7] = [
    ("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256"),
    ("TLSv1.2", "ECDHE-RSA-CHACHA20-POLY1305"),
    ("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384"),
    ("TLSv1.2", "AES256-GCM-SHA384"),
    ("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
    ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
    ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"),
];

/// A change for the context: offer one version and one cipher.
fn offer(version: &str, cipher: &str) -> impl FnOnce(&mut SslContextBuilder) {
    use openssl::ssl::SslVersion;
    let old = version == "TLSv1.2";
    move |builder| {
        openssl_client::only(if old {
            SslVersion::TLS1_2
        } else {
            SslVersion::TLS1_3
        })(builder);
        let set = if old {
            builder.set_cipher_list(cipher)
        } else {
            builder.set_ciphersuites(cipher)
        };
        set.expect("OpenSSL knows the cipher");
    }
}

fn try_ping(port: u16, certificate: bool, version: &str, cipher: &str) -> Result<(), String> {
    let context = openssl_client::context(certificate, offer(version, cipher));
    let mut peer = OpensslClient::connect(port, &context, None)?;
    assert_eq!(peer.negotiated(), (version, cipher));
    peer.ping()
}

#[test]
fn protocol_by_cipher_by_client_authentication() {
    for (auth, open) in AUTH {
        let server = Server::start(&["--tls-auth-clients", auth]);
        for (version, cipher) in CIPHERS {
            for certificate in [true, false] {
                let done = try_ping(server.tls_port, certificate, version, cipher);
                assert_eq!(
                    done.is_ok(),
                    certificate || open,
                    "{auth} {version} {cipher} {certificate}: {done:?}"
                );
            }
        }
    }
}

#[test]
fn protocol_and_cipher_settings_apply_to_new_connections() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let mut old = server.client(Transport::Tls);
    for (directive, value, taken) in [
        ("tls-protocols", "TLSv1.2", &CIPHERS[..4]),
        ("tls-ciphers", "DHE-RSA-AES256-GCM-SHA384", &CIPHERS[2..3]),
        ("tls-protocols", "TLSv1.3", &CIPHERS[4..]),
        (
            "tls-ciphersuites",
            "TLS_CHACHA20_POLY1305_SHA256",
            &CIPHERS[6..],
        ),
    ] {
        assert_eq!(admin.text(&format!("CONFIG SET {directive} {value}")), "OK");
        for row in CIPHERS {
            let done = try_ping(server.tls_port, true, row.0, row.1);
            assert_eq!(
                done.is_ok(),
                taken.contains(&row),
                "{directive} {value}: {row:?} {done:?}"
            );
        }
        assert_eq!(old.text("PING"), "PONG", "{directive} {value}");
    }
    for row in [
        ("TLSv1.2", "TLSv1.2"),
        ("TLSv1.3", "TLSv1.3"),
        ("TLSv1.2 TLSv1.3", "TLSv1.3"),
    ] {
        admin.call(&["CONFIG", "SET", "tls-protocols", row.0]);
        let mut client = server.client(Transport::Tls);
        assert_eq!(client.raw().tls().map(|(version, _)| version), Some(row.1));
        assert!(
            client
                .text("INFO tls")
                .contains(&format!("version={},", row.1))
        );
    }
}
