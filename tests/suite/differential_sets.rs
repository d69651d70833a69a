//! The same random commands on sets and hashes to this server and to Debian's (7.0.15).
//!
//! Limits are set low on both, so that encodings change all the time. Elements without an order are compared sorted;
//! of what is chosen at random only the kind and the number of elements are compared, and nothing is taken out by chance.
//! OBJECT ENCODING is asked of hashes alone: Debian's version has one encoding less for sets.

use conn::resp::Value;
use data::util::rand::Rng;
use tests::client::Transport;
use tests::peer::Peer;
use tests::server::Server;

use crate::differential::send_all;

const COMMANDS: usize = 30_000;
const BATCH: usize = 100;

const ELEMENTS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "-7",
    "100",
    "70000",
    "5000000000",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "007",
    "+5",
    "-0",
    "",
    "a",
    "b",
    "c",
    "d",
    "e",
    "a\r\nb",
    "\u{0}",
    "1.5",
    "3.10",
    "inf",
    "longer than ten",
];
const COUNTS: &[&str] = &[
    "0",
    "1",
    "3",
    "100",
    "-1",
    "-5",
    "x",
    "",
    "-9223372036854775808",
    "9223372036854775808",
];
const INCREMENTS: &[&str] = &[
    "0",
    "1",
    "-5",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
    "1.5",
];
const FLOATS: &[&str] = &[
    "0.1",
    "-3",
    "1e400",
    "5.0e-5",
    "inf",
    "-inf",
    "nan",
    "abc",
    "3.000000000001",
];

/// How replies are compared.
#[derive(Clone, Copy)]
enum As {
    /// Byte for byte.
    Exact,
    /// As groups of so many elements in any order.
    Groups(usize),
    /// By kind and number of elements.
    Shape,
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len() as u64) as usize]
}

/// Keys `s…` hold sets only and keys `h…` hashes; keys `k…`, which come now and then, hold whatever came first.
fn key(rng: &mut Rng, kind: char) -> String {
    let kind = if rng.below(20) == 0 { 'k' } else { kind };
    format!("{kind}{}", rng.below(5))
}

fn set_command(rng: &mut Rng) -> (Vec<String>, As) {
    let keys = [(); 3].map(|()| key(rng, 's'));
    let [a, b, c] = keys.each_ref().map(String::as_str);
    let mut element = || pick(rng, ELEMENTS);
    let (x, y, z) = (element(), element(), element());
    let count = pick(rng, COUNTS);
    let (words, compare) = match rng.below(33) {
        0..6 => (vec!["SADD", a, x, y, z], As::Exact),
        6..9 => (vec!["SADD", a, x], As::Exact),
        9..12 => (vec!["SREM", a, x, y], As::Exact),
        12 => (vec!["SISMEMBER", a, x], As::Exact),
        13 => (vec!["SMISMEMBER", a, x, y, z], As::Exact),
        14 => (vec!["SCARD", a], As::Exact),
        15 => (vec!["SMEMBERS", a], As::Groups(1)),
        16..18 => (vec!["SMOVE", a, b, x], As::Exact),
        18 => (
            vec!["SPOP", a, pick(rng, &["0", "100", "-1", "x"])],
            As::Groups(1),
        ),
        19 => (vec!["SPOP", "none"], As::Exact),
        20 => (vec!["SPOP", a, "1", "2"], As::Exact),
        21 => (vec!["SRANDMEMBER", a, count], As::Shape),
        22 => (vec!["SRANDMEMBER", a], As::Shape),
        23 => (vec!["SRANDMEMBER", a, "1", "2"], As::Exact),
        24 => (vec!["SINTER", a, b], As::Groups(1)),
        25 => (vec!["SUNION", a, b, c], As::Groups(1)),
        26 => (vec!["SDIFF", a, b, c], As::Groups(1)),
        27 => (vec!["SINTERSTORE", a, b, c], As::Exact),
        28 => (vec!["SUNIONSTORE", a, b, c], As::Exact),
        29 => (vec!["SDIFFSTORE", a, b, c], As::Exact),
        30 => (
            vec!["SINTERCARD", pick(rng, &["2", "1", "0", "5", "x"]), a, b],
            As::Exact,
        ),
        31 => (
            vec![
                "SINTERCARD",
                "2",
                a,
                b,
                pick(rng, &["LIMIT", "limit", "LIMITS"]),
                count,
            ],
            As::Exact,
        ),
        _ => {
            let (option, value) = [
                ("COUNT", "1000"),
                ("COUNT", "0"),
                ("COUNT", "x"),
                ("MATCH", "*"),
                ("MATCH", "[0-9]*"),
                ("TYPE", "set"),
            ][rng.below(6) as usize];
            (
                vec!["SSCAN", a, "0", "COUNT", "1000", option, value],
                As::Groups(1),
            )
        }
    };
    (words.into_iter().map(str::to_owned).collect(), compare)
}

fn hash_command(rng: &mut Rng) -> (Vec<String>, As) {
    let key = key(rng, 'h');
    let key = key.as_str();
    let mut element = || pick(rng, ELEMENTS);
    let (field, value, other) = (element(), element(), element());
    let (words, compare) = match rng.below(30) {
        0..5 => (vec!["HSET", key, field, value, other, field], As::Exact),
        5..7 => (vec!["HSET", key, field, value], As::Exact),
        7 => (vec!["HSET", key, field, value, other], As::Exact),
        8 => (vec!["HMSET", key, field, value, field, other], As::Exact),
        9 => (vec!["HSETNX", key, field, value], As::Exact),
        10..14 => (vec!["HDEL", key, field, other], As::Exact),
        14 => (vec!["HGET", key, field], As::Exact),
        15 => (vec!["HMGET", key, field, other, value], As::Exact),
        16 => (vec!["HLEN", key], As::Exact),
        17 => (vec!["HSTRLEN", key, field], As::Exact),
        18 => (vec!["HEXISTS", key, field], As::Exact),
        19 => (
            vec!["HINCRBY", key, field, pick(rng, INCREMENTS)],
            As::Exact,
        ),
        20 => (
            vec!["HINCRBYFLOAT", key, field, pick(rng, FLOATS)],
            As::Exact,
        ),
        21..23 => (vec!["HGETALL", key], As::Groups(2)),
        23 => (vec!["HKEYS", key], As::Groups(1)),
        24 => (vec!["HVALS", key], As::Groups(1)),
        25 => (vec!["HRANDFIELD", key, pick(rng, COUNTS)], As::Shape),
        26 => (
            vec![
                "HRANDFIELD",
                key,
                pick(rng, COUNTS),
                pick(rng, &["WITHVALUES", "withvalues", "x"]),
            ],
            As::Shape,
        ),
        27 => (vec!["HRANDFIELD", key], As::Shape),
        28 => (
            vec![
                "HSCAN",
                key,
                pick(rng, &["0", "x", "", " 0"]),
                "MATCH",
                pick(rng, &["*", "[0-9]*", "?"]),
                "COUNT",
                "1000",
            ],
            As::Groups(2),
        ),
        _ if key.starts_with('h') => (vec!["OBJECT", "ENCODING", key], As::Exact),
        _ => (vec!["TYPE", key], As::Exact),
    };
    (words.into_iter().map(str::to_owned).collect(), compare)
}

fn any_command(rng: &mut Rng) -> (Vec<String>, As) {
    match rng.below(60) {
        0 => (
            vec!["DEL".to_owned(), key(rng, 's'), key(rng, 'h')],
            As::Exact,
        ),
        1 => {
            let kind = pick(rng, &["s", "h"]);
            let keys = [(); 2].map(|()| format!("{kind}{}", rng.below(5)));
            let [from, to] = keys;
            (vec!["COPY".to_owned(), from, to], As::Exact)
        }
        2 => (
            vec!["SET".to_owned(), key(rng, 'k'), "string".to_owned()],
            As::Exact,
        ),
        3..31 => set_command(rng),
        _ => hash_command(rng),
    }
}

/// A reply with all in it sorted that has no order.
fn sorted(reply: &Value, group: usize) -> String {
    let list = |elements: &[Value]| {
        // The elements of a scan stand inside its reply; its cursor stays in front of them.
        if let [cursor @ Value::Bulk(_), inner @ Value::Array(_)] = elements {
            return format!("{cursor:?} {}", sorted(inner, group));
        }
        let mut groups: Vec<String> = elements
            .chunks(group)
            .map(|elements| format!("{elements:?}"))
            .collect();
        groups.sort();
        groups.join(",")
    };
    match reply {
        Value::Array(elements) => format!("array {}", list(elements)),
        Value::Set(elements) => format!("set {}", list(elements)),
        Value::Map(pairs) => {
            let mut pairs: Vec<String> = pairs.iter().map(|pair| format!("{pair:?}")).collect();
            pairs.sort();
            format!("map {}", pairs.join(","))
        }
        other => format!("{other:?}"),
    }
}

fn shape(reply: &Value) -> String {
    match reply {
        Value::Array(elements) => {
            let elements: Vec<String> = elements.iter().map(shape).collect();
            format!("array of {}", elements.join(","))
        }
        Value::Bulk(_) => "bulk".to_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn random_commands_on_sets_and_hashes_are_answered_as_by_debians_redis() {
    let server = Server::start(&[]);
    let peer = Peer::start();
    let mut theirs = peer.client();
    for (seed, transport) in (1..).zip(Transport::ALL) {
        let mut ours = server.client(transport);
        let resp = if seed % 2 == 0 { "3" } else { "2" };
        for words in [
            ["HELLO", resp].as_slice(),
            &["FLUSHALL"],
            &[
                "CONFIG",
                "SET",
                "hash-max-listpack-entries",
                "6",
                "hash-max-listpack-value",
                "12",
                "set-max-intset-entries",
                "5",
            ],
        ] {
            ours.call(words);
            theirs.call(words).expect("connected");
        }
        ours.text("CONFIG SET set-max-listpack-entries 8");
        let mut rng = Rng::new(seed);
        for _ in 0..COMMANDS / BATCH / Transport::ALL.len() {
            let (commands, compare): (Vec<_>, Vec<As>) =
                (0..BATCH).map(|_| any_command(&mut rng)).unzip();
            let replies = send_all(&mut ours, &mut theirs, &commands);
            for ((command, compare), (our_reply, their_reply)) in
                commands.iter().zip(compare).zip(replies)
            {
                let same = match compare {
                    As::Exact => our_reply == their_reply,
                    As::Groups(size) => sorted(&our_reply, size) == sorted(&their_reply, size),
                    As::Shape => shape(&our_reply) == shape(&their_reply),
                };
                assert!(
                    same,
                    "{transport:?} {command:?}: {our_reply:?}, theirs {their_reply:?}"
                );
            }
        }
    }
}
