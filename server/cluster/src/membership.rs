//! Changes of the table of nodes and of the owners of slots: the only code that modifies both sides of a relation.
//!
//! Invariants, checked by [`check`]:
//! 1. `nodes[replica].primary == Some(p)` if and only if `nodes[p].replicas` contains `replica`, once.
//! 2. The owner of a slot and the slots of nodes agree (`owners`).
//! 3. Links and nodes agree (`links`).
//! 4. No reference leads to a removed node.

use slot::SLOTS;

use crate::action::{Action, Level, Pause};
use crate::ids::LinkId;
use crate::ids::NodeIx;
use crate::links::Link;
use crate::name::Name;
use crate::node::{Flags, Node};
use crate::state::{Cluster, Manual, Todo};

/// The node with a name that came as text.
pub(crate) fn find(c: &Cluster, name: &[u8]) -> Option<NodeIx> {
    c.nodes.find(&Name::parse(name)?)
}

/// Adds a node that has no address yet; with a random name if none is given. `None` if the table is full.
pub(crate) fn add_node(c: &mut Cluster, name: Option<Name>, flags: Flags) -> Option<NodeIx> {
    let name = name.unwrap_or_else(|| Name::random(&mut c.rng));
    let shard = Name::random(&mut c.rng);
    let node = Node::new(name, shard, flags, c.now_ms());
    let added = c.nodes.insert(node);
    if added.is_none() {
        c.log(Level::Warning, |_| {
            "The table of cluster nodes is full, a node is not added.".to_owned()
        });
    }
    added
}

/// Maximum number of nodes in handshake. A flood of MEETs would otherwise fill the table, and each MEET looks at all of them.
pub const MAX_HANDSHAKES: usize = 4096;

/// Adds a node whose name is not known yet, with its ports of clients (TCP, TLS), unless there is one with the same address, or
/// there are too many.
pub(crate) fn add_handshake(
    c: &mut Cluster,
    flags: Flags,
    ip: &str,
    ports: (u16, u16),
    bus_port: u16,
) {
    let tls = c.settings.tls_cluster;
    let port = if tls { ports.1 } else { ports.0 };
    let same = |node: &Node| {
        node.bus_port == bus_port && node.port(tls) == port && node.ip.eq_ignore_ascii_case(ip)
    };
    let mut handshakes = 0;
    for (_, node) in c.nodes.iter().filter(|(_, node)| node.is(Flags::HANDSHAKE)) {
        if same(node) {
            return;
        }
        handshakes += 1;
    }
    if handshakes >= MAX_HANDSHAKES {
        return c.log(Level::Verbose, |_| {
            "There are too many handshakes, a node is not met.".to_owned()
        });
    }
    if let Some(ix) = add_node(c, None, flags | Flags::HANDSHAKE) {
        let node = &mut c.nodes[ix];
        node.ip = ip.into();
        (node.tcp_port, node.tls_port) = ports;
        node.bus_port = bus_port;
    }
}

/// Removes a node and every reference to it.
pub(crate) fn delete_node(c: &mut Cluster, ix: NodeIx) {
    assert!(ix != c.myself, "a node does not remove itself");
    unassign_all(c, ix);
    c.owners.importing.retain(|_, from| *from != ix);
    c.owners.migrating.retain(|_, to| *to != ix);
    if c.manual.replica == Some(ix) {
        c.manual = Manual::default();
        c.pause = Some(Pause::End);
    }
    remove_reports(c, ix);
    for replica in std::mem::take(&mut c.nodes[ix].replicas) {
        c.nodes[replica].primary = None;
    }
    leave_primary(c, ix);
    for link in [c.nodes[ix].link, c.nodes[ix].inbound]
        .into_iter()
        .flatten()
    {
        close_link(c, link);
    }
    c.nodes.remove(ix);
}

/// Removes what a node has reported. Thousands of nodes that were only heard of, or met, may end together: such have reported
/// nothing, and no table is walked for them.
fn remove_reports(c: &mut Cluster, from: NodeIx) {
    if !c.nodes[from].has_reported {
        return;
    }
    for at in 0..c.nodes.len() {
        let other = c.nodes.list()[at];
        if other != from {
            c.nodes[other].reports.retain(|report| report.from != from);
        }
    }
}

/// Maximum number of inbound links from peers that are not known. A member is known with its first packet.
pub const MAX_STRANGERS: usize = 1000;

/// Adds an inbound link. If too many are of strangers, the oldest of those is closed: new ones may be members.
pub(crate) fn accept(c: &mut Cluster, link: Link) -> LinkId {
    let id = c.links.insert(link);
    c.strangers.push_back(id);
    while let Some(&oldest) = c.strangers.front() {
        let is_stranger = c.links.get(oldest).is_some_and(|link| link.node.is_none());
        if is_stranger && c.strangers.len() <= MAX_STRANGERS {
            break;
        }
        c.strangers.pop_front();
        if is_stranger {
            c.log(Level::Verbose, |_| {
                "There are too many links from unknown nodes, the oldest is closed.".to_owned()
            });
            close_link(c, oldest);
        }
    }
    id
}

/// Forgets a link and has its connection closed.
pub(crate) fn close_link(c: &mut Cluster, id: LinkId) {
    if forget_link(c, id) {
        c.emit(Action::Close { link: id });
    }
}

/// Forgets a link; whether it was known.
pub(crate) fn forget_link(c: &mut Cluster, id: LinkId) -> bool {
    let Some(link) = c.links.remove(id) else {
        return false;
    };
    c.input_memory -= link.input.capacity();
    if let Some(node) = link.node.map(|ix| &mut c.nodes[ix]) {
        let side = if link.inbound {
            &mut node.inbound
        } else {
            &mut node.link
        };
        if *side == Some(id) {
            *side = None;
        }
    }
    true
}

/// Makes a node the replica of another, in the tables only.
pub(crate) fn follow(c: &mut Cluster, replica: NodeIx, primary: NodeIx) {
    leave_primary(c, replica);
    c.nodes[replica].primary = Some(primary);
    let primary = &mut c.nodes[primary];
    primary.replicas.push(replica);
    primary.flags |= Flags::MIGRATE_TO;
}

/// Removes a node from the replicas of its primary.
pub(crate) fn leave_primary(c: &mut Cluster, replica: NodeIx) {
    let Some(primary) = c.nodes[replica].primary.take() else {
        return;
    };
    let primary = &mut c.nodes[primary];
    primary.replicas.retain(|ix| *ix != replica);
    if primary.replicas.is_empty() {
        primary.flags -= Flags::MIGRATE_TO;
    }
}

/// Makes a node a primary, in the tables only.
pub(crate) fn set_primary_role(c: &mut Cluster, ix: NodeIx) {
    if c.nodes[ix].is_primary() {
        return;
    }
    let followed = c.nodes[ix].primary.is_some();
    leave_primary(c, ix);
    if followed && ix != c.myself {
        c.nodes[ix].flags |= Flags::MIGRATE_TO;
    }
    c.nodes[ix].flags -= Flags::REPLICA;
    c.nodes[ix].flags |= Flags::PRIMARY;
    c.later(Todo::SAVE | Todo::STATE);
}

/// The primary at the end of the chain of primaries that begins with a node. Nodes can be each other's replica for a
/// moment, so the chain may be a circle; then it is the last node before the first comes again.
pub(crate) fn root(c: &Cluster, ix: NodeIx) -> NodeIx {
    let mut at = ix;
    for _ in 0..c.nodes.len() {
        match c.nodes[at].primary {
            Some(primary) if primary != ix => at = primary,
            _ => break,
        }
    }
    at
}

/// Gives a slot without an owner to a node; whether it had none.
pub(crate) fn assign(c: &mut Cluster, slot: u16, ix: NodeIx) -> bool {
    if c.owners.owner(slot).is_some() {
        return false;
    }
    c.owners.set_owner(slot, Some(ix));
    let slots = c.nodes[ix].slots.get_or_insert_default();
    slots.insert(slot);
    // A primary that gets its first slot is a target of replica migration if there are replicas in the cluster.
    if slots.len() == 1 && primaries_have_replicas(c) {
        c.nodes[ix].flags |= Flags::MIGRATE_TO;
    }
    true
}

/// Takes a slot from its owner; whether it had one.
pub(crate) fn unassign(c: &mut Cluster, slot: u16) -> bool {
    let Some(owner) = c.owners.owner(slot) else {
        return false;
    };
    c.owners.set_owner(slot, None);
    c.owners.unclaimed.remove(slot);
    c.note_left(slot);
    let owner = &mut c.nodes[owner].slots;
    if let Some(slots) = owner {
        slots.remove(slot);
        if slots.is_empty() {
            *owner = None;
        }
    }
    true
}

/// Takes all slots from a node.
pub(crate) fn unassign_all(c: &mut Cluster, ix: NodeIx) {
    let Some(slots) = c.nodes[ix].slots.clone() else {
        return;
    };
    for slot in slots.iter() {
        unassign(c, slot);
    }
}

/// Sets the shard of a node, which this node shares if it is a replica of it.
pub(crate) fn set_shard(c: &mut Cluster, ix: NodeIx, shard: Name) {
    if c.nodes[ix].shard != shard {
        c.nodes[ix].shard = shard;
        c.later(Todo::SAVE);
    }
    if c.my_primary() == Some(ix) && c.me().shard != shard {
        c.me_mut().shard = shard;
        c.later(Todo::SAVE | Todo::FSYNC);
    }
}

fn primaries_have_replicas(c: &Cluster) -> bool {
    let mut nodes = c.nodes.iter();
    nodes.any(|(_, node)| !node.is_replica() && !node.replicas.is_empty())
}

/// Checks the invariants, for tests.
pub fn check(c: &Cluster) {
    for (ix, node) in c.nodes.iter() {
        if let Some(primary) = node.primary {
            let replicas = &c.nodes[primary].replicas;
            let times = replicas.iter().filter(|replica| **replica == ix).count();
            assert_eq!(times, 1, "{node:?}");
        }
        for replica in &node.replicas {
            assert_eq!(c.nodes[*replica].primary, Some(ix));
        }
        for report in &node.reports {
            assert!(c.nodes[report.from].has_reported);
        }
        for (link, inbound) in [(node.link, false), (node.inbound, true)] {
            if let Some(link) = link {
                let link = c.links.get(link).expect("a node's link exists");
                assert_eq!((link.node, link.inbound), (Some(ix), inbound));
            }
        }
        assert!(node.slots.as_ref().is_none_or(|slots| !slots.is_empty()));
    }
    for (id, link) in c.links.iter() {
        match link.node {
            Some(ix) if link.inbound => assert_eq!(c.nodes[ix].inbound, Some(id)),
            Some(ix) => assert_eq!(c.nodes[ix].link, Some(id)),
            None => assert!(link.inbound),
        }
    }
    let inputs = c.links.iter().map(|(_, link)| link.input.capacity());
    assert_eq!(c.input_memory, inputs.sum::<usize>());
    let queued = c.links.iter().map(|(_, link)| link.queued);
    assert!(queued.sum::<usize>() <= c.queued_output);
    let mut owned = 0;
    for slot in 0..SLOTS {
        match c.owners.owner(slot) {
            Some(ix) => {
                let slots = c.nodes[ix].slots.as_ref();
                assert!(slots.is_some_and(|slots| slots.contains(slot)));
                owned += 1;
            }
            None => assert!(!c.owners.unclaimed.contains(slot)),
        }
    }
    let of_nodes: u32 = c
        .nodes
        .iter()
        .map(|(_, node)| u32::from(node.slot_count()))
        .sum();
    assert_eq!(of_nodes, owned);
    let moving = c
        .owners
        .migrating
        .values()
        .chain(c.owners.importing.values());
    for ix in moving.chain(&c.manual.replica) {
        assert!(c.nodes.contains(*ix));
    }
    assert!(c.nodes.contains(c.myself) && c.me().is(Flags::MYSELF));
}
