//! Rows of the list commands, including the blocking ones.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{double, integer, key, one_of, string, token};
use crate::spec::{Group, Spec, at, counted, numkeys, one, spec, to};
use crate::words::access::{ACCESS, DELETE, INSERT, RO, RW, UPDATE};
use crate::words::category::LIST;
use crate::words::flag::{BLOCKING, DENYOOM, FAST, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &BLMOVE,
    &BLMPOP,
    &BLPOP,
    &BRPOP,
    &BRPOPLPUSH,
    &LINDEX,
    &LINSERT,
    &LLEN,
    &LMOVE,
    &LMPOP,
    &LPOP,
    &LPOS,
    &LPUSH,
    &LPUSHX,
    &LRANGE,
    &LREM,
    &LSET,
    &LTRIM,
    &RPOP,
    &RPOPLPUSH,
    &RPUSH,
    &RPUSHX,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::List)
}

pub static BLMOVE: Spec = row("blmove", 6)
    .since("6.2.0")
    .flags(WRITE | DENYOOM | BLOCKING)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(RW | INSERT, at(2), one())
    .summary("Move an element from one list to another, waiting for one to come.")
    .complexity("O(1)")
    .args(&[
        key("source", 0),
        key("destination", 1),
        one_of(
            "wherefrom",
            &[token("left", "LEFT"), token("right", "RIGHT")],
        ),
        one_of("whereto", &[token("left", "LEFT"), token("right", "RIGHT")]),
        double("timeout"),
    ]);

pub static BLMPOP: Spec = row("blmpop", -5)
    .since("7.0.0")
    .flags(WRITE | BLOCKING)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(2), counted())
    .procedure(numkeys(2))
    .summary("Pop elements from the first list that has any, waiting for one.")
    .complexity("O(N+M), N the keys given, M the elements returned")
    .args(&[
        double("timeout"),
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", &[token("left", "LEFT"), token("right", "RIGHT")]),
        integer("count").token("COUNT").optional(),
    ]);

pub static BLPOP: Spec = row("blpop", -3)
    .since("2.0.0")
    .flags(WRITE | BLOCKING)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), to(-2))
    .summary("Pop the first element of the first list that has any, waiting for one.")
    .complexity("O(N), N the keys given")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[key("key", 0).multiple(), double("timeout")]);

pub static BRPOP: Spec = row("brpop", -3)
    .since("2.0.0")
    .flags(WRITE | BLOCKING)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), to(-2))
    .summary("Pop the last element of the first list that has any, waiting for one.")
    .complexity("O(N), N the keys given")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[key("key", 0).multiple(), double("timeout")]);

pub static BRPOPLPUSH: Spec = row("brpoplpush", 4)
    .since("2.2.0")
    .flags(WRITE | DENYOOM | BLOCKING)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(RW | INSERT, at(2), one())
    .summary("Move the last element of a list to the front of another, waiting for one.")
    .complexity("O(1)")
    .deprecated("6.2.0", "`BLMOVE` with `RIGHT` and `LEFT`")
    .history(&[("6.0.0", "`timeout` may have a fraction.")])
    .args(&[key("source", 0), key("destination", 1), double("timeout")]);

pub static LINDEX: Spec = row("lindex", 3)
    .since("1.0.0")
    .flags(READONLY)
    .acl(LIST)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the element of a list at an index.")
    .complexity("O(N), N the elements passed on the way; O(1) at both ends")
    .args(&[key("key", 0), integer("index")]);

pub static LINSERT: Spec = row("linsert", 5)
    .since("2.2.0")
    .flags(WRITE | DENYOOM)
    .acl(LIST)
    .key(RW | INSERT, at(1), one())
    .summary("Insert an element before or after another one in a list.")
    .complexity("O(N), N the elements before the pivot; O(1) near the head")
    .args(&[
        key("key", 0),
        one_of(
            "where",
            &[token("before", "BEFORE"), token("after", "AFTER")],
        ),
        string("pivot"),
        string("element"),
    ]);

pub static LLEN: Spec = row("llen", 2)
    .since("1.0.0")
    .flags(READONLY | FAST)
    .acl(LIST)
    .key(RO, at(1), one())
    .summary("Return the number of elements of a list.")
    .complexity("O(1)")
    .args(&[key("key", 0)]);

pub static LMOVE: Spec = row("lmove", 5)
    .since("6.2.0")
    .flags(WRITE | DENYOOM)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(RW | INSERT, at(2), one())
    .summary("Move an element from one end of a list to one end of another.")
    .complexity("O(1)")
    .args(&[
        key("source", 0),
        key("destination", 1),
        one_of(
            "wherefrom",
            &[token("left", "LEFT"), token("right", "RIGHT")],
        ),
        one_of("whereto", &[token("left", "LEFT"), token("right", "RIGHT")]),
    ]);

pub static LMPOP: Spec = row("lmpop", -4)
    .since("7.0.0")
    .flags(WRITE)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), counted())
    .procedure(numkeys(1))
    .summary("Pop elements from the first of several lists that has any.")
    .complexity("O(N+M), N the keys given, M the elements returned")
    .args(&[
        integer("numkeys"),
        key("key", 0).multiple(),
        one_of("where", &[token("left", "LEFT"), token("right", "RIGHT")]),
        integer("count").token("COUNT").optional(),
    ]);

pub static LPOP: Spec = row("lpop", -2)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Pop elements from the head of a list.")
    .complexity("O(N), N the elements returned")
    .history(&[("6.2.0", "Takes a count.")])
    .args(&[key("key", 0), integer("count").optional().since("6.2.0")]);

pub static LPOS: Spec = row("lpos", -3)
    .since("6.0.6")
    .flags(READONLY)
    .acl(LIST)
    .key(RO | ACCESS, at(1), one())
    .summary("Find where an element occurs in a list.")
    .complexity("O(N), N the elements looked at, all of them in the worst case")
    .args(&[
        key("key", 0),
        string("element"),
        integer("rank").token("RANK").optional(),
        integer("num-matches").token("COUNT").optional(),
        integer("len").token("MAXLEN").optional(),
    ]);

pub static LPUSH: Spec = row("lpush", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(LIST)
    .key(RW | INSERT, at(1), one())
    .summary("Push elements onto the head of a list, creating it if need be.")
    .complexity("O(N), N the elements given")
    .history(&[("2.4.0", "Takes several elements.")])
    .args(&[key("key", 0), string("element").multiple()]);

pub static LPUSHX: Spec = row("lpushx", -3)
    .since("2.2.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(LIST)
    .key(RW | INSERT, at(1), one())
    .summary("Push elements onto the head of a list, but only if it exists.")
    .complexity("O(N), N the elements given")
    .history(&[("4.0.0", "Takes several elements.")])
    .args(&[key("key", 0), string("element").multiple()]);

pub static LRANGE: Spec = row("lrange", 4)
    .since("1.0.0")
    .flags(READONLY)
    .acl(LIST)
    .key(RO | ACCESS, at(1), one())
    .summary("Return the elements of a list between two indexes.")
    .complexity("O(S+N), S the distance of the start from an end, N the elements returned")
    .args(&[key("key", 0), integer("start"), integer("stop")]);

pub static LREM: Spec = row("lrem", 4)
    .since("1.0.0")
    .flags(WRITE)
    .acl(LIST)
    .key(RW | DELETE, at(1), one())
    .summary("Remove elements of a list that equal a value.")
    .complexity("O(N+M), N the length of the list, M the elements removed")
    .args(&[key("key", 0), integer("count"), string("element")]);

pub static LSET: Spec = row("lset", 4)
    .since("1.0.0")
    .flags(WRITE | DENYOOM)
    .acl(LIST)
    .key(RW | UPDATE, at(1), one())
    .summary("Replace the element of a list at an index.")
    .complexity("O(N), N the length of the list; O(1) at both ends")
    .args(&[key("key", 0), integer("index"), string("element")]);

pub static LTRIM: Spec = row("ltrim", 4)
    .since("1.0.0")
    .flags(WRITE)
    .acl(LIST)
    .key(RW | DELETE, at(1), one())
    .summary("Keep only the elements of a list between two indexes.")
    .complexity("O(N), N the elements removed")
    .args(&[key("key", 0), integer("start"), integer("stop")]);

pub static RPOP: Spec = row("rpop", -2)
    .since("1.0.0")
    .flags(WRITE | FAST)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .summary("Pop elements from the tail of a list.")
    .complexity("O(N), N the elements returned")
    .history(&[("6.2.0", "Takes a count.")])
    .args(&[key("key", 0), integer("count").optional().since("6.2.0")]);

pub static RPOPLPUSH: Spec = row("rpoplpush", 3)
    .since("1.2.0")
    .flags(WRITE | DENYOOM)
    .acl(LIST)
    .key(RW | ACCESS | DELETE, at(1), one())
    .key(RW | INSERT, at(2), one())
    .summary("Move the last element of a list to the front of another.")
    .complexity("O(1)")
    .deprecated("6.2.0", "`LMOVE` with `RIGHT` and `LEFT`")
    .args(&[key("source", 0), key("destination", 1)]);

pub static RPUSH: Spec = row("rpush", -3)
    .since("1.0.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(LIST)
    .key(RW | INSERT, at(1), one())
    .summary("Push elements onto the tail of a list, creating it if need be.")
    .complexity("O(N), N the elements given")
    .history(&[("2.4.0", "Takes several elements.")])
    .args(&[key("key", 0), string("element").multiple()]);

pub static RPUSHX: Spec = row("rpushx", -3)
    .since("2.2.0")
    .flags(WRITE | DENYOOM | FAST)
    .acl(LIST)
    .key(RW | INSERT, at(1), one())
    .summary("Push elements onto the tail of a list, but only if it exists.")
    .complexity("O(N), N the elements given")
    .history(&[("4.0.0", "Takes several elements.")])
    .args(&[key("key", 0), string("element").multiple()]);
