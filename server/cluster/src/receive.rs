//! Processing of received packets.
//!
//! The sender of a packet is the node of its link. The node of an inbound link is set when the first packet with the name of a
//! known node arrives. Of packets from unknown nodes only a MEET has an effect.

use crate::action::{Action, Level};
use crate::election;
use crate::epochs;
use crate::failure;
use crate::gossip;
use crate::ids::{LinkId, NodeIx};
use crate::manual;
use crate::membership;
use crate::node::Flags;
use crate::ownership;
use crate::packet::decode::{Body, Packet, decode};
use crate::packet::header::{Header, u16_at};
use crate::packet::{Kind, VERSION, kind_name};
use crate::role;
use crate::send;
use crate::slots::{Bitmap, SlotSet};
use crate::state::{Cluster, Todo};

/// Processes a packet whose length is right. The link may be closed afterwards.
pub(crate) fn packet(c: &mut Cluster, id: LinkId, bytes: &[u8]) {
    let kind = u16_at(bytes, 12);
    if let Some(count) = c.stats.received.get_mut(usize::from(kind)) {
        *count += 1;
    }
    c.log(Level::Debug, |_| {
        let (name, len) = (kind_name(kind), bytes.len());
        format!("--- Processing packet of type {name}, {len} bytes")
    });
    if u16_at(bytes, 8) != VERSION {
        return;
    }
    if c.drop_kind == Some(kind) {
        c.log(Level::Warning, |_| {
            "Dropping packet that matches debug drop filter".to_owned()
        });
        return;
    }
    let packet = match decode(bytes) {
        Ok(packet) => packet,
        Err(reason) => {
            c.log(Level::Warning, |_| reason);
            return;
        }
    };
    let sender = sender_of(c, id, &packet.header);
    if let Some(ix) = sender.filter(|ix| *ix != c.myself) {
        note_sender(c, ix, &packet.header);
    }
    dispatch(c, id, sender, &packet);
}

/// The node that sent a packet, if known. An inbound link gets its node here.
fn sender_of(c: &mut Cluster, id: LinkId, header: &Header<'_>) -> Option<NodeIx> {
    let of_link = c.links.get(id)?.node;
    if let Some(ix) = of_link.filter(|ix| !c.nodes[*ix].is(Flags::HANDSHAKE)) {
        // Another node may have this address now; its packet must not update the known node.
        return (c.nodes[ix].name == header.sender).then_some(ix);
    }
    let ix = c.nodes.find(&header.sender)?;
    if of_link.is_none() {
        // The peer has reconnected before its old link was closed here.
        if let Some(old) = c.nodes[ix].inbound {
            membership::close_link(c, old);
        }
        c.nodes[ix].inbound = Some(id);
        if let Some(link) = c.links.get_mut(id) {
            link.node = Some(ix);
        }
    }
    Some(ix)
}

/// Updates what every packet says about its sender.
fn note_sender(c: &mut Cluster, ix: NodeIx, header: &Header<'_>) {
    let now_ms = c.now_ms();
    let node = &mut c.nodes[ix];
    node.data_received_ms = now_ms;
    node.offset = header.offset;
    if header.config_epoch > node.config_epoch {
        node.config_epoch = header.config_epoch;
        c.later(Todo::SAVE | Todo::FSYNC);
    }
    c.epoch = c.epoch.max(header.epoch);
    let awaited = c.manual.end_ms != 0 && c.manual.primary_offset.is_none();
    if awaited && c.me().is_replica() && c.my_primary() == Some(ix) && header.paused {
        manual::note_offset(c, header.offset);
    }
}

fn dispatch(c: &mut Cluster, id: LinkId, sender: Option<NodeIx>, packet: &Packet<'_>) {
    let header = &packet.header;
    let kind = Kind::from_number(header.kind);
    match (&packet.body, sender) {
        (Body::Ping { .. }, _) => ping(c, id, sender, packet),
        (Body::Fail(name), None) => c.log(Level::Notice, |_| {
            let sender = header.sender;
            format!("Ignoring FAIL message from unknown node {sender} about {name}")
        }),
        (Body::Unknown, _) => c.log(Level::Warning, |_| {
            format!("Received unknown packet type: {}", header.kind)
        }),
        (_, None) => {}
        // Only a forged packet comes from this node itself.
        (_, Some(ix)) if ix == c.myself => {}
        (Body::Fail(name), Some(ix)) => {
            let failing = c.nodes.find(name);
            let news = |ix: &NodeIx| !c.nodes[*ix].is(Flags::FAIL | Flags::MYSELF);
            if let Some(failing) = failing.filter(news) {
                c.log(Level::Notice, |c| {
                    let (from, about) = (c.shown(ix), c.shown(failing));
                    format!("FAIL message received from {from} about {about}")
                });
                failure::mark(c, failing);
            }
        }
        (Body::Publish { channel, message }, Some(_)) => c.emit(Action::Publish {
            channel: channel.to_vec(),
            message: message.to_vec(),
            sharded: kind == Some(Kind::PublishShard),
        }),
        (
            Body::Update {
                config_epoch,
                name,
                slots,
            },
            Some(_),
        ) => {
            let known = c.nodes.find(name);
            let news = |ix: &NodeIx| c.nodes[*ix].config_epoch < *config_epoch;
            if let Some(about) = known.filter(news) {
                // Only this node itself changes its own epoch and role.
                if about != c.myself {
                    membership::set_primary_role(c, about);
                    c.nodes[about].config_epoch = *config_epoch;
                    c.later(Todo::SAVE | Todo::FSYNC);
                }
                ownership::announced(c, about, *config_epoch, slots);
            }
        }
        (Body::Empty, Some(ix)) => match kind {
            Some(Kind::AuthRequest) => election::vote(c, ix, header),
            Some(Kind::AuthAck) => {
                let node = &c.nodes[ix];
                if node.is_primary() && node.slots.is_some() {
                    election::count_vote(c, header.epoch);
                }
            }
            Some(Kind::ManualStart) if c.nodes[ix].primary == Some(c.myself) => {
                manual::start_as_primary(c, ix);
                // It carries the offset that the replica waits for.
                send::ping(c, id, Kind::Ping);
            }
            _ => {}
        },
        (Body::Module, Some(_)) => {}
    }
}

/// PING, PONG and MEET.
fn ping(c: &mut Cluster, id: LinkId, sender: Option<NodeIx>, packet: &Packet<'_>) {
    let Body::Ping { gossip, extensions } = &packet.body else {
        return;
    };
    let header = &packet.header;
    let kind = header.kind;
    let meet = kind == Kind::Meet.number();
    if meet || kind == Kind::Ping.number() {
        learn_own_ip(c, id, meet);
        if sender.is_none() && meet {
            add_met(c, id, header);
            gossip::process(c, None, gossip);
        }
        send::ping(c, id, Kind::Pong);
    }
    if !settle_link(c, id, sender, header) {
        return;
    }
    let Some(ix) = sender.filter(|ix| *ix != c.myself) else {
        return answered(c, id, kind);
    };
    let node = &mut c.nodes[ix];
    node.flags
        .set(Flags::NOFAILOVER, header.flags.contains(Flags::NOFAILOVER));
    if kind == Kind::Ping.number() {
        update_address(c, ix, id, header);
    }
    answered(c, id, kind);
    update_role(c, ix, header);
    update_slots(c, ix, header);
    if c.me().is_primary() && c.nodes[ix].is_primary() {
        let same = header.config_epoch == c.me().config_epoch;
        if same {
            epochs::resolve_collision(c, ix);
        }
    }
    gossip::process(c, Some(ix), gossip);
    gossip::process_extensions(c, ix, extensions);
}

/// Sets the address of this node to the one that others connect to: when it receives a MEET, or has no address yet.
fn learn_own_ip(c: &mut Cluster, id: LinkId, meet: bool) {
    let wanted = meet || c.me().ip.is_empty();
    if !wanted || !c.settings.announce_ip.is_empty() {
        return;
    }
    let ip = c.links.get(id).map(|link| link.local_ip.clone());
    if let Some(ip) = ip.filter(|ip| !ip.is_empty() && *ip != c.me().ip) {
        c.log(Level::Notice, |_| {
            format!("IP address for this node updated to {ip}")
        });
        c.me_mut().ip = ip;
        c.later(Todo::SAVE);
    }
}

/// The address of the sender of a packet: what it announces, or that of the connection.
fn sender_ip(c: &Cluster, id: LinkId, header: &Header<'_>) -> Box<str> {
    match header.ip {
        "" => c
            .links
            .get(id)
            .map(|link| link.peer_ip.clone())
            .unwrap_or_default(),
        ip => ip.into(),
    }
}

/// The ports of clients of the sender of a packet, as (TCP, TLS).
fn sender_ports(c: &Cluster, header: &Header<'_>) -> (u16, u16) {
    match c.settings.tls_cluster {
        true => (header.other_port, header.port),
        false => (header.port, header.other_port),
    }
}

/// Adds the unknown sender of a MEET as a node in handshake; its name is set when it answers.
fn add_met(c: &mut Cluster, id: LinkId, header: &Header<'_>) {
    let ip = sender_ip(c, id, header);
    let ports = sender_ports(c, header);
    membership::add_handshake(c, Flags::empty(), &ip, ports, header.bus_port);
    c.later(Todo::SAVE);
}

/// Checks that an outgoing link leads to the expected node, and completes a handshake. False if the link was closed.
fn settle_link(c: &mut Cluster, id: LinkId, sender: Option<NodeIx>, header: &Header<'_>) -> bool {
    let Some(link) = c.links.get(id) else {
        return false;
    };
    let Some(ix) = link.node.filter(|_| !link.inbound) else {
        return true;
    };
    if c.nodes[ix].is(Flags::HANDSHAKE) {
        if let Some(known) = sender {
            c.log(Level::Verbose, |c| {
                let known = c.shown(known);
                format!("Handshake: we already know node {known}, updating the address if needed.")
            });
            update_address(c, known, id, header);
            membership::delete_node(c, ix);
            return false;
        }
        finish_handshake(c, ix, header);
    } else if c.nodes[ix].name != header.sender {
        // Another node has this address now.
        let node = &mut c.nodes[ix];
        node.flags |= Flags::NOADDR;
        node.ip = Box::default();
        node.tcp_port = 0;
        node.tls_port = 0;
        node.bus_port = 0;
        c.log(Level::Debug, |c| {
            let name = c.nodes[ix].name;
            format!("PONG contains mismatching sender ID. About node {name}")
        });
        membership::close_link(c, id);
        c.later(Todo::SAVE);
        return false;
    }
    true
}

fn finish_handshake(c: &mut Cluster, ix: NodeIx, header: &Header<'_>) {
    let old = c.nodes[ix].name;
    c.log(Level::Debug, |_| {
        format!("Renaming node {old} into {}", header.sender)
    });
    c.nodes.rename(ix, header.sender);
    let node = &mut c.nodes[ix];
    node.flags -= Flags::HANDSHAKE;
    node.flags |= match header.primary {
        Some(_) => Flags::REPLICA,
        None => Flags::PRIMARY,
    };
    c.log(Level::Debug, |_| {
        format!("Handshake with node {} completed.", header.sender)
    });
    c.later(Todo::SAVE);
}

/// Updates the address of the sender of a packet, unless the packet came on the link to that node, which uses the known
/// address.
fn update_address(c: &mut Cluster, ix: NodeIx, id: LinkId, header: &Header<'_>) {
    if c.nodes[ix].link == Some(id) {
        return;
    }
    let ip = sender_ip(c, id, header);
    let (tcp, tls) = sender_ports(c, header);
    let node = &c.nodes[ix];
    let same = (node.tcp_port, node.tls_port, node.bus_port) == (tcp, tls, header.bus_port);
    if ip.is_empty() || (same && node.ip == ip) || ix == c.myself {
        return;
    }
    let link = node.link;
    let node = &mut c.nodes[ix];
    node.ip = ip;
    node.tcp_port = tcp;
    node.tls_port = tls;
    node.bus_port = header.bus_port;
    node.flags -= Flags::NOADDR;
    if let Some(link) = link {
        membership::close_link(c, link);
    }
    c.log(Level::Notice, |c| {
        let node = &c.nodes[ix];
        let port = node.port(c.settings.tls_cluster);
        format!(
            "Address updated for node {}, now {}:{port}",
            c.shown(ix),
            node.ip
        )
    });
    if c.me().is_replica() && c.my_primary() == Some(ix) {
        role::replicate(c, ix);
    }
    c.later(Todo::SAVE | Todo::STATE);
}

/// A PONG on the link to a node: the node is reachable.
fn answered(c: &mut Cluster, id: LinkId, kind: u16) {
    let link = c.links.get(id).filter(|link| !link.inbound);
    let Some(ix) = link.and_then(|link| link.node) else {
        return;
    };
    if kind != Kind::Pong.number() {
        return;
    }
    let now_ms = c.now_ms();
    let node = &mut c.nodes[ix];
    node.pong_received_ms = now_ms;
    node.ping_sent_ms = 0;
    if node.is(Flags::PFAIL) {
        node.flags -= Flags::PFAIL;
        c.later(Todo::SAVE | Todo::STATE);
    } else if node.has_failed() {
        failure::clear(c, ix);
    }
}

/// Updates the role of a node to the one that it announces.
fn update_role(c: &mut Cluster, ix: NodeIx, header: &Header<'_>) {
    let Some(name) = header.primary else {
        membership::set_primary_role(c, ix);
        return;
    };
    if !c.nodes[ix].is_replica() {
        membership::unassign_all(c, ix);
        let node = &mut c.nodes[ix];
        node.flags -= Flags::PRIMARY | Flags::MIGRATE_TO;
        node.flags |= Flags::REPLICA;
        c.later(Todo::SAVE | Todo::STATE);
    }
    let primary = c.nodes.find(&name).filter(|primary| *primary != ix);
    if let Some(primary) = primary.filter(|primary| c.nodes[ix].primary != Some(*primary)) {
        membership::follow(c, ix, primary);
        membership::set_shard(c, ix, c.nodes[primary].shard);
        c.later(Todo::SAVE);
    }
}

/// Compares the slots that a node announces, its own or those of its primary, with what is known.
fn update_slots(c: &mut Cluster, ix: NodeIx, header: &Header<'_>) {
    let node = &c.nodes[ix];
    let owner = if node.is_primary() {
        Some(ix)
    } else {
        node.primary
    };
    let Some(owner) = owner.map(|ix| &c.nodes[ix]) else {
        return;
    };
    let known = owner.slots.as_ref().map(|slots| slots.bitmap());
    if *known.unwrap_or(&Bitmap::EMPTY) == header.slots {
        return;
    }
    let slots = SlotSet::from(&header.slots);
    let epoch = header.config_epoch;
    if c.nodes[ix].is_primary() {
        ownership::announced(c, ix, epoch, &slots);
    }
    // The slots of a node may have been taken over while it was unreachable: any node that knows sends it an UPDATE.
    if let Some(newer) = ownership::newer_owner(c, ix, epoch, &slots) {
        c.log(Level::Verbose, |c| {
            let (node, newer) = (c.nodes[ix].name, c.nodes[newer].name);
            format!(
                "Node {node} has old slots configuration, sending an UPDATE message about {newer}"
            )
        });
        send::update(c, ix, newer);
    }
}
