//! Rows of the commands that exist only in Sentinel mode.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, one_of, pattern, string, token};
use crate::spec::{Group, Spec, spec};
use crate::words::flag;
use crate::words::flag::{ADMIN, LOADING, ONLY_SENTINEL, STALE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &SENTINEL,
    &SENTINEL_CKQUORUM,
    &SENTINEL_CONFIG,
    &SENTINEL_DEBUG,
    &SENTINEL_FAILOVER,
    &SENTINEL_FLUSHCONFIG,
    &SENTINEL_GET_MASTER_ADDR_BY_NAME,
    &SENTINEL_HELP,
    &SENTINEL_INFO_CACHE,
    &SENTINEL_IS_MASTER_DOWN_BY_ADDR,
    &SENTINEL_MASTER,
    &SENTINEL_MASTERS,
    &SENTINEL_MONITOR,
    &SENTINEL_MYID,
    &SENTINEL_PENDING_SCRIPTS,
    &SENTINEL_REMOVE,
    &SENTINEL_REPLICAS,
    &SENTINEL_RESET,
    &SENTINEL_SENTINELS,
    &SENTINEL_SET,
    &SENTINEL_SIMULATE_FAILURE,
    &SENTINEL_SLAVES,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Sentinel)
}

pub static SENTINEL: Spec = row("sentinel", -2)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Hold the commands of Sentinel.")
    .complexity("That of the subcommand");

pub static SENTINEL_CKQUORUM: Spec = row("sentinel|ckquorum", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Check that enough Sentinels can be reached to authorise a failover.")
    .args(&[string("master-name")]);

pub static SENTINEL_CONFIG: Spec = row("sentinel|config", -4)
    .since("6.2.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Read or change the configuration of Sentinel itself.")
    .complexity("O(N), N the parameters given")
    .history(&[("7.2.0", "Takes several parameters.")])
    .args(&[one_of(
        "action",
        &[
            block("set", &[string("parameter"), string("value")])
                .token("SET")
                .multiple(),
            string("parameter").token("GET").multiple(),
        ],
    )]);

pub static SENTINEL_DEBUG: Spec = row("sentinel|debug", -2)
    .since("7.0.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Show or change the time limits that Sentinel works with.")
    .complexity("O(N), N the parameters")
    .args(&[block("data", &[string("parameter"), string("value")])
        .optional()
        .multiple()]);

pub static SENTINEL_FAILOVER: Spec = row("sentinel|failover", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Fail a primary over without asking the other Sentinels.")
    .args(&[string("master-name")]);

pub static SENTINEL_FLUSHCONFIG: Spec = row("sentinel|flushconfig", 2)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Write the configuration of Sentinel to disk.")
    .complexity("O(1)");

pub static SENTINEL_GET_MASTER_ADDR_BY_NAME: Spec = row("sentinel|get-master-addr-by-name", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Return the address of the current primary of a name.")
    .complexity("O(1)")
    .args(&[string("master-name")]);

pub static SENTINEL_HELP: Spec = row("sentinel|help", 2)
    .since("6.2.0")
    .flags(LOADING | STALE | flag::SENTINEL | ONLY_SENTINEL)
    .summary("List the subcommands of SENTINEL.")
    .complexity("O(1)");

pub static SENTINEL_INFO_CACHE: Spec = row("sentinel|info-cache", -3)
    .since("3.2.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Return the last INFO of primaries and of their replicas.")
    .complexity("O(N), N the servers watched")
    .args(&[string("nodename").multiple()]);

pub static SENTINEL_IS_MASTER_DOWN_BY_ADDR: Spec = row("sentinel|is-master-down-by-addr", 6)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Ask whether a primary seems down, and for a vote.")
    .complexity("O(1)")
    .args(&[
        string("ip"),
        integer("port"),
        integer("current-epoch"),
        string("runid"),
    ]);

pub static SENTINEL_MASTER: Spec = row("sentinel|master", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Describe the primary of a name.")
    .complexity("O(1)")
    .args(&[string("master-name")]);

pub static SENTINEL_MASTERS: Spec = row("sentinel|masters", 2)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Describe all primaries that are watched.")
    .complexity("O(N), N the primaries");

pub static SENTINEL_MONITOR: Spec = row("sentinel|monitor", 6)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Begin to watch a primary.")
    .complexity("O(1)")
    .args(&[
        string("name"),
        string("ip"),
        integer("port"),
        integer("quorum"),
    ]);

pub static SENTINEL_MYID: Spec = row("sentinel|myid", 2)
    .since("6.2.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Return the id of this Sentinel.")
    .complexity("O(1)");

pub static SENTINEL_PENDING_SCRIPTS: Spec = row("sentinel|pending-scripts", 2)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("List the notification scripts that wait or run.");

pub static SENTINEL_REMOVE: Spec = row("sentinel|remove", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Stop watching a primary.")
    .complexity("O(1)")
    .args(&[string("master-name")]);

pub static SENTINEL_REPLICAS: Spec = row("sentinel|replicas", 3)
    .since("5.0.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Describe the replicas of a primary.")
    .complexity("O(N), N the replicas")
    .args(&[string("master-name")]);

pub static SENTINEL_RESET: Spec = row("sentinel|reset", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Forget what is known about the primaries that match a pattern.")
    .complexity("O(N), N the primaries")
    .args(&[pattern("pattern")]);

pub static SENTINEL_SENTINELS: Spec = row("sentinel|sentinels", 3)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Describe the other Sentinels that watch a primary.")
    .complexity("O(N), N the Sentinels")
    .args(&[string("master-name")]);

pub static SENTINEL_SET: Spec = row("sentinel|set", -5)
    .since("2.8.4")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Change how a primary is watched.")
    .complexity("O(1)")
    .args(&[
        string("master-name"),
        block("data", &[string("option"), string("value")]).multiple(),
    ]);

pub static SENTINEL_SIMULATE_FAILURE: Spec = row("sentinel|simulate-failure", -3)
    .since("3.2.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Let this Sentinel crash at a chosen step of a failover.")
    .args(&[one_of(
        "mode",
        &[
            token("crash-after-election", "CRASH-AFTER-ELECTION"),
            token("crash-after-promotion", "CRASH-AFTER-PROMOTION"),
            token("help", "HELP"),
        ],
    )
    .optional()
    .multiple()]);

pub static SENTINEL_SLAVES: Spec = row("sentinel|slaves", 3)
    .since("2.8.0")
    .flags(ADMIN | flag::SENTINEL | ONLY_SENTINEL)
    .summary("Describe the replicas of a primary.")
    .complexity("O(N), N the replicas")
    .deprecated("5.0.0", "`SENTINEL REPLICAS`")
    .args(&[string("master-name")]);
