//! INFO clients.

use crate::report::info::Info;
use crate::server::Server;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let input = srv
        .clients
        .slab
        .iter()
        .map(|(_, client)| client.qbuf_peak)
        .max()
        .unwrap_or(0);
    let output = srv
        .clients
        .slab
        .iter()
        .map(|(_, client)| client.output_bytes())
        .max()
        .unwrap_or(0);
    let replicas = srv.replication.replicas.len();
    info.field("connected_clients", srv.clients.len() - replicas);
    info.field("cluster_connections", 0);
    info.field("maxclients", srv.config.maxclients);
    info.field("client_recent_max_input_buffer", input);
    info.field("client_recent_max_output_buffer", output);
    info.field("blocked_clients", srv.blocked.len());
    info.field("tracking_clients", srv.tracking.clients().len());
    info.field("clients_in_timeout_table", srv.blocked.deadlines_len());
    info.field("total_blocking_keys", srv.blocked.keys_len());
    let on_nokey = srv.blocked.keys_on_nokey_len();
    info.field("total_blocking_keys_on_nokey", on_nokey);
}
