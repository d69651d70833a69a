//! Libraries for Python that keep their state by scripts: locks, rate limits, queues of jobs. Programs that use them, in
//! `tests/libraries`, print the same with our server as with Debian's.

use std::process::Command;

use tests::certs;
use tests::client::Transport;
use tests::peer::Peer;
use tests::server::Server;

/// What a program prints that uses a server.
fn output(program: &str, transport: Transport, ports: (u16, u16)) -> String {
    let url = match transport {
        Transport::Tls => format!("rediss://localhost:{}/0", ports.1),
        _ => format!("redis://localhost:{}/0", ports.0),
    };
    let done = Command::new(tests::root().join("tests/libraries/run"))
        .args([program, &url])
        .arg(certs::dir())
        .output()
        .expect("bash runs");
    let errors = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success(), "{program} with {url}: {errors}");
    String::from_utf8_lossy(&done.stdout).into_owned()
}

fn check(program: &str) {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (peer, server) = (Peer::start(), Server::start(&[]));
        let expected = output(program, transport, (peer.port, peer.tls_port));
        let printed = output(program, transport, (server.port, server.tls_port));
        assert!(!expected.is_empty(), "{program}");
        assert_eq!(printed, expected, "{program} over {transport:?}");
    }
}

#[test]
fn locks_are_held_by_one() {
    check("locks");
}

#[test]
fn rates_are_limited() {
    check("rates");
}

#[test]
fn jobs_of_queues_are_processed() {
    check("queues");
}
