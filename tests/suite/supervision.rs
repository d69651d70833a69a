//! `supervised`: a server that systemd or upstart has started.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;
use tests::server::{free_port, send_signal, temp_dir};

/// A server whose environment has a supervisor's variable. It ends with the test.
struct Supervised(Child);

impl Supervised {
    fn start(folder: &Path, variable: (&str, &str), args: &[&str]) -> Self {
        let child = Command::new(tests::binary("redis-server"))
            .args(["--port", "0", "--daemonize", "yes", "--save", "900 1"])
            .args(["--unixsocket", "redis.sock", "--logfile", "log"])
            .arg("--dir")
            .arg(folder)
            .args(args)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("UPSTART_JOB")
            .env(variable.0, variable.1)
            .stdout(Stdio::null())
            .spawn()
            .expect("the binary runs");
        Self(child)
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The socket of systemd.
fn notify_socket(folder: &Path) -> (UnixDatagram, String) {
    let path = folder.join("notify");
    let socket = UnixDatagram::bind(&path).expect("the folder is writable");
    socket
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a duration");
    (socket, path.to_string_lossy().into_owned())
}

/// The lines of the next message.
fn next_message(socket: &UnixDatagram) -> String {
    let mut message = [0; 1024];
    let length = socket.recv(&mut message).expect("a message in time");
    String::from_utf8_lossy(&message[..length]).into_owned()
}

#[test]
fn systemd_is_told_and_the_server_stays_in_the_foreground() {
    for mode in ["systemd", "auto"] {
        let folder = temp_dir();
        let (socket, path) = notify_socket(folder.path());
        let mut server = Supervised::start(
            folder.path(),
            ("NOTIFY_SOCKET", &path),
            &["--supervised", mode],
        );
        for expected in [
            "STATUS=Redis is loading...\n",
            "STATUS=Ready to accept connections\nREADY=1\n",
        ] {
            assert_eq!(next_message(&socket), expected, "{mode}");
        }
        // The process that systemd started must still be the server, although `daemonize` is set.
        send_signal(server.0.id(), Signal::SIGTERM);
        for expected in ["STOPPING=1\n", "STATUS=Saving the final RDB snapshot\n"] {
            assert_eq!(next_message(&socket), expected, "{mode}");
        }
        assert_eq!(server.0.wait().expect("a child").code(), Some(0), "{mode}");
    }
}

#[test]
fn systemd_is_told_of_a_replica_that_waits_for_its_primary() {
    let folder = temp_dir();
    let (socket, path) = notify_socket(folder.path());
    let port = free_port().to_string();
    let _server = Supervised::start(
        folder.path(),
        ("NOTIFY_SOCKET", &path),
        &["--supervised", "systemd", "--replicaof", "127.0.0.1", &port],
    );
    assert_eq!(next_message(&socket), "STATUS=Redis is loading...\n");
    let ready = next_message(&socket);
    assert!(
        ready.contains("Waiting for MASTER <-> REPLICA sync\nREADY=1\n"),
        "{ready}"
    );
}

#[test]
fn a_missing_supervisor_is_logged() {
    for (mode, sentence) in [
        (
            "systemd",
            "systemd supervision error: NOTIFY_SOCKET not found!",
        ),
        (
            "upstart",
            "upstart supervision requested, but UPSTART_JOB not found!",
        ),
    ] {
        // The port is taken, so that the server exits by itself.
        let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        let port = taken.local_addr().expect("it is bound").port().to_string();
        let output = Command::new(tests::binary("redis-server"))
            .args(["--port", &port, "--supervised", mode])
            .env_remove("NOTIFY_SOCKET")
            .env_remove("UPSTART_JOB")
            .output()
            .expect("the binary runs");
        let log = String::from_utf8_lossy(&output.stdout);
        assert!(log.contains(sentence), "{mode}: {log}");
    }
}

#[test]
fn upstart_sees_the_process_stop_once() {
    let folder = temp_dir();
    let mut server = Supervised::start(
        folder.path(),
        ("UPSTART_JOB", "redis"),
        &["--supervised", "upstart"],
    );
    let pid = Pid::from_raw(i32::try_from(server.0.id()).expect("a process"));
    let status = waitpid(pid, Some(WaitPidFlag::WUNTRACED)).expect("a child");
    assert_eq!(status, WaitStatus::Stopped(pid, Signal::SIGSTOP));
    send_signal(server.0.id(), Signal::SIGCONT);
    // It is the same process that goes on: SIGTERM ends it as a server.
    let log = folder.path().join("log");
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("Ready to accept")) {
        assert_eq!(server.0.try_wait().expect("a child"), None);
        std::thread::yield_now();
    }
    send_signal(server.0.id(), Signal::SIGTERM);
    assert_eq!(server.0.wait().expect("a child").code(), Some(0));
}
