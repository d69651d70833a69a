//! Rows of the set commands.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{integer, key, pattern, string};
use crate::spec::{Group, Spec, at, counted, numkeys, one, spec, to};
use crate::words::access::{ACCESS, DELETE, INSERT, OW, RO, RW, UPDATE};
use crate::words::category::SET;
use crate::words::flag::{DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &SADD,
    &SCARD,
    &SDIFF,
    &SDIFFSTORE,
    &SINTER,
    &SINTERCARD,
    &SINTERSTORE,
    &SISMEMBER,
    &SMEMBERS,
    &SMISMEMBER,
    &SMOVE,
    &SPOP,
    &SRANDMEMBER,
    &SREM,
    &SSCAN,
    &SUNION,
    &SUNIONSTORE,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Set)
}

pub static SADD: Spec = row("sadd", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(SET)
    .key(RW | INSERT, at(1), one())
    .summary("Add members to a set, creating it if need be.")
    .complexity("O(N), N the members given")
    .history(&[("2.4.0", "Takes several members.")])
    .args(&[key("key", 0), string("member").multiple()]);

pub static SCARD: Spec = row("scard", 2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(SET)
    .key(RO, at(1), one())
    .summary("Return the number of members of a set.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static SDIFF: Spec = row("sdiff", -2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), to(-1))
    .summary("Return the members of a set that no other one has.")
    .complexity("O(N), N the members of all sets")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0).multiple()]);

pub static SDIFFSTORE: Spec = row("sdiffstore", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), to(-1))
    .summary("Store the members of a set that no other one has.")
    .complexity("O(N), N the members of all sets")
    .args(&[key("destination", 0), key("key", 1).multiple()]);

pub static SINTER: Spec = row("sinter", -2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), to(-1))
    .summary("Return the members that all sets have.")
    .complexity("O(N*M) at worst, N the members of the smallest set, M the sets")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0).multiple()]);

pub static SINTERCARD: Spec = row("sintercard", -3)
    .since("7.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), counted())
    .procedure(numkeys(1))
    .summary("Count the members that all sets have.")
    .complexity("O(N*M) at worst, N the members of the smallest set, M the sets")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        integer("limit").token("LIMIT").optional(),
    ]);

pub static SINTERSTORE: Spec = row("sinterstore", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SET)
    .key(RW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), to(-1))
    .summary("Store the members that all sets have.")
    .complexity("O(N*M) at worst, N the members of the smallest set, M the sets")
    .args(&[key("destination", 0), key("key", 1).multiple()]);

pub static SISMEMBER: Spec = row("sismember", 3)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(SET)
    .key(RO, at(1), one())
    .summary("Tell whether a set has a member.")
    .complexity("O(1)")
    .args(&[key("key", 0), string("member")]);

pub static SMEMBERS: Spec = row("smembers", 2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return all members of a set.")
    .complexity("O(N), N the members of the set")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0)]);

pub static SMISMEMBER: Spec = row("smismember", -3)
    .since("6.2.0")
    .flags(READONLY | FAST)
    .acl(SET)
    .key(RO | ACCESS, at(1), one())
    .summary("Tell which of several members a set has.")
    .complexity("O(N), N the members given")
    .args(&[key("key", 0), string("member").multiple()]);

pub static SMOVE: Spec = row("smove", 4)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(SET)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(RW | INSERT, at(2), one())
    .summary("Move a member from one set to another.")
    .complexity("O(1)")
    .args(&[key("source", 0), key("destination", 1), string("member")]);

pub static SPOP: Spec = row("spop", -2)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(SET)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Remove members of a set picked at random and return them.")
    .complexity("O(1), with a count O(N), N the count")
    .history(&[("3.2.0", "Takes a count.")])
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0), integer("count").optional().since("3.2.0")]);

pub static SRANDMEMBER: Spec = row("srandmember", -2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), one())
    .summary("Return members of a set picked at random.")
    .complexity("O(1), with a count O(N), N its absolute value")
    .history(&[("2.6.0", "Takes a count.")])
    .tips(&["nondeterministic_output"])
    .args(&[key("key", 0), integer("count").optional().since("2.6.0")]);

pub static SREM: Spec = row("srem", -3)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(SET)
    .key(RW | DELETE, at(1), one())
    .summary("Remove members of a set, and the set once it is empty.")
    .complexity("O(N), N the members given")
    .history(&[("2.4.0", "Takes several members.")])
    .args(&[key("key", 0), string("member").multiple()]);

pub static SSCAN: Spec = row("sscan", -3)
    .since("2.8.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), one())
    .summary("Walk the members of a set in steps.")
    .complexity("O(1) per call, O(N) for a whole walk, N the members")
    .tips(&["nondeterministic_output"])
    .args(&[
        key("key", 0),
        integer("cursor"),
        pattern("pattern").token("MATCH").optional(),
        integer("count").token("COUNT").optional(),
    ]);

pub static SUNION: Spec = row("sunion", -2)
    .since("1.0.0")
    .flags(READONLY)
    .acl(SET)
    .key(RO | ACCESS, at(1), to(-1))
    .summary("Return the members that any of the sets has.")
    .complexity("O(N), N the members of all sets")
    .tips(&["nondeterministic_output_order"])
    .args(&[key("key", 0).multiple()]);

pub static SUNIONSTORE: Spec = row("sunionstore", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(SET)
    .key(OW | UPDATE, at(1), one())
    .key(RO | ACCESS, at(2), to(-1))
    .summary("Store the members that any of the sets has.")
    .complexity("O(N), N the members of all sets")
    .args(&[key("destination", 0), key("key", 1).multiple()]);
