//! INFO memory, and the figures that MEMORY STATS shares with it.

use crate::report::info::{Info, human};
use crate::server::Server;
use crate::state::client::Class;
use crate::sys::{host, memory};

/// Memory by purpose, in bytes.
pub struct Breakdown {
    /// Total allocated.
    pub used: usize,
    /// Peak of `used`.
    pub peak: usize,
    /// Used right after start.
    pub startup: usize,
    /// Clients that are not replicas.
    pub clients: usize,
    /// The part of the stream of writes that is kept for replicas only.
    pub replicas: usize,
    /// The rest of the stream: the backlog.
    pub backlog: usize,
    /// Hash tables of the databases.
    pub tables: usize,
    /// Everything except data.
    pub overhead: usize,
    /// Data.
    pub dataset: usize,
}

/// Computes the memory by purpose.
pub fn breakdown(srv: &Server) -> Breakdown {
    let used = memory::used();
    let classes = [Class::Normal, Class::PubSub, Class::Primary];
    let clients = classes
        .map(|class| srv.clients.memory_of(class))
        .iter()
        .sum();
    let stream = srv.replication.blocks.memory();
    let backlog = if srv.replication.replicas.is_empty() {
        stream
    } else {
        stream.min(srv.config.repl_backlog_size as usize)
    };
    let replicas = stream - backlog;
    let tables = srv
        .keys
        .dbs
        .iter()
        .map(|database| database.db.table_bytes())
        .map(|(keys, expires)| keys + expires)
        .sum();
    let overhead = srv.memory.startup + clients + replicas + backlog + tables;
    Breakdown {
        used,
        peak: memory::sample_peak().max(used),
        startup: srv.memory.startup,
        clients,
        replicas,
        backlog,
        tables,
        overhead,
        dataset: used.saturating_sub(overhead),
    }
}

/// `a / b`, or 0 for an empty `b`.
pub fn ratio(a: usize, b: usize) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}

/// Writes the section.
pub fn write(srv: &Server, info: &mut Info) {
    let parts = breakdown(srv);
    let net = parts.used.saturating_sub(parts.startup);
    info.size("used_memory", parts.used);
    info.size("used_memory_rss", srv.memory.rss);
    info.size("used_memory_peak", parts.peak);
    info.field(
        "used_memory_peak_perc",
        format_args!("{:.2}%", 100.0 * ratio(parts.used, parts.peak)),
    );
    info.field("used_memory_overhead", parts.overhead);
    info.field("used_memory_startup", parts.startup);
    info.field("used_memory_dataset", parts.dataset);
    info.field(
        "used_memory_dataset_perc",
        format_args!("{:.2}%", 100.0 * ratio(parts.dataset, net).min(1.0)),
    );
    info.field("allocator_allocated", srv.memory.arena.allocated);
    info.field("allocator_active", srv.memory.arena.active);
    info.field("allocator_resident", srv.memory.arena.resident);
    info.size("total_system_memory", host::total_memory());
    write_scripts(srv, info);
    info.size("maxmemory", srv.config.maxmemory as usize);
    info.field("maxmemory_policy", srv.config.maxmemory_policy.name());
    write_allocator(srv, info, parts.used);
    info.field("mem_not_counted_for_evict", {
        let backlog = srv.config.repl_backlog_size as usize;
        srv.replication.blocks.beyond(backlog) + srv.aof.buffer.capacity()
    });
    info.field("mem_replication_backlog", parts.backlog);
    info.field(
        "mem_total_replication_buffers",
        srv.replication.blocks.memory(),
    );
    info.field("mem_clients_slaves", parts.replicas);
    info.field("mem_clients_normal", parts.clients);
    let links = srv.cluster.as_ref().map_or(0, |node| node.link_memory());
    info.field("mem_cluster_links", links);
    info.field("mem_aof_buffer", srv.aof.buffer.capacity());
    info.field("mem_allocator", memory::version());
    info.field("active_defrag_running", srv.defrag.percent);
    info.field("lazyfree_pending_objects", srv.background.pending());
    info.field("lazyfreed_objects", srv.background.freed());
}

/// Fields of scripts and functions.
fn write_scripts(srv: &Server, info: &mut Info) {
    let (cache, libraries) = (&srv.scripts.cache, &srv.scripts.libraries);
    let (eval, functions) = (cache.heap.used(), libraries.heap.used());
    info.field("used_memory_lua", eval);
    info.field("used_memory_vm_eval", eval);
    info.field("used_memory_lua_human", human(eval));
    info.field("used_memory_scripts_eval", cache.bytes());
    info.field("number_of_cached_scripts", cache.len());
    info.field("number_of_functions", libraries.functions());
    info.field("number_of_libraries", libraries.len());
    info.field("used_memory_vm_functions", functions);
    info.size("used_memory_vm_total", eval + functions);
    info.field("used_memory_functions", libraries.bytes());
    info.size("used_memory_scripts", cache.bytes() + libraries.bytes());
}

fn write_allocator(srv: &Server, info: &mut Info, used: usize) {
    let arena = &srv.memory.arena;
    let rss = srv.memory.rss;
    info.ratio("allocator_frag_ratio", ratio(arena.active, arena.allocated));
    info.field(
        "allocator_frag_bytes",
        arena.active as i64 - arena.allocated as i64,
    );
    info.ratio("allocator_rss_ratio", ratio(arena.resident, arena.active));
    info.field(
        "allocator_rss_bytes",
        arena.resident as i64 - arena.active as i64,
    );
    info.ratio("rss_overhead_ratio", ratio(rss, arena.resident));
    info.field("rss_overhead_bytes", rss as i64 - arena.resident as i64);
    info.ratio("mem_fragmentation_ratio", ratio(rss, used));
    info.field("mem_fragmentation_bytes", rss as i64 - used as i64);
}
