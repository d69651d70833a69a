//! Starting, refusing invalid configurations, and shutting down.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Output};

use nix::sys::signal::Signal;
use tests::certs;
use tests::client::{Transport, show};
use tests::server::{Server, free_port, temp_dir};

/// Runs the server until it exits by itself.
fn run(args: &[&str]) -> Output {
    Command::new(tests::binary("redis-server"))
        .args(args)
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn version_and_help_are_printed() {
    let version = run(&["--version"]);
    assert!(version.status.success());
    assert!(
        text(&version).starts_with("Redis server v=7.2.6 "),
        "{}",
        text(&version)
    );
    assert!(run(&["--help"]).status.success());
    let refused = run(&["--test-memory", "10"]);
    assert!(!refused.status.success() && text(&refused).len() > 20);
}

#[test]
fn an_invalid_configuration_is_reported_and_nothing_starts() {
    let folder = temp_dir();
    let write = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).expect("the folder is writable");
        path.to_string_lossy().into_owned()
    };
    let broken_cert = write("broken.crt", "no certificate");
    let port = free_port().to_string();
    let tls = |cert: &str, key: &str| -> Vec<String> {
        [
            "--port",
            "0",
            "--tls-port",
            &port,
            "--tls-cert-file",
            cert,
            "--tls-key-file",
            key,
            "--tls-ca-cert-file",
        ]
        .iter()
        .map(|&word| word.to_owned())
        .chain([certs::file("ca.crt")])
        .collect()
    };
    let cases: Vec<(Vec<String>, &str)> = vec![
        (
            vec![write("a.conf", "port 6379\nnonsense yes\n")],
            "at line 2",
        ),
        (vec![write("b.conf", "\n\nmaxclients many\n")], "at line 3"),
        (vec!["/nowhere/redis.conf".into()], "/nowhere/redis.conf"),
        (
            ["--port", &port, "--locale-collate", "no_SUCH"]
                .map(str::to_owned)
                .to_vec(),
            "Failed to configure LOCALE for invalid locale name.",
        ),
        (tls(&broken_cert, &certs::file("redis.key")), "broken.crt"),
        (
            tls(&certs::file("redis.crt"), "/nowhere.key"),
            "/nowhere.key",
        ),
        (
            tls(&certs::file("redis.crt"), &certs::file("client.key")),
            "key",
        ),
    ];
    for (args, expected) in cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}: {}", text(&output));
        assert!(
            text(&output).contains(expected),
            "{args:?}: {}",
            text(&output)
        );
    }
}

/// With a replaced byte in the name of its file it would start without its data.
#[test]
fn an_argument_that_is_not_utf_8_is_refused() {
    let name = std::ffi::OsStr::from_bytes(b"caf\xe9.rdb");
    let done = Command::new(tests::binary("redis-server"))
        .args(["--port", "0", "--dbfilename"])
        .arg(name)
        .output()
        .expect("the binary runs");
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done).contains("is not valid UTF-8"),
        "{}",
        text(&done)
    );
}

#[test]
fn a_log_file_that_cannot_be_opened_is_reported_on_standard_error() {
    let output = run(&["--port", "0", "--logfile", "/nowhere/redis.log"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(output.stdout, b"");
    let expected = "\n*** FATAL CONFIG FILE ERROR (Redis 7.2.6) ***\n\
                    Can't open the log file: /nowhere/redis.log: No such file or directory\n";
    assert_eq!(String::from_utf8_lossy(&output.stderr), expected);
}

#[test]
fn too_few_descriptors_end_the_start() {
    let binary = tests::binary("redis-server");
    let output = Command::new("sh")
        .args(["-c", "ulimit -n 30; exec timeout 20 \"$0\" --port \"$1\""])
        .arg(binary)
        .arg(free_port().to_string())
        .output()
        .expect("the binary runs");
    let text = text(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let reason = "Your current 'ulimit -n' of 30 is not enough for the server to start. Please increase your open file limit to at \
                  least 10032. Exiting.";
    assert!(text.contains(reason), "{text}");
}

#[test]
fn a_configuration_of_many_lines_is_read_in_linear_time() {
    let folder = temp_dir();
    let path = folder.path().join("redis.conf");
    // With the square of the lines, 30,000 of `save` took minutes.
    let mut lines = String::new();
    for line in 1..=30_000 {
        lines += &format!("save {line} 1\nuser user{line} on nopass\n");
    }
    fs::write(&path, lines).expect("the folder is writable");
    let server = Server::start_with_config(&path, &[]);
    let mut client = server.client(Transport::Tls);
    let users = client.text("ACL USERS");
    assert_eq!(users.split(' ').count(), 30_001);
}

#[test]
fn a_port_in_use_is_reported() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let port = taken
        .local_addr()
        .expect("the listener is bound")
        .port()
        .to_string();
    let output = run(&["--port", &port, "--bind", "127.0.0.1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains(&format!("Failed listening on port {port} (tcp), aborting.")),
        "{}",
        text(&output)
    );
}

#[test]
fn a_unix_socket_that_cannot_be_created_is_reported_once() {
    let output = run(&["--port", "0", "--unixsocket", "/nowhere/redis.sock"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    let sentence =
        "Failed opening Unix socket: bind: /nowhere/redis.sock: No such file or directory";
    assert!(said.contains(sentence), "{said}");
    assert_eq!(
        said.matches("Failed opening Unix socket").count(),
        1,
        "{said}"
    );
}

#[test]
fn an_optional_address_that_the_machine_lacks_is_logged_and_skipped() {
    // 192.0.2.0/24 is reserved for documentation.
    let server = Server::start(&["--bind", "127.0.0.1 -192.0.2.1"]);
    server.wait_for_log(&["Could not create server TCP listening socket 192.0.2.1:"]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("PING"), "PONG");
}

#[test]
fn addresses_are_bound_again_at_run_time() {
    let server = Server::start(&["--bind", "127.0.0.1"]);
    let mut client = server.client(Transport::Tcp);
    let connect = |ip: &str, port| std::net::TcpStream::connect((ip, port));
    assert!(connect("127.0.0.2", server.tls_port).is_err());
    let mut bind = |addresses| show(&client.call(&["CONFIG", "SET", "bind", addresses]));
    assert_eq!(bind("127.0.0.1 -127.0.0.2"), "OK");
    for port in [server.port, server.tls_port] {
        connect("127.0.0.2", port).expect("an optional address that exists is bound");
    }
    assert_eq!(
        bind("127.0.0.1 127.0.0.1"),
        "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    );
    for transport in Transport::ALL {
        assert_eq!(server.client(transport).text("PING"), "PONG");
    }
}

#[test]
fn a_name_can_be_bound_to() {
    let server = Server::start(&["--bind", "localhost"]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("CONFIG GET bind"), "[bind localhost]");
    assert_eq!(
        client.text("CONFIG SET bind no-such-name.invalid"),
        "-ERR CONFIG SET failed (possibly related to argument 'bind') - Failed to bind to specified addresses."
    );
    assert_eq!(client.text("PING"), "PONG");
}

#[test]
fn listeners_are_numbered_by_kind() {
    let server = Server::start(&[]);
    let mut client = server.client(Transport::Unix);
    let info = client.text("INFO server");
    for line in [
        "listener0:name=tcp,",
        "listener1:name=unix,",
        "listener2:name=tls,",
    ] {
        assert!(info.contains(line), "no {line} in\n{info}");
    }
    assert_eq!(client.text("CONFIG SET port 0"), "OK");
    let info = client.text("INFO server");
    assert!(!info.contains("listener0:"), "{info}");
    assert!(info.contains("listener2:name=tls,"), "{info}");
}

#[test]
fn a_configuration_file_is_read_and_rewritten() {
    let folder = temp_dir();
    let path = folder.path().join("redis.conf");
    fs::write(
        &path,
        "# a remark\nmaxclients 100\n\nproc-title-template \"{title} {listen-addr}\"\n",
    )
    .expect("the folder is writable");
    let server = Server::start_with_config(&path, &[]);
    let mut client = server.client(Transport::Tls);
    assert_eq!(client.text("CONFIG GET maxclients"), "[maxclients 100]");
    assert_eq!(client.text("CONFIG SET maxclients 200 timeout 7"), "OK");
    assert_eq!(
        client
            .text("CONFIG SET maxclients 300 timeout nonsense")
            .split(' ')
            .next(),
        Some("-ERR")
    );
    assert_eq!(client.text("CONFIG GET maxclients"), "[maxclients 200]");
    assert_eq!(client.text("CONFIG REWRITE"), "OK");
    let written = fs::read_to_string(&path).expect("readable");
    assert!(
        written.starts_with("# a remark\nmaxclients 200\n"),
        "{written}"
    );
    assert!(written.contains("timeout 7"), "{written}");
    assert!(title_of(&server).contains("127.0.0.1:"));
    let template = "CONFIG SET proc-title-template <{config-file}>";
    assert_eq!(client.text(template), "OK");
    assert_eq!(title_of(&server), format!("<{}>", path.display()));
    let server = Server::start(&[]);
    assert_eq!(server.client(Transport::Tls).text(template), "OK");
    assert_eq!(title_of(&server), "<->");
}

/// What `ps` shows of a server.
fn title_of(server: &Server) -> String {
    let title = fs::read_to_string(format!("/proc/{}/cmdline", server.pid())).unwrap_or_default();
    title.trim_end_matches('\0').to_owned()
}

#[test]
fn the_shipped_configuration_file_is_accepted() {
    let path = tests::root().join("server/redis.conf");
    let server = Server::start_with_config(&path, &[]);
    assert_eq!(server.client(Transport::Tcp).text("PING"), "PONG");
}

#[test]
fn signals_that_mean_nothing_are_ignored() {
    let server = Server::start(&[]);
    for signal in [
        Signal::SIGHUP,
        Signal::SIGPIPE,
        Signal::SIGALRM,
        Signal::SIGXFSZ,
    ] {
        server.signal(signal);
        let reply = server.client(Transport::Tcp).text("PING");
        assert_eq!(reply, "PONG", "{signal}");
    }
}

#[test]
fn signals_and_shutdown_exit_cleanly() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut server = Server::start(&["--pidfile", "redis.pid"]);
        assert!(server.dir.path().join("redis.pid").exists());
        let mut client = server.client(Transport::Tls);
        assert_eq!(client.text("SET k v"), "OK");
        server.signal(signal);
        assert_eq!(server.wait_for_exit(), Some(0));
        // The process may exit before its last log lines are read.
        server.wait_for_log(&["bye bye"]);
        assert!(!server.dir.path().join("redis.pid").exists());
        assert!(!server.socket().exists());
    }
    for transport in Transport::ALL {
        let mut server = Server::start(&[]);
        let mut client = server.client(transport);
        assert_eq!(
            client.text("SHUTDOWN ABORT"),
            "-ERR No shutdown in progress."
        );
        assert_eq!(client.text("SHUTDOWN NOW ABORT"), "-ERR syntax error");
        client.send(b"SHUTDOWN NOSAVE\r\n");
        assert_eq!(server.wait_for_exit(), Some(0), "{transport:?}");
    }
}

#[test]
fn a_crash_writes_a_report() {
    for command in ["DEBUG PANIC", "DEBUG SEGFAULT"] {
        let mut server = Server::start(&[]);
        let mut client = server.client(Transport::Tcp);
        client.send(format!("{command}\r\n").as_bytes());
        assert_ne!(server.wait_for_exit(), Some(0));
        server.wait_for_log(&["(end of log)"]);
        let log = server.log();
        for part in [
            "REDIS BUG REPORT START",
            "------ STACK TRACE ------\n",
            "redis_version:7.2.6",
            "------ CURRENT CLIENT INFO ------\n",
            "------ CONFIG DEBUG OUTPUT ------\n",
            "\nproto-max-bulk-len 512mb\n",
            "REDIS BUG REPORT END",
        ] {
            assert!(log.contains(part), "{command}: no {part} in\n{log}");
        }
        if command == "DEBUG SEGFAULT" {
            for part in [
                "# Redis 7.2.6 crashed by signal: 11, si_code: -6\n",
                "# Killed by PID: ",
            ] {
                assert!(log.contains(part), "no {part} in\n{log}");
            }
            #[cfg(target_arch = "x86_64")]
            assert!(log.contains("------ REGISTERS ------\nRAX:"), "{log}");
        }
        for figure in ["used_memory_rss:", "allocator_resident:"] {
            let line = log.lines().find_map(|line| line.strip_prefix(figure));
            let bytes: u64 = line
                .expect("it is reported")
                .trim()
                .parse()
                .expect("a number");
            assert!(bytes > 1_000_000, "{command}: {figure}{bytes}");
        }
    }
}

#[test]
fn crashes_are_not_reported_if_the_operator_does_not_want_it() {
    for (at_start, command) in [
        (true, "DEBUG SEGFAULT"),
        (false, "DEBUG SEGFAULT"),
        (true, "DEBUG PANIC"),
    ] {
        let args: &[&str] = if at_start {
            &["--crash-log-enabled", "no"]
        } else {
            &[]
        };
        let mut server = Server::start(args);
        let mut client = server.client(Transport::Tcp);
        if !at_start {
            assert_eq!(client.text("CONFIG SET crash-log-enabled no"), "OK");
        }
        client.send(format!("{command}\r\n").as_bytes());
        assert_ne!(server.wait_for_exit(), Some(0));
        server.wait_for_log(&["(end of log)"]);
        let log = server.log();
        assert!(
            !log.contains("BUG REPORT") && !log.contains("STACK TRACE"),
            "{log}"
        );
        assert_eq!(
            log.contains("Guru Meditation"),
            command == "DEBUG PANIC",
            "{log}"
        );
    }
}

#[test]
fn threads_are_bound_to_the_processors_of_their_list() {
    let args = [
        "--server_cpulist",
        "0",
        "--bio_cpulist",
        "0-0:2",
        "--bgsave_cpulist",
        "none",
    ];
    let server = Server::start(&args);
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    for task in tasks {
        let status = task.expect("a thread").path().join("status");
        let status = fs::read_to_string(status).expect("a thread");
        if status.starts_with("Name:\tredis-server") || status.starts_with("Name:\tbio_lazy_free") {
            assert!(status.contains("Cpus_allowed_list:\t0\n"), "{status}");
        }
    }
    let mut client = server.client(Transport::Tcp);
    assert_eq!(client.text("BGSAVE"), "Background saving started");
    server.wait_for_log(&["bgsave_cpulist 'none' is not a list of processors"]);
    client.wait_for_child();
}

#[test]
fn sigabrt_writes_a_report() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let mut server = Server::start(&[]);
        let mut client = server.client(transport);
        assert_eq!(client.text("PING"), "PONG");
        server.signal(Signal::SIGABRT);
        assert_ne!(server.wait_for_exit(), Some(0));
        server.wait_for_log(&["(end of log)"]);
        let log = server.log();
        for part in ["crashed by signal: 6", "STACK TRACE", "REPORT END"] {
            assert!(log.contains(part), "no {part} in\n{log}");
        }
    }
}

#[test]
fn the_watchdog_reports_a_stuck_event_loop() {
    for transport in [Transport::Tcp, Transport::Tls] {
        let server = Server::start(&["--hz", "10"]);
        let mut client = server.client(transport);
        // The minimum is two cron periods.
        assert_eq!(client.text("CONFIG SET watchdog-period 1"), "OK");
        assert_eq!(
            client.text("CONFIG GET watchdog-period"),
            "[watchdog-period 200]"
        );
        assert_eq!(client.text("DEBUG SLEEP 0.5"), "OK");
        server.wait_for_log(&["--- WATCHDOG TIMER EXPIRED ---"]);
        assert_eq!(client.text("CONFIG SET watchdog-period 0"), "OK");
        assert_eq!(client.text("PING"), "PONG");
    }
}
