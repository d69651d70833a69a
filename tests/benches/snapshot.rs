//! Saving and loading a gigabyte of mixed types: our server beside Debian's, CPU and wall-clock time of each, and the
//! pages that are copied on write during a save.
//!
//! `cargo build --release --features vendored-openssl && cargo bench -p tests --bench snapshot [-- MEBIBYTES]`. The
//! files are in /dev/shm if possible, so that no disk is measured. Rounds alternate, and the best one counts.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Instant;

use conn::encode::request;
use data::util::rand::Rng;
use tempfile::TempDir;
use tests::server::{free_port, temp_dir};
use tests::{binary, peer};

const ROUNDS: usize = 3;
/// Bytes of commands per batch.
const BATCH: usize = 1 << 20;
/// Kinds of keys; each takes an equal part of the data set.
const KINDS: usize = 9;
/// Writes at the beginning of the save whose copied pages are counted.
const WRITES: usize = 200_000;

fn main() {
    let mebibytes = std::env::args()
        .skip(1)
        .find_map(|argument| argument.parse::<usize>().ok())
        .unwrap_or(1024);
    let programs = [
        || Command::new(binary("redis-server")),
        || peer::program("redis-server"),
    ];
    let names = ["ours", "Debian's"];
    let mut servers = programs.map(|program| Running::start(program, temp_dir()));
    for (server, name) in servers.iter_mut().zip(names) {
        server.fill(mebibytes << 20);
        println!("{name}: {} bytes used", server.info("used_memory:"));
    }
    let mut best = [[Spent::WORST; 2]; 2];
    for _ in 0..ROUNDS {
        for (which, server) in servers.iter_mut().enumerate() {
            best[which][0].improve(server.save());
            best[which][1].improve(server.restart(programs[which]));
        }
    }
    for (step, what) in ["save", "load"].into_iter().enumerate() {
        let [ours, theirs] = [best[0][step], best[1][step]];
        println!(
            "{what}: {:.2} s of {:.2} s ({:.2}), processor {:.2} s of {:.2} s ({:.2})",
            ours.wall,
            theirs.wall,
            ours.wall / theirs.wall,
            ours.cpu,
            theirs.cpu,
            ours.cpu / theirs.cpu
        );
    }
    let files = servers.each_ref().map(Running::file_bytes);
    println!("file: {} bytes of {}", files[0], files[1]);
    let copied = servers.each_mut().map(Running::copied);
    println!("copied while saving: {} bytes of {}", copied[0], copied[1]);
}

/// Cost of a step, in seconds.
#[derive(Clone, Copy)]
struct Spent {
    wall: f64,
    cpu: f64,
}

impl Spent {
    const WORST: Spent = Spent {
        wall: f64::MAX,
        cpu: f64::MAX,
    };

    fn improve(&mut self, other: Spent) {
        self.wall = self.wall.min(other.wall);
        self.cpu = self.cpu.min(other.cpu);
    }
}

/// A server with its folder, which survives restarts. Unlike `tests::server` it runs Debian's server too, and nothing
/// reads its log except for the line that a step waits for.
struct Running {
    child: Child,
    log: BufReader<ChildStdout>,
    port: u16,
    dir: TempDir,
}

impl Running {
    fn start(program: fn() -> Command, dir: TempDir) -> Self {
        let port = free_port();
        let mut child = program()
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let log = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut server = Running {
            child,
            log,
            port,
            dir,
        };
        server.wait_for("Ready to accept connections");
        server
    }

    /// Reads the log up to a line. The server is not polled, so that only its work is measured.
    fn wait_for(&mut self, what: &str) {
        let line = self
            .log
            .by_ref()
            .lines()
            .map_while(Result::ok)
            .find(|line| line.contains(what));
        assert!(line.is_some(), "it ended before: {what}");
    }

    fn begin_save(&self) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        socket.write_all(b"BGSAVE\r\n").expect("the server reads");
        let mut reply = String::new();
        BufReader::new(socket)
            .read_line(&mut reply)
            .expect("a line");
        assert_eq!(reply.trim_end(), "+Background saving started");
    }

    fn end_save(&mut self) {
        self.wait_for("Background saving terminated with success");
    }

    /// A field of INFO; `field` ends in a colon.
    fn info(&self, field: &str) -> u64 {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        socket
            .write_all(b"INFO everything\r\nQUIT\r\n")
            .expect("the server reads");
        let mut text = String::new();
        socket.read_to_string(&mut text).expect("text");
        let value = text.lines().find_map(|line| line.strip_prefix(field));
        value
            .and_then(|value| value.parse().ok())
            .expect("a number")
    }

    /// CPU seconds of the process and of its children that have exited.
    fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()))
            .expect("the program runs");
        let (_, fields) = stat.rsplit_once(')').expect("a name in parentheses");
        let ticks = fields.split_whitespace().skip(11).take(4);
        let ticks: f64 = ticks
            .map(|tick| tick.parse::<f64>().expect("a number"))
            .sum();
        ticks / 100.0
    }

    fn fill(&self, bytes: usize) {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        let mut batch = b"CLIENT REPLY OFF\r\n".to_vec();
        let mut rng = Rng::new(1);
        for kind in 0..KINDS {
            let (mut sent, mut number) = (0, 0);
            while sent < bytes / KINDS {
                let before = batch.len();
                write_key(&mut batch, &mut rng, kind, number);
                sent += batch.len() - before;
                number += 1;
                if batch.len() >= BATCH {
                    socket.write_all(&batch).expect("the server reads");
                    batch.clear();
                }
            }
        }
        batch.extend_from_slice(b"CLIENT REPLY ON\r\n");
        socket.write_all(&batch).expect("the server reads");
        let mut done = [0; 5];
        socket.read_exact(&mut done).expect("a reply");
    }

    /// Saves in a child process.
    fn save(&mut self) -> Spent {
        let (cpu, begin) = (self.cpu(), Instant::now());
        self.begin_save();
        self.end_save();
        Spent {
            wall: begin.elapsed().as_secs_f64(),
            cpu: self.cpu() - cpu,
        }
    }

    fn file_bytes(&self) -> u64 {
        let file = fs::metadata(self.dir.path().join("dump.rdb"));
        file.expect("it was saved").len()
    }

    /// Kills the server and starts another one on the same file.
    fn restart(&mut self, program: fn() -> Command) -> Spent {
        self.child.kill().expect("the program runs");
        self.child
            .wait()
            .expect("the process is a child of this one");
        let dir = std::mem::replace(&mut self.dir, temp_dir());
        let begin = Instant::now();
        *self = Running::start(program, dir);
        Spent {
            wall: begin.elapsed().as_secs_f64(),
            cpu: self.cpu(),
        }
    }

    /// Bytes that were copied on write during a save.
    fn copied(&mut self) -> u64 {
        self.begin_save();
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).expect("the server listens");
        let mut batch = b"CLIENT REPLY OFF\r\n".to_vec();
        let mut rng = Rng::new(2);
        for _ in 0..WRITES {
            let key = format!("0:{}", rng.below(1_000_000));
            request(
                [b"SETRANGE", key.as_bytes(), b"0", b"new"].iter(),
                &mut batch,
            );
        }
        batch.extend_from_slice(b"CLIENT REPLY ON\r\n");
        socket.write_all(&batch).expect("the server reads");
        let mut done = [0; 5];
        socket.read_exact(&mut done).expect("a reply");
        self.end_save();
        self.info("rdb_last_cow_size:")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text of `len` bytes: half of it repeated words, half of it random letters.
fn text(rng: &mut Rng, len: usize) -> Vec<u8> {
    const WORDS: [&str; 8] = [
        "status", "=active;", "user", "region:", "eu-west", "name", "session", "value",
    ];
    let mut text = Vec::with_capacity(len + 8);
    while text.len() < len {
        if rng.below(2) == 0 {
            text.extend_from_slice(WORDS[rng.below(8) as usize].as_bytes());
        } else {
            text.extend((0..6).map(|_| b'a' + rng.below(26) as u8));
        }
    }
    text.truncate(len);
    text
}

/// Appends the commands that create one key of a kind.
fn write_key(out: &mut Vec<u8>, rng: &mut Rng, kind: usize, number: usize) {
    let key = format!("{kind}:{number}").into_bytes();
    // Every hundredth aggregate is a big one.
    let many = if number % 100 == 99 { 2000 } else { 16 };
    let word = |rng: &mut Rng| text(rng, 24);
    let digits = |rng: &mut Rng| rng.below(1 << 30).to_string().into_bytes();
    let (name, args): (&str, Vec<Vec<u8>>) = match kind {
        0 => ("SET", vec![text(rng, 40)]),
        1 => ("SET", vec![text(rng, 1024)]),
        2 => ("SET", vec![digits(rng)]),
        3 => ("RPUSH", (0..many * 4).map(|_| word(rng)).collect()),
        4 => ("SADD", (0..many * 8).map(|_| digits(rng)).collect()),
        5 => ("SADD", (0..many).map(|_| word(rng)).collect()),
        6 => (
            "ZADD",
            (0..many).flat_map(|_| [digits(rng), word(rng)]).collect(),
        ),
        7 => (
            "HSET",
            (0..many)
                .flat_map(|field| [format!("field:{field}").into_bytes(), word(rng)])
                .collect(),
        ),
        _ => {
            for entry in 1..=many * 4 {
                let id = format!("{entry}-1").into_bytes();
                let fields: [&[u8]; 7] =
                    [b"XADD", &key, &id, b"at", &digits(rng), b"what", &word(rng)];
                request(fields.iter(), out);
            }
            return;
        }
    };
    let mut all: Vec<&[u8]> = vec![name.as_bytes(), &key];
    all.extend(args.iter().map(Vec::as_slice));
    request(all.iter(), out);
}
