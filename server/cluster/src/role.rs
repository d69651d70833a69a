//! The role of this node: changes that also concern replication.

use crate::action::Action;
use crate::ids::NodeIx;
use crate::manual;
use crate::membership;
use crate::node::Flags;
use crate::state::{Cluster, Election};

/// Makes this node a replica of another. Slots that a replica was given (CLUSTER ADDSLOTS) are given up.
pub(crate) fn follow(c: &mut Cluster, primary: NodeIx) {
    assert!(primary != c.myself);
    membership::unassign_all(c, c.myself);
    if c.me().is_primary() {
        let me = c.me_mut();
        me.flags -= Flags::PRIMARY | Flags::MIGRATE_TO;
        me.flags |= Flags::REPLICA;
        c.owners.close_all();
    }
    membership::follow(c, c.myself, primary);
    membership::set_shard(c, c.myself, c.nodes[primary].shard);
    replicate(c, primary);
    manual::reset(c);
    // Votes to replace another primary do not count for this one.
    c.election = Election::default();
}

/// Has the server follow the address of a primary.
pub(crate) fn replicate(c: &mut Cluster, primary: NodeIx) {
    let node = &c.nodes[primary];
    let ip = node.ip.to_string();
    let port = node.port(c.settings.tls_replication);
    c.emit(Action::Replicate { ip, port });
}

/// Makes this node a primary.
pub(crate) fn become_primary(c: &mut Cluster) {
    membership::set_primary_role(c, c.myself);
    c.election = Election::default();
    c.emit(Action::BecomePrimary);
}
