//! Certificates and ports that change while clients are connected.

use std::fs;

use tests::certs;
use tests::client::Transport;
use tests::server::Server;

#[test]
fn a_failed_reload_keeps_the_old_certificate_and_reports_the_reason() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tls);
    let serial = client.info("tls_server_cert_serial");
    let broken = server.dir.path().join("broken.pem");
    fs::write(
        &broken,
        "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n",
    )
    .expect("the folder is writable");
    let broken = broken.to_string_lossy().into_owned();
    let other_key = certs::file("client.key");
    for (directive, value) in [
        ("tls-cert-file", broken.as_str()),
        ("tls-cert-file", "/nowhere.crt"),
        ("tls-key-file", &other_key),
        ("tls-protocols", "TLSv9"),
    ] {
        let reply = client.text(&format!("CONFIG SET {directive} {value}"));
        assert!(
            reply.starts_with("-ERR CONFIG SET failed"),
            "{directive} {value}: {reply}"
        );
        assert_eq!(client.info("tls_server_cert_serial"), serial);
        assert_eq!(
            server.client(Transport::Tls).text("PING"),
            "PONG",
            "{directive} {value}"
        );
    }
    assert!(!client.info("tls_last_reload_error").is_empty());
}

#[test]
fn certificate_rotation_drops_no_client() {
    let server = Server::start(&[]);
    let mut old = server.client(Transport::Tls);
    let before = old.info("tls_server_cert_serial");
    old.set_certificate("server");
    assert_ne!(old.info("tls_server_cert_serial"), before);
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    for round in 0..20 {
        old.set_certificate("server");
        assert_eq!(
            server.client(Transport::Tls).text("PING"),
            "PONG",
            "{round}"
        );
        assert_eq!(old.text("PING"), "PONG");
    }
}

#[test]
fn changing_a_port_drops_no_client() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let new = tests::server::free_port();
        let (directive, old) = if transport == Transport::Tls {
            ("tls-port", server.tls_port)
        } else {
            ("port", server.port)
        };
        assert_eq!(
            client.text(&format!("CONFIG SET {directive} {new}")),
            "OK",
            "{transport:?}"
        );
        assert!(std::net::TcpStream::connect(("127.0.0.1", new)).is_ok());
        assert_eq!(client.text("PING"), "PONG");
        assert_eq!(
            client.text(&format!("CONFIG SET {directive} {old}")),
            "OK",
            "{transport:?}"
        );
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let port = taken.local_addr().expect("the listener is bound").port();
        assert!(
            client
                .text(&format!("CONFIG SET {directive} {port}"))
                .starts_with("-ERR CONFIG SET failed")
        );
        assert_eq!(
            server.client(transport).text("PING"),
            "PONG",
            "{transport:?}"
        );
    }
}

/// Regression test: going back to the old certificate must not read the files again, which may no longer hold it.
#[test]
fn a_change_that_fails_half_way_goes_back_to_the_certificate_it_had() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tls);
    let path = |name: &str| server.dir.path().join(name).to_string_lossy().into_owned();
    let (cert, key) = (path("mine.crt"), path("mine.key"));
    let copy = |name: &str| {
        fs::copy(certs::file(&format!("{name}.crt")), &cert).expect("writable");
        fs::copy(certs::file(&format!("{name}.key")), &key).expect("writable");
    };
    copy("server");
    assert_eq!(
        client.text(&format!(
            "CONFIG SET tls-cert-file {cert} tls-key-file {key}"
        )),
        "OK"
    );
    let serial = client.info("tls_server_cert_serial");
    copy("client");
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = taken.local_addr().expect("bound").port();
    let reply = client.text(&format!(
        "CONFIG SET tls-session-cache-size 100 tls-port {port}"
    ));
    assert!(reply.starts_with("-ERR CONFIG SET failed"), "{reply}");
    assert_eq!(client.info("tls_server_cert_serial"), serial);
    assert_eq!(
        client.text("CONFIG GET tls-session-cache-size"),
        "[tls-session-cache-size 20480]"
    );
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
    // What the files hold now is loaded when that is asked for.
    assert_eq!(client.text("CONFIG SET tls-session-cache-size 100"), "OK");
    assert_ne!(client.info("tls_server_cert_serial"), serial);
}
