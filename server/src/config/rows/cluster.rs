//! The cluster.

use cluster::node::{is_human_name, is_ip_text};

use crate::config::row::{INT, LONG, Row, choice, int, memory, optional, text, yes_no};
use crate::config::values::EndpointType;
use crate::{choice, field};

/// Maximum length of a host name including a NUL, in bytes.
const HOST_NAME_MAX: usize = 256;

/// The rows.
pub static ROWS: &[Row] = &[
    yes_no("cluster-enabled", field!(cluster_enabled))
        .immutable()
        .default("no")
        .doc("This server is a node of a cluster."),
    text("cluster-config-file", field!(cluster_config_file))
        .immutable()
        .default("nodes.conf")
        .doc("File in which a node keeps the cluster's state; it is not for editing."),
    int("cluster-port", field!(cluster_port), 0, 65535)
        .immutable()
        .default("0")
        .doc("Port of the cluster bus; 0 is that of clients plus 10000."),
    int("cluster-node-timeout", field!(cluster_node_timeout), 0, LONG)
        .default("15000")
        .doc("Milliseconds for which a node may be unreachable before it counts as failing."),
    int("cluster-ping-interval", field!(cluster_ping_interval), 0, LONG)
        .hidden()
        .default("0")
        .doc("Milliseconds between two pings of a node, for tests; 0 is the usual pace."),
    int("cluster-replica-validity-factor", field!(cluster_replica_validity_factor), 0, INT)
        .alias("cluster-slave-validity-factor")
        .default("10")
        .doc("How many node timeouts a replica may have been without its primary and still take over; 0 is any number."),
    yes_no("cluster-replica-no-failover", field!(cluster_replica_no_failover))
        .alias("cluster-slave-no-failover")
        .default("no")
        .doc("A replica takes over only when it is told to."),
    int("cluster-migration-barrier", field!(cluster_migration_barrier), 0, INT)
        .default("1")
        .doc("How many replicas a primary keeps before one moves to a primary without any."),
    yes_no("cluster-allow-replica-migration", field!(cluster_allow_replica_migration))
        .default("yes")
        .doc("Replicas may move, and a primary whose last slot went becomes a replica."),
    yes_no("cluster-require-full-coverage", field!(cluster_require_full_coverage))
        .default("yes")
        .doc("Nodes stop answering when a slot is served by no one."),
    yes_no("cluster-allow-reads-when-down", field!(cluster_allow_reads_when_down))
        .default("no")
        .doc("A node answers reads of its own slots even then."),
    yes_no(
        "cluster-allow-pubsubshard-when-down",
        field!(cluster_allow_pubsubshard_when_down),
    )
    .default("yes")
    .doc("Sharded channels work even then."),
    memory("cluster-link-sendbuf-limit", field!(cluster_link_sendbuf_limit), 0, LONG)
        .default("0")
        .doc("How much may wait for a link of the cluster bus before the link is closed; 0 means no limit."),
    optional("cluster-announce-ip", field!(cluster_announce_ip))
        .check(check_address)
        .doc("Address that the node tells others; unset, they find out."),
    int("cluster-announce-port", field!(cluster_announce_port), 0, 65535)
        .default("0")
        .doc("Port that the node tells others; 0 is the one it listens on."),
    int("cluster-announce-tls-port", field!(cluster_announce_tls_port), 0, 65535)
        .default("0")
        .doc("TLS port that the node tells others; 0 is the one it listens on."),
    int("cluster-announce-bus-port", field!(cluster_announce_bus_port), 0, 65535)
        .default("0")
        .doc("Port of the cluster bus that the node tells others; 0 is the one it listens on."),
    optional("cluster-announce-hostname", field!(cluster_announce_hostname))
        .check(check_hostname)
        .doc("Name of its host that the node tells others and clients."),
    optional("cluster-announce-human-nodename", field!(cluster_announce_human_nodename))
        .check(check_nodename)
        .doc("A name for people, which logs show beside the node's id."),
    choice("cluster-preferred-endpoint-type", choice!(cluster_preferred_endpoint_type: EndpointType))
        .default("ip")
        .doc("What clients are told to connect to: the address (ip), the announced hostname, or the endpoint they already know (unknown-endpoint)."),
];

fn check_hostname(name: &str) -> Result<(), &'static str> {
    if name.len() >= HOST_NAME_MAX {
        return Err("Hostnames must be less than 256 characters");
    }
    if name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
    {
        return Ok(());
    }
    Err("Hostnames may only contain alphanumeric characters, hyphens or dots")
}

/// Other nodes refuse packets with another address, and nodes.conf could not be read again.
fn check_address(address: &str) -> Result<(), &'static str> {
    if is_ip_text(address.as_bytes()) {
        return Ok(());
    }
    Err(
        "An announced address may only contain alphanumeric characters, dots, colons, hyphens, underscores, brackets and '%'",
    )
}

fn check_nodename(name: &str) -> Result<(), &'static str> {
    if is_human_name(name.as_bytes()) {
        return Ok(());
    }
    Err("Announced human node name contained invalid character")
}
