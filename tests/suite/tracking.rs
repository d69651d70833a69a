//! Client-side caching: who is told of which change, and where the message stands among the replies.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

/// A client that speaks RESP3.
fn caching(server: &Server, transport: Transport) -> Client {
    let mut client = server.client(transport);
    client.cmd("HELLO 3");
    client
}

/// Takes what has arrived so far.
fn arrived(client: &mut Client) -> Vec<String> {
    let mut messages = Vec::new();
    client.send(b"PING end\r\n");
    loop {
        match show(&client.read()).as_str() {
            "end" | "[pong end]" => return messages,
            message => messages.push(message.to_owned()),
        }
    }
}

/// Sends commands and takes `count` replies and messages.
fn transcript(client: &mut Client, commands: &[&str], count: usize) -> Vec<String> {
    client.send((commands.join("\r\n") + "\r\n").as_bytes());
    (0..count).map(|_| show(&client.read())).collect()
}

#[test]
fn a_key_that_was_read_is_invalidated_once() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut other = server.client(Transport::Tcp);
        let mut client = caching(&server, transport);
        other.cmd("FLUSHALL");
        for command in ["CLIENT TRACKING ON", "MGET a b", "GET a"] {
            client.cmd(command);
        }
        assert_eq!(client.info("tracking_clients"), "1");
        assert_eq!(client.info("tracking_total_keys"), "2");
        assert!(client.text("CLIENT INFO").contains(" flags=t"));
        other.cmd("SET a 1");
        other.cmd("SET a 2");
        assert_eq!(arrived(&mut client), ["[invalidate [a]]"]);
        // Deletion, expiry, and the lookup of an expired key by the client itself.
        client.cmd("GET a");
        other.cmd("DEL a");
        assert_eq!(arrived(&mut client), ["[invalidate [a]]"]);
        other.cmd("SET a 1 PX 1");
        client.cmd("EXISTS a");
        assert_eq!(show(&client.read()), "[invalidate [a]]");
        client.cmd("GET b");
        other.cmd("FLUSHALL");
        assert_eq!(arrived(&mut client), ["[invalidate nil]"]);
        assert_eq!(client.info("tracking_total_items"), "0");
        client.cmd("GET b");
        client.cmd("CLIENT TRACKING OFF");
        other.cmd("SET b 1");
        assert_eq!(arrived(&mut client), [""; 0]);
        assert_eq!(client.info("tracking_total_keys"), "0");
    }
}

#[test]
fn an_invalidation_by_oneself_follows_the_reply() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = caching(&server, transport);
        client.cmd("FLUSHALL");
        client.cmd("CLIENT TRACKING ON");
        let commands = [
            "GET a", "SET a 1", "GET a", "MULTI", "INCR a", "GET a", "FLUSHDB", "EXEC", "PING",
        ];
        assert_eq!(
            transcript(&mut client, &commands, 12),
            [
                "nil",
                "OK",
                "[invalidate [a]]",
                "1",
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[2 2 OK]",
                "[invalidate [a]]",
                "[invalidate nil]",
                "PONG"
            ]
        );
        client.cmd("CLIENT TRACKING ON NOLOOP");
        assert_eq!(
            transcript(&mut client, &["GET a", "SET a 1", "PING"], 3),
            ["nil", "OK", "PONG"]
        );
    }
}

#[test]
fn a_resp2_client_redirects_to_a_subscriber() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("FLUSHALL");
        let mut listener = server.client(transport);
        let number = listener.text("CLIENT ID");
        listener.cmd("SUBSCRIBE __redis__:invalidate");
        assert_eq!(
            client.text(&format!("CLIENT TRACKING ON REDIRECT {number}")),
            "OK"
        );
        assert_eq!(client.text("CLIENT GETREDIR"), number);
        client.cmd("GET a");
        client.cmd("SET a 1");
        client.cmd("FLUSHALL");
        assert_eq!(
            arrived(&mut listener),
            [
                "[message __redis__:invalidate [a]]",
                "[message __redis__:invalidate nil]"
            ]
        );
        drop(listener);
        client.cmd("GET a");
        until("the redirection to be broken", || {
            client.cmd("GET a");
            client.cmd("SET a 1");
            client
                .text("CLIENT TRACKINGINFO")
                .contains("broken_redirect")
                .then_some(())
        });
        assert!(client.text("CLIENT INFO").contains(" flags=tR"));
        client.cmd("HELLO 3");
        client.cmd("GET a");
        let got = transcript(&mut client, &["SET a 1"], 2);
        assert_eq!(
            got,
            ["OK".to_owned(), format!("[tracking-redir-broken {number}]")]
        );
    }
}

#[test]
fn broadcasting_tells_of_prefixes_once_per_turn() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut other = server.client(Transport::Tcp);
        let mut client = caching(&server, transport);
        let mut quiet = caching(&server, transport);
        assert_eq!(
            client.text("CLIENT TRACKING ON BCAST PREFIX user: PREFIX item:"),
            "OK"
        );
        assert_eq!(quiet.text("CLIENT TRACKING ON BCAST NOLOOP"), "OK");
        assert_eq!(client.info("tracking_total_prefixes"), "3");
        other.send(
            b"SET user:2 a\r\nSET user:1 b\r\nSET user:2 c\r\nSET item:1 d\r\nSET none e\r\n",
        );
        for _ in 0..5 {
            other.read();
        }
        let got = arrived(&mut client);
        assert_eq!(
            got,
            ["[invalidate [item:1]]", "[invalidate [user:1 user:2]]"]
        );
        assert_eq!(
            arrived(&mut quiet),
            ["[invalidate [item:1 none user:1 user:2]]"]
        );
        // NOLOOP leaves out what the client itself has changed last.
        quiet.cmd("SET item:1 x");
        assert_eq!(arrived(&mut quiet), [""; 0]);
        assert_eq!(arrived(&mut client), ["[invalidate [item:1]]"]);
        for refused in [
            "CLIENT TRACKING ON BCAST PREFIX user:1",
            "CLIENT TRACKING ON",
            "CLIENT TRACKING ON BCAST OPTIN",
        ] {
            assert!(client.text(refused).starts_with("-ERR "), "{refused}");
        }
        let info = client.text("CLIENT TRACKINGINFO");
        assert_eq!(info, "{flags=[on bcast] redirect=0 prefixes=[item: user:]}");
        drop(quiet);
        client.cmd("RESET");
        until("prefixes to be forgotten", || {
            (other.info("tracking_total_prefixes") == "0").then_some(())
        });
    }
}

#[test]
fn caching_holds_for_one_command_or_transaction() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = caching(&server, transport);
        client.cmd("FLUSHALL");
        let tracked = |client: &mut Client, mode: &str, commands: &[&str]| {
            client.cmd("CLIENT TRACKING OFF");
            client.cmd("FLUSHALL");
            assert_eq!(client.text(&format!("CLIENT TRACKING ON {mode}")), "OK");
            for command in commands {
                client.cmd(command);
            }
            client.info("tracking_total_keys")
        };
        let cases: [(&str, &[&str], &str); 7] = [
            ("OPTIN", &["GET a"], "0"),
            ("OPTIN", &["CLIENT CACHING YES", "GET a", "GET b"], "1"),
            ("OPTIN", &["CLIENT CACHING YES", "CLIENT ID", "GET a"], "1"),
            (
                "OPTIN",
                &[
                    "CLIENT CACHING YES",
                    "MULTI",
                    "GET a",
                    "GET b",
                    "EXEC",
                    "GET c",
                ],
                "2",
            ),
            ("OPTOUT", &["GET a"], "1"),
            ("OPTOUT", &["CLIENT CACHING NO", "GET a", "GET b"], "1"),
            ("OPTOUT", &["CLIENT CACHING YES", "GET a"], "1"),
        ];
        for (mode, commands, expected) in cases {
            assert_eq!(
                tracked(&mut client, mode, commands),
                expected,
                "{mode} {commands:?}"
            );
        }
    }
}

#[test]
fn the_table_keeps_to_its_limit() {
    let server = Server::start(&["--tracking-table-max-keys", "100", "--hz", "100"]);
    for transport in Transport::ALL {
        let mut client = caching(&server, transport);
        client.cmd("CLIENT TRACKING ON");
        let mut words = vec!["MGET".to_owned()];
        words.extend((0..1000).map(|n| format!("key:{n}")));
        client.call(&words);
        let mut invalidated = 0;
        while invalidated < 900 {
            assert!(show(&client.read()).starts_with("[invalidate [key:"));
            invalidated += 1;
        }
        assert_eq!(arrived(&mut client), [""; 0]);
        assert_eq!(client.info("tracking_total_keys"), "100");
        client.cmd("CLIENT TRACKING OFF");
        client.cmd("FLUSHALL");
    }
}

#[test]
fn client_caching_lasts_until_the_blocked_command_has_been_answered() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut other = server.client(Transport::Tcp);
        let mut client = caching(&server, transport);
        other.cmd("FLUSHALL");
        client.cmd("CLIENT TRACKING ON OPTIN");
        client.cmd("CLIENT CACHING YES");
        client.send(b"XREAD BLOCK 0 STREAMS s $\r\n");
        other.wait_for_blocked(1);
        other.cmd("XADD s 1-1 f v");
        // It was remembered as a reader when it blocked.
        assert_eq!(show(&client.read()), "[invalidate [s]]");
        assert!(show(&client.read()).contains("1-1"));
        other.cmd("XADD s 1-2 f v");
        assert_eq!(arrived(&mut client), ["[invalidate [s]]"]);
        // A command that does not exist uses up the permission.
        client.cmd("CLIENT CACHING YES");
        client.cmd("NOSUCH");
        client.cmd("GET k");
        other.cmd("SET k 1");
        assert_eq!(arrived(&mut client), [""; 0]);
    }
}

#[test]
fn a_flush_is_told_in_the_order_of_connections() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        let (mut older, mut newer) = (caching(&server, transport), caching(&server, transport));
        let (mut gone, number) = (server.client(transport), older.text("CLIENT ID"));
        // The newer one is the first to track, and redirects to the older one, whose own invalidations reach nobody.
        newer.cmd(&format!("CLIENT TRACKING ON REDIRECT {number}"));
        let target = gone.text("CLIENT ID");
        older.cmd(&format!("CLIENT TRACKING ON REDIRECT {target}"));
        admin.cmd(&format!("CLIENT KILL ID {target}"));
        admin.cmd("FLUSHALL");
        let expected = [
            format!("[tracking-redir-broken {target}]"),
            "[invalidate nil]".to_owned(),
        ];
        assert_eq!(arrived(&mut older), expected, "{transport:?}");
    }
}
