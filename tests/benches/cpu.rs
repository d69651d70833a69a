//! CPU time of a client per request: our `redis-benchmark` and Debian's against our server, over TLS at `-P 16`.
//!
//! `cargo build --release && cargo bench -p tests --bench cpu [-- REQUESTS]`. Throughput would not show it: with two
//! processes on few processors the cheaper client waits for the server. Rounds alternate, and the best one counts.

use std::process::{Command, Stdio};

use server::sys::host::{Who, cpu_seconds};
use tests::server::Server;
use tests::{certs, peer};

const ROUNDS: usize = 3;

fn main() {
    let requests = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse::<u64>().ok())
        .unwrap_or(2_000_000);
    let server = Server::start(&[]);
    for test in ["set", "get"] {
        let (mut ours, mut theirs) = (f64::MAX, f64::MAX);
        for _ in 0..ROUNDS {
            let program = Command::new(tests::binary("redis-benchmark"));
            ours = ours.min(spent(program, &server, test, requests));
            theirs = theirs.min(spent(
                peer::program("redis-benchmark"),
                &server,
                test,
                requests,
            ));
        }
        let each = |seconds: f64| seconds * 1e9 / requests as f64;
        println!(
            "{test}: {:.0} ns of processor time per request, Debian's {:.0} ns ({:.2} times as much)",
            each(ours),
            each(theirs),
            theirs / ours
        );
    }
}

/// User and system CPU time of one benchmark run, in seconds.
fn spent(mut program: Command, server: &Server, test: &str, requests: u64) -> f64 {
    let before = cpu_seconds(Who::Children);
    let done = program
        .args([
            "-p",
            &server.tls_port.to_string(),
            "--tls",
            "-P",
            "16",
            "-q",
            "-t",
            test,
        ])
        .args(["-n", &requests.to_string()])
        .args(["--cacert", &certs::file("ca.crt")])
        .args(["--cert", &certs::file("redis.crt")])
        .args(["--key", &certs::file("redis.key")])
        .stdout(Stdio::null())
        .status()
        .expect("the program runs");
    assert!(done.success());
    let after = cpu_seconds(Who::Children);
    after.0 + after.1 - before.0 - before.1
}
