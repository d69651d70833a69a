//! What a primary tells its replicas: the stream of writes, request by request.

use tests::client::{Client, Transport};
use tests::follower::Follower;
use tests::peer::{Peer, real};
use tests::server::Server;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// Commands of a client, and what replicas hear of each. `#` stands for a number that the clock decides.
const TOLD: &[(&str, &[&str])] = &[
    ("SET a 1", &["SELECT 0", "SET a 1"]),
    ("GET a", &[]),
    ("SET a 2 EX 100", &["SET a 2 PXAT #"]),
    ("SET a 2 GET", &["SET a 2"]),
    ("SETEX a 100 3", &["SET a 3 PXAT #"]),
    ("GETEX a PX 100000", &["PEXPIREAT a #"]),
    ("GETEX a PERSIST", &["PERSIST a"]),
    ("GETEX a", &[]),
    ("EXPIRE a 100 NX", &["PEXPIREAT a # NX"]),
    ("GETSET a 4", &["SET a 4"]),
    ("GETDEL a", &["DEL a"]),
    ("GETDEL a", &[]),
    ("DEL a", &[]),
    ("SET a 1", &["SET a 1"]),
    ("EXPIRE a -1", &["DEL a"]),
    ("INCRBYFLOAT f 1.5", &["SET f 1.5 KEEPTTL"]),
    ("HINCRBYFLOAT h x 0.25", &["HSET h x 0.25"]),
    ("SADD s m", &["SADD s m"]),
    ("SADD s m", &[]),
    ("SPOP s", &["SREM s m"]),
    ("SADD s 1 2 3", &["SADD s 1 2 3"]),
    ("SPOP s 5", &["DEL s"]),
    ("RPUSH l 1 2 3 4", &["RPUSH l 1 2 3 4"]),
    ("BLPOP l 1", &["LPOP l"]),
    ("BLMOVE l k RIGHT LEFT 1", &["LMOVE l k RIGHT LEFT"]),
    ("BRPOPLPUSH l k 1", &["RPOPLPUSH l k"]),
    ("BLMPOP 1 1 k LEFT COUNT 9", &["LPOP k 2"]),
    ("ZADD z 1 a 2 b 3 c", &["ZADD z 1 a 2 b 3 c"]),
    ("BZPOPMIN z 1", &["ZPOPMIN z"]),
    ("BZMPOP 1 1 z MAX COUNT 5", &["ZPOPMAX z 2"]),
    ("GEOADD g 0 0 p", &["zadd g 3377699720527872 p"]),
    ("XADD x 5-* f v", &["XADD x 5-0 f v"]),
    ("XADD x MAXLEN ~ 1 6-0 f v", &["XADD x MAXLEN = 2 6-0 f v"]),
    ("XGROUP CREATE x g 0", &["XGROUP CREATE x g 0"]),
    (
        "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
        &["XCLAIM x g c 0 5-0 TIME # RETRYCOUNT 1 FORCE JUSTID LASTID 5-0"],
    ),
    (
        "XREADGROUP GROUP g new NOACK COUNT 1 STREAMS x 0",
        &["XGROUP CREATECONSUMER x g new"],
    ),
    (
        "XREADGROUP GROUP g c NOACK STREAMS x >",
        &["XGROUP SETID x g 6-0 ENTRIESREAD 2"],
    ),
    (
        "XCLAIM x g d 0 5",
        &["XCLAIM x g d 0 5 TIME # RETRYCOUNT 2 FORCE JUSTID LASTID 6-0"],
    ),
    ("XACK x g 5-0", &["XACK x g 5-0"]),
    ("PFADD p a", &["PFADD p a"]),
    ("PFCOUNT p", &["PFCOUNT p"]),
    ("PFCOUNT p", &[]),
    ("SELECT 3", &[]),
    ("SET other 1", &["SELECT 3", "SET other 1"]),
    ("SELECT 0", &[]),
    ("MULTI", &[]),
    ("SET a 1", &[]),
    ("EXEC", &["SELECT 0", "SET a 1"]),
    ("MULTI", &[]),
    ("SET a 1", &[]),
    ("GET a", &[]),
    ("INCR a", &[]),
    ("EXEC", &["MULTI", "SET a 1", "INCR a", "EXEC"]),
    ("SWAPDB 1 2", &["SWAPDB 1 2"]),
    ("FLUSHDB", &["FLUSHDB"]),
    ("FLUSHALL", &["FLUSHALL"]),
];

/// Whether a request is as expected, numbers of the clock aside.
fn is_as(told: &str, wanted: &str) -> bool {
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let (told, wanted) = (words(told), words(wanted));
    told.len() == wanted.len()
        && told.iter().zip(&wanted).all(|(word, wanted)| {
            word == wanted || (wanted == "#" && word.len() == 13 && word.parse::<u64>().is_ok())
        })
}

fn expect(follower: &mut Follower, command: &str, wanted: &[&str]) {
    for wanted in wanted {
        let told = follower.hear();
        assert!(is_as(&told, wanted), "{command}: {told}, not {wanted}");
    }
}

/// Executes the table by a client; `follower` hears what it should.
fn tell_all(client: &mut Client, follower: &mut Follower) {
    for (command, wanted) in TOLD {
        let reply = client.text(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
        expect(follower, command, wanted);
    }
    // Nothing else was said: this comes next.
    client.text("SET end 1");
    expect(follower, "the end", &["SET end 1"]);
}

#[test]
fn every_write_in_words_that_mean_the_same_elsewhere() {
    for transport in BOTH {
        let server = Server::start(&["--repl-diskless-sync", "no"]);
        let mut client = server.client(Transport::Tcp);
        let mut follower = Follower::new(&server, transport);
        tell_all(&mut client, &mut follower);
    }
}

/// With `REAL_REDIS` (see `replication_peers`): the table is right.
#[test]
fn the_real_one_uses_the_same_words() {
    let Some(program) = real() else { return };
    let peer = Peer::start_this(program, &["--repl-diskless-sync", "no"]);
    let mut follower = Follower::of(peer.port, Transport::Tcp);
    tell_all(&mut peer.connect(), &mut follower);
}

/// A key that is met when its time is over is deleted first, in one unit with the command that met it.
#[test]
fn keys_whose_time_is_over() {
    let server = Server::start(&[
        "--repl-diskless-sync",
        "no",
        "--enable-debug-command",
        "yes",
    ]);
    let mut client = server.client(Transport::Tcp);
    let mut follower = Follower::new(&server, Transport::Tcp);
    client.text("DEBUG SET-ACTIVE-EXPIRE 0");
    client.text("SELECT 9");
    let brief = |client: &mut Client, key: &str| {
        client.text(&format!("SET {key} 1"));
        client.text(&format!("PEXPIRE {key} 1"));
        client.text("DEBUG SLEEP 0.003");
    };
    brief(&mut client, "a");
    assert_eq!(client.text("GET a"), "nil");
    let wanted = ["SELECT 9", "SET a 1", "PEXPIREAT a #", "DEL a"];
    expect(&mut follower, "GET", &wanted);
    brief(&mut client, "b");
    assert_eq!(client.text("SETNX b 2"), "1");
    let wanted = [
        "SET b 1",
        "PEXPIREAT b #",
        "MULTI",
        "DEL b",
        "SETNX b 2",
        "EXEC",
    ];
    expect(&mut follower, "SETNX", &wanted);
    brief(&mut client, "d");
    brief(&mut client, "e");
    assert_eq!(client.text("SCAN 0"), "[0 [b]]");
    let heard: Vec<String> = (0..6).map(|_| follower.hear()).collect();
    assert!(
        heard[4..].iter().all(|told| told.starts_with("DEL ")),
        "{heard:?}"
    );
    client.text("DEL b");
    expect(&mut follower, "DEL", &["DEL b"]);
    client.text("CONFIG SET lazyfree-lazy-expire yes");
    brief(&mut client, "c");
    client.text("DEBUG SET-ACTIVE-EXPIRE 1");
    let wanted = ["SET c 1", "PEXPIREAT c #", "UNLINK c"];
    expect(&mut follower, "the clockwork", &wanted);
}

/// A command that has to wait may have met a key whose time is over, which replicas hear of at once.
#[test]
fn what_a_waiting_command_has_met_is_told() {
    let server = Server::start(&["--repl-diskless-sync", "no"]);
    let (mut client, mut waiter) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
    let mut follower = Follower::new(&server, Transport::Tcp);
    client.text("DEBUG SET-ACTIVE-EXPIRE 0");
    client.text("RPUSH a 1");
    client.text("PEXPIRE a 1");
    client.text("DEBUG SLEEP 0.003");
    waiter.send(b"BLPOP a 0\r\n");
    let wanted = ["SELECT 0", "RPUSH a 1", "PEXPIREAT a #", "DEL a"];
    expect(&mut follower, "BLPOP", &wanted);
    client.text("RPUSH a 2");
    expect(&mut follower, "BLPOP", &["RPUSH a 2", "LPOP a"]);
}

/// Who waits is served in a unit of its own, behind the one that served it.
#[test]
fn what_is_served_comes_after_what_serves() {
    let server = Server::start(&["--repl-diskless-sync", "no"]);
    let (mut client, mut waiter) = (server.client(Transport::Tcp), server.client(Transport::Tls));
    let mut follower = Follower::new(&server, Transport::Tls);
    waiter.send(b"BLMPOP 0 2 x y LEFT COUNT 2\r\n");
    tests::wait::until("a waiting client", || {
        (client.info("blocked_clients") == "1").then_some(())
    });
    client.text("RPUSH y 1 2 3");
    let wanted = ["SELECT 0", "RPUSH y 1 2 3", "LPOP y 2"];
    expect(&mut follower, "BLMPOP", &wanted);
}
