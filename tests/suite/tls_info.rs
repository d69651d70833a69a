//! What an operator sees of TLS: INFO, and a log that a scanner cannot fill.

use openssl::ssl::SslVersion;
use tests::client::{Client, Transport, send_raw, tls_config};
use tests::openssl_client::{self, OpensslClient};
use tests::server::Server;
use tests::wait::until;

#[test]
fn failures_are_counted_by_network_and_their_lines_are_limited() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tls);
    let scans = 80;
    for _ in 0..scans {
        send_raw(server.tls_port, b"GET / HTTP/1.1\r\n\r\n");
    }
    until("failures", || {
        (admin.info("tls_handshakes_failed_not_tls") == scans.to_string()).then_some(())
    });
    let network = admin.info("tls_handshakes_failed_network0");
    assert_eq!(network, format!("network=127.0.0.0/24,failures={scans}"));
    let count = || {
        server
            .log()
            .matches("Error accepting a client connection")
            .count()
    };
    let left_out: usize = admin
        .info("tls_log_lines_left_out")
        .parse()
        .expect("a number");
    // Of the burst and of what followed at a line every two seconds.
    assert!((50..scans).contains(&count()), "{}", count());
    assert_eq!(count() + left_out, scans);
    // When it is quiet, the log says how many there were.
    let line = server.wait_for_log(&["lines about refused connections were left out"]);
    assert!(line.contains(&format!(" {left_out} lines")), "{line}");
}

#[test]
fn handshakes_have_percentiles_until_statistics_are_reset() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let percentiles = |admin: &mut Client| admin.info("tls_handshakes_percentiles_usec");
    let none = "p50=0.000,p99=0.000,p99.9=0.000";
    assert_eq!(percentiles(&mut admin), none);
    for _ in 0..3 {
        server.client(Transport::Tls);
    }
    let text = percentiles(&mut admin);
    let numbers: Vec<f64> = text
        .split(',')
        .filter_map(|part| part.split('=').nth(1)?.parse().ok())
        .collect();
    assert_eq!(numbers.len(), 3, "{text}");
    assert!(numbers[0] > 50.0 && numbers.is_sorted(), "{text}");
    assert_eq!(admin.info("tls_handshakes_done"), "3");
    assert_eq!(admin.text("CONFIG RESETSTAT"), "OK");
    assert_eq!(percentiles(&mut admin), none);
    for count in [
        "tls_handshakes_done",
        "tls_handshakes_failed",
        "tls_bytes_in",
        "tls_records_out",
    ] {
        assert_eq!(admin.info(count), "0", "{count}");
    }
}

#[test]
fn the_group_the_tickets_and_the_days_that_are_left_are_shown() {
    let server = Server::start(&["--tls-groups", "P-384:X25519"]);
    let mut admin = server.client(Transport::Tcp);
    let days: i64 = admin
        .info("tls_server_cert_expires_in_days")
        .parse()
        .expect("a number");
    let seconds: i64 = admin
        .info("tls_server_cert_expires_in_seconds")
        .parse()
        .expect("a number");
    assert_eq!(days, seconds / 86_400);
    assert_eq!(admin.info("tls_tickets_issued"), "0");
    for (version, groups, expected) in [
        (SslVersion::TLS1_3, "X25519", "x25519"),
        (SslVersion::TLS1_3, "P-384", "secp384r1"),
        (SslVersion::TLS1_2, "X25519", "x25519"),
    ] {
        let context = openssl_client::context(true, |builder| {
            builder
                .set_groups_list(groups)
                .expect("OpenSSL knows the group");
            openssl_client::only(version)(builder);
        });
        let mut peer = OpensslClient::connect(server.tls_port, &context, None).expect("admitted");
        peer.ping().expect("a reply");
        let line = admin.info("tls_connections0").to_lowercase();
        assert!(
            line.ends_with(&format!(",connections=1,group={expected}")),
            "{line}"
        );
        peer.close();
        until("the end of the connection", || {
            (admin.info("tls_connections") == "0").then_some(())
        });
    }
    assert_eq!(admin.info("tls_tickets_issued"), "3");
    assert_eq!(
        Client::with_tls(server.tls_port, &tls_config()).text("PING"),
        "PONG"
    );
}

#[test]
fn debug_tls_tells_all_about_a_connection() {
    let server = Server::start(&["--tls-groups", "X25519"]);
    let mut admin = server.client(Transport::Tcp);
    for (version, cipher) in [
        (SslVersion::TLS1_2, "ECDHE-RSA-AES256-GCM-SHA384"),
        (SslVersion::TLS1_3, "TLS_AES_256_GCM_SHA384"),
    ] {
        let context = openssl_client::context(true, openssl_client::only(version));
        let mut session = None;
        for resumed in ["no", "yes"] {
            let mut peer = OpensslClient::connect(server.tls_port, &context, session.as_ref())
                .expect("admitted");
            peer.send(b"CLIENT ID\r\n").expect("sent");
            let mut id = String::new();
            while !id.ends_with('\n') {
                id.push(char::from(peer.read(1).expect("a reply")[0]));
            }
            let text = admin.text(&format!("DEBUG TLS {}", id.trim_matches([':', '\r', '\n'])));
            let has = |part: &str| assert!(text.contains(part), "{part} in {text}");
            has(&format!("cipher:{cipher}\r\n"));
            has(&format!("resumed:{resumed}\r\n"));
            has("login:none\r\n");
            has("own_certificate:O=Redis Test, CN=Generic-cert\r\n");
            has("verified:yes\r\n");
            has(
                "certificate0:subject=O=Redis Test, CN=Generic-cert;issuer=O=Redis Test, CN=Certificate Authority;serial=",
            );
            has(";names=localhost,127.0.0.1,::1;not_before=");
            has(";key=RSA;bits=2048;signature=sha256WithRSAEncryption\r\n");
            assert_eq!(text.contains("chain_expires:"), resumed == "yes", "{text}");
            session = Some(peer.close());
        }
    }
    for (id, why) in [("0", "No such client ID"), ("-1", "No such client ID")] {
        assert_eq!(
            admin.text(&format!("DEBUG TLS {id}")),
            format!("-ERR {why}")
        );
    }
    let id = admin.text("CLIENT ID");
    assert_eq!(
        admin.text(&format!("DEBUG TLS {id}")),
        "-ERR This client does not use TLS"
    );
}
