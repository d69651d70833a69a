//! What a primary propagates to its replicas: the stream of writes, request by request.

use tests::client::{Client, Transport};
use tests::mock_replica::MockReplica;
use tests::peer::{Peer, real_redis};
use tests::server::Server;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// Commands of a client, and the requests that replicas receive for each. `#` stands for a Unix time in milliseconds.
const PROPAGATED: &[(&str, &[&str])] = &[
    ("SET a 1", &["SELECT 0", "SET a 1"]),
    ("GET a", &[]),
    ("PUBLISH c m", &["PUBLISH c m"]),
    ("SPUBLISH c m", &["SPUBLISH c m"]),
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

/// Whether a request is as expected; `#` matches any time.
fn matches_pattern(request: &str, expected: &str) -> bool {
    let words = |text: &str| -> Vec<String> { text.split(' ').map(str::to_owned).collect() };
    let (request, expected) = (words(request), words(expected));
    request.len() == expected.len()
        && request.iter().zip(&expected).all(|(word, expected)| {
            word == expected || (expected == "#" && word.len() == 13 && word.parse::<u64>().is_ok())
        })
}

fn assert_propagated(mock: &mut MockReplica, command: &str, expected: &[&str]) {
    for expected in expected {
        let request = mock.next_request();
        assert!(
            matches_pattern(&request, expected),
            "{command}: {request}, not {expected}"
        );
    }
}

/// Executes the table on a client; the replica must receive the expected requests.
fn execute_table(client: &mut Client, mock: &mut MockReplica) {
    for (command, expected) in PROPAGATED {
        let reply = client.text(command);
        assert!(!reply.starts_with('-'), "{command}: {reply}");
        assert_propagated(mock, command, expected);
    }
    // Nothing else was propagated if this request comes next.
    client.text("SET end 1");
    assert_propagated(mock, "end of the table", &["SET end 1"]);
}

#[test]
fn writes_are_propagated_in_deterministic_form() {
    for transport in BOTH {
        let server = Server::start(&["--repl-diskless-sync", "no"]);
        let mut client = server.client(Transport::Tcp);
        let mut mock = MockReplica::new(&server, transport);
        execute_table(&mut client, &mut mock);
    }
}

/// With `REAL_REDIS` (see `replication_peers`): checks the table against real Redis.
#[test]
fn real_redis_propagates_the_same_requests() {
    let Some(program) = real_redis() else { return };
    let peer = Peer::start_program(&program, &["--repl-diskless-sync", "no"]);
    let mut mock = MockReplica::connect(peer.port, Transport::Tcp);
    execute_table(&mut peer.connect(), &mut mock);
}

/// An expired key is deleted on access, in one MULTI/EXEC unit with a write that accesses it.
#[test]
fn deletions_of_expired_keys_are_propagated() {
    let server = Server::start(&["--repl-diskless-sync", "no"]);
    let mut client = server.client(Transport::Tcp);
    let mut mock = MockReplica::new(&server, Transport::Tcp);
    client.text("DEBUG SET-ACTIVE-EXPIRE 0");
    client.text("SELECT 9");
    let brief = |client: &mut Client, key: &str| {
        client.text(&format!("SET {key} 1"));
        client.text(&format!("PEXPIRE {key} 30"));
        client.text("DEBUG SLEEP 0.04");
    };
    brief(&mut client, "a");
    assert_eq!(client.text("GET a"), "nil");
    let expected = ["SELECT 9", "SET a 1", "PEXPIREAT a #", "DEL a"];
    assert_propagated(&mut mock, "GET", &expected);
    brief(&mut client, "b");
    assert_eq!(client.text("SETNX b 2"), "1");
    let expected = [
        "SET b 1",
        "PEXPIREAT b #",
        "MULTI",
        "DEL b",
        "SETNX b 2",
        "EXEC",
    ];
    assert_propagated(&mut mock, "SETNX", &expected);
    brief(&mut client, "d");
    brief(&mut client, "e");
    assert_eq!(client.text("SCAN 0"), "[0 [b]]");
    let received: Vec<String> = (0..6).map(|_| mock.next_request()).collect();
    assert!(
        received[4..]
            .iter()
            .all(|request| request.starts_with("DEL ")),
        "{received:?}"
    );
    client.text("DEL b");
    assert_propagated(&mut mock, "DEL", &["DEL b"]);
    client.text("CONFIG SET lazyfree-lazy-expire yes");
    brief(&mut client, "c");
    client.text("DEBUG SET-ACTIVE-EXPIRE 1");
    let expected = ["SET c 1", "PEXPIREAT c #", "UNLINK c"];
    assert_propagated(&mut mock, "active expiry", &expected);
}

/// Commands that store a new value under the key `k` without looking at the old one.
const OVERWRITING: &[(&str, &str)] = &[
    ("SET k v", "SET k v"),
    ("SET k v KEEPTTL", "SET k v KEEPTTL"),
    ("SETEX k 100 v", "SET k v PXAT #"),
    ("MSET j 1 k 2", "MSET j 1 k 2"),
    ("BITOP NOT k str", "BITOP NOT k str"),
    ("SUNIONSTORE k set", "SUNIONSTORE k set"),
    ("SINTERSTORE k set set", "SINTERSTORE k set set"),
    ("ZUNIONSTORE k 1 zset", "ZUNIONSTORE k 1 zset"),
    ("ZRANGESTORE k zset 0 -1", "ZRANGESTORE k zset 0 -1"),
    ("SORT list STORE k", "SORT list STORE k"),
    (
        "GEOSEARCHSTORE k geo FROMLONLAT 0 0 BYRADIUS 1 km",
        "GEOSEARCHSTORE k geo FROMLONLAT 0 0 BYRADIUS 1 km",
    ),
];

#[test]
fn an_expired_key_is_deleted_before_it_is_overwritten() {
    for transport in BOTH {
        let server = Server::start(&["--repl-diskless-sync", "no"]);
        let mut client = server.client(transport);
        client.text("DEBUG SET-ACTIVE-EXPIRE 0");
        for command in [
            "SET str abc",
            "SADD set a",
            "ZADD zset 1 a",
            "RPUSH list 1",
            "GEOADD geo 0 0 p",
        ] {
            client.text(command);
        }
        let mut mock = MockReplica::new(&server, transport);
        for (number, (command, request)) in OVERWRITING.iter().enumerate() {
            client.text("DEL k");
            client.text("SET k old PX 1");
            client.text("DEBUG SLEEP 0.04");
            let reply = client.text(command);
            assert!(!reply.starts_with('-'), "{command}: {reply}");
            let before = if number == 0 { "SELECT 0" } else { "DEL k" };
            let whole = [
                before,
                "SET k old PXAT #",
                "MULTI",
                "DEL k",
                request,
                "EXEC",
            ];
            assert_propagated(&mut mock, command, &whole);
            let expired = client.info("expired_keys");
            assert_eq!(expired, (number + 1).to_string(), "{command}");
        }
    }
}

/// A command that blocks may have accessed an expired key, whose deletion must be propagated at once.
#[test]
fn a_blocked_command_propagates_deletion_of_expired_keys() {
    let server = Server::start(&["--repl-diskless-sync", "no"]);
    let (mut client, mut blocked) = (server.client(Transport::Tcp), server.client(Transport::Tcp));
    let mut mock = MockReplica::new(&server, Transport::Tcp);
    client.text("DEBUG SET-ACTIVE-EXPIRE 0");
    client.text("RPUSH a 1");
    client.text("PEXPIRE a 30");
    client.text("DEBUG SLEEP 0.04");
    blocked.send(b"BLPOP a 0\r\n");
    let expected = ["SELECT 0", "RPUSH a 1", "PEXPIREAT a #", "DEL a"];
    assert_propagated(&mut mock, "BLPOP", &expected);
    client.text("RPUSH a 2");
    assert_propagated(&mut mock, "BLPOP", &["RPUSH a 2", "LPOP a"]);
}

/// The pop of a blocked client is propagated behind the write that served it, as a unit of its own.
#[test]
fn a_blocked_pop_is_propagated_after_the_push_that_serves_it() {
    let server = Server::start(&["--repl-diskless-sync", "no"]);
    let (mut client, mut blocked) = (server.client(Transport::Tcp), server.client(Transport::Tls));
    let mut mock = MockReplica::new(&server, Transport::Tls);
    blocked.send(b"BLMPOP 0 2 x y LEFT COUNT 2\r\n");
    client.wait_for_blocked(1);
    client.text("RPUSH y 1 2 3");
    let expected = ["SELECT 0", "RPUSH y 1 2 3", "LPOP y 2"];
    assert_propagated(&mut mock, "BLMPOP", &expected);
}
