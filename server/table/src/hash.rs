//! Rows of the hash commands.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, double, integer, key, pattern, string, token};
use crate::spec::{Group, Spec, at, one, spec};
use crate::words::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use crate::words::category::HASH;
use crate::words::flag::{DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &HDEL,
    &HEXISTS,
    &HGET,
    &HGETALL,
    &HINCRBY,
    &HINCRBYFLOAT,
    &HKEYS,
    &HLEN,
    &HMGET,
    &HMSET,
    &HRANDFIELD,
    &HSCAN,
    &HSET,
    &HSETNX,
    &HSTRLEN,
    &HVALS,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Hash)
}

pub static HDEL: Spec = row("hdel", -3)
    .since("2.0.0")
    .flags(WRITE | FAST)
    .acl(HASH)
    .key(RW | DELETE, at(1), one())
    .summary("Delete fields of a hash, and the hash once it is empty.")
    .complexity("O(N), N the fields given")
    .history(&[("2.4.0", "Takes several fields.")])
    .args(&[key("key", 0), string("field").multiple()]);

pub static HEXISTS: Spec = row("hexists", 3)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(HASH)
    .key(RO, at(1), one())
    .summary("Tell whether a hash has a field.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field")]);

pub static HGET: Spec = row("hget", 3)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the value of a field of a hash.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field")]);

pub static HGETALL: Spec = row("hgetall", 2)
    .since("2.0.0")
    .flags(READONLY)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return all fields of a hash with their values.")
    .complexity("O(N), N the fields of the hash")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0)]);

pub static HINCRBY: Spec = row("hincrby", 4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HASH)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add an integer to the one in a field of a hash.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field"), integer("increment")]);

pub static HINCRBYFLOAT: Spec = row("hincrbyfloat", 4)
    .since("2.6.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HASH)
    .key(RW | ACCESS | UPDATE, at(1), one())
    .summary("Add a floating-point number to the one in a field of a hash.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field"), double("increment")]);

pub static HKEYS: Spec = row("hkeys", 2)
    .since("2.0.0")
    .flags(READONLY)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return all fields of a hash.")
    .complexity("O(N), N the fields of the hash")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0)]);

pub static HLEN: Spec = row("hlen", 2)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(HASH)
    .key(RO, at(1), one())
    .summary("Return the number of fields of a hash.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static HMGET: Spec = row("hmget", -3)
    .since("2.0.0")
    .flags(READONLY | FAST)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the values of several fields of a hash.")
    .complexity("O(N), N the fields given")
    .args(&[key("key", 0), string("field").multiple()]);

pub static HMSET: Spec = row("hmset", -4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HASH)
    .key(RW | UPDATE, at(1), one())
    .summary("Set several fields of a hash.")
    .complexity("O(N), N the fields given")
    .deprecated("4.0.0", "`HSET` with several fields")
    .args(&[
        key("key", 0),
        block("data", &[string("field"), string("value")]).multiple(),
    ]);

pub static HRANDFIELD: Spec = row("hrandfield", -2)
    .since("6.2.0")
    .flags(READONLY)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return fields of a hash picked at random.")
    .complexity("O(N), N the fields returned")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        block(
            "options",
            &[
                integer("count"),
                token("withvalues", "WITHVALUES").optional(),
            ],
        )
        .optional(),
    ]);

pub static HSCAN: Spec = row("hscan", -3)
    .since("2.8.0")
    .flags(READONLY)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Walk the fields and values of a hash in steps.")
    .complexity("O(1) per call, O(N) for a whole walk, N the fields")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]);

pub static HSET: Spec = row("hset", -4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HASH)
    .key(RW | UPDATE, at(1), one())
    .summary("Set fields of a hash.")
    .complexity("O(N), N the fields given")
    .history(&[("4.0.0", "Takes several fields and values.")])
    .args(&[
        key("key", 0),
        block("data", &[string("field"), string("value")]).multiple(),
    ]);

pub static HSETNX: Spec = row("hsetnx", 4)
    .since("2.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HASH)
    .key(RW | INSERT, at(1), one())
    .summary("Set a field of a hash, but only if it does not exist.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field"), string("value")]);

pub static HSTRLEN: Spec = row("hstrlen", 3)
    .since("3.2.0")
    .flags(READONLY | FAST)
    .acl(HASH)
    .key(RO, at(1), one())
    .summary("Return the length of the value of a field of a hash.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("field")]);

pub static HVALS: Spec = row("hvals", 2)
    .since("2.0.0")
    .flags(READONLY)
    .acl(HASH)
    .key(RO | ACCESS, at(1), one())
    .summary("Return all values of a hash.")
    .complexity("O(N), N the fields of the hash")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0)]);
