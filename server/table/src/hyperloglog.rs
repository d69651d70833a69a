//! Rows of the HyperLogLog commands.
//!
//! PFCOUNT is a read-only command whose key is marked RW: it may store the new estimate inside the value.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{key, string};
use crate::spec::{Group, Spec, at, one, spec, to};
use crate::words::access::{ACCESS, INSERT, RO, RW};
use crate::words::category::HYPERLOGLOG;
use crate::words::flag::{ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[&PFADD, &PFCOUNT, &PFDEBUG, &PFMERGE, &PFSELFTEST];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::HyperLogLog)
}

pub static PFADD: Spec = row("pfadd", -2)
    .since("2.8.9")
    .flags(WRITE | DENYOOM | FAST)
    .acl(HYPERLOGLOG)
    .key(RW | INSERT, at(1), one())
    .summary("Let a HyperLogLog count more elements.")
    .complexity("O(1) per element")
    .args(&[key("key", 0), string("element").optional().multiple()]);

pub static PFCOUNT: Spec = row("pfcount", -2)
    .since("2.8.9")
    .flags(READONLY | MAY_REPLICATE)
    .acl(HYPERLOGLOG)
    .key(RW | ACCESS, at(1), to(-1))
    .notes("It may refresh the count cached in the value, for replicas too.")
    .summary("Estimate how many distinct elements HyperLogLogs have counted.")
    .complexity("O(1) for one key; O(N) with a larger constant for N keys")
    .args(&[key("key", 0).multiple()]);

pub static PFDEBUG: Spec = row("pfdebug", 3)
    .since("2.8.9")
    .flags(WRITE | DENYOOM | ADMIN)
    .acl(HYPERLOGLOG)
    .key(RW | ACCESS, at(2), one())
    .syscmd()
    .summary("Look inside a HyperLogLog, for tests.")
    .complexity("N/A")
    .args(&[string("subcommand"), key("key", 0)]);

pub static PFMERGE: Spec = row("pfmerge", -2)
    .since("2.8.9")
    .flags(WRITE | DENYOOM)
    .acl(HYPERLOGLOG)
    .key(RW | ACCESS | INSERT, at(1), one())
    .key(RO | ACCESS, at(2), to(-1))
    .summary("Merge HyperLogLogs into one.")
    .complexity("O(N), N the HyperLogLogs, with a large constant")
    .args(&[key("destkey", 0), key("sourcekey", 1).optional().multiple()]);

pub static PFSELFTEST: Spec = row("pfselftest", 1)
    .since("2.8.9")
    .flags(ADMIN)
    .acl(HYPERLOGLOG)
    .syscmd()
    .summary("Check the estimator of HyperLogLogs, for tests.")
    .complexity("N/A");
