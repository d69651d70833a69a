//! The order in which held-back and blocked commands run, and what a muted or closing client is still sent.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

/// Waits until `count` clients are blocked.
fn wait_for_blocked(admin: &mut Client, count: usize) {
    until("blocked clients", || {
        (admin.info("blocked_clients") == count.to_string()).then_some(())
    });
}

fn replies(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| show(&client.read())).collect()
}

#[test]
fn what_a_pause_held_back_runs_client_by_client() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.text("FLUSHALL");
        let [mut waiting, mut first, mut second] = [(); 3].map(|()| server.client(transport));
        waiting.send(b"BLPOP k 0\r\n");
        wait_for_blocked(&mut admin, 1);
        admin.text("CLIENT PAUSE 1000000 WRITE");
        first.send(b"RPUSH k 1\r\nSET x first\r\nLLEN k\r\n");
        wait_for_blocked(&mut admin, 2);
        second.send(b"LPOP k\r\nGET x\r\nSET x second\r\n");
        wait_for_blocked(&mut admin, 3);
        admin.text("CLIENT UNPAUSE");
        assert_eq!(show(&waiting.read()), "[k 1]", "{transport:?}");
        assert_eq!(replies(&mut first, 3), ["1", "OK", "0"], "{transport:?}");
        assert_eq!(
            replies(&mut second, 3),
            ["nil", "first", "OK"],
            "{transport:?}"
        );
        assert_eq!(admin.text("GET x"), "second", "{transport:?}");
    }
}

/// A client whose held-back command was executed, and that has blocked since, goes on behind a client that was served
/// before it.
#[test]
fn served_clients_go_on_in_the_order_in_which_they_were_served() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.text("FLUSHALL");
        let [mut second, mut first, mut pusher] = [(); 3].map(|()| server.client(transport));
        admin.text("CLIENT PAUSE 1000000 WRITE");
        second.send(b"RPUSH l a\r\nBLPOP moved 0\r\nDEL l\r\n");
        wait_for_blocked(&mut admin, 1);
        first.send(b"BLMOVE k moved LEFT LEFT 0\r\nEXISTS l\r\n");
        wait_for_blocked(&mut admin, 2);
        pusher.send(b"RPUSH k x\r\n");
        wait_for_blocked(&mut admin, 3);
        admin.text("CLIENT UNPAUSE");
        assert_eq!(replies(&mut first, 2), ["x", "1"], "{transport:?}");
        let expected = ["1", "[moved x]", "1"];
        assert_eq!(replies(&mut second, 3), expected, "{transport:?}");
        assert_eq!(replies(&mut pusher, 1), ["1"], "{transport:?}");
    }
}

#[test]
fn a_transaction_may_mute_and_unmute() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client
            .send(b"MULTI\r\nCLIENT REPLY OFF\r\nPING a\r\nCLIENT REPLY ON\r\nPING b\r\nEXEC\r\n");
        assert_eq!(
            replies(&mut client, 5),
            ["OK", "QUEUED", "QUEUED", "QUEUED", "QUEUED"]
        );
        // As in Redis, the array lacks the elements of the commands that were muted.
        client.send(b"PING c\r\nPING d\r\n");
        assert_eq!(show(&client.read()), "[OK b c d]", "{transport:?}");
    }
}

#[test]
fn reset_ends_reply_off_and_is_itself_skipped() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.send(b"CLIENT REPLY OFF\r\nRESET\r\nCLIENT REPLY SKIP\r\nRESET\r\nPING\r\n");
        assert_eq!(replies(&mut client, 2), ["RESET", "PONG"], "{transport:?}");
    }
}

#[test]
fn a_protocol_error_of_a_muted_client_is_not_written() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        for mode in ["OFF", "SKIP"] {
            let mut client = server.client(transport);
            client.send(format!("CLIENT REPLY {mode}\r\n*1\r\n$x\r\n").as_bytes());
            let rest = client.read_to_end();
            assert!(rest.is_empty(), "{transport:?} {mode}: {rest:?}");
        }
    }
}

#[test]
fn a_transaction_that_kills_its_own_client_is_executed_and_answered_no_further() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        admin.text("DEL ran after");
        let id = client.text("CLIENT ID");
        let batch = format!(
            "MULTI\r\nCLIENT KILL ID {id} SKIPME no\r\nSET ran 1\r\nEXEC\r\nSET after 1\r\n"
        );
        client.send(batch.as_bytes());
        assert_eq!(replies(&mut client, 3), ["OK", "QUEUED", "QUEUED"]);
        assert_eq!(client.read_to_end(), b"*2\r\n:1\r\n", "{transport:?}");
        assert_eq!(admin.text("EXISTS ran"), "1", "{transport:?}");
        assert_eq!(admin.text("EXISTS after"), "0", "{transport:?}");
    }
}

#[test]
fn a_transaction_that_deletes_its_own_user_is_executed_and_answered_no_further() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        admin.text("DEL ran");
        admin.text("ACL SETUSER brief on nopass ~* +@all");
        assert_eq!(client.text("AUTH brief x"), "OK");
        client.send(b"MULTI\r\nACL DELUSER brief\r\nSET ran 1\r\nEXEC\r\n");
        assert_eq!(replies(&mut client, 3), ["OK", "QUEUED", "QUEUED"]);
        assert_eq!(client.read_to_end(), b"*2\r\n:1\r\n", "{transport:?}");
        assert_eq!(admin.text("GET ran"), "1", "{transport:?}");
    }
}

#[test]
fn a_result_that_replaces_a_value_serves_no_blocked_client() {
    let server = Server::start(&[]);
    let stores = [
        ("BLPOP k 0", "SORT list STORE k"),
        ("BZPOPMIN k 0", "ZRANGESTORE k zset 0 -1"),
        ("BZPOPMIN k 0", "ZUNIONSTORE k 1 zset"),
        ("BZPOPMIN k 0", "ZDIFFSTORE k 1 zset"),
        (
            "BZPOPMIN k 0",
            "GEOSEARCHSTORE k geo FROMLONLAT 0 0 BYRADIUS 1 km",
        ),
    ];
    for transport in [Transport::Tcp, Transport::Tls] {
        let (mut admin, mut client) = (server.client(transport), server.client(transport));
        for command in [
            "DEL list",
            "RPUSH list 1",
            "ZADD zset 1 a",
            "GEOADD geo 0 0 p",
        ] {
            admin.text(command);
        }
        for (block, store) in stores {
            admin.text("DEL k");
            client.send(format!("{block}\r\n").as_bytes());
            wait_for_blocked(&mut admin, 1);
            admin.text("SET k text");
            assert_eq!(admin.text(store), "1", "{store}");
            assert_eq!(admin.info("blocked_clients"), "1", "{transport:?}: {store}");
            admin.text("DEL k");
            assert_eq!(admin.text(store), "1", "{store}");
            assert!(show(&client.read()).starts_with("[k "), "{store}");
        }
    }
}

#[test]
fn whoever_has_not_authenticated_is_the_default_user_for_client_kill() {
    let server = Server::start(&["--requirepass", "secret"]);
    for transport in Transport::ALL {
        let (mut admin, mut other) = (server.client(transport), server.client(transport));
        assert_eq!(admin.text("AUTH secret"), "OK");
        assert_eq!(other.text("PING"), "-NOAUTH Authentication required.");
        assert_eq!(admin.text("CLIENT KILL USER default"), "1", "{transport:?}");
        assert!(other.read_to_end().is_empty(), "{transport:?}");
    }
}

/// The reply buffer of 16 KB is not counted, so that a small limit leaves the server usable.
#[test]
fn an_output_limit_is_on_what_exceeds_the_reply_buffer() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.call(&[
            "CONFIG",
            "SET",
            "client-output-buffer-limit",
            "normal 10 0 0",
        ]);
        assert_eq!(admin.text("PING"), "PONG", "{transport:?}");
        assert!(admin.text("INFO clients").contains("connected_clients:"));
        admin.call(&[b"SET".as_slice(), b"big", &vec![b'v'; 100_000]]);
        let mut greedy = server.client(transport);
        greedy.send(b"GET big\r\n");
        assert!(greedy.read_to_end().is_empty(), "{transport:?}");
        let soft = "normal 0 0 0";
        admin.call(&["CONFIG", "SET", "client-output-buffer-limit", soft]);
    }
}

#[test]
fn wrong_arguments_of_a_subcommand_name_the_command_as_it_was_sent() {
    let server = Server::start(&["--rename-command", "CLIENT", "xcli"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let cases = [
            ("xcli foo", "-ERR unknown subcommand 'foo'. Try XCLI HELP."),
            (
                "xcli unblock 1 ERROR x",
                "-ERR unknown subcommand or wrong number of arguments for 'unblock'. Try XCLI HELP.",
            ),
            (
                "xcli pause 1 ALL x",
                "-ERR unknown subcommand or wrong number of arguments for 'pause'. Try XCLI HELP.",
            ),
            ("xcli list foo", "-ERR syntax error"),
            (
                "command foo",
                "-ERR unknown subcommand 'foo'. Try COMMAND HELP.",
            ),
        ];
        for (request, expected) in cases {
            assert_eq!(client.text(request), expected, "{transport:?}");
        }
    }
}

/// A browser that a foreign page has made send a request to this server: what is in its body is not executed.
#[test]
fn a_connection_over_which_http_is_spoken_is_closed_at_once() {
    const REQUESTS: [&[u8]; 4] = [
        b"POST / HTTP/1.1\r\nSET stolen 1\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\nSET stolen 1\r\n",
        b"MULTI\r\nhost: x\r\nSET stolen 1\r\nEXEC\r\n",
        b"*1\r\n$4\r\npOsT\r\nSET stolen 1\r\n",
    ];
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        for request in REQUESTS {
            let mut browser = server.client(transport);
            browser.send(request);
            let sent = browser.read_to_end();
            let text = String::from_utf8_lossy(request);
            assert_eq!(sent, b"", "{transport:?}: {text}");
        }
        let mut admin = server.client(transport);
        assert_eq!(admin.text("EXISTS stolen"), "0", "{transport:?}");
    }
    // It would fill the log otherwise.
    let log = server.log();
    let warnings = log.matches("Possible SECURITY ATTACK detected").count();
    assert_eq!(warnings, 1, "{log}");
}

#[test]
fn an_exchanged_database_serves_the_clients_blocked_on_what_it_brings() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.text("FLUSHALL");
        let [mut list, mut string, mut group] = [(); 3].map(|()| server.client(transport));
        list.send(b"BLPOP missing list 0\r\n");
        string.send(b"BLPOP string 0\r\n");
        admin.text("XGROUP CREATE stream g $ MKSTREAM");
        group.send(b"XREADGROUP GROUP g c BLOCK 0 STREAMS stream >\r\n");
        wait_for_blocked(&mut admin, 3);
        admin.text("SELECT 1");
        admin.text("RPUSH list a");
        admin.text("SET string a");
        admin.text("SWAPDB 0 1");
        assert_eq!(show(&list.read()), "[list a]", "{transport:?}");
        let gone = show(&group.read());
        assert!(gone.starts_with("-NOGROUP"), "{transport:?}: {gone}");
        wait_for_blocked(&mut admin, 1);
        admin.text("SWAPDB 0 1");
        admin.text("SELECT 0");
        admin.text("RPUSH string b");
        assert_eq!(show(&string.read()), "[string b]", "{transport:?}");
    }
}
