//! CLUSTER: the node's own data, the state of the cluster, links.

use table::cluster as rows;

use crate::cluster::drive::save_on_demand;
use crate::commands::Family;
use crate::commands::cluster::{carry_out, node, refused};
use crate::exec::route::uses_tls;
use crate::server::{Ctx, Done};
use crate::state::cluster::BusLink;
use crate::wire::fault::{Fault, NO_CLUSTER};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::CLUSTER_HELP, help),
    (&rows::CLUSTER_INFO, info),
    (&rows::CLUSTER_MYID, my_id),
    (&rows::CLUSTER_MYSHARDID, my_shard_id),
    (&rows::CLUSTER_NODES, nodes),
    (&rows::CLUSTER_REPLICAS, replicas),
    (&rows::CLUSTER_SLAVES, replicas),
    (&rows::CLUSTER_LINKS, links),
    (&rows::CLUSTER_COUNT_FAILURE_REPORTS, count_failure_reports),
    (&rows::CLUSTER_SAVECONFIG, save_config),
    (&rows::CLUSTER_BUMPEPOCH, bump_epoch),
];

fn my_id(cx: &mut Ctx<'_>) -> Done {
    let name = node(cx)?.core.my_node().name;
    cx.reply.bulk(name.to_string().as_bytes());
    Ok(())
}

fn my_shard_id(cx: &mut Ctx<'_>) -> Done {
    let shard = node(cx)?.core.my_node().shard;
    cx.reply.bulk(shard.to_string().as_bytes());
    Ok(())
}

fn nodes(cx: &mut Ctx<'_>) -> Done {
    let tls = uses_tls(cx.srv, cx.caller.client);
    let text = node(cx)?.core.nodes_text(tls);
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn replicas(cx: &mut Ctx<'_>) -> Done {
    let tls = uses_tls(cx.srv, cx.caller.client);
    let core = &node(cx)?.core;
    let found = cluster::admin::replicas(core, &cx.argv[2]);
    let replicas = found.map_err(refused)?;
    let lines: Vec<String> = replicas.iter().map(|&ix| core.node_text(ix, tls)).collect();
    cx.reply.array(lines.len());
    for line in lines {
        cx.reply.bulk(line.as_bytes());
    }
    Ok(())
}

fn count_failure_reports(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let count = carry_out(cx, |core, facts| {
        cluster::admin::count_failure_reports(core, facts, &argv[2])
    })?;
    cx.reply.int(count as i64);
    Ok(())
}

fn save_config(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    save_on_demand(cx.srv)
        .map_err(|why| Fault::new(format!("ERR error saving the cluster node config: {why}")))?;
    cx.reply.ok();
    Ok(())
}

fn bump_epoch(cx: &mut Ctx<'_>) -> Done {
    let (is_new, epoch) = carry_out(cx, |core, facts| {
        Ok(cluster::admin::bump_epoch(core, facts))
    })?;
    let word = if is_new { "BUMPED" } else { "STILL" };
    cx.reply.status(&format!("{word} {epoch}"));
    Ok(())
}

fn info(cx: &mut Ctx<'_>) -> Done {
    let text = node(cx)?.core.info_text();
    cx.reply.verbatim(b"txt", text.as_bytes());
    Ok(())
}

fn links(cx: &mut Ctx<'_>) -> Done {
    let node = cx.srv.cluster.as_deref().ok_or(NO_CLUSTER)?;
    let mark = cx.reply.defer();
    let mut count = 0;
    for (id, link) in node.core.links() {
        let Some(other) = link.node else { continue };
        count += 1;
        let bus = node.link(id);
        let conn = bus.and_then(|bus| bus.conn);
        let reads = conn.is_some_and(|conn| cx.srv.conns.has_read_handler(conn));
        let writes =
            link.queued > 0 || conn.is_some_and(|conn| cx.srv.conns.has_write_handler(conn));
        let events = match (reads, writes) {
            (true, true) => "rw",
            (true, false) => "r",
            (false, true) => "w",
            (false, false) => "",
        };
        let memory = (bus.map_or(0, BusLink::memory) + link.queued) as i64;
        let reply = &mut cx.reply;
        reply.map(6);
        reply.bulk(b"direction");
        reply.bulk(if link.inbound { b"from" } else { b"to" });
        reply.bulk(b"node");
        reply.bulk(node.core.node(other).name.to_string().as_bytes());
        reply.bulk(b"create-time");
        reply.int(link.created_ms);
        reply.bulk(b"events");
        reply.bulk(events.as_bytes());
        for field in [b"send-buffer-allocated".as_slice(), b"send-buffer-used"] {
            reply.bulk(field);
            reply.int(memory);
        }
    }
    cx.reply.close_array(mark, count);
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    node(cx)?;
    cx.reply.help(HELP);
    Ok(())
}

const HELP: &[&str] = &[
    "CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ADDSLOTS <slot> [<slot> ...]",
    "    Give slots without an owner to this node.",
    "ADDSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    The same for ranges of slots.",
    "BUMPEPOCH",
    "    Raise the configuration epoch of this node.",
    "COUNT-FAILURE-REPORTS <node-id>",
    "    How many nodes report that this one has failed.",
    "COUNTKEYSINSLOT <slot>",
    "    Number of keys of a slot on this node.",
    "DELSLOTS <slot> [<slot> ...]",
    "    Make this node forget the owners of slots.",
    "DELSLOTSRANGE <start slot> <end slot> [<start slot> <end slot> ...]",
    "    The same for ranges of slots.",
    "FAILOVER [FORCE|TAKEOVER]",
    "    Make this replica a primary in the place of its own.",
    "FORGET <node-id>",
    "    Remove a node.",
    "GETKEYSINSLOT <slot> <count>",
    "    Keys of a slot on this node.",
    "FLUSHSLOTS",
    "    Make this node forget its own slots.",
    "INFO",
    "    State of the cluster.",
    "KEYSLOT <key>",
    "    The slot of a key.",
    "MEET <ip> <port> [<bus-port>]",
    "    Introduce this node to another one.",
    "MYID",
    "    Name of this node.",
    "MYSHARDID",
    "    Name of this node's shard.",
    "NODES",
    "    All nodes that this one knows. A line has:",
    "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...",
    "REPLICATE <node-id>",
    "    Make this node a replica of another one.",
    "RESET [HARD|SOFT]",
    "    Make this node a cluster of its own (default: soft).",
    "SET-CONFIG-EPOCH <epoch>",
    "    Set the configuration epoch of this node.",
    "SETSLOT <slot> (IMPORTING <node-id>|MIGRATING <node-id>|STABLE|NODE <node-id>)",
    "    Begin or end the move of a slot.",
    "REPLICAS <node-id>",
    "    Replicas of a node.",
    "SAVECONFIG",
    "    Write the cluster's state to the disk.",
    "SLOTS",
    "    Ranges of slots, each with start, end, and the addresses of its primary and replicas.",
    "SHARDS",
    "    Shards with their slots and nodes.",
    "LINKS",
    "    Connections between this node and others, each as a map.",
];
