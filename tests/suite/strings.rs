//! String commands.

use tests::client::{Transport, show};
use tests::server::Server;

#[test]
fn string_commands() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, reply) in [
            ("FLUSHALL", "OK"),
            ("SET k v", "OK"),
            ("GET k", "v"),
            ("SET k w NX", "nil"),
            ("SET k w XX GET", "v"),
            ("GET k", "w"),
            ("SET k x NX XX", "-ERR syntax error"),
            ("SET k x EX 0", "-ERR invalid expire time in 'set' command"),
            ("SET k x EX 10 KEEPTTL", "-ERR syntax error"),
            ("SET k x EX 100", "OK"),
            ("TTL k", "100"),
            // The same option may be repeated.
            ("SET k x EX none EX 200", "OK"),
            ("TTL k", "200"),
            ("SET k x EX 10 PX 20", "-ERR syntax error"),
            ("SET k x EX 10 EX", "-ERR syntax error"),
            ("GETEX k PX none PX 300000", "x"),
            ("TTL k", "300"),
            ("GETEX k EX 10 PERSIST", "-ERR syntax error"),
            ("GETEX k PERSIST EX 10", "-ERR syntax error"),
            ("SET k y KEEPTTL KEEPTTL", "OK"),
            ("TTL k", "300"),
            ("GETEX k PERSIST PERSIST", "y"),
            ("TTL k", "-1"),
            ("GETDEL k", "y"),
            ("GET k", "nil"),
            ("APPEND k abc", "3"),
            ("SETRANGE k 5 x", "6"),
            ("STRLEN k", "6"),
            ("GETRANGE k 0 2", "abc"),
            ("MSET a 1 b 2", "OK"),
            ("MGET a b c", "[1 2 nil]"),
            ("MSETNX a 3 d 4", "0"),
            ("INCRBY a 41", "42"),
            ("INCR k", "-ERR value is not an integer or out of range"),
            ("INCRBYFLOAT a 0.1", "42.1"),
            ("LCS a b", "2"),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
    }
}

#[test]
fn values_of_every_size_are_returned_whole() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for size in [
            0,
            1,
            127,
            128,
            129,
            16_383,
            16_384,
            16_385,
            32_767,
            32_768,
            65_536,
            1 << 20,
            (5 << 20) + 3,
        ] {
            let value: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
            assert_eq!(show(&client.call(&[b"SET", b"k".as_slice(), &value])), "OK");
            let got = client.call(&["GET", "k"]);
            assert_eq!(got.text().map(<[u8]>::len), Some(size), "{transport:?}");
            assert_eq!(got.text(), Some(value.as_slice()), "{transport:?} {size}");
        }
    }
}
