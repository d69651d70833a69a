//! INFO stats.

use crate::report::info::Info;
use crate::server::Server;
use crate::state::acl::log::Reason;
use crate::state::pubsub::Kind;
use crate::sys::clock;

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let stats = &srv.stats;
    info.field("total_connections_received", stats.connections);
    info.field("total_commands_processed", stats.commands);
    info.field("instantaneous_ops_per_sec", stats.command_rate.per_second());
    info.field("total_net_input_bytes", stats.input_bytes);
    info.field("total_net_output_bytes", stats.output_bytes);
    info.field("total_net_repl_input_bytes", stats.repl_input_bytes);
    info.field("total_net_repl_output_bytes", stats.replica_output_bytes);
    info.ratio(
        "instantaneous_input_kbps",
        stats.input_rate.per_second() as f64 / 1024.0,
    );
    info.ratio(
        "instantaneous_output_kbps",
        stats.output_rate.per_second() as f64 / 1024.0,
    );
    info.ratio("instantaneous_input_repl_kbps", 0.0);
    info.ratio("instantaneous_output_repl_kbps", 0.0);
    info.field("rejected_connections", stats.rejected_connections);
    info.field("sync_full", stats.sync_full);
    info.field("sync_partial_ok", stats.sync_partial_ok);
    info.field("sync_partial_err", stats.sync_partial_err);
    info.field("expired_keys", stats.expired_keys);
    info.ratio("expired_stale_perc", stats.expired_stale_perc);
    info.field(
        "expired_time_cap_reached_count",
        stats.expired_time_cap_reached,
    );
    info.field(
        "expire_cycle_cpu_milliseconds",
        stats.expire_cycle_us / 1000,
    );
    let exceeded_us = srv.eviction.exceeded_us(clock::monotonic_us());
    info.field("evicted_keys", stats.evicted_keys);
    info.field("evicted_clients", stats.evicted_clients);
    info.field(
        "total_eviction_exceeded_time",
        (stats.eviction_exceeded_us + exceeded_us) / 1000,
    );
    info.field("current_eviction_exceeded_time", exceeded_us / 1000);
    info.field("keyspace_hits", stats.hits);
    info.field("keyspace_misses", stats.misses);
    info.field("pubsub_channels", srv.pubsub.count(Kind::Channel));
    info.field("pubsub_patterns", srv.pubsub.count(Kind::Pattern));
    info.field("pubsubshard_channels", srv.pubsub.count(Kind::Shard));
    info.field("latest_fork_usec", stats.fork_us);
    info.field("total_forks", stats.forks);
    info.field("migrate_cached_sockets", srv.migration.links.len());
    info.field("slave_expires_tracked_keys", srv.keys.own_expires.len());
    write_defrag(srv, info);
    info.field("tracking_total_keys", srv.tracking.keys_len());
    info.field("tracking_total_items", srv.tracking.items_len());
    info.field("tracking_total_prefixes", srv.tracking.prefixes_len());
    info.field("unexpected_error_replies", stats.unexpected_error_replies);
    info.field("total_error_replies", stats.error_replies);
    info.field("dump_payload_sanitizations", 0);
    info.field("total_reads_processed", stats.reads);
    info.field("total_writes_processed", stats.writes);
    // There are no I/O threads.
    info.field("io_threaded_reads_processed", 0);
    info.field("io_threaded_writes_processed", 0);
    write_loop(srv, info);
}

fn write_defrag(srv: &Server, info: &mut Info) {
    let stats = &srv.stats;
    let elapsed_us = srv.defrag.elapsed_us(clock::monotonic_us());
    info.field("active_defrag_hits", stats.defrag_hits);
    info.field("active_defrag_misses", stats.defrag_misses);
    info.field("active_defrag_key_hits", stats.defrag_key_hits);
    info.field("active_defrag_key_misses", stats.defrag_key_misses);
    info.field(
        "total_active_defrag_time",
        (stats.defrag_us + elapsed_us) / 1000,
    );
    info.field("current_active_defrag_time", elapsed_us / 1000);
}

fn write_loop(srv: &Server, info: &mut Info) {
    let stats = &srv.stats;
    info.field(
        "client_query_buffer_limit_disconnections",
        stats.query_buffer_disconnects,
    );
    info.field(
        "client_output_buffer_limit_disconnections",
        stats.output_buffer_disconnects,
    );
    info.field("reply_buffer_shrinks", stats.reply_buffer_shrinks);
    info.field("reply_buffer_expands", stats.reply_buffer_expands);
    info.field("eventloop_cycles", stats.loop_turns);
    info.field("eventloop_duration_sum", stats.loop_us);
    info.field(
        "eventloop_duration_cmd_sum",
        stats.by_command.iter().map(|c| c.time_ns).sum::<u64>() / 1000,
    );
    info.field(
        "instantaneous_eventloop_cycles_per_sec",
        stats.loop_rate.per_second(),
    );
    let turns = stats.loop_rate.per_second().max(1);
    info.field(
        "instantaneous_eventloop_duration_usec",
        stats.loop_time_rate.per_second() / turns,
    );
    for (name, reason) in [
        ("acl_access_denied_auth", Reason::Auth),
        ("acl_access_denied_cmd", Reason::Command),
        ("acl_access_denied_key", Reason::Key),
        ("acl_access_denied_channel", Reason::Channel),
        ("acl_access_denied_tls_cert", Reason::Certificate),
    ] {
        info.field(name, srv.acl.log.count(reason));
    }
}

/// INFO debug: figures of the event loop.
pub fn write_debug(srv: &Server, info: &mut Info) {
    let stats = &srv.stats;
    info.field("eventloop_duration_aof_sum", srv.stats.aof_us);
    info.field("eventloop_duration_cron_sum", stats.cron_us);
    info.field("eventloop_duration_max", stats.loop_max_us);
    info.field("eventloop_cmd_per_cycle_max", stats.loop_max_commands);
}
