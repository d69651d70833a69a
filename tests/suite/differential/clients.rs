//! Several clients at once: Pub/Sub, client-side caching, keyspace events. What every client receives is compared.
//!
//! The same clients are connected to this server, over all transports, and to a real one. In each step one of them sends a
//! command or a transaction; then all of them read, up to the reply to a PING, what has arrived: replies, messages and
//! invalidations. Clients are killed and replaced, and switch between the protocol versions, while others redirect to them.
//!
//! With `REAL_REDIS` (a `redis-server` 7.2) whole transcripts are compared. Debian's server (7.0.15) sends a message that
//! a command causes for its own client in front of the reply, in a transaction even within it. So replies and pushes of the
//! author are compared separately, and a client that might get messages sends no transaction.
//!
//! What is compared regardless of its order, since it depends on a hash table: `pmessage`s of one message, the
//! confirmations of an UNSUBSCRIBE without arguments, the names that PUBSUB CHANNELS lists.

use conn::resp::Value;
use data::util::rand::Rng;
use tests::client::{Client, Transport, show};
use tests::peer::{Peer, real_redis};
use tests::server::Server;
use tests::wait::until;

use super::compare::{As, describe};
use super::{Family, Source, readable, setting};

const STEPS: u64 = 6000;
const CLIENTS: usize = 6;
/// Steps after which the numbers of clients and what CLIENT LIST and INFO say of them are compared.
const STATE_EVERY: u64 = 25;

const FAMILY: Family = Family {
    name: "clients",
    config: &[("notify-keyspace-events", "KEA")],
    rules: &[
        ("key", "{a|ab|abc|b|bc|x}"),
        ("list", "{l:a|l:b}"),
        (
            "channel",
            "{ch1|ch1|ch2|ch2|ch3|ch|__redis__:invalidate|__keyspace@0__:a|__keyevent@0__:set|__keyevent@0__:del}",
        ),
        (
            "pattern",
            "{ch*|ch?|c[h]1|*|ch1|__key*@0__:*|__keyspace@<0..1>__:a*|nothing*|\\*}",
        ),
        ("prefix", "{PREFIX {a|ab|b|x|l:|zz|}}"),
        ("mode", "{OPTIN|OPTOUT|NOLOOP|NOLOOP|}"),
    ],
    rows: &[
        (6, As::Exact, "SUBSCRIBE {<channel>}+2"),
        (3, As::Exact, "UNSUBSCRIBE {<channel>}+2"),
        (2, As::Exact, "UNSUBSCRIBE"),
        (5, As::Exact, "PSUBSCRIBE {<pattern>}+2"),
        (2, As::Exact, "PUNSUBSCRIBE {<pattern>}+2"),
        (2, As::Exact, "PUNSUBSCRIBE"),
        (3, As::Exact, "SSUBSCRIBE {<channel>}+2"),
        (2, As::Exact, "SUNSUBSCRIBE"),
        (2, As::Exact, "SUNSUBSCRIBE <channel>"),
        (8, As::Exact, "PUBLISH <channel> {m<0..99>|<long>|<bytes>}"),
        (4, As::Exact, "SPUBLISH <channel> {m<0..99>|<long>}"),
        (1, As::Exact, "PUBSUB CHANNELS {<pattern>}?"),
        (1, As::Exact, "PUBSUB SHARDCHANNELS {<pattern>}?"),
        (1, As::Exact, "PUBSUB NUMSUB <channel> <channel>"),
        (1, As::Exact, "PUBSUB SHARDNUMSUB <channel> <channel>"),
        (1, As::Exact, "PUBSUB NUMPAT"),
        (
            10,
            As::Exact,
            "CLIENT TRACKING ON {REDIRECT ID<0..6>}? <mode>",
        ),
        (
            6,
            As::Exact,
            "CLIENT TRACKING ON BCAST <prefix> <prefix> {REDIRECT ID<0..6>}? {NOLOOP}?",
        ),
        (
            1,
            As::Exact,
            "CLIENT TRACKING ON <mode> <mode> {BCAST}? {<prefix>}? {REDIRECT x}?",
        ),
        (6, As::Exact, "CLIENT TRACKING OFF"),
        (4, As::Exact, "CLIENT CACHING {YES|YES|NO|x}"),
        (2, As::Exact, "CLIENT TRACKINGINFO"),
        (1, As::Exact, "CLIENT GETREDIR"),
        (16, As::Exact, "GET <key>"),
        (8, As::Exact, "MGET <key> <key> <key>"),
        (3, As::Exact, "EXISTS <key> <key>"),
        (10, As::Exact, "SET <key> v<0..9> {XX|NX}?"),
        (4, As::Exact, "MSET <key> 1 <key> 2"),
        (5, As::Exact, "DEL <key> <key>"),
        (3, As::Exact, "INCR <key>"),
        (2, As::Exact, "GETDEL <key>"),
        (2, As::Exact, "GETEX <key> {EX 1000|PERSIST}"),
        (2, As::Exact, "EXPIRE <key> {1000|-1|0}"),
        (2, As::Exact, "RENAME <key> <key>"),
        (2, As::Exact, "COPY <key> <key> REPLACE"),
        (2, As::Exact, "MOVE <key> <0..1>"),
        (2, As::Exact, "RPUSH <list> 1 2"),
        (2, As::Exact, "LPOP <list> 2"),
        (1, As::Exact, "LMOVE <list> <list> LEFT RIGHT"),
        (1, As::Exact, "SORT <list> STORE <key>"),
        (1, As::Exact, "LRANGE <list> 0 -1"),
        (2, As::Exact, "FLUSHDB"),
        (1, As::Exact, "FLUSHALL"),
        (1, As::Exact, "SWAPDB 0 1"),
        (2, As::Exact, "SELECT {0|0|1}"),
        (
            2,
            As::Exact,
            "EVAL redis.call('SET',KEYS[1],'s')redis.call('INCR',KEYS[2]) 2 <key> <key>",
        ),
        (
            2,
            As::Exact,
            "EVAL return(redis.call('GET',KEYS[1])) 1 <key>",
        ),
        (
            1,
            As::Exact,
            "EVAL return(redis.call('PUBLISH',ARGV[1],'m')) 0 <channel>",
        ),
        (
            1,
            As::Exact,
            "EVAL_RO return(redis.call('GET',KEYS[1])) 1 <key>",
        ),
        (6, As::Exact, "RESET"),
        (1, As::Exact, "WATCH <key>"),
    ],
    junk: false,
};

/// The same client of both servers.
struct Twins {
    ours: Client,
    theirs: Client,
    transport: Transport,
    /// Its number, the same on both servers.
    number: i64,
    /// It may have a subscription.
    subscribed: bool,
}

impl Twins {
    fn both(&mut self, line: &str) -> [Value; 2] {
        [self.ours.cmd(line), self.theirs.cmd(line)]
    }
}

/// A client of both servers with the same number.
fn connect(server: &Server, peer: &Peer, transport: Transport, resp: u64) -> Twins {
    let mut twins = Twins {
        ours: server.client(transport),
        theirs: peer.connect(),
        transport,
        number: 0,
        subscribed: false,
    };
    loop {
        match twins.both("CLIENT ID") {
            [Value::Int(ours), Value::Int(theirs)] if ours < theirs => {
                twins.ours = server.client(transport);
            }
            [Value::Int(ours), Value::Int(theirs)] if ours > theirs => {
                twins.theirs = peer.connect();
            }
            [Value::Int(number), _] => twins.number = number,
            other => panic!("no numbers: {other:?}"),
        }
        if twins.number != 0 {
            break;
        }
    }
    twins.both(&format!("HELLO {resp}"));
    twins
}

/// Reads up to the reply to a PING.
fn arrived(client: &mut Client, mark: &str) -> Vec<Value> {
    client.send(format!("PING {mark}\r\n").as_bytes());
    let mut values = Vec::new();
    loop {
        let value = client.read();
        let shown = show(&value);
        if shown == mark || shown == format!("[pong {mark}]") {
            return values;
        }
        values.push(value);
    }
}

fn part(value: &Value, at: usize) -> &[u8] {
    let parts = value.elements().unwrap_or_default();
    parts.get(at).and_then(Value::text).unwrap_or_default()
}

/// A transcript, with what has no order in one.
fn ordered(values: &[Value]) -> Vec<String> {
    let mut shown: Vec<String> = values
        .iter()
        .map(names_ordered)
        .map(|v| describe(&v))
        .collect();
    let same = |a: &Value, b: &Value| {
        part(a, 0) == b"pmessage"
            && part(b, 0) == b"pmessage"
            && part(a, 2) == part(b, 2)
            && part(a, 3) == part(b, 3)
    };
    let ends = |value: &Value| part(value, 0).ends_with(b"unsubscribe");
    let mut from = 0;
    for at in 1..=values.len() {
        let last = &values[at - 1];
        let goes_on = values.get(at).is_some_and(|next| {
            same(last, next) || ends(last) && ends(next) && part(last, 0) == part(next, 0)
        });
        if !goes_on {
            if ends(last) && at - from > 1 {
                shown.splice(from..at, confirmations(&values[from..at]));
            }
            shown[from..at].sort();
            from = at;
        }
    }
    shown
}

/// Confirmations as their names and their counts, each in order.
fn confirmations(values: &[Value]) -> Vec<String> {
    let mut names: Vec<_> = values.iter().map(|value| part(value, 1).to_vec()).collect();
    names.sort();
    let counts = values
        .iter()
        .map(|value| value.elements().map(|parts| parts[2..].to_vec()));
    let mut pairs: Vec<String> = names
        .iter()
        .zip(counts)
        .map(|pair| format!("{pair:?}"))
        .collect();
    pairs.sort();
    pairs
}

/// A list of names in order, also within the reply of EXEC.
fn names_ordered(value: &Value) -> Value {
    let is_name = |value: &Value| {
        value
            .text()
            .is_some_and(|name| name.starts_with(b"ch") || name.starts_with(b"__"))
    };
    match value {
        Value::Array(names) if names.iter().all(is_name) => {
            let mut names = names.clone();
            names.sort_by(|a, b| a.text().cmp(&b.text()));
            Value::Array(names)
        }
        Value::Array(values) => Value::Array(values.iter().map(names_ordered).collect()),
        other => other.clone(),
    }
}

/// The replies, and behind them the pushes.
fn separated(values: Vec<Value>) -> Vec<Value> {
    let (pushes, mut replies): (Vec<_>, Vec<_>) = values
        .into_iter()
        .partition(|value| matches!(value, Value::Push(_)));
    replies.extend(pushes);
    replies
}

struct Run<'a> {
    server: &'a Server,
    peer: &'a Peer,
    /// Whole transcripts are compared.
    exact: bool,
    rng: Rng,
    source: Source,
    control: Twins,
    clients: Vec<Twins>,
    log: Vec<String>,
    step: u64,
}

impl Run<'_> {
    /// A line of the table, with the numbers of clients in place.
    fn line(&mut self) -> Vec<Vec<u8>> {
        let (mut words, _) = self.source.command();
        for word in &mut words {
            if let [b'I', b'D', digit @ b'0'..=b'9'] = word.as_slice() {
                let client = self.clients.get(usize::from(digit - b'0'));
                *word = client
                    .map_or(999_999, |client| client.number)
                    .to_string()
                    .into_bytes();
            }
        }
        words
    }

    /// What a client sends at once.
    fn batch(&mut self, author: usize) -> Vec<Vec<Vec<u8>>> {
        let may_queue = self.exact || !self.clients[author].subscribed;
        if may_queue && self.rng.below(8) == 0 {
            let mut batch = vec![vec![b"MULTI".to_vec()]];
            for _ in 0..self.rng.below(4) + 1 {
                let line = self.line();
                // Replies of an unknown number would shift those of EXEC.
                let is_odd = line[0].ends_with(b"SUBSCRIBE") && (!self.exact || line.len() != 2);
                if !is_odd {
                    batch.push(line);
                }
            }
            batch.push(vec![b"EXEC".to_vec()]);
            return batch;
        }
        let mut batch = vec![self.line()];
        // What CLIENT CACHING permits must not be the PING.
        if batch[0].get(1).is_some_and(|word| word == b"CACHING") {
            batch.push(self.line());
        }
        batch
    }

    fn send(&mut self, author: usize, batch: &[Vec<Vec<u8>>]) {
        let mut bytes = Vec::new();
        for line in batch {
            conn::encode::request(line.iter(), &mut bytes);
            self.log.push(format!("{author}: {}", readable(line)));
        }
        let client = &mut self.clients[author];
        let ends = batch.iter().any(|line| line[0] == b"RESET");
        let begins = batch.iter().any(|line| line[0].ends_with(b"SUBSCRIBE"));
        client.subscribed = begins || client.subscribed && !ends;
        client.ours.send(&bytes);
        client.theirs.send(&bytes);
    }

    /// Compares what all clients have received; `author` has sent something, and its first reply is not compared if it
    /// `is_private`.
    fn compare(&mut self, author: Option<usize>, is_private: bool) {
        // A turn of the event loop ends before the reply to this is sent.
        self.control.both("PING");
        let mark = format!("end{}", self.step);
        for at in 0..CLIENTS {
            let client = &mut self.clients[at];
            let mut values = [
                arrived(&mut client.ours, &mark),
                arrived(&mut client.theirs, &mark),
            ];
            if author == Some(at) {
                if is_private {
                    values.iter_mut().for_each(|values| drop(values.remove(0)));
                }
                if !self.exact {
                    values = values.map(separated);
                }
            }
            let [ours, theirs] = values.map(|values| ordered(&values));
            assert!(
                ours == theirs,
                "{}\nclient {at} ({:?}):\nours   {ours:#?}\ntheirs {theirs:#?}",
                self.log[self.log.len().saturating_sub(60)..].join("\n"),
                client.transport,
            );
        }
    }

    /// What the servers say of their clients.
    fn compare_state(&mut self) {
        let fields = [
            "pubsub_channels",
            "pubsub_patterns",
            "pubsubshard_channels",
            "tracking_clients",
            "tracking_total_keys",
            "tracking_total_items",
            "tracking_total_prefixes",
        ];
        let numbers: Vec<String> = self
            .clients
            .iter()
            .map(|client| client.number.to_string())
            .collect();
        let control = &mut self.control;
        let [ours, theirs] = [&mut control.ours, &mut control.theirs].map(|client| {
            let list = client.text(&format!("CLIENT LIST ID {}", numbers.join(" ")));
            let shown: Vec<String> = list.lines().map(clients_own_fields).collect();
            (fields.map(|field| client.info(field)), shown)
        });
        assert_eq!(
            ours,
            theirs,
            "{}",
            self.log[self.log.len().saturating_sub(60)..].join("\n")
        );
    }

    /// Another client takes the place of one that is killed.
    fn replace(&mut self, at: usize) {
        let number = self.clients[at].number;
        self.log.push(format!("CLIENT KILL of {at} ({number})"));
        let replies = self.control.both(&format!("CLIENT KILL ID {number}"));
        assert_eq!(replies, [Value::Int(1), Value::Int(1)]);
        let resp = 2 + self.rng.below(2);
        self.clients[at] = connect(self.server, self.peer, self.clients[at].transport, resp);
    }

    /// A key expires, and is deleted because somebody looks at it. A server that is not scheduled for as long as it has to live
    /// would delete it at once, which is another event.
    fn expire(&mut self) {
        let key = ["a", "ab", "x"][self.rng.below(3) as usize];
        self.log.push(format!("{key} expires"));
        self.control.both(&format!("PEXPIRE {key} 30"));
        for client in [&mut self.control.ours, &mut self.control.theirs] {
            until("the key to expire", || {
                (client.text(&format!("EXISTS {key}")) == "0").then_some(())
            });
        }
    }

    fn step(&mut self) {
        let author = self.rng.below(CLIENTS as u64) as usize;
        match self.rng.below(40) {
            0 => self.replace(author),
            1 => {
                let classes =
                    ["KEA", "KEA", "KA", "Eg$", "", "KElmnx", "KEgx"][self.rng.below(7) as usize];
                self.log.push(format!("notify-keyspace-events {classes}"));
                for client in [&mut self.control.ours, &mut self.control.theirs] {
                    client.call(&["CONFIG", "SET", "notify-keyspace-events", classes]);
                }
            }
            2 => self.expire(),
            3 => {
                let resp = (2 + self.rng.below(2)).to_string().into_bytes();
                self.send(author, &[vec![b"HELLO".to_vec(), resp]]);
                return self.compare(Some(author), true);
            }
            _ => {
                let batch = self.batch(author);
                self.send(author, &batch);
                return self.compare(Some(author), false);
            }
        }
        self.compare(None, false);
    }
}

/// The fields of a line of CLIENT LIST that depend on what the client has done, but for the flag of a Unix socket. Redis keeps
/// R (the client that it redirects to is gone) if tracking is turned off in the transaction whose invalidation finds that out.
fn clients_own_fields(line: &str) -> String {
    let shown = [
        "id", "flags", "db", "sub", "psub", "ssub", "multi", "redir", "resp",
    ];
    let fields = line.split(' ').filter(|field| {
        let name = field.split('=').next().unwrap_or_default();
        shown.contains(&name)
    });
    let fields = fields.map(|field| match field.strip_prefix("flags=") {
        Some(letters) => {
            let is_shown = |letter: &char| match letter {
                'U' | 'N' => false,
                'R' => letters.contains('t'),
                _ => true,
            };
            let shown: String = letters.chars().filter(is_shown).collect();
            format!("flags={shown}")
        }
        None => field.to_owned(),
    });
    fields.collect::<Vec<_>>().join(" ")
}

fn run(peer: &Peer, exact: bool) {
    let server = Server::start(&[]);
    let steps = setting("DIFFERENTIAL_COMMANDS", STEPS);
    let seed = setting("DIFFERENTIAL_SEED", 1);
    let mut control = connect(&server, peer, Transport::Tcp, 2);
    control.both("DEBUG SET-ACTIVE-EXPIRE 0");
    for (name, value) in FAMILY.config {
        control.both(&format!("CONFIG SET {name} {value}"));
    }
    let transports = Transport::ALL.into_iter().cycle();
    let clients = transports.zip(0..CLIENTS as u64);
    let clients = clients.map(|(transport, at)| connect(&server, peer, transport, 2 + at % 2));
    let mut run = Run {
        server: &server,
        peer,
        exact,
        rng: Rng::new(seed),
        source: Source::new(&FAMILY, seed),
        control,
        clients: clients.collect(),
        log: Vec::new(),
        step: 0,
    };
    for step in 0..steps {
        run.step = step;
        run.step();
        if step % STATE_EVERY == 0 {
            run.compare_state();
        }
        if run.log.len() > 1000 {
            run.log.drain(..900);
        }
    }
    println!("clients: {steps} steps, no difference");
}

#[test]
fn differential_clients() {
    run(&Peer::start(), false);
}

#[test]
fn differential_clients_of_7_2() {
    if let Some(program) = real_redis() {
        run(&Peer::start_program(&program, &[]), true);
    }
}
