//! `redis-cli --tls-info` and `--tls-check`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;

use openssl::ssl::{SslAcceptor, SslFiletype, SslMethod};
use tests::certs::{self, CertSpec, Signer, file_in, issue, issue_chain};
use tests::client::Transport;
use tests::server::{Server, free_port, temp_dir};

/// Runs redis-cli with the test CA and these arguments: the exit code, and all that it printed.
fn cli(args: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(tests::binary("redis-cli"))
        .args(["--cacert", &certs::file("ca.crt")])
        .args(args)
        .output()
        .expect("redis-cli runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

/// The arguments that show the client's certificate.
fn certificate() -> [String; 4] {
    let file = |name: &str| certs::file(name);
    [
        "--cert".to_owned(),
        file("redis.crt"),
        "--key".to_owned(),
        file("redis.key"),
    ]
}

fn check(server: &Server, host: &str, more: &[&str]) -> (Option<i32>, String) {
    let (target, certificate) = (format!("{host}:{}", server.tls_port), certificate());
    let mut args: Vec<&str> = certificate.iter().map(String::as_str).collect();
    args.extend(["--tls-check", &target]);
    args.extend(more);
    cli(&args)
}

/// A server with a certificate and a key in a folder.
fn start(folder: &Path, cert: &str, key: &str, more: &[&str]) -> Server {
    let (cert, key) = (file_in(folder, cert), file_in(folder, key));
    Server::start(&[&["--tls-cert-file", &cert, "--tls-key-file", &key], more].concat())
}

#[test]
fn tls_info_prints_what_was_negotiated() {
    let server = Server::start(&["--requirepass", "secret"]);
    let (port, certificate) = (server.tls_port.to_string(), certificate());
    let mut args = vec!["-p", &port, "--tls-info"];
    args.extend(certificate.iter().map(String::as_str));
    let (code, text) = cli(&args);
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "Protocol: TLSv1.3\n",
        "Cipher:   TLS_AES_256_GCM_SHA384\n",
        "Certificate 0: O=Redis Test, CN=Generic-cert\n  issuer: O=Redis Test, CN=Certificate Authority\n",
        "  names:  localhost, 127.0.0.1, ::1\n",
        " GMT\n  key:    RSA, 2048 bits; signed with sha256WithRSAEncryption\n",
        "The chain is verified.\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(text.to_lowercase().contains("group:    x25519\n"), "{text}");
    // Of a server that is not trusted the chain is shown on demand only.
    let system = ["-p", &port, "--tls-info", "--sni", "other.example"];
    let (code, text) = cli(&system);
    assert_eq!(code, Some(1), "{text}");
    let (code, text) = cli(&["-p", &server.port.to_string(), "--tls-info"]);
    assert_eq!(code, Some(1), "{text}");
}

#[test]
fn a_good_server_has_nothing_wrong() {
    let server = Server::start(&[]);
    for host in ["localhost", "127.0.0.1"] {
        let (code, text) = check(&server, host, &[]);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.ends_with("Nothing is wrong.\n"), "{text}");
    }
    let target = format!("localhost:{}", server.tls_port);
    let (code, text) = cli(&["--tls-check", &target]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("note: it serves no client without a certificate"),
        "{text}"
    );
    let server = Server::start(&["--tls-auth-clients", "optional"]);
    let (_, text) = check(&server, "localhost", &[]);
    assert!(
        text.contains("note: it also serves clients without a certificate"),
        "{text}"
    );
}

#[test]
fn faults_of_a_server_are_told() {
    let folder = temp_dir();
    let spec = CertSpec::default();
    for (name, days, extensions) in [
        ("soon", 5, certs::LOCALHOST_SAN),
        ("expired", -1, certs::LOCALHOST_SAN),
        ("other", 100, &["subjectAltName=DNS:other.example"]),
        ("nameless", 100, &[]),
    ] {
        issue(
            folder.path(),
            &CertSpec {
                name,
                days,
                extensions,
                ..spec
            },
        );
    }
    let signer = Signer::SelfSigned;
    issue(
        folder.path(),
        &CertSpec {
            name: "own",
            days: 100,
            signer,
            ..spec
        },
    );
    issue(
        folder.path(),
        &CertSpec {
            name: "self",
            signer,
            extensions: &["subjectAltName=DNS:other.example"],
            ..spec
        },
    );
    issue_chain(folder.path());
    let small = [
        "req",
        "-x509",
        "-newkey",
        "rsa:1024",
        "-nodes",
        "-subj",
        "/CN=small",
        "-days",
        "100",
    ];
    let small = [&small[..], &["-keyout", "small.key", "-out", "small.crt"]].concat();
    certs::openssl(folder.path(), &small);
    let read = |name: &str| std::fs::read(folder.path().join(name)).expect("issued");
    let stranger = [read("leaf.crt"), read("soon.crt"), read("middle.crt")].concat();
    std::fs::write(folder.path().join("disorder.crt"), stranger).expect("writable");
    let weak = &["--tls-ciphers", "DEFAULT@SECLEVEL=0"][..];
    let old = &[
        "--tls-protocols",
        "TLSv1.1 TLSv1.2",
        "--tls-ciphers",
        "DEFAULT@SECLEVEL=0",
    ][..];
    for (cert, key, args, code, sentence) in [
        (
            "soon.crt",
            "soon.key",
            &[][..],
            1,
            "warning: certificate 0 expires in ",
        ),
        (
            "expired.crt",
            "expired.key",
            &[],
            2,
            "error: certificate 0 expired on ",
        ),
        (
            "other.crt",
            "other.key",
            &[],
            2,
            "error: the certificate is not for 'localhost' but for: other.example",
        ),
        (
            "nameless.crt",
            "nameless.key",
            &[],
            2,
            "warning: the certificate of 'O=Redis Test, CN=plain' has no alternative names",
        ),
        // Whatever else is wrong with it.
        (
            "self.crt",
            "self.key",
            &[],
            2,
            "error: the certificate is not for 'localhost' but for: other.example",
        ),
        (
            "own.crt",
            "own.key",
            &[],
            2,
            "error: the certificate is signed by itself",
        ),
        (
            "leaf.crt",
            "leaf.key",
            &[],
            2,
            "error: the certificate of 'O=Redis Test, CN=Intermediate' is neither sent",
        ),
        (
            "disorder.crt",
            "leaf.key",
            &[],
            2,
            "error: certificate 0 is not followed by that of its issuer",
        ),
        (
            "small.crt",
            "small.key",
            weak,
            2,
            "error: certificate 0 has a key that is too small: RSA of 1024 bits",
        ),
        (
            "soon.crt",
            "soon.key",
            old,
            2,
            "error: it accepts TLSv1.1, which is not safe",
        ),
        (
            "soon.crt",
            "soon.key",
            old,
            2,
            "warning: it does not accept TLSv1.3",
        ),
    ] {
        let server = start(folder.path(), cert, key, args);
        let (found, text) = check(&server, "localhost", &["--tls-ciphers", "ALL@SECLEVEL=0"]);
        assert!(text.contains(sentence), "{cert}: {sentence}: {text}");
        assert_eq!(found, Some(code), "{cert}: {text}");
    }
}

#[test]
fn what_cannot_be_examined_is_an_error_of_its_own() {
    let server = Server::start(&[]);
    let closed = free_port();
    for (target, part) in [
        (
            format!("127.0.0.1:{}", server.port),
            "could not be examined: the peer does not speak TLS",
        ),
        (
            format!("127.0.0.1:{closed}"),
            "could not be examined: Connection refused",
        ),
        ("nothing".to_owned(), "is not of the form HOST:PORT"),
    ] {
        let (code, text) = cli(&["--tls-check", &target]);
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}

#[test]
fn a_key_that_cannot_be_read_is_an_error_without_a_certificate_too() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    let port = server.tls_port.to_string();
    let key = certs::file("redis.key");
    for (key, expected, part) in [("/none.key", 1, "/none.key"), (&key, 0, "PONG")] {
        let (code, text) = cli(&["-p", &port, "--tls", "--key", key, "PING"]);
        assert_eq!(code, Some(expected), "{text}");
        assert!(text.contains(part), "{text}");
    }
}

/// A server that only accepts what clients of today refuse shows nothing, but is examined.
#[test]
fn only_old_versions_are_an_error() {
    let args = [
        "--tls-protocols",
        "TLSv1.1",
        "--tls-ciphers",
        "DEFAULT@SECLEVEL=0",
    ];
    let server = Server::start(&args);
    let (code, text) = check(&server, "localhost", &[]);
    assert_eq!(code, Some(2), "{text}");
    for sentence in [
        "error: it accepts TLSv1.1, which is not safe\n",
        "error: it accepts no newer version than these\n",
    ] {
        assert!(text.contains(sentence), "{text}");
    }
}

#[test]
fn a_server_of_another_protocol_is_told_as_such() {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).expect("a context");
    builder
        .set_certificate_file(certs::file("server.crt"), SslFiletype::PEM)
        .and_then(|()| builder.set_private_key_file(certs::file("server.key"), SslFiletype::PEM))
        .expect("the pair loads");
    let acceptor = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let target = format!("127.0.0.1:{}", listener.local_addr().expect("bound").port());
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if let Ok(mut stream) = acceptor.accept(stream) {
                let _ = stream.read(&mut [0; 100]);
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            }
        }
    });
    let (code, text) = cli(&["--tls-check", &target]);
    assert_eq!(code, Some(2), "{text}");
    let sentence = "error: it speaks TLS, but what it sends is not the protocol of Redis\n";
    assert!(text.contains(sentence), "{text}");
}

#[test]
fn a_file_that_is_missing_is_named() {
    let server = Server::start(&[]);
    let target = format!("localhost:{}", server.tls_port);
    let (code, text) = cli(&["--cacert", "/none.crt", "--tls-check", &target]);
    assert_eq!(code, Some(3), "{text}");
    assert!(
        text.contains("/none.crt: No such file or directory"),
        "{text}"
    );
}
