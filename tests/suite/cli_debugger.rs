//! redis-cli and scripts: `--eval`, `--ldb`, `--ldb-sync-mode`, `--functions-rdb`.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::thread;

use tests::client::Transport;
use tests::server::{Server, temp_dir};

use crate::redis_cli::{BOTH, cli};

const SCRIPT: &str = "redis.call('set', KEYS[1], ARGV[1])\nreturn redis.call('get', KEYS[1])\n";

const BANNER: &str = "\
Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.

";

/// Runs redis-cli with a script, and with lines as its standard input.
fn run(server: &Server, transport: Transport, script: &str, args: &str, lines: &str) -> Output {
    let dir = temp_dir();
    let path = dir.path().join("script.lua");
    std::fs::write(&path, script).expect("the folder is writable");
    let mut program = cli(server, transport)
        .args(args.split(' ').filter(|arg| !arg.is_empty()))
        .arg("--eval")
        .arg(&path)
        .args(["k", ",", "v"])
        .env("TERM", "dumb")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut input = program.stdin.take().expect("a pipe");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    program.wait_with_output().expect("the program ends")
}

fn said(server: &Server, transport: Transport, script: &str, args: &str, lines: &str) -> String {
    let done = run(server, transport, script, args, lines);
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).expect("text");
    // A command that took half a second on a loaded machine is followed by its time.
    let lines = text.split_inclusive('\n');
    lines.filter(|line| !line.ends_with("s)\n")).collect()
}

const FIRST: &str =
    "* Stopped at 1, stop reason = step over\n-> 1   redis.call('set', KEYS[1], ARGV[1])\n";
const SECOND: &str = "<redis> set k v\n<reply> \"+OK\"\n* Stopped at 2, stop reason = step over\n-> 2   return redis.call('get', KEYS[1])\n";

#[test]
fn scripts_are_debugged() {
    for transport in BOTH {
        let server = Server::start(&[]);
        assert_eq!(said(&server, transport, SCRIPT, "", ""), "v\n");
        server.client(transport).text("DEL k");
        let lines = "s\ne 1 .. \"b\np KEYS\nc\nget k\n";
        let ended =
            "\n\"v\"\n\n(Lua debugging session ended -- dataset changes rolled back)\n\n(nil)\n";
        let error = "<error> ldb_eval:1: unexpected symbol near '1'\n";
        let shown = said(&server, transport, SCRIPT, "--ldb", lines);
        let expected = format!("{BANNER}{FIRST}{SECOND}{error}<value> {{\"k\"}}\n{ended}");
        assert_eq!(shown, expected, "{transport:?}");
        // In the server itself, changes are kept.
        let shown = said(&server, transport, SCRIPT, "--ldb-sync-mode", "c\nget k\n");
        let ended = "\n\"v\"\n\n(Lua debugging session ended)\n\n\"v\"\n";
        assert_eq!(shown, format!("{BANNER}{FIRST}{ended}"), "{transport:?}");
    }
}

#[test]
fn sessions_are_restarted_and_left() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let lines = "s\nrestart\nc\nrestart\nhelp\nquit\n";
        let shown = said(&server, transport, SCRIPT, "--ldb", lines);
        let starts: Vec<&str> = shown.split(BANNER).collect();
        assert_eq!(starts.len(), 4, "{shown}");
        assert_eq!(starts[1], format!("{FIRST}{SECOND}\n"));
        assert!(starts[2].starts_with(FIRST) && starts[2].ends_with("rolled back)\n\n\n"));
        assert!(
            starts[3].contains("[a]bort              Stop the execution"),
            "{shown}"
        );
    }
}

#[test]
fn a_script_that_is_none_is_shown_before_the_prompt() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let shown = said(&server, transport, "return +", "--ldb", "get k\n");
        assert!(
            shown.starts_with(&format!(
                "{BANNER}\nEval debugging session can't start:\n(error) ERR Error compiling script"
            )),
            "{shown}"
        );
    }
}

#[test]
fn a_script_that_is_none_is_an_error_with_e() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let done = run(&server, transport, "return +", "--ldb -e", "get k\n");
        let shown = String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(1), "{shown}");
        assert!(shown.ends_with("\nEval debugging session can't start:\n"));
        assert!(done.stderr.starts_with(b"ERR Error compiling script"));
    }
}

#[test]
fn no_prompt_opens_when_the_connection_is_lost_at_the_start() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    let server = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a connection");
        let _ = socket.read(&mut [0; 1024]);
        let _ = socket.write_all(b"+OK\r\n");
        // The beginning of EVAL.
        let _ = socket.read(&mut [0; 1024]);
    });
    let dir = temp_dir();
    let path = dir.path().join("script.lua");
    std::fs::write(&path, SCRIPT).expect("the folder is writable");
    let done = Command::new(tests::binary("redis-cli"))
        .args(["-p", &port.to_string(), "--ldb", "--eval"])
        .arg(&path)
        .output()
        .expect("the program runs");
    server.join().expect("it has served");
    assert_eq!(done.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&done.stdout), BANNER);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(said, "Error: Server closed the connection\n");
}

#[test]
fn debugging_is_begun_at_the_prompt() {
    for transport in BOTH {
        let server = Server::start(&[]);
        let mut program = cli(&server, transport)
            .env("TERM", "xterm")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let mut input = program.stdin.take().expect("a pipe");
        input
            .write_all(b"script debug yes\neval \"return {1}\" 0\nc\nping\nrestart\n")
            .expect("it reads");
        drop(input);
        let done = program.wait_with_output().expect("the program ends");
        let shown = String::from_utf8(done.stdout).expect("text");
        let stopped = "\x1b[0;37;49m* Stopped at 1, stop reason = step over\x1b[0m\n\x1b[0;33;49m-> 1   return {1}\x1b[0m\n";
        assert_eq!(
            shown.replacen("OK\n", "", 1),
            format!(
                "{stopped}\n1) (integer) 1\n\n(Lua debugging session ended -- dataset changes rolled back)\n\nPONG\nUse 'restart' only in Lua debugging mode.\n"
            )
        );
    }
}

#[test]
fn functions_are_written_without_keys() {
    let library = "#!lua name=lib\nredis.register_function('f', function() return 7 end)";
    for transport in BOTH {
        for diskless in ["yes", "no"] {
            let server = Server::start(&[
                "--repl-diskless-sync",
                diskless,
                "--repl-diskless-sync-delay",
                "0",
            ]);
            let mut client = server.client(transport);
            assert_eq!(client.text("SET k v"), "OK");
            client.call(&["FUNCTION", "LOAD", library]);
            let dir = temp_dir();
            let done = cli(&server, transport)
                .arg("--functions-rdb")
                .arg(dir.path().join("got.rdb"))
                .output()
                .expect("the program runs");
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            assert!(done.status.success(), "{said}");
            assert!(
                said.contains("sending REPLCONF rdb-filter-only functions"),
                "{said}"
            );
            let path = dir.path().to_string_lossy().into_owned();
            let loaded = Server::start(&["--dbfilename", "got.rdb", "--dir", &path]);
            let mut client = loaded.client(transport);
            assert_eq!(client.text("FCALL f 0"), "7");
            assert_eq!(client.text("DBSIZE"), "0");
        }
    }
}
