//! A wall clock that jumps: certificates expire and become valid again by it, while connections, handshakes under way and the
//! watch over files go by elapsed time.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;

use conn::tls::context::ClientTlsConfig;
use openssl::ssl::{SslFiletype, SslVersion};
use tests::authority::{Pair, Spec};
use tests::certs::file_in;
use tests::client::{Client, Transport};
use tests::disk::Disk;
use tests::openssl_client::{self, OpensslClient};
use tests::server::{Server, temp_dir};
use tests::wait::until;

const TWO_DAYS: u64 = 172_800;

/// Issues a pair that is valid for an hour, into `NAME.crt` and `NAME.key`.
fn issue(root: &Pair, folder: &Path, name: &str, serial: u32) {
    let spec = Spec {
        name,
        serial,
        seconds: 3600,
        is_authority: false,
    };
    root.issue(&spec).write(folder, name, &[]);
}

fn start(folder: &Path, disk: &Disk) -> Server {
    let files = ["server.crt", "server.key", "root.crt"].map(|name| file_in(folder, name));
    let names = ["--tls-cert-file", "--tls-key-file", "--tls-ca-cert-file"];
    let mut args: Vec<&str> = names
        .into_iter()
        .zip(&files)
        .flat_map(|(name, file)| [name, file.as_str()])
        .collect();
    args.extend(["--tls-auto-reload", "yes"]);
    Server::start_on(disk, &args)
}

#[test]
fn a_clock_that_jumps_ends_no_connection_and_may_jump_back() {
    let (folder, disk) = (temp_dir(), Disk::new());
    let root = Pair::root("root");
    root.write(folder.path(), "root", &[]);
    issue(&root, folder.path(), "server", 2);
    issue(&root, folder.path(), "client", 3);
    let server = start(folder.path(), &disk);
    let mut admin = server.client(Transport::Tcp);
    let path = |name: &str| file_in(folder.path(), name);
    let config = ClientTlsConfig {
        cacert: Some(path("root.crt")),
        cert: Some(path("client.crt")),
        key: Some(path("client.key")),
        ..ClientTlsConfig::default()
    };
    let mut kept = Client::with_tls(server.tls_port, &config);
    let is_admitted = || {
        let client = Client::try_tls(server.tls_port, &config);
        client.is_ok_and(|mut client| client.try_send(b"PING\r\n") && client.try_read().is_some())
    };
    let context = openssl_client::context(false, |builder| {
        builder.set_ca_file(path("root.crt")).expect("loaded");
        let loaded = builder
            .set_certificate_file(path("client.crt"), SslFiletype::PEM)
            .and_then(|()| builder.set_private_key_file(path("client.key"), SslFiletype::PEM));
        loaded.expect("the pair loads");
        openssl_client::only(SslVersion::TLS1_2)(builder);
    });
    let resume = |session| {
        let mut client = OpensslClient::connect(server.tls_port, &context, session)?;
        client.ping()?;
        Ok::<_, String>((client.ssl().session_reused(), client.close()))
    };
    let (_, ticket) = resume(None).expect("connected");
    // A handshake that is under way during the first jump.
    let mut half = TcpStream::connect(("127.0.0.1", server.tls_port)).expect("the port listens");
    half.write_all(&[22, 3, 1]).expect("connected");
    until("the handshake", || {
        (admin.info("tls_handshakes_in_flight") == "1").then_some(())
    });
    for (jump, reason) in [
        ("clock-ahead", "certificate has expired (CN=root)"),
        ("clock-back", "certificate is not yet valid (CN=root)"),
    ] {
        disk.set(jump, TWO_DAYS);
        assert!(!is_admitted(), "{jump}");
        server.wait_for_log(&[reason]);
        if jump == "clock-ahead" {
            assert!(
                resume(Some(&ticket)).is_err(),
                "a ticket outlives its certificate"
            );
            assert_eq!(admin.info("tls_handshakes_in_flight"), "1");
            server.wait_for_log(&["TLS: the server certificate"]);
            let left = admin.info("tls_server_cert_expires_in_days");
            assert_eq!(left, "-2");
        }
        assert_eq!(kept.text("PING"), "PONG", "{jump}");
        // A file that is written now has a time of the other clock, and is a change all the same.
        let serial = admin.info("tls_server_cert_serial");
        issue(
            &root,
            folder.path(),
            "server",
            if jump == "clock-ahead" { 4 } else { 5 },
        );
        until("the renewed certificate", || {
            (admin.info("tls_server_cert_serial") != serial).then_some(())
        });
        disk.clear(jump);
        assert!(is_admitted(), "{jump} is corrected");
    }
    let (is_resumed, _) = resume(Some(&ticket)).expect("connected");
    assert!(is_resumed, "the ticket is as old as it was");
    assert_eq!(kept.text("PING"), "PONG");
}
