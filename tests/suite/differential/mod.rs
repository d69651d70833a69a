//! Sends the same random commands to this server and to Debian's (7.0.15). The replies must be equal byte for byte,
//! and so must be the data sets in the end, by DEBUG DIGEST; then our server loads its own snapshot and Debian's, and
//! must have the same digest again. It must have it as well after loading the append-only file that Debian's server has
//! written.
//!
//! Each type has a file with its commands as a table (see [`grammar`]), and low encoding limits so that encodings
//! change all the time. About one command in 40 has a word replaced by junk. A third of the commands goes over each
//! transport; TLS uses RESP3. A test run takes some 20,000 commands of each type. For a long run:
//!
//! ```text
//! DIFFERENTIAL_COMMANDS=1000000 DIFFERENTIAL_SEED=7 cargo test --profile fast differential -- --nocapture
//! ```
//!
//! Known differences between 7.0 and 7.2, which the tables leave out or compare loosely:
//!
//! * OBJECT ENCODING of lists and sets: 7.2 has listpacks for small ones, 7.0 does not. Their order differs
//!   accordingly.
//! * In replies and in DEBUG DIGEST, 7.0 formats scores with 17 digits and 7.2 with the fewest that identify them:
//!   only short binary fractions are stored, and no sorted set is repeatedly added to itself.
//! * More pairs in one HSET or ZADD than fit a listpack make a table in 7.2, even if some have the same field: the
//!   limits are as high as the number of pairs that a row can have.
//! * XINFO CONSUMERS and XINFO STREAM FULL have `inactive` and `active-time` in 7.2.
//! * XCLAIM and XAUTOCLAIM create their consumer in 7.2 even if there is nothing to claim.
//! * Where XSETID has two reasons to fail, each version reports a different one.
//! * ZRANK and ZREVRANK take WITHSCORE in 7.2 only.
//! * OBJECT REFCOUNT: in Redis a small integer made by COPY is not shared.

mod bits;
mod clients;
mod compare;
mod geos;
mod grammar;
mod hashes;
mod hlls;
mod keys;
mod lists;
mod sets;
mod sorts;
mod streams;
mod strings;
mod zsets;

use std::fs;

use conn::blocking;
use conn::resp::Value;
use data::util::rand::Rng;
use tests::client::{Client, Transport, show};
use tests::peer::{Peer, program};
use tests::server::{Server, temp_dir};
use tests::wait::until;

use compare::As;
use grammar::{Grammar, Line};

const COMMANDS: u64 = 21_000;
const BATCH: u64 = 100;
/// One command in this many has a word replaced, and one in this many is FLUSHALL.
const JUNK_EVERY: u64 = 40;
const FLUSH_EVERY: u64 = 1500;

/// The timeout of blocking commands, in seconds.
const MOMENT: &[u8] = b"0.001";

/// All families.
pub(crate) const FAMILIES: &[&Family] = &[
    &bits::FAMILY,
    &geos::FAMILY,
    &hashes::FAMILY,
    &hlls::FAMILY,
    &keys::FAMILY,
    &lists::FAMILY,
    &sets::FAMILY,
    &sorts::FAMILY,
    &streams::FAMILY,
    &strings::FAMILY,
    &zsets::FAMILY,
    &zsets::BY_NAME,
];

/// The commands of a type.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    /// Directives that are set on both servers.
    pub(crate) config: &'static [(&'static str, &'static str)],
    /// Grammar rules of its own.
    rules: &'static [(&'static str, &'static str)],
    /// Weight, comparison and row.
    rows: &'static [(u64, As, &'static str)],
    /// Whether words may be replaced by junk.
    junk: bool,
}

/// A number from the environment, or the default of an ordinary run.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number: {text}"))
    })
}

pub(crate) type Command = (Vec<Vec<u8>>, As);

/// Draws random commands of a family.
pub(crate) struct Source {
    grammar: Grammar,
    /// The rows, and the index of each row as often as its weight says.
    rows: Vec<(As, Line)>,
    weights: Vec<usize>,
    junk: bool,
    rng: Rng,
}

impl Source {
    pub(crate) fn new(family: &Family, seed: u64) -> Self {
        let grammar = Grammar::new(family.rules);
        let rows: Vec<(As, Line)> = family
            .rows
            .iter()
            .map(|(_, compare, text)| (*compare, grammar.line(text)))
            .collect();
        let weights = family
            .rows
            .iter()
            .enumerate()
            .flat_map(|(row, (weight, ..))| vec![row; *weight as usize])
            .collect();
        Source {
            grammar,
            rows,
            weights,
            junk: family.junk,
            rng: Rng::new(seed),
        }
    }

    /// The next command, and how its replies are compared.
    pub(crate) fn command(&mut self) -> Command {
        if self.rng.below(FLUSH_EVERY) == 0 {
            return (vec![b"FLUSHALL".to_vec()], As::Exact);
        }
        let row = self.weights[self.rng.below(self.weights.len() as u64) as usize];
        let (compare, line) = &self.rows[row];
        let mut words = self.grammar.draw(line, &mut self.rng);
        // A made-up cursor points to a different place in each server.
        let junk = self.junk && !words[0].ends_with(b"SCAN") && words.len() > 1;
        if junk && self.rng.below(JUNK_EVERY) == 0 {
            let at = 1 + self.rng.below(words.len() as u64 - 1) as usize;
            // Junk as a timeout might block forever, and a pattern without a star turns sorting off.
            if words[at] != MOMENT && !words[at].contains(&b'*') {
                words[at] = self.grammar.junk(&mut self.rng);
            }
        }
        (words, *compare)
    }
}

/// A connection to each server.
struct Pair {
    ours: Client,
    theirs: blocking::Client,
}

impl Pair {
    /// Executes a command on both, without a comparison.
    fn both(&mut self, words: &[&str]) -> [Value; 2] {
        let theirs = self.theirs.call(words).expect("Debian's server replies");
        [self.ours.call(words), theirs]
    }

    /// Sends a batch of commands to both; returns the replies, ours first.
    fn batch(&mut self, commands: &[Command]) -> Vec<[Value; 2]> {
        for (words, _) in commands {
            self.ours
                .raw()
                .write(words)
                .expect("our server is connected");
            self.theirs
                .write(words)
                .expect("Debian's server is connected");
        }
        commands
            .iter()
            .map(|_| {
                [
                    self.ours.read(),
                    self.theirs.read().expect("Debian's server replies"),
                ]
            })
            .collect()
    }

    fn digest(&mut self) -> [String; 2] {
        self.both(&["DEBUG", "DIGEST"]).map(|reply| show(&reply))
    }
}

pub(crate) fn readable(words: &[Vec<u8>]) -> String {
    let words: Vec<String> = words
        .iter()
        .map(|word| format!("\"{}\"", word.escape_ascii()))
        .collect();
    words.join(" ")
}

/// Compares the replies to `count` commands.
fn compare_replies(pair: &mut Pair, source: &mut Source, count: u64, context: &str) {
    let mut log: Vec<String> = Vec::new();
    for _ in 0..count.div_ceil(BATCH) {
        let commands: Vec<Command> = (0..BATCH).map(|_| source.command()).collect();
        for ((words, compare), [ours, theirs]) in commands.iter().zip(pair.batch(&commands)) {
            log.push(readable(words));
            assert!(
                compare.same(&ours, &theirs),
                "{context}:\n{}\nours   {}\ntheirs {}",
                log[log.len().saturating_sub(20)..].join("\n"),
                compare::describe(&ours),
                compare::describe(&theirs)
            );
        }
        log.drain(..log.len().saturating_sub(20));
    }
}

/// Our data set must be unchanged after loading our own snapshot, and after loading theirs.
fn compare_snapshots(pair: &mut Pair, server: &Server, peer: &Peer) {
    let [before, _] = pair.digest();
    assert_eq!(pair.ours.text("DEBUG RELOAD"), "OK");
    assert_eq!(pair.digest()[0], before, "after loading our own snapshot");
    pair.theirs
        .call(&["SAVE"])
        .expect("Debian's server replies");
    fs::copy(
        peer.dir.path().join("dump.rdb"),
        server.dir.path().join("dump.rdb"),
    )
    .expect("their snapshot can be copied");
    assert_eq!(pair.ours.text("DEBUG RELOAD NOSAVE"), "OK");
    assert_eq!(pair.digest()[0], before, "after loading their snapshot");
}

/// Our server must have the same data set when it loads the append-only file that theirs has written: a base that is a
/// snapshot, or commands, and the commands since.
fn compare_append_only_files(pair: &mut Pair, peer: &Peer, family: &Family) {
    let folder = temp_dir();
    let (name, files) = ("appendonlydir", folder.path().join("appendonlydir"));
    fs::create_dir(&files).expect("writable");
    for entry in fs::read_dir(peer.dir.path().join(name)).expect("it appends") {
        let path = entry.expect("readable").path();
        let name = path.file_name().expect("a file");
        fs::copy(&path, files.join(name)).expect("their files can be copied");
    }
    let dir = folder.path().to_string_lossy().into_owned();
    let directives = family
        .config
        .iter()
        .map(|(name, value)| (format!("--{name}"), *value));
    let directives: Vec<(String, &str)> = directives.collect();
    let mut args = vec!["--dir", &dir, "--appendonly", "yes"];
    for (name, value) in &directives {
        args.extend([name.as_str(), value]);
    }
    let restarted = Server::start(&args);
    let mut client = restarted.client(Transport::Tcp);
    let [_, theirs] = pair.digest();
    assert_eq!(
        client.text("DEBUG DIGEST"),
        theirs,
        "after loading their append-only file"
    );
    assert!(
        !restarted.log().contains("CRITICAL"),
        "a command of their file has failed"
    );
}

/// Makes their server replace its base.
fn rewrite(pair: &mut Pair) {
    pair.theirs
        .call(&["BGREWRITEAOF"])
        .expect("Debian's server replies");
    until("the rewrite", || {
        let reply = pair.theirs.call(&["INFO", "persistence"]);
        let text = show(&reply.expect("Debian's server replies"));
        let is_done = ["aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0"]
            .iter()
            .all(|field| text.contains(field));
        is_done.then_some(())
    });
}

fn run(family: &Family) {
    let server = Server::start(&[]);
    // With fsyncs under way it would write later, so that its files lack commands.
    let appending = ["--appendonly", "yes", "--appendfsync", "no"];
    let peer = Peer::start_program(&program("redis-server"), &appending);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let count = setting("DIFFERENTIAL_COMMANDS", COMMANDS);
    for (seed, transport) in (seed..).zip(Transport::ALL) {
        let context = format!("{}, {transport:?}, seed {seed}", family.name);
        let mut pair = Pair {
            ours: server.client(transport),
            theirs: peer.client(),
        };
        let resp = if transport == Transport::Tls {
            "3"
        } else {
            "2"
        };
        pair.both(&["HELLO", resp]);
        pair.both(&["FLUSHALL"]);
        for (name, value) in family.config {
            let replies = pair.both(&["CONFIG", "SET", name, value]);
            assert_eq!(replies.map(|reply| show(&reply)), ["OK", "OK"], "{name}");
        }
        let preamble = if transport == Transport::Unix {
            "no"
        } else {
            "yes"
        };
        let set = ["CONFIG", "SET", "aof-use-rdb-preamble", preamble];
        pair.theirs.call(&set).expect("Debian's server replies");
        let mut source = Source::new(family, seed);
        compare_replies(&mut pair, &mut source, count / 6, &context);
        rewrite(&mut pair);
        compare_replies(&mut pair, &mut source, count / 6, &context);
        let [ours, theirs] = pair.digest();
        assert_eq!(ours, theirs, "{context}: final digests");
        compare_append_only_files(&mut pair, &peer, family);
        compare_snapshots(&mut pair, &server, &peer);
    }
    println!("{}: {count} commands, no difference", family.name);
}

#[test]
fn differential_bits() {
    run(&bits::FAMILY);
}

#[test]
fn differential_geos() {
    run(&geos::FAMILY);
}

#[test]
fn differential_hashes() {
    run(&hashes::FAMILY);
}

#[test]
fn differential_hyperloglogs() {
    run(&hlls::FAMILY);
}

#[test]
fn differential_keys() {
    run(&keys::FAMILY);
}

#[test]
fn differential_lists() {
    run(&lists::FAMILY);
}

#[test]
fn differential_sets() {
    run(&sets::FAMILY);
}

#[test]
fn differential_sorts() {
    run(&sorts::FAMILY);
}

#[test]
fn differential_streams() {
    run(&streams::FAMILY);
}

#[test]
fn differential_strings() {
    run(&strings::FAMILY);
}

#[test]
fn differential_zsets() {
    run(&zsets::FAMILY);
}

#[test]
fn differential_zsets_by_name() {
    run(&zsets::BY_NAME);
}

/// The messages that have arrived.
fn events(client: &mut Client) -> Vec<String> {
    let mut events = client.messages();
    // XCLAIM and XAUTOCLAIM: see the known differences.
    events.retain(|message| !message.contains("consumer"));
    events
}

/// Every command causes the same keyspace events on both servers, in the same order.
#[test]
fn differential_events() {
    let server = Server::start(&[]);
    let peer = Peer::start();
    let count = setting("DIFFERENTIAL_COMMANDS", COMMANDS) / 6;
    for (family, transport) in FAMILIES.iter().zip(Transport::ALL.into_iter().cycle()) {
        let mut pair = Pair {
            ours: server.client(transport),
            theirs: peer.client(),
        };
        pair.both(&["FLUSHALL"]);
        pair.both(&["DEBUG", "SET-ACTIVE-EXPIRE", "0"]);
        pair.both(&["CONFIG", "SET", "notify-keyspace-events", "KEA"]);
        for (name, value) in family.config {
            pair.both(&["CONFIG", "SET", name, value]);
        }
        let mut listeners = [server.client(transport), peer.connect()];
        for listener in &mut listeners {
            listener.cmd("PSUBSCRIBE __key*");
        }
        let mut source = Source::new(family, setting("DIFFERENTIAL_SEED", 1));
        for _ in 0..count {
            let (words, _) = source.command();
            let theirs = pair.theirs.call(&words).expect("Debian's server replies");
            let ours = pair.ours.call(&words);
            let [of_ours, of_theirs] = &mut listeners;
            assert_eq!(
                events(of_ours),
                events(of_theirs),
                "{}: {}\nours   {}\ntheirs {}",
                family.name,
                readable(&words),
                compare::describe(&ours),
                compare::describe(&theirs)
            );
        }
    }
}
