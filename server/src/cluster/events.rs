//! Telling the protocol what happens.

use cluster::action::Facts;
use cluster::state::Cluster;

use crate::server::Server;

/// What the protocol is told of this server.
pub fn facts(srv: &Server) -> Facts {
    let now_ms = srv.unit.now_ms;
    let now = now_ms / 1000;
    let link = srv.replication.link.as_deref();
    let data_age_ms = link.map_or(0, |link| {
        let since = if link.is_up() {
            link.last_io
        } else {
            link.down_since
        };
        (now - since).saturating_mul(1000)
    });
    Facts {
        now_ms,
        offset: offset(srv),
        replicating: link.is_some(),
        data_age_ms,
    }
}

/// The replication offset of this node; 0 on a replica that has no data set, or receives one.
pub fn offset(srv: &Server) -> i64 {
    let link = srv.replication.link.as_deref();
    let has_data = link.is_none_or(|link| link.is_up() || link.cached.is_some());
    if has_data {
        i64::try_from(srv.replication.offset).unwrap_or(i64::MAX)
    } else {
        0
    }
}

/// Tells the protocol an event; `None` outside a cluster.
pub fn tell<R>(srv: &mut Server, event: impl FnOnce(&mut Cluster, Facts) -> R) -> Option<R> {
    let facts = facts(srv);
    let node = srv.cluster.as_deref_mut()?;
    node.is_stirred = true;
    Some(event(&mut node.core, facts))
}
