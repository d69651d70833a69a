//! Memory: limits, eviction, lazy freeing, active expiry, compact encodings.

use crate::config::row::{Effect, Flags, INT, LONG, Row, choice, int, memory, yes_no};
use crate::config::values::{MaxmemoryPolicy, SanitizeDumpPayload};
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    memory("maxmemory", field!(maxmemory), 0, LONG)
        .default("0")
        .effects(&[Effect::Maxmemory])
        .doc("Memory for the data set, above which keys are evicted or writes refused; 0 means no limit."),
    choice("maxmemory-policy", choice!(maxmemory_policy: MaxmemoryPolicy))
        .default("noeviction")
        .doc(
            "Which keys are evicted: of all keys or of those with an expiry, the ones not used for \
             long (lru), seldom used (lfu), any (random), or soon to expire (ttl); or none.",
        ),
    int("maxmemory-samples", field!(maxmemory_samples), 1, INT)
        .default("5")
        .doc("How many keys are looked at to find one to evict; more is slower and more exact."),
    int("maxmemory-eviction-tenacity", field!(maxmemory_eviction_tenacity), 0, 100)
        .default("10")
        .doc("How much time eviction may take at once, from 0 for little to 100 for all it needs."),
    int("lfu-log-factor", field!(lfu_log_factor), 0, INT)
        .default("10")
        .doc("How many uses a key's counter needs to grow, the more the higher the factor."),
    int("lfu-decay-time", field!(lfu_decay_time), 0, INT)
        .default("1")
        .doc("Minutes after which a key's counter falls by one; 0 never lets it fall."),
    int("active-expire-effort", field!(active_expire_effort), 1, 10)
        .default("1")
        .doc("How hard expired keys are looked for, from 1 to 10."),
    yes_no("lazyfree-lazy-eviction", field!(lazyfree_lazy_eviction))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("Evicted values are freed in the background."),
    yes_no("lazyfree-lazy-expire", field!(lazyfree_lazy_expire))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("Expired values are freed in the background."),
    yes_no("lazyfree-lazy-server-del", field!(lazyfree_lazy_server_del))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("Values that a command overwrites are freed in the background."),
    yes_no("lazyfree-lazy-user-del", field!(lazyfree_lazy_user_del))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("DEL frees in the background, as UNLINK does."),
    yes_no("lazyfree-lazy-user-flush", field!(lazyfree_lazy_user_flush))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("FLUSHALL and FLUSHDB free in the background unless they say SYNC."),
    yes_no("activerehashing", field!(activerehashing))
        .default("yes")
        .doc("Idle time is used to finish the resizing of tables."),
    yes_no("jemalloc-bg-thread", field!(jemalloc_bg_thread))
        .default("yes")
        .effects(&[Effect::AllocatorThread])
        .doc("The allocator gives memory back to the system from a thread of its own."),
    yes_no("activedefrag", field!(activedefrag))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("Values are moved together while the server runs, so that fragmented memory can be given back."),
    memory("active-defrag-ignore-bytes", field!(active_defrag_ignore_bytes), 1, LONG)
        .default("100mb")
        .doc("Fragmentation below this many bytes is left alone."),
    int("active-defrag-threshold-lower", field!(active_defrag_threshold_lower), 0, 1000)
        .default("10")
        .doc("Per cent of fragmentation at which the work begins."),
    int("active-defrag-threshold-upper", field!(active_defrag_threshold_upper), 0, 1000)
        .default("100")
        .doc("Per cent of fragmentation at which it takes all the time it may."),
    int("active-defrag-cycle-min", field!(active_defrag_cycle_min), 1, 99)
        .default("1")
        .doc("Per cent of processor time it takes at the lower threshold."),
    int("active-defrag-cycle-max", field!(active_defrag_cycle_max), 1, 99)
        .default("25")
        .doc("Per cent of processor time it takes at the upper threshold."),
    int("active-defrag-max-scan-fields", field!(active_defrag_max_scan_fields), 1, LONG)
        .default("1000")
        .doc("Collections with more elements than this are treated piece by piece."),
    int("hash-max-listpack-entries", field!(hash_max_listpack_entries), 0, LONG)
        .alias("hash-max-ziplist-entries")
        .default("512")
        .doc("A hash with at most this many fields is kept compact."),
    memory("hash-max-listpack-value", field!(hash_max_listpack_value), 0, LONG)
        .alias("hash-max-ziplist-value")
        .default("64")
        .doc("A hash whose fields and values have at most this many bytes is kept compact."),
    int("list-max-listpack-size", field!(list_max_listpack_size), i32::MIN as i64, INT)
        .alias("list-max-ziplist-size")
        .default("-2")
        .doc("How many elements one node of a list takes; -1 to -5 stand for 4, 8, 16, 32 and 64 KiB."),
    int("list-compress-depth", field!(list_compress_depth), 0, INT)
        .flags(Flags::DEBUG)
        .default("0")
        .doc("How many nodes at either end of a list are not compressed; 0 compresses none."),
    int("set-max-intset-entries", field!(set_max_intset_entries), 0, LONG)
        .default("512")
        .doc("A set of at most this many integers is kept as an array."),
    int("set-max-listpack-entries", field!(set_max_listpack_entries), 0, LONG)
        .default("128")
        .doc("A set of at most this many members is kept compact."),
    int("set-max-listpack-value", field!(set_max_listpack_value), 0, LONG)
        .default("64")
        .doc("A set whose members have at most this many bytes is kept compact."),
    int("zset-max-listpack-entries", field!(zset_max_listpack_entries), 0, LONG)
        .alias("zset-max-ziplist-entries")
        .default("128")
        .doc("A sorted set of at most this many members is kept compact."),
    memory("zset-max-listpack-value", field!(zset_max_listpack_value), 0, LONG)
        .alias("zset-max-ziplist-value")
        .default("64")
        .doc("A sorted set whose members have at most this many bytes is kept compact."),
    memory("hll-sparse-max-bytes", field!(hll_sparse_max_bytes), 0, LONG)
        .default("3000")
        .doc("A HyperLogLog of at most this many bytes is kept in its sparse form."),
    memory("stream-node-max-bytes", field!(stream_node_max_bytes), 0, LONG)
        .default("4096")
        .doc("How many bytes one node of a stream takes; 0 means no limit."),
    int("stream-node-max-entries", field!(stream_node_max_entries), 0, LONG)
        .default("100")
        .doc("How many entries one node of a stream takes; 0 means no limit."),
    choice("sanitize-dump-payload", choice!(sanitize_dump_payload: SanitizeDumpPayload))
        .flags(Flags::DEBUG)
        .default("no")
        .doc("Whose serialised values are checked to the last byte: no one's, those of clients, or all (yes)."),
];
