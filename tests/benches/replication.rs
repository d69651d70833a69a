//! What replication costs a primary and its replicas, over TLS: memory, transfer time, and the longest event loop
//! iteration.
//!
//! `cargo build --release && cargo bench -p tests --bench replication [-- memory|pace|turns]`. Nothing is asserted,
//! since the numbers depend on the machine. Expected results:
//!
//! * **memory** Stalled replicas while a primary writes. The stream is stored once for all, so the cost grows with the
//!   slowest replica and not with the number of replicas.
//! * **pace** Two replicas share a diskless transfer, one of them behind a link of 64 KiB per second, with a data set
//!   that fits the ring buffer. The other one should take as long as alone.
//! * **turns** The longest event loop iteration of either server during a full synchronization and under a stream of
//!   writes, as reported by INFO. It should stay under 10 ms; other load on the machine adds to it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use tests::client::{Client, Transport};
use tests::mock_replica::MockReplica;
use tests::pair::{start, wait_for_link};
use tests::server::Server;

const MIB: f64 = 1024.0 * 1024.0;
/// Requests per batch.
const BATCH: usize = 16;
/// Bytes of a value.
const VALUE: usize = 100;
/// Bytes of the data sets of `turns` and of `pace`.
const BIG: usize = 512 << 20;
const SMALL: usize = 24 << 20;
/// Transfers of each kind, of which `pace` takes the median.
const ROUNDS: usize = 21;
/// The rate of the slow link, in bytes per tick.
const TICK: Duration = Duration::from_millis(50);
const PER_TICK: usize = 64 * 1024 / 20;

fn main() {
    let wanted = std::env::args()
        .nth(1)
        .filter(|word| !word.starts_with('-'));
    let wants = |part| wanted.as_ref().is_none_or(|wanted| wanted == part);
    if wants("memory") {
        for (replicas, stalled) in [(0, 0), (1, 0), (8, 0), (1, 1), (8, 1), (8, 8)] {
            memory(replicas, stalled);
        }
    }
    if wants("pace") {
        let (mut alone, mut beside) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            alone.push(pace(false));
            beside.push(pace(true));
        }
        let [alone, beside] = [alone, beside].map(|rounds| {
            let longest = rounds.iter().map(|round| round.1).fold(0.0, f64::max);
            let mut seconds: Vec<f64> = rounds.into_iter().map(|round| round.0).collect();
            seconds.sort_by(f64::total_cmp);
            (seconds[ROUNDS / 2], longest)
        });
        println!(
            "pace: alone {:.3} s, beside a slow one {:.3} s, {:.2} times as long (medians of {ROUNDS}); longest turns of the primary \
             {:.1} ms and {:.1} ms",
            alone.0,
            beside.0,
            beside.0 / alone.0,
            alone.1,
            beside.1
        );
    }
    if wants("turns") {
        turns();
    }
}

/// Sends `count` SETs.
fn write(client: &mut Client, count: usize) {
    let mut written = 0;
    while written < count {
        let mut batch = Vec::new();
        for at in 0..BATCH {
            let key = (written + at) % 10_000;
            write!(batch, "SET key:{key:05} {}\r\n", "x".repeat(VALUE)).expect("a Vec never fails");
        }
        client.send(&batch);
        for _ in 0..BATCH {
            client.read();
        }
        written += BATCH;
    }
}

/// Memory that 64 MiB of stream cost a primary with `replicas` replicas, of which `stalled` are stalled.
fn memory(replicas: usize, stalled: usize) {
    let (server, mut client) = start(
        Transport::Tls,
        &[
            "--repl-diskless-sync",
            "no",
            "--client-output-buffer-limit",
            "replica 0 0 0",
        ],
    );
    write(&mut client, 10_000);
    let mut mocks: Vec<MockReplica> = (0..replicas)
        .map(|_| MockReplica::new(&server, Transport::Tls))
        .collect();
    let awake = mocks.split_off(stalled);
    let readers: Vec<_> = awake
        .into_iter()
        .map(|mock| thread::spawn(move || mock.wait_for_close()))
        .collect();
    let field = |client: &mut Client, name: &str| -> f64 {
        client.info(name).parse::<f64>().expect("a number") / MIB
    };
    let (used, resident) = (field(&mut client, "used_memory"), server.resident());
    let began = Instant::now();
    write(&mut client, (64 << 20) / (VALUE + 50));
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "memory: {replicas} replicas, {stalled} stalled: used {:+.1} MiB, resident {:+.1} MiB, buffers {:.1} MiB, \
         clients {:.1} MiB, {seconds:.1} s",
        field(&mut client, "used_memory") - used,
        (server.resident() as f64 - resident as f64) / MIB,
        field(&mut client, "mem_total_replication_buffers"),
        field(&mut client, "mem_clients_slaves"),
    );
    drop((server, mocks));
    for reader in readers {
        reader.join().expect("the reader does not panic");
    }
}

/// A proxy that forwards the server's bytes at the rate of a slow link.
fn slow_link(target: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("the listener is bound").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                return;
            };
            // A large kernel buffer would hide the slow link.
            setsockopt(&server, RcvBuf, &PER_TICK).expect("a socket");
            let copy = |socket: &TcpStream| socket.try_clone().expect("the socket can be cloned");
            let (from, to) = (copy(&client), copy(&server));
            thread::spawn(move || forward(from, to, Duration::ZERO));
            thread::spawn(move || forward(server, client, TICK));
        }
    });
    port
}

fn forward(mut from: TcpStream, mut to: TcpStream, tick: Duration) {
    let mut buf = [0; PER_TICK];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        if to.write_all(&buf[..n]).is_err() {
            break;
        }
        thread::sleep(tick);
    }
}

/// Seconds of a diskless transfer to a replica, from the fork on, and milliseconds of the primary's longest iteration
/// meanwhile; with `both`, a slow replica shares the transfer.
fn pace(both: bool) -> (f64, f64) {
    let most = if both { "2" } else { "1" };
    let (server, mut client) = start(
        Transport::Tls,
        &[
            "--repl-diskless-sync-delay",
            "60",
            "--repl-diskless-sync-max-replicas",
            most,
            "--rdbcompression",
            "no",
        ],
    );
    client.text(&format!("DEBUG POPULATE {} filler 1000", SMALL / 1000));
    let (slow, mut slow_client) = start(Transport::Tls, &[]);
    let (fast, mut fast_client) = start(Transport::Tls, &["--repl-diskless-load", "swapdb"]);
    if both {
        let port = slow_link(server.tls_port);
        slow_client.text(&format!("REPLICAOF 127.0.0.1 {port}"));
        server.wait_for_log(&["Delay next BGSAVE"]);
    }
    client.text("CONFIG RESETSTAT");
    fast_client.text(&format!("REPLICAOF 127.0.0.1 {}", server.tls_port));
    server.wait_for_log(&["Background RDB transfer started"]);
    let began = Instant::now();
    fast.wait_for_log(&["sync: Finished with success"]);
    let seconds = began.elapsed().as_secs_f64();
    if both {
        assert_eq!(
            slow_client.info("master_link_status"),
            "down",
            "the slow link is still transferring"
        );
    }
    drop(slow);
    (seconds, longest_turn(&mut client))
}

/// Milliseconds of the longest event loop iteration since the statistics were reset.
fn longest_turn(client: &mut Client) -> f64 {
    let text = client.text("INFO debug");
    let field = text
        .lines()
        .find_map(|line| line.strip_prefix("eventloop_duration_max:"));
    let us: f64 = field.and_then(|us| us.parse().ok()).expect("a number");
    us / 1000.0
}

/// Raises the priority of a server, so that its iterations do not include waiting for other processes. That needs
/// privileges; without them it has no effect.
fn prefer(server: &Server) {
    let pid = server.pid().to_string();
    let _ = Command::new("renice")
        .args(["-n", "-20", "-p", &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The longest iterations of both servers while something runs.
fn watched(what: &str, clients: [&mut Client; 2], run: impl FnOnce(&mut Client, &mut Client)) {
    let [primary, replica] = clients;
    for client in [&mut *primary, &mut *replica] {
        client.text("CONFIG RESETSTAT");
    }
    let began = Instant::now();
    run(primary, replica);
    let seconds = began.elapsed().as_secs_f64();
    let longest = [primary, replica].map(longest_turn);
    println!(
        "turns: {what}, {seconds:.1} s: longest {:.1} ms on the primary, {:.1} ms on the replica",
        longest[0], longest[1]
    );
}

fn turns() {
    for load in ["disabled", "swapdb"] {
        for diskless in ["no", "yes"] {
            let (server, mut client) = start(Transport::Tls, &["--repl-diskless-sync", diskless]);
            let (other, mut replica) = start(Transport::Tls, &["--repl-diskless-load", load]);
            prefer(&server);
            prefer(&other);
            client.text(&format!("DEBUG POPULATE {} filler 1000", BIG / 1000));
            let what = format!("a full sync, diskless {diskless}, load {load}");
            watched(&what, [&mut client, &mut replica], |_, replica| {
                replica.text(&format!("REPLICAOF 127.0.0.1 {}", server.tls_port));
                other.wait_for_log(&["sync: Finished with success"]);
                wait_for_link(replica);
            });
            watched(
                "a stream of SETs",
                [&mut client, &mut replica],
                |client, _| {
                    write(client, 1_000_000);
                },
            );
        }
    }
}
