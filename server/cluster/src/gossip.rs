//! Processing of gossip about third nodes, and of extensions, by which a node announces its names and shard.

use crate::action::Level;
use crate::failure;
use crate::forgotten;
use crate::ids::NodeIx;
use crate::membership;
use crate::node::Flags;
use crate::packet::extension::Extension;
use crate::packet::gossip::Gossip;
use crate::state::{Cluster, Todo};

/// How far the clock of another node may be ahead.
const CLOCK_TOLERANCE_MS: i64 = 500;

/// The flags that are taken over for a node that is only known from gossip.
const BELIEVED: Flags = Flags::PRIMARY
    .union(Flags::REPLICA)
    .union(Flags::PFAIL)
    .union(Flags::FAIL)
    .union(Flags::MIGRATE_TO)
    .union(Flags::NOFAILOVER);

/// Processes the gossip of a packet. The sender is not known yet if it is a MEET.
pub(crate) fn process(c: &mut Cluster, sender: Option<NodeIx>, gossip: &[Gossip<'_>]) {
    for entry in gossip {
        match (c.nodes.find(&entry.name), sender) {
            (Some(ix), _) => about_known(c, sender, ix, entry),
            (None, Some(_)) => about_unknown(c, entry),
            // Gossip of unknown nodes adds no nodes: two clusters could be merged by accident.
            (None, None) => {}
        }
    }
}

fn about_known(c: &mut Cluster, sender: Option<NodeIx>, ix: NodeIx, entry: &Gossip<'_>) {
    let failing = entry.flags.intersects(Flags::FAIL | Flags::PFAIL);
    let reporter = sender.filter(|sender| c.nodes[*sender].is_primary() && ix != c.myself);
    match reporter {
        Some(sender) if failing => failure::add_report(c, ix, sender),
        Some(sender) => failure::remove_report(c, ix, sender),
        None => {}
    }
    if failing {
        return;
    }
    if c.nodes[ix].ping_sent_ms == 0 && failure::count_reports(c, ix) == 0 {
        let pong_ms = i64::from(entry.pong_received_s) * 1000;
        let in_future = pong_ms > c.now_ms() + CLOCK_TOLERANCE_MS;
        let node = &mut c.nodes[ix];
        if !in_future && pong_ms > node.pong_received_ms {
            node.pong_received_ms = pong_ms;
        }
    }
    // The node is unreachable for this node but not for the sender: its address may have changed.
    let node = &c.nodes[ix];
    let ports = entry.ports(c.settings.tls_cluster);
    let moved = !node.ip.eq_ignore_ascii_case(entry.ip)
        || (node.tcp_port, node.tls_port) != ports
        || node.bus_port != entry.bus_port;
    if node.is(Flags::FAIL | Flags::PFAIL) && !entry.flags.contains(Flags::NOADDR) && moved {
        if let Some(link) = node.link {
            membership::close_link(c, link);
        }
        set_address(c, ix, entry);
        c.nodes[ix].flags -= Flags::NOADDR;
    }
}

fn about_unknown(c: &mut Cluster, entry: &Gossip<'_>) {
    let no_address = entry.flags.contains(Flags::NOADDR) || entry.ip.is_empty();
    if no_address || forgotten::contains(c, &entry.name) {
        return;
    }
    let mut flags = entry.flags & BELIEVED;
    if flags.contains(Flags::PRIMARY | Flags::REPLICA) {
        flags -= Flags::REPLICA;
    }
    if let Some(ix) = membership::add_node(c, Some(entry.name), flags) {
        set_address(c, ix, entry);
    }
}

fn set_address(c: &mut Cluster, ix: NodeIx, entry: &Gossip<'_>) {
    let (tcp, tls) = entry.ports(c.settings.tls_cluster);
    let node = &mut c.nodes[ix];
    node.ip = entry.ip.into();
    node.tcp_port = tcp;
    node.tls_port = tls;
    node.bus_port = entry.bus_port;
}

/// Processes the extensions of a packet. Names that are not announced are cleared.
pub(crate) fn process_extensions(c: &mut Cluster, sender: NodeIx, extensions: &[Extension<'_>]) {
    let (mut hostname, mut human_name, mut shard) = ("", "", None);
    for extension in extensions {
        match extension {
            Extension::Hostname(text) => hostname = text,
            Extension::HumanName(text) => human_name = text,
            Extension::Shard(name) => shard = Some(*name),
            Extension::Forgotten { name, ttl_s } => {
                let found = c.nodes.find(name);
                let kept = |ix: NodeIx| {
                    ix == c.myself
                        || ix == sender
                        || (c.me().is_replica() && c.my_primary() == Some(ix))
                };
                if let Some(ix) = found.filter(|ix| !kept(*ix)) {
                    let ttl_s = i64::try_from(*ttl_s).unwrap_or(i64::MAX);
                    forgotten::add_for(c, *name, ttl_s);
                    membership::delete_node(c, ix);
                    c.later(Todo::STATE | Todo::SAVE);
                }
            }
            Extension::Unknown(kind) => c.log(Level::Warning, |_| {
                format!("Received unknown extension type {kind}")
            }),
        }
    }
    let node = &mut c.nodes[sender];
    if (&*node.hostname, &*node.human_name) != (hostname, human_name) {
        node.hostname = hostname.into();
        node.human_name = human_name.into();
        c.later(Todo::SAVE);
    }
    // Nodes before 7.2 do not announce their shard: a replica has that of its primary.
    let shard = shard.unwrap_or_else(|| c.nodes[membership::root(c, sender)].shard);
    membership::set_shard(c, sender, shard);
}
