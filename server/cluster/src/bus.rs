//! Connecting links, and splitting their input into packets.
//!
//! Input is split into packets by the length in their header, which is checked as soon as it has arrived. A link with an
//! invalid signature or length is closed.
//!
//! Invariant: the stored input of a link is the start of a packet, never a complete one.

use crate::action::Level;
use crate::ids::LinkId;
use crate::membership;
use crate::node::Flags;
use crate::packet::header::{name_at, u32_at};
use crate::packet::{HEADER_LEN, Kind, SIGNATURE};
use crate::receive;
use crate::send;
use crate::state::Cluster;

/// Length of signature and length.
const START_LEN: usize = 8;

/// Up to this size the room for a packet that has come in part doubles.
const MAX_DOUBLED: usize = 128 << 10;
/// Least growth of that room.
const MIN_GROWTH: usize = 16 * 1024;

/// End of the sender's name.
const SENDER_END: usize = 80;

/// Maximum length of a packet from an unknown node: enough for a MEET with the gossip of 2,500 nodes. Only members may send
/// longer ones, which are messages.
const MAX_UNKNOWN_LEN: usize = 256 << 10;

/// A link is connected. The node is pinged at once: otherwise it could be suspected only because its former link broke.
pub(crate) fn connected(c: &mut Cluster, id: LinkId, local_ip: &str) {
    let Some(link) = c.links.get_mut(id) else {
        return;
    };
    link.local_ip = local_ip.into();
    link.is_connected = true;
    let Some(ix) = link.node.filter(|_| !link.inbound) else {
        return;
    };
    let sent_ms = c.nodes[ix].ping_sent_ms;
    let meet = c.nodes[ix].is(Flags::MEET);
    send::ping(c, id, if meet { Kind::Meet } else { Kind::Ping });
    let node = &mut c.nodes[ix];
    // A PING that was pending when the former link broke is still pending.
    if sent_ms != 0 {
        node.ping_sent_ms = sent_ms;
    }
    // One MEET is enough: without an answer the node is removed, with one it is no longer met.
    node.flags -= Flags::MEET;
    c.log(Level::Debug, |c| {
        let node = &c.nodes[ix];
        let (name, ip, port) = (node.name, &node.ip, node.bus_port);
        format!("Connecting with Node {name} at {ip}:{port}")
    });
}

/// A link could not be connected. Its node counts as pinged, or it could never be suspected.
pub(crate) fn failed(c: &mut Cluster, id: LinkId, reason: &str) {
    let node = c.links.get(id).and_then(|link| link.node);
    if let Some(ix) = node {
        let now_ms = c.now_ms();
        let node = &mut c.nodes[ix];
        if node.ping_sent_ms == 0 {
            node.ping_sent_ms = now_ms;
        }
        c.log(Level::Verbose, |c| {
            let node = &c.nodes[ix];
            let (name, ip, port) = (node.name, &node.ip, node.bus_port);
            format!("Connection with Node {name} at {ip}:{port} failed: {reason}")
        });
    }
    membership::forget_link(c, id);
}

/// Processes bytes received from a link.
pub(crate) fn received(c: &mut Cluster, id: LinkId, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let Some(link) = c.links.get_mut(id) else {
            return;
        };
        let mut input = std::mem::take(&mut link.input);
        c.input_memory -= input.capacity();
        let kept = input.len();
        // Complete packets are processed in place, without a copy.
        if kept > 0 {
            let missing = wanted_len(&input).saturating_sub(kept);
            let (more, rest) = bytes.split_at(missing.min(bytes.len()));
            reserve(&mut input, more.len(), missing);
            input.extend_from_slice(more);
            bytes = rest;
        }
        let packet = if kept > 0 { &input } else { bytes };
        if let Err(reason) = check_start(c, id, packet) {
            close(c, id, reason);
            return;
        }
        let len = wanted_len(packet);
        if packet.len() >= len && len >= HEADER_LEN {
            receive::packet(c, id, &packet[..len]);
            if kept == 0 {
                bytes = &bytes[len..];
            }
            // Most packets are processed where they arrive, so an idle link needs no buffer.
            input = Vec::new();
        } else if kept == 0 {
            input.extend_from_slice(bytes);
            bytes = &[];
        }
        if let Some(link) = c.links.get_mut(id) {
            c.input_memory += input.capacity();
            link.input = input;
        }
    }
}

/// Makes room for bytes that have come of those that are missing. A length may lie, so the room grows with what comes. That
/// of a large packet grows by an eighth: it costs little more than its bytes.
fn reserve(input: &mut Vec<u8>, come: usize, missing: usize) {
    if input.capacity() - input.len() < come {
        let held = input.len();
        let growth = if held < MAX_DOUBLED { held } else { held / 8 };
        let growth = growth.max(MIN_GROWTH).max(come);
        input.reserve_exact(growth.min(missing));
    }
}

/// Length of the packet that begins with `input`, or as much of it as must arrive before that is known.
fn wanted_len(input: &[u8]) -> usize {
    match input.len() {
        0..START_LEN => START_LEN,
        _ => u32_at(input, 4) as usize,
    }
}

/// Checks the start of a packet as far as it has arrived.
fn check_start(c: &Cluster, id: LinkId, input: &[u8]) -> Result<(), &'static str> {
    if input.len() < START_LEN {
        return Ok(());
    }
    let len = u32_at(input, 4) as usize;
    if &input[..4] != SIGNATURE || len < HEADER_LEN {
        return Err("Bad message length or signature received");
    }
    let known = c.links.get(id).is_some_and(|link| link.node.is_some());
    if len > MAX_UNKNOWN_LEN && !known && input.len() >= SENDER_END {
        let sender = name_at(input, SENDER_END - 40);
        if sender.is_none_or(|name| c.nodes.find(&name).is_none()) {
            return Err("Too long packet of an unknown node received");
        }
    }
    Ok(())
}

fn close(c: &mut Cluster, id: LinkId, reason: &str) {
    c.log(Level::Warning, |c| {
        let link = c.links.get(id);
        let peer = link.map_or_else(String::new, |link| {
            format!(" from {}:{}", link.peer_ip, link.peer_port)
        });
        format!("{reason} on the Cluster bus{peer}")
    });
    membership::close_link(c, id);
}
