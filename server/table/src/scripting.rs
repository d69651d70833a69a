//! Rows of the commands on scripts and functions.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{integer, key, one_of, string, token};
use crate::spec::{Group, Spec, at, counted, numkeys, spec};
use crate::words::access::{ACCESS, RO, RW, UPDATE};
use crate::words::category::SCRIPTING;
use crate::words::flag::{
    ALLOW_BUSY, DENYOOM, LOADING, MAY_REPLICATE, NO_MANDATORY_KEYS, NOSCRIPT, READONLY,
    SKIP_MONITOR, STALE, WRITE,
};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &EVAL,
    &EVAL_RO,
    &EVALSHA,
    &EVALSHA_RO,
    &FCALL,
    &FCALL_RO,
    &FUNCTION,
    &FUNCTION_DELETE,
    &FUNCTION_DUMP,
    &FUNCTION_FLUSH,
    &FUNCTION_HELP,
    &FUNCTION_KILL,
    &FUNCTION_LIST,
    &FUNCTION_LOAD,
    &FUNCTION_RESTORE,
    &FUNCTION_STATS,
    &SCRIPT,
    &SCRIPT_DEBUG,
    &SCRIPT_EXISTS,
    &SCRIPT_FLUSH,
    &SCRIPT_HELP,
    &SCRIPT_KILL,
    &SCRIPT_LOAD,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Scripting)
}

pub static EVAL: Spec = row("eval", -3)
    .since("2.6.0")
    .flags(NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE)
    .acl(SCRIPTING)
    .key(RW | ACCESS | UPDATE, at(2), counted())
    .notes("The script decides; the worst case is a read and a write.")
    .procedure(numkeys(2))
    .summary("Run a Lua script on the server.")
    .complexity("That of the script")
    .args(&[
        string("script"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static EVAL_RO: Spec = row("eval_ro", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY)
    .acl(SCRIPTING)
    .key(RO | ACCESS, at(2), counted())
    .notes("The script decides; the worst case is a read.")
    .procedure(numkeys(2))
    .summary("Run a Lua script that does not write.")
    .complexity("That of the script")
    .args(&[
        string("script"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static EVALSHA: Spec = row("evalsha", -3)
    .since("2.6.0")
    .flags(NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE)
    .acl(SCRIPTING)
    .key(RW | ACCESS | UPDATE, at(2), counted())
    .procedure(numkeys(2))
    .summary("Run a cached Lua script, named by its SHA-1 digest.")
    .complexity("That of the script")
    .args(&[
        string("sha1"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static EVALSHA_RO: Spec = row("evalsha_ro", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY)
    .acl(SCRIPTING)
    .key(RO | ACCESS, at(2), counted())
    .procedure(numkeys(2))
    .summary("Run a cached Lua script that does not write.")
    .complexity("That of the script")
    .args(&[
        string("sha1"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static FCALL: Spec = row("fcall", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE)
    .acl(SCRIPTING)
    .key(RW | ACCESS | UPDATE, at(2), counted())
    .notes("The script decides; the worst case is a read and a write.")
    .procedure(numkeys(2))
    .summary("Call a function of a loaded library.")
    .complexity("That of the function")
    .args(&[
        string("function"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static FCALL_RO: Spec = row("fcall_ro", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | SKIP_MONITOR | NO_MANDATORY_KEYS | STALE | READONLY)
    .acl(SCRIPTING)
    .key(RO | ACCESS, at(2), counted())
    .notes("The script decides; the worst case is a read.")
    .procedure(numkeys(2))
    .summary("Call a function of a loaded library that does not write.")
    .complexity("That of the function")
    .args(&[
        string("function"),
        integer("numkeys"),
        key("key", 0).optional().multiple(),
        string("arg").optional().multiple(),
    ]);

pub static FUNCTION: Spec = row("function", -2)
    .since("7.0.0")
    .summary("Hold the commands that manage libraries of functions.")
    .complexity("That of the subcommand");

pub static FUNCTION_DELETE: Spec = row("function|delete", 3)
    .since("7.0.0")
    .flags(NOSCRIPT | WRITE)
    .acl(SCRIPTING)
    .summary("Delete a library with its functions.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[string("library-name")]);

pub static FUNCTION_DUMP: Spec = row("function|dump", 2)
    .since("7.0.0")
    .flags(NOSCRIPT)
    .acl(SCRIPTING)
    .summary("Return all libraries in a serialised form.")
    .complexity("O(N), N the functions");

pub static FUNCTION_FLUSH: Spec = row("function|flush", -2)
    .since("7.0.0")
    .flags(NOSCRIPT | WRITE)
    .acl(SCRIPTING)
    .summary("Delete all libraries.")
    .complexity("O(N), N the functions deleted")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[one_of(
        "flush-type",
        &[token("async", "ASYNC"), token("sync", "SYNC")],
    )
    .optional()]);

pub static FUNCTION_HELP: Spec = row("function|help", 2)
    .since("7.0.0")
    .flags(LOADING | STALE)
    .acl(SCRIPTING)
    .summary("List the subcommands of FUNCTION.")
    .complexity("O(1)");

pub static FUNCTION_KILL: Spec = row("function|kill", 2)
    .since("7.0.0")
    .flags(NOSCRIPT | ALLOW_BUSY)
    .acl(SCRIPTING)
    .summary("Stop the function that is running.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]);

pub static FUNCTION_LIST: Spec = row("function|list", -2)
    .since("7.0.0")
    .flags(NOSCRIPT)
    .acl(SCRIPTING)
    .summary("Describe the libraries and their functions.")
    .complexity("O(N), N the functions")
    .tips(&["nondeterministic_output_order"])
    .args(&[
        string("library-name-pattern")
            .token("LIBRARYNAME")
            .optional(),
        token("withcode", "WITHCODE").optional(),
    ]);

pub static FUNCTION_LOAD: Spec = row("function|load", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | WRITE | DENYOOM)
    .acl(SCRIPTING)
    .summary("Load a library.")
    .complexity("O(1), not counting its compilation")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[
        token("replace", "REPLACE").optional(),
        string("function-code"),
    ]);

pub static FUNCTION_RESTORE: Spec = row("function|restore", -3)
    .since("7.0.0")
    .flags(NOSCRIPT | WRITE | DENYOOM)
    .acl(SCRIPTING)
    .summary("Load the libraries that FUNCTION DUMP has serialised.")
    .complexity("O(N), N the functions in the payload")
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"])
    .args(&[
        string("serialized-value"),
        one_of(
            "policy",
            &[
                token("flush", "FLUSH"),
                token("append", "APPEND"),
                token("replace", "REPLACE"),
            ],
        )
        .optional(),
    ]);

pub static FUNCTION_STATS: Spec = row("function|stats", 2)
    .since("7.0.0")
    .flags(NOSCRIPT | ALLOW_BUSY)
    .acl(SCRIPTING)
    .summary("Describe the function that is running, and the engines.")
    .complexity("O(1)")
    .tips(&[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ]);

pub static SCRIPT: Spec = row("script", -2)
    .since("2.6.0")
    .summary("Hold the commands that manage Lua scripts.")
    .complexity("That of the subcommand");

pub static SCRIPT_DEBUG: Spec = row("script|debug", 3)
    .since("3.2.0")
    .flags(NOSCRIPT)
    .acl(SCRIPTING)
    .summary("Set how the next scripts of this connection are debugged.")
    .complexity("O(1)")
    .args(&[one_of(
        "mode",
        &[
            token("yes", "YES"),
            token("sync", "SYNC"),
            token("no", "NO"),
        ],
    )]);

pub static SCRIPT_EXISTS: Spec = row("script|exists", -3)
    .since("2.6.0")
    .flags(NOSCRIPT)
    .acl(SCRIPTING)
    .summary("Tell which scripts are in the cache.")
    .complexity("O(N), N the scripts given")
    .tips(&[
        "request_policy:all_shards",
        "response_policy:agg_logical_and",
    ])
    .args(&[string("sha1").multiple()]);

pub static SCRIPT_FLUSH: Spec = row("script|flush", -2)
    .since("2.6.0")
    .flags(NOSCRIPT)
    .acl(SCRIPTING)
    .summary("Empty the cache of scripts.")
    .complexity("O(N), N the scripts in the cache")
    .history(&[("6.2.0", "Knows `ASYNC` and `SYNC`.")])
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[one_of(
        "flush-type",
        &[token("async", "ASYNC"), token("sync", "SYNC")],
    )
    .optional()
    .since("6.2.0")]);

pub static SCRIPT_HELP: Spec = row("script|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .acl(SCRIPTING)
    .summary("List the subcommands of SCRIPT.")
    .complexity("O(1)");

pub static SCRIPT_KILL: Spec = row("script|kill", 2)
    .since("2.6.0")
    .flags(NOSCRIPT | ALLOW_BUSY)
    .acl(SCRIPTING)
    .summary("Stop the script that is running.")
    .complexity("O(1)")
    .tips(&["request_policy:all_shards", "response_policy:one_succeeded"]);

pub static SCRIPT_LOAD: Spec = row("script|load", 3)
    .since("2.6.0")
    .flags(NOSCRIPT | STALE)
    .acl(SCRIPTING)
    .summary("Put a script into the cache without running it.")
    .complexity("O(N), N the bytes of the script")
    .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"])
    .args(&[string("script")]);
