//! Rows of the Redis Cluster commands.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{block, integer, one_of, string, token};
use crate::spec::{Group, Spec, spec};
use crate::words::category::CONNECTION;
use crate::words::flag::{ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &ASKING,
    &CLUSTER,
    &CLUSTER_ADDSLOTS,
    &CLUSTER_ADDSLOTSRANGE,
    &CLUSTER_BUMPEPOCH,
    &CLUSTER_COUNT_FAILURE_REPORTS,
    &CLUSTER_COUNTKEYSINSLOT,
    &CLUSTER_DELSLOTS,
    &CLUSTER_DELSLOTSRANGE,
    &CLUSTER_FAILOVER,
    &CLUSTER_FLUSHSLOTS,
    &CLUSTER_FORGET,
    &CLUSTER_GETKEYSINSLOT,
    &CLUSTER_HELP,
    &CLUSTER_INFO,
    &CLUSTER_KEYSLOT,
    &CLUSTER_LINKS,
    &CLUSTER_MEET,
    &CLUSTER_MYID,
    &CLUSTER_MYSHARDID,
    &CLUSTER_NODES,
    &CLUSTER_REPLICAS,
    &CLUSTER_REPLICATE,
    &CLUSTER_RESET,
    &CLUSTER_SAVECONFIG,
    &CLUSTER_SET_CONFIG_EPOCH,
    &CLUSTER_SETSLOT,
    &CLUSTER_SHARDS,
    &CLUSTER_SLAVES,
    &CLUSTER_SLOTS,
    &READONLY,
    &READWRITE,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::Cluster)
}

pub static ASKING: Spec = row("asking", 1)
    .since("3.0.0")
    .flags(FAST)
    .acl(CONNECTION)
    .summary("Let the next command use a slot that is being imported.")
    .complexity("O(1)");

pub static CLUSTER: Spec = row("cluster", -2)
    .since("3.0.0")
    .summary("Hold the commands that inspect and steer Redis Cluster.")
    .complexity("That of the subcommand");

pub static CLUSTER_ADDSLOTS: Spec = row("cluster|addslots", -3)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Make this node the owner of unassigned slots.")
    .complexity("O(N), N the slots given")
    .args(&[integer("slot").multiple()]);

pub static CLUSTER_ADDSLOTSRANGE: Spec = row("cluster|addslotsrange", -4)
    .since("7.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Make this node the owner of ranges of unassigned slots.")
    .complexity("O(N), N the slots in the ranges")
    .args(&[block("range", &[integer("start-slot"), integer("end-slot")]).multiple()]);

pub static CLUSTER_BUMPEPOCH: Spec = row("cluster|bumpepoch", 2)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Give this node a new, higher configuration epoch.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_COUNT_FAILURE_REPORTS: Spec = row("cluster|count-failure-reports", 3)
    .since("3.0.0")
    .flags(ADMIN | STALE)
    .summary("Count the unexpired reports that a node has failed.")
    .complexity("O(N), N the failure reports")
    .tips(&["nondeterministic_output"])
    .args(&[string("node-id")]);

pub static CLUSTER_COUNTKEYSINSLOT: Spec = row("cluster|countkeysinslot", 3)
    .since("3.0.0")
    .flags(STALE)
    .summary("Count the keys that this node has in a slot.")
    .complexity("O(1)")
    .args(&[integer("slot")]);

pub static CLUSTER_DELSLOTS: Spec = row("cluster|delslots", -3)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Forget who owns the given slots.")
    .complexity("O(N), N the slots given")
    .args(&[integer("slot").multiple()]);

pub static CLUSTER_DELSLOTSRANGE: Spec = row("cluster|delslotsrange", -4)
    .since("7.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Forget who owns the slots of the given ranges.")
    .complexity("O(N), N the slots in the ranges")
    .args(&[block("range", &[integer("start-slot"), integer("end-slot")]).multiple()]);

pub static CLUSTER_FAILOVER: Spec = row("cluster|failover", -2)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Have this replica take over from its primary.")
    .complexity("O(1)")
    .args(&[one_of(
        "options",
        &[token("force", "FORCE"), token("takeover", "TAKEOVER")],
    )
    .optional()]);

pub static CLUSTER_FLUSHSLOTS: Spec = row("cluster|flushslots", 2)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Make this node forget every slot that it owns.")
    .complexity("O(1)");

pub static CLUSTER_FORGET: Spec = row("cluster|forget", 3)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Drop a node from this node's list for a while.")
    .complexity("O(1)")
    .args(&[string("node-id")]);

pub static CLUSTER_GETKEYSINSLOT: Spec = row("cluster|getkeysinslot", 4)
    .since("3.0.0")
    .flags(STALE)
    .summary("Return some keys that this node has in a slot.")
    .complexity("O(N), N the keys asked for")
    .tips(&["nondeterministic_output"])
    .args(&[integer("slot"), integer("count")]);

pub static CLUSTER_HELP: Spec = row("cluster|help", 2)
    .since("5.0.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of CLUSTER.")
    .complexity("O(1)");

pub static CLUSTER_INFO: Spec = row("cluster|info", 2)
    .since("3.0.0")
    .flags(STALE)
    .summary("Report the state of the cluster as this node sees it.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_KEYSLOT: Spec = row("cluster|keyslot", 3)
    .since("3.0.0")
    .flags(STALE)
    .summary("Return the slot that a key belongs to.")
    .complexity("O(N), N the bytes of the key")
    .args(&[string("key")]);

pub static CLUSTER_LINKS: Spec = row("cluster|links", 2)
    .since("7.0.0")
    .flags(STALE)
    .summary("List the links of this node's cluster bus.")
    .complexity("O(N), N the nodes of the cluster")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_MEET: Spec = row("cluster|meet", -4)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Introduce this node to another one.")
    .complexity("O(1)")
    .history(&[("4.0.0", "Takes the port of the cluster bus.")])
    .args(&[
        string("ip"),
        integer("port"),
        integer("cluster-bus-port").optional().since("4.0.0"),
    ]);

pub static CLUSTER_MYID: Spec = row("cluster|myid", 2)
    .since("3.0.0")
    .flags(STALE)
    .summary("Return the id of this node.")
    .complexity("O(1)");

pub static CLUSTER_MYSHARDID: Spec = row("cluster|myshardid", 2)
    .since("7.2.0")
    .flags(STALE)
    .summary("Return the id of this node's shard.")
    .complexity("O(1)")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_NODES: Spec = row("cluster|nodes", 2)
    .since("3.0.0")
    .flags(STALE)
    .summary("Describe the cluster in the format of its nodes file.")
    .complexity("O(N), N the nodes of the cluster")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_REPLICAS: Spec = row("cluster|replicas", 3)
    .since("5.0.0")
    .flags(ADMIN | STALE)
    .summary("Describe the replicas of a primary.")
    .complexity("O(N), N the replicas")
    .tips(&["nondeterministic_output"])
    .args(&[string("node-id")]);

pub static CLUSTER_REPLICATE: Spec = row("cluster|replicate", 3)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Make this node a replica of another one.")
    .complexity("O(1)")
    .args(&[string("node-id")]);

pub static CLUSTER_RESET: Spec = row("cluster|reset", -2)
    .since("3.0.0")
    .flags(ADMIN | STALE | NOSCRIPT)
    .summary("Make this node leave the cluster, keeping or dropping its identity.")
    .complexity("O(N), N the nodes known; a replica also empties its databases")
    .args(&[one_of(
        "reset-type",
        &[token("hard", "HARD"), token("soft", "SOFT")],
    )
    .optional()]);

pub static CLUSTER_SAVECONFIG: Spec = row("cluster|saveconfig", 2)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Write the nodes file to disk now.")
    .complexity("O(1)");

pub static CLUSTER_SET_CONFIG_EPOCH: Spec = row("cluster|set-config-epoch", 3)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Give a fresh node its first configuration epoch.")
    .complexity("O(1)")
    .args(&[integer("config-epoch")]);

pub static CLUSTER_SETSLOT: Spec = row("cluster|setslot", -4)
    .since("3.0.0")
    .flags(NO_ASYNC_LOADING | ADMIN | STALE)
    .summary("Set the owner of a slot, or mark it as moving.")
    .complexity("O(1)")
    .args(&[
        integer("slot"),
        one_of(
            "subcommand",
            &[
                string("importing").token("IMPORTING").display("node-id"),
                string("migrating").token("MIGRATING").display("node-id"),
                string("node").token("NODE").display("node-id"),
                token("stable", "STABLE"),
            ],
        ),
    ]);

pub static CLUSTER_SHARDS: Spec = row("cluster|shards", 2)
    .since("7.0.0")
    .flags(LOADING | STALE)
    .summary("Describe the shards of the cluster: slots and nodes.")
    .complexity("O(N), N the nodes of the cluster")
    .tips(&["nondeterministic_output"]);

pub static CLUSTER_SLAVES: Spec = row("cluster|slaves", 3)
    .since("3.0.0")
    .flags(ADMIN | STALE)
    .summary("Describe the replicas of a primary.")
    .complexity("O(N), N the replicas")
    .deprecated("5.0.0", "`CLUSTER REPLICAS`")
    .tips(&["nondeterministic_output"])
    .args(&[string("node-id")]);

pub static CLUSTER_SLOTS: Spec = row("cluster|slots", 2)
    .since("3.0.0")
    .flags(LOADING | STALE)
    .summary("Map ranges of slots to the nodes that serve them.")
    .complexity("O(N), N the nodes of the cluster")
    .deprecated("7.0.0", "`CLUSTER SHARDS`")
    .history(&[
        ("4.0.0", "Returns the ids of nodes."),
        (
            "7.0.0",
            "Returns further facts about the network of a node.",
        ),
    ])
    .tips(&["nondeterministic_output"]);

pub static READONLY: Spec = row("readonly", 1)
    .since("3.0.0")
    .flags(FAST | LOADING | STALE)
    .acl(CONNECTION)
    .summary("Allow reads on this connection to a cluster replica.")
    .complexity("O(1)");

pub static READWRITE: Spec = row("readwrite", 1)
    .since("3.0.0")
    .flags(FAST | LOADING | STALE)
    .acl(CONNECTION)
    .summary("Take back an earlier READONLY on this connection.")
    .complexity("O(1)");
