//! INFO persistence. Nothing is saved yet, so most fields have the value of a server that never saved.

use crate::report::info::Info;
use crate::server::Server;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    for name in [
        "loading",
        "async_loading",
        "current_cow_peak",
        "current_cow_size",
        "current_cow_size_age",
    ] {
        info.field(name, 0);
    }
    info.field("current_fork_perc", "0.00");
    info.field("current_save_keys_processed", 0);
    info.field("current_save_keys_total", 0);
    info.field("rdb_changes_since_last_save", srv.stats.dirty);
    info.field("rdb_bgsave_in_progress", 0);
    info.field("rdb_last_save_time", srv.process.started_ms / 1000);
    info.field("rdb_last_bgsave_status", "ok");
    info.field("rdb_last_bgsave_time_sec", -1);
    info.field("rdb_current_bgsave_time_sec", -1);
    for name in [
        "rdb_saves",
        "rdb_last_cow_size",
        "rdb_last_load_keys_expired",
        "rdb_last_load_keys_loaded",
    ] {
        info.field(name, 0);
    }
    for name in [
        "aof_enabled",
        "aof_rewrite_in_progress",
        "aof_rewrite_scheduled",
    ] {
        info.field(name, 0);
    }
    info.field("aof_last_rewrite_time_sec", -1);
    info.field("aof_current_rewrite_time_sec", -1);
    info.field("aof_last_bgrewrite_status", "ok");
    info.field("aof_rewrites", 0);
    info.field("aof_rewrites_consecutive_failures", 0);
    info.field("aof_last_write_status", "ok");
    for name in [
        "aof_last_cow_size",
        "module_fork_in_progress",
        "module_fork_last_cow_size",
    ] {
        info.field(name, 0);
    }
}
