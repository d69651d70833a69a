//! Kills: many clients write, the machine crashes at a random moment, the server starts again, and nothing that was
//! acknowledged is missing.
//!
//! The disk forgets what was not synced to it (`tests::disk`). Each client has keys of its own and numbers its
//! operations; the number of the last one is a key as well. After the crash, the operations up to that number are
//! repeated on a server that was never killed (the oracle), and the client's keys must be equal on both: so no
//! operation is missing in between, and none is there in part.
//!
//! With `everysec`, every fifth run is long: the first of its operations are older than two seconds when the machine
//! crashes, so they must survive. It has no rewrites and saves, which sync data to the disk as well, and one fsync that
//! takes long.
//!
//! `KILLS` sets the number of crashes; by default it is small enough for every run of the tests.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use data::util::rand::Rng;
use tests::client::{Client, Transport, show};
use tests::disk::Disk;
use tests::server::Server;
use tests::wait::until;

/// Clients that write.
const WORKERS: usize = 8;
/// With `everysec`, what is older than this must survive.
const MAX_LOSS: Duration = Duration::from_secs(2);
/// How long operations are acknowledged in a long run, before those that may be lost.
const SURVIVING: Duration = Duration::from_millis(800);
/// How long an fsync takes in a long run.
const SLOW_FSYNC: Duration = Duration::from_millis(500);
/// Clients that write in a long run.
const LONG_WORKERS: usize = 2;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    Always,
    Everysec,
}

/// An operation: requests that are sent together, and the changes that they make.
struct Op {
    number: u64,
    /// The same changes as requests that do not block.
    changes: Vec<String>,
    is_transaction: bool,
    /// Another connection pops the element, perhaps after the number of the operation was stored.
    is_blocking: bool,
    acknowledged: Option<Instant>,
}

impl Op {
    /// Whether it may be missing after a crash, wholly or in part.
    fn may_be_lost(&self, policy: Policy, crashed: Instant) -> bool {
        self.acknowledged.is_none_or(|at| {
            let age = crashed.saturating_duration_since(at);
            policy == Policy::Everysec && age <= MAX_LOSS
        })
    }
}

/// A client and what it knows.
struct Worker {
    id: usize,
    rng: Rng,
    next: u64,
    /// Operations since the last crash.
    ops: Vec<Op>,
    /// Numbers of other clients that it has read.
    seen: Vec<(usize, u64)>,
}

const NAMES: [&str; 9] = [
    "str", "num", "float", "list", "set", "zset", "hash", "stream", "moved",
];

impl Worker {
    fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.id)
    }

    /// The list of a blocking operation. Each has its own, so that an element whose pop was lost is left alone later.
    fn queue(&self, number: u64) -> String {
        format!("{}:queue:{number}", self.id)
    }

    /// A random change of one of its keys.
    fn change(&mut self) -> String {
        let (n, id) = (self.next, self.id);
        let small = self.rng.below(20);
        let far = 4_102_444_800_000 + n;
        match self.rng.below(22) {
            0 => format!(
                "SET {id}:str {n}-{}",
                "v".repeat(self.rng.below(300) as usize)
            ),
            1 => format!("APPEND {id}:str -{n}"),
            2 => format!("SETRANGE {id}:str {} {n}", self.rng.below(2000)),
            3 => format!("INCRBY {id}:num {small}"),
            4 => format!("INCRBYFLOAT {id}:float 0.25"),
            5 => format!("RPUSH {id}:list {n} {small}"),
            6 => format!("LPOP {id}:list"),
            7 => format!("LREM {id}:list 0 {small}"),
            8 => format!("SADD {id}:set {n} m{small}"),
            9 => format!("SREM {id}:set m{small}"),
            10 => format!("ZADD {id}:zset {small} m{n} {n} x{small}"),
            11 => format!("ZREMRANGEBYRANK {id}:zset 0 {small}"),
            12 => format!("HSET {id}:hash f{small} {n}"),
            13 => format!("HDEL {id}:hash f{small}"),
            14 => format!("XADD {id}:stream {n}-1 field {small}"),
            15 => format!("XTRIM {id}:stream MAXLEN 50"),
            16 => format!("PEXPIREAT {id}:{} {far}", NAMES[self.rng.below(9) as usize]),
            17 => format!("PERSIST {id}:{}", NAMES[self.rng.below(9) as usize]),
            18 => format!("DEL {id}:{}", NAMES[self.rng.below(9) as usize]),
            19 => format!("COPY {id}:hash {id}:moved REPLACE"),
            20 => format!("RENAME {id}:set {id}:moved"),
            _ => format!("SET {id}:brief {n} PX {}", 1 + small),
        }
    }

    /// Executes one operation; false if the server is gone.
    fn step(&mut self, client: &mut Client, blocked: &mut Client) -> bool {
        self.next += 1;
        let number = self.next;
        let count = 1 + self.rng.below(3);
        let mut changes: Vec<String> = (0..count).map(|_| self.change()).collect();
        let is_blocking = self.rng.below(10) == 0;
        let is_transaction = !is_blocking && self.rng.below(2) == 0;
        let key = self.queue(number);
        if is_blocking {
            changes = vec![format!("RPUSH {key} {number}"), format!("LPOP {key}")];
        }
        let note = format!("SET {} {number}", self.key("last"));
        let mut requests = changes.clone();
        if is_blocking {
            requests.truncate(1);
        }
        if is_transaction {
            requests.insert(0, "MULTI".to_owned());
            requests.push(note);
            requests.push("EXEC".to_owned());
        } else {
            requests.push(note);
        }
        self.ops.push(Op {
            number,
            changes,
            is_transaction,
            is_blocking,
            acknowledged: None,
        });
        if is_blocking && !blocked.try_send(format!("BLPOP {key} 0\r\n").as_bytes()) {
            return false;
        }
        let bytes = requests.join("\r\n") + "\r\n";
        let mut is_complete = client.try_send(bytes.as_bytes());
        for _ in &requests {
            is_complete = is_complete && client.try_read().is_some();
        }
        is_complete = is_complete && (!is_blocking || blocked.try_read().is_some());
        if is_complete && let Some(op) = self.ops.last_mut() {
            op.acknowledged = Some(Instant::now());
        }
        is_complete
    }

    /// Reads the number of another client; false if the server is gone.
    fn look(&mut self, client: &mut Client) -> bool {
        let other = self.rng.below(WORKERS as u64) as usize;
        if !client.try_send(format!("GET {other}:last\r\n").as_bytes()) {
            return false;
        }
        let Some(reply) = client.try_read() else {
            return false;
        };
        if let Ok(number) = show(&reply).parse() {
            self.seen.push((other, number));
        }
        true
    }

    fn run(&mut self, server: &Server, ready: &AtomicBool) {
        let transport = if self.id.is_multiple_of(2) {
            Transport::Tls
        } else {
            Transport::Tcp
        };
        let (mut client, mut blocked) = (server.client(transport), server.client(transport));
        ready.store(true, Relaxed);
        while self.step(&mut client, &mut blocked) && self.look(&mut client) {}
    }

    /// The state of its keys on a server, with the lists of these blocking operations.
    fn state(&self, client: &mut Client, blocking: &[u64]) -> String {
        let mut keys = NAMES.map(|name| self.key(name)).to_vec();
        keys.extend(blocking.iter().map(|&number| self.queue(number)));
        let mut state = client.text(&format!("DEBUG DIGEST-VALUE {}", keys.join(" ")));
        for name in NAMES {
            state += &format!(
                " {}",
                client.text(&format!("PEXPIRETIME {}", self.key(name)))
            );
        }
        state
    }

    /// Compares what was recovered with what was acknowledged, and brings the oracle to the same state.
    fn verify(
        &mut self,
        policy: Policy,
        crashed: Instant,
        client: &mut Client,
        oracle: &mut Client,
    ) {
        let last = client.text(&format!("GET {}", self.key("last")));
        let last: u64 = last.parse().unwrap_or(0);
        for op in self.ops.iter().filter(|op| op.number > last) {
            assert!(
                op.may_be_lost(policy, crashed),
                "client {}: operation {} was acknowledged {:?} before the crash and is lost; the last is {last}",
                self.id,
                op.number,
                op.acknowledged.map(|at| crashed - at)
            );
        }
        let ops = std::mem::take(&mut self.ops);
        let (there, pending): (Vec<Op>, Vec<Op>) =
            ops.into_iter().partition(|op| op.number <= last);
        let mut certain: Vec<&String> = there.iter().flat_map(|op| &op.changes).collect();
        let mut possible: Vec<(u64, &String)> = Vec::new();
        // The element of the last operation may still be in its list.
        let last_op = there.last().filter(|op| op.is_blocking);
        if last_op.is_some_and(|op| op.may_be_lost(policy, crashed)) {
            possible.extend(certain.pop().map(|change| (last, change)));
        }
        // The first operation whose number is missing may be there in part, unless it is a transaction.
        let partial = pending.iter().take(1).filter(|op| !op.is_transaction);
        possible.extend(partial.flat_map(|op| op.changes.iter().map(|change| (last + 1, change))));
        for change in certain {
            oracle.cmd(change);
        }
        self.next = last;
        let ops = there.iter().chain(pending.iter().take(1));
        let blocking = ops.filter(|op| op.is_blocking).map(|op| op.number);
        let blocking: Vec<u64> = blocking.collect();
        let recovered = self.state(client, &blocking);
        let mut expected = self.state(oracle, &blocking);
        for (number, change) in possible {
            if recovered == expected {
                break;
            }
            oracle.cmd(change);
            expected = self.state(oracle, &blocking);
            self.next = number;
        }
        assert_eq!(
            recovered,
            expected,
            "client {}: after operation {last}, {:?}",
            self.id,
            there.last().map(|op| &op.changes)
        );
    }
}

/// Rewrites, saves and changes of the format, until the server is gone.
fn administer(server: &Server, rng: &mut Rng) {
    let mut client = server.client(Transport::Unix);
    let requests = [
        "BGREWRITEAOF",
        "BGSAVE",
        "CONFIG SET aof-use-rdb-preamble no",
        "CONFIG SET aof-use-rdb-preamble yes",
        "PING",
    ];
    loop {
        let request = requests[rng.below(requests.len() as u64) as usize];
        let is_sent = client.try_send(format!("{request}\r\n").as_bytes());
        if !is_sent || client.try_read().is_none() {
            return;
        }
    }
}

fn spin_until(time: Instant) {
    while Instant::now() < time {
        thread::yield_now();
    }
}

/// Crashes the server at the end of a long run; returns when.
fn crash_late(server: &mut Server, disk: &Disk, workers: &mut [Worker], rng: &mut Rng) -> Instant {
    let mut admin = server.client(Transport::Unix);
    admin.text("CONFIG SET auto-aof-rewrite-percentage 0");
    until("the end of a rewrite", || {
        (admin.info("aof_rewrite_in_progress") == "0").then_some(())
    });
    let ready: Vec<AtomicBool> = workers.iter().map(|_| AtomicBool::new(false)).collect();
    let running: &Server = server;
    thread::scope(|scope| {
        for (worker, ready) in workers.iter_mut().zip(&ready) {
            scope.spawn(|| worker.run(running, ready));
        }
        until("all clients", || {
            ready.iter().all(|ready| ready.load(Relaxed)).then_some(())
        });
        let began = Instant::now();
        spin_until(began + Duration::from_millis(rng.below(1000)));
        disk.set("hold-fsync", 1);
        spin_until(Instant::now() + SLOW_FSYNC);
        disk.clear("hold-fsync");
        spin_until(began + SURVIVING + MAX_LOSS + Duration::from_millis(rng.below(1000)));
        running.kill_group();
    });
    let crashed = Instant::now();
    let mut coin = rng.fork();
    server.crash(disk, &mut || coin.below(2) == 0);
    for worker in workers {
        let mut times = worker.ops.iter().filter_map(|op| op.acknowledged);
        let first = times.next().expect("an operation was acknowledged");
        assert!(crashed - first > MAX_LOSS, "nothing had to survive");
    }
    crashed
}

/// Crashes the server during one run of all clients; returns when.
fn crash_once(server: &mut Server, disk: &Disk, workers: &mut [Worker], rng: &mut Rng) -> Instant {
    let ready: Vec<AtomicBool> = workers.iter().map(|_| AtomicBool::new(false)).collect();
    let mut admin_rng = rng.fork();
    let running: &Server = server;
    thread::scope(|scope| {
        for (worker, ready) in workers.iter_mut().zip(&ready) {
            scope.spawn(|| worker.run(running, ready));
        }
        scope.spawn(|| administer(running, &mut admin_rng));
        while !ready.iter().all(|ready| ready.load(Relaxed)) {
            thread::yield_now();
        }
        // Some crashes are in the middle of a change of a file, the others at any time.
        let ops = ["write", "fsync", "rename", "open", "unlink"];
        let op = ops[rng.below(ops.len() as u64) as usize];
        if rng.below(2) == 0 {
            disk.set(&format!("kill-{op}"), 1 + rng.below(20));
        }
        spin_until(Instant::now() + Duration::from_millis(20 + rng.below(200)));
        running.kill_group();
        disk.clear(&format!("kill-{op}"));
    });
    let crashed = Instant::now();
    let mut coin = rng.fork();
    server.crash(disk, &mut || coin.below(2) == 0);
    crashed
}

fn kill_many(policy: Policy, seed: u64) {
    let kills = std::env::var("KILLS")
        .ok()
        .and_then(|text| text.parse().ok());
    let kills: u32 = kills.unwrap_or(10);
    let appendfsync = format!("{policy:?}").to_lowercase();
    let args = [
        ["--appendonly", "yes"],
        ["--appendfsync", &appendfsync],
        ["--auto-aof-rewrite-min-size", "20kb"],
    ]
    .concat();
    let disk = Disk::new();
    let oracle = Server::start(&[]);
    let mut oracle = oracle.client(Transport::Unix);
    let mut rng = Rng::new(seed);
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|id| Worker {
            id,
            rng: rng.fork(),
            next: 0,
            ops: Vec::new(),
            seen: Vec::new(),
        })
        .collect();
    let mut server = Server::start_on(&disk, &args);
    for kill in 0..kills {
        let crashed = if policy == Policy::Everysec && kill % 5 == 2 {
            let few = &mut workers[..LONG_WORKERS];
            crash_late(&mut server, &disk, few, &mut rng)
        } else {
            crash_once(&mut server, &disk, &mut workers, &mut rng)
        };
        server = Server::start_on(&disk, &args);
        let mut client = server.client(Transport::Tls);
        for worker in &mut workers {
            worker.verify(policy, crashed, &mut client, &mut oracle);
        }
        let numbers: Vec<u64> = workers.iter().map(|worker| worker.next).collect();
        for worker in &mut workers {
            for (other, number) in worker.seen.drain(..) {
                assert!(
                    policy == Policy::Everysec || number <= numbers[other],
                    "client {} has read operation {number} of client {other}, which is lost",
                    worker.id
                );
            }
        }
        if (kill + 1) % 100 == 0 || kill + 1 == kills {
            let operations: u64 = numbers.iter().sum();
            println!(
                "{policy:?}: {} crashes, {operations} operations survived",
                kill + 1
            );
        }
    }
}

#[test]
fn with_always_no_crash_takes_back_what_was_acknowledged() {
    kill_many(Policy::Always, 1);
}

#[test]
fn with_everysec_no_crash_takes_back_more_than_two_seconds() {
    kill_many(Policy::Everysec, 2);
}
