//! The client lifecycle: blocked, paused, replies switched off, killed, closed for idling or for its output.

use tests::client::{Client, Transport, show};
use tests::mock_replica::MockReplica;
use tests::pair::port;
use tests::server::{Server, free_port};
use tests::wait::until;

/// The client ID that CLIENT KILL and CLIENT UNBLOCK take.
fn client_id(client: &mut Client) -> String {
    client.text("CLIENT ID")
}

#[test]
fn a_killed_client_is_not_served() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut victim) = (server.client(transport), server.client(transport));
        admin.text("FLUSHALL");
        let id = client_id(&mut victim);
        victim.send(b"BLPOP k 0\r\nSET ran 1\r\n");
        admin.wait_for_blocked(1);
        let batch = format!("CLIENT KILL ID {id}\r\nLPUSH k v\r\nLLEN k\r\nEXISTS ran\r\n");
        admin.send(batch.as_bytes());
        let replies: Vec<String> = (0..4).map(|_| show(&admin.read())).collect();
        assert_eq!(replies, ["1", "1", "1", "0"], "{transport:?}");
        assert!(victim.read_to_end().is_empty(), "{transport:?}");
        assert_eq!(admin.text("EXISTS ran"), "0", "{transport:?}");
    }
}

#[test]
fn a_blocked_client_is_not_idle() {
    let server = Server::start(&["--timeout", "1", "--hz", "100"]);
    for transport in Transport::ALL {
        let mut blocked = server.client(transport);
        blocked.send(b"BLPOP k 0\r\n");
        // Connected later and closed by the timeout; by then the blocked client has been silent for longer.
        let mut idle = server.client(transport);
        assert_eq!(idle.text("PING"), "PONG");
        assert!(idle.read_to_end().is_empty(), "{transport:?}");
        assert_eq!(server.client(transport).text("LPUSH k v"), "1");
        assert_eq!(show(&blocked.read()), "[k v]", "{transport:?}");
    }
}

#[test]
fn a_paused_command_cannot_be_unblocked_and_runs_after_the_pause() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let (mut admin, mut held) = (server.client(transport), server.client(transport));
        let mut blocked = server.client(transport);
        admin.text("FLUSHALL");
        let (held_id, blocked_id) = (client_id(&mut held), client_id(&mut blocked));
        blocked.send(b"BLPOP list 0\r\n");
        admin.text("CLIENT PAUSE 1000000 WRITE");
        held.send(b"SET k v\r\n");
        admin.wait_for_blocked(2);
        assert_eq!(admin.text(&format!("CLIENT UNBLOCK {held_id}")), "0");
        assert_eq!(admin.text(&format!("CLIENT UNBLOCK {held_id} ERROR")), "0");
        assert_eq!(admin.text(&format!("CLIENT UNBLOCK {blocked_id}")), "1");
        assert_eq!(show(&blocked.read()), "nil", "{transport:?}");
        admin.text("CLIENT UNPAUSE");
        assert_eq!(show(&held.read()), "OK", "{transport:?}");
        assert_eq!(admin.text("GET k"), "v", "{transport:?}");
    }
}

#[test]
fn a_change_of_role_unblocks_blocked_clients_but_not_paused_ones() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&[]);
        let (mut admin, mut held) = (server.client(transport), server.client(transport));
        let mut blocked = server.client(transport);
        blocked.send(b"BLPOP list 0\r\n");
        admin.wait_for_blocked(1);
        admin.text("CLIENT PAUSE 1000000 WRITE");
        held.send(b"SET k v\r\n");
        admin.wait_for_blocked(2);
        assert_eq!(
            admin.text(&format!("REPLICAOF 127.0.0.1 {}", free_port())),
            "OK"
        );
        let unblocked = "-UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)";
        assert_eq!(show(&blocked.read()), unblocked, "{transport:?}");
        assert!(blocked.read_to_end().is_empty(), "{transport:?}");
        admin.text("CLIENT UNPAUSE");
        let read_only = "-READONLY You can't write against a read only replica.";
        assert_eq!(show(&held.read()), read_only, "{transport:?}");
        assert_eq!(held.text("PING"), "PONG", "{transport:?}");
    }
}

#[test]
fn client_reply_off_applies_to_blocked_commands() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut client = server.client(transport);
        client.send(b"CLIENT REPLY OFF\r\nBLPOP none 0.01\r\nCLIENT REPLY ON\r\n");
        assert_eq!(show(&client.read()), "OK", "{transport:?}");
        client.send(b"CLIENT REPLY SKIP\r\nBLPOP none 0.01\r\nPING\r\n");
        assert_eq!(show(&client.read()), "PONG", "{transport:?}");
        let mut other = server.client(transport);
        client.send(b"CLIENT REPLY SKIP\r\nBLPOP list 0\r\nLLEN list\r\n");
        other.wait_for_blocked(1);
        assert_eq!(other.text("RPUSH list 1 2"), "2");
        assert_eq!(show(&client.read()), "1", "{transport:?}");
        other.text("DEL list");
    }
}

#[test]
fn the_soft_output_limit_closes_a_client_that_stops_reading() {
    let server = Server::start(&["--client-output-buffer-limit", "normal 0 100000 1"]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        admin.call(&[b"SET".as_slice(), b"big", &vec![b'v'; 1 << 20]]);
        let mut lazy = server.client(transport);
        let id = client_id(&mut lazy);
        // More than the socket buffers hold. From here on no command triggers a check of the limit.
        lazy.send("GET big\r\n".repeat(32).as_bytes());
        until("the client to be closed", || {
            admin
                .text(&format!("CLIENT LIST ID {id}"))
                .is_empty()
                .then_some(())
        });
        let line = "scheduled to be closed ASAP for overcoming of output buffer limits";
        server.wait_for_log(&[line]);
    }
}

#[test]
fn debug_reload_serves_other_clients() {
    let server = Server::start(&[
        "--loading-process-events-interval-bytes",
        "1024",
        "--key-load-delay",
        "100",
    ]);
    for transport in Transport::ALL {
        let (mut loader, mut other) = (server.client(transport), server.client(transport));
        loader.text("FLUSHALL");
        loader.text("DEBUG POPULATE 20000 key 100");
        let id = client_id(&mut loader);
        loader.send(b"DEBUG RELOAD\r\nPING\r\n");
        until("the server to be loading", || {
            other
                .text("GET key:1")
                .starts_with("-LOADING")
                .then_some(())
        });
        assert_eq!(
            other.text("PING"),
            "-LOADING Redis is loading the dataset in memory"
        );
        assert!(other.text("INFO persistence").contains("loading:1"));
        assert_eq!(show(&loader.read()), "OK", "{transport:?}");
        assert_eq!(show(&loader.read()), "PONG", "{transport:?}");
        assert_eq!(other.text("DBSIZE"), "20000", "{transport:?}");
        assert_eq!(client_id(&mut loader), id);
    }
}

#[test]
fn save_and_debug_reload_are_not_propagated() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&["--repl-diskless-sync", "no"]);
        let mut client = server.client(transport);
        let mut mock = MockReplica::connect(port(&server, transport), transport);
        client.text("SET a 1");
        assert_eq!(client.text("SAVE"), "OK");
        client.text("SET a 2");
        assert_eq!(client.text("DEBUG RELOAD"), "OK");
        client.text("SET a 3");
        let received: Vec<String> = (0..4).map(|_| mock.next_request()).collect();
        assert_eq!(received, ["SELECT 0", "SET a 1", "SET a 2", "SET a 3"]);
    }
}

#[test]
fn clients_need_no_authentication_once_requirepass_is_removed() {
    let server = Server::start(&["--requirepass", "secret"]);
    for transport in Transport::ALL {
        let (mut admin, mut waiting) = (server.client(transport), server.client(transport));
        let no_auth = "-NOAUTH Authentication required.";
        assert_eq!(waiting.text("PING"), no_auth);
        assert_eq!(admin.text("AUTH secret"), "OK");
        admin.call(&["CONFIG", "SET", "requirepass", ""]);
        assert_eq!(waiting.text("PING"), "PONG", "{transport:?}");
        assert_eq!(waiting.text("HELLO 2").len(), admin.text("HELLO 2").len());
        admin.text("CONFIG SET requirepass secret");
        // This client has never authenticated.
        assert_eq!(waiting.text("PING"), no_auth, "{transport:?}");
        assert_eq!(admin.text("PING"), "PONG", "{transport:?}");
    }
}

#[test]
fn a_renamed_debug_command_stays_protected() {
    let server = Server::start(&[
        "--rename-command",
        "DEBUG",
        "dbg",
        "--enable-debug-command",
        "no",
    ]);
    for transport in Transport::ALL {
        let reply = server.client(transport).text("dbg sleep 0");
        assert!(
            reply.starts_with("-ERR DEBUG command not allowed. If the enable-debug-command option"),
            "{transport:?}: {reply}"
        );
    }
}

#[test]
fn hello_reports_the_role() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    assert!(client.text("HELLO").contains("role master"));
    client.text(&format!("REPLICAOF 127.0.0.1 {}", free_port()));
    for transport in Transport::ALL {
        let reply = server.client(transport).text("HELLO 3");
        assert!(reply.contains("role=replica"), "{transport:?}: {reply}");
    }
}

/// Each push wakes the client at most once: ready keys that no client can use, and clients blocked on many keys, cost
/// no more than the keys that they touch.
#[test]
fn clients_blocked_on_many_keys_are_served_in_order() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(transport);
        let keys: Vec<String> = (0..20_000).map(|key| format!("key:{key}")).collect();
        let mut blocked: Vec<Client> = (0..3).map(|_| server.client(transport)).collect();
        for (count, client) in blocked.iter_mut().enumerate() {
            let request = [vec!["BLPOP".to_owned()], keys.clone(), vec!["0".to_owned()]].concat();
            client.raw().write(&request).expect("an open connection");
            admin.wait_for_blocked(count + 1);
        }
        admin.text("FLUSHALL");
        admin.text("MULTI");
        for key in &keys {
            admin.text(&format!("RPUSH {key} {key}"));
        }
        admin.text("EXEC");
        for (place, client) in blocked.iter_mut().enumerate() {
            let expected = format!("[key:{place} key:{place}]");
            assert_eq!(show(&client.read()), expected, "{transport:?}");
        }
        assert_eq!(admin.text("DBSIZE"), "19997", "{transport:?}");
        admin.text("FLUSHALL");
    }
}

#[test]
fn client_memory_is_counted_until_the_client_disconnects() {
    let server = Server::start(&[]);
    for transport in Transport::ALL {
        let mut admin = server.client(Transport::Tcp);
        let normal = |admin: &mut Client| -> i64 {
            admin.info("mem_clients_normal").parse().expect("a number")
        };
        normal(&mut admin);
        let before = normal(&mut admin);
        let mut others: Vec<Client> = (0..10).map(|_| server.client(transport)).collect();
        for other in &mut others {
            other.send(b"MULTI\r\nSET k ");
            other.send("v".repeat(20_000).as_bytes());
            other.send(b"\r\nBLPOP");
            assert_eq!(show(&other.read()), "OK");
            assert_eq!(show(&other.read()), "QUEUED");
        }
        // Cron sums up what clients use.
        until("their memory to be counted", || {
            (normal(&mut admin) > before + 200_000).then_some(())
        });
        until("the total to equal the sum of all clients", || {
            let total = normal(&mut admin);
            let lines = admin.text("CLIENT LIST");
            let shown = lines.lines().filter_map(|line| {
                let memory = line.split(" tot-mem=").nth(1)?.split(' ').next()?;
                memory.parse::<i64>().ok()
            });
            // The buffers of the client that runs INFO and CLIENT LIST change with each command.
            ((shown.sum::<i64>() - total).abs() < 20_000).then_some(())
        });
        drop(others);
        until("their memory to be freed", || {
            ((normal(&mut admin) - before).abs() < 20_000).then_some(())
        });
    }
}
