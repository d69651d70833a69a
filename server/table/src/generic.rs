//! Rows of the commands on keys of any type: expiry, names, iteration, serialisation, SORT, WAIT.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, key, one_of, pattern, string, token, unix_time};
use crate::spec::{Begin, Find, Group, Procedure, Spec, after, at, one, spec, to};
use crate::words::access::{ACCESS, DELETE, INCOMPLETE, INSERT, OW, RM, RO, RW, UPDATE};
use crate::words::category::{CONNECTION, DANGEROUS, KEYSPACE, LIST, SET, SORTEDSET};
use crate::words::flag::{
    DENYOOM, FAST, LOADING, NOSCRIPT, READONLY, STALE, TOUCHES_ARBITRARY_KEYS, WRITE,
};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &COPY,
    &DEL,
    &DUMP,
    &EXISTS,
    &EXPIRE,
    &EXPIREAT,
    &EXPIRETIME,
    &KEYS,
    &MIGRATE,
    &MOVE,
    &OBJECT,
    &OBJECT_ENCODING,
    &OBJECT_FREQ,
    &OBJECT_HELP,
    &OBJECT_IDLETIME,
    &OBJECT_REFCOUNT,
    &PERSIST,
    &PEXPIRE,
    &PEXPIREAT,
    &PEXPIRETIME,
    &PTTL,
    &RANDOMKEY,
    &RENAME,
    &RENAMENX,
    &RESTORE,
    &SCAN,
    &SORT,
    &SORT_RO,
    &TOUCH,
    &TTL,
    &TYPE,
    &UNLINK,
    &WAIT,
    &WAITAOF,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Generic)
}

pub static COPY: Spec = row("copy", -3)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .key(OW | UPDATE, at(2), one())
    .summary("Copy the value of a key to another key.")
    .complexity("O(N), N the elements of a collection; O(1) for a string")
    .args(&[
        key("source", 0),
        key("destination", 1),
        integer("destination-db").token("DB").optional(),
        token("replace", "REPLACE").optional(),
    ]);

pub static DEL: Spec = row("del", -2)
    .since("1.0.0")
    .flags(WRITE)
    .acl(KEYSPACE)
    .key(RM | DELETE, at(1), to(-1))
    .summary("Delete keys.")
    .complexity("O(N), N the keys; for a collection add its number of elements")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
    .args(&[key("key", 0).multiple()]);

pub static DUMP: Spec = row("dump", 2)
    .since("2.6.0")
    .flags(READONLY)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the value of a key in a serialised form.")
    .complexity("O(1) to find it and O(N*M) for N objects of average size M")
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static EXISTS: Spec = row("exists", -2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO, at(1), to(-1))
    .summary("Count how many of the given keys exist.")
    .complexity("O(N), N the keys given")
    .history(&[("3.0.3", "Takes several keys.")])
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
    .args(&[key("key", 0).multiple()]);

pub static EXPIRE: Spec = row("expire", -3)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | UPDATE, at(1), one())
    .summary("Let a key expire after a number of seconds.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `NX`, `XX`, `GT` and `LT`.")])
    .args(&[
        key("key", 0),
        integer("seconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .optional()
        .since("7.0.0"),
    ]);

pub static EXPIREAT: Spec = row("expireat", -3)
    .since("1.2.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | UPDATE, at(1), one())
    .summary("Let a key expire at a Unix time in seconds.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `NX`, `XX`, `GT` and `LT`.")])
    .args(&[
        key("key", 0),
        unix_time("unix-time-seconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .optional()
        .since("7.0.0"),
    ]);

pub static EXPIRETIME: Spec = row("expiretime", 2)
    .since("7.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the Unix time in seconds at which a key expires.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static KEYS: Spec = row("keys", 2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(KEYSPACE | DANGEROUS)
    .summary("Return the names of all keys that match a pattern.")
    .complexity("O(N), N the keys of the database")
    .tips(&["request_policy:all_shards", "nondeterministic_output_order"])
    .args(&[pattern("pattern")]);

pub static MIGRATE: Spec = row("migrate", -6)
    .since("2.6.0")
    .flags(WRITE)
    .acl(KEYSPACE | DANGEROUS)
    .key(RW | ACCESS | DELETE, at(3), one())
    .key(RW | ACCESS | DELETE | INCOMPLETE, after("KEYS", -2), to(-1))
    .procedure(Procedure::Migrate)
    .summary("Move keys to another server in one atomic step per key.")
    .complexity("That of DUMP and DEL here and RESTORE there, and O(N) to send the data")
    .history(&[
        ("3.0.0", "Knows `COPY` and `REPLACE`."),
        ("3.0.6", "Knows `KEYS`."),
        ("4.0.7", "Knows `AUTH`."),
        ("6.0.0", "Knows `AUTH2`."),
    ])
    .tips(&["nondeterministic_output"])
    .args(&[
        string("host"),
        integer("port"),
        one_of("key-selector", &[key("key", 0), token("empty-string", "")]),
        integer("destination-db"),
        integer("timeout"),
        token("copy", "COPY").optional().since("3.0.0"),
        token("replace", "REPLACE").optional().since("3.0.0"),
        one_of(
            "authentication",
            &[
                string("auth")
                    .token("AUTH")
                    .display("password")
                    .since("4.0.7"),
                block("auth2", &[string("username"), string("password")])
                    .token("AUTH2")
                    .since("6.0.0"),
            ],
        )
        .optional(),
        key("keys", 1)
            .token("KEYS")
            .display("key")
            .optional()
            .multiple()
            .since("3.0.6"),
    ]);

pub static MOVE: Spec = row("move", 3)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Move a key to another database.")
    .complexity("O(1)")
    .args(&[key("key", 0), integer("db")]);

pub static OBJECT: Spec = row("object", -2)
    .since("2.2.3")
    .summary("Hold the commands that look inside the value of a key.")
    .complexity("That of the subcommand");

pub static OBJECT_ENCODING: Spec = row("object|encoding", 3)
    .since("2.2.3")
    .flags(READONLY)
    .acl(KEYSPACE)
    .key(RO, at(2), one())
    .summary("Return how the value of a key is represented in memory.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static OBJECT_FREQ: Spec = row("object|freq", 3)
    .since("4.0.0")
    .flags(READONLY)
    .acl(KEYSPACE)
    .key(RO, at(2), one())
    .summary("Return how often a key is used, on the logarithmic scale of LFU.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static OBJECT_HELP: Spec = row("object|help", 2)
    .since("6.2.0")
    .flags(LOADING | STALE)
    .acl(KEYSPACE)
    .summary("List the subcommands of OBJECT.")
    .complexity("O(1)");

pub static OBJECT_IDLETIME: Spec = row("object|idletime", 3)
    .since("2.2.3")
    .flags(READONLY)
    .acl(KEYSPACE)
    .key(RO, at(2), one())
    .summary("Return the seconds since a key was last used.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static OBJECT_REFCOUNT: Spec = row("object|refcount", 3)
    .since("2.2.3")
    .flags(READONLY)
    .acl(KEYSPACE)
    .key(RO, at(2), one())
    .summary("Return how many references to the value of a key exist.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static PERSIST: Spec = row("persist", 2)
    .since("2.2.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | UPDATE, at(1), one())
    .summary("Let a key no longer expire.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static PEXPIRE: Spec = row("pexpire", -3)
    .since("2.6.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | UPDATE, at(1), one())
    .summary("Let a key expire after a number of milliseconds.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `NX`, `XX`, `GT` and `LT`.")])
    .args(&[
        key("key", 0),
        integer("milliseconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .optional()
        .since("7.0.0"),
    ]);

pub static PEXPIREAT: Spec = row("pexpireat", -3)
    .since("2.6.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | UPDATE, at(1), one())
    .summary("Let a key expire at a Unix time in milliseconds.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Knows `NX`, `XX`, `GT` and `LT`.")])
    .args(&[
        key("key", 0),
        unix_time("unix-time-milliseconds"),
        one_of(
            "condition",
            &[
                token("nx", "NX"),
                token("xx", "XX"),
                token("gt", "GT"),
                token("lt", "LT"),
            ],
        )
        .optional()
        .since("7.0.0"),
    ]);

pub static PEXPIRETIME: Spec = row("pexpiretime", 2)
    .since("7.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the Unix time in milliseconds at which a key expires.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static PTTL: Spec = row("pttl", 2)
    .since("2.6.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the milliseconds until a key expires.")
    .complexity("O(1)")
    .history(&[("2.8.0", "Returns -2 for a key that does not exist.")])
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static RANDOMKEY: Spec = row("randomkey", 1)
    .since("1.0.0")
    .flags(READONLY | TOUCHES_ARBITRARY_KEYS)
    .acl(KEYSPACE)
    .summary("Return the name of a key picked at random.")
    .complexity("O(1)")
    .tips(&[
        "request_policy:all_shards",
        "response_policy:special",
        "nondeterministic_output",
    ]);

pub static RENAME: Spec = row("rename", 3)
    .since("1.0.0")
    .flags(WRITE)
    .acl(KEYSPACE)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(OW | UPDATE, at(2), one())
    .summary("Rename a key, replacing what the new name held.")
    .complexity("O(1)")
    .args(&[key("key", 0), key("newkey", 1)]);

pub static RENAMENX: Spec = row("renamenx", 3)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(OW | INSERT, at(2), one())
    .summary("Rename a key, but only if the new name is free.")
    .complexity("O(1)")
    .history(&[("3.2.0", "Two equal names are no longer an error.")])
    .args(&[key("key", 0), key("newkey", 1)]);

pub static RESTORE: Spec = row("restore", -4)
    .since("2.6.0")
    .flags(WRITE | DENYOOM)
    .acl(KEYSPACE | DANGEROUS)
    .key(OW | UPDATE, at(1), one())
    .summary("Create a key from a value that DUMP has serialised.")
    .complexity("O(1) to add it and O(N*M) for N objects of average size M")
    .history(&[
        ("3.0.0", "Knows `REPLACE`."),
        ("5.0.0", "Knows `ABSTTL`."),
        ("5.0.0", "Knows `IDLETIME` and `FREQ`."),
    ])
    .args(&[
        key("key", 0),
        integer("ttl"),
        string("serialized-value"),
        token("replace", "REPLACE").optional().since("3.0.0"),
        token("absttl", "ABSTTL").optional().since("5.0.0"),
        integer("seconds")
            .token("IDLETIME")
            .optional()
            .since("5.0.0"),
        integer("frequency").token("FREQ").optional().since("5.0.0"),
    ]);

pub static SCAN: Spec = row("scan", -2)
    .since("2.8.0")
    .flags(READONLY | TOUCHES_ARBITRARY_KEYS)
    .acl(KEYSPACE)
    .summary("Walk the names of the keys in steps.")
    .complexity("O(1) per call, O(N) for a whole walk, N the keys")
    .history(&[("6.0.0", "Knows `TYPE`.")])
    .tips(&[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ])
    .args(&[
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
        string("type").token("TYPE").optional().since("6.0.0"),
    ]);

pub static SORT: Spec = row("sort", -2)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SET | SORTEDSET | LIST | DANGEROUS)
    .key(RO | ACCESS, at(1), one())
    .key(RO | ACCESS, Begin::Unknown, Find::Unknown)
    .notes("The keys of BY and GET depend on the elements sorted.")
    .key(OW | UPDATE, Begin::Unknown, Find::Unknown)
    .notes("STORE may stand anywhere behind the key.")
    .procedure(Procedure::Sort)
    .summary("Sort a list, set or sorted set, and return or store the result.")
    .complexity("O(N+M*log(M)), N the elements, M those returned; unsorted O(N)")
    .args(&[
        key("key", 0),
        pattern("by-pattern")
            .spec(1)
            .token("BY")
            .display("pattern")
            .optional(),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
        pattern("get-pattern")
            .spec(1)
            .token("GET")
            .display("pattern")
            .optional()
            .multiple_token(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        token("sorting", "ALPHA").optional(),
        key("destination", 2).token("STORE").optional(),
    ]);

pub static SORT_RO: Spec = row("sort_ro", -2)
    .since("7.0.0")
    .flags(READONLY)
    .acl(SET | SORTEDSET | LIST | DANGEROUS)
    .key(RO | ACCESS, at(1), one())
    .key(RO | ACCESS, Begin::Unknown, Find::Unknown)
    .notes("The keys of BY and GET depend on the elements sorted.")
    .procedure(Procedure::SortRo)
    .summary("Sort a list, set or sorted set, and return the result.")
    .complexity("O(N+M*log(M)), N the elements, M those returned; unsorted O(N)")
    .args(&[
        key("key", 0),
        pattern("by-pattern")
            .spec(1)
            .token("BY")
            .display("pattern")
            .optional(),
        block("limit", &[integer("offset"), integer("count")])
            .token("LIMIT")
            .optional(),
        pattern("get-pattern")
            .spec(1)
            .token("GET")
            .display("pattern")
            .optional()
            .multiple_token(),
        one_of("order", &[token("asc", "ASC"), token("desc", "DESC")]).optional(),
        token("sorting", "ALPHA").optional(),
    ]);

pub static TOUCH: Spec = row("touch", -2)
    .since("3.2.1")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO, at(1), to(-1))
    .summary("Mark keys as used just now and count those that exist.")
    .complexity("O(N), N the keys given")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
    .args(&[key("key", 0).multiple()]);

pub static TTL: Spec = row("ttl", 2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the seconds until a key expires.")
    .complexity("O(1)")
    .history(&[("2.8.0", "Returns -2 for a key that does not exist.")])
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0)]);

pub static TYPE: Spec = row("type", 2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .key(RO, at(1), one())
    .summary("Return the type of the value of a key.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static UNLINK: Spec = row("unlink", -2)
    .since("4.0.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE)
    .key(RM | DELETE, at(1), to(-1))
    .summary("Delete keys and free their memory in the background.")
    .complexity("O(1) per key, then O(N) in another thread, N the allocations")
    .tips(&["request_policy:multi_shard", "response_policy:agg_sum"])
    .args(&[key("key", 0).multiple()]);

pub static WAIT: Spec = row("wait", 3)
    .since("3.0.0")
    .acl(CONNECTION)
    .summary("Wait until replicas have received this connection's writes.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"])
    .args(&[integer("numreplicas"), integer("timeout")]);

pub static WAITAOF: Spec = row("waitaof", 4)
    .since("7.2.0")
    .flags(NOSCRIPT)
    .acl(CONNECTION)
    .summary("Wait until this connection's writes are on disk, here or on replicas.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:agg_min"])
    .args(&[
        integer("numlocal"),
        integer("numreplicas"),
        integer("timeout"),
    ]);
