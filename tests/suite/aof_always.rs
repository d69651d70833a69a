//! `appendfsync always`: no client is told what a crash could take back, and the loop does not wait for the disk.

use tests::client::{Client, Transport, show};
use tests::disk::Disk;
use tests::mock_replica::MockReplica;
use tests::server::Server;

const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
const INCR: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const EIO: u64 = 5;

/// A server whose fsyncs wait until the test lets them go.
fn held(disk: &Disk, args: &[&str]) -> Server {
    let server = Server::start_on(disk, &[ALWAYS, args].concat());
    disk.set("hold-fsync", 1);
    server
}

/// A client that has read its session's tickets.
fn client(server: &Server, transport: Transport) -> Client {
    let mut client = server.client(transport);
    assert_eq!(client.text("PING"), "PONG");
    client
}

/// Waits until the server has executed a request of a client and has decided about the output of that turn.
fn wait_until_executed(server: &Server, client: &mut Client, mark: &str) {
    client.send(format!("DEBUG LOG {mark}\r\n").as_bytes());
    server.wait_for_log(&[&format!("DEBUG LOG: {mark}")]);
    // A request that arrives after that line is executed in a later turn.
    let mut other = server.client(Transport::Unix);
    other.send(format!("DEBUG LOG after-{mark}\r\n").as_bytes());
    server.wait_for_log(&[&format!("DEBUG LOG: after-{mark}")]);
    let mut third = server.client(Transport::Unix);
    third.send(format!("DEBUG LOG later-{mark}\r\n").as_bytes());
    server.wait_for_log(&[&format!("DEBUG LOG: later-{mark}")]);
}

#[test]
fn replies_after_a_write_wait_until_it_is_on_the_disk() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = held(&disk, &[]);
        let mut writer = client(&server, transport);
        let mut reader = client(&server, transport);
        let mut subscriber = client(&server, transport);
        // Nothing is written yet, so nothing is held.
        assert_eq!(reader.text("GET k"), "nil");
        assert_eq!(subscriber.text("SUBSCRIBE news"), "[subscribe news 1]");
        writer.send(b"SET k v\r\nPUBLISH news flash\r\n");
        disk.wait_until_written(INCR, "SET\r\n$1\r\nk\r\n$1\r\nv");
        reader.send(b"GET k\r\n");
        wait_until_executed(&server, &mut reader, "read");
        for (who, client) in [
            ("writer", &writer),
            ("reader", &reader),
            ("subscriber", &subscriber),
        ] {
            assert!(!client.has_input(), "{transport:?}: {who}");
        }
        disk.clear("hold-fsync");
        assert_eq!(show(&writer.read()), "OK");
        assert_eq!(show(&writer.read()), "1");
        assert_eq!(show(&reader.read()), "v");
        assert_eq!(show(&reader.read()), "OK");
        assert_eq!(show(&subscriber.read()), "[message news flash]");
        assert_eq!(writer.text("GET k"), "v");
    }
}

#[test]
fn a_client_that_has_sent_all_still_gets_the_replies_that_are_held() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = held(&disk, &[]);
        let mut writer = client(&server, transport);
        writer.send(b"SET k v\r\n");
        writer.raw().finish_sending();
        server.wait_for_log(&["Client closed connection"]);
        disk.clear("hold-fsync");
        assert_eq!(writer.read_to_end(), b"+OK\r\n", "{transport:?}");
    }
}

#[test]
fn a_client_that_is_killed_still_gets_the_replies_that_are_held() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = held(&disk, &[]);
        let mut writer = client(&server, transport);
        let mut admin = server.client(Transport::Unix);
        let id = show(&writer.cmd("CLIENT ID"));
        writer.send(b"SET k v\r\n");
        disk.wait_until_written(INCR, "SET\r\n$1\r\nk\r\n$1\r\nv");
        admin.send(format!("CLIENT KILL ID {id}\r\n").as_bytes());
        wait_until_executed(&server, &mut admin, "killed");
        writer.send(b"SET k w\r\n");
        disk.clear("hold-fsync");
        assert_eq!(writer.read_to_end(), b"+OK\r\n", "{transport:?}");
        assert_eq!(show(&admin.read()), "1");
    }
}

#[test]
fn a_client_whose_reply_is_held_is_not_idle() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = held(&disk, &[]);
        let mut writer = client(&server, transport);
        let mut admin = server.client(Transport::Unix);
        assert_eq!(admin.text("CONFIG SET timeout 1"), "OK");
        writer.send(b"SET k v\r\n");
        disk.wait_until_written(INCR, "SET\r\n$1\r\nk\r\n$1\r\nv");
        // One after the other: when the second one is closed, every client that was idle at first was asked.
        for _ in 0..2 {
            let mut idle = server.client(Transport::Tcp);
            assert_eq!(idle.read_to_end(), b"");
        }
        disk.clear("hold-fsync");
        assert_eq!(show(&writer.read()), "OK", "{transport:?}");
    }
}

#[test]
fn the_loop_executes_further_requests_while_the_disk_is_busy() {
    let disk = Disk::new();
    let server = held(&disk, &[]);
    let mut writers: Vec<Client> = (0..20).map(|_| client(&server, Transport::Tls)).collect();
    for (number, writer) in writers.iter_mut().enumerate() {
        writer.send(format!("INCR counter\r\nSET key:{number} x\r\n").as_bytes());
        wait_until_executed(&server, writer, &format!("writer-{number}-"));
    }
    assert!(writers.iter().all(|writer| !writer.has_input()));
    disk.clear("hold-fsync");
    for (number, writer) in writers.iter_mut().enumerate() {
        assert_eq!(show(&writer.read()), (number + 1).to_string());
        assert_eq!(show(&writer.read()), "OK");
        assert_eq!(show(&writer.read()), "OK");
    }
}

#[test]
fn replicas_are_not_ahead_of_the_disk() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let args = [
            "--repl-diskless-sync",
            "no",
            "--repl-ping-replica-period",
            "3600",
        ];
        let server = Server::start_on(&disk, &[ALWAYS, &args].concat());
        let mut writer = client(&server, transport);
        let mut replica = MockReplica::new(&server, transport);
        assert_eq!(writer.text("SET first x"), "OK");
        assert_eq!(replica.next_request(), "SELECT 0");
        assert_eq!(replica.next_request(), "SET first x");
        disk.set("hold-fsync", 1);
        writer.send(b"SET second y\r\n");
        disk.wait_until_written(INCR, "second");
        wait_until_executed(&server, &mut writer, "second");
        assert!(!replica.has_input(), "{transport:?}");
        disk.clear("hold-fsync");
        assert_eq!(replica.next_request(), "SET second y");
    }
}

#[test]
fn a_failed_fsync_ends_the_server_and_no_held_reply_is_sent() {
    let disk = Disk::new();
    let mut server = held(&disk, &[]);
    let mut writer = client(&server, Transport::Tls);
    let mut reader = client(&server, Transport::Tcp);
    disk.set("fail-fsync", EIO);
    writer.send(b"SET k v\r\n");
    disk.wait_until_written(INCR, "SET");
    reader.send(b"GET k\r\n");
    wait_until_executed(&server, &mut reader, "read");
    disk.clear("hold-fsync");
    assert_eq!(server.wait_for_exit(), Some(1));
    server.wait_for_log(&[
        "Can't persist AOF for fsync error when the AOF fsync policy is 'always': Input/output error. Exiting...",
    ]);
    assert_eq!(writer.read_to_end(), b"");
    assert_eq!(reader.read_to_end(), b"");
}

#[test]
fn a_failed_write_ends_the_server() {
    let disk = Disk::new();
    let mut server = Server::start_on(&disk, ALWAYS);
    let mut writer = client(&server, Transport::Tls);
    disk.set("room", 3);
    writer.send(b"SET k v\r\n");
    assert_eq!(server.wait_for_exit(), Some(1));
    server.wait_for_log(&[
        "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting...",
    ]);
    assert_eq!(writer.read_to_end(), b"");
    assert_eq!(disk.read(INCR), b"", "the part of a request was removed");
}

#[test]
fn what_is_held_is_released_when_the_policy_changes_or_the_server_ends() {
    let disk = Disk::new();
    let mut server = held(&disk, &[]);
    let mut writer = client(&server, Transport::Tls);
    let mut admin = client(&server, Transport::Tls);
    writer.send(b"SET k v\r\n");
    disk.wait_until_written(INCR, "SET");
    wait_until_executed(&server, &mut writer, "set");
    admin.send(b"CONFIG SET appendfsync everysec\r\n");
    wait_until_executed(&server, &mut admin, "everysec");
    assert!(!writer.has_input() && !admin.has_input());
    disk.clear("hold-fsync");
    assert_eq!(show(&writer.read()), "OK");
    assert_eq!(show(&writer.read()), "OK");
    assert_eq!(show(&admin.read()), "OK");
    assert_eq!(show(&admin.read()), "OK");
    disk.set("hold-fsync", 1);
    admin.send(b"CONFIG SET appendfsync always\r\n");
    admin.send(b"SET k w\r\n");
    disk.wait_until_written(INCR, "\r\nw\r\n");
    server.client(Transport::Tcp).send(b"SHUTDOWN\r\n");
    server.wait_for_log(&["Calling fsync() on the AOF file."]);
    disk.clear("hold-fsync");
    assert_eq!(server.wait_for_exit(), Some(0));
    assert_eq!(admin.read_to_end(), b"+OK\r\n+OK\r\n");
}

/// Clients that write again as soon as they are answered.
const RETURNING: usize = 20;

#[test]
fn an_fsync_covers_all_clients_that_write_again_at_once() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = Server::start_on(&disk, ALWAYS);
        let mut writers: Vec<Client> = (0..RETURNING).map(|_| client(&server, transport)).collect();
        disk.set("slow-fsync", 25);
        for writer in &mut writers {
            writer.send(b"INCR counter\r\n");
        }
        let mut play = |rounds: usize| {
            let before = disk.fsyncs();
            for _ in 0..rounds {
                for writer in &mut writers {
                    assert!(show(&writer.read()).parse::<u64>().is_ok());
                    writer.send(b"INCR counter\r\n");
                }
            }
            disk.fsyncs() - before
        };
        // The server learns how long an fsync takes, and who returns.
        play(20);
        let rounds = 40;
        let fsyncs = play(rounds);
        // If each began at once, there would be two groups of clients, and two fsyncs per round.
        assert!(
            fsyncs < rounds * 3 / 2,
            "{transport:?}: {fsyncs} fsyncs in {rounds} rounds"
        );
    }
}
