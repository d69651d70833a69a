//! Rows of the stream commands, including those on consumer groups.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, key, one_of, string, token, unix_time};
use crate::spec::{Group, Procedure, Spec, after, at, one, range, spec};
use crate::words::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use crate::words::category::STREAM;
use crate::words::flag::{BLOCKING, DENYOOM, FAST, LOADING, READONLY, STALE, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &XACK,
    &XADD,
    &XAUTOCLAIM,
    &XCLAIM,
    &XDEL,
    &XGROUP,
    &XGROUP_CREATE,
    &XGROUP_CREATECONSUMER,
    &XGROUP_DELCONSUMER,
    &XGROUP_DESTROY,
    &XGROUP_HELP,
    &XGROUP_SETID,
    &XINFO,
    &XINFO_CONSUMERS,
    &XINFO_GROUPS,
    &XINFO_HELP,
    &XINFO_STREAM,
    &XLEN,
    &XPENDING,
    &XRANGE,
    &XREAD,
    &XREADGROUP,
    &XREVRANGE,
    &XSETID,
    &XTRIM,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Stream)
}

pub static XACK: Spec = row("xack", -4)
    .since("5.0.0")
    .flags(WRITE | FAST)
    .acl(STREAM)
    .key(RW | UPDATE, at(1), one())
    .summary("Confirm that a consumer group has dealt with entries.")
    .complexity("O(1) per id")
    .args(&[key("key", 0), string("group"), string("id").multiple()]);

pub static XADD: Spec = row("xadd", -5)
    .since("5.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STREAM)
    .key(RW | UPDATE, at(1), one())
    .notes("It may also trim the stream.")
    .summary("Append an entry to a stream, creating it if need be.")
    .complexity("O(1), with trimming O(N), N the entries removed")
    .history(&[
        ("6.2.0", "Knows `NOMKSTREAM`, `MINID` and `LIMIT`."),
        ("7.0.0", "Takes ids of the form `<ms>-*`."),
    ])
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        token("nomkstream", "NOMKSTREAM").optional().since("6.2.0"),
        block(
            "trim",
            &[
                one_of(
                    "strategy",
                    &[
                        token("maxlen", "MAXLEN"),
                        token("minid", "MINID").since("6.2.0"),
                    ],
                ),
                one_of(
                    "operator",
                    &[token("equal", "="), token("approximately", "~")],
                )
                .optional(),
                string("threshold"),
                integer("count").token("LIMIT").optional().since("6.2.0"),
            ],
        )
        .optional(),
        one_of("id-selector", &[token("auto-id", "*"), string("id")]),
        block("data", &[string("field"), string("value")]).multiple(),
    ]);

pub static XAUTOCLAIM: Spec = row("xautoclaim", -6)
    .since("6.2.0")
    .flags(WRITE | FAST)
    .acl(STREAM)
    .key(RW | DELETE, at(1), one())
    .summary("Give a consumer the entries that others have left pending too long.")
    .complexity("O(1) if COUNT is small")
    .history(&[(
        "7.0.0",
        "Returns the deleted entries that it took off the pending list.",
    )])
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("start"),
        integer("count").token("COUNT").optional(),
        token("justid", "JUSTID").optional(),
    ]);

pub static XCLAIM: Spec = row("xclaim", -6)
    .since("5.0.0")
    .flags(WRITE | FAST)
    .acl(STREAM)
    .key(RW | UPDATE, at(1), one())
    .summary("Give a consumer entries that are pending with others.")
    .complexity("O(log(N)), N the pending entries of the group")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        string("group"),
        string("consumer"),
        string("min-idle-time"),
        string("id").multiple(),
        integer("ms").token("IDLE").optional(),
        unix_time("unix-time-milliseconds").token("TIME").optional(),
        integer("count").token("RETRYCOUNT").optional(),
        token("force", "FORCE").optional(),
        token("justid", "JUSTID").optional(),
        string("lastid").token("LASTID").optional(),
    ]);

pub static XDEL: Spec = row("xdel", -3)
    .since("5.0.0")
    .flags(WRITE | FAST)
    .acl(STREAM)
    .key(RW | DELETE, at(1), one())
    .summary("Delete entries of a stream and count them.")
    .complexity("O(1) per id, however long the stream")
    .args(&[key("key", 0), string("id").multiple()]);

pub static XGROUP: Spec = row("xgroup", -2)
    .since("5.0.0")
    .summary("Hold the commands that manage consumer groups.")
    .complexity("That of the subcommand");

pub static XGROUP_CREATE: Spec = row("xgroup|create", -5)
    .since("5.0.0")
    .flags(WRITE | DENYOOM)
    .acl(STREAM)
    .key(RW | INSERT, at(2), one())
    .summary("Create a consumer group.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `ENTRIESREAD`.")])
    .args(&[
        key("key", 0),
        string("group"),
        one_of("id-selector", &[string("id"), token("new-id", "$")]),
        token("mkstream", "MKSTREAM").optional(),
        integer("entries-read").token("ENTRIESREAD").optional(),
    ]);

pub static XGROUP_CREATECONSUMER: Spec = row("xgroup|createconsumer", 5)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(STREAM)
    .key(RW | INSERT, at(2), one())
    .summary("Create a consumer in a group.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("group"), string("consumer")]);

pub static XGROUP_DELCONSUMER: Spec = row("xgroup|delconsumer", 5)
    .since("5.0.0")
    .flags(WRITE)
    .acl(STREAM)
    .key(RW | DELETE, at(2), one())
    .summary("Delete a consumer from a group.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("group"), string("consumer")]);

pub static XGROUP_DESTROY: Spec = row("xgroup|destroy", 4)
    .since("5.0.0")
    .flags(WRITE)
    .acl(STREAM)
    .key(RW | DELETE, at(2), one())
    .summary("Delete a consumer group.")
    .complexity("O(N), N the pending entries of the group")
    .args(&[key("key", 0), string("group")]);

pub static XGROUP_HELP: Spec = row("xgroup|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .acl(STREAM)
    .summary("List the subcommands of XGROUP.")
    .complexity("O(1)");

pub static XGROUP_SETID: Spec = row("xgroup|setid", -5)
    .since("5.0.0")
    .flags(WRITE)
    .acl(STREAM)
    .key(RW | UPDATE, at(2), one())
    .summary("Set the id of the last entry that a group has received.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `ENTRIESREAD`.")])
    .args(&[
        key("key", 0),
        string("group"),
        one_of("id-selector", &[string("id"), token("new-id", "$")]),
        integer("entriesread")
            .token("ENTRIESREAD")
            .display("entries-read")
            .optional(),
    ]);

pub static XINFO: Spec = row("xinfo", -2)
    .since("5.0.0")
    .summary("Hold the commands that inspect streams.")
    .complexity("That of the subcommand");

pub static XINFO_CONSUMERS: Spec = row("xinfo|consumers", 4)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(2), one())
    .summary("Describe the consumers of a group.")
    .complexity("O(1)")
    .history(&[("7.2.0", "Shows `inactive`.")])
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0), string("group")]);

pub static XINFO_GROUPS: Spec = row("xinfo|groups", 3)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(2), one())
    .summary("Describe the consumer groups of a stream.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Shows `entries-read` and `lag`.")])
    .args(&[key("key", 0)]);

pub static XINFO_HELP: Spec = row("xinfo|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .acl(STREAM)
    .summary("List the subcommands of XINFO.")
    .complexity("O(1)");

pub static XINFO_STREAM: Spec = row("xinfo|stream", -3)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(2), one())
    .summary("Describe a stream.")
    .complexity("O(1)")
    .history(&[
        ("6.0.0", "Knows `FULL`."),
        ("7.0.0", "Shows the counters of entries, deletions and lag."),
        (
            "7.2.0",
            "Shows `active-time`; `seen-time` means any attempt.",
        ),
    ])
    .args(&[
        key("key", 0),
        block(
            "full-block",
            &[
                token("full", "FULL"),
                integer("count").token("COUNT").optional(),
            ],
        )
        .optional(),
    ]);

pub static XLEN: Spec = row("xlen", 2)
    .since("5.0.0")
    .flags(READONLY | FAST)
    .acl(STREAM)
    .key(RO, at(1), one())
    .summary("Return the number of entries of a stream.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static XPENDING: Spec = row("xpending", -3)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(1), one())
    .summary("Describe the entries that a group has received and not confirmed.")
    .complexity("O(N), N the entries returned or consumers listed; with IDLE those scanned")
    .history(&[("6.2.0", "Knows `IDLE` and exclusive bounds.")])
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        string("group"),
        block(
            "filters",
            &[
                integer("min-idle-time")
                    .token("IDLE")
                    .optional()
                    .since("6.2.0"),
                string("start"),
                string("end"),
                integer("count"),
                string("consumer").optional(),
            ],
        )
        .optional(),
    ]);

pub static XRANGE: Spec = row("xrange", -4)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the entries of a stream between two ids.")
    .complexity("O(N), N the entries returned")
    .history(&[("6.2.0", "Knows exclusive bounds.")])
    .args(&[
        key("key", 0),
        string("start"),
        string("end"),
        integer("count").token("COUNT").optional(),
    ]);

pub static XREAD: Spec = row("xread", -4)
    .since("5.0.0")
    .flags(BLOCKING | READONLY | BLOCKING)
    .acl(STREAM)
    .key(RO | ACCESS, after("STREAMS", 1), range(-1, 1, 2))
    .procedure(Procedure::Xread)
    .summary("Return the entries of streams after given ids, or wait for some.")
    .args(&[
        integer("count").token("COUNT").optional(),
        integer("milliseconds").token("BLOCK").optional(),
        block(
            "streams",
            &[key("key", 0).multiple(), string("id").multiple()],
        )
        .token("STREAMS"),
    ]);

pub static XREADGROUP: Spec = row("xreadgroup", -7)
    .since("5.0.0")
    .flags(BLOCKING | WRITE)
    .acl(STREAM)
    .key(RO | ACCESS, after("STREAMS", 4), range(-1, 1, 2))
    .procedure(Procedure::Xread)
    .summary("Return new or pending entries to a consumer, or wait for some.")
    .complexity("O(M) per stream, M the entries returned; a later XADD serves who waits")
    .args(&[
        block("group-block", &[string("group"), string("consumer")]).token("GROUP"),
        integer("count").token("COUNT").optional(),
        integer("milliseconds").token("BLOCK").optional(),
        token("noack", "NOACK").optional(),
        block(
            "streams",
            &[key("key", 0).multiple(), string("id").multiple()],
        )
        .token("STREAMS"),
    ]);

pub static XREVRANGE: Spec = row("xrevrange", -4)
    .since("5.0.0")
    .flags(READONLY)
    .acl(STREAM)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the entries of a stream between two ids, latest first.")
    .complexity("O(N), N the entries returned")
    .history(&[("6.2.0", "Knows exclusive bounds.")])
    .args(&[
        key("key", 0),
        string("end"),
        string("start"),
        integer("count").token("COUNT").optional(),
    ]);

pub static XSETID: Spec = row("xsetid", -3)
    .since("5.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STREAM)
    .key(RW | UPDATE, at(1), one())
    .summary("Set the last id of a stream, for replication.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `ENTRIESADDED` and `MAXDELETEDID`.")])
    .args(&[
        key("key", 0),
        string("last-id"),
        integer("entries-added")
            .token("ENTRIESADDED")
            .optional()
            .since("7.0.0"),
        string("max-deleted-id")
            .token("MAXDELETEDID")
            .optional()
            .since("7.0.0"),
    ]);

pub static XTRIM: Spec = row("xtrim", -4)
    .since("5.0.0")
    .flags(WRITE)
    .acl(STREAM)
    .key(RW | DELETE, at(1), one())
    .summary("Remove the oldest entries of a stream.")
    .complexity("O(N), N the entries removed, with a very small constant")
    .history(&[("6.2.0", "Knows `MINID` and `LIMIT`.")])
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        block(
            "trim",
            &[
                one_of(
                    "strategy",
                    &[
                        token("maxlen", "MAXLEN"),
                        token("minid", "MINID").since("6.2.0"),
                    ],
                ),
                one_of(
                    "operator",
                    &[token("equal", "="), token("approximately", "~")],
                )
                .optional(),
                string("threshold"),
                integer("count").token("LIMIT").optional().since("6.2.0"),
            ],
        ),
    ]);
