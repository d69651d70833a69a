//! The process that writes a snapshot for replicas, its file, and replicas that only want the snapshot.

use nix::sys::signal::Signal;
use tests::client::Transport;
use tests::mock_replica::stalled;
use tests::pair::{follow, port, start, wait_for_link, wait_for_sync};
use tests::server::{Server, temp_dir};
use tests::wait::until;

const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A process that has ended stays until its parent asks for it.
fn has_ended(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

#[test]
fn the_child_of_a_transfer_ends_with_its_parent() {
    for transport in BOTH {
        for end in [Signal::SIGKILL, Signal::SIGTERM] {
            let args = ["--rdb-key-save-delay", "100", "--shutdown-timeout", "0"];
            let (mut server, mut primary) = start(transport, &args);
            primary.text("DEBUG POPULATE 100000 big 100");
            let _replica = stalled(&server, transport);
            let child = server.child_pid();
            server.signal(end);
            server.wait_for_exit();
            until("the child to end", || has_ended(child).then_some(()));
            let is_told = server
                .log()
                .contains("There is a child saving an .rdb. Killing it!");
            assert_eq!(is_told, end == Signal::SIGTERM);
        }
    }
}

/// The final save takes longer than a period of cron, which would begin what is due.
#[test]
fn nothing_is_begun_after_the_last_save() {
    let folder = temp_dir();
    let dir = folder.path().to_string_lossy();
    let args = [
        "--dir",
        &dir,
        "--appendonly",
        "yes",
        "--hz",
        "500",
        "--rdb-key-save-delay",
        "10000",
    ];
    let mut server = Server::start(&args);
    let mut client = server.client(Transport::Tcp);
    client.text("DEBUG POPULATE 100 key 10");
    assert_eq!(
        client.text("BGREWRITEAOF"),
        "Background append only file rewriting started"
    );
    assert_eq!(
        client.text("BGSAVE SCHEDULE"),
        "Background saving scheduled"
    );
    assert_eq!(client.text("CONFIG SET rdb-key-save-delay 200"), "OK");
    client.send(b"SHUTDOWN SAVE\r\n");
    assert_eq!(server.wait_for_exit(), Some(0));
    let log = server.log();
    assert!(log.contains("ready to exit"), "{log}");
    assert!(!log.contains("Background saving started"), "{log}");
}

#[test]
fn a_replica_that_only_wants_the_snapshot_is_disconnected_when_it_has_it() {
    for transport in BOTH {
        for diskless in ["yes", "no"] {
            let (server, mut primary) = start(transport, &["--repl-diskless-sync", diskless]);
            primary.text("DEBUG POPULATE 100 key 100000");
            let mut replica = server.client(transport);
            assert_eq!(replica.text("REPLCONF rdb-only 1"), "OK");
            replica.send(b"SYNC\r\n");
            let snapshot = replica.read_to_end();
            let begins = snapshot.windows(5).any(|bytes| bytes == b"REDIS");
            assert!(begins && snapshot.len() > 100 * 100, "{}", snapshot.len());
            until("the client to be gone", || {
                (primary.info("connected_slaves") == "0").then_some(())
            });
        }
    }
}

#[test]
fn a_primary_without_persistence_keeps_no_file_of_its_replicas() {
    for transport in BOTH {
        let folder = temp_dir();
        let dir = folder.path().to_string_lossy();
        let args = [
            "--dir",
            &dir,
            "--repl-diskless-sync",
            "no",
            "--rdb-del-sync-files",
            "yes",
        ];
        let (server, mut primary) = start(transport, &args);
        let (_other, mut replica) = start(transport, &[]);
        primary.text("SET key value");
        follow(&mut replica, port(&server, transport));
        wait_for_link(&mut replica);
        wait_for_sync(&mut primary, &mut replica);
        server.wait_for_log(&[
            "Removing the RDB file used to feed replicas in a persistence-less instance",
        ]);
        // It is logged first.
        until("the file to be gone", || {
            (!folder.path().join("dump.rdb").exists()).then_some(())
        });
    }
}

/// Clients are served while it loads, and so was the primary.
#[test]
fn a_replica_that_loads_its_own_file_applies_the_stream_afterwards() {
    for transport in BOTH {
        let (server, mut primary) = start(transport, &[]);
        let slow = [
            "--key-load-delay",
            "200",
            "--loading-process-events-interval-bytes",
            "1024",
        ];
        let (other, mut replica) = start(transport, &slow);
        primary.text("DEBUG POPULATE 3000 key 100");
        follow(&mut replica, port(&server, transport));
        wait_for_sync(&mut primary, &mut replica);
        replica.send(b"DEBUG RELOAD\r\n");
        until("the file to be loaded", || {
            let mut client = other.client(Transport::Tcp);
            (client.info("loading") == "1").then_some(())
        });
        for number in 0..300 {
            primary.text(&format!("APPEND key:{number} x"));
            primary.text(&format!("SET key:{} y", 2999 - number));
        }
        assert_eq!(tests::client::show(&replica.read()), "OK");
        wait_for_sync(&mut primary, &mut replica);
    }
}
