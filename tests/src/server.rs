//! A server under test: it gets free ports, its log is captured, and it is killed when the test ends.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;

use nix::errno::Errno;
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::certs;
use crate::client::{Client, Transport};
use crate::disk::Disk;
use crate::log::{END, Log};

/// A running server.
pub struct Server {
    child: Child,
    log: Arc<Log>,
    /// Its working folder.
    pub dir: TempDir,
    /// The plain port.
    pub port: u16,
    /// The TLS port.
    pub tls_port: u16,
}

/// A port that is free at the moment.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|socket| socket.local_addr())
        .expect("loopback")
        .port()
}

/// A temporary folder, in /dev/shm if possible: snapshots are fsynced, and on a disk that is busy with a build an
/// fsync may take longer than the timeout of a test.
///
/// # Panics
/// If it cannot be created.
pub fn temp_dir() -> TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .expect("a temporary folder")
}

/// Sends a signal to a process.
///
/// # Panics
/// If the process no longer exists.
pub fn send_signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process"));
    kill(pid, signal).expect("it exists");
}

impl Server {
    /// Starts a server with TCP, TLS and a Unix socket, and with additional arguments.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(args: &[&str]) -> Self {
        Self::retry(args, None)
    }

    /// As [`Server::start`], with a configuration file in front of the arguments.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_with_config(config: &std::path::Path, args: &[&str]) -> Self {
        let config = config.to_string_lossy();
        let mut all = vec![config.as_ref()];
        all.extend(args);
        Self::start(&all)
    }

    /// Starts a server on a disk that a test controls (see [`Disk`]).
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_on(disk: &Disk, args: &[&str]) -> Self {
        let folder = disk.data().to_string_lossy().into_owned();
        let mut all = vec!["--dir", folder.as_str()];
        all.extend(args);
        Self::retry(&all, Some(disk))
    }

    fn retry(args: &[&str], disk: Option<&Disk>) -> Self {
        let mut last = String::new();
        // Another test may take a free port before the server binds it.
        for _ in 0..5 {
            match Self::try_start(args, disk) {
                Ok(server) => return server,
                Err(log) if log.contains("Failed listening on port") => last = log,
                Err(log) => panic!("the server did not start:\n{log}"),
            }
        }
        panic!("no free port:\n{last}");
    }

    fn try_start(args: &[&str], disk: Option<&Disk>) -> Result<Self, String> {
        // A first argument without dashes is a configuration file.
        let (config, args) = match args {
            [config, rest @ ..] if !config.starts_with('-') => (Some(*config), rest),
            _ => (None, args),
        };
        let dir = temp_dir();
        let (port, tls_port) = (free_port(), free_port());
        let socket = dir.path().join("s");
        let mut command = Command::new(crate::binary("redis-server"));
        command
            .current_dir(dir.path())
            .args(config)
            .args([
                "--port",
                &port.to_string(),
                "--tls-port",
                &tls_port.to_string(),
            ])
            .args(["--bind", "127.0.0.1", "--unixsocket"])
            .arg(&socket)
            .args(["--save", "", "--enable-debug-command", "yes"])
            .args([
                "--tls-cert-file",
                &certs::file("redis.crt"),
                "--tls-key-file",
                &certs::file("redis.key"),
            ])
            .args([
                "--tls-ca-cert-file",
                &certs::file("ca.crt"),
                "--loglevel",
                "verbose",
            ])
            .args(args);
        if let Some(disk) = disk {
            // A group of its own, so that a crash ends its children, too; and children that survive it are reaped here, since
            // init may do so late or never.
            set_child_subreaper(true).expect("any process may");
            command.envs(disk.environment()).process_group(0);
        }
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server's binary runs");
        Self::watch(child, dir, port, tls_port)
    }

    /// Captures the log on a thread, and waits for the line that says the server is ready.
    fn watch(mut child: Child, dir: TempDir, port: u16, tls_port: u16) -> Result<Self, String> {
        let log = Log::capture(child.stdout.take().expect("the stream is piped"));
        let server = Server {
            child,
            log,
            dir,
            port,
            tls_port,
        };
        let line = server.wait_for_log(&["Ready to accept connections tls", END]);
        if line.contains(END) {
            Err(server.log())
        } else {
            Ok(server)
        }
    }

    /// The log so far, with all that the server wrote before this call.
    pub fn log(&self) -> String {
        self.log.lines().join("\n")
    }

    /// Waits until the log has a line with one of these texts, and returns that line.
    ///
    /// # Panics
    /// If none appears in time.
    pub fn wait_for_log(&self, texts: &[&str]) -> String {
        self.log.wait_for(texts)
    }

    /// Connects a new client.
    ///
    /// # Panics
    /// If the connection fails.
    pub fn client(&self, transport: Transport) -> Client {
        Client::connect(self, transport)
    }

    /// The path of the Unix socket.
    pub fn socket(&self) -> std::path::PathBuf {
        self.dir.path().join("s")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of the current or last child process.
    ///
    /// # Panics
    /// If there was none.
    pub fn child_pid(&self) -> u32 {
        self.wait_for_log(&["started by pid"]);
        let log = self.log();
        let line = log.lines().rfind(|line| line.contains("started by pid"));
        let pid = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        pid.expect("a line that ends in a pid")
    }

    /// Limits the size of the files that the server may write, in bytes or `unlimited`.
    ///
    /// # Panics
    /// If the limit cannot be set.
    pub fn limit_file_size(&self, limit: &str) {
        let limited = Command::new("prlimit")
            .args(["--pid", &self.pid().to_string()])
            .arg(format!("--fsize={limit}:unlimited"))
            .status();
        assert!(limited.expect("prlimit runs").success());
    }

    /// Sends a signal to the server.
    ///
    /// # Panics
    /// If the server no longer exists.
    pub fn signal(&self, signal: Signal) {
        send_signal(self.pid(), signal);
    }

    /// Ends the process and its children as a crash of the machine does, and throws away what its disk does not keep.
    ///
    /// # Panics
    /// If it was not started on a disk.
    pub fn crash(&mut self, disk: &Disk, keeps: &mut dyn FnMut() -> bool) {
        self.kill_group();
        let _ = self.child.wait();
        // Its children are now children of this process.
        let group = Pid::from_raw(-self.group().as_raw());
        while !matches!(waitpid(group, None), Err(Errno::ECHILD)) {}
        disk.crash(keeps);
    }

    /// Kills the process and its children, of which some may be gone already.
    pub fn kill_group(&self) {
        let _ = killpg(self.group(), Signal::SIGKILL);
    }

    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.pid()).expect("a process"))
    }

    /// Waits until the process exits; returns its exit code, or `None` if a signal ended it.
    pub fn wait_for_exit(&mut self) -> Option<i32> {
        self.child
            .wait()
            .expect("the process is a child of this one")
            .code()
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> usize {
        let text = fs::read_to_string(format!("/proc/{}/statm", self.pid())).unwrap_or_default();
        text.split(' ')
            .nth(1)
            .and_then(|pages| pages.parse::<usize>().ok())
            .unwrap_or(0)
            * 4096
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            let log = self.log();
            let from = log.char_indices().rev().nth(4000).map_or(0, |(at, _)| at);
            eprintln!("--- end of the server's log:\n{}", &log[from..]);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
