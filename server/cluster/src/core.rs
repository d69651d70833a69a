//! The interface of the server: events in, actions out, and what commands ask.

use std::collections::BTreeMap;

use data::util::rand::Rng;

use crate::action::{Action, Facts, Level, Pause};
use crate::bus;
use crate::cron;
use crate::election;
use crate::file::LoadError;
use crate::health;
use crate::ids::LinkId;
use crate::ids::NodeIx;
use crate::links::Link;
use crate::load;
use crate::manual;
use crate::membership;
use crate::myself;
use crate::name::Name;
use crate::node::{Flags, Node};
use crate::send;
use crate::settings::Settings;
use crate::slots::SlotSet;
use crate::state::{Cluster, Health, Stats, Todo};
use crate::text::{self, Reader};

/// Creation, saving and configuration.
impl Cluster {
    /// A new node that is a cluster of its own, for a server without nodes.conf (or with an empty one). Its first action is a
    /// save.
    pub fn new(mut rng: Rng, settings: Settings, facts: Facts) -> Self {
        let (name, shard) = (Name::random(&mut rng), Name::random(&mut rng));
        let flags = Flags::MYSELF | Flags::PRIMARY;
        let me = Node::new(name, shard, flags, facts.now_ms);
        let mut c = Cluster::alone(me, rng, settings, facts);
        c.log(Level::Notice, |_| {
            format!("No cluster configuration found, I'm {name}")
        });
        c.emit_save(true);
        myself::announce(&mut c, None);
        c
    }

    /// The node that nodes.conf describes.
    pub fn load(
        text: &[u8],
        rng: Rng,
        settings: Settings,
        facts: Facts,
    ) -> Result<Self, LoadError> {
        let mut c = load::load(text, rng, settings, facts)?;
        myself::announce(&mut c, None);
        Ok(c)
    }

    /// The content of nodes.conf.
    pub fn encode(&self) -> Vec<u8> {
        let mut text = text::nodes_text(self, Reader::File, Flags::HANDSHAKE);
        text.push_str(&format!(
            "vars currentEpoch {} lastVoteEpoch {}\n",
            self.epoch, self.last_vote_epoch
        ));
        text.into_bytes()
    }

    /// Adjusts slots to the keys that were loaded at the start, of a primary: slots with keys and without an owner become
    /// its own, slots with keys and another owner are marked as importing.
    pub fn adopt_keys(&mut self, facts: Facts, keys_in_slot: &dyn Fn(u16) -> usize) {
        self.facts = facts;
        myself::adopt_keys(self, keys_in_slot);
    }

    /// The configuration has changed.
    pub fn configure(&mut self, settings: Settings, facts: Facts) {
        self.facts = facts;
        let old = std::mem::replace(&mut self.settings, settings);
        myself::announce(self, Some(&old));
    }
}

/// Events. Those of unknown links are ignored.
impl Cluster {
    /// A connection was accepted on the bus port, and its TLS handshake is complete.
    pub fn accepted(
        &mut self,
        peer_ip: &str,
        peer_port: u16,
        local_ip: &str,
        facts: Facts,
    ) -> LinkId {
        self.facts = facts;
        let link = Link {
            node: None,
            inbound: true,
            is_connected: true,
            created_ms: facts.now_ms,
            peer_ip: peer_ip.into(),
            peer_port,
            local_ip: local_ip.into(),
            input: Vec::new(),
            queued: 0,
        };
        membership::accept(self, link)
    }

    /// A link that was asked for by [`Action::Connect`] is connected, and its TLS handshake is complete.
    pub fn connected(&mut self, id: LinkId, local_ip: &str, facts: Facts) {
        self.facts = facts;
        bus::connected(self, id, local_ip);
    }

    /// A link could not be connected.
    pub fn failed(&mut self, id: LinkId, reason: &str, facts: Facts) {
        self.facts = facts;
        bus::failed(self, id, reason);
    }

    /// A link was closed by the other side or because of an error.
    pub fn closed(&mut self, id: LinkId, facts: Facts) {
        self.facts = facts;
        membership::forget_link(self, id);
    }

    /// Bytes came from a link: any number of packets and parts of them.
    pub fn received(&mut self, id: LinkId, bytes: &[u8], facts: Facts) {
        self.facts = facts;
        bus::received(self, id, bytes);
    }

    /// 100 ms have passed.
    pub fn cron(&mut self, facts: Facts) {
        self.facts = facts;
        cron::run(self);
    }

    /// A client published a message on this node: all nodes get it, or only those of the same shard if the channel is
    /// sharded.
    pub fn publish(&mut self, channel: &[u8], message: &[u8], sharded: bool, facts: Facts) {
        self.facts = facts;
        send::publish(self, channel, message, sharded);
    }

    /// To be called before the loop sleeps, and before the reply to a CLUSTER command is sent; then actions are taken.
    pub fn before_sleep(&mut self, facts: Facts) {
        self.facts = facts;
        let todo = std::mem::take(&mut self.todo);
        if todo.contains(Todo::MANUAL) && self.me().is_replica() {
            manual::proceed(self);
            election::proceed(self);
        } else if todo.contains(Todo::FAILOVER) {
            election::proceed(self);
        }
        // A manual failover that may start now needs no delay.
        if self.todo.contains(Todo::FAILOVER) {
            election::proceed(self);
        }
        let again = std::mem::take(&mut self.todo);
        self.later(again & (Todo::MANUAL | Todo::FAILOVER));
        let todo = todo | again;
        if todo.contains(Todo::STATE) {
            health::update(self);
        }
        if todo.contains(Todo::SAVE) {
            self.emit_save(todo.contains(Todo::FSYNC));
        }
    }

    /// A change of the pause of clients. To be asked after [`Cluster::received`], before the next event, and before actions
    /// are taken.
    pub fn take_pause(&mut self) -> Option<Pause> {
        self.pause.take()
    }

    /// The next thing to do.
    pub fn next_action(&mut self) -> Option<Action> {
        self.take_action()
    }

    /// The server closed a link because its output exceeds `cluster-link-sendbuf-limit`.
    pub fn overflowed(&mut self, id: LinkId, used: u64, facts: Facts) {
        self.facts = facts;
        let Some(link) = self.links.get(id) else {
            return;
        };
        let direction = if link.inbound { "from" } else { "to" };
        let name = link.node.map(|ix| self.nodes[ix].name.to_string());
        let name = name.unwrap_or_default();
        self.log(Level::Warning, |_| {
            format!(
                "Freeing cluster link({direction} node {name}, used memory: {used}) due to exceeding send buffer memory limit."
            )
        });
        self.stats.link_limit_exceeded += 1;
        membership::close_link(self, id);
    }

    /// DEBUG CLUSTERLINK KILL: closes the link to a node, the one from it, or both.
    pub fn kill_links(&mut self, ix: NodeIx, to: bool, from: bool) {
        let node = &self.nodes[ix];
        let (to, from) = (node.link.filter(|_| to), node.inbound.filter(|_| from));
        for link in [to, from].into_iter().flatten() {
            membership::close_link(self, link);
        }
    }

    /// DEBUG DROP-CLUSTER-PACKET-FILTER: packets of this kind are dropped.
    pub fn set_drop_filter(&mut self, kind: Option<u16>) {
        self.drop_kind = kind;
    }
}

/// What commands ask.
impl Cluster {
    /// Index of this node.
    pub fn myself(&self) -> NodeIx {
        self.myself
    }

    /// A node.
    pub fn node(&self, ix: NodeIx) -> &Node {
        &self.nodes[ix]
    }

    /// This node.
    pub fn my_node(&self) -> &Node {
        self.me()
    }

    /// Number of nodes, this one included.
    pub fn node_count(&self) -> usize {
        self.nodes.len()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        self.nodes.iter()
    }

    /// The node with a name.
    pub fn find(&self, name: &[u8]) -> Option<NodeIx> {
        membership::find(self, name)
    }

    /// The owner of a slot.
    #[inline]
    pub fn owner(&self, slot: u16) -> Option<NodeIx> {
        self.owners.owner(slot)
    }

    /// Where a slot of this node is moving to.
    #[inline]
    pub fn migrating(&self, slot: u16) -> Option<NodeIx> {
        self.owners.migrating.get(&slot).copied()
    }

    /// Where a slot is moving from, to this node.
    #[inline]
    pub fn importing(&self, slot: u16) -> Option<NodeIx> {
        self.owners.importing.get(&slot).copied()
    }

    /// Whether a slot is moving to this node or from it.
    #[inline]
    pub fn has_open_slots(&self) -> bool {
        !self.owners.migrating.is_empty() || !self.owners.importing.is_empty()
    }

    /// Ranges `(first, last, owner)` of slots with the same owner.
    pub fn slot_ranges(&self) -> impl Iterator<Item = (u16, u16, NodeIx)> + '_ {
        self.owners.ranges()
    }

    /// The slots of a node.
    pub fn slots_of(&self, ix: NodeIx) -> SlotSet {
        let slots = self.nodes[ix].slots.as_deref();
        slots.cloned().unwrap_or_default()
    }

    /// Shards with their nodes, in the order of the names of shards. A node that is still in the handshake has none.
    pub fn shards(&self) -> BTreeMap<Name, Vec<NodeIx>> {
        let mut shards: BTreeMap<Name, Vec<NodeIx>> = BTreeMap::new();
        for (ix, node) in self.nodes.iter() {
            if !node.is(Flags::HANDSHAKE) {
                shards.entry(node.shard).or_default().push(ix);
            }
        }
        shards
    }

    /// The primary at the end of the chain of primaries that begins with a node.
    pub fn root_of(&self, ix: NodeIx) -> NodeIx {
        membership::root(self, ix)
    }

    /// Whether the cluster serves clients.
    #[inline]
    pub fn state(&self) -> Health {
        self.health
    }

    /// `currentEpoch`.
    pub fn current_epoch(&self) -> u64 {
        self.epoch
    }

    /// The epoch that this node voted in last.
    pub fn last_vote_epoch(&self) -> u64 {
        self.last_vote_epoch
    }

    /// The configuration epoch that this node announces: that of its primary if it is a replica.
    pub fn my_epoch(&self) -> u64 {
        self.announced_epoch(self.myself)
    }

    /// Counters.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// A link.
    pub fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id)
    }

    /// Links with known nodes: of each node the one to it, then the one from it (CLUSTER LINKS).
    pub fn links(&self) -> impl Iterator<Item = (LinkId, &Link)> {
        let nodes = self
            .nodes
            .iter()
            .flat_map(|(_, node)| [node.link, node.inbound]);
        nodes
            .flatten()
            .filter_map(|id| Some((id, self.links.get(id)?)))
    }

    /// Bytes allocated for packets that are received.
    pub fn input_memory(&self) -> usize {
        self.input_memory
    }

    /// Bytes of packets in actions that were not taken yet. The server knows those of actions that it has taken.
    pub fn queued_output(&self) -> usize {
        self.queued_output
    }

    /// The text of CLUSTER INFO.
    pub fn info_text(&self) -> String {
        text::info(self)
    }

    /// The text of CLUSTER NODES for a client, by the transport of its connection.
    pub fn nodes_text(&self, tls: bool) -> String {
        text::nodes_text(self, Reader::Client { tls }, Flags::empty())
    }

    /// The line of one node, without line end (CLUSTER REPLICAS).
    pub fn node_text(&self, ix: NodeIx, tls: bool) -> String {
        let mut text = String::new();
        text::append_line(self, &mut text, ix, Reader::Client { tls });
        text
    }
}
