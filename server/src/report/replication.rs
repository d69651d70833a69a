//! INFO replication of a primary without replicas.

use crate::report::info::Info;
use crate::report::replica;
use crate::server::Server;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    match &srv.replication.link {
        Some(link) => {
            info.field("role", "slave");
            replica::write(srv, link, info);
        }
        None => info.field("role", "master"),
    }
    info.field("connected_slaves", 0);
    info.field("master_failover_state", "no-failover");
    info.field("master_replid", &srv.process.run_id);
    info.field("master_replid2", "0".repeat(40));
    info.field("master_repl_offset", 0);
    info.field("second_repl_offset", -1);
    info.field("repl_backlog_active", 0);
    info.field("repl_backlog_size", srv.config.repl_backlog_size);
    info.field("repl_backlog_first_byte_offset", 0);
    info.field("repl_backlog_histlen", 0);
}
