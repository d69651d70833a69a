//! Real peers: Debian's Redis, unpacked by `tests/peers`.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use conn::blocking::Client;
use conn::dial::Target;
use tempfile::TempDir;

use crate::server::{self, free_port};
use crate::wait::{PATIENCE, until};

fn folder() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let done = Command::new(crate::root().join("tests/peers"))
            .output()
            .expect("bash is there");
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

/// A running server of Debian's.
pub struct Peer {
    child: Child,
    /// Its port.
    pub port: u16,
    /// Its working folder.
    pub dir: TempDir,
}

impl Peer {
    /// Starts one.
    ///
    /// # Panics
    /// It does not come up.
    pub fn start() -> Self {
        let dir = server::folder();
        let port = free_port();
        let child = program("redis-server")
            .args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--enable-debug-command",
                "yes",
                "--dir",
            ])
            .arg(dir.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("Debian's server runs");
        let peer = Peer { child, port, dir };
        until("Debian's server answers", || {
            let mut client = peer.try_client()?;
            client.call(&["PING"]).ok()
        });
        peer
    }

    fn try_client(&self) -> Option<Client> {
        let target = Target::Tcp {
            host: "127.0.0.1",
            port: self.port,
            bind_source: None,
        };
        let mut client = Client::connect(&target, None, Some(Duration::from_secs(1))).ok()?;
        client.set_read_timeout(Some(PATIENCE));
        Some(client)
    }

    /// A connection to it.
    ///
    /// # Panics
    /// It cannot be reached.
    pub fn client(&self) -> Client {
        self.try_client().expect("it answered before")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
