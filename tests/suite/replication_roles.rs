//! What a server may do in its role: a replica adds nothing to its primary's stream, a primary without replicas still counts,
//! and what is not a replica is not taken for one.

use tests::client::{Client, Transport, show};
use tests::mock_replica::{MockReplica, stalled};
use tests::pair::{follow, port, start, wait_for_link, wait_for_offset, wait_for_sync};
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

#[test]
fn a_replica_that_waits_for_its_replicas_adds_nothing_to_the_stream() {
    for transport in BOTH {
        let (first, mut primary) = start(transport, &[]);
        let (second, mut replica) = start(transport, &["--repl-diskless-sync", "no"]);
        follow(&mut replica, port(&first, transport));
        wait_for_link(&mut replica);
        // It acknowledges nothing that follows.
        let _lagging = MockReplica::new(&second, transport);
        assert_eq!(primary.text("SET a 1"), "OK");
        wait_for_offset(&mut primary, &mut replica);
        second.client(Transport::Tcp).send(b"SHUTDOWN NOSAVE\r\n");
        second.wait_for_log(&["Waiting for replicas before shutting down."]);
        assert_eq!(replica.text("SHUTDOWN ABORT"), "OK");
        assert_eq!(primary.text("SET b 2"), "OK");
        wait_for_sync(&mut primary, &mut replica);
        assert_eq!(replica.text("MGET a b"), "[1 2]", "{transport:?}");
    }
}

#[test]
fn waiting_without_replicas_advances_the_offset_by_one() {
    let (_server, mut client) = start(Transport::Tcp, &[]);
    for offset in ["1", "2", "3"] {
        assert_eq!(client.text("WAIT 1 1"), "0");
        assert_eq!(client.info("master_repl_offset"), offset);
    }
}

#[test]
fn a_client_waits_for_its_own_writes_only() {
    for transport in BOTH {
        let (server, mut writer) = start(transport, &[]);
        let _lagging = MockReplica::new(&server, transport);
        let mut reader = server.client(transport);
        assert_eq!(writer.text("SET k v"), "OK");
        for command in [
            "GET k",
            "DEL none",
            "EVAL \"return redis.call('get', 'k')\" 0",
        ] {
            reader.text(command);
            assert_eq!(reader.text("WAIT 1 2000"), "1", "{command}");
        }
        assert_eq!(writer.text("WAIT 1 10"), "0");
    }
}

#[test]
fn readers_go_on_when_only_writes_are_still_held_back() {
    for transport in BOTH {
        let (server, mut admin) = start(transport, &[]);
        let mut client = server.client(transport);
        // The server waits for it before it ends, and holds back writes.
        let _lagging = MockReplica::new(&server, transport);
        assert_eq!(admin.text("CONFIG SET shutdown-timeout 1000"), "OK");
        assert_eq!(admin.text("SET k v"), "OK");
        server.client(Transport::Tcp).send(b"SHUTDOWN NOSAVE\r\n");
        server.wait_for_log(&["Waiting for replicas before shutting down."]);
        // Sent together, so that the pause is still in force when GET is executed.
        client.send(b"CLIENT PAUSE 100 ALL\r\nGET k\r\n");
        assert_eq!(show(&client.read()), "OK");
        assert_eq!(show(&client.read()), "v");
        assert_eq!(admin.text("SHUTDOWN ABORT"), "OK");
    }
}

#[test]
fn a_replica_that_has_announced_no_port_is_no_target_of_a_failover() {
    let (server, mut client) = start(Transport::Tcp, &[]);
    let mut anonymous = server.client(Transport::Tcp);
    anonymous.send(b"SYNC\r\n");
    until("a replica", || {
        client.info("slave0").contains("state=online").then_some(())
    });
    for place in ["127.0.0.1 70000", "127.0.0.1 0", "127.0.0.1 -1"] {
        assert_eq!(
            client.text(&format!("FAILOVER TO {place} TIMEOUT 300")),
            "-ERR FAILOVER target HOST and PORT is not a replica."
        );
    }
}

#[test]
fn a_monitor_does_not_become_a_replica() {
    let (server, mut client) = start(Transport::Tcp, &[]);
    let mut monitor = server.client(Transport::Tcp);
    assert_eq!(monitor.text("MONITOR"), "OK");
    monitor.send(b"SYNC\r\nPSYNC ? -1\r\n");
    // Its requests are executed before those of a client that connects later.
    until("the monitor's requests to be executed", || {
        let list = client.text("CLIENT LIST");
        list.contains("cmd=psync").then_some(())
    });
    assert_eq!(client.text("SET a 1"), "OK");
    let line = loop {
        let line = show(&monitor.read());
        if line.contains("\"SET\"") {
            break line;
        }
    };
    assert!(line.ends_with("\"SET\" \"a\" \"1\""), "{line}");
    assert_eq!(client.info("connected_slaves"), "0");
}

#[test]
fn a_snapshot_for_replicas_is_a_background_save() {
    let (server, mut client) = start(Transport::Tcp, &["--rdb-key-save-delay", "10000000"]);
    client.text("SET a 1");
    client.text("SET b 1");
    let _replica = stalled(&server, Transport::Tcp);
    until("the child to be started", || {
        (client.info("rdb_bgsave_in_progress") == "1").then_some(())
    });
    let busy = "-ERR Background save already in progress";
    for command in ["SAVE", "BGSAVE", "BGSAVE SCHEDULE"] {
        assert_eq!(client.text(command), busy, "{command}");
    }
    in_transaction(&mut client, "BGSAVE", busy);
}

/// Asserts what a command answers in EXEC.
fn in_transaction(client: &mut Client, command: &str, reply: &str) {
    assert_eq!(client.text("MULTI"), "OK");
    assert_eq!(client.text(command), "QUEUED");
    assert_eq!(client.text("EXEC"), format!("[{reply}]"));
}
