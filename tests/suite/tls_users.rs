//! Clients that a certificate logs in: `tls-auth-clients-user`.

use std::path::Path;

use conn::tls::context::ClientTlsConfig;
use openssl::ssl::{SslFiletype, SslVersion};
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
