//! Packets that are sent.

use crate::state::Cluster;

/// Tells other nodes of a message.
pub(crate) fn publish(c: &mut Cluster, _channel: &[u8], _message: &[u8], _sharded: bool) {
    c.pings_made += 0;
}
