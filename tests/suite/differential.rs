//! The same random commands to this server and to Debian's (7.0.15): replies must be equal byte for byte.
//!
//! A longer run: `DIFFERENTIAL_COMMANDS=1000000 DIFFERENTIAL_SEED=7 cargo test differential`.
//!
//! OBJECT REFCOUNT is left out: Redis does not share the small integer that COPY made, which nobody can build on.

use conn::resp::Value;
use data::util::rand::Rng;
use tests::client::{Client, Transport};
use tests::peer::Peer;
use tests::server::Server;

const COMMANDS: u64 = 30_000;
const BATCH: usize = 100;

/// Values at the edges of encodings, numbers and limits.
const VALUES: &[&str] = &[
    "",
    "0",
    "1",
    "-1",
    "007",
    "+5",
    " 5",
    "5 ",
    "3.0",
    "3.10",
    "1e3",
    "-0",
    "0x10",
    "nan",
    "inf",
    "-inf",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "abc",
    "a\r\nb",
    "\u{0}\u{1}",
    "18446744073709551615",
    "1.17549435e-38",
    "12345678901234567890123456789012345678901234",
    "123456789012345678901234567890123456789012345",
];
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "2",
    "5",
    "-5",
    "100",
    "-100",
    "9223372036854775807",
    "-9223372036854775808",
    "x",
    "1.5",
    "",
];
/// Milliseconds of Unix time, far enough away for both servers to see the same.
const TIMES: &[&str] = &[
    "9999999999000",
    "0",
    "-1",
    "x",
    "",
    "9223372036854775807",
    "-9223372036854775808",
];
const FLOATS: &[&str] = &[
    "0.1",
    "1.5",
    "-3",
    "1e10",
    "5.0e-5",
    "abc",
    "1e400",
    "inf",
    "nan",
    "3.000000000001",
    "17179869184.25",
];

/// A number from the environment, or what an everyday run takes.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}"))
    })
}

fn pick<'a>(rng: &mut Rng, from: &[&'a str]) -> &'a str {
    from[rng.below(from.len() as u64) as usize]
}

fn command(rng: &mut Rng) -> Vec<String> {
    let key = format!("k{}", rng.below(8));
    let other = format!("k{}", rng.below(8));
    let value = pick(rng, VALUES).to_owned();
    let number = pick(rng, NUMBERS).to_owned();
    let second = pick(rng, NUMBERS).to_owned();
    let time = pick(rng, TIMES).to_owned();
    let float = pick(rng, FLOATS).to_owned();
    let words: Vec<&str> = match rng.below(43) {
        0..3 => vec!["SET", &key, &value],
        3 => vec!["SET", &key, &value, "NX"],
        4 => vec!["SET", &key, &value, "XX", "GET"],
        5 => vec!["SET", &key, &value, "EXAT", "9999999999"],
        6 => vec!["SET", &key, &value, "KEEPTTL"],
        7 => vec!["SET", &key, &value, "PXAT", &time],
        8..10 => vec!["GET", &key],
        10 => vec!["GETSET", &key, &value],
        11 => vec!["GETDEL", &key],
        12 => vec!["GETEX", &key, "PERSIST"],
        13 => vec!["GETEX", &key, "PXAT", &time],
        14 => vec!["APPEND", &key, &value],
        15 => vec!["STRLEN", &key],
        16 => vec![
            "SETRANGE",
            &key,
            pick(rng, &["0", "1", "5", "100", "-1", "536870912", "x"]),
            &value,
        ],
        17 => vec!["GETRANGE", &key, &number, &second],
        18 => vec!["SUBSTR", &key, &number, &second],
        19 => vec!["INCR", &key],
        20 => vec!["DECR", &key],
        21 => vec!["INCRBY", &key, &number],
        22 => vec!["DECRBY", &key, &number],
        23 => vec!["INCRBYFLOAT", &key, &float],
        24 => vec!["MSET", &key, &value, &other, "x"],
        25 => vec!["MSETNX", &key, &value, &other, "x"],
        26 => vec!["MGET", &key, &other, "nothing"],
        27 => vec!["LCS", &key, &other],
        28 => vec!["LCS", &key, &other, "IDX", "MINMATCHLEN", &number],
        29 => vec!["LCS", &key, &other, "LEN"],
        30 => vec!["DEL", &key, &other],
        31 => vec!["EXISTS", &key, &other],
        32 => vec!["RENAME", &key, &other],
        33 => vec!["RENAMENX", &key, &other],
        34 => vec!["COPY", &key, &other],
        35 => vec!["COPY", &key, &other, "REPLACE"],
        36 => vec![
            "EXPIREAT",
            &key,
            pick(rng, &["8888888888", "0", "-1", "x", "9223372036854775807"]),
        ],
        37 => vec![
            "EXPIREAT",
            &key,
            "7777777777",
            pick(rng, &["NX", "XX", "GT", "LT", "nx", "QQ"]),
        ],
        38 => vec!["PEXPIRETIME", &key],
        39 => vec!["PERSIST", &key],
        40 => vec!["TYPE", &key],
        41 => vec!["OBJECT", "ENCODING", &key],
        _ => vec!["SETNX", &key, &value],
    };
    words.into_iter().map(str::to_owned).collect()
}

/// Sends commands to both as one batch; the replies of each, ours first.
pub fn send_all(
    client: &mut Client,
    peer: &mut conn::blocking::Client,
    batch: &[Vec<String>],
) -> Vec<(Value, Value)> {
    for command in batch {
        client.raw().write(command).expect("connected");
        peer.write(command).expect("theirs is connected");
    }
    batch
        .iter()
        .map(|_| (client.read(), peer.read().expect("theirs answers")))
        .collect()
}

#[test]
fn random_commands_are_answered_as_by_debians_redis() {
    let server = Server::start(&[]);
    let peer = Peer::start();
    let mut theirs = peer.client();
    let first_seed = setting("DIFFERENTIAL_SEED", 1);
    let batches =
        setting("DIFFERENTIAL_COMMANDS", COMMANDS) as usize / BATCH / Transport::ALL.len();
    for (seed, transport) in (first_seed..).zip(Transport::ALL) {
        let mut ours = server.client(transport);
        ours.text("FLUSHALL");
        theirs.call(&["FLUSHALL"]).expect("connected");
        let mut rng = Rng::new(seed);
        for _ in 0..batches {
            let batch: Vec<Vec<String>> = (0..BATCH).map(|_| command(&mut rng)).collect();
            for (command, (our_reply, their_reply)) in
                batch.iter().zip(send_all(&mut ours, &mut theirs, &batch))
            {
                assert!(
                    our_reply == their_reply,
                    "{transport:?}, seed {seed}, {command:?}: {our_reply:?}, theirs {their_reply:?}"
                );
            }
        }
    }
}
