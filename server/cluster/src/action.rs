//! What the cluster asks the server to do, and what it is told with every event.
//!
//! The server takes actions by [`crate::core::Cluster::next_action`] until there are none. A [`Action::Save`] comes before
//! everything else that is pending: a node must not tell others what it could forget in a crash.

use std::sync::Arc;

use crate::ids::LinkId;
use crate::slots::SlotSet;

/// Severity of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// `debug`.
    Debug,
    /// `verbose`.
    Verbose,
    /// `notice`.
    Notice,
    /// `warning`.
    Warning,
}

/// A change of the pause of clients that write, for a manual failover. It is not an action because it must take effect
/// before other events: the packet that follows tells the replication offset, which must not move any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// It begins, and ends at this wall clock time in milliseconds unless it is ended before.
    Until(i64),
    /// It ends.
    End,
}

/// What the server has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Write [`crate::core::Cluster::encode`] to nodes.conf, with fsync or without; a failure is fatal.
    Save {
        /// Whether the file and its folder must be on the disk before anything else is done.
        fsync: bool,
    },
    /// Connect to a node, then call [`crate::core::Cluster::connected`] or [`crate::core::Cluster::failed`].
    Connect {
        /// The link.
        link: LinkId,
        /// Address.
        ip: String,
        /// Bus port.
        port: u16,
        /// Announced name of the host, which its certificate is checked against; empty if there is none.
        hostname: String,
    },
    /// Append a packet to the output of a link. Links that are unknown to the server are ignored.
    Send {
        /// The link.
        link: LinkId,
        /// The packet, shared by the links that get it.
        packet: Arc<Vec<u8>>,
    },
    /// Close a link that the cluster has already forgotten; pending output is lost.
    Close {
        /// The link.
        link: LinkId,
    },
    /// Become a replica, or follow another primary or address.
    Replicate {
        /// Address of the primary.
        ip: String,
        /// Its port, that of `tls-replication`.
        port: u16,
    },
    /// Stop following the primary; the data set is kept.
    BecomePrimary,
    /// Delete the data set (CLUSTER RESET on a replica).
    FlushAll,
    /// Deliver a message to subscribers of this node.
    Publish {
        /// The channel.
        channel: Vec<u8>,
        /// The message.
        message: Vec<u8>,
        /// Whether the channel is a shard channel.
        sharded: bool,
    },
    /// Delete the keys of slots that this primary lost while it still serves others.
    DropKeys {
        /// The slots, with keys or without.
        slots: Box<SlotSet>,
    },
    /// Slots have lost their owner: unsubscribe from their shard channels. Clients that are blocked on keys are to be
    /// redirected by the server's own rules.
    SlotsLeft {
        /// The slots.
        slots: Box<SlotSet>,
    },
    /// Write to the log.
    Log {
        /// Severity.
        level: Level,
        /// The text.
        text: String,
    },
}

/// What the server knows at the time of an event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Wall clock time in milliseconds.
    pub now_ms: i64,
    /// Replication offset: what a primary has written, or what a replica has executed.
    pub offset: i64,
    /// Whether the server is configured to follow a primary (`replicaof`), connected or not.
    pub replicating: bool,
    /// Age of a replica's data set: time since the last byte from the primary if the link is up, otherwise since the
    /// link went down; `i64::MAX` if it was never up.
    pub data_age_ms: i64,
}
