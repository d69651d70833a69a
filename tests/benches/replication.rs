//! What replication costs a primary and its replicas, over TLS: memory, pace, and the longest turn of the loop.
//!
//! `cargo build --release && cargo bench -p tests --bench replication [-- memory|pace|turns]`. Nothing is asserted: the
//! numbers depend on the machine. Each part says what its numbers should be.
//!
//! * **memory** Replicas that stand still while a primary writes. The stream is held once, so what it costs grows with the
//!   slowest of them, and not with their number.
//! * **pace** Two replicas in one diskless transfer, one of them behind a link of 64 KiB per second, with a data set that
//!   fits the ring. The other one should need what it needs alone.
//! * **turns** The longest turn of either loop during a full synchronisation and under a stream of writes, as INFO tells it.
//!   It should stay under 10 ms; on a machine that has other things to do it tells about them, too.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::setsockopt;
use nix::sys::socket::sockopt::RcvBuf;
use tests::client::{Client, Transport};
use tests::follower::Follower;
use tests::pair::{start, wait_for_link};
use tests::server::Server;

const MIB: f64 = 1024.0 * 1024.0;
/// Requests that are sent at once.
const BATCH: usize = 16;
/// Bytes of a value.
const VALUE: usize = 100;
/// Bytes of the data set of `turns`, and of `pace`.
const BIG: usize = 512 << 20;
const SMALL: usize = 24 << 20;
/// Transfers of each kind that `pace` takes the median of.
const ROUNDS: usize = 21;
/// The slow link, in bytes per tick.
const TICK: Duration = Duration::from_millis(50);
const PER_TICK: usize = 64 * 1024 / 20;

fn main() {
    let wanted = std::env::args()
        .nth(1)
        .filter(|word| !word.starts_with('-'));
    let wants = |part| wanted.as_ref().is_none_or(|wanted| wanted == part);
    if wants("memory") {
        for (replicas, asleep) in [(0, 0), (1, 0), (8, 0), (1, 1), (8, 1), (8, 8)] {
            memory(replicas, asleep);
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

/// Sends so many SETs.
fn write(client: &mut Client, count: usize) {
    let mut written = 0;
    while written < count {
        let mut batch = Vec::new();
        for at in 0..BATCH {
            let key = (written + at) % 10_000;
            write!(batch, "SET key:{key:05} {}\r\n", "x".repeat(VALUE)).expect("memory");
        }
        client.send(&batch);
        for _ in 0..BATCH {
            client.read();
        }
        written += BATCH;
    }
}

/// What 64 MiB of stream cost a primary in memory, with so many replicas of which some do not read.
fn memory(replicas: usize, asleep: usize) {
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
    let mut followers: Vec<Follower> = (0..replicas)
        .map(|_| Follower::new(&server, Transport::Tls))
        .collect();
    let awake = followers.split_off(asleep);
    let readers: Vec<_> = awake
        .into_iter()
        .map(|follower| thread::spawn(move || follower.wait_for_end()))
        .collect();
    let field = |client: &mut Client, name: &str| -> f64 {
        client.info(name).parse::<f64>().expect("a number") / MIB
    };
    let (used, resident) = (field(&mut client, "used_memory"), server.resident());
    let began = Instant::now();
    write(&mut client, (64 << 20) / (VALUE + 50));
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "memory: {replicas} replicas, {asleep} asleep: used {:+.1} MiB, resident {:+.1} MiB, buffers {:.1} MiB, \
         clients {:.1} MiB, {seconds:.1} s",
        field(&mut client, "used_memory") - used,
        (server.resident() as f64 - resident as f64) / MIB,
        field(&mut client, "mem_total_replication_buffers"),
        field(&mut client, "mem_clients_slaves"),
    );
    drop((server, followers));
    for reader in readers {
        reader.join().expect("it has read");
    }
}

/// Passes what comes; what the server says at the pace of a slow link.
fn slow_link(target: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                return;
            };
            // What the kernel takes in at once is not slow.
            setsockopt(&server, RcvBuf, &PER_TICK).expect("a socket");
            let copy = |socket: &TcpStream| socket.try_clone().expect("a descriptor");
            let (from, to) = (copy(&client), copy(&server));
            thread::spawn(move || pass(from, to, Duration::ZERO));
            thread::spawn(move || pass(server, client, TICK));
        }
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, tick: Duration) {
    let mut buf = [0; PER_TICK];
    while let Ok(n @ 1..) = from.read(&mut buf) {
        if to.write_all(&buf[..n]).is_err() {
            break;
        }
        thread::sleep(tick);
    }
}

/// Seconds that a diskless transfer takes to a replica, from the child on, and milliseconds of the primary's longest turn
/// meanwhile; maybe with a slow replica in the same transfer.
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
            "the slow link is none"
        );
    }
    drop(slow);
    (seconds, longest_turn(&mut client))
}

/// Milliseconds of a loop's longest turn since its statistics began.
fn longest_turn(client: &mut Client) -> f64 {
    let text = client.text("INFO debug");
    let field = text
        .lines()
        .find_map(|line| line.strip_prefix("eventloop_duration_max:"));
    let us: f64 = field.and_then(|us| us.parse().ok()).expect("a number");
    us / 1000.0
}

/// Asks for a server to be scheduled before others, which a measured turn would wait for. Not everybody may do that.
fn prefer(server: &Server) {
    let pid = server.pid().to_string();
    let _ = Command::new("renice")
        .args(["-n", "-20", "-p", &pid])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}

/// The longest turns of both loops while something happens.
fn watched(what: &str, clients: [&mut Client; 2], happen: impl FnOnce(&mut Client, &mut Client)) {
    let [primary, replica] = clients;
    for client in [&mut *primary, &mut *replica] {
        client.text("CONFIG RESETSTAT");
    }
    let began = Instant::now();
    happen(primary, replica);
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
