//! Links: the connections of the bus. A node connects to every other node, so there are two links between two nodes;
//! each node sends its pings on the link that it opened.
//!
//! # Invariants
//! 1. An outgoing link has a node, and `nodes[node].link` is it.
//! 2. An inbound link gets its node with the first packet of a node that is known, and then `nodes[node].inbound` is it.
//! 3. Ids are never reused (`data::ds::slab`).

use data::ds::slab::Slab;

use crate::ids::NodeIx;

/// A link.
#[derive(Debug)]
pub struct Link {
    /// The node at the other end, if known.
    pub node: Option<NodeIx>,
    /// Whether the other side connected.
    pub inbound: bool,
    /// Whether it can be used; one that this node opens is not at first.
    pub is_connected: bool,
    /// Wall clock time in milliseconds of its creation.
    pub created_ms: i64,
    /// Address of the other side.
    pub peer_ip: Box<str>,
    /// Port of the other side.
    pub peer_port: u16,
    /// Address of this side, empty if not known yet.
    pub local_ip: Box<str>,
    /// Received bytes that are not a complete packet yet.
    pub input: Vec<u8>,
    /// Bytes of packets for this link in actions that were not taken yet.
    pub queued: usize,
}

/// All links.
pub type Links = Slab<Link>;
