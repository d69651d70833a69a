//! Primaries and replicas.

use crate::config::row::{
    Flags, INT, LONG, Row, bytes, choice, int, memory, optional, special, yes_no,
};
use crate::config::special::REPLICAOF;
use crate::config::values::{DisklessLoad, PropagationError};
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    special("replicaof", REPLICAOF)
        .alias("slaveof")
        .flags(Flags::IMMUTABLE.union(Flags::MULTI_ARG))
        .doc("Host and port of the primary that this server is a replica of."),
    bytes("masterauth", field!(masterauth))
        .flags(Flags::SENSITIVE)
        .doc("Password that the replica shows its primary."),
    optional("masteruser", field!(masteruser))
        .flags(Flags::SENSITIVE)
        .doc("User that the replica is at its primary; unset, the default one."),
    yes_no("replica-serve-stale-data", field!(replica_serve_stale_data))
        .alias("slave-serve-stale-data")
        .default("yes")
        .doc("A replica without its primary goes on answering with what it has."),
    yes_no("replica-read-only", field!(replica_read_only))
        .alias("slave-read-only")
        .flags(Flags::DEBUG)
        .default("yes")
        .doc("A replica refuses writes of clients."),
    yes_no("replica-lazy-flush", field!(replica_lazy_flush))
        .alias("slave-lazy-flush")
        .default("no")
        .doc("A replica frees its old data set in the background before a full synchronisation."),
    yes_no("replica-ignore-maxmemory", field!(replica_ignore_maxmemory))
        .alias("slave-ignore-maxmemory")
        .default("yes")
        .doc("A replica leaves eviction to its primary."),
    yes_no("replica-ignore-disk-write-errors", field!(replica_ignore_disk_write_errors))
        .default("no")
        .doc("A replica that cannot write to its disk goes on executing what its primary sends."),
    int("replica-priority", field!(replica_priority), 0, INT)
        .alias("slave-priority")
        .default("100")
        .doc("Which replica Sentinel promotes first, the lowest number; 0 is never promoted."),
    yes_no("replica-announced", field!(replica_announced))
        .default("yes")
        .doc("Sentinel tells clients about this replica."),
    optional("replica-announce-ip", field!(replica_announce_ip))
        .alias("slave-announce-ip")
        .doc("Address that a replica tells its primary, where the one it connects from is not reachable."),
    int("replica-announce-port", field!(replica_announce_port), 0, 65535)
        .alias("slave-announce-port")
        .default("0")
        .doc("Port that it tells its primary; 0 is the one it listens on."),
    optional("bind-source-addr", field!(bind_source_addr))
        .doc("Address from which links to other servers are opened; unset, the system chooses."),
    int("min-replicas-to-write", field!(min_replicas_to_write), 0, INT)
        .alias("min-slaves-to-write")
        .default("0")
        .doc("With fewer replicas than this, writes are refused; 0 never does."),
    int("min-replicas-max-lag", field!(min_replicas_max_lag), 0, INT)
        .alias("min-slaves-max-lag")
        .default("10")
        .doc("Seconds of silence after which a replica does not count for that."),
    int("repl-ping-replica-period", field!(repl_ping_replica_period), 1, INT)
        .alias("repl-ping-slave-period")
        .default("10")
        .doc("Seconds between two signs of life that replicas get."),
    int("repl-timeout", field!(repl_timeout), 1, INT)
        .default("60")
        .doc("Seconds of silence after which a link between primary and replica is given up."),
    yes_no("repl-disable-tcp-nodelay", field!(repl_disable_tcp_nodelay))
        .default("no")
        .doc("Links to replicas save packets at the price of delay."),
    memory("repl-backlog-size", field!(repl_backlog_size), 1, LONG)
        .default("1mb")
        .doc("How much of the past is kept, from which a replica that was away can catch up."),
    int("repl-backlog-ttl", field!(repl_backlog_ttl), 0, LONG)
        .default("3600")
        .doc("Seconds for which that is kept after the last replica went; 0 is for ever."),
    yes_no("repl-diskless-sync", field!(repl_diskless_sync))
        .flags(Flags::DEBUG)
        .default("yes")
        .doc("A replica gets the data set straight from a child, without a file in between."),
    int("repl-diskless-sync-delay", field!(repl_diskless_sync_delay), 0, INT)
        .default("5")
        .doc("Seconds for which such a transfer waits for further replicas."),
    int("repl-diskless-sync-max-replicas", field!(repl_diskless_sync_max_replicas), 0, INT)
        .default("0")
        .doc("With this many replicas the transfer starts without further waiting; 0 always waits."),
    choice("repl-diskless-load", choice!(repl_diskless_load: DisklessLoad))
        .flags(Flags::DEBUG.union(Flags::DENY_LOADING))
        .default("disabled")
        .doc("How a replica loads what it gets: from a file (disabled), or straight from the link, when it is empty (on-empty-db) or beside its old data set (swapdb)."),
    choice("propagation-error-behavior", choice!(propagation_error_behavior: PropagationError))
        .default("ignore")
        .doc("What a replicated command that fails leads to: nothing (ignore), or the end of the process, everywhere (panic) or on replicas (panic-on-replicas)."),
];
