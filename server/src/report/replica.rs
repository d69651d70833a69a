//! INFO replication: the fields of a replica.

use crate::report::info::Info;
use crate::server::Server;
use crate::state::replication::link::{Ending, IncomingSnapshot, Link, LinkStage};

/// Writes the fields behind `role`.
pub fn write(srv: &Server, link: &Link, info: &mut Info) {
    let now = srv.unit.now_s();
    let is_up = link.is_up();
    let replication = &srv.replication;
    info.field("master_host", &link.host);
    info.field("master_port", link.port);
    info.field("master_link_status", if is_up { "up" } else { "down" });
    let silence = if is_up { now - link.last_io } else { -1 };
    info.field("master_last_io_seconds_ago", silence);
    let transfer = match &link.stage {
        LinkStage::Transfer(transfer) => Some(transfer),
        _ => None,
    };
    info.field("master_sync_in_progress", u8::from(transfer.is_some()));
    // Redis shows 1 to a replica that has never had a primary's history.
    let has_history = is_up || link.cached.is_some();
    let shown = |offset: u64| if has_history { offset } else { 1 };
    info.field("slave_read_repl_offset", shown(replication.blocks.end()));
    info.field("slave_repl_offset", shown(replication.offset));
    if let Some(transfer) = transfer {
        write_transfer(transfer, now - link.last_io, info);
    }
    if !is_up {
        let down = if link.down_since == 0 {
            -1
        } else {
            now - link.down_since
        };
        info.field("master_link_down_since_seconds", down);
    }
    info.field("slave_priority", srv.config.replica_priority);
    info.field("slave_read_only", u8::from(srv.config.replica_read_only));
    info.field("replica_announced", u8::from(srv.config.replica_announced));
}

fn write_transfer(transfer: &IncomingSnapshot, silence: i64, info: &mut Info) {
    let total = match transfer.end {
        None => -1,
        Some(Ending::Size(size)) => size as i64,
        Some(Ending::Mark(_)) => 0,
    };
    let read = transfer.read as i64;
    let share = if total == 0 {
        0.0
    } else {
        read as f64 / total as f64
    };
    info.field("master_sync_total_bytes", total);
    info.field("master_sync_read_bytes", read);
    info.field("master_sync_left_bytes", total - read);
    info.ratio("master_sync_perc", share * 100.0);
    info.field("master_sync_last_io_seconds_ago", silence);
}
