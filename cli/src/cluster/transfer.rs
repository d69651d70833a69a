//! Moves the keys of a slot: a page of names at a time, and a batch per MIGRATE.
//!
//! Asking for the names of many batches at once spares the source a walk over its keys per batch. The next MIGRATE is sent
//! before the reply to the one before it has come, so that the source never waits for this program. It executes one at a
//! time all the same, and serves other clients in between.
//!
//! A batch that fails is dealt with when no other one is on its way; what is left of the page is asked for again.

use std::time::Duration;

use conn::resp::Value;

use crate::cluster::check::Repair;
use crate::cluster::console::{bad, warn};
use crate::cluster::moving::{Move, Stuck, set_slot};
use crate::cluster::node::Refusal;
use crate::cluster::topology::Cluster;
use crate::out::print;

/// Names that are asked for at once, unless a batch has more.
const PAGE: u32 = 1000;
/// MIGRATEs on their way: one that is executed, and the next. With more of them a server that blocks while it migrates,
/// as Redis does, could execute several before it serves another client.
const WINDOW: usize = 2;

/// The names of some keys.
type Keys = [Vec<u8>];

/// Moves all keys of a slot.
///
/// # Errors
/// A node refused, which was printed.
pub fn move_keys(cluster: &mut Cluster<'_>, task: &Move) -> Result<(), Stuck> {
    let batch = cluster.asked.pipeline;
    // A whole number of batches.
    let page = (PAGE / batch).max(1).saturating_mul(batch);
    loop {
        let keys = names(cluster, task, page)?;
        if keys.is_empty() {
            return Ok(());
        }
        move_page(cluster, task, &keys, batch as usize)?;
    }
}

/// The names of some keys that the source still has.
fn names(cluster: &mut Cluster<'_>, task: &Move, count: u32) -> Result<Vec<Vec<u8>>, Stuck> {
    let (slot, count) = (task.slot.to_string(), count.to_string());
    let source = &mut cluster.nodes[task.source];
    match source.call(&["CLUSTER", "GETKEYSINSLOT", &slot, &count]) {
        Ok(reply) => {
            let keys = reply.elements().unwrap_or_default().iter();
            Ok(keys
                .filter_map(|key| key.text().map(<[u8]>::to_vec))
                .collect())
        }
        Err(refusal) => Err(shown(cluster, task.source, refusal)),
    }
}

/// Moves a page of keys. After a failure the batches that were not sent yet stay where they are.
fn move_page(
    cluster: &mut Cluster<'_>,
    task: &Move,
    keys: &Keys,
    batch: usize,
) -> Result<(), Stuck> {
    let batches: Vec<&Keys> = keys.chunks(batch).collect();
    let extra = extra(cluster);
    let mut failed = Vec::new();
    let (mut sent, mut answered) = (0, 0);
    while answered < batches.len() {
        while failed.is_empty() && sent < batches.len() && sent - answered < WINDOW {
            let argv = migrate(cluster, task, batches[sent], false);
            let source = &mut cluster.nodes[task.source];
            source
                .send_for(&argv, extra)
                .map_err(|refusal| shown(cluster, task.source, refusal))?;
            sent += 1;
        }
        if answered == sent {
            break;
        }
        match cluster.nodes[task.source].receive_for(extra) {
            Ok(_) => dots(task, batches[answered]),
            Err(refusal @ Refusal::Error(_)) => failed.push((batches[answered], refusal)),
            Err(refusal) => return Err(shown(cluster, task.source, refusal)),
        }
        answered += 1;
    }
    for (keys, refusal) in failed {
        recover(cluster, task, keys, refusal)?;
        dots(task, keys);
    }
    Ok(())
}

fn dots(task: &Move, keys: &Keys) {
    if task.manner.shows {
        print(".".repeat(keys.len()));
    }
}

/// Prints a refusal.
fn shown(cluster: &Cluster<'_>, at: usize, refusal: Refusal) -> Stuck {
    refusal.show(&cluster.nodes[at]);
    Stuck {
        refusal,
        node: None,
        is_explained: false,
    }
}

/// How much longer than other commands MIGRATE may take: its time-out is one for each step of the transfer.
pub fn extra(cluster: &Cluster<'_>) -> Duration {
    Duration::from_millis(u64::from(cluster.asked.timeout_ms)).saturating_mul(3)
}

/// MIGRATE of some keys.
fn migrate(cluster: &Cluster<'_>, task: &Move, keys: &Keys, replaces: bool) -> Vec<Vec<u8>> {
    let address = &cluster.nodes[task.target].address;
    let mut argv = vec![
        b"MIGRATE".to_vec(),
        address.host.clone().into_bytes(),
        address.port.to_string().into_bytes(),
        Vec::new(),
        b"0".to_vec(),
        cluster.asked.timeout_ms.to_string().into_bytes(),
    ];
    if replaces {
        argv.push(b"REPLACE".to_vec());
    }
    argv.extend(cluster.dialer.migrate_login());
    argv.push(b"KEYS".to_vec());
    argv.extend_from_slice(keys);
    argv
}

/// Tries once more after an error that can be dealt with: keys that exist on the target, or a slot without an owner.
fn recover(
    cluster: &mut Cluster<'_>,
    task: &Move,
    keys: &Keys,
    refusal: Refusal,
) -> Result<(), Stuck> {
    let &Move {
        source,
        target,
        slot,
        manner,
    } = task;
    let is_busy = refusal.text().contains("BUSYKEY");
    let is_unserved = !is_busy && !is_served(cluster, source, slot);
    if !is_busy && !is_unserved {
        print("\n");
        return Err(shown(cluster, source, refusal));
    }
    if is_unserved && manner.repair == Repair::Yes {
        warn(format!(
            "*** Slot was not served, setting owner to node {}.",
            cluster.nodes[target]
        ));
        if let Err(stuck) = set_slot(cluster, source, slot, "node", target) {
            stuck.show(cluster);
        }
    }
    if is_busy {
        warn("\n*** Target key exists");
        if !cluster.asked.replaces {
            compare(cluster, task, keys, refusal)?;
        }
        warn("*** Replacing target keys...");
    }
    let argv = migrate(cluster, task, keys, is_busy);
    let extra = extra(cluster);
    match cluster.nodes[source].call_for(&argv, extra) {
        Ok(_) => Ok(()),
        Err(refusal) => {
            print("\n");
            Err(shown(cluster, source, refusal))
        }
    }
}

/// Whether a node knows an owner of a slot.
fn is_served(cluster: &mut Cluster<'_>, at: usize, slot: u16) -> bool {
    match cluster.nodes[at].view() {
        Ok(lines) => lines.iter().any(|line| line.slots.contains(slot)),
        Err(refusal) => {
            refusal.show(&cluster.nodes[at]);
            true
        }
    }
}

/// Makes sure that keys which both nodes have are the same.
fn compare(
    cluster: &mut Cluster<'_>,
    task: &Move,
    keys: &Keys,
    refusal: Refusal,
) -> Result<(), Stuck> {
    let &Move { source, target, .. } = task;
    let stuck = Stuck {
        refusal,
        node: None,
        is_explained: true,
    };
    warn("*** Checking key values on both nodes...");
    let mut argv = vec![b"DEBUG".to_vec(), b"DIGEST-VALUE".to_vec()];
    argv.extend_from_slice(keys);
    let mut digests: [Vec<Value>; 2] = Default::default();
    for (at, digests) in [source, target].into_iter().zip(&mut digests) {
        match cluster.nodes[at].demand(&argv) {
            Ok(Value::Array(values)) if values.len() == keys.len() => *digests = values,
            _ => {
                bad("*** Value check failed!");
                return Err(stuck);
            }
        }
    }
    // The other keys of the batch have moved.
    let is_absent = |digest: &Value| {
        let text = digest.text().unwrap_or_default();
        text.iter().all(|&byte| byte == b'0')
    };
    let pairs = keys.iter().zip(digests[0].iter().zip(&digests[1]));
    let differing: Vec<&Vec<u8>> = pairs
        .filter(|(_, (here, there))| here != there && !is_absent(here) && !is_absent(there))
        .map(|(key, _)| key)
        .collect();
    if differing.is_empty() {
        return Ok(());
    }
    let nodes = &cluster.nodes;
    bad(format!(
        "*** Found {} key(s) in both source node and target node having different values.\n    Source node: {}\n    \
         Target node: {}\n    Keys(s):",
        differing.len(),
        nodes[source],
        nodes[target]
    ));
    for key in differing {
        bad(format!("    - {}", String::from_utf8_lossy(key)));
    }
    bad(
        "Please fix the above key(s) manually and try again or relaunch the command \n\
         with --cluster-replace option to force key overriding.",
    );
    Err(stuck)
}
