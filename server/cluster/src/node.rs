//! What is known about a node.

use bitflags::bitflags;

use crate::ids::LinkId;
use crate::ids::NodeIx;
use crate::name::Name;
use crate::slots::SlotSet;

/// Maximum length of an address as text.
pub const MAX_IP_LEN: usize = 45;

/// Maximum length of the name of a host.
pub const MAX_HOSTNAME_LEN: usize = 255;

bitflags! {
    /// Flags of a node, with the bits that packets carry.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Flags: u16 {
        /// A primary.
        const PRIMARY = 1;
        /// A replica.
        const REPLICA = 1 << 1;
        /// Suspected to have failed, as it does not answer.
        const PFAIL = 1 << 2;
        /// Failed by the agreement of a majority of primaries.
        const FAIL = 1 << 3;
        /// This node.
        const MYSELF = 1 << 4;
        /// Its name is not known yet, and it is not part of the cluster.
        const HANDSHAKE = 1 << 5;
        /// Its address is not known.
        const NOADDR = 1 << 6;
        /// The first packet to it is a MEET.
        const MEET = 1 << 7;
        /// A primary that replicas may move to: it has, or is supposed to have, replicas.
        const MIGRATE_TO = 1 << 8;
        /// A replica that does not start an election by itself.
        const NOFAILOVER = 1 << 9;
    }
}

impl Flags {
    /// The flags that nodes.conf and CLUSTER NODES show, in their order.
    pub const SHOWN: [(Flags, &'static str); 8] = [
        (Flags::MYSELF, "myself"),
        (Flags::PRIMARY, "master"),
        (Flags::REPLICA, "slave"),
        (Flags::PFAIL, "fail?"),
        (Flags::FAIL, "fail"),
        (Flags::HANDSHAKE, "handshake"),
        (Flags::NOADDR, "noaddr"),
        (Flags::NOFAILOVER, "nofailover"),
    ];
}

/// A primary's report that a node does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Who reports.
    pub from: NodeIx,
    /// When it did so last.
    pub at_ms: i64,
}

/// A node. Times are wall clock times in milliseconds; 0 is never.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name; a random one during the handshake.
    pub name: Name,
    /// Its shard.
    pub shard: Name,
    /// Its flags.
    pub flags: Flags,
    /// Address as text, empty if unknown.
    pub ip: Box<str>,
    /// Port of clients that connect by TCP, 0 if there is none.
    pub tcp_port: u16,
    /// Port of clients that connect by TLS, 0 if there is none.
    pub tls_port: u16,
    /// Port of the bus.
    pub bus_port: u16,
    /// Announced name of the host, empty if there is none.
    pub hostname: Box<str>,
    /// Announced name for humans, empty if there is none.
    pub human_name: Box<str>,
    /// The configuration epoch that it announced last.
    pub config_epoch: u64,
    /// Its slots; `None` is the empty set.
    pub slots: Option<Box<SlotSet>>,
    /// The primary of a replica, if that is known.
    pub primary: Option<NodeIx>,
    /// Replicas of this node.
    pub replicas: Vec<NodeIx>,
    /// When the node became known.
    pub created_ms: i64,
    /// When the PING was sent that has not been answered yet.
    pub ping_sent_ms: i64,
    /// When it answered last.
    pub pong_received_ms: i64,
    /// When anything came from it last.
    pub data_received_ms: i64,
    /// When it was marked as failed.
    pub fail_ms: i64,
    /// When this node voted last for a replica of it.
    pub voted_ms: i64,
    /// Since when it has no working replica.
    pub orphaned_ms: i64,
    /// Its replication offset.
    pub offset: i64,
    /// Number of the packet whose gossip section it was last added to.
    pub in_packet: u64,
    /// The link to it.
    pub link: Option<LinkId>,
    /// The link from it.
    pub inbound: Option<LinkId>,
    /// Reports that it does not answer.
    pub reports: Vec<Report>,
    /// Whether it has ever reported another node, so that there may be reports of it.
    pub has_reported: bool,
}

impl Node {
    /// A node without an address.
    pub fn new(name: Name, shard: Name, flags: Flags, now_ms: i64) -> Self {
        Node {
            name,
            shard,
            flags,
            ip: Box::default(),
            tcp_port: 0,
            tls_port: 0,
            bus_port: 0,
            hostname: Box::default(),
            human_name: Box::default(),
            config_epoch: 0,
            slots: None,
            primary: None,
            replicas: Vec::new(),
            created_ms: now_ms,
            ping_sent_ms: 0,
            pong_received_ms: 0,
            data_received_ms: 0,
            fail_ms: 0,
            voted_ms: 0,
            orphaned_ms: 0,
            offset: 0,
            in_packet: 0,
            link: None,
            inbound: None,
            reports: Vec::new(),
            has_reported: false,
        }
    }

    /// Whether one of the flags is set.
    pub fn is(&self, flags: Flags) -> bool {
        self.flags.intersects(flags)
    }

    /// Whether it is a primary.
    pub fn is_primary(&self) -> bool {
        self.is(Flags::PRIMARY)
    }

    /// Whether it is a replica.
    pub fn is_replica(&self) -> bool {
        self.is(Flags::REPLICA)
    }

    /// Whether it has failed by the agreement of primaries.
    pub fn has_failed(&self) -> bool {
        self.is(Flags::FAIL)
    }

    /// Number of its slots.
    pub fn slot_count(&self) -> u16 {
        self.slots.as_ref().map_or(0, |slots| slots.len())
    }

    /// Port of clients by the transport.
    pub fn port(&self, tls: bool) -> u16 {
        if tls { self.tls_port } else { self.tcp_port }
    }
}

/// Whether a text can be an address that others announce: it is written to nodes.conf and shown to clients.
pub fn is_ip_text(text: &[u8]) -> bool {
    let valid = |&byte: &u8| byte.is_ascii_alphanumeric() || b".:%-_[]".contains(&byte);
    text.len() <= MAX_IP_LEN && text.iter().all(valid)
}

/// Whether a text is a valid announced name of a host.
pub fn is_hostname(text: &[u8]) -> bool {
    let valid = |&byte: &u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    text.len() <= MAX_HOSTNAME_LEN && text.iter().all(valid)
}

/// Whether a text is a valid name for humans. Redis also accepts spaces, quotes and control characters, and then cannot
/// read its own nodes.conf.
pub fn is_human_name(text: &[u8]) -> bool {
    let refused = b"!#$%&()*+:;<>?@[]^{|}~,=\"'\\";
    let valid =
        |byte: &u8| !byte.is_ascii() || (byte.is_ascii_graphic() && !refused.contains(byte));
    text.len() <= MAX_HOSTNAME_LEN && text.iter().all(valid)
}
