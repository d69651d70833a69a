//! The CLUSTER subcommands that change something. Each takes its arguments as the client sent them and answers with the
//! texts of Redis, without `ERR`.
//!
//! The server checks the number of arguments, calls [`crate::core::Cluster::before_sleep`] afterwards and takes the actions
//! before it sends the reply.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use data::util::num::parse_i64;
use slot::SLOTS;
use words::until_nul;

use crate::action::{Action, Facts, Level};
use crate::election;
use crate::epochs;
use crate::failure;
use crate::forgotten;
use crate::ids::NodeIx;
use crate::manual;
use crate::membership;
use crate::name::Name;
use crate::node::Flags;
use crate::packet::Kind;
use crate::refusal::Refusal;
use crate::role;
use crate::send;
use crate::settings::PORT_STEP;
use crate::slots::SlotSet;
use crate::state::{Cluster, Todo};

/// The slot that an argument names.
pub fn parse_slot(text: &[u8]) -> Result<u16, Refusal> {
    parse_i64(text)
        .and_then(|slot| u16::try_from(slot).ok())
        .filter(|slot| *slot < SLOTS)
        .ok_or_else(|| "Invalid or out of range slot".into())
}

/// Whether slots are assigned or unassigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// ADDSLOTS, ADDSLOTSRANGE.
    Add,
    /// DELSLOTS, DELSLOTSRANGE.
    Delete,
}

/// ADDSLOTS and DELSLOTS, with one slot or more.
pub fn change_slots(
    c: &mut Cluster,
    facts: Facts,
    change: Change,
    args: &[&[u8]],
) -> Result<(), Refusal> {
    c.facts = facts;
    // An invalid slot is reported before one that cannot be changed.
    let slots: Result<Vec<u16>, Refusal> = args.iter().map(|arg| parse_slot(arg)).collect();
    change_all(c, change, slots?.into_iter().map(|slot| Ok(slot..=slot)))
}

/// ADDSLOTSRANGE and DELSLOTSRANGE, with an even number of arguments.
pub fn change_ranges(
    c: &mut Cluster,
    facts: Facts,
    change: Change,
    args: &[&[u8]],
) -> Result<(), Refusal> {
    c.facts = facts;
    let (pairs, _) = args.as_chunks();
    change_all(c, change, pairs.iter().map(parse_range))
}

fn parse_range([first, last]: &[&[u8]; 2]) -> Result<RangeInclusive<u16>, Refusal> {
    let (first, last) = (parse_slot(first)?, parse_slot(last)?);
    if first > last {
        return Err(
            format!("start slot number {first} is greater than end slot number {last}").into(),
        );
    }
    Ok(first..=last)
}

/// Changes all slots of these ranges, or none.
fn change_all(
    c: &mut Cluster,
    change: Change,
    ranges: impl Iterator<Item = Result<RangeInclusive<u16>, Refusal>>,
) -> Result<(), Refusal> {
    let mut chosen = SlotSet::new();
    for range in ranges {
        for slot in range? {
            choose(c, &mut chosen, change, slot)?;
        }
    }
    apply(c, &chosen, change);
    Ok(())
}

fn choose(c: &Cluster, chosen: &mut SlotSet, change: Change, slot: u16) -> Result<(), Refusal> {
    match (change, c.owners.owner(slot)) {
        (Change::Delete, None) => return Err(format!("Slot {slot} is already unassigned").into()),
        (Change::Add, Some(_)) => return Err(format!("Slot {slot} is already busy").into()),
        _ => {}
    }
    if !chosen.insert(slot) {
        return Err(format!("Slot {slot} specified multiple times").into());
    }
    Ok(())
}

fn apply(c: &mut Cluster, chosen: &SlotSet, change: Change) {
    for slot in chosen.iter() {
        // The owner of a slot does not import it.
        c.owners.importing.remove(&slot);
        match change {
            Change::Add => membership::assign(c, slot, c.myself),
            Change::Delete => membership::unassign(c, slot),
        };
    }
    c.later(Todo::STATE | Todo::SAVE);
}

/// FLUSHSLOTS. `keys` is the number of keys on this server.
pub fn flush_slots(c: &mut Cluster, facts: Facts, keys: usize) -> Result<(), Refusal> {
    c.facts = facts;
    if keys != 0 {
        return Err("DB must be empty to perform CLUSTER FLUSHSLOTS.".into());
    }
    membership::unassign_all(c, c.myself);
    c.later(Todo::STATE | Todo::SAVE);
    Ok(())
}

/// MEET `ip port [bus-port]`.
pub fn meet(
    c: &mut Cluster,
    facts: Facts,
    ip: &[u8],
    port: &[u8],
    bus_port: Option<&[u8]>,
) -> Result<(), Refusal> {
    c.facts = facts;
    let number = parse_i64(port)
        .ok_or_else(|| Refusal::naming(&[("Invalid base port specified: ", port)]))?;
    let bus = match bus_port {
        Some(text) => parse_i64(text)
            .ok_or_else(|| Refusal::naming(&[("Invalid bus port specified: ", text)]))?,
        None => number.saturating_add(i64::from(PORT_STEP)),
    };
    let invalid = || Refusal::naming(&[("Invalid node address specified: ", ip), (":", port)]);
    let text = std::str::from_utf8(until_nul(ip)).ok();
    let address: Option<IpAddr> = text.and_then(|ip| ip.parse().ok());
    let valid_port = |port: i64| u16::try_from(port).ok().filter(|port| *port != 0);
    let (Some(address), Some(port), Some(bus)) = (address, valid_port(number), valid_port(bus))
    else {
        return Err(invalid());
    };
    start_handshake(c, &address.to_string(), port, bus);
    Ok(())
}

/// Adds a node to be met, unless one with this address is being met already.
fn start_handshake(c: &mut Cluster, ip: &str, port: u16, bus_port: u16) {
    let tls = c.settings.tls_cluster;
    let ports = if tls { (0, port) } else { (port, 0) };
    membership::add_handshake(c, Flags::MEET, ip, ports, bus_port);
}

/// The refusal of the name of a node that is not known.
pub(crate) fn unknown(name: &[u8]) -> Refusal {
    Refusal::naming(&[("Unknown node ", name)])
}

/// FORGET `name`.
pub fn forget(c: &mut Cluster, facts: Facts, name: &[u8]) -> Result<(), Refusal> {
    c.facts = facts;
    let Some(ix) = membership::find(c, name) else {
        // It may have been forgotten because of another node's gossip.
        let known = Name::parse(name).is_some_and(|name| forgotten::contains(c, &name));
        return if known { Ok(()) } else { Err(unknown(name)) };
    };
    if ix == c.myself {
        return Err("I tried hard but I can't forget myself...".into());
    }
    if c.me().is_replica() && c.my_primary() == Some(ix) {
        return Err("Can't forget my master!".into());
    }
    let name = c.nodes[ix].name;
    forgotten::add(c, name);
    membership::delete_node(c, ix);
    c.later(Todo::STATE | Todo::SAVE);
    Ok(())
}

/// REPLICATE `name`. `keys` is the number of keys on this server.
pub fn replicate(c: &mut Cluster, facts: Facts, name: &[u8], keys: usize) -> Result<(), Refusal> {
    c.facts = facts;
    let ix = membership::find(c, name).ok_or_else(|| unknown(name))?;
    if ix == c.myself {
        return Err("Can't replicate myself".into());
    }
    if c.nodes[ix].is_replica() {
        return Err("I can only replicate a master, not a replica.".into());
    }
    if c.me().slots.is_some() || (c.me().is_primary() && keys != 0) {
        let text = "To set a master the node must be empty and without assigned slots.";
        return Err(text.into());
    }
    role::follow(c, ix);
    c.later(Todo::STATE | Todo::SAVE);
    Ok(())
}

/// REPLICAS `name`.
pub fn replicas<'c>(c: &'c Cluster, name: &[u8]) -> Result<&'c [NodeIx], Refusal> {
    let ix = membership::find(c, name).ok_or_else(|| unknown(name))?;
    let node = &c.nodes[ix];
    if node.is_replica() {
        return Err("The specified node is not a master".into());
    }
    Ok(&node.replicas)
}

/// COUNT-FAILURE-REPORTS `name`.
pub fn count_failure_reports(c: &mut Cluster, facts: Facts, name: &[u8]) -> Result<usize, Refusal> {
    c.facts = facts;
    let ix = membership::find(c, name).ok_or_else(|| unknown(name))?;
    Ok(failure::count_reports(c, ix))
}

/// How CLUSTER FAILOVER replaces the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// With its agreement, losing nothing.
    Agreed,
    /// FORCE: by an election.
    Force,
    /// TAKEOVER: without one.
    Takeover,
}

/// FAILOVER.
pub fn failover(c: &mut Cluster, facts: Facts, how: Failover) -> Result<(), Refusal> {
    c.facts = facts;
    if c.me().is_primary() {
        return Err("You should send CLUSTER FAILOVER to a replica".into());
    }
    let Some(primary) = c.my_primary() else {
        return Err("I'm a replica but my master is unknown to me".into());
    };
    let node = &c.nodes[primary];
    if how == Failover::Agreed && (node.has_failed() || node.link.is_none()) {
        let text = "Master is down or failed, please use CLUSTER FAILOVER FORCE";
        return Err(text.into());
    }
    manual::reset(c);
    c.manual.end_ms = c.now_ms() + manual::TIMEOUT_MS;
    match how {
        Failover::Agreed => {
            c.log(Level::Notice, |_| {
                "Manual failover user request accepted.".to_owned()
            });
            send::empty(c, primary, Kind::ManualStart);
        }
        Failover::Force => {
            c.log(Level::Notice, |_| {
                "Forced failover user request accepted.".to_owned()
            });
            c.manual.can_start = true;
        }
        Failover::Takeover => {
            c.log(Level::Notice, |_| {
                "Taking over the master (user request).".to_owned()
            });
            epochs::bump(c);
            election::replace_primary(c);
        }
    }
    Ok(())
}

/// SET-CONFIG-EPOCH `epoch`; the server has parsed the number.
pub fn set_config_epoch(c: &mut Cluster, facts: Facts, epoch: i64) -> Result<(), Refusal> {
    c.facts = facts;
    let Ok(number) = u64::try_from(epoch) else {
        return Err(format!("Invalid config epoch specified: {epoch}").into());
    };
    if c.nodes.len() > 1 {
        let text =
            "The user can assign a config epoch only when the node does not know any other node.";
        return Err(text.into());
    }
    if c.me().config_epoch != 0 {
        return Err("Node config epoch is already non-zero".into());
    }
    c.me_mut().config_epoch = number;
    c.log(Level::Notice, |_| {
        format!("configEpoch set to {epoch} via CLUSTER SET-CONFIG-EPOCH")
    });
    c.epoch = c.epoch.max(number);
    c.later(Todo::STATE | Todo::SAVE);
    Ok(())
}

/// BUMPEPOCH: whether this node got a new epoch (`BUMPED`) or has the highest already (`STILL`), and the epoch.
pub fn bump_epoch(c: &mut Cluster, facts: Facts) -> (bool, u64) {
    c.facts = facts;
    let bumped = epochs::bump(c);
    (bumped, c.me().config_epoch)
}

/// RESET. `keys` is the number of keys on this server. HARD also gives the node another name and sets its epochs to 0.
pub fn reset(c: &mut Cluster, facts: Facts, hard: bool, keys: usize) -> Result<(), Refusal> {
    c.facts = facts;
    if c.me().is_primary() && keys != 0 {
        return Err("CLUSTER RESET can't be called with master nodes containing keys".into());
    }
    if c.me().is_replica() {
        role::become_primary(c);
        c.emit(Action::FlushAll);
    }
    c.owners.close_all();
    manual::reset(c);
    for slot in 0..SLOTS {
        membership::unassign(c, slot);
    }
    for ix in c.nodes.list().to_vec() {
        if ix != c.myself {
            membership::delete_node(c, ix);
        }
    }
    c.forgotten.clear();
    if hard {
        rename(c);
    }
    c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
    Ok(())
}

fn rename(c: &mut Cluster) {
    c.epoch = 0;
    c.last_vote_epoch = 0;
    c.me_mut().config_epoch = 0;
    c.log(Level::Notice, |_| {
        "configEpoch set to 0 via CLUSTER RESET HARD".to_owned()
    });
    let (name, shard) = (Name::random(&mut c.rng), Name::random(&mut c.rng));
    c.nodes.rename(c.myself, name);
    c.me_mut().shard = shard;
    c.log(Level::Notice, |_| {
        format!("Node hard reset, now I'm {name}")
    });
}
