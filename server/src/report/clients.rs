//! INFO clients.

use crate::report::info::Info;
use crate::server::Server;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let peaks = srv.clients.peaks.recent();
    let replicas = srv.replication.replicas.len();
    info.field("connected_clients", srv.clients.len() - replicas);
    // One to each other node and one from it, as in Redis whether they are open or not.
    let others = srv
        .cluster
        .as_ref()
        .map_or(0, |node| node.core.node_count() - 1);
    info.field("cluster_connections", 2 * others);
    info.field("maxclients", srv.config.maxclients);
    info.field("client_recent_max_input_buffer", peaks.input);
    info.field("client_recent_max_output_buffer", peaks.output);
    info.field("blocked_clients", srv.blocked.len());
    info.field("tracking_clients", srv.tracking.clients().len());
    info.field("clients_in_timeout_table", srv.blocked.deadlines_len());
    info.field("total_blocking_keys", srv.blocked.keys_len());
    let on_nokey = srv.blocked.keys_on_nokey_len();
    info.field("total_blocking_keys_on_nokey", on_nokey);
}
