//! Rows of the transaction commands: MULTI, EXEC, DISCARD, WATCH, UNWATCH.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::key;
use crate::spec::{Group, Spec, at, spec, to};
use crate::words::access::RO;
use crate::words::category::TRANSACTION;
use crate::words::flag::{ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[&DISCARD, &EXEC, &MULTI, &UNWATCH, &WATCH];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Transactions)
}

pub static DISCARD: Spec = row("discard", 1)
    .since("2.0.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .acl(TRANSACTION)
    .summary("Drop the commands queued since MULTI.")
    .complexity("O(N), N the commands queued");

pub static EXEC: Spec = row("exec", 1)
    .since("1.2.0")
    .flags(NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG)
    .acl(TRANSACTION)
    .summary("Run the commands queued since MULTI.")
    .complexity("That of the commands queued");

pub static MULTI: Spec = row("multi", 1)
    .since("1.2.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .acl(TRANSACTION)
    .summary("Begin to queue commands for one atomic step.")
    .complexity("O(1)");

pub static UNWATCH: Spec = row("unwatch", 1)
    .since("2.2.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .acl(TRANSACTION)
    .summary("Forget all watched keys.")
    .complexity("O(1)");

pub static WATCH: Spec = row("watch", -2)
    .since("2.2.0")
    .flags(NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY)
    .acl(TRANSACTION)
    .key(RO, at(1), to(-1))
    .summary("Let EXEC do nothing if one of the keys changes before it.")
    .complexity("O(1) per key")
    .args(&[key("key", 0).multiple()]);
