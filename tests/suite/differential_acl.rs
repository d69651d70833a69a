//! Sends the same random ACL rules, and attempts of the users that they describe, to this server and to a real one.
//!
//! An administrator creates, changes, shows and deletes users and asks ACL DRYRUN about random command lines of every
//! command; a subject authenticates as these users and attempts commands, alone and in transactions. Replies must be
//! equal, and so must be the log of refusals but for times and client lines.
//!
//! Debian's server (7.0.15) describes rules differently and has other texts, so of its replies only what they say is
//! compared: yes, or what is lacking. With `REAL_REDIS` (a `redis-server` 7.2) every byte is compared:
//!
//! ```text
//! REAL_REDIS=/path/to/redis-server DIFFERENTIAL_COMMANDS=100000 cargo test --profile fast differential_acl -- --nocapture
//! ```
//!
//! What is left out, since this server deliberately differs: `%` and `%R` without a pattern, which crash the real
//! server or describe a rule that cannot be read (CVE-2024-51741); first arguments with quotes, which crash it;
//! selectors with unbalanced quotes, which it takes for empty ones; PFMERGE without a source, which it permits on any
//! key; lines of XREAD and GEORADIUS that name a key in the place of an option (see `table::keys`).

use conn::resp::Value;
use data::util::rand::Rng;
use data::util::sha::{hex, sha256};
use table::CmdId;
use tests::client::{Client, Transport, show};
use tests::peer::{Peer, real_redis};
use tests::server::Server;

use crate::differential::setting;

const STEPS: u64 = 6000;
const STEPS_OF_7_2: u64 = 20_000;
const USERS: [&str; 4] = ["alice", "bob", "carol", "default"];
const KEYS: [&str; 6] = ["r1", "w1", "foo:1", "foo:2", "bar", "x"];
const CHANNELS: [&str; 4] = ["news", "news.*", "ch1", "*"];

/// Rules, one of which is drawn as it is.
const WORDS: &[&str] = &[
    "on",
    "on",
    "off",
    "nopass",
    "resetpass",
    "reset",
    "sanitize-payload",
    "SKIP-sanitize-payload",
    "allkeys",
    "resetkeys",
    "ALLCHANNELS",
    "resetchannels",
    "allcommands",
    "nocommands",
    "clearselectors",
    ">p1",
    ">p2",
    ">",
    "<p1",
    "<p3",
    "#zz",
    "!zz",
    "",
    "nope",
    "~*",
    "&*",
    "+@all",
    "-@ALL",
    "~",
    "&",
    "~foo:*",
    "~r*",
    "~[xw]1",
    "%R~r*",
    "%W~w*",
    "%RW~foo:?",
    "%wr~bar",
    "%rr~x",
    "%X~x",
    "%~x",
    "~bar",
    "%R~*",
    "%W~*",
    "~a b",
    "&news",
    "&news.*",
    "&ch?",
    "+select|0",
    "+select|1",
    "-select",
    "+select|",
    "+config|nope",
    "+get|x|y",
    "+config|get|x",
    "+debug|object",
    "+nope",
    "-nope",
    "+@nope",
    "-@",
    "+",
    "-",
    "+|",
    "-config|",
    "+config|",
    "(",
    ")",
    "()",
    "(+get",
    "~k)",
    "(nope)",
];

/// Rules that may be in a selector; several are joined.
const INNER: &[&str] = &[
    "allkeys",
    "~*",
    "~foo:*",
    "%R~r*",
    "%W~w*",
    "~bar",
    "&news",
    "&*",
    "resetchannels",
    "+@all",
    "-@all",
    "+get",
    "-get",
    "+@read",
    "-@write",
    "+config|get",
    "+select|0",
    "+@string",
    "allcommands",
    "nope",
    "-@dangerous",
    "+mget",
];

const CATEGORIES: &[&str] = &[
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "SLOW",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
    "all",
];

/// Command lines; `K` is a key and `C` a channel.
const LINES: &[&str] = &[
    "GET K",
    "SET K 1",
    "SET K 1 GET",
    "GETSET K 2",
    "GETDEL K",
    "GETEX K",
    "MGET K K",
    "MSET K 1 K 2",
    "DEL K K",
    "INCR K",
    "APPEND K z",
    "STRLEN K",
    "EXISTS K K",
    "TYPE K",
    "COPY K K",
    "COPY K K REPLACE",
    "RENAME K K",
    "EXPIRE K 100",
    "TTL K",
    "BITFIELD K GET u8 0",
    "BITFIELD K SET u8 0 1",
    "BITFIELD_RO K GET u8 0",
    "BITOP AND K K K",
    "SETBIT K 1 1",
    "SORT K BY nosort",
    "SORT K BY w* GET r*",
    "SORT K STORE K",
    "SORT_RO K GET #",
    "LPUSH l:K a",
    "LRANGE l:K 0 -1",
    "LMOVE l:K l:K LEFT RIGHT",
    "RPOPLPUSH l:K l:K",
    "BLPOP l:K 0.001",
    "SADD s:K a",
    "SINTERCARD 2 s:K s:K",
    "SUNIONSTORE s:K s:K s:K",
    "HSET h:K f v",
    "HGET h:K f",
    "ZADD z:K 1 a",
    "ZUNIONSTORE z:K 2 z:K z:K",
    "ZRANGESTORE z:K z:K 0 -1",
    "ZDIFF 2 z:K z:K",
    "PFADD p:K a",
    "PFCOUNT p:K p:K",
    "PFMERGE p:K p:K",
    "XADD t:K 1-1 a b",
    "XREAD COUNT 1 STREAMS t:K t:K 0 0",
    "XLEN t:K",
    "GEOADD g:K 1 1 a",
    "GEOSEARCHSTORE g:K g:K FROMLONLAT 1 1 BYRADIUS 1 m",
    "PING",
    "ECHO x",
    "SELECT 0",
    "SELECT 1",
    "CLIENT GETNAME",
    "CLIENT SETNAME x",
    "CONFIG GET maxmemory-samples",
    "CONFIG SET maxmemory-samples 5",
    "ACL WHOAMI",
    "DBSIZE",
    "UNWATCH",
    "WATCH K",
    "OBJECT ENCODING K",
    "TOUCH K",
    "UNLINK K",
    "DUMP nokey",
    "KEYS nokey",
    "LCS K K",
    "DEBUG JMAP",
    "DEBUG OBJECT nokey",
];

/// Lines that are only asked about.
const ASKED: &[&str] = &[
    "PUBLISH C x",
    "SUBSCRIBE C C",
    "PSUBSCRIBE C",
    "SSUBSCRIBE C",
    "SPUBLISH C x",
    "UNSUBSCRIBE C",
    "PUNSUBSCRIBE C",
    "EVAL x 1 K",
    "EVAL x 0",
    "EVALSHA x 2 K K",
    "FCALL f 1 K",
    "FCALL_RO f 1 K",
    "FUNCTION LOAD x",
    "SCRIPT HELP",
    "CLUSTER INFO",
    "MIGRATE h 1 K 0 1",
    "MIGRATE h 1 K 0 1 AUTH2 u p",
    "XREADGROUP GROUP g c STREAMS K 0",
    "GEORADIUS K 1 1 1 m STORE K",
    "ZMPOP 2 K K MIN",
    "LMPOP 1 K LEFT",
    "RESTORE K 0 x",
    "SHUTDOWN",
    "CONFIG",
    "CONFIG NOPE",
    "NOPE",
    "GET",
    "ACL SETUSER",
    "MEMORY USAGE K",
    "XINFO STREAM K",
    "XGROUP CREATE K g 0",
    "OBJECT HELP",
    "SINTERCARD 3 K K",
    "ZUNION 0 K",
    "PSYNC ? -1",
];

/// How exactly replies are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Measure {
    Exact,
    Meaning,
}

struct Pair {
    ours: Client,
    theirs: Client,
}

impl Pair {
    fn call(&mut self, words: &[String]) -> [String; 2] {
        [&mut self.ours, &mut self.theirs].map(|client| show(&client.call(words)))
    }
}

struct Run<'a> {
    server: &'a Server,
    peer: &'a Peer,
    transport: Transport,
    measure: Measure,
    rng: Rng,
    admin: Pair,
    subject: Pair,
    log: Vec<String>,
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

fn items(reply: &Value) -> &[Value] {
    match reply {
        Value::Array(items) => items,
        other => panic!("not an array: {other:?}"),
    }
}

/// What a reply says about permissions.
fn meaning(reply: &str) -> String {
    let text = reply.strip_prefix('-').unwrap_or(reply);
    if text.contains("ermissions") {
        let kinds = ["key", "channel", "command"];
        let kind = kinds.into_iter().find(|kind| {
            text.ends_with(&format!("' {kind}"))
                || text.ends_with(&format!("a {kind}"))
                || text.contains(&format!("of the {kind}"))
        });
        return format!(
            "no {}",
            kind.unwrap_or(if text.contains("run the") {
                "command"
            } else {
                "?"
            })
        );
    }
    match reply.strip_prefix('-') {
        Some(text) => format!("error {}", text.split(' ').next().unwrap_or_default()),
        None => reply.to_owned(),
    }
}

impl Run<'_> {
    fn connect(server: &Server, peer: &Peer, transport: Transport) -> Pair {
        Pair {
            ours: server.client(transport),
            theirs: peer.connect(),
        }
    }

    fn pick<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.rng.below(words.len() as u64) as usize]
    }

    /// Replaces the letters `K` and `C` that stand for keys and channels.
    fn filled(&mut self, line: &str) -> Vec<String> {
        let fill = |word: &str| match word
            .strip_suffix('K')
            .filter(|stem| stem.is_empty() || stem.ends_with(':'))
        {
            Some(stem) => format!("{stem}{}", self.pick(&KEYS)),
            None if word == "C" => self.pick(&CHANNELS).to_owned(),
            None => word.to_owned(),
        };
        line.split(' ').map(fill).collect()
    }

    /// Whether both servers have a command.
    fn is_known(&self, id: CmdId) -> bool {
        let spec = table::spec(id);
        let is_new = spec.since.starts_with("7.2");
        spec.exists(false) && !(is_new && self.measure == Measure::Meaning)
    }

    /// A line of any command: its name and as many words as it needs.
    fn any_line(&mut self) -> Vec<String> {
        let ids: Vec<_> = table::iter().filter(|&id| self.is_known(id)).collect();
        let spec = table::spec(ids[self.rng.below(ids.len() as u64) as usize]);
        let mut line: Vec<String> = spec.full_name.split('|').map(str::to_owned).collect();
        let more = if spec.arity < 0 { self.rng.below(3) } else { 0 };
        while line.len() < spec.arity.unsigned_abs() as usize + more as usize {
            let word = if self.rng.below(3) == 0 {
                "1"
            } else {
                self.pick(&KEYS)
            };
            line.push(word.to_owned());
        }
        if line[0] == "pfmerge" {
            line.push("bar".to_owned());
        }
        line
    }

    fn rule(&mut self) -> Vec<String> {
        match self.rng.below(8) {
            0 | 1 => {
                let word = self.pick(WORDS);
                // 7.0 joins the arguments of selectors differently.
                let is_odd = self.measure == Measure::Meaning && word.starts_with(['(', ')']);
                vec![if is_odd { "on" } else { word }.to_owned()]
            }
            2 => {
                let sign = self.pick(&["+", "-"]);
                vec![format!("{sign}@{}", self.pick(CATEGORIES))]
            }
            3 | 4 => {
                let sign = self.pick(&["+", "-"]);
                let mut name = self.any_line()[0].clone();
                let id = table::lookup(name.as_bytes()).expect("a command");
                let subs = table::subcommands(id);
                let subs: Vec<_> = subs.filter(|&sub| self.is_known(sub)).collect();
                if !subs.is_empty() && self.rng.below(2) == 0 {
                    name = table::full_name(subs[self.rng.below(subs.len() as u64) as usize])
                        .to_owned();
                }
                if self.rng.below(3) == 0 {
                    name = name.to_uppercase();
                }
                vec![format!("{sign}{name}")]
            }
            5 => {
                let rules: Vec<&str> = (0..self.rng.below(4) + 1)
                    .map(|_| self.pick(INNER))
                    .collect();
                let selector = format!("({})", rules.join(" "));
                if self.rng.below(2) == 0 {
                    vec![selector]
                } else {
                    words(&selector)
                }
            }
            6 => {
                let hash = String::from_utf8_lossy(&hex::<64>(&sha256(b"p2"))).into_owned();
                let sign = self.pick(&["#", "!", "#"]);
                vec![format!("{sign}{hash}")]
            }
            _ => vec!["on".into(), ">p1".into()],
        }
    }

    fn check(&mut self, context: &str, words: &[String], replies: [String; 2], measure: Measure) {
        self.log.push(format!("{context}: {}", words.join(" ")));
        let [ours, theirs] = match measure {
            Measure::Exact => replies,
            Measure::Meaning => replies.map(|reply| meaning(&reply)),
        };
        assert!(
            ours == theirs,
            "{}\nours   {ours}\ntheirs {theirs}",
            self.log[self.log.len().saturating_sub(25)..].join("\n"),
        );
        if self.log.len() > 1000 {
            self.log.drain(..900);
        }
    }

    fn admin(&mut self, words: &[String], measure: Measure) {
        let replies = self.admin.call(words);
        self.check("admin", words, replies, measure);
    }

    fn set_user(&mut self) {
        let user = self.pick(&USERS);
        let mut line = words("ACL SETUSER");
        line.push(user.to_owned());
        for _ in 0..self.rng.below(5) + 1 {
            line.extend(self.rule());
        }
        self.admin(&line, self.measure);
    }

    /// Both servers show users; 7.0 describes commands differently.
    fn show_users(&mut self) {
        let user = self.pick(&USERS);
        if self.measure == Measure::Exact {
            self.admin(&words("ACL LIST"), Measure::Exact);
            self.admin(&words(&format!("ACL GETUSER {user}")), Measure::Exact);
        }
        self.admin(&words("ACL USERS"), Measure::Exact);
    }

    fn delete_user(&mut self) {
        let mut line = words("ACL DELUSER");
        for _ in 0..self.rng.below(2) + 1 {
            line.push(self.pick(&USERS).to_owned());
        }
        self.admin(&line, self.measure);
        self.subject = Self::connect(self.server, self.peer, self.transport);
    }

    fn dry_run(&mut self) {
        let user = self.pick(&USERS);
        let line = match self.rng.below(4) {
            0 => {
                let line = self.pick(LINES);
                self.filled(line)
            }
            1 => {
                let line = self.pick(ASKED);
                self.filled(line)
            }
            _ => self.any_line(),
        };
        // Commands that 7.0 does not have, or whose flags have changed since.
        let asked = words(&format!("ACL DRYRUN {user}"))
            .into_iter()
            .chain(line)
            .collect::<Vec<_>>();
        let replies = self.admin.call(&asked);
        let is_older = self.measure == Measure::Meaning
            && (replies[1].contains("not found") || replies[1].contains("wrong number"));
        if !is_older {
            self.check("admin", &asked, replies, self.measure);
        }
    }

    fn authenticate(&mut self) {
        let user = self.pick(&USERS);
        let password = self.pick(&["p1", "p2", "p3", ""]);
        let line = match self.rng.below(3) {
            0 => vec![
                "HELLO".into(),
                "2".into(),
                "AUTH".into(),
                user.into(),
                password.into(),
            ],
            1 => vec!["AUTH".into(), password.into()],
            _ => vec!["AUTH".into(), user.into(), password.into()],
        };
        let replies = self.subject.call(&line);
        let is_hello = line[0] == "HELLO" && !replies[1].starts_with('-');
        // HELLO shows the id of the connection and the version.
        let replies = if is_hello {
            replies.map(|reply| reply[..3].to_owned())
        } else {
            replies
        };
        self.check("subject", &line, replies, self.measure);
    }

    fn attempt(&mut self) {
        let in_transaction = self.rng.below(6) == 0;
        if in_transaction {
            self.subject_does("MULTI");
        }
        for _ in 0..self.rng.below(3) + 1 {
            let line = self.pick(LINES);
            self.subject_does(line);
            if in_transaction && self.rng.below(4) == 0 {
                self.set_user();
            }
        }
        if in_transaction {
            let end = self.pick(&["EXEC", "EXEC", "DISCARD"]);
            self.subject_does(end);
            self.subject_does("RESET");
        }
    }

    fn subject_does(&mut self, line: &str) {
        let line = self.filled(line);
        let replies = self.subject.call(&line);
        // In a transaction the whole reply would have to be taken apart.
        let measure = if replies[1].starts_with('[') && self.measure == Measure::Meaning {
            return;
        } else {
            self.measure
        };
        self.check("subject", &line, replies, measure);
    }

    /// The log without times and client lines.
    fn show_log(&mut self) {
        if self.measure == Measure::Meaning {
            return;
        }
        let line = words("ACL LOG 20");
        let replies = [&mut self.admin.ours, &mut self.admin.theirs].map(|client| {
            let entries = client.call(&line);
            let entries = items(&entries).iter();
            let shown = entries.map(|entry| {
                let fields = items(entry);
                let kept = fields.chunks(2).filter(|pair| {
                    let name = show(&pair[0]);
                    ![
                        "age-seconds",
                        "client-info",
                        "timestamp-created",
                        "timestamp-last-updated",
                    ]
                    .contains(&name.as_str())
                });
                kept.map(|pair| format!("{} ", show(&pair[1])))
                    .collect::<String>()
            });
            shown.collect::<Vec<_>>().join("; ")
        });
        self.check("admin", &line, replies, Measure::Exact);
        if self.rng.below(10) == 0 {
            self.admin(&words("ACL LOG RESET"), Measure::Exact);
        }
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..4 => self.set_user(),
            4 => self.show_users(),
            5 if self.rng.below(3) == 0 => self.delete_user(),
            6 => self.show_log(),
            7..10 => self.authenticate(),
            10..14 => self.attempt(),
            _ => self.dry_run(),
        }
    }
}

fn run(peer: &Peer, measure: Measure, steps: u64) {
    let server = Server::start(&[]);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let count = setting("DIFFERENTIAL_COMMANDS", steps);
    for (seed, transport) in (seed..).zip(Transport::ALL) {
        let mut admin = Run::connect(&server, peer, transport);
        // The administrator is a user of its own, since the default user is changed as well.
        for line in [
            "FLUSHALL",
            "ACL LOG RESET",
            "ACL SETUSER root on nopass ~* &* +@all",
            "AUTH root x",
        ] {
            let replies = admin.call(&words(line));
            assert_eq!(replies, ["OK", "OK"], "{line}");
        }
        let mut run = Run {
            server: &server,
            peer,
            transport,
            measure,
            rng: Rng::new(seed),
            admin,
            subject: Run::connect(&server, peer, transport),
            log: Vec::new(),
        };
        for _ in 0..count / 3 {
            run.step();
        }
        for user in USERS.iter().filter(|user| **user != "default") {
            run.admin(&words(&format!("ACL DELUSER {user}")), measure);
        }
        run.admin(
            &words("ACL SETUSER default reset on nopass ~* &* +@all"),
            measure,
        );
    }
    println!("acl: {count} steps, no difference");
}

#[test]
fn differential_acl() {
    run(&Peer::start(), Measure::Meaning, STEPS);
}

#[test]
fn differential_acl_of_7_2() {
    if let Some(program) = real_redis() {
        run(
            &Peer::start_program(&program, &[]),
            Measure::Exact,
            STEPS_OF_7_2,
        );
    }
}
