//! `create`: makes a cluster of empty nodes.

use crate::cluster::affinity::{self, Layout, WITH_PRIMARY};
use crate::cluster::check::{Repair, check};
use crate::cluster::console::{bad, confirm, give_up, good, step, warn};
use crate::cluster::node::{Address, Node, Refusal};
use crate::cluster::topology::{Cluster, load_through, meeting_point, wait_for_join};
use crate::out::{Exit, fail, print};

/// `create`
///
/// # Errors
/// There is no cluster, or one with problems; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    gather(cluster)?;
    let replicas = cluster.asked.replicas;
    let nodes = cluster.nodes.len();
    let hosts = hosts(cluster);
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let Some(mut layout) = affinity::plan(&hosts, replicas) else {
        bad(format!(
            "*** ERROR: Invalid configuration for cluster creation.\n*** Redis Cluster requires at least 3 master nodes.\n\
             *** This is not possible with {nodes} nodes and {replicas} replicas per node."
        ));
        return give_up(format!(
            "*** At least {} nodes are required.",
            replicas.saturating_add(1).saturating_mul(3)
        ));
    };
    step(format!(
        ">>> Performing hash slots allocation on {nodes} nodes..."
    ));
    announce(cluster, &layout);
    optimize(&hosts, &mut layout);
    apply(cluster, &layout);
    cluster.show();
    if !cluster.asked.yes && !confirm("Can I set the above configuration?") {
        return Ok(());
    }
    configure(cluster)?;
    join(cluster)?;
    wait_for_join(cluster)?;
    for at in 0..nodes {
        if let Err(refusal) = flush(&mut cluster.nodes[at])
            && !cluster.nodes[at].is_replica()
        {
            return Err(cluster.nodes[at].fail(&refusal));
        }
    }
    let first = cluster.nodes.swap_remove(0);
    load_through(cluster, first)?;
    let _ = check(cluster, Repair::No, true);
    Ok(())
}

/// Connects to the nodes and makes sure that they are empty.
fn gather(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    for word in &cluster.asked.args {
        let Some(address) = Address::parse(word) else {
            return fail(format!(
                "Invalid address format: {}",
                String::from_utf8_lossy(word)
            ));
        };
        let mut node = Node::at(address);
        cluster.dialer.open(&mut node)?;
        node.require_cluster_mode()?;
        node.learn().map_err(|refusal| node.fail(&refusal))?;
        node.require_empty()?;
        if cluster.by_id(&node.id).is_some() {
            return give_up(format!("[ERR] Node {node} is given more than once."));
        }
        cluster.nodes.push(node);
    }
    Ok(())
}

fn hosts(cluster: &Cluster<'_>) -> Vec<String> {
    let nodes = cluster.nodes.iter();
    nodes.map(|node| node.address.host.clone()).collect()
}

fn announce(cluster: &Cluster<'_>, layout: &Layout) {
    for (number, (_, range)) in layout.primaries.iter().enumerate() {
        print(format!(
            "Master[{number}] -> Slots {} - {}\n",
            range.start(),
            range.end()
        ));
    }
    for (number, &(replica, primary)) in layout.replicas.iter().enumerate() {
        if number == layout.extra_from {
            print("Adding extra replicas...\n");
        }
        print(format!(
            "Adding replica {} to {}\n",
            cluster.nodes[replica], cluster.nodes[primary]
        ));
    }
}

fn optimize(hosts: &[&str], layout: &mut Layout) {
    let (penalty, _) = affinity::penalty(hosts, &layout.replicas);
    if penalty == 0 {
        return;
    }
    step(">>> Trying to optimize slaves allocation for anti-affinity");
    match affinity::improve(hosts, &mut layout.replicas) {
        0 => good("[OK] Perfect anti-affinity obtained!"),
        WITH_PRIMARY.. => warn("[WARNING] Some slaves are in the same host as their master"),
        _ => warn("[WARNING] Some slaves of the same master are in the same host"),
    }
}

/// Enters the plan into the nodes.
fn apply(cluster: &mut Cluster<'_>, layout: &Layout) {
    for (at, range) in &layout.primaries {
        let node = &mut cluster.nodes[*at];
        node.is_planned = true;
        range.clone().for_each(|slot| node.slots.insert(slot));
    }
    for &(replica, primary) in &layout.replicas {
        let id = cluster.nodes[primary].id.clone();
        let node = &mut cluster.nodes[replica];
        node.is_planned = true;
        node.primary = Some(id);
    }
}

/// Assigns the slots, and an epoch to each node.
fn configure(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    for node in &mut cluster.nodes {
        // A replica does not know its primary before the nodes have met.
        if let Err(refusal) = flush(node)
            && !node.is_replica()
        {
            return Err(node.fail(&refusal));
        }
    }
    step(">>> Nodes configuration updated");
    step(">>> Assign a different config epoch to each node");
    for (number, node) in cluster.nodes.iter_mut().enumerate() {
        // A node that has an epoch keeps it.
        let _ = node.call(&["cluster", "set-config-epoch", &(number + 1).to_string()]);
    }
    Ok(())
}

fn join(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    step(">>> Sending CLUSTER MEET messages to join the cluster");
    let meeting_point = meeting_point(&cluster.nodes[0])?;
    for node in &mut cluster.nodes[1..] {
        let mut argv = vec!["cluster".to_owned(), "meet".to_owned()];
        argv.extend(meeting_point.clone());
        node.demand(&argv)?;
    }
    Ok(())
}

/// Configures a node as planned.
fn flush(node: &mut Node) -> Result<(), Refusal> {
    if !node.is_planned {
        return Ok(());
    }
    let argv = match node.primary.clone() {
        Some(primary) => vec!["CLUSTER".to_owned(), "REPLICATE".to_owned(), primary],
        None => {
            let words = ["CLUSTER", "ADDSLOTS"].map(str::to_owned).into_iter();
            let slots = node.slots.iter().map(|slot| slot.to_string());
            words.chain(slots).collect()
        }
    };
    node.call(&argv)?;
    node.is_planned = false;
    Ok(())
}
