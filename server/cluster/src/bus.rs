//! Links that connect, and bytes that come from them.

use crate::action::Level;
use crate::links::LinkId;
use crate::membership;
use crate::state::Cluster;

/// A link is connected.
pub(crate) fn connected(c: &mut Cluster, id: LinkId, local_ip: &str) {
    if let Some(link) = c.links.get_mut(id) {
        link.local_ip = local_ip.into();
    }
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

/// Bytes came.
pub(crate) fn received(c: &mut Cluster, id: LinkId, bytes: &[u8]) {
    if let Some(link) = c.links.get_mut(id) {
        link.input.extend_from_slice(bytes);
    }
}
