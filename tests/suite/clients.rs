//! CLIENT, AUTH, and limits on clients.

use tests::client::{Client, Transport, show};
use tests::server::Server;
use tests::wait::until;

#[test]
fn client_subcommands() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, reply) in [
            ("CLIENT SETNAME me", "OK"),
            ("CLIENT GETNAME", "me"),
            ("CLIENT SETINFO lib-name test", "OK"),
            ("CLIENT SETINFO other x", "-ERR Unrecognized option 'other'"),
            ("CLIENT NO-EVICT on", "OK"),
            ("CLIENT NO-TOUCH maybe", "-ERR syntax error"),
            (
                "CLIENT KILL ID 0",
                "-ERR client-id should be greater than 0",
            ),
            ("CLIENT KILL 1.2.3.4:5", "-ERR No such client"),
            ("CLIENT LIST TYPE what", "-ERR Unknown client type 'what'"),
            (
                "CLIENT NOSUCH",
                "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.",
            ),
            (
                "CLIENT",
                "-ERR wrong number of arguments for 'client' command",
            ),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
        let line = client.text("CLIENT INFO");
        for part in [
            "name=me",
            "lib-name=test",
            "flags=",
            "cmd=client|info",
            "resp=2",
        ] {
            assert!(line.contains(part), "{transport:?}: {part} in {line}");
        }
    }
}

#[test]
fn replies_can_be_switched_off() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.send(b"CLIENT REPLY SKIP\r\nSET a 1\r\nCLIENT REPLY OFF\r\nSET a 2\r\nPING\r\nCLIENT REPLY ON\r\nGET a\r\n");
        assert_eq!(show(&client.read()), "OK", "{transport:?}");
        assert_eq!(show(&client.read()), "2", "{transport:?}");
    }
}

#[test]
fn client_kill_closes_others_at_once_and_itself_after_the_reply() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut killer = server.client(Transport::Tcp);
        let mut victim = server.client(transport);
        let number = victim.text("CLIENT ID");
        assert_eq!(killer.text(&format!("CLIENT KILL ID {number}")), "1");
        assert!(victim.read_to_end().is_empty(), "{transport:?}");
        let mut own = server.client(transport);
        let number = own.text("CLIENT ID");
        assert_eq!(
            own.text(&format!("CLIENT KILL ID {number} SKIPME no")),
            "1",
            "{transport:?}"
        );
        assert!(own.try_read().is_none(), "{transport:?}");
    }
}

#[test]
fn input_behind_quit_is_discarded() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        admin.call(&[b"SET".as_slice(), b"big", &vec![b'v'; 1 << 20]]);
        let mut leaving = server.client(transport);
        leaving.cmd("CLIENT SETNAME leaving");
        // More output than the socket buffers hold, QUIT, and input behind it that must be discarded.
        let request = "GET big\r\n".repeat(32) + "QUIT\r\n" + &"PING\r\n".repeat(2000);
        leaving.send(request.as_bytes());
        until("the client to be closing after its output", || {
            let list = admin.text("CLIENT LIST");
            let line = list.lines().find(|line| line.contains("name=leaving"))?;
            (line.contains(" events=w ") && line.contains(" flags=c")).then_some(())
        });
        for _ in 0..32 {
            assert_eq!(
                leaving.read().text().map(<[u8]>::len),
                Some(1 << 20),
                "{transport:?}"
            );
        }
        assert_eq!(show(&leaving.read()), "OK", "{transport:?}");
        assert!(leaving.try_read().is_none(), "{transport:?}");
    }
}

#[test]
fn commands_require_authentication() {
    let server = Server::start(&["--requirepass", "secret"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        for (command, reply) in [
            ("PING", "-NOAUTH Authentication required."),
            (
                "AUTH wrong",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                "AUTH other secret",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            (
                "HELLO 3 AUTH default wrong",
                "-WRONGPASS invalid username-password pair or user is disabled.",
            ),
            ("AUTH default secret", "OK"),
            ("PING", "PONG"),
            ("RESET", "RESET"),
            ("PING", "-NOAUTH Authentication required."),
        ] {
            assert_eq!(client.text(command), reply, "{transport:?} {command}");
        }
    }
}

/// The kernel enlarges a full table of descriptors within `accept`, which stops a process with threads for 10 ms and more.
#[test]
fn the_table_of_descriptors_has_room_for_maxclients() {
    let server = Server::start(&["--maxclients", "2000"]);
    let room = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()));
        let status = status.expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix("FDSize:"));
        line.expect("on every Linux")
            .trim()
            .parse()
            .expect("a number")
    };
    assert!(room() >= 2032, "{}", room());
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("CONFIG SET maxclients 4500"), "OK");
    assert!(room() >= 4532, "{}", room());
}

#[test]
fn connections_above_maxclients_are_refused() {
    let server = Server::start(&["--maxclients", "3"]);
    let mut kept: Vec<_> = (0..3).map(|_| server.client(Transport::Tcp)).collect();
    assert_eq!(kept[2].text("PING"), "PONG");
    let refused = tests::client::send_raw(server.port, b"PING\r\n");
    assert!(
        refused.is_empty() || refused.starts_with(b"-ERR max number of clients reached\r\n"),
        "{}",
        refused.escape_ascii()
    );
    kept.pop();
    until("a free client slot", || {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", server.port)).ok()?;
        std::io::Write::write_all(&mut socket, b"PING\r\n").ok()?;
        let mut byte = [0];
        std::io::Read::read_exact(&mut socket, &mut byte).ok()?;
        (byte[0] == b'+').then_some(())
    });
}

#[test]
fn an_idle_client_is_closed() {
    let server = Server::start(&["--timeout", "1", "--hz", "100"]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        assert_eq!(client.text("PING"), "PONG");
        assert!(client.read_to_end().is_empty(), "{transport:?}");
    }
}

#[test]
fn a_client_that_takes_a_long_reply_is_not_idle() {
    const LEN: usize = 40 << 20;
    let server = Server::start(&["--timeout", "1", "--hz", "100"]);
    for transport in Transport::ALL {
        let mut clock = server.client(transport);
        let mut now = || show(&clock.cmd("TIME"));
        let mut client = server.client(transport);
        assert_eq!(
            client.text(&format!("SETRANGE big {} x", LEN - 1)),
            LEN.to_string()
        );
        client.send(b"GET big\r\n");
        let (mut got, mut chunk) = (0, vec![0; 1 << 20]);
        // A quarter of the reply in each of four seconds.
        for quarter in 1..=4 {
            let before = now();
            while got < quarter * LEN / 4 {
                let len = client.raw().receive(&mut chunk).expect("more of the reply");
                assert!(len > 0, "{transport:?} {quarter} {got}");
                got += len;
            }
            until("another second", || {
                let second = |time: &str| time.split(' ').next().map(str::to_owned);
                (second(&now()) != second(&before)).then_some(())
            });
        }
        let rest = client.read_to_end().len();
        assert_eq!(got + rest, format!("${LEN}\r\n\r\n").len() + LEN);
    }
}

#[test]
fn the_memory_of_a_long_command_is_freed() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.text("FLUSHALL");
        let used =
            |client: &mut Client| -> u64 { client.info("used_memory").parse().expect("a number") };
        let before = used(&mut client);
        let members: Vec<String> = (0..100_000).map(|member| member.to_string()).collect();
        let words = ["SADD".to_owned(), "set".to_owned()]
            .into_iter()
            .chain(members);
        assert_eq!(show(&client.call(&words.collect::<Vec<_>>())), "100000");
        assert_eq!(client.text("UNLINK set"), "1");
        until("memory to be freed", || {
            (used(&mut client) < before + 500_000).then_some(())
        });
    }
}
