//! Clusters of servers under test, of real ones (see `peer`), and of both.

use std::process::Command;

use crate::client::{Client, Transport};
use crate::peer::{Peer, program};
use crate::server::{Server, free_port};
use crate::tools::{Printed, run, tool};
use crate::wait::until;

/// Short, since tests wait for it; long enough for a loaded machine.
const NODE_TIMEOUT_MS: &str = "3000";

/// What a node is.
pub enum Process {
    /// A server of ours.
    Ours(Server),
    /// A real Redis.
    Real(Peer),
}

/// A node of a cluster.
pub struct Node {
    /// The process.
    pub process: Process,
    /// A client of it; by TCP if it is a real Redis.
    pub client: Client,
    /// The port of its bus.
    pub bus_port: u16,
    /// The name that other nodes know it by.
    pub name: String,
}

/// Nodes that use one transport among each other, which is also that of their clients and of the tools.
pub struct Nodes {
    /// The transport.
    pub transport: Transport,
    /// The nodes; those that were started as primaries first.
    pub all: Vec<Node>,
}

/// Arguments that make a server a node whose bus uses a transport.
pub fn arguments(transport: Transport, bus_port: u16) -> Vec<String> {
    let tls = if transport == Transport::Tls {
        "yes"
    } else {
        "no"
    };
    let bus_port = bus_port.to_string();
    [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        bus_port.as_str(),
        "--cluster-node-timeout",
        NODE_TIMEOUT_MS,
        "--tls-cluster",
        tls,
        "--tls-replication",
        tls,
        "--repl-diskless-sync-delay",
        "0",
    ]
    .map(str::to_owned)
    .into()
}

impl Node {
    /// Starts a node that is a cluster of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(transport: Transport, args: &[&str]) -> Self {
        let bus_port = free_port();
        let own = arguments(transport, bus_port);
        let mut all: Vec<&str> = own.iter().map(String::as_str).collect();
        all.extend(args);
        let server = Server::start(&all);
        let client = server.client(transport);
        Self::of(Process::Ours(server), client, bus_port)
    }

    /// Starts a node of a real Redis that is a cluster of its own.
    ///
    /// # Panics
    /// If it does not start.
    pub fn start_real(program: &Command, transport: Transport, args: &[&str]) -> Self {
        let bus_port = free_port();
        let own = arguments(transport, bus_port);
        let mut all: Vec<&str> = own.iter().map(String::as_str).collect();
        all.extend(args);
        let peer = Peer::start_program(program, &all);
        let client = peer.connect();
        Self::of(Process::Real(peer), client, bus_port)
    }

    fn of(process: Process, mut client: Client, bus_port: u16) -> Self {
        let name = client.text("CLUSTER MYID");
        Node {
            process,
            client,
            bus_port,
            name,
        }
    }

    /// The server, which must be one of ours.
    ///
    /// # Panics
    /// If it is a real Redis.
    pub fn server(&self) -> &Server {
        match &self.process {
            Process::Ours(server) => server,
            Process::Real(_) => panic!("a server of ours is needed"),
        }
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        match &self.process {
            Process::Ours(server) => server.pid(),
            Process::Real(peer) => peer.pid(),
        }
    }

    /// Connects another client, over TCP.
    pub fn connect(&self) -> Client {
        match &self.process {
            Process::Ours(server) => server.client(Transport::Tcp),
            Process::Real(peer) => peer.connect(),
        }
    }

    /// The port for clients.
    pub fn port(&self, transport: Transport) -> u16 {
        match (&self.process, transport) {
            (Process::Ours(server), _) => crate::pair::port(server, transport),
            (Process::Real(peer), Transport::Tls) => peer.tls_port,
            (Process::Real(peer), _) => peer.port,
        }
    }

    /// Makes the node a replica, and waits until it has synchronized.
    pub fn replicate(&mut self, primary: &str) {
        until("the primary to be known", || {
            let reply = self.client.text(&format!("CLUSTER REPLICATE {primary}"));
            (reply == "OK").then_some(())
        });
        crate::pair::wait_for_link(&mut self.client);
    }

    /// A field of CLUSTER INFO.
    pub fn cluster_info(&mut self, field: &str) -> String {
        let text = self.client.text("CLUSTER INFO");
        let prefix = format!("{field}:");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix));
        line.unwrap_or_default().to_owned()
    }

    /// The roles and slots of all nodes as this one knows them; `None` while it does not reach one of them or serves no
    /// clients.
    fn settled_view(&self) -> Option<String> {
        let mut client = self.connect();
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
            let slots = slots.iter().filter(|slot| !slot.starts_with('['));
            let slots: Vec<&str> = slots.copied().collect();
            lines.push(format!("{id} {primary} {}", slots.join(" ")));
        }
        lines.sort_unstable();
        Some(lines.join("\n"))
    }

    /// Waits until the node serves clients.
    pub fn wait_until_ok(&mut self) {
        until("the cluster's state to be ok", || {
            (self.cluster_info("cluster_state") == "ok").then_some(())
        });
    }
}

impl Nodes {
    /// Starts a cluster: `primaries` share the slots evenly, and each has `replicas`.
    ///
    /// # Panics
    /// If it does not come about.
    pub fn start(transport: Transport, primaries: usize, replicas: usize, args: &[&str]) -> Self {
        let count = primaries * (1 + replicas);
        let all = (0..count).map(|_| Node::start(transport, args)).collect();
        Self::form(transport, primaries, all)
    }

    /// Makes a cluster of these nodes: the first share the slots evenly, the others are their replicas in turns.
    ///
    /// # Panics
    /// If it does not come about.
    pub fn form(transport: Transport, primaries: usize, all: Vec<Node>) -> Self {
        let count = all.len();
        let mut nodes = Nodes { transport, all };
        for at in 0..primaries {
            let (first, last) = (16_384 * at / primaries, 16_384 * (at + 1) / primaries - 1);
            let line = format!("CLUSTER ADDSLOTSRANGE {first} {last}");
            assert_eq!(nodes.all[at].client.text(&line), "OK");
            let line = format!("CLUSTER SET-CONFIG-EPOCH {}", at + 1);
            assert_eq!(nodes.all[at].client.text(&line), "OK");
        }
        nodes.join();
        for at in primaries..count {
            let primary = nodes.all[at % primaries].name.clone();
            nodes.all[at].replicate(&primary);
        }
        // Nodes of 7.0 do not tell their shards.
        let is_real = |node: &Node| matches!(node.process, Process::Real(_));
        let is_mixed = nodes.all.iter().any(is_real);
        for node in &mut nodes.all {
            node.wait_until_ok();
            until("links to all nodes, and their shards", || {
                let text = node.client.text("CLUSTER NODES");
                let is_linked = !text.contains("disconnected");
                let shards = node.client.cmd("CLUSTER SHARDS");
                let count = shards.elements().map_or(0, <[_]>::len);
                (is_linked && (is_mixed || count == primaries)).then_some(())
            });
        }
        nodes
    }

    /// Starts nodes of Debian's Redis that do not know each other.
    ///
    /// # Panics
    /// If they do not start.
    pub fn start_real(transport: Transport, count: usize, args: &[&str]) -> Self {
        let program = program("redis-server");
        let start = |_| Node::start_real(&program, transport, args);
        Nodes {
            transport,
            all: (0..count).map(start).collect(),
        }
    }

    /// Makes a cluster of all nodes by `redis-cli --cluster create`.
    ///
    /// # Panics
    /// If that fails.
    pub fn create(&self) {
        let count = self.all.len();
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
        self.all[at].port(self.transport)
    }

    /// A tool of ours with the options of the transport.
    pub fn tool(&self, name: &str) -> Command {
        tool(name, self.transport)
    }

    /// Runs redis-cli with this input.
    pub fn cli(&self, args: &[&str], input: &str) -> Printed {
        run(self.tool("redis-cli").args(args), input)
    }

    /// Waits until the first nodes can reach all others, and agree about all roles and slots.
    pub fn wait_for_agreement(&self, count: usize) {
        until("the nodes to agree", || {
            let views = self.all[..count].iter().map(Node::settled_view);
            let views: Option<Vec<String>> = views.collect();
            let views = views?;
            views.iter().all(|view| *view == views[0]).then_some(())
        });
    }

    /// Introduces all nodes to the first, and waits until each knows each other.
    fn join(&mut self) {
        let count = self.all.len();
        let (port, bus) = (self.all[0].port(self.transport), self.all[0].bus_port);
        for node in &mut self.all[1..] {
            let line = format!("CLUSTER MEET 127.0.0.1 {port} {bus}");
            assert_eq!(node.client.text(&line), "OK");
        }
        for node in &mut self.all {
            until("all nodes to know each other", || {
                let text = node.client.text("CLUSTER NODES");
                let known = text.lines().filter(|line| !line.contains("handshake"));
                (known.count() == count).then_some(())
            });
        }
    }

    /// The line of CLUSTER NODES in which node `at` shows another one.
    pub fn view(&mut self, at: usize, of: usize) -> String {
        let name = self.all[of].name.clone();
        let text = self.all[at].client.text("CLUSTER NODES");
        let line = text.lines().find(|line| line.starts_with(&name));
        line.unwrap_or_default().to_owned()
    }

    /// Waits until node `at` shows another one with these flags.
    pub fn wait_for_flags(&mut self, at: usize, of: usize, flags: &str) {
        until(&format!("node {of} to be {flags}"), || {
            let line = self.view(at, of);
            let found = line.split(' ').nth(2)?;
            (found.trim_start_matches("myself,") == flags).then_some(())
        });
    }
}
