//! The cluster as the manager knows it: its nodes, loaded through one of them.
//!
//! # Invariants
//! 1. `nodes[0]` is the node that the user named. A node is referred to by its index, which stays while the nodes are not
//!    loaded again.
//! 2. Every node in `nodes` was reached once.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use conn::resolve::{Query, resolve};

use crate::cluster::console::{bad, give_up, warn};
use crate::cluster::flags::ClusterOptions;
use crate::cluster::node::{Address, Dialer, Node};
use crate::cluster::nodes::signature;
use crate::options::Options;
use crate::out::{Exit, fail, print};

/// Seconds after which the nodes that do not join are named, for a cluster of few nodes.
const JOIN_PATIENCE_S: usize = 20;
const SECOND: Duration = Duration::from_secs(1);

/// A cluster.
pub struct Cluster<'a> {
    /// The options of the command line.
    pub options: &'a Options,
    /// Those of the command.
    pub asked: &'a ClusterOptions,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Primaries that could not be reached.
    pub unreachable: usize,
    /// Problems that a check has found.
    pub problems: usize,
    /// Makes connections.
    pub dialer: Dialer,
}

impl<'a> Cluster<'a> {
    /// A cluster without nodes.
    ///
    /// # Errors
    /// Certificates cannot be loaded; a message was printed.
    pub fn new(options: &'a Options, asked: &'a ClusterOptions) -> Result<Self, Exit> {
        Ok(Self {
            options,
            asked,
            nodes: Vec::new(),
            unreachable: 0,
            problems: 0,
            dialer: Dialer::new(options)?,
        })
    }

    /// The node with an id.
    pub fn by_id(&self, id: &str) -> Option<usize> {
        self.nodes
            .iter()
            .position(|node| node.id.eq_ignore_ascii_case(id))
    }

    /// The primaries.
    pub fn primaries(&self) -> Vec<usize> {
        let all = 0..self.nodes.len();
        all.filter(|&at| !self.nodes[at].is_replica()).collect()
    }

    /// The primary with the fewest replicas, other than `except`.
    pub fn least_replicated(&self, except: Option<usize>) -> Option<usize> {
        let primaries = self.primaries().into_iter();
        primaries
            .filter(|&at| Some(at) != except)
            .min_by_key(|&at| self.nodes[at].replicas)
    }

    /// Prints all nodes.
    pub fn show(&self) {
        for node in &self.nodes {
            print(format!("{}\n", node.describe(0)));
        }
    }

    /// Counts a problem and prints it.
    pub fn problem(&mut self, text: &str) {
        self.problems += 1;
        bad(text);
    }
}

/// Connects to a node and loads the cluster that it belongs to.
///
/// # Errors
/// The node cannot be used; a message was printed. Other nodes may be missing.
pub fn load(cluster: &mut Cluster<'_>, address: Address) -> Result<(), Exit> {
    let mut first = Node::at(address);
    cluster.dialer.open(&mut first)?;
    load_through(cluster, first)
}

/// Loads the cluster through a node that is connected.
///
/// # Errors
/// As [`load`].
pub fn load_through(cluster: &mut Cluster<'_>, mut first: Node) -> Result<(), Exit> {
    first.require_cluster_mode()?;
    let others = first.learn().map_err(|refusal| first.fail(&refusal))?;
    first.replicas = 0;
    cluster.nodes = vec![first];
    for line in &others {
        let mut node = Node::seen(line);
        if reach(cluster, &mut node) && !line.has("noaddr") && !line.has("fail") {
            cluster.nodes.push(node);
        } else if !line.has("slave") {
            cluster.unreachable += 1;
        }
    }
    count_replicas(cluster);
    Ok(())
}

/// Connects to a node that another one has named and learns what it says about itself.
fn reach(cluster: &mut Cluster<'_>, node: &mut Node) -> bool {
    if node.address.host.is_empty() || node.address.port == 0 || cluster.dialer.open(node).is_err()
    {
        return false;
    }
    if let Err(refusal) = node.learn() {
        refusal.show(node);
        bad(format!("[ERR] Unable to load info for node {node}"));
        return false;
    }
    true
}

fn count_replicas(cluster: &mut Cluster<'_>) {
    for at in 0..cluster.nodes.len() {
        let Some(primary) = cluster.nodes[at].primary.clone() else {
            continue;
        };
        match cluster.by_id(&primary) {
            Some(primary) => cluster.nodes[primary].replicas += 1,
            None => warn(format!(
                "*** WARNING: {} claims to be slave of unknown node ID {primary}.",
                cluster.nodes[at]
            )),
        }
    }
}

/// Whether all nodes agree about the slots. A node that does not reply agrees with nobody.
pub fn is_consistent(cluster: &mut Cluster<'_>) -> bool {
    let mut agreed = None;
    cluster.nodes.iter_mut().all(|node| {
        let Ok(lines) = node.view() else {
            return false;
        };
        let seen = signature(&lines);
        *agreed.get_or_insert_with(|| seen.clone()) == seen
    })
}

/// Waits until all nodes agree about the slots, with a dot per second. No node tells when that is, so they are asked again
/// after a second; the first one is for the nodes to hear of each other, as before that they agree about nothing.
///
/// # Errors
/// The connection to a node was lost; a message was printed.
pub fn wait_for_join(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    thread::sleep(SECOND);
    print("Waiting for the cluster to join\n");
    let patience = JOIN_PATIENCE_S + cluster.nodes.len() * 15 / 100;
    let mut waited = 0;
    while !is_consistent(cluster) {
        if let Some(node) = cluster.nodes.iter().find(|node| !node.is_connected()) {
            print("\n");
            return give_up(format!("[ERR] The connection to node {node} was lost."));
        }
        print(".");
        thread::sleep(SECOND);
        waited += 1;
        if waited > patience {
            show_missing_links(cluster);
            waited = 0;
        }
    }
    print("\n");
    Ok(())
}

/// Names the nodes that others cannot reach on the bus.
fn show_missing_links(cluster: &mut Cluster<'_>) {
    let mut missing: BTreeMap<(String, Option<u16>), Vec<String>> = BTreeMap::new();
    for node in &mut cluster.nodes {
        let from = node.to_string();
        for line in node.view().unwrap_or_default() {
            if !line.is_myself && (!line.is_linked || line.has("handshake")) {
                let to = (format!("{}:{}", line.host, line.port), line.bus_port);
                missing.entry(to).or_default().push(from.clone());
            }
        }
    }
    if missing.is_empty() {
        return;
    }
    print("\n");
    bad(format!(
        "Warning: {} node(s) may be unreachable",
        missing.len()
    ));
    for ((node, bus_port), from) in missing {
        let host = node.rsplit_once(':').map_or("", |(host, _)| host);
        match bus_port {
            Some(port) => bad(format!(
                " - The port {port} of node {host} may be unreachable from:"
            )),
            None => bad(format!(" - Node {node} may be unreachable from:")),
        }
        for from in from {
            bad(format!("   {from}"));
        }
    }
    bad("Cluster bus ports must be reachable by every node.\n\
         Remember that cluster bus ports are different from standard instance ports.");
}

/// The numeric address that CLUSTER MEET needs, and the port of the bus if it has to be given.
///
/// # Errors
/// The name has no address; a message was printed.
pub fn meeting_point(node: &Node) -> Result<Vec<String>, Exit> {
    let Address { host, port } = &node.address;
    let query = Query {
        host: host.clone(),
        port: *port,
        source: None,
    };
    let hops = resolve(&query).unwrap_or_default();
    let Some(hop) = hops.first() else {
        return fail(format!("Invalid IP address or hostname specified: {host}"));
    };
    let mut words = vec![hop.addr.ip().to_string(), port.to_string()];
    let usual = port.checked_add(10_000);
    if let Some(bus_port) = node.bus_port.filter(|&bus| Some(bus) != usual) {
        words.push(bus_port.to_string());
    }
    Ok(words)
}

/// The address of the node through which a cluster is loaded: `host:port`, or two words.
///
/// # Errors
/// The words are neither; a message was printed.
pub fn entry(words: &[Vec<u8>]) -> Result<Address, Exit> {
    let address = match words {
        [address] => Address::parse(address),
        [host, port, ..] => {
            let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
            Address::of(&text(host), &text(port))
        }
        [] => None,
    };
    match address {
        Some(address) => Ok(address),
        None => fail(
            "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or space separated IP \
             and port (ie. 120.0.0.1 7000)",
        ),
    }
}

/// Loads the cluster that the first `words` arguments of the command name.
///
/// # Errors
/// As [`entry`] and [`load`].
pub fn load_named(cluster: &mut Cluster<'_>, words: usize) -> Result<(), Exit> {
    let args = &cluster.asked.args;
    let address = entry(&args[..words.min(args.len())])?;
    load(cluster, address)
}

/// A primary for a new replica.
///
/// # Errors
/// There is none; a message was printed.
pub fn primary_for_replica(cluster: &Cluster<'_>, except: Option<usize>) -> Result<usize, Exit> {
    match cluster.least_replicated(except) {
        Some(at) => Ok(at),
        None => give_up("[ERR] The cluster has no other primary that could be reached."),
    }
}
