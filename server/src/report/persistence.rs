//! INFO persistence.

use crate::report::info::Info;
use crate::server::Server;
use crate::state::child::{Child, Purpose};
use crate::state::snapshot::Loading;
use crate::sys::clock;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let is_loading = srv.snapshot.loading.is_some();
    let hides_data = srv.snapshot.hides_data();
    info.field("loading", u8::from(hides_data));
    info.field("async_loading", u8::from(is_loading && !hides_data));
    write_child(srv, info);
    write_snapshots(srv, info);
    write_append_only(srv, info);
    if let Some(loading) = &srv.snapshot.loading {
        write_loading(loading, info);
    }
}

fn write_child(srv: &Server, info: &mut Info) {
    let child = srv.child.as_ref();
    let latest = child.map(|child| child.latest).unwrap_or_default();
    let age = match latest.cow_at_us {
        0 => 0,
        at_us => clock::monotonic_us().saturating_sub(at_us) / 1_000_000,
    };
    info.field("current_cow_peak", child.map_or(0, |child| child.cow_peak));
    info.field("current_cow_size", latest.cow);
    info.field("current_cow_size_age", age);
    info.ratio("current_fork_perc", child.map_or(0.0, Child::percent));
    info.field("current_save_keys_processed", latest.keys);
    info.field(
        "current_save_keys_total",
        child.map_or(0, |child| child.keys_total),
    );
}

fn write_snapshots(srv: &Server, info: &mut Info) {
    let snapshot = &srv.snapshot;
    let saving = srv
        .child
        .as_ref()
        .is_some_and(|child| matches!(child.purpose, Purpose::Save | Purpose::Stream));
    let current = if saving {
        srv.unit.now_s() - snapshot.started
    } else {
        -1
    };
    info.field("rdb_changes_since_last_save", srv.stats.dirty);
    info.field("rdb_bgsave_in_progress", u8::from(saving));
    info.field("rdb_last_save_time", snapshot.last_save);
    info.field(
        "rdb_last_bgsave_status",
        if snapshot.failed { "err" } else { "ok" },
    );
    info.field(
        "rdb_last_bgsave_time_sec",
        snapshot.last_duration.unwrap_or(-1),
    );
    info.field("rdb_current_bgsave_time_sec", current);
    info.field("rdb_saves", snapshot.saves);
    info.field("rdb_last_cow_size", snapshot.last_cow);
    info.field("rdb_last_load_keys_expired", snapshot.keys_expired);
    info.field("rdb_last_load_keys_loaded", snapshot.keys_loaded);
}

fn write_append_only(srv: &Server, info: &mut Info) {
    let aof = &srv.aof;
    let rewrites = &aof.rewrites;
    let is_rewriting = srv
        .child
        .as_ref()
        .is_some_and(|child| child.purpose == Purpose::Rewrite);
    let current = match rewrites.started {
        Some(started) if is_rewriting => srv.unit.now_s() - started,
        _ => -1,
    };
    let status = |failed: bool| if failed { "err" } else { "ok" };
    info.field("aof_enabled", u8::from(aof.is_on()));
    info.field("aof_rewrite_in_progress", u8::from(is_rewriting));
    info.field("aof_rewrite_scheduled", u8::from(rewrites.scheduled));
    info.field(
        "aof_last_rewrite_time_sec",
        rewrites.last_duration.unwrap_or(-1),
    );
    info.field("aof_current_rewrite_time_sec", current);
    info.field("aof_last_bgrewrite_status", status(rewrites.failed));
    info.field("aof_rewrites", rewrites.count);
    info.field("aof_rewrites_consecutive_failures", rewrites.failures);
    info.field("aof_last_write_status", status(aof.failure().is_some()));
    info.field("aof_last_cow_size", rewrites.last_cow);
    info.field("module_fork_in_progress", 0);
    info.field("module_fork_last_cow_size", 0);
    if srv.config.appendonly {
        info.field("aof_current_size", aof.size);
        info.field("aof_base_size", aof.base_size);
        info.field("aof_pending_rewrite", u8::from(rewrites.scheduled));
        info.field("aof_buffer_length", aof.buffer.len());
        info.field("aof_pending_bio_fsync", aof.syncer.pending());
        info.field("aof_delayed_fsync", aof.delayed);
    }
}

fn write_loading(loading: &Loading, info: &mut Info) {
    let elapsed = clock::unix_ms() / 1000 - loading.started;
    let share = loading.loaded as f64 / loading.total.max(1) as f64;
    let eta = if elapsed == 0 {
        1
    } else {
        let left = loading.total.saturating_sub(loading.loaded);
        (elapsed as f64 * left as f64 / (loading.loaded + 1) as f64) as i64
    };
    info.field("loading_start_time", loading.started);
    info.field("loading_total_bytes", loading.total);
    info.field("loading_rdb_used_mem", loading.used_mem);
    info.field("loading_loaded_bytes", loading.loaded);
    info.ratio("loading_loaded_perc", share * 100.0);
    info.field("loading_eta_seconds", eta);
}
