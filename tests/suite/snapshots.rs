//! RDB files and DUMP payloads of real servers: loaded, compared by digest, and saved and loaded again. And corrupt
//! payloads.

use std::fs;

use conn::resp::Value;
use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::snapshots::{CORRUPT_HASH, payloads, snapshots, with_footer};

fn restore(client: &mut Client, key: &str, payload: &[u8]) -> String {
    let args: [&[u8]; 5] = [b"RESTORE", key.as_bytes(), b"0", payload, b"REPLACE"];
    show(&client.call(&args))
}

/// The number of keys in all databases.
fn count_keys(client: &mut Client) -> usize {
    let text = client.text("INFO keyspace");
    let counts = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(":keys=")?;
        rest.split(',').next()?.parse::<usize>().ok()
    });
    counts.sum()
}

#[test]
fn snapshots_of_real_servers_load_and_survive_another_save() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for snapshot in snapshots() {
        let name = &snapshot.name;
        fs::copy(snapshot.path(), server.dir.path().join("dump.rdb")).expect("it exists");
        assert_eq!(client.text("DEBUG RELOAD NOSAVE"), "OK", "{name}");
        assert_eq!(count_keys(&mut client), snapshot.keys, "{name}");
        assert_eq!(client.text("DEBUG DIGEST"), snapshot.digest, "{name}");
        assert_eq!(client.text("DEBUG RELOAD"), "OK", "{name}");
        assert_eq!(client.text("DEBUG DIGEST"), snapshot.digest, "{name}");
        assert_eq!(count_keys(&mut client), snapshot.keys, "{name}");
    }
}

#[test]
fn payloads_of_real_servers_restore_to_the_same_value_and_encoding() {
    let server = Server::start(&[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        for payload in payloads() {
            let shown = payload.bytes.escape_ascii();
            let version = &payload.version;
            assert_eq!(restore(&mut client, "k", &payload.bytes), "OK", "{shown}");
            let facts = [
                client.text("OBJECT ENCODING k"),
                client.text("DEBUG DIGEST-VALUE k"),
            ];
            assert_eq!(
                facts,
                [payload.encoding.clone(), format!("[{}]", payload.digest)],
                "{version} {shown}"
            );
            let Value::Bulk(again) = client.cmd("DUMP k") else {
                panic!("DUMP failed after RESTORE of {shown}");
            };
            assert_eq!(restore(&mut client, "copy", &again), "OK", "{shown}");
            let copy = client.text("DEBUG DIGEST-VALUE copy");
            assert_eq!(copy, format!("[{}]", payload.digest), "{version} {shown}");
        }
    }
}

#[test]
fn debug_can_disable_checksum_validation() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    let mut payload = with_footer(b"\x00\x05hello");
    if let Some(last) = payload.last_mut() {
        *last ^= 1;
    }
    let wrong = "-ERR DUMP payload version or checksum are wrong";
    let switch = |client: &mut Client, on: u8| {
        let reply = client.text(&format!("DEBUG SET-SKIP-CHECKSUM-VALIDATION {on}"));
        assert_eq!(reply, "OK");
    };
    assert_eq!(restore(&mut client, "k", &payload), wrong);
    switch(&mut client, 1);
    assert_eq!(restore(&mut client, "k", &payload), "OK");
    assert_eq!(client.text("GET k"), "hello");
    // The version is still checked.
    let version_at = payload.len() - 10;
    payload[version_at] = 12;
    assert_eq!(restore(&mut client, "k", &payload), wrong);
    payload[version_at] = 11;
    switch(&mut client, 0);
    assert_eq!(restore(&mut client, "k", &payload), wrong);
}

#[test]
fn an_unchecked_corrupt_payload_is_kept_but_cannot_be_read() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    let payload = with_footer(CORRUPT_HASH);
    assert_eq!(restore(&mut client, "k", &payload), "OK");
    server.wait_for_log(&["The value is kept as it came"]);
    let log = server.log();
    for line in [
        "=== ASSERTION FAILED ===",
        "Hash listpack integrity check failed.",
        "argv[0]: 'RESTORE'",
        "key 'k' found in DB containing the following object:",
        "Object type: 4",
        "Object encoding: 11",
    ] {
        assert!(log.contains(line), "{line}");
    }
    assert_eq!(client.text("TYPE k"), "hash");
    assert_eq!(client.text("OBJECT ENCODING k"), "listpack");
    for command in ["HGETALL k", "HLEN k", "HSET k f v", "HDEL k f", "HSCAN k 0"] {
        let reply = client.text(command);
        assert!(
            reply.starts_with("-ERR the value of this key is damaged"),
            "{command}: {reply}"
        );
    }
    for command in [
        "LLEN k",
        "GET k",
        "SORT k",
        "SUNION k",
        "ZUNION 1 k",
        "XLEN k",
    ] {
        let reply = client.text(command);
        assert!(reply.starts_with("-WRONGTYPE"), "{command}: {reply}");
    }
    assert_eq!(client.cmd("DUMP k"), Value::Bulk(payload.clone()));
    assert_eq!(client.text("COPY k copy"), "1");
    assert_eq!(client.text("RENAME copy moved"), "OK");
    assert_eq!(client.text("EXPIRE moved 100"), "1");
    assert_eq!(client.text("DEL moved"), "1");
    // A file that contained it would not load, so it is left out.
    client.text("SET sound yes");
    assert_eq!(client.text("DEBUG RELOAD"), "OK");
    server.wait_for_log(&["Key 'k' has a damaged value and is not saved"]);
    assert_eq!(client.text("KEYS *"), "[sound]");
}

#[test]
fn sanitize_dump_payload_refuses_a_corrupt_payload() {
    let server = Server::start(&["--loglevel", "verbose"]);
    let mut client = server.client(Transport::Tcp);
    for wanted in ["yes", "clients"] {
        client.text(&format!("CONFIG SET sanitize-dump-payload {wanted}"));
        let reply = restore(&mut client, "k", &with_footer(CORRUPT_HASH));
        assert_eq!(reply, "-ERR Bad data format", "{wanted}");
    }
    server.wait_for_log(&["Hash listpack integrity check failed."]);
    assert!(!server.log().contains("ASSERTION FAILED"));
    assert_eq!(client.text("EXISTS k"), "0");
}

#[test]
fn skip_sanitize_payload_exempts_a_user() {
    let server = Server::start(&["--sanitize-dump-payload", "clients"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let payload = with_footer(CORRUPT_HASH);
        client.text("DEL k");
        assert_eq!(
            client.text("ACL SETUSER default skip-sanitize-payload"),
            "OK"
        );
        assert_eq!(restore(&mut client, "k", &payload), "OK");
        assert_eq!(client.text("ACL SETUSER default sanitize-payload"), "OK");
        assert_eq!(restore(&mut client, "l", &payload), "-ERR Bad data format");
    }
}

#[test]
fn sdiff_returns_a_duplicate_member_once() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    let twice = with_footer(b"\x14\x10\x10\x00\x00\x00\x03\x00\x81a\x02\x81b\x02\x81a\x02\xff");
    assert_eq!(restore(&mut client, "k", &twice), "OK");
    assert_eq!(client.text("SMEMBERS k"), "[a b a]");
    assert_eq!(client.text("SDIFF k"), "[a b]");
    assert_eq!(client.text("SDIFF k none"), "[a b]");
    client.text("CONFIG SET sanitize-dump-payload yes");
    assert_eq!(
        restore(&mut client, "other", &twice),
        "-ERR Bad data format"
    );
}

#[test]
fn lcs_refuses_to_allocate_more_than_the_bulk_limit() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.text("SETRANGE long 423324 x");
    let reply = client.text("LCS long long");
    assert!(reply.starts_with("-ERR Insufficient memory"), "{reply}");
    assert_eq!(client.text("PING"), "PONG");
}

#[test]
fn debug_listpack_and_quicklist_print_the_structure() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.text("HSET h field 1234");
    client.text("CONFIG SET list-max-listpack-size 2");
    client.text("RPUSH l a b c");
    client.text("SET s x");
    let reply = client.text("DEBUG LISTPACK h");
    assert_eq!(reply, "Listpack structure printed on stdout");
    server.wait_for_log(&["{num entries 2}"]);
    for level in ["", " 1"] {
        let reply = client.text(&format!("DEBUG QUICKLIST l{level}"));
        assert_eq!(reply, "Quicklist structure printed on stdout");
    }
    for part in [
        "[str]field}",
        "[str]1234}",
        "{len : 2}",
        "container : PACKED",
        "[str]c}",
    ] {
        server.wait_for_log(&[part]);
    }
    assert_eq!(
        client.text("DEBUG LISTPACK s"),
        "-ERR Not a listpack encoded object."
    );
    assert_eq!(
        client.text("DEBUG QUICKLIST h"),
        "-ERR Not a quicklist encoded object."
    );
    assert_eq!(client.text("DEBUG LISTPACK none"), "-ERR no such key");
}
