//! CLUSTER SLOTS and SHARDS: who serves what.

use cluster::ids::NodeIx;
use cluster::state::Cluster;
use table::cluster as rows;

use crate::cluster::events;
use crate::commands::Family;
use crate::commands::cluster::node;
use crate::config::values::EndpointType;
use crate::exec::route::{preferred_endpoint, uses_tls};
use crate::server::{Ctx, Done, Server};
use crate::wire::fault::NO_CLUSTER;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLUSTER_SLOTS, slots),
    (&rows::CLUSTER_SHARDS, shards),
];

fn slots(cx: &mut Ctx<'_>) -> Done {
    let tls = uses_tls(cx.srv, cx.caller.client);
    let srv = &*cx.srv;
    let core = &srv.cluster.as_deref().ok_or(NO_CLUSTER)?.core;
    let mark = cx.reply.defer();
    let mut count = 0;
    for (first, last, owner) in core.slot_ranges() {
        count += 1;
        let replicas = &core.node(owner).replicas;
        let replicas = replicas.iter().filter(|&&ix| is_available(srv, core, ix));
        let replicas: Vec<NodeIx> = replicas.copied().collect();
        cx.reply.array(3 + replicas.len());
        cx.reply.int(i64::from(first));
        cx.reply.int(i64::from(last));
        endpoint(srv, core, owner, tls, cx.reply);
        for replica in replicas {
            endpoint(srv, core, replica, tls, cx.reply);
        }
    }
    cx.reply.close_array(mark, count);
    Ok(())
}

/// Whether a replica has data to serve.
fn is_available(srv: &Server, core: &Cluster, ix: NodeIx) -> bool {
    !core.node(ix).has_failed() && offset(srv, core, ix) != 0
}

/// The replication offset of a node.
fn offset(srv: &Server, core: &Cluster, ix: NodeIx) -> i64 {
    if ix == core.myself() {
        events::offset(srv)
    } else {
        core.node(ix).offset
    }
}

/// Address, port and name of a node, and what else is known of its address.
fn endpoint(srv: &Server, core: &Cluster, ix: NodeIx, tls: bool, reply: &mut Reply) {
    let node = core.node(ix);
    let preferred = srv.config.cluster_preferred_endpoint_type;
    reply.array(4);
    match preferred {
        EndpointType::UnknownEndpoint => reply.null(),
        _ => reply.bulk(preferred_endpoint(srv, node).as_bytes()),
    }
    reply.int(i64::from(node.port(tls)));
    reply.bulk(node.name.to_string().as_bytes());
    let with_ip = preferred != EndpointType::Ip;
    let with_name = preferred != EndpointType::Hostname && !node.hostname.is_empty();
    reply.map(usize::from(with_ip) + usize::from(with_name));
    if with_ip {
        reply.bulk(b"ip");
        reply.bulk(node.ip.as_bytes());
    }
    if with_name {
        reply.bulk(b"hostname");
        reply.bulk(node.hostname.as_bytes());
    }
}

fn shards(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    let srv = &*cx.srv;
    let core = &srv.cluster.as_deref().ok_or(NO_CLUSTER)?.core;
    let shards = core.shards();
    cx.reply.array(shards.len());
    for nodes in shards.values() {
        let slots = core.node(core.root_of(nodes[0])).slots.iter();
        let ranges: Vec<(u16, u16)> = slots.flat_map(|slots| slots.ranges()).collect();
        cx.reply.map(2);
        cx.reply.bulk(b"slots");
        cx.reply.array(2 * ranges.len());
        for (first, last) in ranges {
            cx.reply.int(i64::from(first));
            cx.reply.int(i64::from(last));
        }
        cx.reply.bulk(b"nodes");
        cx.reply.array(nodes.len());
        for &ix in nodes {
            member(srv, core, ix, cx.reply);
        }
    }
    Ok(())
}

/// One node of a shard.
fn member(srv: &Server, core: &Cluster, ix: NodeIx, reply: &mut Reply) {
    let node = core.node(ix);
    let offset = offset(srv, core, ix);
    let health = if node.has_failed() {
        "fail"
    } else if node.is_replica() && offset == 0 {
        "loading"
    } else {
        "online"
    };
    let ports = [("port", node.tcp_port), ("tls-port", node.tls_port)];
    let ports = ports.iter().filter(|(_, port)| *port != 0);
    let has_name = !node.hostname.is_empty();
    reply.map(6 + ports.clone().count() + usize::from(has_name));
    reply.bulk(b"id");
    reply.bulk(node.name.to_string().as_bytes());
    for (field, port) in ports {
        reply.bulk(field.as_bytes());
        reply.int(i64::from(*port));
    }
    let mut text = |field: &str, value: &str| {
        reply.bulk(field.as_bytes());
        reply.bulk(value.as_bytes());
    };
    text("ip", &node.ip);
    text("endpoint", preferred_endpoint(srv, node));
    if has_name {
        text("hostname", &node.hostname);
    }
    text(
        "role",
        if node.is_replica() {
            "replica"
        } else {
            "master"
        },
    );
    reply.bulk(b"replication-offset");
    reply.int(offset);
    reply.bulk(b"health");
    reply.bulk(health.as_bytes());
}
