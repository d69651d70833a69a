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
const ENOSPC: u64 = 28;
const UNWRITTEN: &str = "bytes could not be written to the AOF file: No space left on device";

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

/// A server whose fsyncs fail, and which has noticed.
fn start_with_failing_fsync() -> (Disk, Server, Client) {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tls);
    disk.set("fail-fsync", EIO);
    assert_eq!(client.text("SET k v"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "err");
    (disk, server, client)
}

#[test]
fn a_failed_fsync_refuses_writes_until_one_succeeds() {
    let (disk, server, mut client) = start_with_failing_fsync();
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
    let mut admin = server.client(Transport::Tcp);
    let (first, second) = write_behind_a_running_fsync(&server, &disk, INCR);
    // Under another policy the second write is written at once, and a second fsync ordered behind the first.
    let no_fsync = "CONFIG SET appendfsync no";
    execute(&server, &mut admin, no_fsync, "no");
    disk.wait_until_written(INCR, "\r\nw\r\n");
    disk.set_times("fail-fsync", EIO, 1);
    // Both are completed before the loop looks.
    admin.send(b"CONFIG SET appendfsync always\r\nDEBUG LOG always\r\nDEBUG SLEEP 0.5\r\n");
    server.wait_for_log(&["DEBUG LOG: always"]);
    disk.clear("hold-fsync");
    for mut client in [first, second, admin] {
        assert_eq!(client.read_to_end(), b"");
    }
    assert_eq!(server.wait_for_exit(), Some(1));
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
            disk.set("hold-child", 1);
            let started = client.text("BGREWRITEAOF");
            assert_eq!(started, "Background append only file rewriting started");
            assert_eq!(client.text("SET during y"), "OK");
            disk.set("fail-folder-fsync", EIO);
            disk.clear("hold-child");
            wait_for_status(&mut client, "aof_rewrite_in_progress", "0");
            assert_eq!(client.info("aof_last_bgrewrite_status"), "err");
        }
        server.wait_for_log(&["Fail to fsync AOF directory appendonlydir: Input/output error"]);
        disk.clear("fail-folder-fsync");
        assert_eq!(client.text("SET after z"), "OK");
        wait_for_status(&mut client, "aof_buffer_length", "0");
        let server = restart(server, &disk, EVERYSEC);
        let mut client = server.client(Transport::Tcp);
        let during = if fails == "begin" { "nil" } else { "y" };
        let all = client.text("MGET before during after");
        assert_eq!(all, format!("[x {during} z]"), "{fails}");
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
        disk.wait_until_written(INCR, "SET");
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
    let (disk, server, mut client) = start_with_failing_fsync();
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
    disk.wait_until_written(INCR, "SET");
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

/// The file that takes the writes while the append-only file is being switched on.
const TEMP_INCR: &str = "appendonlydir/temp-appendonly.aof.incr";

/// Sends requests whose output is held, and waits until they have been executed.
fn execute(server: &Server, client: &mut Client, requests: &str, mark: &str) {
    client.send(format!("{requests}\r\nDEBUG LOG {mark}\r\n").as_bytes());
    server.wait_for_log(&[&format!("DEBUG LOG: {mark}")]);
}

/// Reads a number of replies, all of which must be OK.
fn expect_ok(who: &str, client: &mut Client, replies: usize) {
    for _ in 0..replies {
        assert_eq!(show(&client.read()), "OK", "{who}");
    }
}

/// Two clients on a server whose fsyncs are held: the first write is being synced to the disk, the second waits in the
/// buffer behind it.
fn write_behind_a_running_fsync(server: &Server, disk: &Disk, file: &str) -> (Client, Client) {
    let (mut first, mut second) = (server.client(Transport::Tls), server.client(Transport::Tcp));
    assert_eq!(first.text("PING") + &second.text("PING"), "PONGPONG");
    disk.set("hold-fsync", 1);
    first.send(b"SET k v\r\n");
    disk.wait_until_written(file, "\r\nv\r\n");
    execute(server, &mut second, "SET k w", "second");
    (first, second)
}

#[test]
fn output_is_released_when_the_first_rewrite_dies() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, &["--appendfsync", "always"]);
    let mut admin = server.client(Transport::Tls);
    assert_eq!(admin.text("SET x 1"), "OK");
    let switched = admin.text("CONFIG SET rdb-key-save-delay 10000000 appendonly yes");
    assert_eq!(switched, "OK");
    let (mut first, mut second) = write_behind_a_running_fsync(&server, &disk, TEMP_INCR);
    let quick = "CONFIG SET rdb-key-save-delay 0";
    execute(&server, &mut admin, quick, "quick");
    tests::server::send_signal(server.child_pid(), nix::sys::signal::Signal::SIGKILL);
    server.wait_for_log(&["Removing the temp incr aof file"]);
    disk.clear("hold-fsync");
    expect_ok("the first", &mut first, 1);
    expect_ok("the second", &mut second, 2);
    expect_ok("the administrator", &mut admin, 2);
    server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    assert_eq!(first.text("SET k x"), "OK");
}

#[test]
fn output_is_released_when_no_further_fsync_is_wanted() {
    let no_fsync = "CONFIG SET appendfsync no";
    let save =
        "CONFIG SET no-appendfsync-on-rewrite yes rdb-key-save-delay 10000000\r\nBGSAVE SCHEDULE";
    let off = "CONFIG SET appendonly no";
    for requests in [no_fsync, save, off] {
        let disk = Disk::new();
        let server = Server::start_on(&disk, ALWAYS);
        let mut admin = server.client(Transport::Tcp);
        let (mut first, mut second) = write_behind_a_running_fsync(&server, &disk, INCR);
        admin.send(format!("DEBUG LOG before\r\n{requests}\r\n").as_bytes());
        server.wait_for_log(&["DEBUG LOG: before"]);
        if requests == save {
            server.wait_for_log(&["Background saving started by pid"]);
        }
        disk.clear("hold-fsync");
        expect_ok(requests, &mut first, 1);
        expect_ok(requests, &mut second, 2);
        expect_ok(requests, &mut admin, 2);
        // From now on nothing waits for an fsync.
        disk.set("hold-fsync", 1);
        assert_eq!(first.text("SET k x"), "OK", "{requests}");
        disk.clear("hold-fsync");
        if requests == save {
            assert_eq!(show(&admin.read()), "Background saving started");
            assert_eq!(admin.info("rdb_bgsave_in_progress"), "1");
            tests::server::send_signal(server.child_pid(), nix::sys::signal::Signal::SIGKILL);
        }
    }
}

#[test]
fn output_is_released_when_the_disk_is_full_after_a_change_of_policy() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, ALWAYS);
    let mut admin = server.client(Transport::Tls);
    let (mut first, mut second) = write_behind_a_running_fsync(&server, &disk, INCR);
    let everysec = "CONFIG SET appendfsync everysec";
    execute(&server, &mut admin, everysec, "everysec");
    disk.set("room", 0);
    disk.clear("hold-fsync");
    expect_ok("the first", &mut first, 1);
    expect_ok("the second", &mut second, 2);
    expect_ok("the administrator", &mut admin, 2);
    wait_for_status(&mut admin, "aof_last_write_status", "err");
}

#[test]
fn switching_on_in_a_transaction_replaces_a_running_rewrite() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, &["--appendfsync", "always"]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("SET x 1"), "OK");
    assert_eq!(client.text("CONFIG SET rdb-key-save-delay 10000000"), "OK");
    let started = client.text("BGREWRITEAOF");
    assert_eq!(started, "Background append only file rewriting started");
    assert_eq!(client.text("MULTI"), "OK");
    let both = "CONFIG SET rdb-key-save-delay 0 appendonly yes";
    assert_eq!(client.text(both), "QUEUED");
    assert_eq!(client.text("SET k v"), "QUEUED");
    assert_eq!(client.text("EXEC"), "[OK OK]");
    assert_eq!(client.text("SET k w"), "OK");
    server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    let server = restart(server, &disk, ALWAYS);
    assert_eq!(server.client(Transport::Tcp).text("GET k"), "w");
}

/// The base of a rewrite contains all writes so far, so those that are still in the buffer must not follow it.
#[test]
fn a_rewrite_does_not_begin_before_the_buffer_is_written() {
    // The write fails as often as the command tries it.
    for (policy, failures) in [("no", 1), ("everysec", 2)] {
        let disk = Disk::new();
        let args = ["--appendonly", "yes", "--appendfsync", policy];
        let server = Server::start_on(&disk, &args);
        let mut client = server.client(Transport::Tls);
        assert_eq!(client.text("INCR n"), "1");
        wait_for_status(&mut client, "aof_buffer_length", "0");
        disk.set_times("fail-write", ENOSPC, failures);
        client.send(b"INCR n\r\nBGREWRITEAOF\r\n");
        assert_eq!(show(&client.read()), "2");
        let refused = show(&client.read());
        assert!(
            refused.starts_with("-ERR Can't execute an AOF background rewriting."),
            "{policy}: {refused}"
        );
        server.wait_for_log(&[UNWRITTEN]);
        server.wait_for_log(&["AOF write error looks solved, Redis can write again."]);
        assert_eq!(
            client.text("BGREWRITEAOF"),
            "Background append only file rewriting started"
        );
        server.wait_for_log(&["Background AOF rewrite finished successfully"]);
        let server = restart(server, &disk, &args);
        assert_eq!(server.client(Transport::Tcp).text("GET n"), "2", "{policy}");
    }
}

#[test]
fn a_base_that_cannot_be_renamed_is_logged_with_its_path() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tcp);
    let path = "appendonlydir/appendonly.aof.2.base.rdb";
    std::fs::create_dir_all(disk.data().join(path).join("x")).expect("writable");
    let started = client.text("BGREWRITEAOF");
    assert_eq!(started, "Background append only file rewriting started");
    let line = server.wait_for_log(&["Error trying to rename the temporary AOF base file"]);
    assert!(
        line.ends_with(&format!("into {path}: Is a directory")),
        "{line}"
    );
    assert_eq!(client.text("SET k v"), "OK");
    let server = restart(server, &disk, EVERYSEC);
    assert_eq!(server.client(Transport::Tls).text("GET k"), "v");
}

#[test]
fn rewrites_that_cannot_begin_are_limited() {
    let disk = Disk::new();
    let growth = [
        "--auto-aof-rewrite-percentage",
        "1",
        "--auto-aof-rewrite-min-size",
        "1",
    ];
    let server = Server::start_on(&disk, &[EVERYSEC, &growth].concat());
    let mut client = server.client(Transport::Tcp);
    disk.set("fail-open", EIO);
    assert_eq!(client.text("SET k v"), "OK");
    server.wait_for_log(&[
        "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in 1 minutes",
    ]);
    assert_eq!(client.info("aof_last_bgrewrite_status"), "err");
}

#[test]
fn waitaof_does_not_acknowledge_what_could_not_be_written() {
    let disk = Disk::new();
    let mut server = Server::start_on(&disk, EVERYSEC);
    let (mut client, mut admin) = (server.client(Transport::Tls), server.client(Transport::Tcp));
    disk.set("fail-write", ENOSPC);
    client.send(b"SET k v\r\nWAITAOF 1 0 0\r\n");
    assert_eq!(show(&client.read()), "OK");
    admin.wait_for_blocked(1);
    admin.send(b"SHUTDOWN NOSAVE\r\n");
    assert_eq!(server.wait_for_exit(), Some(0));
    assert_eq!(client.read_to_end(), b"");
    server.wait_for_log(&[UNWRITTEN]);
}

/// A manifest that was renamed, but not synced, may be the one that the next start finds.
#[test]
fn the_files_of_a_manifest_that_may_be_on_the_disk_are_not_overwritten() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, &["--appendfsync", "everysec"]);
    let mut client = server.client(Transport::Tcp);
    disk.set("hold-child", 1);
    assert_eq!(client.text("CONFIG SET appendonly yes"), "OK");
    disk.set_times("fail-folder-fsync", EIO, 1);
    disk.clear("hold-child");
    server.wait_for_log(&["Fail to fsync AOF directory appendonlydir: Input/output error"]);
    server.wait_for_log(&["Background AOF rewrite finished successfully"]);
    let manifest = disk.read("appendonlydir/appendonly.aof.manifest");
    assert_eq!(
        String::from_utf8_lossy(&manifest),
        "file appendonly.aof.2.base.rdb seq 2 type b\nfile appendonly.aof.2.incr.aof seq 2 type i\n"
    );
}

#[test]
fn everysec_goes_on_when_the_clock_is_set_back() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("SET k v"), "OK");
    assert_eq!(client.text("WAITAOF 1 0 0"), "[1 0]");
    disk.set("clock-back", 3600);
    assert_eq!(client.text("SET k w"), "OK");
    assert_eq!(client.text("WAITAOF 1 0 10000"), "[1 0]");
}

/// DEBUG LOADAOF cuts an incomplete end off. A short write must then be cut off where the file ends now.
#[test]
fn a_short_write_after_debug_loadaof_leaves_no_hole() {
    let disk = Disk::new();
    let server = Server::start_on(&disk, EVERYSEC);
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("SET k v"), "OK");
    wait_for_status(&mut client, "aof_buffer_length", "0");
    let whole = disk.read(INCR);
    std::fs::write(disk.data().join(INCR), &whole[..whole.len() - 3]).expect("writable");
    assert!(
        client
            .text("DEBUG LOADAOF")
            .starts_with("-ERR Error trying")
    );
    let kept = disk.read(INCR);
    disk.set("room", 5);
    assert_eq!(client.text("SET k w"), "OK");
    wait_for_status(&mut client, "aof_last_write_status", "err");
    assert_eq!(disk.read(INCR), kept);
}
