//! Which node of a cluster executes a command: its keys have a slot, and a slot has an owner.
//!
//! The checks run in Redis's order. A command without keys is executed here. While a slot moves, the source executes
//! what it has all keys for and sends a client to the target for the others (ASK); the target executes what comes with
//! ASKING.

use cluster::ids::NodeIx;
use cluster::node::Node;
use cluster::state::Health;
use data::value::db::Db;
use slot::key_slot;
use table::keys::{only_key, routed};
use table::spec::Spec;
use table::words::Flags;
use table::{CmdId, generic, pubsub, transactions};

use crate::config::values::EndpointType;
use crate::keyspace::lookup::{db, key_hash};
use crate::server::Server;
use crate::state::caller::Caller;
use crate::state::client_id::ClientId;
use crate::state::cluster::ClusterNode;
use crate::state::turn::KeyHash;
use crate::wire::argv::Argv;
use crate::wire::fault::{
    CLUSTER_DOWN, CLUSTER_DOWN_READ_ONLY, CROSS_SLOT, Fault, SLOT_NOT_SERVED, TRY_AGAIN,
};

/// Why this node does not execute a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirection {
    /// Its keys have different slots.
    CrossSlot,
    /// It has several keys, some of which have been moved.
    Unstable,
    /// The cluster is down.
    Down,
    /// The cluster is down, and only readers are admitted.
    DownReadOnly,
    /// The slot has no owner.
    Unbound,
    /// Another node owns the slot.
    Moved(u16, NodeIx),
    /// The slot is moving to another node, which has the keys if they exist.
    Ask(u16, NodeIx),
}

/// Where the keys of a command are.
#[derive(Clone, Copy)]
pub struct Located {
    /// Their slot.
    pub slot: u16,
    /// The hash of the first key, from which the slot is known: the lookup can use it as long as the command is executed.
    /// [`KeyHash::NONE`] for EXEC, whose queue is read anew.
    pub hash: KeyHash,
}

/// Where the keys of a command are that this node executes, if it has keys; or why it does not execute it.
pub type Routed = Result<Option<Located>, Redirection>;

/// Routes a command, or EXEC with what is queued. `flags` are those of the command, or of the script that it runs.
#[inline]
pub fn route(
    srv: &Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &Spec,
    flags: Flags,
    argv: &Argv,
) -> Routed {
    match &srv.cluster {
        Some(node) if !caller.obeyed => route_in(srv, node, caller, (cmd, spec, flags), argv),
        _ => Ok(None),
    }
}

fn route_in(
    srv: &Server,
    node: &ClusterNode,
    caller: &Caller,
    (cmd, spec, flags): (CmdId, &Spec, Flags),
    argv: &Argv,
) -> Routed {
    if let Some(at) = only_key(spec, argv.len())
        && let Some(located) = locate_own(srv, node, caller.session.db, &argv[at])
    {
        return Ok(Some(located));
    }
    let is_shard = SHARD.contains(&cmd);
    let mut found = Found {
        are_keys: !is_shard,
        ..Found::default()
    };
    if cmd == EXEC {
        let client = srv.clients.get(caller.client);
        let Some(multi) = client.and_then(|client| client.multi.as_ref()) else {
            return Ok(None);
        };
        let mut queue = multi.queue.reader();
        let mut queued = Argv::default();
        while let Some(cmd) = queue.next_into(&mut queued) {
            found.add(srv, node, table::spec(cmd), &queued)?;
        }
    } else {
        found.add(srv, node, spec, argv)?;
    }
    let Some((slot, owner)) = found.at else {
        return Ok(None);
    };
    let hash = if cmd == EXEC {
        KeyHash::NONE
    } else {
        found.hash
    };
    let here = Ok(Some(Located { slot, hash }));
    if node.core.state() != Health::Ok {
        admit_while_down(srv, flags, is_shard)?;
    }
    if found.is_open
        && let Some(decision) = decide_open(node, caller, cmd, flags, &found)
    {
        return decision.and(here);
    }
    let writes = caller.does_any(flags, cmd == EXEC, Flags::WRITE);
    let reads_here =
        (caller.reads_replica || is_shard) && !writes && my_primary(node) == Some(owner);
    if owner == node.core.myself() || reads_here {
        here
    } else {
        Err(Redirection::Moved(slot, owner))
    }
}

/// Where a key is, if this node owns its slot, no slot is moving, and the cluster is up: most commands need no other check.
#[inline]
fn locate_own(srv: &Server, node: &ClusterNode, number: usize, key: &[u8]) -> Option<Located> {
    let core = &node.core;
    if core.has_open_slots() || core.state() != Health::Ok {
        return None;
    }
    let hash = key_hash(srv, key);
    db(srv, number).prefetch_line(hash);
    let slot = Db::slot_of(hash);
    let hash = KeyHash::of((key, hash));
    (core.owner(slot) == Some(core.myself())).then_some(Located { slot, hash })
}

/// What the keys of a command have in common.
#[derive(Default)]
struct Found {
    /// Their slot and its owner.
    at: Option<(u16, NodeIx)>,
    /// The hash of the first key.
    hash: KeyHash,
    /// Whether the slot is moving to this node or from it. Only then the rest is determined.
    is_open: bool,
    /// The first key.
    first: Vec<u8>,
    /// Whether there is another one.
    has_several: bool,
    /// They are keys, and not shard channels, which are not counted.
    are_keys: bool,
    /// Keys that do not exist here.
    missing: usize,
    /// Keys that do.
    existing: usize,
}

impl Found {
    fn add(
        &mut self,
        srv: &Server,
        node: &ClusterNode,
        spec: &Spec,
        argv: &Argv,
    ) -> Result<(), Redirection> {
        let keys = routed(spec, &|at| &argv[at], argv.len());
        for key in keys.iter() {
            let key = &argv[key.pos as usize];
            match self.at {
                None => self.begin(srv, node, key)?,
                Some((slot, _)) if key_slot(key) != slot => return Err(Redirection::CrossSlot),
                Some(_) => self.has_several |= self.is_open && *key != *self.first,
            }
            if self.is_open && self.are_keys {
                let count = if exists(srv, key) {
                    &mut self.existing
                } else {
                    &mut self.missing
                };
                *count += 1;
            }
        }
        Ok(())
    }

    /// Notes the first key. Its hash contains the slot, and serves the lookup as well.
    fn begin(&mut self, srv: &Server, node: &ClusterNode, key: &[u8]) -> Result<(), Redirection> {
        let core = &node.core;
        let hash = key_hash(srv, key);
        let slot = Db::slot_of(hash);
        let owner = core.owner(slot).ok_or(Redirection::Unbound)?;
        self.at = Some((slot, owner));
        self.hash = KeyHash::of((key, hash));
        let leaves = owner == core.myself() && core.migrating(slot).is_some();
        self.is_open = leaves || core.importing(slot).is_some();
        if self.is_open {
            self.first = key.to_vec();
        }
        Ok(())
    }
}

/// Whether a command may run while the cluster is down.
#[cold]
fn admit_while_down(srv: &Server, flags: Flags, is_shard: bool) -> Result<(), Redirection> {
    let config = &srv.config;
    let is_admitted = if is_shard {
        config.cluster_allow_pubsubshard_when_down
    } else {
        config.cluster_allow_reads_when_down
    };
    if !is_admitted {
        Err(Redirection::Down)
    } else if !is_shard && flags.contains(Flags::WRITE) {
        Err(Redirection::DownReadOnly)
    } else {
        Ok(())
    }
}

/// Decides about a command whose slot is moving; `None` if it makes no difference that it does.
#[cold]
fn decide_open(
    node: &ClusterNode,
    caller: &Caller,
    cmd: CmdId,
    flags: Flags,
    found: &Found,
) -> Option<Result<(), Redirection>> {
    // MIGRATE is about this node's keys.
    if cmd == MIGRATE {
        return Some(Ok(()));
    }
    let core = &node.core;
    let (slot, owner) = found.at?;
    let target = core.migrating(slot).filter(|_| owner == core.myself());
    if let Some(target) = target {
        return match (found.missing, found.existing) {
            (0, _) => None,
            (_, 0) => Some(Err(Redirection::Ask(slot, target))),
            _ => Some(Err(Redirection::Unstable)),
        };
    }
    if !caller.asking && !flags.contains(Flags::ASKING) {
        return None;
    }
    let is_incomplete = found.has_several && found.missing > 0;
    Some(if is_incomplete {
        Err(Redirection::Unstable)
    } else {
        Ok(())
    })
}

/// In a cluster, the slot of a command's first key.
pub fn slot_of_command(srv: &Server, cmd: CmdId, argv: &Argv) -> Option<u16> {
    srv.cluster.as_ref()?;
    let keys = routed(table::spec(cmd), &|at| &argv[at], argv.len());
    keys.first()
        .map(|key| Db::slot_of(key_hash(srv, &argv[key.pos as usize])))
}

/// The primary of this node, if it is a replica.
fn my_primary(node: &ClusterNode) -> Option<NodeIx> {
    let me = node.core.my_node();
    me.primary.filter(|_| me.is_replica())
}

/// Why a client that is blocked on these keys is to be sent elsewhere; `reads` says whether its command only reads.
pub fn route_blocked<'k>(
    srv: &Server,
    reads_replica: bool,
    mut keys: impl Iterator<Item = &'k [u8]>,
) -> Option<Redirection> {
    let node = srv.cluster.as_deref()?;
    let core = &node.core;
    if core.state() != Health::Ok {
        return Some(Redirection::Down);
    }
    keys.find_map(|key| {
        let slot = key_slot(key);
        let owner = core.owner(slot);
        let is_served = owner == Some(core.myself())
            || core.importing(slot).is_some()
            || (reads_replica && owner.is_some() && my_primary(node) == owner);
        if is_served {
            return None;
        }
        Some(owner.map_or(Redirection::Unbound, |owner| {
            Redirection::Moved(slot, owner)
        }))
    })
}

/// Whether a key exists and has not expired.
fn exists(srv: &Server, key: &[u8]) -> bool {
    let entry = db(srv, 0).find(key);
    entry.is_some_and(|entry| !entry.has_expired(srv.unit.now_ms))
}

/// The error reply for a client.
#[cold]
pub fn fault(srv: &Server, client: ClientId, redirection: Redirection) -> Fault {
    match redirection {
        Redirection::CrossSlot => CROSS_SLOT,
        Redirection::Unstable => TRY_AGAIN,
        Redirection::Down => CLUSTER_DOWN,
        Redirection::DownReadOnly => CLUSTER_DOWN_READ_ONLY,
        Redirection::Unbound => SLOT_NOT_SERVED,
        Redirection::Moved(slot, node) => directions(srv, client, "MOVED", slot, node),
        Redirection::Ask(slot, node) => directions(srv, client, "ASK", slot, node),
    }
}

fn directions(srv: &Server, client: ClientId, code: &str, slot: u16, to: NodeIx) -> Fault {
    let Some(node) = srv.cluster.as_deref().map(|node| node.core.node(to)) else {
        return SLOT_NOT_SERVED;
    };
    let (endpoint, port) = (
        preferred_endpoint(srv, node),
        node.port(uses_tls(srv, client)),
    );
    Fault::new(format!("{code} {slot} {endpoint}:{port}"))
}

/// The host of a node for clients, by `cluster-preferred-endpoint-type`. Empty means the host that the client is connected to.
pub fn preferred_endpoint<'n>(srv: &Server, node: &'n Node) -> &'n str {
    match srv.config.cluster_preferred_endpoint_type {
        EndpointType::Ip => &node.ip,
        EndpointType::Hostname if node.hostname.is_empty() => "?",
        EndpointType::Hostname => &node.hostname,
        EndpointType::UnknownEndpoint => "",
    }
}

/// Whether a client is told TLS ports: those of its own transport. Without a client they are those of the bus.
pub fn uses_tls(srv: &Server, client: ClientId) -> bool {
    let conn = srv.clients.get(client).and_then(|client| client.conn);
    conn.map_or(srv.config.tls_cluster, |conn| srv.conns.is_tls(conn))
}

const EXEC: CmdId = table::id(&transactions::EXEC);
const MIGRATE: CmdId = table::id(&generic::MIGRATE);

/// Commands whose keys are shard channels.
const SHARD: [CmdId; 3] = [
    table::id(&pubsub::SPUBLISH),
    table::id(&pubsub::SSUBSCRIBE),
    table::id(&pubsub::SUNSUBSCRIBE),
];
