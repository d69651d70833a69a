//! Hit ratio of a cache at `maxmemory`: our server and a real one on the same trace, for LRU and LFU.
//!
//! `cargo build --release && REAL_REDIS=/path/to/redis-server cargo bench -p tests --bench hit_ratio [-- SECONDS]`.
//!
//! The keys of the trace follow a Zipf distribution; a key that is missing is stored. Both servers get as much memory
//! as the same number of keys takes in each, so the ratio tells how well keys are chosen for eviction and not how
//! compactly they are stored. The trace is played at a fixed rate, since the resolution of access times is a second.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use data::util::rand::Rng;
use tests::peer::{Peer, real_redis};
use tests::server::Server;

/// Different keys of the trace.
const KEYS: usize = 200_000;
/// Keys that fit into the memory.
const HELD: usize = 20_000;
/// The exponent of the distribution.
const SKEW: f64 = 0.9;
/// Requests per second.
const RATE: usize = 40_000;
/// Requests that are sent at once.
const BATCH: usize = 100;
const VALUE: usize = 100;

fn main() {
    let seconds = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse::<usize>().ok())
        .unwrap_or(30);
    let trace = trace(seconds * RATE);
    for policy in ["allkeys-lru", "allkeys-lfu", "allkeys-random"] {
        let args = ["--maxmemory-policy", policy];
        let server = Server::start(&args);
        let ours = play(server.port, &trace);
        let Some(program) = real_redis() else {
            println!("{policy}: {ours:.4} (REAL_REDIS is not set)");
            continue;
        };
        let peer = Peer::start_program(&program, &args);
        let theirs = play(peer.port, &trace);
        let percent = (ours / theirs - 1.0) * 100.0;
        println!("{policy}: {ours:.4}, the real server {theirs:.4} ({percent:+.2} %)");
    }
}

/// Numbers of keys, popular ones first in the order of the distribution.
fn trace(len: usize) -> Vec<u32> {
    let mut sums = Vec::with_capacity(KEYS);
    let mut sum = 0.0;
    for rank in 1..=KEYS {
        sum += (rank as f64).powf(-SKEW);
        sums.push(sum);
    }
    let mut rng = Rng::new(42);
    (0..len)
        .map(|_| {
            let at = rng.unit() * sum;
            sums.partition_point(|&up_to| up_to < at).min(KEYS - 1) as u32
        })
        .collect()
}

struct Link {
    stream: BufReader<TcpStream>,
    out: Vec<u8>,
    line: Vec<u8>,
}

impl Link {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
        stream.set_nodelay(true).expect("the option can be set");
        Link {
            stream: BufReader::new(stream),
            out: Vec::new(),
            line: Vec::new(),
        }
    }

    fn queue(&mut self, args: &[&[u8]]) {
        self.out
            .extend_from_slice(format!("*{}\r\n", args.len()).as_bytes());
        for arg in args {
            self.out
                .extend_from_slice(format!("${}\r\n", arg.len()).as_bytes());
            self.out.extend_from_slice(arg);
            self.out.extend_from_slice(b"\r\n");
        }
    }

    fn send(&mut self) {
        let stream = self.stream.get_mut();
        stream.write_all(&self.out).expect("the server reads");
        self.out.clear();
    }

    /// Reads a reply; the text of a bulk, or `None` for a null.
    fn reply(&mut self) -> Option<Vec<u8>> {
        self.line.clear();
        self.stream
            .read_until(b'\n', &mut self.line)
            .expect("a reply");
        let line = String::from_utf8_lossy(&self.line);
        assert!(!line.starts_with('-'), "{line}");
        let len = line.strip_prefix('$')?.trim_end().parse::<usize>().ok()?;
        let mut text = vec![0; len + 2];
        self.stream.read_exact(&mut text).expect("a reply");
        text.truncate(len);
        Some(text)
    }

    fn call(&mut self, args: &[&[u8]]) -> Option<Vec<u8>> {
        self.queue(args);
        self.send();
        self.reply()
    }
}

fn key(number: u32) -> Vec<u8> {
    format!("key:{number:012}").into_bytes()
}

/// Plays the trace; the hit ratio of its second half.
fn play(port: u16, trace: &[u32]) -> f64 {
    let mut link = Link::new(port);
    let value = [b'v'; VALUE];
    for number in 0..HELD as u32 {
        // Other keys than those of the trace.
        link.queue(&[b"SET", &key(number + KEYS as u32), &value]);
        link.send();
        link.reply();
    }
    let info = link.call(&[b"INFO", b"memory"]).expect("INFO");
    let info = String::from_utf8_lossy(&info).into_owned();
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .expect("used_memory");
    link.call(&[b"CONFIG", b"SET", b"maxmemory", used.as_bytes()]);
    let began = Instant::now();
    let (mut hits, mut gets) = (0, 0);
    for (at, batch) in trace.chunks(BATCH).enumerate() {
        let due = Duration::from_secs_f64((at * BATCH) as f64 / RATE as f64);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
        for &number in batch {
            link.queue(&[b"GET", &key(number)]);
        }
        link.send();
        let is_counted = at * BATCH >= trace.len() / 2;
        let mut missing = Vec::new();
        for &number in batch {
            let is_hit = link.reply().is_some();
            if !is_hit {
                missing.push(number);
            }
            gets += usize::from(is_counted);
            hits += usize::from(is_counted && is_hit);
        }
        for &number in &missing {
            link.queue(&[b"SET", &key(number), &value]);
        }
        if !missing.is_empty() {
            link.send();
        }
        for _ in missing {
            link.reply();
        }
    }
    hits as f64 / gets as f64
}
