//! Libraries of functions that real Redis servers and ours exchange, in both directions: by FUNCTION DUMP and RESTORE, by
//! snapshot, and by append-only file.
//!
//! Debian's server (7.0.15) knows RDB version 10 only, so what it takes from us is an append-only file without a snapshot in
//! front. If `REAL_REDIS` names a `redis-server` of 7.2, that one takes everything.

use std::fs;
use std::path::Path;
use std::process::Command;

use conn::resp::Value;
use data::util::sha::sha1_hex;
use tempfile::TempDir;
use tests::client::{Client, Transport, show};
use tests::peer::{Peer, program, real_redis};
use tests::server::{Server, temp_dir};
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A library with all that a registration can say, and bytes that are not text.
const FULL: &[u8] = b"#!lua name=full\n-- \xff\x00\xc3\x28 not a text\r\n\
redis.register_function{function_name='Reader', description='It reads \xe2\x82\xac.', flags={'no-writes', 'allow-stale'}, \
callback=function(keys, args) return {keys, args, redis.call('exists', unpack(keys))} end}\n\
redis.register_function('writer', function(keys, args) return redis.call('set', keys[1], args[1]) end)";

/// A library that replaces it: the same function, by another code.
const NEWER: &str =
    "#!lua name=full\nredis.register_function('writer', function() return 'newer' end)";

const GONE: &str = "#!lua name=gone\nredis.register_function('gone', function() return 1 end)";

/// A library whose code is compressed in a snapshot.
fn long() -> String {
    let line = "-- The same comment, line by line.\n".repeat(500);
    format!("#!lua name=long\n{line}redis.register_function('long', function() return 'long' end)")
}

/// A server on either side.
enum Node {
    Ours(Server),
    Real(Peer),
}

/// Which program a server is.
#[derive(Clone, Copy)]
enum Side<'a> {
    Ours,
    Real(&'a Command),
}

impl Node {
    fn start(side: Side<'_>, args: &[&str]) -> Node {
        match side {
            Side::Ours => Node::Ours(Server::start(args)),
            Side::Real(program) => Node::Real(Peer::start_program(program, args)),
        }
    }

    /// A server that begins with files.
    fn with_files(side: Side<'_>, folder: &TempDir, args: &[&str]) -> Node {
        let path = folder.path().to_string_lossy();
        let node = Node::start(side, &[&["--dir", &*path], args].concat());
        let mut client = node.client(Transport::Tcp);
        until("the files to be loaded", || {
            (client.text("PING") == "PONG").then_some(())
        });
        node
    }

    fn client(&self, transport: Transport) -> Client {
        match self {
            Node::Ours(server) => server.client(transport),
            Node::Real(peer) => peer.connect(),
        }
    }

    fn folder(&self) -> &Path {
        match self {
            Node::Ours(server) => server.dir.path(),
            Node::Real(peer) => peer.dir.path(),
        }
    }
}

fn load(client: &mut Client, code: impl AsRef<[u8]>) {
    let reply = client.call(&[b"FUNCTION".as_slice(), b"LOAD", b"REPLACE", code.as_ref()]);
    assert!(matches!(reply, Value::Bulk(_)), "{reply:?}");
}

/// All libraries, with digests of their code, and what their functions reply. Redis shows libraries and functions in the order
/// of its hash table.
fn libraries(client: &mut Client) -> Vec<String> {
    let Value::Array(libraries) = client.cmd("FUNCTION LIST WITHCODE") else {
        panic!("no list");
    };
    let mut shown: Vec<String> = libraries.iter().map(library).collect();
    shown.sort_unstable();
    let calls = [
        "FCALL_RO reader 2 k1 k2 a",
        "FCALL writer 1 k1 v",
        "FCALL Reader 1 k1",
        "FCALL long 0",
        "FCALL gone 0",
    ];
    shown.extend(calls.map(|call| client.text(call)));
    client.text("DEL k1");
    shown
}

fn library(library: &Value) -> String {
    let Value::Array(fields) = library else {
        panic!("no library");
    };
    let shown = fields.iter().map(|field| match field {
        Value::Array(functions) => {
            let mut functions: Vec<String> = functions.iter().map(show).collect();
            functions.sort_unstable();
            functions.join(" ")
        }
        Value::Bulk(code) if code.starts_with(b"#!") => {
            String::from_utf8_lossy(&sha1_hex(code)).into_owned()
        }
        other => show(other),
    });
    shown.collect::<Vec<String>>().join(" ")
}

fn dump(client: &mut Client) -> Vec<u8> {
    match client.call(&["FUNCTION", "DUMP"]) {
        Value::Bulk(payload) => payload,
        other => panic!("{other:?}"),
    }
}

fn restore(client: &mut Client, payload: &[u8], policy: &str) -> String {
    let args = [
        b"FUNCTION".as_slice(),
        b"RESTORE",
        payload,
        policy.as_bytes(),
    ];
    show(&client.call(&args))
}

fn wait_for_rewrite(client: &mut Client) {
    until("the rewrite of the append-only file", || {
        let fields = ["aof_rewrite_in_progress", "aof_rewrite_scheduled"];
        fields
            .iter()
            .all(|field| client.info(field) == "0")
            .then_some(())
    });
}

/// Hands over by DUMP and RESTORE.
fn by_payload(giver: Side<'_>, taker: Side<'_>, transport: Transport) {
    let (giver, taker) = (Node::start(giver, &[]), Node::start(taker, &[]));
    let (mut giver, mut taker) = (giver.client(transport), taker.client(transport));
    load(&mut giver, FULL);
    load(&mut giver, long());
    let expected = libraries(&mut giver);
    let payload = dump(&mut giver);
    assert_eq!(restore(&mut taker, &payload, "APPEND"), "OK");
    assert_eq!(libraries(&mut taker), expected);
    let exists = restore(&mut taker, &payload, "APPEND");
    assert!(exists.ends_with("already exists"), "{exists}");
    load(&mut taker, NEWER);
    load(&mut taker, GONE);
    assert_eq!(restore(&mut taker, &payload, "REPLACE"), "OK");
    assert_eq!(taker.text("FCALL gone 0"), "1");
    assert_eq!(restore(&mut taker, &payload, "FLUSH"), "OK");
    assert_eq!(libraries(&mut taker), expected);
    // An empty set.
    giver.text("FUNCTION FLUSH");
    assert_eq!(restore(&mut taker, &dump(&mut giver), "FLUSH"), "OK");
    assert_eq!(taker.text("FUNCTION LIST"), "[]");
}

/// Hands over by a snapshot.
fn by_snapshot(giver: Side<'_>, taker: Side<'_>, transport: Transport) {
    for compression in ["yes", "no"] {
        let giver = Node::start(giver, &["--rdbcompression", compression]);
        let mut client = giver.client(transport);
        load(&mut client, FULL);
        load(&mut client, long());
        let expected = libraries(&mut client);
        assert_eq!(client.text("SAVE"), "OK");
        let folder = temp_dir();
        let name = "dump.rdb";
        fs::copy(giver.folder().join(name), folder.path().join(name)).expect("a snapshot");
        let taker = Node::with_files(taker, &folder, &[]);
        assert_eq!(libraries(&mut taker.client(transport)), expected);
    }
}

/// Hands over by an append-only file that begins with a snapshot, or with commands.
fn by_log(giver: Side<'_>, taker: Side<'_>, transport: Transport, preamble: &str) {
    // With fsyncs under way the giver would write later, so that its files lack commands.
    let args = [
        "--appendonly",
        "yes",
        "--appendfsync",
        "no",
        "--aof-use-rdb-preamble",
        preamble,
    ];
    let giver = Node::start(giver, &args);
    let mut client = giver.client(transport);
    load(&mut client, NEWER);
    load(&mut client, GONE);
    load(&mut client, long());
    client.text("BGREWRITEAOF");
    wait_for_rewrite(&mut client);
    load(&mut client, FULL);
    assert_eq!(client.text("FUNCTION DELETE gone"), "OK");
    assert_eq!(client.text("FCALL writer 1 kept v"), "OK");
    let expected = libraries(&mut client);
    let (folder, name) = (temp_dir(), "appendonlydir");
    fs::create_dir(folder.path().join(name)).expect("a folder");
    for entry in fs::read_dir(giver.folder().join(name)).expect("the files of the giver") {
        let path = entry.expect("an entry").path();
        let target = folder
            .path()
            .join(name)
            .join(path.file_name().expect("a name"));
        fs::copy(path, target).expect("a copy");
    }
    let taker = Node::with_files(taker, &folder, &args);
    let mut client = taker.client(transport);
    assert_eq!(libraries(&mut client), expected);
    assert_eq!(client.text("GET kept"), "v");
}

#[test]
fn libraries_are_taken_from_debian_and_given_to_it() {
    let program = program("redis-server");
    let real = Side::Real(&program);
    for transport in BOTH {
        by_payload(real, Side::Ours, transport);
        by_snapshot(real, Side::Ours, transport);
        for preamble in ["yes", "no"] {
            by_log(real, Side::Ours, transport, preamble);
        }
        by_log(Side::Ours, real, transport, "no");
        // The version of a payload is that of the file format, which is newer here.
        let (ours, theirs) = (Server::start(&[]), Node::start(real, &[]));
        let payload = dump(&mut ours.client(transport));
        let refused = restore(&mut theirs.client(transport), &payload, "APPEND");
        assert_eq!(refused, "-ERR DUMP payload version or checksum are wrong");
    }
}

#[test]
fn libraries_are_exchanged_with_redis_7_2() {
    let Some(program) = real_redis() else {
        return;
    };
    let real = Side::Real(&program);
    for transport in BOTH {
        for (giver, taker) in [(real, Side::Ours), (Side::Ours, real)] {
            by_payload(giver, taker, transport);
            by_snapshot(giver, taker, transport);
            for preamble in ["yes", "no"] {
                by_log(giver, taker, transport, preamble);
            }
        }
    }
}
