//! Sorted sets in the skiplist encoding.

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
    let server = Server::start(&["--enable-debug-command", "yes"]);
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
