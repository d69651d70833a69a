//! A cluster from nodes.conf.

use std::collections::HashSet;

use data::util::rand::Rng;

use crate::action::{Facts, Level};
use crate::epochs;
use crate::file::{self, File, Line, LoadError};
use crate::ids::NodeIx;
use crate::membership;
use crate::name::Name;
use crate::node::{Flags, Node};
use crate::settings::{Settings, derived_bus_port};
use crate::state::Cluster;

/// The cluster that a file describes.
pub(crate) fn load(
    text: &[u8],
    mut rng: Rng,
    settings: Settings,
    facts: Facts,
) -> Result<Cluster, LoadError> {
    let whole = |reason| LoadError {
        number: 0,
        line: String::new(),
        reason,
    };
    let file = file::parse(text)?;
    let mut mine = file
        .nodes
        .iter()
        .filter(|(_, line)| line.flags.contains(Flags::MYSELF));
    let (_, me) = mine
        .next()
        .ok_or_else(|| whole("no node is marked as myself"))?;
    if mine.next().is_some() {
        return Err(whole("two nodes are marked as myself"));
    }
    let me = Node::new(me.name, Name::random(&mut rng), Flags::MYSELF, facts.now_ms);
    let mut c = Cluster::alone(me, rng, settings, facts);
    let mut known_shards = HashSet::new();
    for (number, line) in &file.nodes {
        let described = add_line(&mut c, line, &mut known_shards);
        described.map_err(|reason| LoadError {
            number: *number,
            line: line.name.to_string(),
            reason,
        })?;
    }
    share_shards(&mut c, &known_shards);
    set_epochs(&mut c, &file);
    let name = c.me().name;
    c.log(Level::Notice, |_| {
        format!("Node configuration loaded, I'm {name}")
    });
    Ok(c)
}

/// The node with a name, which is added if it has no line before this one.
fn node(c: &mut Cluster, name: Name) -> Result<NodeIx, &'static str> {
    match c.nodes.find(&name) {
        Some(ix) => Ok(ix),
        None => {
            membership::add_node(c, Some(name), Flags::empty()).ok_or("there are too many nodes")
        }
    }
}

fn add_line(
    c: &mut Cluster,
    line: &Line,
    known_shards: &mut HashSet<NodeIx>,
) -> Result<(), &'static str> {
    let ix = node(c, line.name)?;
    if let Some(shard) = line.shard {
        c.nodes[ix].shard = shard;
        known_shards.insert(ix);
    }
    set_address(c, ix, line);
    let now_ms = c.now_ms();
    let node_at = &mut c.nodes[ix];
    node_at.flags |= line.flags;
    if line.flags.contains(Flags::FAIL) {
        node_at.fail_ms = now_ms;
    }
    if line.ping_sent {
        node_at.ping_sent_ms = now_ms;
    }
    if line.pong_received {
        node_at.pong_received_ms = now_ms;
    }
    node_at.config_epoch = line.epoch;
    if let Some(primary) = line.primary {
        let primary = node(c, primary)?;
        if primary == ix {
            return Err("a node is its own master");
        }
        membership::follow(c, ix, primary);
        if line.flags.contains(Flags::REPLICA) {
            c.nodes[ix].config_epoch = 0;
        }
    }
    if ix == c.myself && line.primary.is_some() && !line.slots.is_empty() {
        return Err("this node is a replica and has slots");
    }
    for slot in line.slots.iter() {
        membership::assign(c, slot, ix);
    }
    for (slot, to) in &line.migrating {
        let to = node(c, *to)?;
        c.owners.migrating.insert(*slot, to);
    }
    for (slot, from) in &line.importing {
        let from = node(c, *from)?;
        c.owners.importing.insert(*slot, from);
    }
    Ok(())
}

/// The port before `@` is the one that has no field of its own; in files of Redis 7.0 and older, that of `tls-cluster`.
fn set_address(c: &mut Cluster, ix: NodeIx, line: &Line) {
    let tls = c.settings.tls_cluster;
    let (tcp, tls_port) = match (line.tcp_port, line.tls_port) {
        (None, None) if tls => (0, line.port),
        (None, None) => (line.port, 0),
        (None, Some(tls_port)) => (line.port, tls_port),
        (Some(tcp), None) => (tcp, line.port),
        (Some(tcp), Some(tls_port)) => (tcp, tls_port),
    };
    let node = &mut c.nodes[ix];
    node.ip = line.ip.as_str().into();
    node.hostname = line.hostname.as_str().into();
    node.human_name = line.human_name.as_str().into();
    node.tcp_port = tcp;
    node.tls_port = tls_port;
    let derived = derived_bus_port(node.port(tls));
    node.bus_port = line.bus_port.unwrap_or(derived);
}

/// A replica belongs to the shard of its primary. Files of Redis 7.0 and older do not say which that is. A file may also have
/// been written in the moment after a replica moved, so a difference is not an error.
fn share_shards(c: &mut Cluster, known: &HashSet<NodeIx>) {
    for ix in c.nodes.list().to_vec() {
        let Some(primary) = c.nodes[ix].primary else {
            continue;
        };
        if known.contains(&ix) && !known.contains(&primary) {
            c.nodes[primary].shard = c.nodes[ix].shard;
        } else {
            c.nodes[ix].shard = c.nodes[primary].shard;
        }
    }
}

fn set_epochs(c: &mut Cluster, file: &File) {
    for variable in &file.unknown {
        c.log(Level::Notice, |_| {
            format!("Skipping unknown cluster config variable '{variable}'")
        });
    }
    c.epoch = file.epoch;
    c.last_vote_epoch = file.last_vote_epoch;
    // A file that was edited by hand may contain higher ones.
    c.epoch = epochs::highest(c);
}
