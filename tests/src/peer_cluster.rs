//! A cluster of real Redis servers (Debian's, see `peer`), for tests of the tools.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::certs;
use crate::client::{Client, Transport};
use crate::peer::{Peer, program};
use crate::server::free_port;
use crate::wait::until;

/// What a program has printed, and its exit code.
#[derive(Debug)]
pub struct Printed {
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
    /// The exit code.
    pub code: Option<i32>,
}

/// Servers in cluster mode, and the transport by which tools reach them.
pub struct Nodes {
    /// The servers.
    pub peers: Vec<Peer>,
    transport: Transport,
}

impl Nodes {
    /// Starts servers that do not know each other.
    ///
    /// # Panics
    /// If they do not start.
    pub fn start(count: usize, transport: Transport) -> Self {
        Self::start_with(count, transport, &[])
    }

    /// As [`Nodes::start`], with additional arguments.
    ///
    /// # Panics
    /// If they do not start.
    pub fn start_with(count: usize, transport: Transport, more: &[&str]) -> Self {
        let start = |_| {
            let bus_port = free_port().to_string();
            let tls = if transport == Transport::Tls {
                "yes"
            } else {
                "no"
            };
            let args = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-require-full-coverage",
                "no",
                "--cluster-port",
                &bus_port,
                "--tls-cluster",
                tls,
                "--tls-replication",
                tls,
                "--repl-diskless-sync-delay",
                "0",
            ];
            let args = [&args[..], more].concat();
            Peer::start_program(&program("redis-server"), &args)
        };
        Self {
            peers: (0..count).map(start).collect(),
            transport,
        }
    }

    /// Starts servers and makes a cluster of them.
    ///
    /// # Panics
    /// If that fails.
    pub fn cluster(count: usize, transport: Transport) -> Self {
        let nodes = Self::start(count, transport);
        nodes.join();
        nodes
    }

    /// Makes a cluster of the servers.
    ///
    /// # Panics
    /// If that fails.
    pub fn join(&self) {
        let count = self.peers.len();
        let addresses: Vec<String> = (0..count).map(|at| self.address(at)).collect();
        let mut args = vec!["--cluster", "create", "--cluster-yes"];
        args.splice(2..2, addresses.iter().map(String::as_str));
        let made = self.cli(&args, "");
        assert_eq!(made.code, Some(0), "{made:?}");
        self.wait_for_agreement(count);
    }

    /// Where a tool reaches a node.
    pub fn address(&self, at: usize) -> String {
        format!("127.0.0.1:{}", self.port(at))
    }

    /// The port by which a tool reaches a node.
    pub fn port(&self, at: usize) -> u16 {
        match self.transport {
            Transport::Tls => self.peers[at].tls_port,
            _ => self.peers[at].port,
        }
    }

    /// The id of a node.
    pub fn id(&self, at: usize) -> String {
        self.client(at).text("CLUSTER MYID")
    }

    /// A client of a node, over TCP.
    pub fn client(&self, at: usize) -> Client {
        self.peers[at].connect()
    }

    /// A tool of ours with the options of the transport.
    pub fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(crate::binary(name));
        tool.env_remove("TERM").env_remove("REDISCLI_CLUSTER_YES");
        if self.transport == Transport::Tls {
            tool.args(["--tls", "--cacert", &certs::file("ca.crt")]);
            tool.args(["--cert", &certs::file("redis.crt")]);
            tool.args(["--key", &certs::file("redis.key")]);
        }
        tool
    }

    /// Runs redis-cli with this input.
    pub fn cli(&self, args: &[&str], input: &str) -> Printed {
        run(self.tool("redis-cli").args(args), input)
    }

    /// Waits until the first nodes have no other node that they cannot reach, and agree about all slots.
    pub fn wait_for_agreement(&self, count: usize) {
        until("the nodes to agree", || {
            let views = (0..count).map(|at| self.view(at));
            let views: Option<Vec<String>> = views.collect();
            let views = views?;
            views.iter().all(|view| *view == views[0]).then_some(())
        });
    }

    /// A node's view of all nodes; `None` while one of them is not usable.
    fn view(&self, at: usize) -> Option<String> {
        let mut client = self.client(at);
        if !client.text("CLUSTER INFO").contains("cluster_state:ok") {
            return None;
        }
        let text = client.text("CLUSTER NODES");
        let mut lines = Vec::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [id, _, flags, primary, _, _, _, "connected", slots @ ..] = &words[..] else {
                return None;
            };
            if flags.contains("handshake") || flags.contains("fail") {
                return None;
            }
            let slots: Vec<&str> = slots
                .iter()
                .filter(|slot| !slot.starts_with('['))
                .copied()
                .collect();
            lines.push(format!("{id} {primary} {}", slots.join(" ")));
        }
        lines.sort_unstable();
        Some(lines.join("\n"))
    }
}

/// Runs a program with this input.
///
/// # Panics
/// If it does not run.
pub fn run(command: &mut Command, input: &str) -> Printed {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    if let Some(mut stdin) = child.stdin.take() {
        // A program that needs no input may have ended.
        let _ = stdin.write_all(input.as_bytes());
    }
    let done = child.wait_with_output().expect("the program ends");
    Printed {
        out: String::from_utf8_lossy(&done.stdout).into_owned(),
        err: String::from_utf8_lossy(&done.stderr).into_owned(),
        code: done.status.code(),
    }
}
