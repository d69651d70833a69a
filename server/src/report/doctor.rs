//! MEMORY DOCTOR: what is unusual about the memory in use, in Redis's words, which tools search for.

use crate::report::memory::{breakdown, ratio};
use crate::server::Server;
use crate::sys::memory;

/// Below this many bytes in use there is nothing to find.
const LITTLE: usize = 5 * 1024 * 1024;
/// Overheads of fewer bytes than this are ignored.
const NOTABLE: i64 = 10 * 1024 * 1024;
/// Memory of all clients, and of all replicas' buffers, above which they are notable: bytes per client, bytes.
const BIG_CLIENT: usize = 200 * 1024;
const BIG_REPLICAS: usize = 10 * 1024 * 1024;

const HEALTHY: &str = "Hi Sam, I can't find any memory issue in your instance. I can only account for what occurs on \
                       this base.\n";
const EMPTY: &str = "Hi Sam, this instance is empty or is using very little memory, my issues detector can't be used in \
                     these conditions. Please, leave for your mission on Earth and fill it with some data. The new Sam \
                     and I will be back to our programming as soon as I finished rebooting.\n";
const BEGIN: &str = "Sam, I detected a few issues in this Redis instance memory implants:\n\n";
const END: &str = "I'm here to keep you safe, Sam. I want to help you.\n";

const PEAK: &str = " * Peak memory: In the past this instance used more than 150% the memory that is currently using. \
    The allocator is normally not able to release memory after a peak, so you can expect to see a big fragmentation ratio, \
    however this is actually harmless and is only due to the memory peak, and if the Redis instance Resident Set Size \
    (RSS) is currently bigger than expected, the memory will be used as soon as you fill the Redis instance with more \
    data. If the memory peak was only occasional and you want to try to reclaim memory, please try the MEMORY PURGE \
    command, otherwise the only other option is to shutdown and restart the instance.\n\n";
const FRAGMENTATION: &str = " * High total RSS: This instance has a memory fragmentation and RSS overhead greater than \
    1.4 (this means that the Resident Set Size of the Redis process is much larger than the sum of the logical allocations \
    Redis performed). This problem is usually due either to a large peak memory (check if there is a peak memory entry \
    above in the report) or may result from a workload that causes the allocator to fragment memory a lot. If the problem \
    is a large peak memory, then there is no issue. Otherwise, make sure you are using the Jemalloc allocator and not the \
    default libc malloc. Note: The currently used allocator is \"";
const ALLOCATOR_FRAGMENTATION: &str = " * High allocator fragmentation: This instance has an allocator external \
    fragmentation greater than 1.1. This problem is usually due either to a large peak memory (check if there is a peak \
    memory entry above in the report) or may result from a workload that causes the allocator to fragment memory a lot. \
    You can try enabling 'activedefrag' config option.\n\n";
const ALLOCATOR_RSS: &str = " * High allocator RSS overhead: This instance has an RSS memory overhead is greater than 1.1 \
    (this means that the Resident Set Size of the allocator is much larger than the sum what the allocator actually \
    holds). This problem is usually due to a large peak memory (check if there is a peak memory entry above in the \
    report), you can try the MEMORY PURGE command to reclaim it.\n\n";
const PROCESS_RSS: &str = " * High process RSS overhead: This instance has non-allocator RSS memory overhead is greater \
    than 1.1 (this means that the Resident Set Size of the Redis process is much larger than the RSS the allocator holds). \
    This problem may be due to Lua scripts or Modules.\n\n";
const REPLICAS: &str = " * Big replica buffers: The replica output buffers in this instance are greater than 10MB for \
    each replica (on average). This likely means that there is some replica instance that is struggling receiving data, \
    either because it is too slow or because of networking issues. As a result, data piles on the master output buffers. \
    Please try to identify what replica is not receiving data correctly and why. You can use the INFO output in order to \
    check the replicas delays and the CLIENT LIST command to check the output buffers of each replica.\n\n";
const CLIENTS: &str = " * Big client buffers: The clients output buffers in this instance are greater than 200K per \
    client (on average). This may result from different causes, like Pub/Sub clients subscribed to channels bot not \
    receiving data fast enough, so that data piles on the Redis instance output buffer, or clients sending commands with \
    large replies or very large sequences of commands in the same pipeline. Please use the CLIENT LIST command in order to \
    investigate the issue if it causes problems in your instance, or to understand better why certain clients are using a \
    big amount of memory.\n\n";

/// The report.
pub fn report(srv: &Server) -> String {
    let parts = breakdown(srv);
    if parts.used < LITTLE {
        return EMPTY.to_owned();
    }
    let (arena, rss) = (&srv.memory.arena, srv.memory.rss);
    let is_above = |whole: usize, part: usize, limit: f64| {
        ratio(whole, part) > limit && whole as i64 - part as i64 > NOTABLE
    };
    let replicas = srv.replication.replicas.len();
    let clients = srv.clients.len().saturating_sub(replicas).max(1);
    let allocator = format!("{FRAGMENTATION}{}\".\n\n", memory::version());
    let findings = [
        (ratio(parts.peak, parts.used) > 1.5, PEAK),
        (is_above(rss, parts.used, 1.4), allocator.as_str()),
        (
            is_above(arena.active, arena.allocated, 1.1),
            ALLOCATOR_FRAGMENTATION,
        ),
        (is_above(arena.resident, arena.active, 1.1), ALLOCATOR_RSS),
        (is_above(rss, arena.resident, 1.1), PROCESS_RSS),
        (replicas > 0 && parts.replicas > BIG_REPLICAS, REPLICAS),
        (parts.clients / clients > BIG_CLIENT, CLIENTS),
    ];
    let found: String = findings
        .iter()
        .filter_map(|&(is_found, text)| is_found.then_some(text))
        .collect();
    if found.is_empty() {
        HEALTHY.to_owned()
    } else {
        [BEGIN, &found, END].concat()
    }
}
