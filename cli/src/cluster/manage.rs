//! `add-node`, `del-node`, `call` and `set-timeout`.

use conn::resp::Value;

use crate::cluster::check::{Repair, check};
use crate::cluster::console::{Kind, bad, give_up, good, say, step, warn};
use crate::cluster::node::{Node, Refusal};
use crate::cluster::topology::{
    Cluster, entry, load, load_named, meeting_point, primary_for_replica, wait_for_join,
};
use crate::out::{Exit, complain, print};

/// Milliseconds of `cluster-node-timeout` that are too few.
const SHORT_TIMEOUT_MS: i64 = 100;

/// `add-node`: the new node, and one of the cluster.
///
/// # Errors
/// The node was not added; a message was printed.
pub fn add(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    let args = &cluster.asked.args;
    let known = entry(&args[1..])?;
    let mut node = Node::at(entry(&args[..1])?);
    step(format!(">>> Adding node {node} to cluster {known}"));
    load(cluster, known)?;
    check(cluster, Repair::No, true)?;
    let primary = new_primary(cluster)?;
    if cluster.dialer.open(&mut node).is_err() {
        return give_up(format!("[ERR] Sorry, can't connect to node {node}"));
    }
    node.require_cluster_mode()?;
    node.learn().map_err(|refusal| node.fail(&refusal))?;
    node.require_empty()?;
    if primary.is_none() {
        copy_functions(&mut cluster.nodes[0], &mut node)?;
    }
    step(format!(
        ">>> Send CLUSTER MEET to node {node} to make it join the cluster."
    ));
    let mut argv = vec!["CLUSTER".to_owned(), "MEET".to_owned()];
    argv.extend(meeting_point(&cluster.nodes[0])?);
    node.demand(&argv)?;
    cluster.nodes.push(node);
    if let Some(primary) = primary {
        wait_for_join(cluster)?;
        let primary = &cluster.nodes[primary];
        step(format!(">>> Configure node as replica of {primary}."));
        let id = primary.id.clone();
        if let Some(node) = cluster.nodes.last_mut() {
            node.demand(&["CLUSTER", "REPLICATE", &id])?;
        }
    }
    good("[OK] New node added correctly.");
    Ok(())
}

/// The primary of the new node, if that becomes a replica.
fn new_primary(cluster: &Cluster<'_>) -> Result<Option<usize>, Exit> {
    if !cluster.asked.as_replica {
        return Ok(None);
    }
    if let Some(id) = &cluster.asked.master_id {
        return match cluster.by_id(id) {
            Some(at) => Ok(Some(at)),
            None => give_up(format!("[ERR] No such master ID {id}")),
        };
    }
    let at = primary_for_replica(cluster, None)?;
    print(format!(
        "Automatically selected master {}\n",
        cluster.nodes[at]
    ));
    Ok(Some(at))
}

/// Gives a new primary the functions of the cluster.
fn copy_functions(from: &mut Node, to: &mut Node) -> Result<(), Exit> {
    step(">>> Getting functions from cluster");
    let dump = match from.call(&["FUNCTION", "DUMP"]) {
        Ok(dump) => dump,
        Err(refusal) => {
            refusal.show(from);
            step(format!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version do not support function \
                 command (error = '{}')",
                refusal.text()
            ));
            return Ok(());
        }
    };
    step(format!(
        ">>> Send FUNCTION LIST to {to} to verify there is no functions in it"
    ));
    let give_up_with_cr = |text: String| {
        say(Kind::Failure, &format!("{text}\r\n"));
        Err(Exit(1))
    };
    let failed = |node: &Node, what: &str, refusal: &Refusal| {
        refusal.show(node);
        give_up_with_cr(format!(">>> {what} (error = '{}')", refusal.text()))
    };
    match to.call(&["FUNCTION", "LIST"]) {
        Err(refusal) => return failed(to, "Failed on CLUSTER LIST", &refusal),
        Ok(list) if list.elements().is_some_and(|list| !list.is_empty()) => {
            return give_up_with_cr(
                ">>> New node already contains functions and can not be added to the cluster. Use FUNCTION FLUSH and try \
                 again."
                    .to_owned(),
            );
        }
        Ok(_) => {}
    }
    step(format!(">>> Send FUNCTION RESTORE to {to}"));
    let argv = [
        b"FUNCTION",
        &b"RESTORE"[..],
        dump.text().unwrap_or_default(),
    ];
    match to.call(&argv) {
        Ok(_) => Ok(()),
        Err(refusal) => failed(to, "Failed loading functions to the new node", &refusal),
    }
}

/// `del-node`: a node of the cluster, and the id of the one to remove.
///
/// # Errors
/// The node was not removed everywhere; a message was printed.
pub fn delete(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    let args = &cluster.asked.args;
    let id = String::from_utf8_lossy(&args[1]).into_owned();
    let known = entry(&args[..1])?;
    step(format!(">>> Removing node {id} from cluster {known}"));
    load(cluster, known)?;
    let Some(removed) = cluster.by_id(&id) else {
        return give_up(format!("[ERR] No such node ID {id}"));
    };
    if !cluster.nodes[removed].slots.is_empty() {
        return give_up(format!(
            "[ERR] Node {} is not empty! Reshard data away and try again.",
            cluster.nodes[removed]
        ));
    }
    step(">>> Sending CLUSTER FORGET messages to the cluster...");
    for at in (0..cluster.nodes.len()).filter(|&at| at != removed) {
        let primary = cluster.nodes[at].primary.as_ref();
        if primary.is_some_and(|primary| primary.eq_ignore_ascii_case(&id)) {
            let primary = primary_for_replica(cluster, Some(removed))?;
            step(format!(
                ">>> {} as replica of {}",
                cluster.nodes[at], cluster.nodes[primary]
            ));
            let primary_id = cluster.nodes[primary].id.clone();
            cluster.nodes[at].demand(&["CLUSTER", "REPLICATE", &primary_id])?;
            cluster.nodes[primary].replicas += 1;
        }
        cluster.nodes[at].demand(&["CLUSTER", "FORGET", &id])?;
    }
    step(">>> Sending CLUSTER RESET SOFT to the deleted node.");
    cluster.nodes[removed].demand(&["CLUSTER", "RESET", "SOFT"])?;
    Ok(())
}

/// `call`: a command on all nodes.
///
/// # Errors
/// The cluster cannot be loaded; a message was printed. A node that fails is shown.
pub fn call(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    load_named(cluster, 1)?;
    let asked = cluster.asked;
    let argv = &asked.args[1..];
    say(Kind::Step, ">>> Calling");
    for word in argv {
        print([b" ", word.as_slice()].concat());
    }
    print("\n");
    for node in &mut cluster.nodes {
        let is_replica = node.primary.is_some();
        if asked.only_masters && is_replica || asked.only_replicas && !is_replica {
            continue;
        }
        // A command may take as long as it needs, or block.
        node.wait_forever();
        let text = match node.call(argv) {
            Ok(reply) => raw(cluster.options, &reply),
            Err(Refusal::Error(text)) => [text.as_bytes(), b"\n"].concat(),
            Err(Refusal::Lost(_)) => {
                print(format!("{node}: Failed!\n"));
                continue;
            }
        };
        print([format!("{node}: ").as_bytes(), &text, b"\n"].concat());
    }
    Ok(())
}

/// A reply as raw text without the delimiter behind it.
fn raw(options: &crate::options::Options, reply: &Value) -> Vec<u8> {
    let format = crate::format::Format {
        output: crate::format::Output::Raw,
        element_delimiter: options.format.element_delimiter.clone(),
        reply_delimiter: Vec::new(),
    };
    format.reply(reply, false)
}

/// `set-timeout`: sets `cluster-node-timeout` on all nodes.
///
/// # Errors
/// The number is invalid, or the cluster cannot be loaded; a message was printed. Nodes that refuse are shown.
pub fn set_timeout(cluster: &mut Cluster<'_>) -> Result<(), Exit> {
    let known = entry(&cluster.asked.args[..1])?;
    let text = String::from_utf8_lossy(&cluster.asked.args[1]).into_owned();
    let timeout_ms = text.trim().parse::<i64>().unwrap_or(0);
    if timeout_ms < SHORT_TIMEOUT_MS {
        complain("Setting a node timeout of less than 100 milliseconds is a bad idea.");
        return Err(Exit(1));
    }
    load(cluster, known)?;
    let timeout_ms = timeout_ms.to_string();
    step(">>> Reconfiguring node timeout in every cluster node...");
    let (mut good, mut failed) = (0, 0);
    for node in &mut cluster.nodes {
        let set = ["CONFIG", "SET", "cluster-node-timeout", &timeout_ms];
        let done = node
            .call(&set)
            .and_then(|_| node.call(&["CONFIG", "REWRITE"]));
        match done {
            Ok(_) => {
                warn(format!("*** New timeout set for {node}"));
                good += 1;
            }
            Err(refusal) => {
                bad(format!(
                    "ERR setting node-timeout for {node}: {}",
                    refusal.text()
                ));
                failed += 1;
            }
        }
    }
    step(format!(
        ">>> New node timeout set. {good} OK, {failed} ERR."
    ));
    Ok(())
}
