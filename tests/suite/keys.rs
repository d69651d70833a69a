//! Keys of any type: expiry, names, databases, SCAN.

use std::collections::BTreeSet;

use conn::resp::Value;
use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

#[test]
fn key_commands() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, reply) in [
            ("FLUSHALL", "OK"),
            ("MSET a 1 b 2 c 3", "OK"),
            ("DBSIZE", "3"),
            ("EXISTS a a nothing", "2"),
            ("TYPE a", "string"),
            ("TYPE nothing", "none"),
            ("RENAME a d", "OK"),
            ("RENAME a d", "-ERR no such key"),
            ("RENAMENX d b", "0"),
            ("COPY b e", "1"),
            ("COPY b e", "0"),
            ("COPY b e REPLACE", "1"),
            (
                "COPY b b",
                "-ERR source and destination objects are the same",
            ),
            ("MOVE e 1", "1"),
            ("SELECT 1", "OK"),
            ("GET e", "2"),
            ("SWAPDB 0 1", "OK"),
            ("GET c", "3"),
            ("SELECT 99", "-ERR DB index is out of range"),
            (
                "SELECT 4294967296",
                "-ERR value is out of range, value must between -2147483648 and 2147483647",
            ),
            ("SWAPDB 0 4294967296", "-ERR invalid second DB index"),
            ("OBJECT ENCODING c", "int"),
            ("OBJECT FREQ nothing", "nil"),
            ("EXPIRE c 100 GT", "0"),
            ("EXPIRE c 100 LT", "1"),
            ("EXPIRE c 50 GT", "0"),
            ("EXPIRE c 50 NX", "0"),
            (
                "EXPIRE c 9223372036854775807",
                "-ERR invalid expire time in 'expire' command",
            ),
            ("TTL c", "100"),
            ("PERSIST c", "1"),
            ("PERSIST c", "0"),
            ("EXPIREAT c 1", "1"),
            ("EXISTS c", "0"),
            ("UNLINK b d nothing", "2"),
            ("FLUSHALL", "OK"),
            ("RANDOMKEY", "nil"),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
    }
}

/// Scans all keys, and calls `between` after each call of SCAN; returns the keys seen.
fn walk(
    client: &mut Client,
    options: &str,
    mut between: impl FnMut(&mut Client, usize),
) -> BTreeSet<String> {
    let mut cursor = "0".to_owned();
    let mut seen = BTreeSet::new();
    for call in 0.. {
        let reply = client.cmd(&format!("SCAN {cursor}{options}"));
        let Some([next, Value::Array(keys)]) = reply.elements() else {
            panic!("{reply:?}")
        };
        cursor = show(next);
        seen.extend(keys.iter().map(show));
        if cursor == "0" {
            break;
        }
        between(client, call);
    }
    seen
}

#[test]
fn scan_returns_every_key_that_stays_while_the_table_is_resized() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tls);
    client.text("DEBUG POPULATE 5000 stays");
    client.text("DEBUG POPULATE 5000 goes");
    let seen = walk(&mut client, " COUNT 50", |client, call| {
        if call % 2 == 0 && call < 40 {
            client.text(&format!("DEBUG POPULATE 2000 new{call}"));
        } else if call % 2 == 1 {
            let deleted: Vec<String> = (0..200)
                .map(|i| format!("goes:{}", (call * 200 + i) % 5000))
                .collect();
            client.text(&format!("DEL {}", deleted.join(" ")));
        }
        if call == 40 {
            client.text("DEBUG POPULATE 200000 many");
        }
    });
    for number in 0..5000 {
        assert!(seen.contains(&format!("stays:{number}")), "stays:{number}");
    }
    let filtered = walk(
        &mut client,
        " COUNT 1000 MATCH stays:1* TYPE string",
        |_, _| {},
    );
    assert_eq!(
        filtered.len(),
        (0..5000)
            .filter(|n: &i32| n.to_string().starts_with('1'))
            .count()
    );
}

#[test]
fn active_expiry_deletes_expired_keys() {
    let server = Server::start(&["--hz", "100"]);
    let mut client = server.client(Transport::Tcp);
    for number in 0..1000 {
        client.text(&format!("SET k:{number} v PX 1"));
    }
    client.text("SET stays v");
    until("active expiry of all keys", || {
        (client.text("DBSIZE") == "1").then_some(())
    });
    assert_eq!(client.info("expired_keys"), "1000");
    assert!(
        client
            .text("INFO keyspace")
            .contains("db0:keys=1,expires=0")
    );
}

#[test]
fn flushall_async_frees_in_the_background() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Unix);
    client.text("DEBUG POPULATE 100000");
    assert_eq!(client.text("FLUSHALL ASYNC"), "OK");
    assert_eq!(client.text("DBSIZE"), "0");
    until("the background thread to free the keys", || {
        (client.info("lazyfreed_objects") == "100000").then_some(())
    });
    assert_eq!(client.info("lazyfree_pending_objects"), "0");
    client.text("DEBUG POPULATE 1000");
    assert_eq!(client.text("FLUSHALL SYNC"), "OK");
    assert_eq!(client.text("FLUSHALL NOW"), "-ERR syntax error");
}

/// A command, whether it updates the access time of the existing key `a`, and its hits and misses.
const LOOKUPS: &[(&str, bool, u64, u64)] = &[
    ("EXISTS a nothing", false, 1, 1),
    ("TYPE a", false, 1, 0),
    ("TYPE nothing", false, 0, 1),
    ("TTL a", false, 1, 0),
    ("PEXPIRETIME nothing", false, 0, 1),
    ("OBJECT ENCODING a", false, 1, 0),
    ("OBJECT FREQ nothing", false, 0, 1),
    ("DUMP a", true, 1, 0),
    ("GET a", true, 1, 0),
    ("TOUCH a nothing", true, 1, 1),
    ("COPY a b", true, 1, 0),
    ("EXPIRE a 100", true, 0, 0),
    ("PERSIST a", true, 0, 0),
    ("APPEND a x", true, 0, 0),
];

#[test]
fn lookups_count_hits_and_misses_and_may_update_the_access_time() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for &(command, renews, hits, misses) in LOOKUPS {
            client.text("FLUSHALL");
            client.text("SET a v");
            let payload = client.call(&["DUMP", "a"]);
            let Value::Bulk(payload) = payload else {
                panic!("DUMP failed: {payload:?}");
            };
            let idle: [&[u8]; 7] = [
                b"RESTORE",
                b"a",
                b"0",
                &payload,
                b"REPLACE",
                b"IDLETIME",
                b"1000",
            ];
            assert_eq!(show(&client.call(&idle)), "OK");
            client.text("CONFIG RESETSTAT");
            client.text(command);
            let counted = (client.info("keyspace_hits"), client.info("keyspace_misses"));
            assert_eq!(counted, (hits.to_string(), misses.to_string()), "{command}");
            let idle: u64 = client.text("OBJECT IDLETIME a").parse().expect("a number");
            assert_eq!(idle < 1000, renews, "{command}: {idle}");
        }
    }
}

#[test]
fn expired_keys_are_hidden_from_commands_of_several_keys_while_they_cannot_be_deleted() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("DEBUG SET-ACTIVE-EXPIRE 0"), "OK");
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("FLUSHALL");
        client.text("SADD gone 1");
        client.text("ZADD zgone 1 1");
        client.text("SADD set 1 2");
        client.text("ZADD zset 1 1 2 2");
        client.text("PEXPIRE gone 20");
        client.text("PEXPIRE zgone 20");
        assert_eq!(client.text("CLIENT PAUSE 1000000 WRITE"), "OK");
        until("the keys to expire", || {
            (client.text("EXISTS gone zgone") == "0").then_some(())
        });
        for (command, reply) in [
            ("SINTER gone set", "[]"),
            ("SINTER gone", "[]"),
            ("SDIFF set gone", "[1 2]"),
            ("SDIFF gone", "[]"),
            ("SUNION gone none", "[]"),
            ("SINTERCARD 1 gone", "0"),
            ("SINTERCARD 2 gone set", "0"),
            ("ZINTERCARD 1 zgone", "0"),
            ("ZINTERCARD 2 zset gone", "0"),
            ("ZINTER 2 zset zgone", "[]"),
            ("ZDIFF 2 zset zgone", "[1 2]"),
            ("ZUNION 3 zset zgone gone WITHSCORES", "[1 1 2 2]"),
            ("ZRANDMEMBER zgone", "nil"),
            ("SMEMBERS gone", "[]"),
        ] {
            assert_eq!(client.text(command), reply, "{command}");
        }
        assert_eq!(client.text("CLIENT UNPAUSE"), "OK");
    }
}
