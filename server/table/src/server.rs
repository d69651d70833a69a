//! Rows of the server commands: configuration, users, persistence, replication, introspection.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, key, one_of, pattern, string, token};
use crate::spec::{Group, Spec, at, one, spec};
use crate::words::access::{OW, RO, UPDATE};
use crate::words::category;
use crate::words::category::{CONNECTION, DANGEROUS, KEYSPACE};
use crate::words::flag::{
    ADMIN, ALLOW_BUSY, ASKING, DENYOOM, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT,
    PROTECTED, READONLY, SENTINEL, STALE, WRITE,
};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &ACL,
    &ACL_CAT,
    &ACL_DELUSER,
    &ACL_DRYRUN,
    &ACL_GENPASS,
    &ACL_GETUSER,
    &ACL_HELP,
    &ACL_LIST,
    &ACL_LOAD,
    &ACL_LOG,
    &ACL_SAVE,
    &ACL_SETUSER,
    &ACL_USERS,
    &ACL_WHOAMI,
    &BGREWRITEAOF,
    &BGSAVE,
    &COMMAND,
    &COMMAND_COUNT,
    &COMMAND_DOCS,
    &COMMAND_GETKEYS,
    &COMMAND_GETKEYSANDFLAGS,
    &COMMAND_HELP,
    &COMMAND_INFO,
    &COMMAND_LIST,
    &CONFIG,
    &CONFIG_GET,
    &CONFIG_HELP,
    &CONFIG_RESETSTAT,
    &CONFIG_REWRITE,
    &CONFIG_SET,
    &DBSIZE,
    &DEBUG,
    &FAILOVER,
    &FLUSHALL,
    &FLUSHDB,
    &INFO,
    &LASTSAVE,
    &LATENCY,
    &LATENCY_DOCTOR,
    &LATENCY_GRAPH,
    &LATENCY_HELP,
    &LATENCY_HISTOGRAM,
    &LATENCY_HISTORY,
    &LATENCY_LATEST,
    &LATENCY_RESET,
    &LOLWUT,
    &MEMORY,
    &MEMORY_DOCTOR,
    &MEMORY_HELP,
    &MEMORY_MALLOC_STATS,
    &MEMORY_PURGE,
    &MEMORY_STATS,
    &MEMORY_USAGE,
    &MODULE,
    &MODULE_HELP,
    &MODULE_LIST,
    &MODULE_LOAD,
    &MODULE_LOADEX,
    &MODULE_UNLOAD,
    &MONITOR,
    &PSYNC,
    &REPLCONF,
    &REPLICAOF,
    &RESTORE_ASKING,
    &ROLE,
    &SAVE,
    &SHUTDOWN,
    &SLAVEOF,
    &SLOWLOG,
    &SLOWLOG_GET,
    &SLOWLOG_HELP,
    &SLOWLOG_LEN,
    &SLOWLOG_RESET,
    &SWAPDB,
    &SYNC,
    &TIME,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Server)
}

pub static ACL: Spec = row("acl", -2)
    .since("6.0.0")
    .flags(SENTINEL)
    .summary("Hold the commands about users and what they may do.")
    .complexity("That of the subcommand");

pub static ACL_CAT: Spec = row("acl|cat", -2)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("List the categories of commands, or the commands of one.")
    .complexity("O(1)")
    .args(&[string("category").optional()]);

pub static ACL_DELUSER: Spec = row("acl|deluser", -3)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Delete users and close their connections.")
    .complexity("O(1) amortised for a typical user")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[string("username").multiple()]);

pub static ACL_DRYRUN: Spec = row("acl|dryrun", -4)
    .since("7.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Tell whether a user might run a command, without running it.")
    .complexity("O(1)")
    .args(&[
        string("username"),
        string("command"),
        string("arg").optional().multiple(),
    ]);

pub static ACL_GENPASS: Spec = row("acl|genpass", -2)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Make a password that cannot be guessed.")
    .complexity("O(1)")
    .args(&[integer("bits").optional()]);

pub static ACL_GETUSER: Spec = row("acl|getuser", 3)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Describe a user.")
    .complexity("O(N), N the rules of the user")
    .history(&[
        ("6.2.0", "Covers patterns of Pub/Sub channels."),
        (
            "7.0.0",
            "Shows selectors; key and channel patterns come as rules instead of lists.",
        ),
    ])
    .args(&[string("username")]);

pub static ACL_HELP: Spec = row("acl|help", 2)
    .since("6.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .summary("List the subcommands of ACL.")
    .complexity("O(1)");

pub static ACL_LIST: Spec = row("acl|list", 2)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("List all users as the rules that would create them.")
    .complexity("O(N), N the users");

pub static ACL_LOAD: Spec = row("acl|load", 2)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Read the users from the ACL file again.")
    .complexity("O(N), N the users");

pub static ACL_LOG: Spec = row("acl|log", -2)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("List the latest attempts that ACL rules refused.")
    .complexity("O(N), N the entries returned")
    .history(&[(
        "7.2.0",
        "Entries have an id and the times of creation and last update.",
    )])
    .args(&[one_of("operation", &[integer("count"), token("reset", "RESET")]).optional()]);

pub static ACL_SAVE: Spec = row("acl|save", 2)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Write the users to the ACL file.")
    .complexity("O(N), N the users")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

pub static ACL_SETUSER: Spec = row("acl|setuser", -3)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Create a user, or apply rules to one.")
    .complexity("O(N), N the rules given")
    .history(&[
        ("6.2.0", "Covers patterns of Pub/Sub channels."),
        ("7.0.0", "Knows selectors and permissions per key."),
    ])
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[string("username"), string("rule").optional().multiple()]);

pub static ACL_USERS: Spec = row("acl|users", 2)
    .since("6.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("List the names of all users.")
    .complexity("O(N), N the users");

pub static ACL_WHOAMI: Spec = row("acl|whoami", 2)
    .since("6.0.0")
    .flags(NOSCRIPT | LOADING | STALE | SENTINEL)
    .summary("Return the user of this connection.")
    .complexity("O(1)");

pub static BGREWRITEAOF: Spec = row("bgrewriteaof", 1)
    .since("1.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT)
    .summary("Rewrite the append-only file in the background.")
    .complexity("O(1)");

pub static BGSAVE: Spec = row("bgsave", -1)
    .since("1.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT)
    .summary("Save the data set to disk in the background.")
    .complexity("O(1)")
    .history(&[("3.2.2", "Knows `SCHEDULE`.")])
    .args(&[token("schedule", "SCHEDULE").optional().since("3.2.2")]);

pub static COMMAND: Spec = row("command", -1)
    .since("2.8.13")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Describe all commands.")
    .complexity("O(N), N the commands")
    .tips(&["nondeterministic_output_order"]);

pub static COMMAND_COUNT: Spec = row("command|count", 2)
    .since("2.8.13")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the number of commands.")
    .complexity("O(1)");

pub static COMMAND_DOCS: Spec = row("command|docs", -2)
    .since("7.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the documentation of commands.")
    .complexity("O(N), N the commands asked for")
    .tips(&["nondeterministic_output_order"])
    .args(&[string("command-name").optional().multiple()]);

pub static COMMAND_GETKEYS: Spec = row("command|getkeys", -3)
    .since("2.8.13")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the keys of a command line.")
    .complexity("O(N), N the arguments of the line")
    .args(&[string("command"), string("arg").optional().multiple()]);

pub static COMMAND_GETKEYSANDFLAGS: Spec = row("command|getkeysandflags", -3)
    .since("7.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Return the keys of a command line and how it accesses them.")
    .complexity("O(N), N the arguments of the line")
    .args(&[string("command"), string("arg").optional().multiple()]);

pub static COMMAND_HELP: Spec = row("command|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("List the subcommands of COMMAND.")
    .complexity("O(1)");

pub static COMMAND_INFO: Spec = row("command|info", -2)
    .since("2.8.13")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("Describe the given commands, or all.")
    .complexity("O(N), N the commands asked for")
    .history(&[("7.0.0", "Without arguments it describes all commands.")])
    .tips(&["nondeterministic_output_order"])
    .args(&[string("command-name").optional().multiple()]);

pub static COMMAND_LIST: Spec = row("command|list", -2)
    .since("7.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(CONNECTION)
    .summary("List the names of all commands, or of those that match a filter.")
    .complexity("O(N), N the commands")
    .tips(&["nondeterministic_output_order"])
    .args(&[one_of(
        "filterby",
        &[
            string("module-name").token("MODULE"),
            string("category").token("ACLCAT"),
            pattern("pattern").token("PATTERN"),
        ],
    )
    .token("FILTERBY")
    .optional()]);

pub static CONFIG: Spec = row("config", -2)
    .since("2.0.0")
    .summary("Hold the commands that read and change the configuration.")
    .complexity("That of the subcommand");

pub static CONFIG_GET: Spec = row("config|get", -3)
    .since("2.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Return the values of the directives that match patterns.")
    .complexity("O(N), N the directives asked for")
    .history(&[("7.0.0", "Takes several patterns.")])
    .args(&[string("parameter").multiple()]);

pub static CONFIG_HELP: Spec = row("config|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of CONFIG.")
    .complexity("O(1)");

pub static CONFIG_RESETSTAT: Spec = row("config|resetstat", 2)
    .since("2.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Set the statistics that INFO reports back to zero.")
    .complexity("O(1)")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

pub static CONFIG_REWRITE: Spec = row("config|rewrite", 2)
    .since("2.8.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Bring the configuration file up to date.")
    .complexity("O(1)")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

pub static CONFIG_SET: Spec = row("config|set", -4)
    .since("2.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Change directives while the server runs.")
    .complexity("O(N), N the directives given")
    .history(&[("7.0.0", "Takes several parameters.")])
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[block("data", &[string("parameter"), string("value")]).multiple()]);

pub static DBSIZE: Spec = row("dbsize", 1)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(KEYSPACE)
    .summary("Return the number of keys of the database.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:agg_sum"]);

pub static DEBUG: Spec = row("debug", -2)
    .since("1.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED)
    .syscmd()
    .summary("Hold the commands that serve tests and fault finding.")
    .complexity("That of the subcommand");

pub static FAILOVER: Spec = row("failover", -1)
    .since("6.2.0")
    .flags(ADMIN | NOSCRIPT | STALE)
    .summary("Hand the role of primary over to a replica, losing nothing.")
    .complexity("O(1)")
    .args(&[
        block(
            "target",
            &[
                string("host"),
                integer("port"),
                token("force", "FORCE").optional(),
            ],
        )
        .token("TO")
        .optional(),
        token("abort", "ABORT").optional(),
        integer("milliseconds").token("TIMEOUT").optional(),
    ]);

pub static FLUSHALL: Spec = row("flushall", -1)
    .since("1.0.0")
    .flags(WRITE)
    .acl(KEYSPACE | DANGEROUS)
    .summary("Delete all keys of all databases.")
    .complexity("O(N), N the keys of all databases")
    .history(&[("4.0.0", "Knows `ASYNC`."), ("6.2.0", "Knows `SYNC`.")])
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[one_of(
        "flush-type",
        &[
            token("async", "ASYNC").since("4.0.0"),
            token("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]);

pub static FLUSHDB: Spec = row("flushdb", -1)
    .since("1.0.0")
    .flags(WRITE)
    .acl(KEYSPACE | DANGEROUS)
    .summary("Delete all keys of the database.")
    .complexity("O(N), N the keys of the database")
    .history(&[("4.0.0", "Knows `ASYNC`."), ("6.2.0", "Knows `SYNC`.")])
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[one_of(
        "flush-type",
        &[
            token("async", "ASYNC").since("4.0.0"),
            token("sync", "SYNC").since("6.2.0"),
        ],
    )
    .optional()]);

pub static INFO: Spec = row("info", -1)
    .since("1.0.0")
    .flags(LOADING | STALE | SENTINEL)
    .acl(DANGEROUS)
    .summary("Return facts and statistics about the server.")
    .complexity("O(1)")
    .history(&[("7.0.0", "Takes several sections.")])
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ])
    .args(&[string("section").optional().multiple()]);

pub static LASTSAVE: Spec = row("lastsave", 1)
    .since("1.0.0")
    .flags(LOADING | STALE | FAST)
    .acl(category::ADMIN | DANGEROUS)
    .summary("Return the Unix time of the last successful save.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);

pub static LATENCY: Spec = row("latency", -2)
    .since("2.8.13")
    .summary("Hold the commands about latency.")
    .complexity("That of the subcommand");

pub static LATENCY_DOCTOR: Spec = row("latency|doctor", 2)
    .since("2.8.13")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Explain the latency that was observed, in plain English.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]);

pub static LATENCY_GRAPH: Spec = row("latency|graph", 3)
    .since("2.8.13")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Draw the latency of an event over time.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ])
    .args(&[string("event")]);

pub static LATENCY_HELP: Spec = row("latency|help", 2)
    .since("2.8.13")
    .flags(LOADING | STALE)
    .summary("List the subcommands of LATENCY.")
    .complexity("O(1)");

pub static LATENCY_HISTOGRAM: Spec = row("latency|histogram", -2)
    .since("7.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Return how the times of commands are distributed.")
    .complexity("O(N), N the commands that have samples")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ])
    .args(&[string("command").optional().multiple()]);

pub static LATENCY_HISTORY: Spec = row("latency|history", 3)
    .since("2.8.13")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Return the latency samples of an event.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ])
    .args(&[string("event")]);

pub static LATENCY_LATEST: Spec = row("latency|latest", 2)
    .since("2.8.13")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Return the latest latency sample of every event.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_nodes",
        "response_policy:special",
    ]);

pub static LATENCY_RESET: Spec = row("latency|reset", -2)
    .since("2.8.13")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Forget the latency samples of events.")
    .complexity("O(1)")
    .tips(&["request_policy:all_nodes", "response_policy:agg_sum"])
    .args(&[string("event").optional().multiple()]);

pub static LOLWUT: Spec = row("lolwut", -1)
    .since("5.0.0")
    .flags(READONLY | FAST)
    .summary("Draw a piece of computer art and name the version.")
    .args(&[integer("version").token("VERSION").optional()]);

pub static MEMORY: Spec = row("memory", -2)
    .since("4.0.0")
    .summary("Hold the commands about memory.")
    .complexity("That of the subcommand");

pub static MEMORY_DOCTOR: Spec = row("memory|doctor", 2)
    .since("4.0.0")
    .summary("Explain the problems of memory use, in plain English.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]);

pub static MEMORY_HELP: Spec = row("memory|help", 2)
    .since("4.0.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of MEMORY.")
    .complexity("O(1)");

pub static MEMORY_MALLOC_STATS: Spec = row("memory|malloc-stats", 2)
    .since("4.0.0")
    .summary("Return the statistics of the allocator.")
    .complexity("Grows with the memory allocated, may be slow")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]);

pub static MEMORY_PURGE: Spec = row("memory|purge", 2)
    .since("4.0.0")
    .summary("Ask the allocator to give unused memory back.")
    .complexity("Grows with the memory allocated, may be slow")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]);

pub static MEMORY_STATS: Spec = row("memory|stats", 2)
    .since("4.0.0")
    .summary("Return how the memory is used.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]);

pub static MEMORY_USAGE: Spec = row("memory|usage", -3)
    .since("4.0.0")
    .flags(READONLY)
    .key(RO, at(2), one())
    .summary("Estimate how much memory a key takes.")
    .complexity("O(N), N the samples")
    .args(&[key("key", 0), integer("count").token("SAMPLES").optional()]);

pub static MODULE: Spec = row("module", -2)
    .since("4.0.0")
    .summary("Hold the commands that manage modules.")
    .complexity("That of the subcommand");

pub static MODULE_HELP: Spec = row("module|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of MODULE.")
    .complexity("O(1)");

pub static MODULE_LIST: Spec = row("module|list", 2)
    .since("4.0.0")
    .flags(ADMIN | NOSCRIPT)
    .summary("List the loaded modules.")
    .complexity("O(N), N the modules")
    .tips(&["nondeterministic_output_order"]);

pub static MODULE_LOAD: Spec = row("module|load", -3)
    .since("4.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | PROTECTED)
    .summary("Load a module.")
    .complexity("O(1)")
    .args(&[string("path"), string("arg").optional().multiple()]);

pub static MODULE_LOADEX: Spec = row("module|loadex", -3)
    .since("7.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | PROTECTED)
    .summary("Load a module with configuration and arguments.")
    .complexity("O(1)")
    .args(&[
        string("path"),
        block("configs", &[string("name"), string("value")])
            .token("CONFIG")
            .optional()
            .multiple_token(),
        string("args").token("ARGS").optional().multiple(),
    ]);

pub static MODULE_UNLOAD: Spec = row("module|unload", 3)
    .since("4.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | PROTECTED)
    .summary("Unload a module.")
    .complexity("O(1)")
    .args(&[string("name")]);

pub static MONITOR: Spec = row("monitor", 1)
    .since("1.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE)
    .summary("Show every command that the server runs.");

pub static PSYNC: Spec = row("psync", -3)
    .since("2.8.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NO_MULTI | NOSCRIPT)
    .summary("Ask a primary for the rest of its stream, or for all of it.")
    .args(&[string("replicationid"), integer("offset")]);

pub static REPLCONF: Spec = row("replconf", -1)
    .since("3.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | ALLOW_BUSY)
    .syscmd()
    .summary("Tell the other end of a replication link about oneself.")
    .complexity("O(1)");

pub static REPLICAOF: Spec = row("replicaof", 3)
    .since("5.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | STALE)
    .summary("Make this server a replica of another one, or a primary.")
    .complexity("O(1)")
    .args(&[one_of(
        "args",
        &[
            block("host-port", &[string("host"), integer("port")]),
            block("no-one", &[token("no", "NO"), token("one", "ONE")]),
        ],
    )]);

pub static RESTORE_ASKING: Spec = row("restore-asking", -4)
    .since("3.0.0")
    .flags(WRITE | DENYOOM | ASKING)
    .acl(KEYSPACE | DANGEROUS)
    .key(OW | UPDATE, at(1), one())
    .syscmd()
    .summary("Create a key that moves into this node of a cluster.")
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

pub static ROLE: Spec = row("role", 1)
    .since("2.8.12")
    .flags(NOSCRIPT | LOADING | STALE | FAST | SENTINEL)
    .acl(category::ADMIN | DANGEROUS)
    .summary("Return the role of this server in replication.")
    .complexity("O(1)");

pub static SAVE: Spec = row("save", 1)
    .since("1.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | NO_MULTI)
    .summary("Save the data set to disk while everybody waits.")
    .complexity("O(N), N the keys of all databases");

pub static SHUTDOWN: Spec = row("shutdown", -1)
    .since("1.0.0")
    .flags(ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | SENTINEL | ALLOW_BUSY)
    .summary("Save the data set if configured so, and stop the server.")
    .complexity("O(N) with a save, N the keys of all databases, else O(1)")
    .history(&[("7.0.0", "Knows `NOW`, `FORCE` and `ABORT`.")])
    .args(&[
        one_of(
            "save-selector",
            &[token("nosave", "NOSAVE"), token("save", "SAVE")],
        )
        .optional(),
        token("now", "NOW").optional().since("7.0.0"),
        token("force", "FORCE").optional().since("7.0.0"),
        token("abort", "ABORT").optional().since("7.0.0"),
    ]);

pub static SLAVEOF: Spec = row("slaveof", 3)
    .since("1.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NOSCRIPT | STALE)
    .summary("Make this server a replica of another one, or a primary.")
    .complexity("O(1)")
    .deprecated("5.0.0", "`REPLICAOF`")
    .args(&[one_of(
        "args",
        &[
            block("host-port", &[string("host"), integer("port")]),
            block("no-one", &[token("no", "NO"), token("one", "ONE")]),
        ],
    )]);

pub static SLOWLOG: Spec = row("slowlog", -2)
    .since("2.2.12")
    .summary("Hold the commands about the log of slow commands.")
    .complexity("That of the subcommand");

pub static SLOWLOG_GET: Spec = row("slowlog|get", -2)
    .since("2.2.12")
    .flags(ADMIN | LOADING | STALE)
    .summary("Return the latest slow commands.")
    .complexity("O(N), N the entries returned")
    .history(&[("4.0.0", "Returns the address and the name of the client.")])
    .tips(&["request_policy:all_nodes", "nondeterministic_output"])
    .args(&[integer("count").optional()]);

pub static SLOWLOG_HELP: Spec = row("slowlog|help", 2)
    .since("6.2.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of SLOWLOG.")
    .complexity("O(1)");

pub static SLOWLOG_LEN: Spec = row("slowlog|len", 2)
    .since("2.2.12")
    .flags(ADMIN | LOADING | STALE)
    .summary("Return the number of entries in the slow log.")
    .complexity("O(1)")
    .tips(&[
        "request_policy:all_nodes",
        "response_policy:agg_sum",
        "nondeterministic_output",
    ]);

pub static SLOWLOG_RESET: Spec = row("slowlog|reset", 2)
    .since("2.2.12")
    .flags(ADMIN | LOADING | STALE)
    .summary("Empty the slow log.")
    .complexity("O(N), N the entries in the slow log")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]);

pub static SWAPDB: Spec = row("swapdb", 3)
    .since("4.0.0")
    .flags(WRITE | FAST)
    .acl(KEYSPACE | DANGEROUS)
    .summary("Exchange the contents of two databases.")
    .complexity("O(N), N the clients that watch or wait for keys of either")
    .args(&[integer("index1"), integer("index2")]);

pub static SYNC: Spec = row("sync", 1)
    .since("1.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | NO_MULTI | NOSCRIPT)
    .summary("Ask a primary for its data set and its stream.");

pub static TIME: Spec = row("time", 1)
    .since("2.6.0")
    .flags(LOADING | STALE | FAST)
    .summary("Return the time of the server, in seconds and microseconds.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);
