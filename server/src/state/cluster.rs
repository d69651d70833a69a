//! The cluster that this server is a node of: the protocol's state machine, and the connections of its bus.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use cluster::action::Action;
use cluster::ids::LinkId;
use cluster::name::Name;
use cluster::state::Cluster;
use conn::connection::ConnId;
use conn::dial::Dialer;

/// Packets for which an idle link keeps room.
const KEPT: usize = 4;

/// The connection of a link of the bus.
pub struct BusLink {
    /// The connection, once there is one.
    pub conn: Option<ConnId>,
    /// The attempt to connect, until it has succeeded.
    pub dialer: Option<Dialer>,
    /// The node to connect to, for log lines and the check of its certificate.
    pub target: Option<Target>,
    /// Packets that were not sent yet.
    pub packets: VecDeque<Arc<Vec<u8>>>,
    /// How much of the first of them was sent, in bytes.
    pub sent: usize,
    /// Bytes in `packets`.
    pub pending: usize,
}

/// The node that an outgoing link is to reach.
pub struct Target {
    /// Its name.
    pub node: Name,
    /// Its address.
    pub ip: String,
    /// The port of its bus.
    pub port: u16,
    /// The name that it has announced for its host; may be empty.
    pub hostname: String,
}

impl BusLink {
    /// A link to a node, or one that the node has opened.
    pub fn new(target: Option<Target>, conn: Option<ConnId>) -> Self {
        BusLink {
            conn,
            dialer: None,
            target,
            packets: VecDeque::new(),
            sent: 0,
            pending: 0,
        }
    }

    /// Takes bytes from the queue that were sent.
    pub fn take_sent(&mut self, len: usize) {
        self.pending -= len;
        self.sent += len;
        while let Some(first) = self.packets.front()
            && self.sent >= first.len()
        {
            self.sent -= first.len();
            self.packets.pop_front();
        }
        if self.packets.is_empty() {
            self.packets.shrink_to(KEPT);
        }
    }

    /// Memory of what is to be sent, in bytes; packets that several links share count at each.
    pub fn memory(&self) -> usize {
        self.pending + self.packets.len() * size_of::<Arc<Vec<u8>>>()
    }
}

/// This server as a node of a cluster.
pub struct ClusterNode {
    /// The protocol: events in, actions out.
    pub core: Cluster,
    /// Connections by link.
    pub links: HashMap<LinkId, BusLink>,
    /// Links by connection.
    pub by_conn: HashMap<ConnId, LinkId>,
    /// Inbound connections whose TLS handshake is not complete.
    pub accepting: Vec<ConnId>,
    /// The port that the bus listens on.
    pub bus_port: u16,
    /// The lock of nodes.conf, held as long as the process lives.
    pub lock: Option<File>,
    /// Actions that cannot be performed yet, oldest first.
    pub held: VecDeque<Action>,
    /// An event was told since actions were taken last.
    pub is_stirred: bool,
}

impl ClusterNode {
    /// A node without connections.
    pub fn new(core: Cluster, bus_port: u16, lock: File) -> Self {
        ClusterNode {
            core,
            links: HashMap::new(),
            by_conn: HashMap::new(),
            accepting: Vec::new(),
            bus_port,
            lock: Some(lock),
            held: VecDeque::new(),
            is_stirred: true,
        }
    }

    /// Memory of all links, in bytes.
    pub fn link_memory(&self) -> usize {
        let output: usize = self.links.values().map(BusLink::memory).sum();
        output + self.core.queued_output() + self.core.input_memory()
    }
}
