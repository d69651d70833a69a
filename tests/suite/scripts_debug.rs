//! The debugger of scripts: replies as those of Redis, sessions in children and in the server itself, and how they end.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};

use conn::blocking::Failure;
use conn::resp::Value;
use nix::sys::signal::Signal;
use tests::client::{Client, Transport, show};
use tests::record;
use tests::server::Server;
use tests::wait::until;

const RECORD: &str = "tests/corpus/scripts/debug.txt";
const FIRST: &str = "[* Stopped at 1, stop reason = step over -> 1   ";
const END: &str = "<endsession>]";

/// A reply as a line of the record; addresses of functions differ.
fn told(reply: &Value) -> String {
    let reply = record::describe(reply);
    let mut parts = reply.split("@0x");
    let mut line = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        line.push_str("@0x…");
        line.push_str(part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()));
    }
    line
}

#[test]
fn debuggers_reply_as_recorded() {
    record::compare(RECORD, |connect| {
        let mut client = connect();
        Box::new(move |line| {
            let mut replies = Vec::new();
            match line.split_at(line.len().min(2)) {
                ("=", _) => client = connect(),
                ("> ", command) => {
                    replies.push(told(&client.call(&record::arguments(command))));
                }
                ("! ", bytes) => {
                    client.send(&record::arguments(bytes)[0]);
                    replies.push(told(&client.read()));
                }
                (".", _) => {
                    while let Some(reply) = client.try_read() {
                        replies.push(told(&reply));
                    }
                }
                _ => {}
            }
            replies
        })
    });
}

/// A client whose script has stopped at its first line.
fn debugging(server: &Server, transport: Transport, mode: &str, script: &str) -> Client {
    let mut client = server.client(transport);
    assert_eq!(client.text(&format!("SCRIPT DEBUG {mode}")), "OK");
    let stopped = show(&client.call(&["EVAL", script, "0"]));
    assert!(stopped.starts_with(FIRST), "{stopped}");
    client
}

/// The children of a server, those included that have ended and were not reaped.
fn children(server: &Server) -> usize {
    let pid = server.pid();
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(path).expect("the server runs");
    text.split_whitespace().count()
}

fn wait_for_children(server: &Server, count: usize) {
    until("children to begin or end", || {
        (children(server) == count).then_some(())
    });
}

#[test]
fn a_forked_session_leaves_server_and_data_alone() {
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let mut other = server.client(transport);
        other.text("SET k before");
        let script = "redis.call('flushall','async') redis.call('set','k','in')\nreturn redis.call('get','k')";
        let mut first = debugging(&server, transport, "YES", script);
        let mut second = debugging(&server, transport, "YES", script);
        wait_for_children(&server, 2);
        assert_eq!(other.text("GET k"), "before");
        // The client belongs to the child; a snapshot is not held up by it.
        assert_eq!(other.info("connected_clients"), "1");
        assert_eq!(other.text("BGSAVE"), "Background saving started");
        for client in [&mut first, &mut second] {
            let stepped = client.text("step");
            assert!(stepped.contains("<redis> set k in"), "{stepped}");
            assert_eq!(client.text("continue"), format!("[{END}"));
            assert_eq!(show(&client.read()), "in");
            // Over TLS the child says that nothing follows, and the parent has said nothing.
            let end = client.raw().read();
            assert!(
                matches!(end, Err(Failure::Closed)),
                "{transport:?}: {end:?}"
            );
        }
        assert_eq!(other.text("GET k"), "before");
        wait_for_children(&server, 0);
        assert_eq!(other.info("total_forks"), "3");
        let log = server.log();
        assert!(log.contains("Redis forked for debugging eval"), "{log}");
        assert!(log.contains("Lua debugging session child exiting"), "{log}");
    }
}

#[test]
fn a_session_in_the_server_keeps_changes() {
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let mut other = server.client(transport);
        let mut client = debugging(
            &server,
            transport,
            "SYNC",
            "redis.call('set','k',1)\nerror('x')",
        );
        client.text("s");
        assert_eq!(client.text("a"), format!("[{END}"));
        let reply = show(&client.read());
        assert!(
            reply.starts_with("-ERR script aborted for user request script: "),
            "{reply}"
        );
        assert!(client.try_read().is_none());
        assert_eq!(other.text("GET k"), "1");
        let log = server.log();
        assert!(
            log.contains("Redis synchronous debugging eval session started"),
            "{log}"
        );
        assert!(
            log.contains("Redis synchronous debugging eval session ended"),
            "{log}"
        );
        assert_eq!(children(&server), 0);
    }
}

#[test]
fn replies_of_a_pipeline_follow_the_session() {
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let mut client = server.client(transport);
        client.send(b"PING\r\nSCRIPT DEBUG YES\r\n");
        assert_eq!(show(&client.read()), "PONG");
        let refused = show(&client.read());
        assert_eq!(
            refused,
            "-ERR SCRIPT DEBUG must be called outside a pipeline"
        );
        assert_eq!(client.text("SCRIPT DEBUG YES"), "OK");
        client.send(b"ECHO one\r\nEVAL \"return 'two'\" 0\r\n");
        assert!(show(&client.read()).starts_with(FIRST));
        assert_eq!(client.text("c"), format!("[{END}"));
        assert_eq!(show(&client.read()), "one");
        assert_eq!(show(&client.read()), "two");
        assert!(client.try_read().is_none());
    }
}

const ENDLESS: &str = "while true do pcall(function() while true do end end) end";

#[test]
fn an_endless_script_stops_and_ends_with_its_client() {
    for transport in Transport::ALL {
        for mode in ["YES", "SYNC"] {
            let server = Server::start(&["--busy-reply-threshold", "30"]);
            let mut client = debugging(&server, transport, mode, ENDLESS);
            for _ in 0..2 {
                let stopped = client.text("c");
                assert!(
                    stopped.contains("stop reason = timeout reached, infinite loop?"),
                    "{stopped}"
                );
            }
            assert_eq!(client.text("e 1 + 1"), "[<retval> 2]");
            drop(client);
            wait_for_children(&server, 0);
            assert_eq!(server.client(transport).text("PING"), "PONG");
        }
    }
}

#[test]
fn code_without_end_ends_with_its_client() {
    let server = Server::start(&[]);
    let clients: Vec<Client> = Transport::ALL
        .map(|transport| {
            let mut client = debugging(&server, transport, "YES", "return 1");
            client.send(b"*2\r\n$1\r\ne\r\n$17\r\nwhile true do end\r\n");
            client
        })
        .into();
    wait_for_children(&server, clients.len());
    drop(clients);
    wait_for_children(&server, 0);
}

#[test]
fn a_client_that_sends_nothing_more_gets_the_reply() {
    let server = Server::start(&[]);
    for mode in ["YES", "SYNC"] {
        let script = "redis.breakpoint()\\nreturn 4";
        let mut socket = TcpStream::connect(("127.0.0.1", server.port)).expect("it listens");
        let mut received = String::new();
        let mut line = [0; 5];
        socket
            .write_all(format!("SCRIPT DEBUG {mode}\r\n").as_bytes())
            .and_then(|()| socket.read_exact(&mut line))
            .and_then(|()| socket.write_all(format!("EVAL \"{script}\" 0\r\n").as_bytes()))
            .and_then(|()| socket.shutdown(Shutdown::Write))
            .and_then(|()| socket.read_to_string(&mut received).map(|_| ()))
            .expect("the server answers");
        assert!(received.ends_with("+<endsession>\r\n:4\r\n"), "{received}");
    }
}

#[test]
fn a_script_goes_on_without_its_client() {
    for transport in Transport::ALL {
        let server = Server::start(&[]);
        let script = "redis.call('incr','k')\nredis.breakpoint()\nredis.call('incr','k')\nreturn 1";
        drop(debugging(&server, transport, "SYNC", script));
        let mut other = server.client(transport);
        assert_eq!(other.text("GET k"), "2");
        drop(debugging(&server, transport, "YES", script));
        wait_for_children(&server, 0);
        assert_eq!(other.text("GET k"), "2");
    }
}

#[test]
fn the_end_of_the_server_ends_sessions() {
    for transport in Transport::ALL {
        let mut server = Server::start(&[]);
        let mut client = debugging(&server, transport, "YES", "return 1");
        server.client(transport).send(b"SHUTDOWN NOSAVE\r\n");
        assert_eq!(server.wait_for_exit(), Some(0));
        server.wait_for_log(&["Killing debugging session "]);
        assert!(client.try_read().is_none());
        // A signal ends the wait for the client.
        let mut server = Server::start(&[]);
        let mut client = debugging(&server, transport, "SYNC", "return 1");
        server.signal(Signal::SIGTERM);
        assert_eq!(server.wait_for_exit(), Some(0));
        assert_eq!(show(&client.read()), format!("[{END}"));
    }
}

#[test]
fn a_client_that_receives_nothing_holds_the_server_for_seconds_only() {
    std::thread::scope(|threads| {
        for transport in Transport::ALL {
            threads.spawn(move || {
                let server = Server::start(&[]);
                let mut client = debugging(&server, transport, "SYNC", "return 1");
                assert_eq!(client.text("m 0"), "[<value> replies are unlimited.]");
                client.send(b"*2\r\n$1\r\ne\r\n$33\r\nstring.rep('x', 100 * 1024 * 1024)\r\n");
                assert_eq!(server.client(transport).text("PING"), "PONG");
            });
        }
    });
}
