//! The cluster that this server is a node of: the protocol's state machine, and the connections of its bus.

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::Arc;

use cluster::action::Action;
use cluster::ids::LinkId;
use cluster::state::Cluster;
use conn::connection::ConnId;
use conn::dial::Dialer;

/// Packets for which an idle link keeps room.
const KEPT: usize = 4;

/// The connection of a link of the bus.
pub struct BusLink {
    /// The connection, once there is one.
    pub conn: Option<ConnId>,
    /// Whether packets can be sent; otherwise they wait until it is connected.
    pub is_connected: bool,
    /// Packets that were not sent yet.
    pub packets: VecDeque<Arc<Vec<u8>>>,
    /// How much of the first of them was sent, in bytes.
    pub sent: usize,
    /// Bytes in `packets` that were not sent yet.
    pending: usize,
}

impl BusLink {
    /// A link that a node has opened by this connection, or one that is to be opened to a node.
    pub fn new(conn: Option<ConnId>) -> Self {
        BusLink {
            conn,
            is_connected: conn.is_some(),
            packets: VecDeque::new(),
            sent: 0,
            pending: 0,
        }
    }

    /// Takes bytes from the queue that were sent.
    fn take_sent(&mut self, len: usize) {
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

/// The attempt to connect a link.
pub struct Dial {
    /// The link.
    pub link: LinkId,
    /// The way to its address.
    pub dialer: Dialer,
    /// The name that the certificate of the node is checked against.
    pub host: String,
}

/// This server as a node of a cluster.
pub struct ClusterNode {
    /// The protocol: events in, actions out.
    pub core: Cluster,
    /// Connections by link.
    links: HashMap<LinkId, BusLink>,
    /// Links by connection.
    by_conn: HashMap<ConnId, LinkId>,
    /// Memory of the output of all links, in bytes.
    output: usize,
    /// Links whose address is being resolved.
    pub resolving: Vec<Dial>,
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
            output: 0,
            resolving: Vec::new(),
            bus_port,
            lock: Some(lock),
            held: VecDeque::new(),
            is_stirred: true,
        }
    }

    /// The connection of a link.
    pub fn link(&self, id: LinkId) -> Option<&BusLink> {
        self.links.get(&id)
    }

    /// The connection of a link, to be changed; its packets are changed by [`ClusterNode::queue`] and
    /// [`ClusterNode::take_sent`].
    pub fn link_mut(&mut self, id: LinkId) -> Option<&mut BusLink> {
        self.links.get_mut(&id)
    }

    /// All links.
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &BusLink)> {
        self.links.iter().map(|(id, link)| (*id, link))
    }

    /// The link of a connection.
    pub fn link_of(&self, conn: ConnId) -> Option<LinkId> {
        self.by_conn.get(&conn).copied()
    }

    /// Adds a link.
    pub fn add_link(&mut self, id: LinkId, link: BusLink) {
        if let Some(conn) = link.conn {
            self.by_conn.insert(conn, id);
        }
        self.links.insert(id, link);
    }

    /// Notes the connection of a link.
    pub fn set_conn(&mut self, id: LinkId, conn: ConnId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.conn = Some(conn);
            self.by_conn.insert(conn, id);
        }
    }

    /// Removes a link and returns its connection.
    pub fn remove_link(&mut self, id: LinkId) -> Option<ConnId> {
        let link = self.links.remove(&id)?;
        self.output -= link.memory();
        let conn = link.conn?;
        self.by_conn.remove(&conn);
        Some(conn)
    }

    /// Appends a packet to the output of a link; whether that was empty before.
    pub fn queue(&mut self, id: LinkId, packet: Arc<Vec<u8>>) -> bool {
        let Some(link) = self.links.get_mut(&id) else {
            return false;
        };
        let was_empty = link.packets.is_empty();
        self.output -= link.memory();
        link.pending += packet.len();
        link.packets.push_back(packet);
        self.output += link.memory();
        was_empty
    }

    /// Takes bytes from the output of a link that were sent.
    pub fn take_sent(&mut self, id: LinkId, len: usize) {
        if let Some(link) = self.links.get_mut(&id) {
            self.output -= link.memory();
            link.take_sent(len);
            self.output += link.memory();
        }
    }

    /// Memory of what is to be sent on all links, in bytes.
    pub fn output(&self) -> usize {
        self.output
    }

    /// Memory of all links, in bytes.
    pub fn link_memory(&self) -> usize {
        self.output + self.core.queued_output() + self.core.input_memory()
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::Arc;

    use cluster::action::Facts;
    use cluster::settings::Settings;
    use cluster::state::Cluster;
    use data::util::rand::Rng;

    use super::{BusLink, ClusterNode};

    #[test]
    fn the_memory_of_links_is_that_of_their_output() {
        let facts = Facts::default();
        let core = Cluster::new(Rng::new(1), Settings::default(), facts);
        let lock = File::open("/dev/null").expect("it exists");
        let mut node = ClusterNode::new(core, 17_000, lock);
        assert_eq!(node.link_memory(), 0);
        let ids = [1, 2].map(|port| node.core.accepted("127.0.0.1", port, "127.0.0.1", facts));
        for id in ids {
            node.add_link(id, BusLink::new(None));
        }
        let packet = Arc::new(vec![0; 100]);
        assert!(node.queue(ids[0], Arc::clone(&packet)));
        assert!(!node.queue(ids[0], Arc::clone(&packet)));
        assert!(node.queue(ids[1], packet));
        let entry = size_of::<Arc<Vec<u8>>>();
        assert_eq!(node.link_memory(), 300 + 3 * entry);
        for (sent, left) in [(60, 240 + 3 * entry), (60, 180 + 2 * entry)] {
            node.take_sent(ids[0], sent);
            assert_eq!(node.link_memory(), left);
        }
        node.remove_link(ids[1]);
        assert_eq!(node.link_memory(), 80 + entry);
        node.take_sent(ids[0], 80);
        assert_eq!(node.link_memory(), 0);
    }
}
