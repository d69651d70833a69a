//! Real Redis servers: Debian's (7.0.15), unpacked by `tests/peers`, and the one that `REAL_REDIS` names, a hand-built
//! `redis-server` of 7.2 with TLS, which no distribution ships.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use conn::blocking::Client;
use conn::dial::Place;
use tempfile::TempDir;

use crate::certs;
use crate::client;
use crate::server::{self, free_port};
use crate::wait::{PATIENCE, until};

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let done = Command::new(crate::root().join("tests/peers"))
            .output()
            .expect("bash runs");
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        PathBuf::from(String::from_utf8_lossy(&done.stdout).trim())
    })
}

/// A program of Debian's Redis, ready for its arguments.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(folder().join("usr/bin").join(name));
    command.env("LD_LIBRARY_PATH", folder().join("usr/lib/x86_64-linux-gnu"));
    command
}

/// The server that `REAL_REDIS` names, if it is set.
pub fn real_redis() -> Option<Command> {
    std::env::var_os("REAL_REDIS").map(Command::new)
}

/// A running real Redis server.
pub struct Peer {
    child: Child,
    /// Its port.
    pub port: u16,
    /// Its TLS port.
    pub tls_port: u16,
    /// Its working folder.
    pub dir: TempDir,
}

impl Peer {
    /// Starts Debian's server.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start() -> Self {
        Peer::start_program(&program("redis-server"), &[])
    }

    /// Starts a server program with additional arguments.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_program(program: &Command, args: &[&str]) -> Self {
        // Another test may take a free port before the server binds it.
        (0..5)
            .find_map(|_| Self::try_start(program, args))
            .expect("a real server starts")
    }

    /// `None` if the server exits before it replies.
    fn try_start(program: &Command, args: &[&str]) -> Option<Self> {
        let dir = server::temp_dir();
        let (port, tls_port) = (free_port(), free_port());
        let mut command = Command::new(program.get_program());
        for (name, value) in program.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let child = command
            .args(["--port", &port.to_string()])
            .args(["--tls-port", &tls_port.to_string()])
            .args(["--tls-cert-file", &certs::file("redis.crt")])
            .args(["--tls-key-file", &certs::file("redis.key")])
            .args(["--tls-ca-cert-file", &certs::file("ca.crt")])
            .args(["--bind", "127.0.0.1", "--save", ""])
            .args(["--enable-debug-command", "yes", "--dir"])
            .arg(dir.path())
            .args(args)
            .stdout(Stdio::null())
            .spawn()
            .expect("the program runs");
        let mut peer = Peer {
            child,
            port,
            tls_port,
            dir,
        };
        until("the real server to reply or exit", || {
            if !matches!(peer.child.try_wait(), Ok(None)) {
                return Some(false);
            }
            let mut client = peer.try_client()?;
            client.call(&["PING"]).ok().map(|_| true)
        })
        .then_some(peer)
    }

    /// Connects a harness client to it.
    ///
    /// # Panics
    /// If it cannot be reached.
    pub fn connect(&self) -> client::Client {
        client::Client::of(self.client())
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn try_client(&self) -> Option<Client> {
        let target = Place::Tcp {
            host: "127.0.0.1",
            port: self.port,
            source: None,
        };
        let mut client = Client::connect(&target, None, Some(Duration::from_secs(1))).ok()?;
        client.set_read_timeout(Some(PATIENCE));
        Some(client)
    }

    /// Connects to it.
    ///
    /// # Panics
    /// If it cannot be reached.
    pub fn client(&self) -> Client {
        self.try_client().expect("the server replied before")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
