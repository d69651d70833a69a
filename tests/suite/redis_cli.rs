//! redis-cli as a replica (`--rdb` and `--replica`), its scans over all keys, and its JSON output.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tests::certs;
use tests::client::Transport;
use tests::server::{Server, temp_dir};
use tests::wait::until;

pub const BOTH: [Transport; 2] = [Transport::Tcp, Transport::Tls];

/// A server that starts a full resynchronization without delay.
fn primary(diskless: &str) -> Server {
    Server::start(&[
        "--repl-diskless-sync",
        diskless,
        "--repl-diskless-sync-delay",
        "0",
    ])
}

/// A redis-cli command with the options that connect to a server.
pub fn cli(server: &Server, transport: Transport) -> Command {
    let mut cli = Command::new(tests::binary("redis-cli"));
    if transport == Transport::Tls {
        cli.args(["--tls", "--cacert", &certs::file("ca.crt")]);
        cli.args([
            "--cert",
            &certs::file("redis.crt"),
            "--key",
            &certs::file("redis.key"),
        ]);
        cli.args(["-p", &server.tls_port.to_string()]);
    } else {
        cli.args(["-p", &server.port.to_string()]);
    }
    cli
}

#[test]
fn rdb_mode_writes_a_loadable_file() {
    for transport in BOTH {
        for diskless in ["yes", "no"] {
            let server = primary(diskless);
            let mut client = server.client(Transport::Tcp);
            let big = "x".repeat(300_000);
            client.text("DEBUG POPULATE 1000");
            client.text(&format!("SET big {big}"));
            let dir = temp_dir();
            let done = cli(&server, transport)
                .arg("--rdb")
                .arg(dir.path().join("got.rdb"))
                .output()
                .expect("the program runs");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{said}");
            assert_eq!(
                said.contains("until EOF marker"),
                diskless == "yes",
                "{said}"
            );
            assert!(said.contains("Transfer finished with success"), "{said}");
            let piped = cli(&server, transport)
                .args(["--rdb", "-"])
                .output()
                .expect("the program runs");
            assert!(piped.stdout.starts_with(b"REDIS0011"));
            let path = dir.path().to_string_lossy().into_owned();
            let second = Server::start(&["--dbfilename", "got.rdb", "--dir", &path]);
            let mut loaded = second.client(Transport::Tcp);
            let digest = client.text("DEBUG DIGEST");
            assert_eq!(loaded.text("DEBUG DIGEST"), digest);
            std::fs::write(dir.path().join("got.rdb"), &piped.stdout)
                .expect("the folder is writable");
            assert_eq!(loaded.text("DEBUG RELOAD NOSAVE"), "OK");
            assert_eq!(loaded.text("DEBUG DIGEST"), digest);
        }
    }
}

#[test]
fn rdb_mode_reports_a_file_that_cannot_be_written() {
    let server = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let done = cli(&server, Transport::Tcp)
        .args(["--rdb", "/nowhere/at/all"])
        .output()
        .expect("the program runs");
    assert!(!done.status.success());
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(said.contains("Error opening '/nowhere/at/all'"), "{said}");
}

/// The standard output of redis-cli in a mode.
fn said(server: &Server, transport: Transport, mode: &str) -> String {
    let done = cli(server, transport)
        .arg(mode)
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{said}");
    said
}

#[test]
fn bigkeys_memkeys_and_hotkeys_report_every_type() {
    const KEYS: [(&str, &str, &str); 6] = [
        ("SET", "a-string", "some-text"),
        ("RPUSH", "a-list", "a b c"),
        ("SADD", "a-set", "a b c d"),
        ("ZADD", "a-zset", "1 a 2 b"),
        ("HSET", "a-hash", "f v g w"),
        ("XADD", "a-stream", "* f v"),
    ];
    let server = Server::start(&["--maxmemory-policy", "allkeys-lfu", "--lfu-log-factor", "0"]);
    let mut client = server.client(Transport::Tcp);
    for (command, key, args) in KEYS {
        client.cmd(&format!("{command} {key} {args}"));
    }
    for transport in BOTH {
        let biggest = said(&server, transport, "--bigkeys");
        let heaviest = said(&server, transport, "--memkeys");
        let hottest = said(&server, transport, "--hotkeys");
        for (_, key, _) in KEYS {
            let ty = key.trim_start_matches("a-");
            let line = format!("Biggest {ty:>6} found");
            assert!(biggest.contains(&format!("\"{key}\"")), "{key}: {biggest}");
            assert!(biggest.contains(&line), "{line}: {biggest}");
            assert!(
                heaviest.contains(&format!("\"{key}\"")),
                "{key}: {heaviest}"
            );
            assert!(
                hottest.contains(&format!("keyname: \"{key}\"")),
                "{key}: {hottest}"
            );
        }
    }
}

#[test]
fn json_output_is_valid() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    client.call(&["SET", "k", "say \"hi\"\n\\"]);
    client.call(&["ZADD", "z", "inf", "a", "1.5", "b"]);
    for transport in BOTH {
        let json = |options: &[&str]| {
            let done = cli(&server, transport).args(options).output();
            String::from_utf8_lossy(&done.expect("the program runs").stdout).into_owned()
        };
        let plain = json(&["--json", "GET", "k"]);
        assert_eq!(plain, "\"say \\\"hi\\\"\\n\\\\\"\n");
        // The content of the JSON string is the quoted form of standard output: `say \"hi\"\n\\`.
        let quoted = json(&["--quoted-json", "GET", "k"]);
        assert_eq!(quoted, "\"say \\\\\\\"hi\\\\\\\"\\\\n\\\\\\\\\"\n");
        let scores = json(&["--json", "ZRANGE", "z", "0", "-1", "WITHSCORES"]);
        assert_eq!(scores, "[[\"b\",1.5],[\"a\",\"inf\"]]\n");
    }
}

#[test]
fn replica_mode_prints_the_stream() {
    let modes: [&[&str]; 3] = [&["--replica"], &["SYNC"], &["psync", "?", "-1"]];
    for (transport, mode) in BOTH.iter().flat_map(|&over| modes.map(|mode| (over, mode))) {
        for diskless in ["yes", "no"] {
            let server = primary(diskless);
            let mut client = server.client(Transport::Tcp);
            client.text("SET before 1");
            let mut shown = cli(&server, transport)
                .args(mode)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the program runs");
            let stderr = shown.stderr.take().expect("the stream is piped");
            let mut log = BufReader::new(stderr).lines().map_while(Result::ok);
            assert!(log.any(|line| line.contains("Logging commands from master.")));
            client.text("SET k \"");
            let stdout = shown.stdout.take().expect("the stream is piped");
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let mut writes = lines.filter(|line| line.contains(',') && !line.contains("mode"));
            assert_eq!(writes.next().as_deref(), Some("\"SELECT\",\"0\""));
            assert_eq!(writes.next().as_deref(), Some("\"SET\",\"k\",\"\\\"\""));
            // redis-cli ends when the server does.
            drop(server);
            assert!(
                !shown
                    .wait()
                    .expect("the process is a child of this one")
                    .success()
            );
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_program() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for transport in BOTH {
        let mut waiting = cli(&server, transport)
            .args(["BLPOP", "list", "0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        drop(waiting.stdout.take());
        until("the blocked client", || {
            (client.info("blocked_clients") == "1").then_some(())
        });
        client.text("RPUSH list x");
        let status = waiting.wait().expect("it is a child");
        // What a shell reports of a program that SIGPIPE ended.
        assert_eq!(status.code(), Some(141), "{status}");
    }
}

#[test]
fn the_exit_code_about_hints_counts_the_failures() {
    let folder = temp_dir();
    let path = folder.path().join("hints");
    let wrong = "\"GET \" \"no\"\n";
    for (lines, expected) in [
        ("\"GET \" \"key\"\n".to_owned(), 0),
        (wrong.repeat(2), 2),
        (wrong.repeat(256), 255),
        ("\"GET \"\n".to_owned(), 255),
    ] {
        std::fs::write(&path, &lines).expect("the folder is writable");
        let done = Command::new(tests::binary("redis-cli"))
            .arg("--test_hint_file")
            .arg(&path)
            .output()
            .expect("the program runs");
        assert_eq!(done.status.code(), Some(expected), "{done:?}");
    }
}

#[test]
fn bigkeys_lists_the_types_in_the_order_of_redis() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Tcp);
    for (keys, expected) in [
        "hashs lists strings streams sets zsets",
        "strings lists hashs streams sets zsets",
        "lists hashs strings streams sets zsets",
    ]
    .into_iter()
    .enumerate()
    {
        for mode in ["--bigkeys", "--memkeys"] {
            let said = said(&server, Transport::Tcp, mode);
            let lines = said.lines().filter(|line| line.contains("% of keys"));
            let kinds: Vec<&str> = lines.filter_map(|line| line.split(' ').nth(1)).collect();
            assert_eq!(kinds.join(" "), expected, "{mode} {keys}");
        }
        client.text(&format!("SET k{keys} v"));
    }
}

#[test]
fn mass_insertion_gives_up_after_more_than_the_seconds_given() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    let begun = Instant::now();
    let done = Command::new(tests::binary("redis-cli"))
        .args(["-p", &port.to_string(), "--pipe", "--pipe-timeout", "1"])
        .stdin(Stdio::null())
        .output()
        .expect("the program runs");
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(said, "No replies for 1 seconds: exiting.\n");
    assert!(begun.elapsed() >= Duration::from_secs(2));
}
