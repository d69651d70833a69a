//! Moves a slot with its keys from one node to another.
//!
//! The target imports the slot and the source migrates it while its keys move, a batch per MIGRATE, so that clients are
//! redirected key by key. Then the new owner is told first: should it fail before anybody knows that it owns the slot,
//! the slot still has its old owner.

use std::time::Duration;

use conn::resp::Value;

use crate::cluster::check::Repair;
use crate::cluster::console::{bad, warn};
use crate::cluster::node::Refusal;
use crate::cluster::topology::Cluster;
use crate::out::{Exit, print};

/// The error of a source that has lost its last slot and has become a replica already.
const NO_PRIMARY: &str = "ERR Please use SETSLOT only with masters.";

/// How a slot is moved.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Print which slot it is, and a dot per key.
    pub shows: bool,
    /// Move the keys alone; the configuration stays as it is.
    pub keys_only: bool,
    /// Slots that no node serves are assigned on the way.
    pub repair: Repair,
}

/// A slot could not be moved.
#[derive(Debug)]
pub struct Stuck {
    /// Why.
    pub refusal: Refusal,
    /// The node that refused; `None` if that was printed.
    pub node: Option<usize>,
}

impl Stuck {
    /// Prints the reason, unless that was done.
    pub fn show(&self, cluster: &Cluster<'_>) -> Exit {
        if let Some(at) = self.node {
            self.refusal.show(&cluster.nodes[at]);
        }
        Exit(1)
    }
}

/// Moves a slot.
///
/// # Errors
/// A node refused; the slot may be open.
pub fn move_slot(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    slot: u16,
    manner: Manner,
) -> Result<(), Stuck> {
    if manner.shows {
        let nodes = &cluster.nodes;
        print(format!(
            "Moving slot {slot} from {} to {}: ",
            nodes[source], nodes[target]
        ));
    }
    if !manner.keys_only {
        set_slot(cluster, target, slot, "importing", source)?;
        set_slot(cluster, source, slot, "migrating", target)?;
    }
    let moved = move_keys(cluster, source, target, slot, manner);
    if manner.shows {
        print("\n");
    }
    moved?;
    if manner.keys_only {
        return Ok(());
    }
    set_slot(cluster, target, slot, "node", target)?;
    match set_slot(cluster, source, slot, "node", target) {
        Err(Stuck {
            refusal: Refusal::Error(text),
            ..
        }) if text.starts_with(NO_PRIMARY) => {}
        other => other?,
    }
    // The others would learn it from the new owner; until then they would redirect clients to the old one.
    for at in cluster.primaries() {
        if at != source && at != target {
            set_slot(cluster, at, slot, "node", target)?;
        }
    }
    cluster.nodes[source].slots.remove(slot);
    cluster.nodes[target].slots.insert(slot);
    Ok(())
}

/// CLUSTER SETSLOT with a state that names another node.
///
/// # Errors
/// The node refused; nothing was printed.
pub fn set_slot(
    cluster: &mut Cluster<'_>,
    at: usize,
    slot: u16,
    state: &str,
    about: usize,
) -> Result<(), Stuck> {
    let id = cluster.nodes[about].id.clone();
    let argv = ["CLUSTER", "SETSLOT", &slot.to_string(), state, &id];
    match cluster.nodes[at].call(&argv) {
        Ok(_) => Ok(()),
        Err(refusal) => Err(Stuck {
            refusal,
            node: Some(at),
        }),
    }
}

fn move_keys(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    slot: u16,
    manner: Manner,
) -> Result<(), Stuck> {
    let pipeline = cluster.asked.pipeline.to_string();
    loop {
        let argv = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), &pipeline];
        let reply = cluster.nodes[source].call(&argv);
        let reply = reply.map_err(|refusal| shown(cluster, source, refusal))?;
        let keys: Vec<Vec<u8>> = reply
            .elements()
            .unwrap_or_default()
            .iter()
            .filter_map(|key| key.text().map(<[u8]>::to_vec))
            .collect();
        if keys.is_empty() {
            return Ok(());
        }
        let dots = if manner.shows { keys.len() } else { 0 };
        match migrate(cluster, source, target, &keys, false) {
            Ok(()) => {}
            Err(refusal @ Refusal::Error(_)) => {
                recover(cluster, source, target, slot, &keys, refusal, manner.repair)?;
            }
            Err(refusal) => return Err(shown(cluster, source, refusal)),
        }
        print(".".repeat(dots));
    }
}

/// Prints a refusal.
fn shown(cluster: &Cluster<'_>, at: usize, refusal: Refusal) -> Stuck {
    refusal.show(&cluster.nodes[at]);
    Stuck {
        refusal,
        node: None,
    }
}

/// MIGRATE of some keys.
fn migrate(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    keys: &[Vec<u8>],
    replaces: bool,
) -> Result<(), Refusal> {
    let timeout_ms = cluster.asked.timeout_ms;
    let address = &cluster.nodes[target].address;
    let mut argv = vec![
        b"MIGRATE".to_vec(),
        address.host.clone().into_bytes(),
        address.port.to_string().into_bytes(),
        Vec::new(),
        b"0".to_vec(),
        timeout_ms.to_string().into_bytes(),
    ];
    if replaces {
        argv.push(b"REPLACE".to_vec());
    }
    argv.extend(cluster.dialer.migrate_login());
    argv.push(b"KEYS".to_vec());
    argv.extend_from_slice(keys);
    // The time-out of MIGRATE is one for each step of the transfer.
    let extra = Duration::from_millis(u64::from(timeout_ms)).saturating_mul(3);
    cluster.nodes[source].call_for(&argv, extra).map(|_| ())
}

/// Tries once more after an error that can be dealt with: keys that exist on the target, or a slot without an owner.
fn recover(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    slot: u16,
    keys: &[Vec<u8>],
    refusal: Refusal,
    repair: Repair,
) -> Result<(), Stuck> {
    let is_busy = refusal.text().contains("BUSYKEY");
    let is_unserved = !is_busy && !is_served(cluster, source, slot);
    if !is_busy && !is_unserved {
        print("\n");
        return Err(shown(cluster, source, refusal));
    }
    if is_unserved && repair == Repair::Yes {
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
            compare(cluster, source, target, keys, &refusal)?;
        }
        warn("*** Replacing target keys...");
    }
    migrate(cluster, source, target, keys, is_busy).map_err(|refusal| {
        print("\n");
        shown(cluster, source, refusal)
    })
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

/// Makes sure that keys have the same values on two nodes.
fn compare(
    cluster: &mut Cluster<'_>,
    source: usize,
    target: usize,
    keys: &[Vec<u8>],
    refusal: &Refusal,
) -> Result<(), Stuck> {
    let stuck = || Stuck {
        refusal: refusal.clone(),
        node: None,
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
                return Err(stuck());
            }
        }
    }
    let is_absent = |digest: &Value| {
        let text = digest.text().unwrap_or_default();
        text.iter().all(|&byte| byte == b'0')
    };
    let pairs = keys.iter().zip(digests[0].iter().zip(&digests[1]));
    let differing: Vec<&Vec<u8>> = pairs
        .filter(|(_, (here, there))| here != there && !is_absent(there))
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
    Err(stuck())
}
