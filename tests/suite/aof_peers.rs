//! The append-only file beside real Redis servers: this server and a real one execute the same random commands, and both
//! append them.
//!
//! 1. The incremental files contain the same commands, but for times that depend on the clock.
//! 2. After a rewrite and more commands, both servers are restarted from their own files and from the other's. Each then has
//!    the data set of the server that wrote them, by DEBUG DIGEST.
//!
//! Debian's server (7.0.15) is always compared. It cannot load RDB version 11, so bases are commands; and it propagates
//! XREADGROUP differently from 7.2 (consumers that it creates, MULTI), so the commands of streams are not compared, nor are
//! GET and NX of a SET with an expiry, which 7.0 leaves out. If `REAL_REDIS` names
//! a `redis-server` of 7.2, it is compared as well, with both kinds of base. `DIFFERENTIAL_COMMANDS` and
//! `DIFFERENTIAL_SEED` make long runs, as in `differential`.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tests::client::{Client, Transport};
use tests::peer::{Peer, program, real_redis};
use tests::server::{Server, temp_dir};
use tests::wait::until;

use crate::differential::{FAMILIES, Family, Source, setting};
use crate::replication_peers::{CHANCE, send, timeless, words};

/// Commands of each family before a rewrite, and after it.
const SHARE: u64 = 1000;
const BATCH: u64 = 100;
const DEBIAN: &str = "Debian's";
const FILES: &str = "appendonlydir";

/// A server that appends to files in a folder.
struct Node {
    client: Client,
    _process: Process,
}

#[expect(dead_code, reason = "they are ended by their destructors")]
enum Process {
    Ours(Server),
    Real(Peer),
}

impl Node {
    /// Starts this server, or a real one if there is a program, on the files in a folder.
    fn start(real: Option<&Command>, folder: &Path, family: &Family, preamble: &str) -> Node {
        let folder = folder.to_string_lossy().into_owned();
        let mut args = vec!["--dir".to_owned(), folder];
        let common = [("appendonly", "yes"), ("aof-use-rdb-preamble", preamble)];
        for (name, value) in common.iter().chain(family.config) {
            args.extend([format!("--{name}"), (*value).to_owned()]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let mut node = match real {
            Some(program) => {
                let peer = Peer::start_program(program, &args);
                Node {
                    client: peer.connect(),
                    _process: Process::Real(peer),
                }
            }
            None => {
                let server = Server::start(&args);
                Node {
                    client: server.client(Transport::Tls),
                    _process: Process::Ours(server),
                }
            }
        };
        until("the end of loading", || {
            (node.client.info("loading") == "0").then_some(())
        });
        node
    }

    /// Waits until everything has been written to the files.
    fn settle(&mut self) {
        let fields = [
            "aof_rewrite_in_progress",
            "aof_rewrite_scheduled",
            "aof_buffer_length",
        ];
        until("the end of a rewrite, and an empty buffer", || {
            let is_zero = fields.iter().all(|field| self.client.info(field) == "0");
            is_zero.then_some(())
        });
    }

    fn digest(&mut self) -> String {
        self.client.text("DEBUG DIGEST")
    }
}

/// A copy of the append-only files in a folder.
fn copy(from: &Path) -> TempDir {
    let to = temp_dir();
    fs::create_dir(to.path().join(FILES)).expect("writable");
    for entry in fs::read_dir(from.join(FILES)).expect("it appends") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file");
        fs::copy(&path, to.path().join(FILES).join(name)).expect("readable");
    }
    to
}

/// The commands of the first incremental file, without times that depend on the clock.
fn commands(folder: &Path) -> Vec<String> {
    let path = folder.join(FILES).join("appendonly.aof.1.incr.aof");
    let bytes = fs::read(path).expect("readable");
    let mut rest = bytes.as_slice();
    let number = |prefix: u8, rest: &mut &[u8]| -> usize {
        let end = rest.windows(2).position(|pair| pair == b"\r\n");
        let line = &rest[..end.expect("a line")];
        *rest = &rest[line.len() + 2..];
        assert_eq!(line[0], prefix);
        let digits = std::str::from_utf8(&line[1..]).expect("digits");
        digits.parse().expect("a number")
    };
    let mut commands = Vec::new();
    while !rest.is_empty() {
        let mut words = Vec::new();
        for _ in 0..number(b'*', &mut rest) {
            let len = number(b'$', &mut rest);
            words.push(rest[..len].escape_ascii().to_string().replace(' ', "\\s"));
            rest = &rest[len + 2..];
        }
        commands.push(timeless(&words.join(" ")));
    }
    commands
}

/// Sends `count` commands of a family to both servers.
fn send_both(nodes: &mut [Node; 2], source: &mut Source, count: u64) {
    for _ in 0..count.div_ceil(BATCH) {
        let commands: Vec<_> = (0..BATCH).map(|_| source.command().0).collect();
        for node in &mut *nodes {
            send(&mut node.client, &commands);
        }
    }
}

/// Both servers load copies of both servers' files.
fn restart_all(
    context: &str,
    nodes: &mut [Node; 2],
    folders: &[TempDir; 2],
    start: &dyn Fn(bool, &Path) -> Node,
) {
    let names = ["ours", "theirs"];
    for ((writer, node), folder) in names.iter().zip(nodes).zip(folders) {
        node.settle();
        let before = node.digest();
        for (is_real, reader) in [false, true].into_iter().zip(names) {
            let files = copy(folder.path());
            let mut restarted = start(is_real, files.path());
            let digest = restarted.digest();
            assert_eq!(digest, before, "{context}: {reader} has loaded {writer}");
            let failed = restarted.client.info("unexpected_error_replies");
            assert_eq!(failed, "0", "{context}: {reader} has loaded {writer}");
        }
    }
}

fn compare(name: &str, real: &Command, preamble: &str) {
    let count = setting("DIFFERENTIAL_COMMANDS", SHARE);
    for family in FAMILIES {
        let context = format!("{name}, {}, preamble {preamble}", family.name);
        let start = |is_real: bool, folder: &Path| {
            Node::start(is_real.then_some(real), folder, family, preamble)
        };
        let folders = [temp_dir(), temp_dir()];
        let mut nodes = [
            start(false, folders[0].path()),
            start(true, folders[1].path()),
        ];
        let mut source = Source::new(family, setting("DIFFERENTIAL_SEED", 1));
        send_both(&mut nodes, &mut source, count);
        nodes.iter_mut().for_each(Node::settle);
        let mut sides = folders.each_ref().map(|folder| commands(folder.path()));
        if name == DEBIAN {
            for command in sides.iter_mut().flatten() {
                let words: Vec<&str> = command.split(' ').collect();
                if let ["SET", key, value, "PXAT", at, ..] = words[..] {
                    *command = format!("SET {key} {value} PXAT {at}");
                }
            }
        }
        let [ours, theirs] = sides;
        let at = ours.iter().zip(&theirs).position(|(a, b)| a != b);
        let at = at.unwrap_or(ours.len().min(theirs.len()));
        if (name, family.name) != (DEBIAN, "streams") {
            assert_eq!(ours.get(at), theirs.get(at), "{context}: command {at}");
        }
        for node in &mut nodes {
            let started = node.client.text("BGREWRITEAOF");
            assert!(started.starts_with("Background"), "{started}");
        }
        send_both(&mut nodes, &mut source, count);
        // What depends on chance differs between the servers, but not between a server and its file.
        let chance: Vec<_> = CHANCE.iter().map(|line| words(line)).collect();
        for node in &mut nodes {
            send(&mut node.client, &chance);
            for line in ["SELECT 9", "DEL brief", "SELECT 0"] {
                node.client.text(line);
            }
        }
        restart_all(&context, &mut nodes, &folders, &start);
    }
}

#[test]
fn debians_server_appends_the_same_and_loads_it() {
    compare(DEBIAN, &program("redis-server"), "no");
}

#[test]
fn redis_7_2_appends_the_same_and_loads_it() {
    let Some(real) = real_redis() else { return };
    for preamble in ["no", "yes"] {
        compare("7.2", &real, preamble);
    }
}
