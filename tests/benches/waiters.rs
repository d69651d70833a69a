//! Operations on watched keys and blocked clients with 10,000 and 100,000 keys: each must cost no more than what it
//! touches.
//!
//! `cargo build --release && cargo bench -p tests --bench waiters`. Nothing is asserted, since the times depend on the
//! machine. The second column should be about ten times the first; a quadratic operation shows a hundred times.

use std::time::{Duration, Instant};

use tests::client::{Client, Transport};
use tests::server::Server;

const SIZES: [usize; 2] = [10_000, 100_000];
/// Clients that block on the same key.
const CLIENTS: usize = 500;

/// An operation: its description, and a function that measures it with a number of keys.
type Path = (&'static str, fn(usize) -> Duration);

const PATHS: &[Path] = &[
    ("FLUSHALL under a client blocked on the keys", flush_blocked),
    ("EXEC of a push to each key it is blocked on", push_blocked),
    ("WATCH of the keys", watch),
    (
        "FLUSHALL under a client that watches the keys",
        flush_watched,
    ),
    ("SWAPDB under a client that watches the keys", swap_watched),
    (
        "one more byte of a request with that many arguments",
        one_more_byte,
    ),
];

fn main() {
    for (name, path) in PATHS {
        let times = SIZES.map(path);
        let [small, big] = times.map(|time| time.as_secs_f64() * 1e3);
        println!("{name:<55}{small:>10.2} ms{big:>10.2} ms");
    }
    println!(
        "{CLIENTS} pushes to a key on which {CLIENTS} clients block: {:?}",
        push_to_many()
    );
}

fn keys(count: usize) -> Vec<String> {
    (0..count).map(|key| format!("key:{key}")).collect()
}

fn request(name: &str, keys: &[String], last: &[&str]) -> Vec<String> {
    let words = [name.to_owned()].into_iter().chain(keys.iter().cloned());
    words
        .chain(last.iter().map(|&word| word.to_owned()))
        .collect()
}

fn timed(operation: impl FnOnce()) -> Duration {
    let began = Instant::now();
    operation();
    began.elapsed()
}

fn send(client: &mut Client, request: &[String]) {
    client.raw().write(request).expect("an open connection");
}

/// Sends one command per key and reads the replies.
fn each(client: &mut Client, keys: &[String], command: impl Fn(&str) -> String) {
    for some in keys.chunks(1000) {
        let batch: String = some.iter().map(|key| command(key) + "\r\n").collect();
        client.send(batch.as_bytes());
        some.iter().for_each(|_| drop(client.read()));
    }
}

/// A server with a client that is blocked on the keys, and another client.
fn blocked(keys: &[String]) -> (Server, Client, Client) {
    let server = Server::start(&[]);
    let (mut waiter, mut other) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
    send(&mut waiter, &request("BLPOP", keys, &["0"]));
    other.wait_for_blocked(1);
    (server, waiter, other)
}

fn flush_blocked(count: usize) -> Duration {
    let (_server, _waiter, mut other) = blocked(&keys(count));
    timed(|| drop(other.cmd("FLUSHALL")))
}

fn push_blocked(count: usize) -> Duration {
    let keys = keys(count);
    let (_server, _waiter, mut other) = blocked(&keys);
    other.cmd("MULTI");
    each(&mut other, &keys, |key| format!("RPUSH {key} x"));
    timed(|| drop(other.cmd("EXEC")))
}

/// A server with the keys, and two clients.
fn filled(keys: &[String]) -> (Server, Client, Client) {
    let server = Server::start(&[]);
    let (mut one, other) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
    each(&mut one, keys, |key| format!("SET {key} x"));
    (server, one, other)
}

fn watch(count: usize) -> Duration {
    let keys = keys(count);
    let (_server, mut one, _other) = filled(&keys);
    timed(|| drop(one.call(&request("WATCH", &keys, &[]))))
}

fn flush_watched(count: usize) -> Duration {
    under_watch(count, "FLUSHALL")
}

fn swap_watched(count: usize) -> Duration {
    under_watch(count, "SWAPDB 0 1")
}

fn under_watch(count: usize, command: &str) -> Duration {
    let keys = keys(count);
    let (_server, mut one, mut other) = filled(&keys);
    one.call(&request("WATCH", &keys, &[]));
    timed(|| drop(other.cmd(command)))
}

fn one_more_byte(count: usize) -> Duration {
    let server = Server::start(&[]);
    let (mut one, mut other) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
    let head = format!("*{}\r\n", count + 2) + &"$1\r\na\r\n".repeat(count);
    one.send(head.as_bytes());
    other.cmd("PING");
    timed(|| {
        one.send(b"$");
        other.cmd("PING");
    })
}

fn push_to_many() -> Duration {
    let server = Server::start(&[]);
    let mut other = server.client(Transport::Tcp);
    let mut waiters: Vec<Client> = (0..CLIENTS)
        .map(|_| server.client(Transport::Tcp))
        .collect();
    waiters
        .iter_mut()
        .for_each(|waiter| waiter.send(b"BLPOP one 0\r\n"));
    other.wait_for_blocked(CLIENTS);
    timed(|| {
        other.send("LPUSH one x\r\n".repeat(CLIENTS).as_bytes());
        (0..CLIENTS).for_each(|_| drop(other.read()));
    })
}
