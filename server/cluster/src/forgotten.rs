//! Nodes that were removed by CLUSTER FORGET: for a minute they are not added again because of gossip, so that there is
//! time to remove them everywhere. PINGs carry the list, so FORGET reaches the other nodes by itself.

use crate::name::Name;
use crate::state::Cluster;

/// How long a node is not added again.
const TTL_S: i64 = 60;

/// Maximum length of the list; PINGs carry it.
const MAX: usize = 1000;

/// Adds a node for the usual time.
pub(crate) fn add(c: &mut Cluster, name: Name) {
    add_for(c, name, TTL_S);
}

/// Adds a node for the time that another node's packet gives.
pub(crate) fn add_for(c: &mut Cluster, name: Name, ttl_s: i64) {
    // A packet may name thousands of nodes, so the list is only walked when it is full.
    if c.forgotten.len() >= MAX {
        clean(c);
    }
    if c.forgotten.len() < MAX || c.forgotten.contains_key(&name) {
        let until_s = c.now_s().saturating_add(ttl_s);
        c.forgotten.insert(name, until_s);
    }
}

/// Whether a node is in the list and its time has not passed. Gossip asks for each node that it names, so nothing is walked.
pub(crate) fn contains(c: &Cluster, name: &Name) -> bool {
    let until_s = c.forgotten.get(name);
    until_s.is_some_and(|until_s| *until_s >= c.now_s())
}

/// Removes nodes whose time has passed.
pub(crate) fn clean(c: &mut Cluster) {
    let now_s = c.now_s();
    c.forgotten.retain(|_, until_s| *until_s >= now_s);
}
