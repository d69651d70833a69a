//! Sending packets.

use std::sync::Arc;

use crate::action::Action;
use crate::forgotten;
use crate::ids::LinkId;
use crate::ids::NodeIx;
use crate::node::Flags;
use crate::packet::extension::Extension;
use crate::packet::gossip::Gossip;
use crate::packet::header::Header;
use crate::packet::{Kind, encode};
use crate::slots::Bitmap;
use crate::state::{Cluster, Health};

/// Gossip entries per packet: a tenth of the nodes, but at least this many. Two nodes exchange at least eight packets in two
/// node timeouts, so a majority of primaries reports a suspected node while reports are valid.
const MIN_GOSSIP: usize = 3;

/// Appends a packet to the output of a link.
fn send(c: &mut Cluster, link: LinkId, kind: Kind, packet: Arc<Vec<u8>>) {
    c.stats.sent[usize::from(kind.number())] += 1;
    c.emit(Action::Send { link, packet });
}

/// The header of a packet from this node.
fn header(c: &Cluster, kind: Kind) -> Header<'_> {
    let me = c.me();
    let primary = me.primary.map(|ix| &c.nodes[ix]);
    let source = primary.filter(|_| me.is_replica()).unwrap_or(me);
    let settings = &c.settings;
    let (tcp, tls) = (settings.tcp_port_announced(), settings.tls_port_announced());
    let (port, other_port) = match settings.tls_cluster {
        true => (tls, tcp),
        false => (tcp, tls),
    };
    Header {
        kind: kind.number(),
        port,
        other_port,
        bus_port: settings.bus_port_announced(),
        epoch: c.epoch,
        config_epoch: source.config_epoch,
        offset: c.facts.offset,
        sender: me.name,
        slots: source
            .slots
            .as_ref()
            .map_or(Bitmap::EMPTY, |slots| slots.bitmap().clone()),
        primary: primary.map(|primary| primary.name),
        ip: &settings.announce_ip,
        flags: me.flags,
        failing: c.health == Health::Fail,
        paused: me.is_primary() && c.manual.end_ms != 0,
        force_ack: false,
    }
}

/// Sends a PING, PONG or MEET with gossip.
pub(crate) fn ping(c: &mut Cluster, link: LinkId, kind: Kind) {
    let outgoing = c.links.get(link).filter(|link| !link.inbound);
    let pinged = outgoing.and_then(|link| link.node);
    if let Some(ix) = pinged.filter(|_| kind == Kind::Ping) {
        c.nodes[ix].ping_sent_ms = c.now_ms();
    }
    let chosen = choose_gossip(c);
    if !c.forgotten.is_empty() {
        forgotten::clean(c);
    }
    let tls = c.settings.tls_cluster;
    let about = |ix: &NodeIx| Gossip::about(&c.nodes[*ix], tls);
    let gossip: Vec<Gossip<'_>> = chosen.iter().map(about).collect();
    let packet = encode::ping(&header(c, kind), &gossip, &extensions(c));
    send(c, link, kind, Arc::new(packet));
}

/// Chooses nodes for the gossip section: some at random, then those that are suspected.
fn choose_gossip(c: &mut Cluster) -> Vec<NodeIx> {
    c.pings_made += 1;
    let packet = c.pings_made;
    // Neither this node nor the receiver.
    let mut fresh = c.nodes.len().saturating_sub(2);
    let wanted = (c.nodes.len() / 10).max(MIN_GOSSIP).min(fresh);
    let mut chosen = Vec::with_capacity(wanted + c.pfail_nodes);
    for _ in 0..wanted * 3 {
        if fresh == 0 || chosen.len() == wanted {
            break;
        }
        let ix = c.nodes.random(&mut c.rng);
        let node = &mut c.nodes[ix];
        if node.is(Flags::MYSELF | Flags::PFAIL) {
            continue;
        }
        let idle = node.link.is_none() && node.slots.is_none();
        if node.is(Flags::HANDSHAKE | Flags::NOADDR) || idle {
            fresh -= 1;
            continue;
        }
        if node.in_packet != packet {
            node.in_packet = packet;
            chosen.push(ix);
            fresh -= 1;
        }
    }
    let suspects = c
        .nodes
        .iter()
        .filter(|(_, node)| node.is(Flags::PFAIL) && !node.is(Flags::HANDSHAKE | Flags::NOADDR));
    if c.pfail_nodes > 0 {
        chosen.extend(suspects.take(c.pfail_nodes).map(|(ix, _)| ix));
    }
    chosen.truncate(usize::from(u16::MAX));
    chosen
}

/// The extensions that this node sends: its names, its shard, and forgotten nodes.
fn extensions(c: &Cluster) -> Vec<Extension<'_>> {
    let me = c.me();
    let mut extensions = Vec::with_capacity(3 + c.forgotten.len());
    if !me.hostname.is_empty() {
        extensions.push(Extension::Hostname(&me.hostname));
    }
    if !me.human_name.is_empty() {
        extensions.push(Extension::HumanName(&me.human_name));
    }
    for (name, until_s) in &c.forgotten {
        extensions.push(Extension::Forgotten {
            name: *name,
            ttl_s: u64::try_from(until_s - c.now_s()).unwrap_or(0),
        });
    }
    extensions.push(Extension::Shard(me.shard));
    extensions
}

/// Who gets a PONG without a PING.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All nodes.
    All,
    /// Replicas of this node, or of the same primary.
    Replicas,
}

/// Sends a PONG to nodes, to tell them what has changed.
pub(crate) fn broadcast_pong(c: &mut Cluster, audience: Audience) {
    let mine = c.my_primary();
    let hears = |ix: NodeIx| {
        let node = &c.nodes[ix];
        let primary = node.primary.filter(|_| node.is_replica());
        let local = primary.is_some_and(|primary| primary == c.myself || Some(primary) == mine);
        let other = !node.is(Flags::MYSELF | Flags::HANDSHAKE);
        node.link
            .filter(|_| other && (audience == Audience::All || local))
    };
    let links: Vec<LinkId> = c.nodes.list().iter().filter_map(|ix| hears(*ix)).collect();
    for link in links {
        ping(c, link, Kind::Pong);
    }
}

/// Sends a packet to all nodes, or to those of this node's shard.
fn broadcast(c: &mut Cluster, kind: Kind, packet: Vec<u8>, shard_only: bool) {
    let shard = c.me().shard;
    let nodes = c.nodes.iter().map(|(_, node)| node);
    let receivers = nodes.filter(|node| {
        !node.is(Flags::MYSELF | Flags::HANDSHAKE) && (!shard_only || node.shard == shard)
    });
    let links: Vec<LinkId> = receivers.filter_map(|node| node.link).collect();
    let packet = Arc::new(packet);
    for link in links {
        send(c, link, kind, Arc::clone(&packet));
    }
}

/// Tells all nodes that one has failed.
pub(crate) fn fail(c: &mut Cluster, ix: NodeIx) {
    let packet = encode::fail(&header(c, Kind::Fail), &c.nodes[ix].name);
    broadcast(c, Kind::Fail, packet, false);
}

/// Sends an UPDATE about the slots of another node, without those that the other no longer announces.
pub(crate) fn update(c: &mut Cluster, to: NodeIx, about: NodeIx) {
    let Some(link) = c.nodes[to].link else {
        return;
    };
    let node = &c.nodes[about];
    let slots = node.slots.as_deref().cloned().unwrap_or_default();
    let slots = slots.without(&c.owners.unclaimed);
    let header = header(c, Kind::Update);
    let packet = encode::update(&header, node.config_epoch, &node.name, &slots);
    send(c, link, Kind::Update, Arc::new(packet));
}

/// Asks all nodes for a vote. Only primaries answer.
pub(crate) fn auth_request(c: &mut Cluster) {
    let mut header = header(c, Kind::AuthRequest);
    header.force_ack = c.manual.end_ms != 0;
    let packet = encode::empty(&header);
    broadcast(c, Kind::AuthRequest, packet, false);
}

/// Sends a vote, or the request of a manual failover, to a node.
pub(crate) fn empty(c: &mut Cluster, to: NodeIx, kind: Kind) {
    if let Some(link) = c.nodes[to].link {
        let packet = encode::empty(&header(c, kind));
        send(c, link, kind, Arc::new(packet));
    }
}

/// Sends a message to other nodes. A message that exceeds the maximum length of a packet is only delivered on this node.
pub(crate) fn publish(c: &mut Cluster, channel: &[u8], message: &[u8], sharded: bool) {
    let kind = match sharded {
        true => Kind::PublishShard,
        false => Kind::Publish,
    };
    if let Some(packet) = encode::publish(&header(c, kind), channel, message) {
        broadcast(c, kind, packet, sharded);
    }
}
