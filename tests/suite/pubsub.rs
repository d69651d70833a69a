//! Pub/Sub: subscriptions, messages, and what becomes of them when clients leave or do not read.

use conn::resp::Value;
use tests::client::{Client, Transport, encoded, show};
use tests::pair;
use tests::server::Server;
use tests::wait::until;

/// Executes commands and compares the replies.
fn check(client: &mut Client, table: &[(&str, &str)]) {
    for (command, reply) in table {
        assert_eq!(client.text(command), *reply, "{command}");
    }
}

/// Sends a command and reads `count` replies and messages.
fn transcript(client: &mut Client, commands: &str, count: usize) -> Vec<String> {
    client.send(commands.replace('|', "\r\n").as_bytes());
    client.send(b"\r\n");
    (0..count).map(|_| show(&client.read())).collect()
}

fn wait_for(client: &mut Client, command: &str, reply: &str) {
    until(command, || (client.text(command) == reply).then_some(()));
}

#[test]
fn subscribers_get_the_messages_of_their_channels_and_patterns() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut sender = server.client(Transport::Tcp);
        let mut receiver = server.client(transport);
        assert_eq!(
            transcript(
                &mut receiver,
                "SUBSCRIBE a b a|PSUBSCRIBE n*.x *|SSUBSCRIBE a",
                6
            ),
            [
                "[subscribe a 1]",
                "[subscribe b 2]",
                "[subscribe a 2]",
                "[psubscribe n*.x 3]",
                "[psubscribe * 4]",
                "[ssubscribe a 1]"
            ]
        );
        check(
            &mut sender,
            &[
                ("PUBLISH a one", "2"),
                ("PUBLISH news.x two", "2"),
                ("SPUBLISH a three", "1"),
                ("SPUBLISH b none", "0"),
                ("PUBSUB NUMSUB a b c", "[a 1 b 1 c 0]"),
                ("PUBSUB NUMPAT", "2"),
                ("PUBSUB CHANNELS a*", "[a]"),
                ("PUBSUB SHARDCHANNELS", "[a]"),
                ("PUBSUB SHARDNUMSUB a x", "[a 1 x 0]"),
                (
                    "PUBSUB CHANNELS a b",
                    "-ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
                ),
            ],
        );
        let mut messages: Vec<String> = (0..5).map(|_| show(&receiver.read())).collect();
        // The order of the patterns is not defined.
        messages[1..4].sort();
        assert_eq!(
            messages,
            [
                "[message a one]",
                "[pmessage * a one]",
                "[pmessage * news.x two]",
                "[pmessage n*.x news.x two]",
                "[smessage a three]"
            ]
        );
        assert_eq!(
            transcript(
                &mut receiver,
                "UNSUBSCRIBE b c|PUNSUBSCRIBE|UNSUBSCRIBE|UNSUBSCRIBE|SUNSUBSCRIBE",
                7
            )[..2],
            ["[unsubscribe b 3]", "[unsubscribe c 3]"]
        );
        assert_eq!(
            transcript(&mut receiver, "PING|SUNSUBSCRIBE", 2),
            ["PONG", "[sunsubscribe nil 0]"]
        );
        assert_eq!(sender.text("PUBLISH a none"), "0");
    }
}

#[test]
fn a_resp2_subscriber_may_only_do_what_concerns_its_subscriptions() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        let refused = |name: &str| {
            format!(
                "-ERR Can't execute '{name}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed \
                 in this context"
            )
        };
        check(
            &mut client,
            &[
                ("PING", "PONG"),
                ("SSUBSCRIBE c", "[ssubscribe c 1]"),
                ("PING", "[pong ]"),
                ("PING text", "[pong text]"),
                (
                    "PING too many",
                    "-ERR wrong number of arguments for 'ping' command",
                ),
                ("GET key", &refused("get")),
                ("CLIENT INFO", &refused("client|info")),
                ("HELLO 3", &refused("hello")),
                ("RESET", "RESET"),
                ("PING", "PONG"),
                ("MULTI", "OK"),
                ("SUBSCRIBE c", "QUEUED"),
                ("PING text", "QUEUED"),
            ],
        );
        // The confirmation and the form of PING in the array that EXEC returns.
        assert_eq!(client.text("EXEC"), "[[subscribe c 1] [pong text]]");
        assert_eq!(
            client.text("EXEC"),
            refused("exec").replace("-ERR", "-EXECABORT Transaction discarded because of:")
        );
        assert_eq!(client.text("QUIT"), "OK");
        assert!(client.try_read().is_none());
    }
}

#[test]
fn a_message_to_oneself_follows_the_reply() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.cmd("HELLO 3");
        let commands = "SUBSCRIBE c|PUBLISH c 1|PING|MULTI|PUBLISH c 2|UNSUBSCRIBE c|SSUBSCRIBE s|PUBLISH c 3|EXEC|PING";
        assert_eq!(
            transcript(&mut client, commands, 12),
            [
                "[subscribe c 1]",
                "1",
                "[message c 1]",
                "PONG",
                "OK",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "QUEUED",
                "[1 [unsubscribe c 0] -ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client 0]",
                "[message c 2]",
                "PONG"
            ]
        );
        assert!(matches!(client.cmd("SUBSCRIBE c"), Value::Push(_)));
        assert_eq!(transcript(&mut client, "GET x|PING", 2), ["nil", "PONG"]);
    }
}

#[test]
fn client_reply_silences_no_message() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut sender = server.client(Transport::Tcp);
        let mut client = server.client(transport);
        client.cmd("HELLO 3");
        client.send(b"CLIENT REPLY OFF\r\nSET k v\r\nSUBSCRIBE c\r\nGET k\r\n");
        assert_eq!(show(&client.read()), "[subscribe c 1]");
        assert_eq!(sender.text("PUBLISH c text"), "1");
        assert_eq!(show(&client.read()), "[message c text]");
        client.send(b"PUBLISH c own\r\nUNSUBSCRIBE\r\nCLIENT REPLY ON\r\n");
        for expected in ["[message c own]", "[unsubscribe c 0]", "OK"] {
            assert_eq!(show(&client.read()), expected);
        }
    }
}

#[test]
fn whoever_leaves_is_subscribed_to_nothing() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    for transport in Transport::ALL {
        for leave in ["RESET", "QUIT", "close", "kill"] {
            let mut client = server.client(transport);
            client.text("CLIENT SETNAME leaving");
            transcript(&mut client, "SUBSCRIBE a b|PSUBSCRIBE p*|SSUBSCRIBE s", 4);
            let list = admin.text("CLIENT LIST TYPE pubsub");
            assert!(list.contains("name=leaving"), "{list}");
            assert!(list.contains(" flags=P"), "{list}");
            assert!(list.contains(" sub=2 psub=1 ssub=1 "), "{list}");
            let fields = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"];
            assert_eq!(fields.map(|field| admin.info(field)), ["2", "1", "1"]);
            match leave {
                "kill" => assert_eq!(admin.text("CLIENT KILL TYPE pubsub"), "1"),
                "close" => drop(client),
                command => {
                    client.text(command);
                }
            }
            wait_for(&mut admin, "PUBSUB NUMSUB a b", "[a 0 b 0]");
            assert_eq!(fields.map(|field| admin.info(field)), ["0", "0", "0"]);
        }
    }
}

#[test]
fn messages_reach_the_subscribers_of_a_replica() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let (primary, mut sender) = pair::start(transport, &[]);
        let (replica, mut admin) = pair::start(transport, &[]);
        pair::follow(&mut admin, pair::port(&primary, transport));
        pair::wait_for_link(&mut admin);
        let mut receiver = replica.client(transport);
        transcript(&mut receiver, "SUBSCRIBE c|SSUBSCRIBE s", 2);
        // The primary has no subscriber itself.
        check(
            &mut sender,
            &[("PUBLISH c text", "0"), ("SPUBLISH s text", "0")],
        );
        assert_eq!(show(&receiver.read()), "[message c text]");
        assert_eq!(show(&receiver.read()), "[smessage s text]");
        // A message that is sent to the replica stays there.
        assert_eq!(admin.text("PUBLISH c own"), "1");
        assert_eq!(show(&receiver.read()), "[message c own]");
    }
}

#[test]
fn a_slow_subscriber_is_closed_at_its_limit() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut sender = server.client(Transport::Tcp);
        sender.call(&[
            "CONFIG",
            "SET",
            "client-output-buffer-limit",
            "pubsub 1mb 0 0",
        ]);
        let (mut slow, mut other) = (server.client(transport), server.client(transport));
        slow.cmd("SUBSCRIBE c");
        other.cmd("SUBSCRIBE c");
        let text = "x".repeat(100_000);
        let mut sent = 0;
        // Both count as receivers until the slow one is closed; the other one keeps reading.
        while show(&sender.call(&["PUBLISH", "c", &text])) == "2" {
            assert_eq!(show(&other.read()), format!("[message c {text}]"));
            sent += 1;
            assert!(
                sent < 1000,
                "{transport:?}: the slow subscriber is not closed"
            );
        }
        assert_eq!(show(&other.read()), format!("[message c {text}]"));
        assert_eq!(sender.text("PUBLISH c end"), "1");
        assert_eq!(show(&other.read()), "[message c end]");
        drop(other);
        wait_for(&mut sender, "PUBSUB NUMSUB c", "[c 0]");
    }
}

#[test]
fn a_message_is_held_once_for_all_who_do_not_read_it() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut sender = server.client(Transport::Tcp);
        let mut receivers: Vec<Client> = (0..40).map(|_| server.client(transport)).collect();
        for receiver in &mut receivers {
            receiver.cmd("SUBSCRIBE c");
        }
        let used =
            |client: &mut Client| -> u64 { client.info("used_memory").parse().expect("a number") };
        let before = used(&mut sender);
        let text = "x".repeat(4 << 20);
        for _ in 0..3 {
            assert_eq!(show(&sender.call(&["PUBLISH", "c", &text])), "40");
        }
        let grown = used(&mut sender).saturating_sub(before);
        assert!(grown < 100 << 20, "{transport:?}: {grown} bytes for 12 MiB");
        for receiver in &mut receivers {
            for _ in 0..3 {
                assert_eq!(
                    receiver
                        .read()
                        .elements()
                        .map(|parts| parts[2].text().map(<[u8]>::len)),
                    Some(Some(4 << 20))
                );
            }
        }
    }
}

#[test]
fn messages_during_a_long_command_of_the_receiver_follow_its_reply() {
    let server = Server::start(&[
        "--loading-process-events-interval-bytes",
        "1024",
        "--key-load-delay",
        "300",
    ]);
    for transport in Transport::ALL {
        let mut sender = server.client(Transport::Tcp);
        sender.text("DEBUG POPULATE 4000 key 100");
        let mut receiver = server.client(transport);
        receiver.cmd("HELLO 3");
        receiver.cmd("SUBSCRIBE c");
        receiver.send(b"ECHO before\r\nDEBUG RELOAD\r\nECHO after\r\n");
        let text = "x".repeat(200_000);
        let (mut sent, mut during, mut heard, mut replies) = (0, 0, 0, Vec::new());
        let is_loading = |sender: &mut Client| sender.text("PING").starts_with("-LOADING");
        until("the command to run", || {
            is_loading(&mut sender).then_some(())
        });
        while sent < 40 {
            sender.call(&["PUBLISH", "c", &text]);
            sent += 1;
            let is_early = receiver.has_input();
            if during + 1 == sent && is_loading(&mut sender) {
                during = sent;
                assert!(
                    !is_early,
                    "{transport:?}: a message was sent before the reply"
                );
            }
        }
        assert!(during > 0, "the command has ended too soon");
        while replies.len() < 3 || heard < sent {
            match receiver.read() {
                Value::Push(parts) => {
                    assert_eq!(parts[2].text(), Some(text.as_bytes()));
                    if heard < during {
                        assert_eq!(replies, ["before", "OK"], "{transport:?}");
                    }
                    heard += 1;
                }
                reply => replies.push(show(&reply)),
            }
        }
        assert_eq!(replies, ["before", "OK", "after"], "{transport:?}");
    }
}

#[test]
fn many_channels_and_many_subscribers_leave_quickly() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        let mut client = server.client(transport);
        for command in ["SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"] {
            let mut words = vec![command.to_owned()];
            words.extend((0..60_000).map(|n| format!("*{n}*")));
            client.send(&encoded(&words));
        }
        for _ in 0..180_000 {
            client.read();
        }
        // A pattern for which backtracking would take exponential time.
        let stars = "a*".repeat(500) + "b";
        client.call(&["PSUBSCRIBE", &stars]);
        let text = "a".repeat(100_000);
        assert_eq!(show(&admin.call(&["PUBLISH", &text, "m"])), "0");
        client.call(&["PUNSUBSCRIBE", &stars]);
        // Nine numbers are part of this one.
        assert_eq!(admin.text("PUBLISH 59999 m"), "9", "{transport:?}");
        assert_eq!(admin.text("PUBLISH *59999* m"), "10", "{transport:?}");
        for _ in 0..19 {
            client.read();
        }
        for command in ["UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"] {
            let commands: Vec<u8> = (0..30_000)
                .flat_map(|n| encoded(&[command.to_owned(), format!("*{n}*")]))
                .collect();
            client.send(&commands);
        }
        drop(client);
        wait_for(&mut admin, "PUBSUB NUMPAT", "0");
        let fields = ["pubsub_channels", "pubsub_patterns", "pubsubshard_channels"];
        assert_eq!(fields.map(|field| admin.info(field)), ["0", "0", "0"]);
    }
}
