//! Snapshots and the append-only file.

use crate::config::row::{
    Effect, Flags, INT, LONG, Row, choice, int, memory, special, text, yes_no,
};
use crate::config::special::SAVE;
use crate::config::values::AppendFsync;
use crate::{choice, field};

/// The rows.
pub static ROWS: &[Row] = &[
    special("save", SAVE)
        .flags(Flags::MULTI_ARG.union(Flags::ACCUMULATES))
        .default("3600 1 300 100 60 10000")
        .doc(
            "Pairs of seconds and changes: a snapshot is due after this time if there were at least \
             this many changes; an empty value disables them.",
        ),
    text("dbfilename", field!(dbfilename))
        .flags(Flags::PROTECTED)
        .default("dump.rdb")
        .check(|name| base_name(name, "dbfilename can't be a path, just a filename"))
        .doc("Name of the snapshot's file in the working directory."),
    yes_no("rdbcompression", field!(rdbcompression))
        .default("yes")
        .doc("Long strings are compressed in snapshots."),
    yes_no("rdbchecksum", field!(rdbchecksum))
        .immutable()
        .default("yes")
        .doc("Snapshots end with a checksum."),
    yes_no("rdb-del-sync-files", field!(rdb_del_sync_files))
        .default("no")
        .doc("Snapshots that only served a replica are removed when nothing else is persistent."),
    yes_no("rdb-save-incremental-fsync", field!(rdb_save_incremental_fsync))
        .default("yes")
        .doc("A snapshot reaches the disk in steps of 4 MiB, not all at its end."),
    int("rdb-key-save-delay", field!(rdb_key_save_delay), i32::MIN as i64, INT)
        .hidden()
        .default("0")
        .doc("Microseconds to wait after each key of a snapshot, for tests; negative is keys per microsecond."),
    int("key-load-delay", field!(key_load_delay), i32::MIN as i64, INT)
        .hidden()
        .default("0")
        .doc("Microseconds to wait after each key that is loaded, for tests; negative is keys per microsecond."),
    int(
        "loading-process-events-interval-bytes",
        field!(loading_process_events_interval_bytes),
        1024,
        INT,
    )
    .hidden()
    .default("2097152")
    .doc("How much is loaded between two looks at clients."),
    yes_no("stop-writes-on-bgsave-error", field!(stop_writes_on_bgsave_error))
        .default("yes")
        .doc("Writes are refused after a snapshot failed, until one succeeds."),
    yes_no("appendonly", field!(appendonly))
        .flags(Flags::DENY_LOADING)
        .default("no")
        .effects(&[Effect::AppendOnly])
        .doc("Every write is appended to a file from which the data set is restored at start."),
    text("appendfilename", field!(appendfilename))
        .immutable()
        .default("appendonly.aof")
        .check(|name| {
            file_name(
                name,
                "appendfilename can't be empty",
                "appendfilename can't be a path, just a filename",
            )
        })
        .doc("First part of the names of the append-only files."),
    text("appenddirname", field!(appenddirname))
        .immutable()
        .default("appendonlydir")
        .check(|name| {
            file_name(
                name,
                "appenddirname can't be empty",
                "appenddirname can't be a path, just a dirname",
            )
        })
        .doc("Name of their directory in the working directory."),
    choice("appendfsync", choice!(appendfsync: AppendFsync))
        .default("everysec")
        .doc("When appended writes are synced to the disk: before each reply (always), each second (everysec), or when the system likes (no)."),
    yes_no("no-appendfsync-on-rewrite", field!(no_appendfsync_on_rewrite))
        .default("no")
        .doc("They are not synced to the disk while a child is writing a lot."),
    int("auto-aof-rewrite-percentage", field!(auto_aof_rewrite_percentage), 0, INT)
        .default("100")
        .doc("Per cent of growth after which the append-only file is rewritten; 0 never is."),
    memory("auto-aof-rewrite-min-size", field!(auto_aof_rewrite_min_size), 0, LONG)
        .default("64mb")
        .doc("An append-only file smaller than this is not rewritten for its growth."),
    yes_no("aof-load-truncated", field!(aof_load_truncated))
        .default("yes")
        .doc("An append-only file that ends in the middle of a command is loaded as far as it goes."),
    yes_no("aof-use-rdb-preamble", field!(aof_use_rdb_preamble))
        .default("yes")
        .doc("A rewritten append-only file begins with a snapshot."),
    yes_no("aof-timestamp-enabled", field!(aof_timestamp_enabled))
        .default("no")
        .doc("The append-only file notes the time, so that it can be restored up to a moment."),
    yes_no("aof-rewrite-incremental-fsync", field!(aof_rewrite_incremental_fsync))
        .default("yes")
        .doc("A rewritten append-only file reaches the disk in steps of 4 MiB, not all at its end."),
    yes_no("aof-disable-auto-gc", field!(aof_disable_auto_gc))
        .hidden()
        .effects(&[Effect::AppendOnlyHistory])
        .default("no")
        .doc("Append-only files that are no longer needed are kept, for tests."),
];

fn base_name(name: &str, complaint: &'static str) -> Result<(), &'static str> {
    if name.contains(['/', '\\']) {
        Err(complaint)
    } else {
        Ok(())
    }
}

fn file_name(
    name: &str,
    if_empty: &'static str,
    if_path: &'static str,
) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err(if_empty);
    }
    base_name(name, if_path)
}
