//! What redis-cli and redis-benchmark have in common: connecting to a server, verifying its certificate,
//! authenticating.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use tests::certs::{self, CertSpec};
use tests::client::Transport;
use tests::server::{Server, free_port, temp_dir};

/// Both programs, with the arguments that send one PING.
const TOOLS: [(&str, &[&str]); 2] = [
    ("redis-cli", &["PING"]),
    ("redis-benchmark", &["-q", "-n", "1", "-c", "1", "PING"]),
];

/// Runs a program with these options and its PING.
fn ping(tool: (&str, &[&str]), options: &[&str]) -> Output {
    Command::new(tests::binary(tool.0))
        .args(options)
        .args(tool.1)
        .env_remove("REDISCLI_AUTH")
        .output()
        .expect("the program runs")
}

/// Whether the exit code is 0, and the standard error output.
fn outcome(done: &Output) -> (bool, String) {
    let stderr = String::from_utf8_lossy(&done.stderr).into_owned();
    (done.status.success(), stderr)
}

#[test]
fn every_failure_to_connect_names_the_address_and_the_reason() {
    let server = Server::start(&[]);
    let (plain, tls) = (server.port.to_string(), server.tls_port.to_string());
    let closed = free_port().to_string();
    let ca = certs::file("ca.crt");
    let rows: &[(&[&str], &str, &str)] = &[
        (&["-p", &closed], "127.0.0.1:CLOSED", "Connection refused"),
        (
            &["-p", &closed, "--tls", "--cacert", &ca],
            "127.0.0.1:CLOSED",
            "Connection refused",
        ),
        (&["-h", "nosuch.invalid", "-p", "7"], "nosuch.invalid:7", ""),
        (
            &["-s", "/nowhere/s"],
            "/nowhere/s",
            "No such file or directory",
        ),
        (&["-s", ""], "", ""),
        (
            &["-p", &tls, "--tls"],
            "127.0.0.1:TLS",
            "certificate verify failed: self",
        ),
        (&["-p", &tls, "--tls", "--cacert", &ca], "127.0.0.1:TLS", ""),
        (
            &["-p", &tls, "--tls", "--cacert", "/nowhere/ca"],
            "127.0.0.1:TLS",
            "loading /nowhere/ca: No such file",
        ),
        (
            &["-p", &plain, "--tls", "--cacert", &ca],
            "127.0.0.1:PLAIN",
            "the peer does not speak TLS",
        ),
        (
            &[
                "-h",
                "localhost",
                "-p",
                &tls,
                "--tls",
                "--cacert",
                &ca,
                "--sni",
                "x.example",
            ],
            "localhost:TLS",
            "certificate verify failed: ",
        ),
    ];
    for tool in TOOLS {
        for (options, place, reason) in rows {
            let (succeeded, stderr) = outcome(&ping(tool, options));
            assert!(!succeeded, "{tool:?} {options:?}");
            let place = place
                .replace("CLOSED", &closed)
                .replace("TLS", &tls)
                .replace("PLAIN", &plain);
            let begin = format!("Could not connect to Redis at {place}: {reason}");
            assert!(
                stderr.to_lowercase().starts_with(&begin.to_lowercase()),
                "{tool:?} {options:?}: {stderr}"
            );
            assert!(stderr.len() > begin.len(), "no reason: {stderr}");
        }
    }
}

#[test]
fn an_unlisted_address_is_a_warning_and_an_unlisted_name_an_error() {
    let made = temp_dir();
    let spec = CertSpec {
        name: "named",
        subject: "/O=Redis Test/CN=db.example",
        extensions: &["subjectAltName=DNS:db.example"],
        ..CertSpec::default()
    };
    certs::issue(made.path(), &spec);
    let (cert, key) = (
        certs::file_in(made.path(), "named.crt"),
        certs::file_in(made.path(), "named.key"),
    );
    let named = Server::start(&[
        "--tls-cert-file",
        &cert,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let local = Server::start(&["--tls-auth-clients", "no"]);
    let ca = certs::file("ca.crt");
    // Server, options, whether PING succeeds, whether a warning is printed.
    let rows: &[(&Server, &[&str], bool, bool)] = &[
        (&named, &[], true, true),
        (&named, &["-h", "127.0.0.1"], true, true),
        (&named, &["--verify-name"], false, false),
        (&named, &["-h", "localhost"], false, false),
        (&named, &["--sni", "db.example"], true, false),
        (
            &named,
            &["--sni", "db.example", "--verify-name"],
            true,
            false,
        ),
        (&named, &["--sni", "other.example"], false, false),
        (&named, &["--insecure"], true, false),
        (&local, &[], true, false),
        (&local, &["--verify-name"], true, false),
        (&local, &["-h", "localhost"], true, false),
    ];
    for tool in TOOLS {
        for (server, options, succeeds, warns) in rows {
            let port = server.tls_port.to_string();
            let all = [&["-p", &port, "--tls", "--cacert", &ca], *options].concat();
            let (succeeded, stderr) = outcome(&ping(tool, &all));
            assert_eq!(succeeded, *succeeds, "{tool:?} {options:?}: {stderr}");
            if *warns {
                assert!(
                    stderr.starts_with("Warning: ") && stderr.contains("db.example"),
                    "{stderr}"
                );
                assert_eq!(stderr.lines().count(), 1, "{stderr}");
            } else if *succeeds {
                assert_eq!(stderr, "", "{tool:?} {options:?}");
            } else {
                assert!(
                    stderr.starts_with("Could not connect to Redis at "),
                    "{stderr}"
                );
            }
        }
        let port = named.tls_port.to_string();
        let both = ["-p", &port, "--tls", "--insecure", "--verify-name"];
        let (succeeded, stderr) = outcome(&ping(tool, &both));
        assert!(
            !succeeded && stderr.contains("mutually exclusive"),
            "{stderr}"
        );
    }
}

/// Forwards bytes between a Unix socket and a port until either end closes.
fn forward(listener: UnixListener, port: u16) {
    thread::spawn(move || {
        while let Ok((unix, _)) = listener.accept() {
            let tcp = TcpStream::connect(("127.0.0.1", port)).expect("the server listens");
            let back = (
                tcp.try_clone().expect("the socket can be cloned"),
                unix.try_clone().expect("the socket can be cloned"),
            );
            thread::spawn(move || {
                copy(&unix, &tcp);
                let _ = tcp.shutdown(Shutdown::Write);
            });
            thread::spawn(move || {
                copy(&back.0, &back.1);
                let _ = back.1.shutdown(Shutdown::Write);
            });
        }
    });
}

fn copy(mut from: impl Read, mut to: impl Write) {
    // An error means that an end has closed.
    let _ = std::io::copy(&mut from, &mut to);
}

#[test]
fn tls_runs_over_a_unix_socket() {
    let server = Server::start(&["--tls-auth-clients", "no"]);
    let made = temp_dir();
    let path = made.path().join("tls");
    forward(
        UnixListener::bind(&path).expect("a socket"),
        server.tls_port,
    );
    let (path, plain) = (
        path.display().to_string(),
        server.socket().display().to_string(),
    );
    let ca = certs::file("ca.crt");
    for tool in TOOLS {
        let tls = ["--tls", "--cacert", ca.as_str()];
        let (succeeded, stderr) = outcome(&ping(tool, &[&["-s", &path], &tls[..]].concat()));
        assert!(succeeded, "{tool:?}: {stderr}");
        let named = [&["-s", &path, "--sni", "db.example"], &tls[..]].concat();
        assert!(!outcome(&ping(tool, &named)).0, "{tool:?}");
        // The server's own Unix socket does not use TLS.
        let (succeeded, stderr) = outcome(&ping(tool, &[&["-s", &plain], &tls[..]].concat()));
        let expected =
            format!("Could not connect to Redis at {plain}: the peer does not speak TLS");
        assert!(
            !succeeded && stderr.starts_with(&expected),
            "{tool:?}: {stderr}"
        );
        let unnamed = [&["-s", &path, "--verify-name"], &tls[..]].concat();
        let (succeeded, stderr) = outcome(&ping(tool, &unnamed));
        assert!(!succeeded && stderr.contains("--sni"), "{tool:?}: {stderr}");
    }
}

#[test]
fn urls_authenticate() {
    let server = Server::start(&["--requirepass", "p@ss:/w", "--tls-auth-clients", "no"]);
    let ca = certs::file("ca.crt");
    for transport in [Transport::Tcp, Transport::Tls] {
        let (scheme, port) = match transport {
            Transport::Tls => ("rediss", server.tls_port),
            _ => ("redis", server.port),
        };
        // User information and path of the URL, and whether the PING is answered.
        let rows = [
            (":p%40ss%3a%2fw@", "", true),
            ("p%40ss%3A%2Fw@", "/", true),
            ("default:p%40ss%3a%2fw@", "/3", true),
            (":p@ss:/w@", "/3/?timeout=1", true),
            (":wrong@", "", false),
            ("p%40ss%3a%2fw:@", "", false),
            ("", "", false),
        ];
        for tool in TOOLS {
            for (login, path, succeeds) in rows {
                let url = format!("{scheme}://{login}127.0.0.1:{port}{path}");
                let done = ping(tool, &["--cacert", &ca, "-u", &url]);
                let printed = String::from_utf8_lossy(&done.stdout).into_owned();
                let answered = done.status.success() && !printed.contains("NOAUTH");
                assert_eq!(
                    answered,
                    succeeds,
                    "{tool:?} {url}: {printed} {:?}",
                    outcome(&done)
                );
            }
        }
    }
}

/// A server that answers this many commands of each connection with `+OK`, and closes it behind the next one, which it
/// holds for a while.
fn curt(answers: usize, held: Duration) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.expect("a connection");
            for _ in 0..answers {
                let _ = socket.read(&mut [0; 1024]);
                let _ = socket.write_all(b"+OK\r\n");
            }
            let _ = socket.read(&mut [0; 1024]);
            if !held.is_zero() {
                // The client sends nothing more.
                let _ = socket.set_read_timeout(Some(held));
                let _ = socket.read(&mut [0; 1]);
            }
        }
    });
    port
}

#[test]
fn a_server_that_closes_at_once_may_speak_tls() {
    let closed = "Error: Server closed the connection";
    let guess = " (if it speaks TLS on this port, use --tls)";
    let a_while = Duration::from_millis(1100);
    for (answers, held, guess) in [
        (0, Duration::ZERO, guess),
        (0, a_while, ""),
        (1, Duration::ZERO, ""),
    ] {
        let port = curt(answers, held).to_string();
        let options = ["-p", &port, "-a", "x", "--no-auth-warning"];
        let done = ping(TOOLS[0], &options);
        let expected = format!("{closed}{guess}\n");
        assert_eq!(outcome(&done), (false, expected), "{answers} {held:?}");
    }
}

#[test]
fn errors_of_the_system_have_no_number() {
    let server = Server::start(&[]);
    let port = server.port.to_string();
    let folder = temp_dir();
    let folder_in = || File::open(folder.path()).expect("a folder");
    let said = |command: &mut Command| {
        let done = command.output().expect("the program runs");
        (done.status.code(), outcome(&done).1)
    };
    for tool in ["redis-cli", "redis-benchmark"] {
        let mut program = Command::new(tests::binary(tool));
        program.args(["-p", &port, "-x", "SET", "k"]);
        let expected = "Reading from standard input: Is a directory\n";
        let (code, stderr) = said(program.stdin(folder_in()));
        assert_eq!((code, stderr.as_str()), (Some(1), expected), "{tool}");
    }
    let full = File::create("/dev/full").expect("a device");
    let mut program = Command::new(tests::binary("redis-cli"));
    let (code, stderr) = said(program.args(["-p", &port, "PING"]).stdout(full));
    let expected = "Error writing to standard output: No space left on device\n";
    assert_eq!((code, stderr.as_str()), (Some(1), expected));
    let mut program = Command::new(tests::binary("redis-cli"));
    let (code, stderr) = said(program.args(["--test_hint_file", "/nowhere"]));
    let expected = "Can't open file '/nowhere': No such file or directory\n";
    assert_eq!((code, stderr.as_str()), (Some(255), expected));
}
