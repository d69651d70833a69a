//! Certificates that live for seconds, renewed under load.
//!
//! `RENEWALS` sets how often everything is renewed, every four seconds; by default it is small enough for every run of
//! the tests.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use conn::tls::context::ClientTlsConfig;
use tests::authority::{Pair, Spec, now};
use tests::certs::file_in;
use tests::client::{Client, Transport};
use tests::server::{Server, temp_dir};
use tests::wait::until;

const CLIENTS: u32 = 50;
/// Seconds between two renewals of everything, and for how many seconds a certificate is valid.
const PERIOD: i64 = 4;
const LIFE: i64 = 20;
/// Connections of each client after one renewal.
const CONNECTIONS: u32 = 4;

/// How many generations of certificates there are.
fn renewals() -> u32 {
    let text = std::env::var("RENEWALS").unwrap_or_default();
    text.parse().unwrap_or(5)
}

/// Issues the server's certificate, in its place, and the clients' under a number; when they expire.
fn renew(root: &Pair, folder: &Path, number: u32) -> i64 {
    let issue = |name, serial| {
        root.issue(&Spec {
            name,
            serial,
            seconds: LIFE,
            is_authority: false,
        })
    };
    issue("client", 2 * number).write(folder, &format!("client{number}"), &[]);
    let server = issue("server", 2 * number + 1);
    server.write(folder, "server", &[]);
    server.expires()
}

fn config(folder: &Path, number: u32) -> ClientTlsConfig {
    ClientTlsConfig {
        cacert: Some(file_in(folder, "root.crt")),
        cert: Some(file_in(folder, &format!("client{number}.crt"))),
        key: Some(file_in(folder, &format!("client{number}.key"))),
        ..ClientTlsConfig::default()
    }
}

fn connect(folder: &Path, port: u16, number: u32) -> Client {
    Client::with_tls(port, &config(folder, number))
}

/// Connects some times after each renewal, with the newest certificate. The first connection stays.
fn client(folder: &Path, port: u16, newest: &AtomicU32, renewals: u32) {
    let mut first = connect(folder, port, 1);
    for number in 1..=renewals {
        for _ in 0..CONNECTIONS {
            let mut client = connect(folder, port, newest.load(Ordering::Relaxed));
            for _ in 0..5 {
                client.text("INCR n");
            }
        }
        if number < renewals {
            assert_eq!(first.text("BLPOP renewed 0"), "[renewed x]");
        }
    }
    assert_eq!(first.text("PING"), "PONG");
}

#[test]
fn renewals_under_load_cost_no_connection() {
    let (renewals, folder) = (renewals(), temp_dir());
    let root = Pair::root("root");
    root.write(folder.path(), "root", &[]);
    let expires = renew(&root, folder.path(), 1);
    let path = |name: &str| file_in(folder.path(), name);
    let files = [path("server.crt"), path("server.key"), path("root.crt")];
    let server = Server::start(&[
        "--tls-cert-file",
        &files[0],
        "--tls-key-file",
        &files[1],
        "--tls-ca-cert-file",
        &files[2],
        "--tls-auto-reload",
        "yes",
    ]);
    let mut admin = server.client(Transport::Tcp);
    let mut kept = connect(folder.path(), server.tls_port, 1);
    let newest = AtomicU32::new(1);
    thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| client(folder.path(), server.tls_port, &newest, renewals));
        }
        for number in 2..=renewals {
            // A list that stays empty: the server is the clock.
            assert_eq!(admin.text(&format!("BLPOP never {PERIOD}")), "nil");
            let serial = admin.info("tls_server_cert_serial");
            renew(&root, folder.path(), number);
            until("the new certificate", || {
                (admin.info("tls_server_cert_serial") != serial).then_some(())
            });
            newest.store(number, Ordering::Relaxed);
            for _ in 0..CLIENTS {
                admin.text("RPUSH renewed x");
            }
        }
    });
    assert_eq!(admin.info("tls_last_reload_status"), "ok");
    assert_eq!(admin.info("tls_handshakes_failed"), "0");
    let all = renewals * CLIENTS * CONNECTIONS;
    assert_eq!(admin.text("GET n"), (5 * all).to_string());
    assert_eq!(
        admin.info("tls_handshakes_done"),
        (all + CLIENTS + 1).to_string()
    );
    // A connection outlives its certificate, with which nobody is admitted any more.
    until("the end of the first certificates", || {
        (now() > expires).then_some(())
    });
    assert_eq!(kept.text("PING"), "PONG");
    let old = Client::try_tls(server.tls_port, &config(folder.path(), 1));
    assert!(old.is_err() || old.is_ok_and(|mut client| client.try_read().is_none()));
    server.wait_for_log(&["certificate has expired (CN=client)"]);
    connect(folder.path(), server.tls_port, renewals);
    println!("{renewals} generations, {all} connections of {CLIENTS} clients: no error");
}
