//! Keyspace events: which commands publish what, in which order, and who asked for it.

use tests::client::{Client, Transport, show};
use tests::server::Server;

/// The messages that a subscriber to `__key*` has got, as `event key`.
fn events(client: &mut Client) -> Vec<String> {
    let messages = client.messages().into_iter();
    let event = |message: String| {
        let (_, event) = message.split_once("__:").expect("an event");
        let names_key = message.contains(" __keyspace@");
        let event = event.trim_end_matches(']');
        format!("{}{event}", if names_key { "K " } else { "" })
    };
    messages.map(event).collect()
}

fn listener(server: &Server, transport: Transport) -> Client {
    let mut client = server.client(transport);
    client.cmd("PSUBSCRIBE __key*");
    client
}

/// Commands and their events, as a real server publishes them under `EAnm`.
const CASES: &[(&str, &[&str])] = &[
    ("GET k", &["keymiss k"]),
    ("SET k 1 EX 100", &["new k", "set k", "expire k"]),
    ("SET k 1", &["set k"]),
    ("SET k 1 XX GET", &["set k"]),
    ("SET n 1 XX GET", &["keymiss n"]),
    ("INCR k", &["incrby k"]),
    ("INCRBYFLOAT k 1.5", &["incrbyfloat k"]),
    ("APPEND k x", &["append k"]),
    ("SETRANGE k 1 y", &["setrange k"]),
    ("RENAME k r", &["new r", "rename_from k", "rename_to r"]),
    ("COPY r k", &["new k", "copy_to k"]),
    ("MOVE k 1", &["move_from k"]),
    ("EXPIRE r -1", &["del r"]),
    ("EXISTS n", &["keymiss n"]),
    ("OBJECT ENCODING n", &[]),
    ("LPUSH l a b", &["new l", "lpush l"]),
    ("LPOP l 5", &["lpop l", "del l"]),
    ("RPUSH l a", &["new l", "rpush l"]),
    (
        "LMOVE l m LEFT RIGHT",
        &["new m", "rpush m", "lpop l", "del l"],
    ),
    ("SADD s 1", &["new s", "sadd s"]),
    ("SMOVE s t 1", &["srem s", "del s", "new t", "sadd t"]),
    ("SUNIONSTORE u t", &["new u", "sunionstore u"]),
    ("SINTERSTORE u n t", &["keymiss n", "del u"]),
    ("SORT t STORE l", &["new l", "sortstore l"]),
    ("ZADD z 1 a", &["new z", "zadd z"]),
    ("ZINCRBY z 1 a", &["zincr z"]),
    ("ZRANGESTORE y z 0 -1", &["new y", "zrangestore y"]),
    ("ZREMRANGEBYRANK z 0 -1", &["zremrangebyrank z", "del z"]),
    ("GEOADD g 0 0 p", &["new g", "zadd g"]),
    ("HSET h f 1", &["new h", "hset h"]),
    ("HINCRBYFLOAT h f 1.5", &["hincrbyfloat h"]),
    ("HDEL h f", &["hdel h", "del h"]),
    ("XADD x 1-1 f v", &["new x", "xadd x"]),
    ("XADD x MAXLEN 1 2-1 f v", &["xadd x", "xtrim x"]),
    ("XGROUP CREATE x g 0", &["xgroup-create x"]),
    (
        "XREADGROUP GROUP g c STREAMS x >",
        &["xgroup-createconsumer x"],
    ),
    ("XACK x g 2-1", &[]),
    ("XSETID x 9-1", &["xsetid x"]),
    ("XDEL x 2-1", &["xdel x"]),
    ("PFADD p a", &["new p", "pfadd p"]),
    ("GETEX p PERSIST", &[]),
    ("GETDEL p", &["del p"]),
    ("SET e v EXAT 1", &["new e", "set e", "expire e"]),
    ("SET e v", &["expired e", "new e", "set e"]),
    ("SET e v PXAT 1", &["set e", "expire e"]),
    ("GET e", &["expired e", "keymiss e"]),
    ("MULTI", &[]),
    ("SET q 1", &[]),
    ("DEL q", &[]),
    ("EXEC", &["new q", "set q", "del q"]),
    // The key is looked up before the options are parsed.
    ("XAUTOCLAIM n g c none 0", &["keymiss n"]),
    ("DEBUG POPULATE 2 e", &["new e:0", "new e:1"]),
    ("DEBUG POPULATE 3 e", &["new e:2"]),
    ("FLUSHALL", &[]),
];

#[test]
fn every_command_publishes_its_events() {
    let server = Server::start(&["--notify-keyspace-events", "EAnm"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("DEBUG SET-ACTIVE-EXPIRE 0");
        let mut listener = server.client(transport);
        listener.cmd("PSUBSCRIBE __keyevent@0*");
        for (command, expected) in CASES {
            let reply = client.text(command);
            assert_eq!(events(&mut listener), *expected, "{command}: {reply}");
        }
    }
}

#[test]
fn only_what_was_asked_for_is_published() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let mut listener = listener(&server, transport);
        let cases: [(&str, &str, &[&str]); 7] = [
            ("", "", &[]),
            (
                "KEA",
                "AKE",
                &[
                    "K s set",
                    "set s",
                    "K l lpush",
                    "lpush l",
                    "K s del",
                    "del s",
                ],
            ),
            ("K$", "$K", &["K s set"]),
            ("gE", "gE", &["del s"]),
            ("lsKE", "lsKE", &["K l lpush", "lpush l"]),
            ("An", "A", &[]),
            ("nE", "nE", &["new s", "new l"]),
        ];
        for (asked, shown, expected) in cases {
            client.cmd("FLUSHALL");
            client.call(&["CONFIG", "SET", "notify-keyspace-events", asked]);
            assert_eq!(
                client.text("CONFIG GET notify-keyspace-events"),
                format!("[notify-keyspace-events {shown}]")
            );
            for command in ["SET s v", "LPUSH l v", "DEL s"] {
                client.cmd(command);
            }
            assert_eq!(events(&mut listener), expected, "{asked}");
        }
        assert!(
            client
                .text("CONFIG SET notify-keyspace-events Kq")
                .starts_with("-ERR CONFIG SET failed")
        );
    }
}

#[test]
fn an_expired_key_is_published_without_a_reader() {
    let server = Server::start(&["--notify-keyspace-events", "Ex", "--hz", "100"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let mut listener = listener(&server, transport);
        client.cmd("SET k v PX 1");
        assert_eq!(
            show(&listener.read()),
            "[pmessage __key* __keyevent@0__:expired k]"
        );
    }
}

#[test]
fn a_served_client_publishes_behind_the_command_that_served_it() {
    let server = Server::start(&["--notify-keyspace-events", "EA"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let mut listener = listener(&server, transport);
        let mut waiting = server.client(transport);
        waiting.send(b"BLMOVE a b LEFT RIGHT 0\r\n");
        client.wait_for_blocked(1);
        client.cmd("RPUSH a 1");
        assert_eq!(show(&waiting.read()), "1");
        assert_eq!(
            events(&mut listener),
            ["rpush a", "rpush b", "lpop a", "del a"]
        );
        client.cmd("DEL b");
        assert_eq!(events(&mut listener), ["del b"]);
    }
}

#[test]
fn the_sender_gets_its_own_events_behind_the_reply() {
    let server = Server::start(&["--notify-keyspace-events", "KA"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("HELLO 3");
        client.cmd("PSUBSCRIBE __key*");
        client.send(b"SET k v EX 100\r\nDEL k\r\n");
        let got: Vec<String> = (0..5).map(|_| show(&client.read())).collect();
        let event = |name: &str| format!("[pmessage __key* __keyspace@0__:k {name}]");
        assert_eq!(
            got,
            [
                "OK".to_owned(),
                event("set"),
                event("expire"),
                "1".to_owned(),
                event("del")
            ]
        );
    }
}
