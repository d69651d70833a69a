//! `backup`: a snapshot of every primary, and `nodes.json`, which describes the nodes.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::cluster::check::{Repair, check};
use crate::cluster::console::{bad, give_up, good, step, warn};
use crate::cluster::node::Node;
use crate::cluster::topology::{Cluster, load_named};
use crate::modes::sync;
use crate::options::{Endpoint, Options};
use crate::out::Exit;
use crate::session::Session;

/// `backup`: a node of the cluster, and a folder.
///
/// # Errors
/// There is no complete backup; a message was printed.
pub fn run(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 1)?;
    let is_sound = check(cluster, Repair::No, true).is_ok();
    let problems = if is_sound { 0 } else { cluster.problems };
    let folder = String::from_utf8_lossy(&cluster.asked.args[1]).into_owned();
    for node in cluster.nodes.iter().filter(|node| node.primary.is_none()) {
        step(format!(">>> Node {node} -> Saving RDB..."));
        save(cluster.options, node, Path::new(&folder))?;
    }
    let slash = if folder.ends_with('/') { "" } else { "/" };
    let path = format!("{folder}{slash}nodes.json");
    step(format!("Saving cluster configuration to: {path}"));
    let entries: Vec<String> = cluster
        .nodes
        .iter()
        .map(|node| entry(node, problems))
        .collect();
    if fs::write(&path, format!("[\n{}\n]", entries.join(",\n"))).is_err() {
        bad(format!("Could not save nodes to: {path}"));
        return give_up("[ERR] Failed to back cluster!");
    }
    if !is_sound {
        warn(
            "*** Cluster seems to have some problems, please be aware of it if you're going to restore this backup.",
        );
    }
    good(format!("[OK] Backup created into: {folder}"));
    Ok(())
}

/// Writes the data set of a node to its file in the folder.
fn save(options: &Options, node: &Node, folder: &Path) -> Result<(), Exit> {
    let mut options = options.clone();
    options.endpoint = Endpoint {
        host: node.address.host.clone(),
        port: node.address.port,
        socket: None,
    };
    options.db = 0;
    let mut session = Session::new(&options)?;
    session.announce(node.hostname.clone());
    let name = format!(
        "redis-node-{}-{}-{}.rdb",
        node.address.host, node.address.port, node.id
    );
    session.connect_or_exit()?;
    sync::receive(&mut session, &folder.join(name))
}

/// The description of a node in JSON.
fn entry(node: &Node, problems: usize) -> String {
    let ranges = node.slots.ranges().into_iter();
    let slots: Vec<String> = ranges
        .map(|range| format!("[{},{}]", range.start(), range.end()))
        .collect();
    let primary = node.primary.as_ref();
    let primary = primary.map_or_else(|| "null".to_owned(), |id| format!("\"{id}\""));
    let mut text = format!(
        "  {{\n    \"name\": \"{}\",\n    \"host\": \"{}\",\n    \"port\": {},\n    \"replicate\": {primary},\n    \
         \"slots\": [{}],\n    \"slots_count\": {},\n    \"flags\": \"{}\",\n    \"current_epoch\": {}",
        node.id,
        node.address.host,
        node.address.port,
        slots.join(","),
        node.slots.len(),
        node.flags.join(","),
        node.epoch
    );
    if problems > 0 {
        // Writing to a string does not fail.
        let _ = write!(text, ",\n    \"cluster_errors\": {problems}");
    }
    for (name, slots) in [
        ("migrating", &node.migrating),
        ("importing", &node.importing),
    ] {
        if !slots.is_empty() {
            let slots = slots.iter();
            let pairs: Vec<String> = slots
                .map(|(slot, id)| format!("\"{slot}\": \"{id}\""))
                .collect();
            let _ = write!(text, ",\n    \"{name}\": {{{}}}", pairs.join(","));
        }
    }
    text + "\n  }"
}

#[cfg(test)]
mod tests {
    use super::entry;
    use crate::cluster::node::{Address, Node};

    #[test]
    fn a_node_becomes_json() {
        let mut node = Node::at(Address::of("h", "1").expect("valid"));
        node.id = "aa".to_owned();
        node.flags.push("master".to_owned());
        for slot in [0, 1, 2, 9] {
            node.slots.insert(slot);
        }
        node.migrating.push((2, "bb".to_owned()));
        node.epoch = 7;
        assert_eq!(
            entry(&node, 1),
            "  {\n    \"name\": \"aa\",\n    \"host\": \"h\",\n    \"port\": 1,\n    \"replicate\": null,\n    \
             \"slots\": [[0,2],[9,9]],\n    \"slots_count\": 4,\n    \"flags\": \"master\",\n    \"current_epoch\": 7,\n    \
             \"cluster_errors\": 1,\n    \"migrating\": {\"2\": \"bb\"}\n  }"
        );
    }
}
