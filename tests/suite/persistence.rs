//! Snapshots: saving, loading, and failures of either that must not lose data.

use std::fs;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use nix::sys::signal::Signal;
use tests::client::{Client, Transport, send_raw};
use tests::server::{Server, free_port, send_signal, temp_dir};
use tests::snapshots::unhex;
use tests::wait::until;

/// An RDB file written by Redis 7.0.15: every type in its compact encoding, a key that expires in 2100, a second
/// database.
const FROM_7_0: &str = "524544495330303130fa0972656469732d76657206372e302e3135fa0a72656469732d62697473c040fa056374696d65c200b1066b\
fa08757365642d6d656dc2583c1000fa08616f662d62617365c000fe00fb09010b04696e74730e0200000003000000010002002c0100046c6f6e67c30a40c80261\
6261e0ba0101616210046861736813130000000400816602817602816702817702ff0203736574020179017811047a73657418180000000400836f6e650483312e\
35048374776f040201ff0004746578740568656c6c6ffc00d8c32cbb03000000056c61746572c00100066e756d626572c1393012046c69737401020f0f00000003\
008161028162020301fffe03fb010000056f74686572026462ff66c6d8bebf98db34";

fn start_in(folder: &Path, args: &[&str]) -> Server {
    let folder = folder.to_string_lossy().into_owned();
    let mut all = vec!["--dir", folder.as_str()];
    all.extend(args);
    Server::start(&all)
}

/// Adds keys of every type, small and big.
fn fill(client: &mut Client) {
    for line in [
        "SET text hello",
        "SET number -42",
        "SET later soon PXAT 4102444800000",
        "RPUSH list a b 3",
        "SADD ints 1 2 300",
        "SADD set x y",
        "ZADD zset 1.5 one -inf two",
        "HSET hash f v g w",
        "DEBUG POPULATE 1000 filler 100",
    ] {
        let reply = client.text(line);
        assert!(!reply.starts_with('-'), "{line}: {reply}");
    }
    for number in 0..600 {
        client.text(&format!("RPUSH big-list {number}-element"));
        client.text(&format!("SADD big-set {number}-member"));
        client.text(&format!("ZADD big-zset {number}.25 {number}-member"));
        client.text(&format!("HSET big-hash {number}-field value"));
    }
    client.text("SELECT 9");
    client.text("SET elsewhere yes");
    client.text("SELECT 0");
}

fn digest(client: &mut Client) -> String {
    client.text("DEBUG DIGEST")
}

/// Runs `redis-check-rdb` with these arguments.
fn check(args: &[&Path]) -> Output {
    Command::new(tests::binary("redis-server"))
        .arg0("redis-check-rdb")
        .args(args)
        .output()
        .expect("the binary runs")
}

#[test]
fn saved_data_loads_unchanged() {
    for options in [
        &["--rdbcompression", "no"][..],
        &["--rdbchecksum", "no"],
        &["--maxmemory-policy", "allkeys-lru"],
        &["--maxmemory-policy", "allkeys-lfu"],
    ] {
        let folder = temp_dir();
        let server = start_in(folder.path(), options);
        let mut client = server.client(Transport::Tls);
        fill(&mut client);
        assert_eq!(client.text("SAVE"), "OK");
        assert_eq!(client.info("rdb_changes_since_last_save"), "0");
        let before = digest(&mut client);
        drop(server);
        let server = start_in(folder.path(), options);
        let mut client = server.client(Transport::Tls);
        assert_eq!(digest(&mut client), before, "{options:?}");
        assert_eq!(client.text("PEXPIRETIME later"), "4102444800000");
        assert_eq!(client.info("rdb_last_load_keys_loaded"), "1013");
        assert_eq!(client.info("loading"), "0");
        server.wait_for_log(&["DB loaded from disk: "]);
        let checked = check(&[&folder.path().join("dump.rdb")]);
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(checked.status.success(), "{text}");
        assert!(
            text.contains("[info] 1013 keys read\n[info] 1 expires\n"),
            "{text}"
        );
    }
}

#[test]
fn bgsave_saves_the_data_at_the_time_of_the_fork() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    fill(&mut client);
    let before = digest(&mut client);
    client.text("CONFIG SET rdb-key-save-delay 100");
    assert_eq!(client.text("BGSAVE"), "Background saving started");
    for command in ["BGSAVE", "SAVE", "BGSAVE SCHEDULE"] {
        assert_eq!(
            client.text(command),
            "-ERR Background save already in progress"
        );
    }
    assert_eq!(client.info("current_save_keys_total"), "1013");
    for number in 0..50 {
        client.text(&format!("SET since:{number} x"));
    }
    client.wait_for_child();
    server.wait_for_log(&["Background saving terminated with success"]);
    server.wait_for_log(&["Fork CoW for RDB"]);
    assert_eq!(client.info("rdb_changes_since_last_save"), "50");
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert_ne!(client.info("rdb_last_cow_size"), "0");
    assert_eq!(client.info("total_forks"), "1");
    drop(server);
    let server = start_in(folder.path(), &[]);
    assert_eq!(digest(&mut server.client(Transport::Tcp)), before);
}

#[test]
fn a_killed_child_leaves_the_old_file_and_stops_writes() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &["--save", "900", "100000"]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("SET k old"), "OK");
    assert_eq!(client.text("SAVE"), "OK");
    let file = fs::read(folder.path().join("dump.rdb")).expect("it was saved");
    client.text("SET k new");
    client.text("DEBUG POPULATE 1000");
    client.text("CONFIG SET rdb-key-save-delay 10000000");
    client.text("BGSAVE");
    let pid = server.child_pid();
    let temp = folder.path().join(format!("temp-{pid}.rdb"));
    until("the child's temporary file", || temp.exists().then_some(()));
    send_signal(pid, Signal::SIGKILL);
    client.wait_for_child();
    server.wait_for_log(&["Background saving terminated by signal 9"]);
    assert_eq!(client.info("rdb_last_bgsave_status"), "err");
    assert!(!temp.exists());
    assert_eq!(
        fs::read(folder.path().join("dump.rdb")).expect("it exists"),
        file
    );
    for refused in ["SET k newer", "PING"] {
        let reply = client.text(refused);
        assert!(
            reply.starts_with("-MISCONF Redis is configured to save"),
            "{reply}"
        );
    }
    assert_eq!(client.text("GET k"), "new");
    client.text("CONFIG SET stop-writes-on-bgsave-error no");
    assert_eq!(client.text("SET k newer"), "OK");
    client.text("CONFIG SET stop-writes-on-bgsave-error yes rdb-key-save-delay 0");
    assert_eq!(client.text("BGSAVE"), "Background saving started");
    client.wait_for_child();
    assert_eq!(client.text("SET k newest"), "OK");
}

#[test]
fn a_full_disk_fails_the_save_and_loses_no_data() {
    let folder = temp_dir();
    let mut server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    client.text("SET k old");
    assert_eq!(client.text("SAVE"), "OK");
    let file = fs::read(folder.path().join("dump.rdb")).expect("it was saved");
    client.text("DEBUG POPULATE 20000 key 500");
    server.limit_file_size("100000");
    assert_eq!(client.text("CONFIG SET rdbcompression no"), "OK");
    assert_eq!(client.text("SAVE"), "-ERR");
    server.wait_for_log(&["Write error while saving DB to the disk(rdbSaveRio): File too large"]);
    assert_eq!(client.text("BGSAVE"), "Background saving started");
    client.wait_for_child();
    assert_eq!(client.info("rdb_last_bgsave_status"), "err");
    // SHUTDOWN is refused while the data cannot be saved.
    let refused = "-ERR Errors trying to SHUTDOWN. Check logs.";
    assert_eq!(client.text("SHUTDOWN SAVE"), refused);
    server.wait_for_log(&[
        "Errors trying to shut down the server. Check the logs for more information.",
    ]);
    // The save of SHUTDOWN is not counted.
    assert_eq!(client.info("rdb_saves"), "3");
    assert_eq!(client.text("DBSIZE"), "20001");
    assert_eq!(
        fs::read(folder.path().join("dump.rdb")).expect("it exists"),
        file
    );
    let left: Vec<_> = fs::read_dir(folder.path()).expect("readable").collect();
    assert_eq!(left.len(), 1, "{left:?}");
    client.send(b"SHUTDOWN SAVE FORCE\r\n");
    assert_eq!(server.wait_for_exit(), Some(0));
}

#[test]
fn saving_into_a_deleted_folder_fails_and_is_logged() {
    let folder = temp_dir();
    let inner = folder.path().join("inner");
    fs::create_dir(&inner).expect("the folder is writable");
    let server = start_in(&inner, &[]);
    let mut client = server.client(Transport::Tls);
    client.text("SET k v");
    fs::remove_dir(&inner).expect("the folder is empty");
    assert_eq!(client.text("SAVE"), "-ERR");
    server.wait_for_log(&["Failed opening the temp RDB file temp-"]);
    assert_eq!(client.text("GET k"), "v");
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = temp_dir();
    let path = folder.path().join("dump.rdb");
    let whole = unhex(FROM_7_0);
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tcp);
    for cut in 0..whole.len() {
        fs::write(&path, &whole[..cut]).expect("the folder is writable");
        assert_eq!(
            client.text("DEBUG RELOAD NOSAVE"),
            "-ERR Error trying to load the RDB dump, check server logs.",
            "{cut}"
        );
    }
    fs::write(&path, &whole).expect("the folder is writable");
    assert_eq!(client.text("DEBUG RELOAD NOSAVE"), "OK");
    for cut in [0, 8, 100, whole.len() - 1] {
        fs::write(&path, &whole[..cut]).expect("the folder is writable");
        let dir = folder.path().to_string_lossy().into_owned();
        let port = free_port().to_string();
        let output = Command::new(tests::binary("redis-server"))
            .args(["--port", &port, "--dir", &dir])
            .output()
            .expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(1), "{cut}: {text}");
        for line in [
            "# Short read or OOM loading DB. Unrecoverable error, aborting now.\n",
            "-> Unexpected EOF reading RDB file",
            "# Terminating server after rdb file reading failure.\n",
        ] {
            assert!(text.contains(line), "{cut}: {text}");
        }
        assert_eq!(fs::read(&path).expect("it exists"), whole[..cut]);
        let checked = check(&[&path]);
        assert_eq!(checked.status.code(), Some(1));
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        assert!(
            text.contains("--- RDB ERROR DETECTED ---\n"),
            "{cut}: {text}"
        );
    }
}

/// The expected texts were written by Redis 7.2.6 for the same files.
#[test]
fn redis_check_rdb_tells_what_it_was_reading() {
    let folder = temp_dir();
    let path = folder.path().join("dump.rdb");
    let whole = unhex(FROM_7_0);
    let with = |at: usize, bytes: &[u8]| {
        let mut changed = whole.clone();
        changed[at..at + bytes.len()].copy_from_slice(bytes);
        changed
    };
    let eof = "Unexpected EOF reading RDB file";
    let string = "[additional info] Reading type 0 (string)\n";
    let set = "[additional info] Reading type 11 (set-intset)\n";
    let hash = "[additional info] Reading type 16 (hash-listpack)\n";
    let in_value = format!("[additional info] Reading key 'ints'\n{set}");
    // What is wrong and where; what was being read; the type and the key, if any; the number of keys.
    type Case<'a> = (Vec<u8>, u32, &'a str, &'a str, &'a str, u32);
    let cases: [Case; 11] = [
        (whole[..5].to_vec(), 0, eof, "start", string, 0),
        (
            with(5, b"0099"),
            9,
            "Can't handle RDB format version 99",
            "start",
            string,
            0,
        ),
        (whole[..12].to_vec(), 11, eof, "read-aux", string, 0),
        (whole[..81].to_vec(), 81, eof, "read-len", string, 0),
        (
            with(85, &[22]),
            86,
            "Invalid object type: 22",
            "read-type",
            string,
            0,
        ),
        (whole[..88].to_vec(), 87, eof, "read-key", set, 0),
        (
            whole[..94].to_vec(),
            92,
            eof,
            "read-object-value",
            &in_value,
            1,
        ),
        (whole[..126].to_vec(), 126, eof, "read-type", "", 2),
        (whole[..127].to_vec(), 127, eof, "read-key", hash, 2),
        (whole[..209].to_vec(), 206, eof, "read-expire", "", 6),
        (whole[..281].to_vec(), 274, eof, "check-sum", "", 10),
    ];
    for (bytes, offset, why, doing, more, keys) in cases {
        fs::write(&path, &bytes).expect("the folder is writable");
        let checked = check(&[&path]);
        assert_eq!(checked.status.code(), Some(1));
        let text = String::from_utf8_lossy(&checked.stdout).into_owned();
        let expected = format!(
            "--- RDB ERROR DETECTED ---\n[offset {offset}] {why}\n[additional info] While doing: {doing}\n{more}\
             [info] {keys} keys read\n"
        );
        assert!(text.contains(&expected), "{expected} is not in\n{text}");
    }
}

#[test]
fn a_wrong_checksum_is_refused() {
    let folder = temp_dir();
    let path = folder.path().join("dump.rdb");
    let mut bytes = unhex(FROM_7_0);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&path, &bytes).expect("the folder is writable");
    let server = start_in(folder.path(), &["--rdbchecksum", "no"]);
    assert_eq!(server.client(Transport::Tcp).text("GET text"), "hello");
    drop(server);
    let dir = folder.path().to_string_lossy().into_owned();
    let output = Command::new(tests::binary("redis-server"))
        .args(["--port", &free_port().to_string(), "--dir", &dir])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("-> RDB CRC error"));
    let checked = check(&[&path]);
    assert_eq!(checked.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&checked.stdout).contains("RDB CRC error"));
}

#[test]
fn a_file_of_redis_7_0_loads() {
    let folder = temp_dir();
    let path = folder.path().join("dump.rdb");
    fs::write(&path, unhex(FROM_7_0)).expect("the folder is writable");
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    let long = "ab".repeat(100);
    for (command, reply) in [
        ("GET text", "hello"),
        ("GET number", "12345"),
        ("GET long", long.as_str()),
        ("LRANGE list 0 -1", "[a b 3]"),
        ("SMEMBERS ints", "[1 2 300]"),
        ("SCARD set", "2"),
        ("ZRANGE zset 0 -1 WITHSCORES", "[one 1.5 two 2]"),
        ("HGETALL hash", "[f v g w]"),
        ("PEXPIRETIME later", "4102444800000"),
        ("SELECT 3", "OK"),
        ("GET other", "db"),
    ] {
        assert_eq!(client.text(command), reply, "{command}");
    }
    server.wait_for_log(&["Loading RDB produced by version 7.0.15"]);
    let checked = check(&[&path]);
    let text = String::from_utf8_lossy(&checked.stdout).into_owned();
    for part in [
        "[offset 0] Checking RDB file ",
        "AUX FIELD redis-ver = '7.0.15'\n",
        "Selecting DB ID 3\n",
        "] Checksum OK\n",
        "] \\o/ RDB looks OK! \\o/\n",
        "[info] 10 keys read\n[info] 1 expires\n[info] 0 already expired\n",
    ] {
        assert!(text.contains(part), "no {part} in\n{text}");
    }
    assert!(!check(&[]).status.success());
}

#[test]
fn expired_keys_are_not_loaded() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    client.text("DEBUG SET-ACTIVE-EXPIRE 0");
    client.text("SET stays x");
    client.text("SET goes x PX 1");
    assert_eq!(client.text("SAVE"), "OK");
    until("the key to expire", || {
        (client.text("EXISTS goes") == "0").then_some(())
    });
    drop(server);
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.info("rdb_last_load_keys_expired"), "1");
    assert_eq!(client.info("rdb_last_load_keys_loaded"), "1");
    server.wait_for_log(&["Done loading RDB, keys loaded: 1, keys expired: 1."]);
}

#[test]
fn shutdown_saves_if_there_are_save_points() {
    for (save, command, kept) in [
        ("900 1", "SHUTDOWN", true),
        ("900 1", "SHUTDOWN NOSAVE", false),
        ("", "SHUTDOWN", false),
        ("", "SHUTDOWN SAVE", true),
        ("900 1", "-TERM", true),
    ] {
        let folder = temp_dir();
        let mut server = start_in(folder.path(), &["--save", save]);
        let mut client = server.client(Transport::Tls);
        client.text("SET k v");
        if command.starts_with('-') {
            server.signal(Signal::SIGTERM);
        } else {
            client.send(format!("{command}\r\n").as_bytes());
        }
        assert_eq!(server.wait_for_exit(), Some(0), "{save} {command}");
        let there = folder.path().join("dump.rdb").exists();
        assert_eq!(there, kept, "{save} {command}");
    }
}

#[test]
fn a_second_sigint_aborts_the_save_and_removes_its_file() {
    let folder = temp_dir();
    let mut server = start_in(folder.path(), &["--save", "900", "1"]);
    let mut client = server.client(Transport::Tls);
    client.text("DEBUG PAUSE-CRON 1");
    server.signal(Signal::SIGTERM);
    until("the server to receive the signal", || {
        (client.text("SHUTDOWN ABORT") == "OK").then_some(())
    });
    client.text("DEBUG PAUSE-CRON 0");
    client.text("DEBUG POPULATE 100");
    client.text("CONFIG SET rdb-key-save-delay 10000000");
    let temp = folder.path().join(format!("temp-{}.rdb", server.pid()));
    server.signal(Signal::SIGINT);
    until("the temporary file of the save", || {
        temp.exists().then_some(())
    });
    server.signal(Signal::SIGINT);
    assert_eq!(server.wait_for_exit(), Some(1));
    assert!(!temp.exists());
}

#[test]
fn a_child_delays_neither_shutdown_nor_the_close_of_a_connection() {
    let folder = temp_dir();
    let mut server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    let mut other = server.client(Transport::Tcp);
    let id = other.text("CLIENT ID");
    client.text("DEBUG POPULATE 100");
    client.text("CONFIG SET rdb-key-save-delay 10000000");
    client.text("BGSAVE");
    let pid = server.child_pid();
    let title = format!("/proc/{pid}/cmdline");
    until("the child's process title", || {
        let title = fs::read_to_string(&title).unwrap_or_default();
        title.starts_with("redis-rdb-bgsave ").then_some(())
    });
    // The child must have closed its copy of the descriptor; otherwise the client would see no EOF until the child
    // exits.
    assert_eq!(client.text(&format!("CLIENT KILL ID {id}")), "1");
    assert!(other.read_to_end().is_empty());
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait_for_exit(), Some(0));
    server.wait_for_log(&["There is a child saving an .rdb. Killing it!"]);
    until("the child to exit", || {
        (!Path::new(&format!("/proc/{pid}/exe")).exists()).then_some(())
    });
    assert!(!folder.path().join(format!("temp-{pid}.rdb")).exists());
}

#[test]
fn flushall_kills_the_child_and_saves_the_empty_data_set() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &["--save", "900", "100000"]);
    let mut client = server.client(Transport::Tls);
    client.text("DEBUG POPULATE 1000");
    client.text("CONFIG SET rdb-key-save-delay 10000000");
    client.text("BGSAVE");
    server.child_pid();
    client.text("CONFIG SET rdb-key-save-delay 0");
    assert_eq!(client.text("FLUSHALL"), "OK");
    client.wait_for_child();
    assert_eq!(client.info("rdb_last_bgsave_status"), "ok");
    assert_eq!(client.text("SET k v"), "OK");
    drop(server);
    let server = start_in(folder.path(), &[]);
    assert_eq!(server.client(Transport::Tcp).text("DBSIZE"), "0");
}

#[test]
fn save_points_and_scheduled_saves_start_a_child() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &["--save", "1", "1"]);
    let mut client = server.client(Transport::Tls);
    client.text("SET k v");
    server.wait_for_log(&["1 changes in 1 seconds. Saving..."]);
    server.wait_for_log(&["Background saving terminated with success"]);
    client.text("CONFIG SET save ");
    client.text("MULTI");
    client.text("BGSAVE");
    client.text("SET k w");
    assert_eq!(client.text("EXEC"), "[Background saving scheduled OK]");
    until("the scheduled save", || {
        (client.info("rdb_changes_since_last_save") == "0").then_some(())
    });
    assert_eq!(client.text("BGSAVE SOON"), "-ERR syntax error");
    let now = client.text("TIME");
    let last: i64 = client.text("LASTSAVE").parse().expect("a number");
    let now: i64 = now[1..]
        .split(' ')
        .next()
        .and_then(|s| s.parse().ok())
        .expect("a number");
    assert!(now - last < 30, "{last} {now}");
}

#[test]
fn clients_get_loading_errors_during_startup() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    client.text("DEBUG POPULATE 20000 key 100");
    client.text("SAVE");
    drop(server);
    let port = free_port();
    let dir = folder.path().to_string_lossy().into_owned();
    let mut child = Command::new(tests::binary("redis-server"))
        .args(["--port", &port.to_string(), "--dir", &dir])
        .args(["--key-load-delay", "1000"])
        .args(["--loading-process-events-interval-bytes", "1024"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    until("the server to listen", || {
        TcpStream::connect(("127.0.0.1", port)).ok()
    });
    let text = send_raw(port, b"GET key:1\r\nINFO persistence\r\nSAVE\r\nQUIT\r\n");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(
        text.starts_with("-LOADING Redis is loading the dataset in memory\r\n"),
        "{text}"
    );
    assert!(text.contains("\r\nloading:1\r\n"), "{text}");
    assert!(text.contains("\r\nloading_loaded_perc:"), "{text}");
    send_raw(port, b"SHUTDOWN\r\n");
    assert_eq!(
        child
            .wait()
            .expect("the process is a child of this one")
            .code(),
        Some(0)
    );
    // The shutdown must not have replaced the file by the partly loaded data set.
    let server = start_in(folder.path(), &[]);
    assert_eq!(server.client(Transport::Tcp).text("DBSIZE"), "20000");
}

#[test]
fn debug_reload_saves_flushes_and_loads() {
    let folder = temp_dir();
    let server = start_in(folder.path(), &[]);
    let mut client = server.client(Transport::Tls);
    fill(&mut client);
    let before = digest(&mut client);
    assert_eq!(client.text("DEBUG RELOAD"), "OK");
    assert_eq!(digest(&mut client), before);
    client.text("SET extra 1");
    client.text("SET text changed");
    assert_eq!(client.text("DEBUG RELOAD NOSAVE NOFLUSH MERGE"), "OK");
    assert_eq!(client.text("MGET extra text"), "[1 hello]");
    assert_eq!(
        client.text("DEBUG RELOAD NOSAVE NOFLUSH"),
        "-ERR Error trying to load the RDB dump, check server logs."
    );
    assert_eq!(client.text("DEBUG RELOAD NOSAVE"), "OK");
    assert_eq!(digest(&mut client), before);
    assert_eq!(
        client.text("DEBUG RELOAD NOTHING"),
        "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
    );
}
