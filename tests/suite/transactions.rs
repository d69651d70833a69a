//! MULTI, EXEC, DISCARD and WATCH.

use tests::client::{Client, Transport, show};
use tests::server::Server;

/// Executes commands and compares the replies.
fn check(client: &mut Client, table: &[(&str, &str)]) {
    for (command, reply) in table {
        assert_eq!(client.text(command), *reply, "{command}");
    }
}

#[test]
fn queued_commands_are_executed_together() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        check(
            &mut client,
            &[
                ("FLUSHALL", "OK"),
                ("EXEC", "-ERR EXEC without MULTI"),
                ("DISCARD", "-ERR DISCARD without MULTI"),
                ("MULTI", "OK"),
                ("MULTI", "-ERR MULTI calls can not be nested"),
                ("WATCH a", "-ERR WATCH inside MULTI is not allowed"),
                ("SET a 1", "QUEUED"),
                ("INCR a", "QUEUED"),
                ("INCRBY a x", "QUEUED"),
                ("SELECT 1", "QUEUED"),
                ("GET a", "QUEUED"),
                ("SELECT 0", "QUEUED"),
                (
                    "EXEC",
                    "[OK 2 -ERR value is not an integer or out of range OK nil OK]",
                ),
                ("MULTI", "OK"),
                ("SET a 5", "QUEUED"),
                ("DISCARD", "OK"),
                ("GET a", "2"),
            ],
        );
    }
}

#[test]
fn a_refused_command_aborts_the_transaction() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let lost = "-EXECABORT Transaction discarded because of previous errors.";
        check(
            &mut client,
            &[
                ("FLUSHALL", "OK"),
                ("MULTI", "OK"),
                ("GET", "-ERR wrong number of arguments for 'get' command"),
                ("SET a 1", "QUEUED"),
                ("EXEC", lost),
                ("EXISTS a", "0"),
                ("MULTI", "OK"),
                ("SHUTDOWN", "-ERR Command not allowed inside a transaction"),
                ("EXEC", lost),
                ("MULTI", "OK"),
                (
                    "EXEC x",
                    "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' command",
                ),
                ("EXEC", "-ERR EXEC without MULTI"),
                ("MULTI", "OK"),
                ("RESET", "RESET"),
                ("EXEC", "-ERR EXEC without MULTI"),
            ],
        );
    }
}

/// A state, a change, and whether the change fails a transaction that watches `k`.
const CHANGES: &[(&str, &str, bool)] = &[
    ("", "", false),
    ("", "SET k 1", true),
    ("", "SET other 1", false),
    ("SET k 1", "GET k", false),
    ("SET k 1", "DEL k", true),
    ("SET k 1", "EXPIRE k 100", true),
    ("SET k 1", "FLUSHALL", true),
    ("", "FLUSHALL", false),
    ("SET k 1", "SWAPDB 0 1", true),
    ("", "SWAPDB 0 1", false),
    ("SET k 1", "RENAME k other", true),
    ("SET k 1", "MOVE k 1", true),
    ("SET other 1", "COPY other k", true),
];

#[test]
fn a_change_of_a_watched_key_fails_the_transaction() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut one = server.client(transport);
        let mut other = server.client(transport);
        for (before, change, fails) in CHANGES {
            one.text("FLUSHALL");
            for command in [*before].iter().filter(|command| !command.is_empty()) {
                one.text(command);
            }
            one.text("WATCH k");
            if !change.is_empty() {
                other.text(change);
            }
            one.text("MULTI");
            one.text("PING");
            let expected = if *fails { "nil" } else { "[PONG]" };
            assert_eq!(one.text("EXEC"), expected, "{before}, {change}");
            // EXEC has ended the watch.
            other.text("SET k 2");
            check(
                &mut one,
                &[("MULTI", "OK"), ("PING", "QUEUED"), ("EXEC", "[PONG]")],
            );
        }
        check(
            &mut one,
            &[
                ("WATCH k", "OK"),
                ("SET k 3", "OK"),
                ("UNWATCH", "OK"),
                ("MULTI", "OK"),
                ("EXEC", "[]"),
            ],
        );
    }
}

#[test]
fn a_watched_key_that_expires_counts_as_changed() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    // All in one write, so that nothing runs between SET and WATCH.
    client.send(
        b"DEBUG SET-ACTIVE-EXPIRE 0\r\nSET k 1 PX 20\r\nWATCH k\r\nDEBUG SLEEP 0.05\r\nMULTI\r\nPING\r\nEXEC\r\n",
    );
    for reply in ["OK", "OK", "OK", "OK", "OK", "QUEUED", "nil"] {
        assert_eq!(show(&client.read()), reply);
    }
    client.send(b"SET k 1 PX 1\r\nDEBUG SLEEP 0.02\r\nWATCH k\r\nGET k\r\nMULTI\r\nEXEC\r\n");
    for reply in ["OK", "OK", "OK", "nil", "OK", "[]"] {
        assert_eq!(show(&client.read()), reply);
    }
}

/// Queued commands are checked again by EXEC: the server may have become a replica without a primary.
#[test]
fn exec_checks_queued_commands_again() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&["--replica-serve-stale-data", "no"]);
        let (mut client, mut other) = (server.client(transport), server.client(transport));
        client.text("MULTI");
        client.text("GET a");
        let port = tests::server::free_port();
        other.text(&format!("REPLICAOF 127.0.0.1 {port}"));
        let reply = client.text("EXEC");
        assert!(reply.starts_with("-EXECABORT"), "{reply}");
        assert!(reply.contains("MASTERDOWN"), "{reply}");
        other.text("REPLICAOF NO ONE");
        assert_eq!(client.text("GET a"), "nil");
    }
}

/// A pause that begins within a transaction must not make an expired key visible to the commands after it.
#[test]
fn an_expired_key_stays_invisible_during_a_pause() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&[]);
        let mut client = server.client(transport);
        for command in [
            "DEBUG SET-ACTIVE-EXPIRE 0",
            "SET from kept",
            "SET to brief PX 1",
            "DEBUG SLEEP 0.003",
            "MULTI",
            "CLIENT PAUSE 100000 WRITE",
            "RENAME from to",
        ] {
            client.text(command);
        }
        assert_eq!(client.text("EXEC"), "[OK OK]");
        assert_eq!(client.text("GET to"), "kept");
    }
}

#[test]
fn populated_keys_are_changed_keys() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        admin.text("FLUSHALL");
        assert_eq!(client.text("WATCH key:0"), "OK");
        assert_eq!(admin.text("DEBUG POPULATE 1"), "OK");
        assert_eq!(client.text("MULTI"), "OK");
        assert_eq!(client.text("PING"), "QUEUED");
        assert_eq!(client.text("EXEC"), "nil", "{transport:?}");
    }
}
