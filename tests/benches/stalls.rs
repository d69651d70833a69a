//! How long the server is kept from its other clients by single commands on much: channels, rules of ACL, tracked keys,
//! scripts, slots, clients.
//!
//! `cargo build --release && REAL_REDIS=/path/to/redis-server cargo bench -p tests --bench stalls [-- GROUP...]`.
//!
//! Prints the milliseconds until the reply, of ours and of the real server, and the ratio. They include the client's share,
//! which is large for big requests and replies, so a ratio near 1 says little and a high one is worth a second run.

use std::time::Instant;

use conn::resp::Value;
use tests::client::Client;
use tests::peer::{Peer, real_redis};
use tests::server::Server;
use tests::wait::until;

/// How often a part in parentheses is repeated; a part in brackets, [`FEW`] times.
const MANY: usize = 100_000;
const FEW: usize = 10_000;

/// A group of steps on a fresh server: its name, the server's arguments, and the steps. A step is what is done, by which of
/// two clients, and the command's words; in a part that is repeated, `#` is the number of the repetition.
///
/// `time`: one command, measured. `once`: one command. `wait`: one command, until it is not refused. `each`: the
/// command is sent [`MANY`] times with another `#`, and `few` [`FEW`] times.
type Group = (
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
);

const GROUPS: &[Group] = &[
    (
        "pubsub",
        &[],
        &[
            "time b SUBSCRIBE ( m# )",
            "time a PUBSUB CHANNELS",
            "time a PUBSUB NUMSUB ( m# )",
            "time b UNSUBSCRIBE ( m# )",
            "time b PSUBSCRIBE [ m#* ]",
            "time a PUBLISH other text",
            "time b PUNSUBSCRIBE [ m#* ]",
            "time b SSUBSCRIBE ( m# )",
            "time a PUBSUB SHARDCHANNELS",
            "time b SUNSUBSCRIBE ( m# )",
        ],
    ),
    (
        "acl",
        &[],
        &[
            "time a ACL SETUSER a on +@all [ ~m# ]",
            "time a ACL GETUSER a",
            "time a ACL LIST",
            "time a ACL DRYRUN a GET other",
            "time a ACL SETUSER a [ &m# ]",
            "time a ACL SETUSER b [ (~m#\t+get) ]",
            "time a ACL DRYRUN b GET other",
            "few a ACL SETUSER u# on",
            "time a ACL LIST",
            "time a ACL DELUSER [ u# ]",
        ],
    ),
    (
        "tracking",
        &[],
        &[
            "once b HELLO 3",
            "once b CLIENT TRACKING ON",
            "each a SET m# 1",
            "time b MGET ( m# )",
            "time a DEL ( m# )",
            "each a SET m# 1",
            "time a FLUSHALL",
            "once b CLIENT TRACKING OFF",
            "time b CLIENT TRACKING ON BCAST [ PREFIX p#: ]",
            "time a SET p7:m 1",
            "time b CLIENT TRACKING OFF",
        ],
    ),
    (
        "scripts",
        &[],
        &[
            "time a EVAL local\tt={}\tfor\ti=1,100000\tdo\tt[i]=i\tend\treturn\tt 0",
            "time a EVAL for\ti=1,100000\tdo\tredis.call('set','m'..i,i)\tend 0",
            "time a EVAL return\t#ARGV 0 ( m# )",
            "once a RPUSH l ( m# )",
            "time a EVAL return\tredis.call('lrange','l',0,-1) 0",
            "time a EVAL return\t#cjson.encode(ARGV) 0 ( m# )",
            "time a EVAL return\t#cmsgpack.unpack(cmsgpack.pack(ARGV)) 0 ( m# )",
            "few a SCRIPT LOAD return\t#",
            "time a SCRIPT FLUSH SYNC",
        ],
    ),
    (
        "cluster",
        &["--cluster-enabled", "yes", "--cluster-port", "0"],
        &[
            "time a CLUSTER ADDSLOTSRANGE 0 16383",
            "time a CLUSTER SHARDS",
            "wait a SET {a}m0 1",
            "time a FLUSHALL",
            "each a SET {a}m# 1",
            "time a CLUSTER GETKEYSINSLOT 15495 100000",
            "time a MGET ( {a}m# )",
            "time a RANDOMKEY",
            "time a SCAN 0 COUNT 100000",
            "time a KEYS *",
            "time a DEBUG RELOAD",
            "time a CLUSTER SLOTS",
            "time a FLUSHALL SYNC",
            "time a CLUSTER FLUSHSLOTS",
            "time a CLUSTER RESET HARD",
        ],
    ),
    (
        "aof",
        &["--appendonly", "yes"],
        &[
            "time a SADD s ( m# )",
            "each a SET m# 1",
            "time a DEL ( m# )",
            "time a MSET ( m# 1 )",
            "once a MULTI",
            "each a SET m# 2",
            "time a EXEC",
            "time a BGREWRITEAOF",
            "time a FLUSHALL",
        ],
    ),
    (
        "admin",
        &[
            "--slowlog-log-slower-than",
            "0",
            "--slowlog-max-len",
            "100000",
        ],
        &[
            "each a SET m# 1",
            "time a SLOWLOG GET -1",
            "time a SLOWLOG RESET",
            "time a COMMAND DOCS",
            "time a CONFIG GET *",
            "time a INFO everything",
            "time a MEMORY STATS",
            "once b PSUBSCRIBE __key*__:nothing",
            "once a CONFIG SET notify-keyspace-events KEA",
            "time a DEL ( m# )",
        ],
    ),
];

fn main() {
    let names: Vec<String> = std::env::args()
        .skip(1)
        .filter(|name| !name.starts_with('-'))
        .collect();
    for group in GROUPS {
        if names.is_empty() || names.iter().any(|name| name == group.0) {
            compare(group);
        }
    }
}

fn compare((name, args, steps): &Group) {
    let ours = {
        let server = Server::start(args);
        let clients = [(); 2].map(|()| server.client(tests::client::Transport::Tcp));
        play(clients, steps)
    };
    let theirs = real_redis().map(|program| {
        let peer = Peer::start_program(&program, args);
        play([(); 2].map(|()| peer.connect()), steps)
    });
    for (at, (step, took)) in ours.iter().enumerate() {
        print!("{name:<10}{:<50}{took:>10.2} ms", step.replace('\t', " "));
        match theirs.as_ref().map(|theirs| theirs[at].1) {
            Some(other) => println!("{other:>10.2} ms{:>8.2}", took / other),
            None => println!(),
        }
    }
}

/// Plays the steps. Returns the commands that were measured, and their milliseconds.
fn play([mut a, mut b]: [Client; 2], steps: &[&'static str]) -> Vec<(&'static str, f64)> {
    let mut times = Vec::new();
    for step in steps {
        let (kind, rest) = step.split_once(' ').expect("a kind");
        let (who, command) = rest.split_once(' ').expect("a client");
        let client = if who == "a" { &mut a } else { &mut b };
        match kind {
            "each" => repeat(client, command, MANY),
            "few" => repeat(client, command, FEW),
            "wait" => until("the server to be ready", || {
                (!client.text(command).starts_with('-')).then_some(())
            }),
            _ => {
                let took = run(client, command);
                if kind == "time" {
                    times.push((command, took));
                }
            }
        }
    }
    times
}

/// The words of a command, its repeated part written out.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut part: Option<Vec<&str>> = None;
    for word in command.split(' ') {
        match (word, part.take()) {
            ("(" | "[", _) => part = Some(Vec::new()),
            (")" | "]", Some(repeated)) => {
                let count = if word == ")" { MANY } else { FEW };
                words.extend(
                    (0..count).flat_map(|at| repeated.iter().map(move |word| number(word, at))),
                );
            }
            (_, Some(mut repeated)) => {
                repeated.push(word);
                part = Some(repeated);
            }
            (_, None) => words.push(word.replace('\t', " ")),
        }
    }
    words
}

fn number(word: &str, at: usize) -> String {
    word.replace('\t', " ").replace('#', &at.to_string())
}

/// Milliseconds until the last reply to a command.
fn run(client: &mut Client, command: &str) -> f64 {
    let words = words(command);
    // A subscription has a reply per channel.
    let replies = if words[0].ends_with("SUBSCRIBE") {
        words.len() - 1
    } else {
        1
    };
    let began = Instant::now();
    client.raw().write(&words).expect("an open connection");
    for _ in 0..replies {
        while matches!(client.read(), Value::Push(_)) {}
    }
    began.elapsed().as_secs_f64() * 1e3
}

/// Sends a command many times, in batches.
fn repeat(client: &mut Client, command: &str, count: usize) {
    for first in (0..count).step_by(1000) {
        let numbers = first..first + 1000;
        for at in numbers.clone() {
            let words: Vec<String> = command.split(' ').map(|word| number(word, at)).collect();
            client.raw().write(&words).expect("an open connection");
        }
        numbers.for_each(|_| drop(client.read()));
    }
}
