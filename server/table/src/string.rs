//! Rows of the string commands.
//!
//! SUBSTR is an old name of GETRANGE, and SETEX, PSETEX, SETNX and GETSET are older forms of SET; each has a row of
//! its own, since clients still send them.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, double, integer, key, one_of, string, token, unix_time};
use crate::spec::{Group, Procedure, Spec, at, one, range, spec, to};
use crate::words::access::{ACCESS, DELETE, INSERT, OW, RO, RW, UPDATE, VARIABLE_FLAGS};
use crate::words::category::STRING;
use crate::words::flag::{DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &APPEND,
    &DECR,
    &DECRBY,
    &GET,
    &GETDEL,
    &GETEX,
    &GETRANGE,
    &GETSET,
    &INCR,
    &INCRBY,
    &INCRBYFLOAT,
    &LCS,
    &MGET,
    &MSET,
    &MSETNX,
    &PSETEX,
    &SET,
    &SETEX,
    &SETNX,
    &SETRANGE,
    &STRLEN,
    &SUBSTR,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::String)
}

pub static APPEND: Spec = row("append", 3)
    .since("2.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | INSERT, at(1), one())
    .summary("Add bytes to the end of a string, creating it if need be.")
    .complexity("O(1) amortised, as long as the appended part is small")
    .args(&[key("key", 0), string("value")]);

pub static DECR: Spec = row("decr", 2)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Subtract one from the integer stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static DECRBY: Spec = row("decrby", 3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Subtract a given integer from the one stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0), integer("decrement")]);

pub static GET: Spec = row("get", 2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(STRING)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the string stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static GETDEL: Spec = row("getdel", 2)
    .since("6.2.0")
    .flags(WRITE | FAST)
    .acl(STRING)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Return the string stored at a key and delete the key.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static GETEX: Spec = row("getex", -2)
    .since("6.2.0")
    .flags(WRITE | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .notes("It may change when the key expires.")
    .summary("Return the string stored at a key and change when it expires.")
    .complexity("O(1)")
    .args(&[
        key("key", 0),
        one_of(
            "expiration",
            &[
                integer("seconds").token("EX"),
                integer("milliseconds").token("PX"),
                unix_time("unix-time-seconds").token("EXAT"),
                unix_time("unix-time-milliseconds").token("PXAT"),
                token("persist", "PERSIST"),
            ],
        )
        .optional(),
    ]);

pub static GETRANGE: Spec = row("getrange", 4)
    .since("2.4.0")
    .flags(READONLY)
    .acl(STRING)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the part of a string between two offsets.")
    .complexity("O(N), N the bytes returned")
    .args(&[key("key", 0), integer("start"), integer("end")]);

pub static GETSET: Spec = row("getset", 3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Store a string and return the one it replaces.")
    .complexity("O(1)")
    .deprecated("6.2.0", "`SET` with `GET`")
    .args(&[key("key", 0), string("value")]);

pub static INCR: Spec = row("incr", 2)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add one to the integer stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static INCRBY: Spec = row("incrby", 3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add a given integer to the one stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0), integer("increment")]);

pub static INCRBYFLOAT: Spec = row("incrbyfloat", 3)
    .since("2.6.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add a floating-point number to the one stored at a key.")
    .complexity("O(1)")
    .args(&[key("key", 0), double("increment")]);

pub static LCS: Spec = row("lcs", -3)
    .since("7.0.0")
    .flags(READONLY)
    .acl(STRING)
    .key(RO | ACCESS, at(1), to(1))
    .summary("Find the longest common subsequence of two strings.")
    .complexity("O(N*M), N and M the lengths of the strings")
    .args(&[
        key("key1", 0),
        key("key2", 0),
        token("len", "LEN").optional(),
        token("idx", "IDX").optional(),
        integer("min-match-len").token("MINMATCHLEN").optional(),
        token("withmatchlen", "WITHMATCHLEN").optional(),
    ]);

pub static MGET: Spec = row("mget", -2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(STRING)
    .key(RO | ACCESS, at(1), to(-1))
    .summary("Return the strings stored at several keys.")
    .complexity("O(N), N the keys read")
    .tips(&["request_policy:multi_shard"])
    .args(&[key("key", 0).multiple()]);

pub static MSET: Spec = row("mset", -3)
    .since("1.0.1")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(OW | UPDATE, at(1), range(-1, 2, 0))
    .summary("Store several strings in one atomic step.")
    .complexity("O(N), N the keys written")
    .tips(&[
        "request_policy:multi_shard",
        "response_policy:all_succeeded",
    ])
    .args(&[block("data", &[key("key", 0), string("value")]).multiple()]);

pub static MSETNX: Spec = row("msetnx", -3)
    .since("1.0.1")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(OW | INSERT, at(1), range(-1, 2, 0))
    .summary("Store several strings, but only if none of the keys exists.")
    .complexity("O(N), N the keys written")
    .args(&[block("data", &[key("key", 0), string("value")]).multiple()]);

pub static PSETEX: Spec = row("psetex", 4)
    .since("2.6.0")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(OW | UPDATE, at(1), one())
    .summary("Store a string that expires after a number of milliseconds.")
    .complexity("O(1)")
    .deprecated("2.6.12", "`SET` with `PX`")
    .args(&[key("key", 0), integer("milliseconds"), string("value")]);

pub static SET: Spec = row("set", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(RW | ACCESS | UPDATE | VARIABLE_FLAGS, at(1), one())
    .notes("`GET` also reads the key.")
    .procedure(Procedure::Set)
    .summary("Store a string, whatever the key held before.")
    .complexity("O(1)")
    .history(&[
        ("2.6.12", "Knows `EX`, `PX`, `NX` and `XX`."),
        ("6.0.0", "Knows `KEEPTTL`."),
        ("6.2.0", "Knows `GET`, `EXAT` and `PXAT`."),
        ("7.0.0", "`NX` and `GET` go together."),
    ])
    .args(&[
        key("key", 0),
        string("value"),
        one_of("condition", &[token("nx", "NX"), token("xx", "XX")])
            .optional()
            .since("2.6.12"),
        token("get", "GET").optional().since("6.2.0"),
        one_of(
            "expiration",
            &[
                integer("seconds").token("EX").since("2.6.12"),
                integer("milliseconds").token("PX").since("2.6.12"),
                unix_time("unix-time-seconds").token("EXAT").since("6.2.0"),
                unix_time("unix-time-milliseconds")
                    .token("PXAT")
                    .since("6.2.0"),
                token("keepttl", "KEEPTTL").since("6.0.0"),
            ],
        )
        .optional(),
    ]);

pub static SETEX: Spec = row("setex", 4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(OW | UPDATE, at(1), one())
    .summary("Store a string that expires after a number of seconds.")
    .complexity("O(1)")
    .deprecated("2.6.12", "`SET` with `EX`")
    .args(&[key("key", 0), integer("seconds"), string("value")]);

pub static SETNX: Spec = row("setnx", 3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(STRING)
    .key(OW | INSERT, at(1), one())
    .summary("Store a string, but only if the key does not exist.")
    .complexity("O(1)")
    .deprecated("2.6.12", "`SET` with `NX`")
    .args(&[key("key", 0), string("value")]);

pub static SETRANGE: Spec = row("setrange", 4)
    .since("2.2.0")
    .flags(WRITE | DENYOOM)
    .acl(STRING)
    .key(RW | UPDATE, at(1), one())
    .summary("Overwrite part of a string, from an offset on.")
    .complexity("O(1) for a short value, else O(M), M the bytes of the value")
    .args(&[key("key", 0), integer("offset"), string("value")]);

pub static STRLEN: Spec = row("strlen", 2)
    .since("2.2.0")
    .flags(READONLY | FAST)
    .acl(STRING)
    .key(RO, at(1), one())
    .summary("Return the length of a string in bytes.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static SUBSTR: Spec = row("substr", 4)
    .since("1.0.0")
    .flags(READONLY)
    .acl(STRING)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the part of a string between two offsets.")
    .complexity("O(N), N the bytes returned")
    .deprecated("2.0.0", "`GETRANGE`")
    .args(&[key("key", 0), integer("start"), integer("end")]);
