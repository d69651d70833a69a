//! The append-only file on a disk that fails: nothing that was acknowledged is lost, the server says what is wrong, and it
//! goes on when the disk does.

use tests::client::{Client, Transport, show};
use tests::disk::Disk;
use tests::pair;
use tests::server::Server;
use tests::wait::until;

const EVERYSEC: &[&str] = &["--appendonly", "yes", "--appendfsync", "everysec"];
const ALWAYS: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];
const INCR: &str = "appendonlydir/appendonly.aof.1.incr.aof";
const EIO: u64 = 5;

fn wait_for_status(client: &mut Client, field: &str, status: &str) {
    until(field, || (client.info(field) == status).then_some(()));
}

/// Restarts a server on its disk.
fn restart(server: Server, disk: &Disk, args: &[&str]) -> Server {
    drop(server);
    Server::start_on(disk, args)
}

#[test]
fn a_full_disk_refuses_writes_until_there_is_room() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let disk = Disk::new();
        let server = Server::start_on(&disk, EVERYSEC);
        let mut client = server.client(transport);
        assert_eq!(client.text("SET before x"), "OK");
        wait_for_status(&mut client, "aof_buffer_length", "0");
        let size = disk.read(INCR).len();
        disk.set("room", 5);
        assert_eq!(client.text("SET during y"), "OK");
        wait_for_status(&mut client, "aof_last_write_status", "err");
        assert_eq!(
            disk.read(INCR).len(),
            size,
            "a part of a request was removed"
        );
        let refused = "-MISCONF Errors writing to the AOF file: No space left on device";
        assert_eq!(client.text("SET refused z"), refused);
        assert_eq!(client.text("PING"), refused);
        assert_eq!(client.text("GET during"), "y");
        server.wait_for_log(&["Short write while writing to the AOF file"]);
        disk.clear("room");
        server.wait_for_log(&["AOF write error looks solved, Redis can write again."]);
        assert_eq!(client.text("SET after z"), "OK");
        wait_for_status(&mut client, "aof_buffer_length", "0");
        let server = restart(server, &disk, EVERYSEC);
        let mut client = server.client(transport);
        assert_eq!(
            client.text("MGET before during refused after"),
            "[x y nil z]"
        );
    }
}

#[test]
fn a_failed_fsync_refuses_writes_until_one_succeeds() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tls);
    disk.set("fail-fsync", EIO);
    assert_eq!(client.text("SET k v"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "err");
    server.wait_for_log(&["Fail to fsync the AOF file: Input/output error"]);
    let refused = "-MISCONF Errors writing to the AOF file: Input/output error";
    assert_eq!(client.text("SET k w"), refused);
    // A failure of the past does not end a server whose policy becomes strict.
    assert_eq!(client.text("CONFIG SET appendfsync no"), "OK");
    disk.clear("fail-fsync");
    assert_eq!(client.text("CONFIG SET appendfsync always"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "ok");
    assert_eq!(client.text("SET k w"), "OK");
    assert_eq!(client.text("CONFIG SET appendfsync everysec"), "OK");
    disk.set_times("fail-fsync", EIO, 1);
    assert_eq!(client.text("SET k x"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "err");
    wait_for_status(&mut client, "aof_last_write_status", "ok");
    assert_eq!(client.text("SET k y"), "OK");
}

#[test]
fn a_failed_fsync_is_not_forgotten_when_the_next_one_succeeds() {
    let disk = Disk::new();
    let mut server = Server::start_on(&disk, ALWAYS);
    let (mut first, mut second) = (server.client(Transport::Tls), server.client(Transport::Tcp));
    assert_eq!(first.text("PING") + &second.text("PING"), "PONGPONG");
    disk.set("hold-fsync", 1);
    first.send(b"SET k v\r\n");
    until("the first write", || {
        String::from_utf8_lossy(&disk.read(INCR))
            .contains("SET")
            .then_some(())
    });
    second.send(b"SET k w\r\nDEBUG LOG second\r\n");
    server.wait_for_log(&["DEBUG LOG: second"]);
    disk.set_times("fail-fsync", EIO, 1);
    disk.clear("hold-fsync");
    assert_eq!(server.wait_for_exit(), Some(1));
    assert_eq!(first.read_to_end(), b"");
    assert_eq!(second.read_to_end(), b"");
}

#[test]
fn a_rewrite_whose_manifest_is_not_durable_leaves_files_that_load() {
    for fails in ["begin", "end"] {
        let disk = Disk::new();
        let server = Server::start_on(&disk, EVERYSEC);
        let mut client = server.client(Transport::Tls);
        assert_eq!(client.text("SET before x"), "OK");
        if fails == "begin" {
            disk.set("fail-folder-fsync", EIO);
            let refused = client.text("BGREWRITEAOF");
            assert!(
                refused.starts_with("-ERR Can't execute an AOF"),
                "{refused}"
            );
        } else {
            client.text("CONFIG SET rdb-key-save-delay 10000000");
            client.text("BGREWRITEAOF");
            disk.set("fail-folder-fsync", EIO);
            client.text("SET during y");
            tests::server::send_signal(server.child_pid(), nix::sys::signal::Signal::SIGKILL);
            wait_for_status(&mut client, "aof_rewrite_in_progress", "0");
            client.text("CONFIG SET rdb-key-save-delay 0");
        }
        disk.clear("fail-folder-fsync");
        assert_eq!(client.text("SET after z"), "OK");
        wait_for_status(&mut client, "aof_buffer_length", "0");
        let server = restart(server, &disk, EVERYSEC);
        let mut client = server.client(Transport::Tcp);
        assert_eq!(client.text("MGET before after"), "[x z]", "{fails}");
        assert_eq!(
            client.text("BGREWRITEAOF"),
            "Background append only file rewriting started"
        );
        server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    }
}

#[test]
fn waitaof_is_answered_when_the_file_has_been_switched_on() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, &[]);
    let (mut client, mut admin) = (server.client(Transport::Tls), server.client(Transport::Tcp));
    assert_eq!(client.text("SET k v"), "OK");
    admin.text("CONFIG SET rdb-key-save-delay 300000 appendonly yes");
    assert_eq!(client.text("SET k w"), "OK");
    client.send(b"WAITAOF 1 0 0\r\n");
    admin.wait_for_blocked(1);
    assert_eq!(show(&client.read()), "[1 0]");
}

#[test]
fn an_fsync_of_another_history_acknowledges_nothing() {
    let disk = Disk::new();
    let args = [ALWAYS, &["--repl-diskless-sync-delay", "0"]].concat();
    let server = Server::start_on(&disk, &args);
    let mut replica = server.client(Transport::Tls);
    for number in 0..200 {
        assert_eq!(replica.text(&format!("SET old {number}")), "OK");
    }
    let (primary_server, mut primary) = pair::start(Transport::Tcp, &[]);
    pair::follow(&mut replica, primary_server.port);
    server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    pair::wait_for_offset(&mut primary, &mut replica);
    disk.set("hold-fsync", 1);
    assert_eq!(primary.text("SET k v"), "OK");
    assert_eq!(primary.text("WAITAOF 0 1 100"), "[0 0]");
    disk.clear("hold-fsync");
    assert_eq!(primary.text("WAITAOF 0 1 0"), "[0 1]");
}

#[test]
fn switching_off_does_not_hide_a_failed_fsync() {
    for command in ["CONFIG SET appendonly no", "SHUTDOWN"] {
        let disk = Disk::new();
        let mut server = Server::start_on(&disk, ALWAYS);
        let (mut writer, mut admin) =
            (server.client(Transport::Tls), server.client(Transport::Tcp));
        assert_eq!(writer.text("PING"), "PONG");
        disk.set("hold-fsync", 1);
        writer.send(b"SET k v\r\n");
        until("the write", || {
            String::from_utf8_lossy(&disk.read(INCR))
                .contains("SET")
                .then_some(())
        });
        disk.set_times("fail-fsync", EIO, 1);
        admin.send(format!("DEBUG LOG before\r\n{command}\r\n").as_bytes());
        server.wait_for_log(&["DEBUG LOG: before"]);
        disk.clear("hold-fsync");
        assert_eq!(server.wait_for_exit(), Some(1), "{command}");
        assert_eq!(writer.read_to_end(), b"");
    }
}

#[test]
fn a_file_that_was_switched_off_in_vain_holds_nothing_later() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tls);
    disk.set("fail-fsync", EIO);
    assert_eq!(client.text("SET k v"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "err");
    assert_eq!(client.text("CONFIG SET appendonly no"), "OK");
    disk.clear("fail-fsync");
    assert_eq!(client.text("CONFIG SET appendfsync always"), "OK");
    assert_eq!(client.text("CONFIG SET appendonly yes"), "OK");
    assert_eq!(client.text("PING"), "PONG");
    server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    assert_eq!(client.text("SET k w"), "OK");
}

#[test]
fn output_that_waits_for_the_disk_exceeds_no_limit() {
    let disk = Disk::new();
    let limits = ["--client-output-buffer-limit", "pubsub 100kb 0 0"];
    let server = Server::start_on(&disk, &[ALWAYS, &limits].concat());
    let (mut subscriber, mut writer) =
        (server.client(Transport::Tls), server.client(Transport::Tcp));
    assert_eq!(subscriber.text("SUBSCRIBE news"), "[subscribe news 1]");
    disk.set("hold-fsync", 1);
    writer.send(b"SET k v\r\n");
    until("the write", || {
        String::from_utf8_lossy(&disk.read(INCR))
            .contains("SET")
            .then_some(())
    });
    let text = "x".repeat(10_000);
    for number in 0..30 {
        writer.send(format!("PUBLISH news {text}\r\nDEBUG LOG sent-{number}\r\n").as_bytes());
        server.wait_for_log(&[&format!("DEBUG LOG: sent-{number}")]);
    }
    disk.clear("hold-fsync");
    for _ in 0..30 {
        assert_eq!(show(&subscriber.read()), format!("[message news {text}]"));
    }
}
