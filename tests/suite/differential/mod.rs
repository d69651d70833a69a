//! The same random commands to this server and to Debian's (7.0.15): replies must be equal byte for byte, and so must be
//! what both hold in the end, by DEBUG DIGEST; then ours loads its own snapshot and theirs, and must hold the same again.
//!
//! One file per type has its commands as a table (see [`grammar`]), and low limits for encodings so that they change all
//! the time. One word in some hundred is replaced by nonsense. A third of the commands goes over each transport, TLS
//! speaks RESP3. A test run takes some 20,000 commands of each type. For a long one:
//!
//! ```text
//! DIFFERENTIAL_COMMANDS=1000000 DIFFERENTIAL_SEED=7 cargo test --profile fast differential -- --nocapture
//! ```
//!
//! Known differences between 7.0 and 7.2, which the tables leave out or compare loosely:
//!
//! * OBJECT ENCODING of lists and sets: 7.2 has listpacks for small ones, 7.0 has not. Their order follows from that.
//! * Scores are written with 17 digits by 7.0 and with as few as tell them apart by 7.2, in replies and in DEBUG DIGEST:
//!   only short binary fractions are stored. For the same reason nothing adds up a sorted set with itself for ever.
//! * More pairs in one HSET or ZADD than a listpack may have make a table in 7.2, though some are of the same field: the limits
//!   are as high as what a row can have.
//! * XINFO CONSUMERS and XINFO STREAM FULL have `inactive` and `active-time` in 7.2.
//! * XCLAIM and XAUTOCLAIM make their consumer in 7.2 even when there is nothing to claim.
//! * Of two reasons to refuse an XSETID, each names another.
//! * ZRANK and ZREVRANK take WITHSCORE in 7.2 only.
//! * OBJECT REFCOUNT: Redis does not share the small integer that COPY made, which nobody can build on.

mod bits;
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
use tests::peer::Peer;
use tests::server::Server;

use compare::As;
use grammar::{Grammar, Line};

const COMMANDS: u64 = 21_000;
const BATCH: u64 = 100;
/// One command in so many has a word replaced, and one in so many is FLUSHALL.
const JUNK_EVERY: u64 = 40;
const FLUSH_EVERY: u64 = 1500;

/// The timeout of blocking commands, in seconds.
const MOMENT: &[u8] = b"0.001";

/// Every family.
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
    /// Directives set on both servers, each with its value.
    pub(crate) config: &'static [(&'static str, &'static str)],
    /// Rules of its own for the grammar.
    rules: &'static [(&'static str, &'static str)],
    /// How often (a weight), how compared, and what it looks like.
    rows: &'static [(u64, As, &'static str)],
    /// Whether words may be replaced.
    junk: bool,
}

/// A number from the environment, or what an everyday run takes.
pub(crate) fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    })
}

pub(crate) type Command = (Vec<Vec<u8>>, As);

/// Draws the commands of a family.
pub(crate) struct Source {
    grammar: Grammar,
    /// Each row as often as its weight says.
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

    /// The next command, and how replies to it are compared.
    pub(crate) fn command(&mut self) -> Command {
        if self.rng.below(FLUSH_EVERY) == 0 {
            return (vec![b"FLUSHALL".to_vec()], As::Exact);
        }
        let row = self.weights[self.rng.below(self.weights.len() as u64) as usize];
        let (compare, line) = &self.rows[row];
        let mut words = self.grammar.draw(line, &mut self.rng);
        // A cursor that nobody gave out points to another place in each server.
        let junk = self.junk && !words[0].ends_with(b"SCAN") && words.len() > 1;
        if junk && self.rng.below(JUNK_EVERY) == 0 {
            let at = 1 + self.rng.below(words.len() as u64 - 1) as usize;
            // Nonsense for a timeout may mean to wait for ever, and a pattern without a star not to sort.
            if words[at] != MOMENT && !words[at].contains(&b'*') {
                words[at] = self.grammar.junk(&mut self.rng);
            }
        }
        (words, *compare)
    }
}

/// Both servers and a connection to each.
struct Pair {
    ours: Client,
    theirs: blocking::Client,
}

impl Pair {
    /// The same to both, outside the comparison.
    fn both(&mut self, words: &[&str]) -> [Value; 2] {
        let theirs = self.theirs.call(words).expect("theirs answers");
        [self.ours.call(words), theirs]
    }

    /// Sends commands to both as one batch; the replies of each, ours first.
    fn batch(&mut self, commands: &[Command]) -> Vec<[Value; 2]> {
        for (words, _) in commands {
            self.ours.raw().write(words).expect("ours is connected");
            self.theirs.write(words).expect("theirs is connected");
        }
        commands
            .iter()
            .map(|_| {
                [
                    self.ours.read(),
                    self.theirs.read().expect("theirs answers"),
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

/// So many commands over a transport.
fn compare_replies(pair: &mut Pair, source: &mut Source, count: u64, told: &str) {
    let mut log: Vec<String> = Vec::new();
    for _ in 0..count.div_ceil(BATCH) {
        let commands: Vec<Command> = (0..BATCH).map(|_| source.command()).collect();
        for ((words, compare), [ours, theirs]) in commands.iter().zip(pair.batch(&commands)) {
            log.push(readable(words));
            assert!(
                compare.same(&ours, &theirs),
                "{told}:\n{}\nours   {}\ntheirs {}",
                log[log.len().saturating_sub(20)..].join("\n"),
                compare::tell(&ours),
                compare::tell(&theirs)
            );
        }
        log.drain(..log.len().saturating_sub(20));
    }
}

/// Ours must hold the same after its own snapshot, and after theirs.
fn compare_snapshots(pair: &mut Pair, server: &Server, peer: &Peer) {
    let [before, _] = pair.digest();
    assert_eq!(pair.ours.text("DEBUG RELOAD"), "OK");
    assert_eq!(pair.digest()[0], before, "after a reload");
    pair.theirs.call(&["SAVE"]).expect("theirs answers");
    fs::copy(
        peer.dir.path().join("dump.rdb"),
        server.dir.path().join("dump.rdb"),
    )
    .expect("their snapshot can be copied");
    assert_eq!(pair.ours.text("DEBUG RELOAD NOSAVE"), "OK");
    assert_eq!(pair.digest()[0], before, "with their snapshot");
}

fn run(family: &Family) {
    let server = Server::start(&[]);
    let peer = Peer::start();
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let count = setting("DIFFERENTIAL_COMMANDS", COMMANDS);
    for (seed, transport) in (seed..).zip(Transport::ALL) {
        let told = format!("{}, {transport:?}, seed {seed}", family.name);
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
        let mut source = Source::new(family, seed);
        compare_replies(&mut pair, &mut source, count / 3, &told);
        let [ours, theirs] = pair.digest();
        assert_eq!(ours, theirs, "{told}: the digests in the end");
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
