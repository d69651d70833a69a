//! Texts: the lines of CLUSTER NODES and of nodes.conf, and CLUSTER INFO.
//!
//! A node is a line:
//!
//! | field | content |
//! |---|---|
//! | 1 | name |
//! | 2 | `ip:port@busport[,hostname]`; in nodes.conf `ip:port@busport,[hostname],tls-port=N[,nodename=T],shard-id=NAME` |
//! | 3 | flags |
//! | 4 | name of the primary, or `-` |
//! | 5, 6 | times of the pending PING and of the last PONG in milliseconds |
//! | 7 | configuration epoch; of a replica, that of its primary |
//! | 8 | `connected` or `disconnected` |
//! | 9.. | ranges of slots; for this node also `[slot->-NAME]` and `[slot-<-NAME]` for slots that are moving |

use std::fmt::Write;

use crate::ids::NodeIx;
use crate::node::{Flags, Node};
use crate::packet::Kind;
use crate::state::{Cluster, Health};

/// Who the text is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A client, by the transport of its connection.
    Client {
        /// Whether it is TLS.
        tls: bool,
    },
    /// nodes.conf.
    File,
}

/// The lines of all nodes that have none of the flags in `without`.
pub(crate) fn nodes_text(c: &Cluster, reader: Reader, without: Flags) -> String {
    let mut text = String::new();
    for (ix, node) in c.nodes.iter() {
        if !node.is(without) {
            append_line(c, &mut text, ix, reader);
            text.push('\n');
        }
    }
    text
}

/// Appends the line of a node, without a line end.
pub(crate) fn append_line(c: &Cluster, out: &mut String, ix: NodeIx, reader: Reader) {
    let node = &c.nodes[ix];
    let _ = write!(out, "{} ", node.name);
    append_address(out, node, reader);
    out.push(' ');
    append_flags(out, node.flags);
    let primary = node.primary.map(|ix| &c.nodes[ix]);
    match primary {
        Some(primary) => _ = write!(out, " {}", primary.name),
        None => out.push_str(" -"),
    }
    let epoch = c.announced_epoch(ix);
    let connected = node.link.is_some() || node.is(Flags::MYSELF);
    let _ = write!(
        out,
        " {} {} {epoch} {}",
        node.ping_sent_ms,
        node.pong_received_ms,
        if connected {
            "connected"
        } else {
            "disconnected"
        }
    );
    for (first, last) in node.slots.iter().flat_map(|slots| slots.ranges()) {
        let _ = match first == last {
            true => write!(out, " {first}"),
            false => write!(out, " {first}-{last}"),
        };
    }
    if node.is(Flags::MYSELF) {
        append_moves(c, out);
    }
}

/// CLUSTER INFO.
pub(crate) fn info(c: &Cluster) -> String {
    let mut counts = [0; 3];
    for (_, node) in c.nodes.iter() {
        let state = match node {
            node if node.has_failed() => 2,
            node if node.is(Flags::PFAIL) => 1,
            _ => 0,
        };
        counts[state] += u32::from(node.slot_count());
    }
    let [ok, pfail, fail] = counts;
    let rows = [
        ("cluster_slots_assigned", u64::from(ok + pfail + fail)),
        ("cluster_slots_ok", u64::from(ok)),
        ("cluster_slots_pfail", u64::from(pfail)),
        ("cluster_slots_fail", u64::from(fail)),
        ("cluster_known_nodes", c.nodes.len() as u64),
        ("cluster_size", c.size as u64),
        ("cluster_current_epoch", c.epoch),
        ("cluster_my_epoch", c.announced_epoch(c.myself)),
    ];
    let state = match c.health {
        Health::Ok => "ok",
        Health::Fail => "fail",
    };
    let mut text = format!("cluster_state:{state}\r\n");
    for (name, value) in rows {
        let _ = write!(text, "{name}:{value}\r\n");
    }
    for (counts, way) in [(&c.stats.sent, "sent"), (&c.stats.received, "received")] {
        for (kind, name) in Kind::ALL {
            let count = counts[usize::from(kind.number())];
            if count != 0 {
                let _ = write!(text, "cluster_stats_messages_{name}_{way}:{count}\r\n");
            }
        }
        let total: u64 = counts.iter().sum();
        let _ = write!(text, "cluster_stats_messages_{way}:{total}\r\n");
    }
    let exceeded = c.stats.link_limit_exceeded;
    let _ = write!(
        text,
        "total_cluster_links_buffer_limit_exceeded:{exceeded}\r\n"
    );
    text
}

fn append_address(out: &mut String, node: &Node, reader: Reader) {
    let tls = reader == Reader::Client { tls: true };
    let _ = write!(out, "{}:{}@{}", node.ip, node.port(tls), node.bus_port);
    if !node.hostname.is_empty() || reader == Reader::File {
        let _ = write!(out, ",{}", node.hostname);
    }
    if reader == Reader::File {
        let _ = write!(out, ",tls-port={}", node.tls_port);
        if !node.human_name.is_empty() {
            let _ = write!(out, ",nodename={}", node.human_name);
        }
        let _ = write!(out, ",shard-id={}", node.shard);
    }
}

fn append_flags(out: &mut String, flags: Flags) {
    let start = out.len();
    for (flag, name) in Flags::SHOWN {
        if flags.contains(flag) {
            if out.len() > start {
                out.push(',');
            }
            out.push_str(name);
        }
    }
    if out.len() == start {
        out.push_str("noflags");
    }
}

fn append_moves(c: &Cluster, out: &mut String) {
    let owners = &c.owners;
    let mut moves: Vec<(u16, &str, NodeIx)> = Vec::new();
    moves.extend(
        owners
            .migrating
            .iter()
            .map(|(slot, ix)| (*slot, "->-", *ix)),
    );
    let importing = owners.importing.iter();
    let importing = importing.filter(|(slot, _)| !owners.migrating.contains_key(slot));
    moves.extend(importing.map(|(slot, ix)| (*slot, "-<-", *ix)));
    moves.sort_unstable();
    for (slot, arrow, ix) in moves {
        let _ = write!(out, " [{slot}{arrow}{}]", c.nodes[ix].name);
    }
}
