//! The CVEs of Redis about users, their rules and patterns.

use std::process::Command;

use tests::client::{Transport, show};

use crate::cve::{assert_alive, start};

#[test]
fn cve_2024_51741_and_31227_incomplete_acl_rules_are_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user default on nopass ~* &* +@all\n").expect("a file");
    let server = start(&["--aclfile", &path.display().to_string()]);
    for rules in [
        "%",
        "%R",
        "%RW",
        "%~",
        "%~x",
        "(",
        ")",
        "(%)",
        "(%R)",
        "(+@all",
        "+@all)",
        "~* (+get (+set))",
        "(~\"a)",
        "on nopass ~a &* +@all %R",
    ] {
        let done = Command::new(tests::binary("redis-server"))
            .args(["--port", "0", "--user", "u"])
            .args(rules.split(' '))
            .output()
            .expect("the program runs");
        assert_eq!(done.status.code(), Some(1), "{rules}");
        for transport in Transport::ALL {
            let mut client = server.client(transport);
            let before = client.text("ACL LIST");
            let reply = client.text(&format!("ACL SETUSER default {rules}"));
            assert!(reply.starts_with("-ERR "), "{rules}: {reply}");
            std::fs::write(&path, format!("user default on {rules}\n")).expect("a file");
            let reply = client.text("ACL LOAD");
            assert!(
                reply.contains("no change to the previously active ACL rules"),
                "{rules}: {reply}"
            );
            assert_eq!(client.text("ACL LIST"), before, "{rules}");
        }
    }
    assert_alive(&server);
}

/// An empty selector is not an error in Redis, whose own suite wants it: it admits nothing.
#[test]
fn cve_2024_31227_an_empty_selector_admits_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("users.acl");
    std::fs::write(&path, "user default on nopass ~* &* +@all\n").expect("a file");
    let server = start(&["--aclfile", &path.display().to_string()]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for selector in ["()", "( )"] {
            client.text("ACL DELUSER u");
            let reply = client.call(&["ACL", "SETUSER", "u", "on", "nopass", selector]);
            assert_eq!(show(&reply), "OK", "{selector}");
            let line =
                "user u on nopass sanitize-payload resetchannels -@all (resetchannels -@all)";
            for step in ["ACL SAVE", "ACL LOAD"] {
                assert!(client.text("ACL LIST").contains(line), "{selector}");
                assert_eq!(client.text(step), "OK");
            }
            assert!(client.text("ACL LIST").contains(line), "{selector}");
            let mut user = server.client(transport);
            assert_eq!(user.text("AUTH u x"), "OK");
            for command in ["GET a", "PING", "PUBLISH a b"] {
                let reply = user.text(command);
                assert!(reply.starts_with("-NOPERM "), "{command}: {reply}");
            }
        }
    }
    assert_alive(&server);
}

/// Names of keys that are found by a count, and patterns that name keys: a user without rights to them.
#[test]
fn cve_2023_41053_and_36824_every_key_is_checked() {
    let server = start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert_eq!(
            client.text("ACL SETUSER u reset on nopass +@all ~own"),
            "OK"
        );
        assert_eq!(client.text("RPUSH other 1"), "1");
        assert_eq!(client.text("AUTH u x"), "OK");
        for line in [
            "SORT_RO other",
            "SORT_RO own BY other*",
            "SORT_RO own GET other",
            "SORT own GET #",
            "SORT own STORE other",
            "ZUNION 2 own other",
            "ZUNIONSTORE other 1 own",
            "SINTERCARD 1 other",
            "LMPOP 1 other LEFT",
            "BITOP AND own own other",
            "XREAD STREAMS own other 0 0",
            "GEORADIUS own 1 1 1 m STORE other",
            "GEORADIUS own 1 1 1 m STORE own STORE other",
            "GEORADIUS own 1 1 1 m STORE other STOREDIST own",
            "COPY own other",
        ] {
            let reply = client.text(line);
            assert!(
                reply.starts_with("-NOPERM") || reply.contains("insufficient ACL"),
                "{line}: {reply}"
            );
        }
        for count in [
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "x",
            "3",
        ] {
            for line in [
                format!("ZUNION {count} own other"),
                format!("ACL DRYRUN u EVAL x {count} own other"),
            ] {
                let reply = client.text(&line);
                assert!(!reply.is_empty(), "{line}");
            }
        }
        assert_eq!(client.text("AUTH default x"), "OK");
        assert_eq!(client.text("DEL other"), "1");
    }
    assert_alive(&server);
}

#[test]
fn cve_2024_31228_and_2022_36021_patterns_cost_polynomial_time() {
    const LEN: usize = 1 << 17;
    let server = start(&[]);
    let mut client = server.client(Transport::Tls);
    let long = "a".repeat(LEN);
    client.call(&["SET", &long, "v"]);
    let mut user = server.client(Transport::Tls);
    for pattern in [
        "*a".repeat(LEN / 2) + "b",
        "[".repeat(LEN),
        "*".repeat(LEN) + "b",
        "a*?".repeat(LEN / 4) + "b",
    ] {
        // Exponential time would be more than the client waits for a reply.
        client.call(&["KEYS", &pattern]);
        client.call(&["SCAN", "0", "MATCH", &pattern]);
        client.call(&["CONFIG", "GET", &pattern]);
        client.call(&["COMMAND", "LIST", "FILTERBY", "PATTERN", &pattern]);
        client.call(&["FUNCTION", "LIST", "LIBRARYNAME", &pattern]);
        let mut subscriber = server.client(Transport::Tls);
        subscriber.call(&["SUBSCRIBE", &long]);
        subscriber.call(&["PSUBSCRIBE", &pattern]);
        client.call(&["PUBSUB", "CHANNELS", &pattern]);
        client.call(&["PUBLISH", &long, "v"]);
        let rule = format!("~{pattern}");
        client.call(&[
            "ACL",
            "SETUSER",
            "u",
            "resetkeys",
            "on",
            "nopass",
            "+get",
            &rule,
        ]);
        user.call(&["AUTH", "u", "x"]);
        user.call(&["GET", &long]);
    }
    assert_alive(&server);
}
