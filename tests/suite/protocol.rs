//! Edge cases of the protocol, and slow clients.

use conn::resp::Value;
use tests::client::{Transport, show};
use tests::server::Server;
use tests::wait::until;

#[test]
fn protocol_errors_are_reported_and_close_the_connection() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        for (input, reply) in [
            (
                "*3000000000\r\n",
                "-ERR Protocol error: invalid multibulk length\r\n",
            ),
            (
                "*1\r\nfoo\r\n",
                "-ERR Protocol error: expected '$', got 'f'\r\n",
            ),
            (
                "*1\r\n$-5\r\n",
                "-ERR Protocol error: invalid bulk length\r\n",
            ),
            (
                "PING \"\r\n",
                "-ERR Protocol error: unbalanced quotes in request\r\n",
            ),
        ] {
            let mut client = server.client(transport);
            client.send(input.as_bytes());
            assert_eq!(
                String::from_utf8_lossy(&client.read_to_end()),
                reply,
                "{transport:?} {input:?}"
            );
        }
    }
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("PING"), "PONG");
}

#[test]
fn a_pipeline_split_anywhere_gets_the_same_replies() {
    let server = Server::start(&[]);
    let pipeline = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\na\r\n\r\nPING\r\n\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n*1\r\n$4\r\nPING\r\n";
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for split in 1..pipeline.len() {
            client.send(&pipeline[..split]);
            client.send(&pipeline[split..]);
            let replies: Vec<String> = (0..4).map(|_| show(&client.read())).collect();
            assert_eq!(
                replies,
                ["OK", "PONG", "a\r\n", "PONG"],
                "{transport:?} at {split}"
            );
        }
    }
}

#[test]
fn resp3_types_reach_the_client() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert!(
            matches!(client.cmd("HELLO 3"), Value::Map(_)),
            "{transport:?}"
        );
        assert_eq!(client.cmd("GET nothing"), Value::Null);
        assert_eq!(
            client.cmd("DEBUG PROTOCOL double"),
            Value::Double(b"3.141".to_vec())
        );
        assert_eq!(client.cmd("DEBUG PROTOCOL true"), Value::Bool(true));
        assert!(matches!(client.cmd("DEBUG PROTOCOL set"), Value::Set(_)));
        assert!(matches!(client.cmd("DEBUG PROTOCOL map"), Value::Map(_)));
        assert!(matches!(
            client.cmd("DEBUG PROTOCOL attrib"),
            Value::Attributed(..)
        ));
        assert!(matches!(client.cmd("INFO server"), Value::Verbatim(..)));
        assert_eq!(
            client.text("HELLO 9"),
            "-NOPROTO unsupported protocol version"
        );
        assert_eq!(client.text("RESET"), "RESET");
        assert_eq!(client.text("DEBUG PROTOCOL double"), "3.141");
    }
}

#[test]
fn a_slow_client_gets_all_replies_and_its_output_is_counted() {
    let server = Server::start(&[]);
    let value = vec![b'v'; 1 << 20];
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        admin.call(&[b"SET".as_slice(), b"big", &value]);
        let mut slow = server.client(transport);
        slow.cmd("CLIENT SETNAME slow");
        slow.send("GET big\r\n".repeat(32).as_bytes());
        let line = until("pending output", || {
            let list = admin.text("CLIENT LIST");
            let line = list
                .lines()
                .find(|line| line.contains("name=slow"))?
                .to_owned();
            (field(&line, "oll=")? > 0 && line.contains("events=rw")).then_some(line)
        });
        let total = field(&line, "tot-mem=").expect("a number");
        assert!(total > field(&line, "omem=").expect("a number"), "{line}");
        for _ in 0..32 {
            assert_eq!(
                slow.read().text().map(<[u8]>::len),
                Some(value.len()),
                "{transport:?}"
            );
        }
        assert_eq!(slow.text("PING"), "PONG");
    }
}

/// A number from a line of CLIENT LIST.
fn field(line: &str, name: &str) -> Option<u64> {
    line.split(' ')
        .find_map(|part| part.strip_prefix(name))?
        .parse()
        .ok()
}

#[test]
fn a_client_over_its_output_limit_is_closed() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 3mb 0 0"]);
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        admin.call(&[b"SET".as_slice(), b"big", &vec![b'v'; 1 << 20]]);
        let before = admin.info("client_output_buffer_limit_disconnections");
        let mut slow = server.client(transport);
        slow.try_send("GET big\r\n".repeat(64).as_bytes());
        until("the disconnection of the client", || {
            (admin.info("client_output_buffer_limit_disconnections") != before).then_some(())
        });
        assert!(slow.read_to_end().len() < 64 << 20, "{transport:?}");
    }
}

#[test]
fn commands_sent_before_a_half_close_are_answered() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        // The end may arrive with the commands or after them.
        for round in 0..20 {
            let mut client = server.client(transport);
            client.send(b"SET half 1\r\nGET half\r\n");
            client.raw().finish_sending();
            let all = client.read_to_end();
            assert_eq!(
                all.escape_ascii().to_string(),
                "+OK\\r\\n$1\\r\\n1\\r\\n",
                "{transport:?} {round}"
            );
        }
    }
}

/// With `timeout 0` such clients stayed for ever, each with megabytes of output.
#[test]
fn a_client_that_has_left_and_takes_no_replies_is_closed() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    admin.call(&["SET", "big", &"x".repeat(3_000_000)]);
    let clients = Transport::ALL.map(|transport| {
        let mut client = server.client(transport);
        client.send(&b"GET big\r\n".repeat(3));
        client.raw().finish_sending();
        client
    });
    until("only the admin is left", || {
        (admin.info("connected_clients") == "1").then_some(())
    });
    drop(clients);
}

#[test]
fn the_buffer_of_an_incomplete_big_argument_is_shrunk() {
    let server = Server::start(&["--hz", "100"]);
    let mut admin = server.client(Transport::Tcp);
    let mut client = server.client(Transport::Tls);
    client.cmd("CLIENT SETNAME fat");
    client.send(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$10000000\r\n");
    let qbuf = |admin: &mut tests::client::Client| {
        let list = admin.text("CLIENT LIST");
        let line = list
            .lines()
            .find(|line| line.contains("name=fat"))
            .map(str::to_owned)
            .expect("connected");
        field(&line, "qbuf=").unwrap_or(0) + field(&line, "qbuf-free=").unwrap_or(0)
    };
    until("the query buffer to be allocated", || {
        (qbuf(&mut admin) >= 10_000_000).then_some(())
    });
    until("cron to shrink the query buffer", || {
        (qbuf(&mut admin) < 100_000).then_some(())
    });
    client.send(&vec![b'x'; 10_000_000]);
    client.send(b"\r\n");
    assert_eq!(show(&client.read()), "OK");
    assert_eq!(client.text("STRLEN k"), "10000000");
}

/// Recorded replies of Redis 7.2.6.
#[test]
fn odd_requests_are_answered_as_redis_answers_them() {
    let server = Server::start(&[]);
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut client = server.client(transport);
        client.text("FLUSHALL");
        for (command, reply) in [
            ("ZADD z 1 b 2 Palermo 3 Catania", "3"),
            // Members of different scores are in no order; Redis looks at the last one first.
            ("ZLEXCOUNT z [b [b", "0"),
            ("ZREMRANGEBYLEX z [b [b", "0"),
            ("ZRANGE z [b [b BYLEX", "[]"),
            ("ZINCRBY z LT 1", "-ERR syntax error"),
            ("ZINCRBY z 1 b", "2"),
            ("BZMPOP none 1 z FOO", "-ERR syntax error"),
            (
                "BZMPOP none 1 z MIN",
                "-ERR timeout is not a float or out of range",
            ),
            ("PFADD h a", "1"),
            ("RENAME h i", "OK"),
            ("OBJECT ENCODING i", "raw"),
            ("COPY i j", "1"),
            ("OBJECT ENCODING j", "raw"),
            (
                "COMMAND GETKEYS config cluster",
                "-ERR Invalid command specified",
            ),
            (
                "COMMAND GETKEYS config",
                "-ERR The command has no key arguments",
            ),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
        let line = client.call(&["EXPIRE", "z", "4", "a\nb\r\n"]);
        assert_eq!(show(&line), "-ERR Unsupported option a b");
        client.text("HELLO 3");
        let names = client.call(&["COMMAND", "LIST"]);
        assert!(matches!(names, Value::Array(_)), "{transport:?}");
    }
}
