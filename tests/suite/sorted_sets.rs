//! Sorted sets in the skiplist encoding.

use std::collections::HashSet;

use conn::resp::Value;
use tests::client::{Client, Transport, show};
use tests::server::Server;

/// The score of `zero` in each sorted set.
fn zeros(client: &mut Client) -> Vec<String> {
    let mut keys = ["many", "long", "few", "copy", "range"].into_iter();
    let scores = keys
        .by_ref()
        .map(|key| client.text(&format!("ZSCORE {key} zero")));
    scores.collect()
}

#[test]
fn a_skiplist_keeps_a_negative_zero() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    let mut many: Vec<String> = ["ZADD", "many", "-0.0", "zero"].map(str::to_owned).into();
    for number in 0..128 {
        many.extend(["1".to_owned(), format!("m{number}")]);
    }
    assert_eq!(show(&client.call(&many)), "129");
    let long = "x".repeat(65);
    // Redis chooses the encoding by the size of the first member: the second one of "few" comes too late.
    client.call(&["ZADD", "long", "1", &long, "-0.0", "zero"]);
    client.call(&["ZADD", "few", "-0.0", "zero", "1", &long]);
    client.text("ZRANGESTORE range many 0 -1");
    let payload = client.call(&["DUMP", "many"]);
    let payload = payload.text().expect("a payload");
    let restored = client.call(&[b"RESTORE".as_slice(), b"copy", b"0", payload]);
    assert_eq!(show(&restored), "OK");
    let expected = ["-0", "-0", "0", "-0", "-0"];
    assert_eq!(zeros(&mut client), expected);
    assert_eq!(client.text("DEBUG RELOAD"), "OK");
    assert_eq!(zeros(&mut client), expected);
    assert_eq!(client.text("OBJECT ENCODING long"), "skiplist");
    // A listpack stores an integer zero without its sign.
    client.text("ZREMRANGEBYRANK many 1 -1");
    assert_eq!(client.text("OBJECT ENCODING many"), "skiplist");
    assert_eq!(client.text("DEBUG RELOAD"), "OK");
    assert_eq!(client.text("OBJECT ENCODING many"), "listpack");
    assert_eq!(client.text("ZSCORE many zero"), "0");
}

/// An edge split of the tree moves one element into a node of its own. It is removed and added again, and the set is
/// then emptied from that end. Regression test: the tree used to keep the address of the freed record (tests/sanitize
/// detects that).
#[test]
fn an_element_at_the_edge_can_be_removed_and_added_again() {
    let server = Server::start(&[]);
    for (transport, sign) in [Transport::Tcp, Transport::Tls]
        .into_iter()
        .flat_map(|transport| [(transport, 1), (transport, -1)])
    {
        let mut client = server.client(transport);
        client.text("DEL z");
        for number in 0..1985 {
            let reply = client.text(&format!("ZADD z {} member:{number}", number * sign));
            assert_eq!(reply, "1");
        }
        if sign == 1 {
            assert_eq!(client.text("ZREM z member:1984"), "1");
        } else {
            client.text("ZPOPMIN z");
        }
        client.text(&format!("ZADD z {} again", 1984 * sign));
        assert_eq!(client.text("ZCOUNT z -inf +inf"), "1985");
        for left in (0..1985).rev() {
            client.text(if sign == 1 { "ZPOPMAX z" } else { "ZPOPMIN z" });
            assert_eq!(client.text("ZCARD z"), left.to_string());
        }
    }
}

/// Recorded replies of Redis 7.2.6.
#[test]
fn bounds_are_read_as_strtod_reads_them() {
    let server = Server::start(&[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        client.text("DEL z d");
        assert_eq!(client.text("ZADD z 0 zero 1 a 2 b"), "3");
        for (command, reply) in [
            ("ZCOUNT z 0 1e400", "3"),
            ("ZCOUNT z -1e400 0x1p-1200", "1"),
            ("ZRANGEBYSCORE z (1e-400 1e400", "[a b]"),
            ("ZRANGE z 1e400 -1e400 BYSCORE REV", "[b a zero]"),
            ("ZCOUNT z nan 1", "-ERR min or max is not a float"),
            ("ZCOUNT z 0 1e400x", "-ERR min or max is not a float"),
            ("ZRANGE z 1 2 BYSCORE BYSCORE", "-ERR syntax error"),
            ("ZRANGE z 1 2 BYSCORE BYLEX", "-ERR syntax error"),
            ("ZRANGE z 2 1 BYSCORE REV REV", "-ERR syntax error"),
            ("ZRANGESTORE d z 1 2 BYSCORE BYSCORE", "-ERR syntax error"),
            ("ZRANGESTORE d z 1 1e400 BYSCORE", "2"),
            ("ZREMRANGEBYSCORE z 0 1e-400", "1"),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
        let cut = client.call(&[b"ZCOUNT".as_slice(), b"z", b"1\0x", b"\x0b2"]);
        assert_eq!(show(&cut), "2", "{transport:?}");
    }
}

/// Recorded replies of Redis 7.2.6, which reads timeouts as long doubles.
#[test]
fn timeouts_may_exceed_the_range_of_a_double() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("RPUSH l a"), "1");
    for (command, reply) in [
        ("BLPOP l 1e400", "-ERR timeout is out of range"),
        ("BLMPOP 1e400 1 l LEFT", "-ERR timeout is out of range"),
        (
            "BZPOPMIN z 9223372036854775.9",
            "-ERR timeout is out of range",
        ),
        ("BLPOP l -1e400", "-ERR timeout is negative"),
        ("BLPOP l inf", "-ERR timeout is out of range"),
        ("BLPOP l nan", "-ERR timeout is not a float or out of range"),
        ("BLPOP l 1e-400", "[l a]"),
        ("BLPOP l 1e-4000", "nil"),
    ] {
        assert_eq!(client.text(command), reply, "{command}");
    }
}

#[test]
fn a_union_of_integers_is_in_their_order() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("DEL odd even");
        client.text("SADD odd 31 5 -7 900 1");
        client.text("SADD even 4 900 -70 32");
        assert_eq!(
            client.text("SUNION odd even none"),
            "[-70 -7 1 4 5 31 32 900]"
        );
    }
}

#[test]
fn the_difference_of_a_set_and_itself_is_empty() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, expected) in [
            ("DEL zset set other equal stored", ""),
            ("ZADD zset 1 a 2 b", "2"),
            ("ZADD equal 1 a 2 b", "2"),
            ("ZADD other 1 c", "1"),
            ("SADD set a b", "2"),
            ("ZDIFF 2 zset zset", "[]"),
            ("ZDIFF 3 zset other zset", "[]"),
            ("ZDIFF 2 set set", "[]"),
            ("ZDIFF 2 zset equal", "[]"),
            ("ZDIFF 2 zset set", "[]"),
            ("ZDIFF 3 zset other other", "[a b]"),
            ("ZDIFF 2 none none", "[]"),
            ("ZDIFFSTORE stored 1 zset", "2"),
            ("ZDIFFSTORE stored 2 stored stored", "0"),
            ("EXISTS stored", "0"),
        ] {
            let reply = client.text(command);
            assert!(
                expected.is_empty() || reply == expected,
                "{command}: {reply}"
            );
        }
    }
}

/// A small part of a big sorted set is searched by rank, a bigger one is found by a walk.
#[test]
fn random_members_of_a_big_sorted_set_are_different_ones() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("FLUSHALL");
        let mut add = vec!["ZADD".to_owned(), "big".to_owned()];
        add.extend((0..10_000).flat_map(|number| [number.to_string(), format!("m{number}")]));
        client.call(&add);
        for count in [1, 3, 312, 313, 9_999, 20_000] {
            let Value::Array(drawn) = client.cmd(&format!("ZRANDMEMBER big {count} WITHSCORES"))
            else {
                panic!("not an array");
            };
            let pairs = drawn.chunks(2).map(|pair| (show(&pair[0]), show(&pair[1])));
            let pairs: HashSet<_> = pairs.collect();
            assert_eq!(pairs.len(), count.min(10_000), "{transport:?}");
            assert!(pairs.iter().all(|(member, score)| member[1..] == **score));
        }
    }
}
