//! INFO replication.

use crate::report::info::Info;
use crate::report::{replica, replicas};
use crate::server::Server;
use crate::state::replication::failover::state_name;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    match &srv.replication.link {
        Some(link) => {
            info.field("role", "slave");
            replica::write(srv, link, info);
        }
        None => info.field("role", "master"),
    }
    let replication = &srv.replication;
    info.field("connected_slaves", replication.replicas.len());
    if srv.config.min_replicas_to_write != 0 && srv.config.min_replicas_max_lag != 0 {
        let (now, max_lag) = (srv.unit.now_s(), srv.config.min_replicas_max_lag);
        let good = replication.good_replicas(&srv.clients, now, max_lag);
        info.field("min_slaves_good_slaves", good);
    }
    replicas::write(srv, info);
    info.field(
        "master_failover_state",
        state_name(replication.failover.as_ref()),
    );
    info.field("master_replid", replication.id);
    info.field("master_replid2", replication.id2);
    info.field("master_repl_offset", replication.offset);
    info.field("second_repl_offset", replication.second_offset);
    let backlog = replication.backlog.as_ref();
    info.field("repl_backlog_active", u8::from(backlog.is_some()));
    info.field("repl_backlog_size", srv.config.repl_backlog_size);
    let first = backlog.map_or(0, |backlog| backlog.start + 1);
    info.field("repl_backlog_first_byte_offset", first);
    info.field("repl_backlog_histlen", replication.histlen());
}
