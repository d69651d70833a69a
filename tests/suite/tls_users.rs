//! Clients that a certificate logs in: `tls-auth-clients-user`.

use std::fs;
use std::path::Path;

use conn::tls::context::ClientTlsConfig;
use openssl::asn1::Asn1Type;
use openssl::nid::Nid;
use openssl::ssl::{SslFiletype, SslVersion};
use openssl::x509::X509Name;
use openssl::x509::extension::SubjectAlternativeName;
use tests::authority::{Pair, Spec, subject};
use tests::certs::{CertSpec, file_in, issue};
use tests::client::{Client, Transport, tls_config};
use tests::openssl_client::{self, OpensslClient};
use tests::server::{Server, temp_dir};

/// Issues a certificate, and returns the settings of a client that shows it.
fn certificate(folder: &Path, subject: &str, extensions: &[&str]) -> ClientTlsConfig {
    let name = "user";
    issue(
        folder,
        &CertSpec {
            name,
            subject,
            extensions,
            ..CertSpec::default()
        },
    );
    ClientTlsConfig {
        cert: Some(file_in(folder, "user.crt")),
        key: Some(file_in(folder, "user.key")),
        ..tls_config()
    }
}

/// Starts a server with the users alice and carol, of whom dave is disabled, and a default user with a password.
fn start(field: &str) -> (Server, Client) {
    let server = Server::start(&["--tls-auth-clients-user", field]);
    let mut admin = server.client(Transport::Tcp);
    for user in ["alice on", "carol on", "spiffe://x/bob on", "dave off"] {
        assert_eq!(admin.text(&format!("ACL SETUSER {user} +@all ~*")), "OK");
    }
    (server, admin)
}

#[test]
fn the_user_is_the_one_that_the_certificate_names() {
    let folder = temp_dir();
    let sans =
        "subjectAltName=URI:spiffe://x/unknown,URI:spiffe://x/bob,DNS:dave,DNS:carol,DNS:alice";
    for (field, expected) in [
        ("off", "default"),
        ("CN", "alice"),
        ("URI", "spiffe://x/bob"),
        // Of dave, who is disabled, the next one.
        ("DNS", "carol"),
    ] {
        let (server, _admin) = start(field);
        let alice = certificate(folder.path(), "/O=Redis Test/CN=alice", &[sans]);
        let mut client = Client::with_tls(server.tls_port, &alice);
        assert_eq!(client.text("ACL WHOAMI"), expected, "{field}");
        let login = if field == "off" {
            "none"
        } else {
            "certificate"
        };
        let line = client.text("CLIENT INFO");
        assert!(line.contains(&format!(" user={expected} ")), "{line}");
        assert!(
            line.trim_end().ends_with(&format!(" login={login}")),
            "{line}"
        );
        assert_eq!(client.info("acl_access_denied_tls_cert"), "0");
        // Other transports have no certificate.
        for transport in [Transport::Tcp, Transport::Unix] {
            assert_eq!(server.client(transport).text("ACL WHOAMI"), "default");
        }
    }
}

#[test]
fn a_name_that_is_no_enabled_user_is_noted() {
    let folder = temp_dir();
    for (name, shown) in [("nobody", "nobody"), ("dave", "dave"), ("", "")] {
        let (server, mut admin) = start("CN");
        let subject = if name.is_empty() {
            "/O=x".to_owned()
        } else {
            format!("/CN={name}")
        };
        let config = certificate(folder.path(), &subject, &["subjectAltName=DNS:alice"]);
        let mut client = Client::with_tls(server.tls_port, &config);
        assert_eq!(client.text("ACL WHOAMI"), "default");
        assert_eq!(admin.info("acl_access_denied_tls_cert"), "1");
        let log = admin.text("ACL LOG");
        for part in [
            "reason tls-cert context toplevel object CN ".to_owned(),
            format!("username {shown} "),
        ] {
            assert!(log.contains(&part), "{log}");
        }
        // As the default user, whatever it may do.
        assert_eq!(admin.text("CONFIG SET requirepass secret"), "OK");
        let mut client = Client::with_tls(server.tls_port, &config);
        assert!(client.text("GET k").starts_with("-NOAUTH"));
        assert_eq!(client.text("AUTH secret"), "OK");
        assert!(
            client
                .text("CLIENT INFO")
                .trim_end()
                .ends_with(" login=password")
        );
        let refuse = "CONFIG SET tls-auth-clients-user-unknown refuse";
        assert_eq!(admin.text(refuse), "OK");
        let mut client = Client::with_tls(server.tls_port, &config);
        let expected = "-DENIED This server expects a certificate that names an enabled user.\r\n";
        assert_eq!(client.read_to_end(), expected.as_bytes());
        assert_eq!(admin.info("acl_access_denied_tls_cert"), "3");
    }
}

#[test]
fn auth_and_reset_change_the_user_of_a_certificate() {
    let folder = temp_dir();
    let (server, mut admin) = start("CN");
    assert_eq!(admin.text("ACL SETUSER carol >secret"), "OK");
    assert_eq!(admin.text("CONFIG SET requirepass secret"), "OK");
    let alice = certificate(folder.path(), "/CN=alice", &[]);
    let mut client = Client::with_tls(server.tls_port, &alice);
    assert_eq!(client.text("ACL WHOAMI"), "alice");
    assert_eq!(client.text("AUTH carol secret"), "OK");
    assert_eq!(client.text("ACL WHOAMI"), "carol");
    assert_eq!(client.text("RESET"), "RESET");
    assert!(client.text("ACL WHOAMI").starts_with("-NOAUTH"));
    // The user is removed, and with it the clients that are this user.
    let mut client = Client::with_tls(server.tls_port, &alice);
    assert_eq!(client.text("ACL WHOAMI"), "alice");
    assert_eq!(admin.text("ACL DELUSER alice"), "1");
    assert_eq!(client.read_to_end(), b"");
}

#[test]
fn a_client_is_disconnected_when_acl_load_removes_its_user() {
    let folder = temp_dir();
    let file = file_in(folder.path(), "users.acl");
    let put =
        |user: &str| fs::write(&file, format!("user {user} on +@all ~*\n")).expect("writable");
    put("alice");
    let server = Server::start(&["--tls-auth-clients-user", "CN", "--aclfile", &file]);
    let alice = certificate(folder.path(), "/CN=alice", &[]);
    let mut client = Client::with_tls(server.tls_port, &alice);
    assert_eq!(client.text("ACL WHOAMI"), "alice");
    put("bob");
    assert_eq!(server.client(Transport::Tcp).text("ACL LOAD"), "OK");
    assert_eq!(client.read_to_end(), b"");
    let mut client = Client::with_tls(server.tls_port, &alice);
    assert_eq!(client.text("ACL WHOAMI"), "default");
}

/// The certificate is not shown again when a session is resumed, but belongs to it.
#[test]
fn a_resumed_session_has_the_user_of_its_certificate() {
    let folder = temp_dir();
    let (server, _admin) = start("CN");
    certificate(folder.path(), "/CN=alice", &[]);
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        let context = openssl_client::context(false, |builder| {
            let (cert, key) = ("user.crt", "user.key");
            builder
                .set_certificate_file(file_in(folder.path(), cert), SslFiletype::PEM)
                .and_then(|()| {
                    builder.set_private_key_file(file_in(folder.path(), key), SslFiletype::PEM)
                })
                .expect("the pair loads");
            openssl_client::only(version)(builder);
        });
        let mut session = None;
        for is_resumed in [false, true] {
            let mut client = OpensslClient::connect(server.tls_port, &context, session.as_ref())
                .expect("admitted");
            client.send(b"ACL WHOAMI\r\n").expect("sent");
            assert_eq!(client.read(11).expect("a reply"), b"$5\r\nalice\r\n");
            assert_eq!(client.ssl().session_reused(), is_resumed, "{version:?}");
            session = Some(client.close());
        }
    }
}

#[test]
fn client_list_shows_tls_at_the_end() {
    let folder = temp_dir();
    let server = Server::start(&[]);
    let config = certificate(folder.path(), "/O=100%/CN=al ice", &[]);
    let mut client = Client::with_tls(server.tls_port, &config);
    let line = client.text("CLIENT INFO");
    let expected =
        " lib-ver= tls=TLSv1.3:TLS_AES_256_GCM_SHA384:O=100%25,%20CN=al%20ice login=none";
    assert!(line.trim_end().ends_with(expected), "{line}");
    for transport in [Transport::Tcp, Transport::Unix] {
        let line = server.client(transport).text("CLIENT INFO");
        assert!(
            line.trim_end().ends_with(" lib-ver= tls=no login=none"),
            "{line}"
        );
    }
    // As Redis 7.2 has it where nothing uses TLS.
    assert_eq!(client.text("CONFIG SET tls-port 0"), "OK");
    let line = server.client(Transport::Tcp).text("CLIENT INFO");
    assert!(line.trim_end().ends_with(" lib-ver="), "{line}");
}

/// An authority, and a server that trusts it and takes the users of certificates from a field.
fn start_with_authority(folder: &Path, field: &str) -> (Pair, Server, Client) {
    let root = Pair::root("root");
    root.write(folder, "root", &[]);
    let file = file_in(folder, "root.crt");
    let server = Server::start(&[
        "--tls-ca-cert-file",
        &file,
        "--tls-auth-clients-user",
        field,
    ]);
    let mut admin = server.client(Transport::Tcp);
    assert_eq!(admin.text("ACL SETUSER alice on +@all ~*"), "OK");
    (root, server, admin)
}

/// Issues a certificate to a subject, and returns the settings of a client that shows it and does not verify the server.
fn issue_to(
    root: &Pair,
    folder: &Path,
    subject: &X509Name,
    names: &SubjectAlternativeName,
) -> ClientTlsConfig {
    let spec = Spec {
        name: "",
        serial: 7,
        seconds: 3600,
        is_authority: false,
    };
    root.issue_to(&spec, subject, names)
        .write(folder, "user", &[]);
    ClientTlsConfig {
        cert: Some(file_in(folder, "user.crt")),
        key: Some(file_in(folder, "user.key")),
        insecure: true,
        ..ClientTlsConfig::default()
    }
}

#[test]
fn hostile_common_names_are_no_user_and_no_new_line() {
    let folder = temp_dir();
    let (root, server, mut admin) = start_with_authority(folder.path(), "CN");
    let long = "alice".repeat(8000);
    let mut localhost = SubjectAlternativeName::new();
    localhost.dns("alice");
    for (kind, text, user) in [
        (Asn1Type::UTF8STRING, "alice", "alice"),
        // The same name in UTF-16.
        (Asn1Type::BMPSTRING, "\0a\0l\0i\0c\0e", "alice"),
        (Asn1Type::UTF8STRING, "alice\0.example.com", "default"),
        (Asn1Type::UTF8STRING, "alice ", "default"),
        (Asn1Type::UTF8STRING, "alice\r\n+OK", "default"),
        (
            Asn1Type::UTF8STRING,
            "x user=alice login=password\n",
            "default",
        ),
        (Asn1Type::BMPSTRING, "\0a\0l\0i\0c\0e\0\0", "default"),
        (Asn1Type::UTF8STRING, long.as_str(), "default"),
    ] {
        // Only the first of several counts.
        let names = [
            (Nid::COMMONNAME, kind, text),
            (Nid::COMMONNAME, Asn1Type::UTF8STRING, "alice"),
        ];
        let config = issue_to(&root, folder.path(), &subject(&names), &localhost);
        let mut client = Client::with_tls(server.tls_port, &config);
        assert_eq!(client.text("ACL WHOAMI"), user, "{text:?}");
        let line = client.text("CLIENT INFO");
        let fields: Vec<&str> = line.trim_end_matches('\n').split(' ').collect();
        assert!(
            line.len() < 2500 && !line.trim_end().contains(['\n', '\r']),
            "{line}"
        );
        let all = |name: &str| {
            fields
                .iter()
                .filter(|field| field.starts_with(name))
                .count()
        };
        assert_eq!(
            [all("user="), all("login="), all("tls=")],
            [1, 1, 1],
            "{line}"
        );
        let refused = usize::from(user == "default");
        let log = admin.text("ACL LOG");
        assert_eq!(log.matches("tls-cert").count(), refused, "{text:?}");
        assert_eq!(admin.text("ACL LOG RESET"), "OK");
    }
    let printable = |line: &str| !line.contains(['\r', '\u{1b}', '\0']) && line.len() < 4000;
    assert!(server.log().lines().all(printable));
}

#[test]
fn hostile_alternative_names_are_no_user() {
    let folder = temp_dir();
    let anonymous = subject(&[]);
    for field in ["DNS", "URI"] {
        let (root, server, _admin) = start_with_authority(folder.path(), field);
        let long = "x".repeat(64_000);
        for (texts, user) in [
            (["alice\0.example.com", "ALICE"], "default"),
            (["", "alice"], "alice"),
            // As much as a session's ticket can hold.
            ([long.as_str(), "alice"], "alice"),
        ] {
            let mut names = SubjectAlternativeName::new();
            for text in texts {
                match field {
                    "DNS" => names.dns(text),
                    _ => names.uri(text),
                };
            }
            let config = issue_to(&root, folder.path(), &anonymous, &names);
            let mut client = Client::with_tls(server.tls_port, &config);
            assert_eq!(client.text("ACL WHOAMI"), user, "{field}");
            assert!(client.text("CLIENT INFO").len() < 1000);
        }
    }
}

/// A stranger can have the log say whose certificate was rejected, but not at any length.
#[test]
fn the_log_cuts_the_name_of_a_stranger() {
    let folder = temp_dir();
    let (_root, server, mut admin) = start_with_authority(folder.path(), "CN");
    let name = "\u{1}".repeat(50_000);
    Pair::root(&name).write(folder.path(), "stranger", &[]);
    let config = ClientTlsConfig {
        cert: Some(file_in(folder.path(), "stranger.crt")),
        key: Some(file_in(folder.path(), "stranger.key")),
        insecure: true,
        ..ClientTlsConfig::default()
    };
    drop(Client::try_tls(server.tls_port, &config).map(|mut client| client.try_read()));
    let line = server.wait_for_log(&["certificate verify failed"]);
    assert!(
        line.contains("(CN=\\u{1}\\u{1}") && line.len() < 4000,
        "{}",
        line.len()
    );
    assert!(admin.info("tls_last_handshake_error").len() < 4000);
}
