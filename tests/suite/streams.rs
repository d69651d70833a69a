//! Streams: blocked readers, consumer groups, and which changes fail WATCH.

use conn::resp::Value;
use tests::client::{Client, Transport, show};
use tests::server::Server;

fn wait(client: &mut Client, command: &str) {
    client.send(format!("{command}\r\n").as_bytes());
}

#[test]
fn xadd_xrange_xdel_and_xtrim() {
    let server = Server::start(&["--stream-node-max-entries", "3"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, reply) in [
            ("FLUSHALL", "OK"),
            ("XADD s NOMKSTREAM * f v", "nil"),
            (
                "XADD s 0-0 f v",
                "-ERR The ID specified in XADD must be greater than 0-0",
            ),
            ("EXISTS s", "0"),
            ("XADD s 1-* f 1", "1-0"),
            ("XADD s 1-* f 2 g 007", "1-1"),
            ("XADD s 2 f 3", "2-0"),
            ("XADD s 3-5 f 4", "3-5"),
            (
                "XADD s 3-5 f 4",
                "-ERR The ID specified in XADD is equal or smaller than the target stream top item",
            ),
            (
                "XADD s 4 f",
                "-ERR wrong number of arguments for 'xadd' command",
            ),
            ("XRANGE s 1 1", "[[1-0 [f 1]] [1-1 [f 2 g 007]]]"),
            ("XRANGE s (1-0 + COUNT 1", "[[1-1 [f 2 g 007]]]"),
            ("XREVRANGE s + (1-1", "[[3-5 [f 4]] [2-0 [f 3]]]"),
            ("XRANGE s - + COUNT 0", "nil"),
            (
                "XRANGE s (18446744073709551615-18446744073709551615 +",
                "-ERR invalid start ID for the interval",
            ),
            ("XDEL s 2 9", "1"),
            ("XTRIM s MAXLEN ~ 1", "2"),
            ("XLEN s", "1"),
            (
                "XADD s MAXLEN 1 18446744073709551615-18446744073709551615 f v",
                "18446744073709551615-18446744073709551615",
            ),
            (
                "XADD s * f v",
                "-ERR The stream has exhausted the last possible ID, unable to add more items",
            ),
            ("XDEL s 18446744073709551615-18446744073709551615", "1"),
            ("XLEN s", "0"),
            ("EXISTS s", "1"),
            ("TYPE s", "stream"),
            ("OBJECT ENCODING s", "stream"),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
    }
}

#[test]
fn a_blocked_xread_gets_the_next_entry() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut writer, mut reader) = (server.client(transport), server.client(transport));
        writer.text("FLUSHALL");
        writer.text("XADD s 1 f old");
        wait(&mut reader, "XREAD BLOCK 0 STREAMS s other $ $");
        writer.wait_for_blocked(1);
        // The entry is deleted before the reader is served, so it stays blocked, still behind the entry that was last
        // when it blocked.
        writer.send(b"MULTI\r\nXADD s 2 f gone\r\nXDEL s 2\r\nEXEC\r\n");
        for _ in 0..4 {
            writer.read();
        }
        writer.wait_for_blocked(1);
        writer.text("XADD s 3 f new");
        assert_eq!(
            show(&reader.read()),
            "[[s [[3-0 [f new]]]]]",
            "{transport:?}"
        );
        assert_eq!(reader.text("XREAD BLOCK 1 STREAMS s $"), "nil");
        reader.cmd("HELLO 3");
        assert_eq!(reader.text("XREAD STREAMS s 2"), "{s=[[3-0 [f new]]]}");
    }
}

#[test]
fn a_group_that_is_deleted_unblocks_its_readers() {
    let server = Server::start(&[]);
    let mut writer = server.client(Transport::Tls);
    let no_group = "-NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    for (end, reply) in [
        ("XGROUP DESTROY s g", no_group),
        ("DEL s", no_group),
        (
            "SET s text",
            "-WRONGTYPE Operation against a key holding the wrong kind of value",
        ),
        ("XADD s 5 f v", "[[s [[5-0 [f v]]]]]"),
    ] {
        writer.text("DEL s");
        assert_eq!(writer.text("XGROUP CREATE s g $ MKSTREAM"), "OK");
        let mut reader = server.client(Transport::Tls);
        wait(&mut reader, "XREADGROUP GROUP g c BLOCK 0 STREAMS s >");
        writer.wait_for_blocked(1);
        writer.text(end);
        assert_eq!(show(&reader.read()), reply, "{end}");
    }
}

#[test]
fn changes_of_groups_do_not_fail_watch() {
    let server = Server::start(&[]);
    let (mut writer, mut watcher) = (server.client(Transport::Tls), server.client(Transport::Tls));
    writer.text("XADD s 1 f v");
    for (command, noticed) in [
        ("XGROUP CREATE s g 0", false),
        ("XGROUP CREATECONSUMER s g c", false),
        ("XREADGROUP GROUP g c STREAMS s >", false),
        ("XCLAIM s g d 0 1", false),
        ("XACK s g 1", false),
        ("XSETID s 9", false),
        ("XADD s 10 f v", true),
        ("XTRIM s MAXLEN 1", true),
        ("XDEL s 10", true),
        ("XGROUP CREATE new g 0 MKSTREAM", true),
    ] {
        watcher.text("WATCH s new");
        let dirty = writer.info("rdb_changes_since_last_save");
        let reply = writer.cmd(command);
        assert!(
            !matches!(reply, Value::Error(_)),
            "{command}: {}",
            show(&reply)
        );
        assert_ne!(
            writer.info("rdb_changes_since_last_save"),
            dirty,
            "{command}"
        );
        watcher.text("MULTI");
        let expected = if noticed { "nil" } else { "[]" };
        assert_eq!(watcher.text("EXEC"), expected, "{command}");
    }
}

#[test]
fn delivered_entries_are_pending_until_acknowledged() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tls);
    for (command, reply) in [
        (
            "XGROUP CREATE s g $",
            "-ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
        ),
        ("XGROUP CREATE s g $ MKSTREAM", "OK"),
        (
            "XGROUP CREATE s g $",
            "-BUSYGROUP Consumer Group name already exists",
        ),
        ("XADD s 1 f 1", "1-0"),
        ("XADD s 2 f 2", "2-0"),
        ("XADD s 3 f 3", "3-0"),
        (
            "XREADGROUP GROUP g a COUNT 2 STREAMS s >",
            "[[s [[1-0 [f 1]] [2-0 [f 2]]]]]",
        ),
        (
            "XREADGROUP GROUP g b NOACK STREAMS s >",
            "[[s [[3-0 [f 3]]]]]",
        ),
        ("XPENDING s g", "[2 1-0 2-0 [[a 2]]]"),
        ("XDEL s 1", "1"),
        (
            "XREADGROUP GROUP g a STREAMS s 0",
            "[[s [[1-0 nil] [2-0 [f 2]]]]]",
        ),
        ("XCLAIM s g b 0 1 2 JUSTID", "[2-0]"),
        ("XPENDING s g", "[1 2-0 2-0 [[b 1]]]"),
        ("XCLAIM s g a 0 3", "[]"),
        ("XCLAIM s g a 0 3 FORCE RETRYCOUNT 7", "[[3-0 [f 3]]]"),
        ("XAUTOCLAIM s g b 100000 0", "[0-0 [] []]"),
        ("XACK s g 1 2 3", "2"),
        ("XGROUP DELCONSUMER s g a", "0"),
        (
            "XINFO GROUPS s",
            "[[name g consumers 1 pending 0 last-delivered-id 3-0 entries-read 3 lag 0]]",
        ),
        ("XGROUP SETID s g 2 ENTRIESREAD 2", "OK"),
        (
            "XINFO GROUPS s",
            "[[name g consumers 1 pending 0 last-delivered-id 2-0 entries-read 2 lag 1]]",
        ),
        ("XGROUP DESTROY s g", "1"),
        (
            "XPENDING s g",
            "-NOGROUP No such key 's' or consumer group 'g'",
        ),
    ] {
        assert_eq!(client.text(command), reply, "{command}");
    }
}
