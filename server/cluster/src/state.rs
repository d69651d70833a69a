//! The state of a cluster as one node sees it, and the queue of actions. The functions that change it are in the files above.

use std::collections::{BTreeMap, VecDeque};

use bitflags::bitflags;
use data::util::rand::Rng;

use crate::action::{Action, Facts, Level, Pause};
use crate::ids::{LinkId, NodeIx};
use crate::links::Links;
use crate::name::Name;
use crate::node::Node;
use crate::nodes::Nodes;
use crate::owners::Owners;
use crate::settings::Settings;
use crate::slots::SlotSet;

/// Number of kinds of packets.
pub const KINDS: usize = 11;

bitflags! {
    /// What [`crate::core::Cluster::before_sleep`] has to do.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
    pub struct Todo: u8 {
        /// See whether an election can go on.
        const FAILOVER = 1;
        /// Work out the state of the cluster.
        const STATE = 1 << 1;
        /// Write nodes.conf.
        const SAVE = 1 << 2;
        /// Write it with fsync.
        const FSYNC = 1 << 3;
        /// See whether a manual failover can go on.
        const MANUAL = 1 << 4;
    }
}

/// Whether the cluster serves clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It serves clients.
    Ok,
    /// It does not: slots are not covered, or this node is in a minority partition.
    Fail,
}

/// Why a replica cannot replace its primary at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Obstacle {
    /// There is no reason to, or no obstacle.
    #[default]
    None,
    /// Its data set is too old.
    DataAge,
    /// The delay before the election has not passed.
    WaitingDelay,
    /// The election took too long.
    Expired,
    /// Votes are missing.
    WaitingVotes,
}

/// A replica's election.
#[derive(Clone, Copy, Debug, Default)]
pub struct Election {
    /// When the latest election starts or started.
    pub start_ms: i64,
    /// Votes so far.
    pub votes: usize,
    /// Whether votes were asked for.
    pub asked: bool,
    /// Number of replicas of the same primary with more data.
    pub rank: usize,
    /// The epoch of the election.
    pub epoch: u64,
    /// Why it cannot proceed.
    pub obstacle: Obstacle,
    /// When that was logged last.
    pub logged_ms: i64,
}

/// A manual failover.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manual {
    /// When it is given up; 0 if there is none.
    pub end_ms: i64,
    /// On the primary: the replica that is to take over.
    pub replica: Option<NodeIx>,
    /// On the replica: the offset at which the primary paused its clients.
    pub primary_offset: Option<i64>,
    /// On the replica: whether the election can start.
    pub can_start: bool,
}

/// Counters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Packets sent, by kind.
    pub sent: [u64; KINDS],
    /// Packets received, by kind.
    pub received: [u64; KINDS],
    /// Links closed because of `cluster-link-sendbuf-limit`.
    pub link_limit_exceeded: u64,
}

/// What the state of the cluster is derived from over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct HealthTimes {
    /// First time that the state was worked out.
    pub first_ms: Option<i64>,
    /// Last time that this node was among a minority.
    pub minority_ms: i64,
}

/// A cluster as one node sees it.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) settings: Settings,
    /// Facts of the latest event.
    pub(crate) facts: Facts,
    pub(crate) rng: Rng,
    pub(crate) nodes: Nodes,
    pub(crate) myself: NodeIx,
    pub(crate) owners: Owners,
    pub(crate) links: Links,
    /// Inbound links whose peer may be unknown still, the oldest first.
    pub(crate) strangers: VecDeque<LinkId>,
    /// The highest epoch in the cluster (`currentEpoch`).
    pub(crate) epoch: u64,
    /// The epoch that this node voted in last (`lastVoteEpoch`).
    pub(crate) last_vote_epoch: u64,
    pub(crate) health: Health,
    pub(crate) health_times: HealthTimes,
    /// Number of primaries with slots.
    pub(crate) size: usize,
    pub(crate) election: Election,
    pub(crate) manual: Manual,
    /// Nodes that are not to be added again before a time in seconds.
    pub(crate) forgotten: BTreeMap<Name, i64>,
    pub(crate) todo: Todo,
    pub(crate) stats: Stats,
    /// Number of PINGs, PONGs and MEETs made so far.
    pub(crate) pings_made: u64,
    /// Number of cron's runs.
    pub(crate) cron_runs: u64,
    /// Place in the list of nodes where cron begins to connect: there it stopped when it had connected to as many as it may.
    pub(crate) connect_from: usize,
    /// Nodes that cron found not to answer, and that have an address.
    pub(crate) pfail_nodes: usize,
    /// A change of the pause of clients that the server has not taken yet.
    pub(crate) pause: Option<Pause>,
    /// Bytes allocated for the input of all links.
    pub(crate) input_memory: usize,
    /// Kind of packets to be dropped (DEBUG DROP-CLUSTER-PACKET-FILTER).
    pub(crate) drop_kind: Option<u16>,
    actions: VecDeque<Action>,
    /// Bytes of packets in `actions`, those for links that were closed meanwhile included.
    pub(crate) queued_output: usize,
    /// A save that comes before all other actions, and whether it is one with fsync.
    save: Option<bool>,
    /// Slots that lost an owner since the last action.
    left: SlotSet,
}

impl Cluster {
    /// A cluster of one node.
    pub(crate) fn alone(me: Node, rng: Rng, settings: Settings, facts: Facts) -> Self {
        let mut nodes = Nodes::default();
        let myself = nodes.insert(me).expect("an empty table has room");
        Cluster {
            settings,
            facts,
            rng,
            nodes,
            myself,
            owners: Owners::default(),
            links: Links::new(),
            strangers: VecDeque::new(),
            epoch: 0,
            last_vote_epoch: 0,
            health: Health::Fail,
            health_times: HealthTimes::default(),
            size: 0,
            election: Election::default(),
            manual: Manual::default(),
            forgotten: BTreeMap::new(),
            todo: Todo::empty(),
            stats: Stats::default(),
            pings_made: 0,
            cron_runs: 0,
            connect_from: 0,
            pfail_nodes: 0,
            pause: None,
            input_memory: 0,
            drop_kind: None,
            actions: VecDeque::new(),
            queued_output: 0,
            save: None,
            left: SlotSet::new(),
        }
    }

    /// Time of the current event.
    pub(crate) fn now_ms(&self) -> i64 {
        self.facts.now_ms
    }

    /// Time of the current event in seconds.
    pub(crate) fn now_s(&self) -> i64 {
        self.facts.now_ms.div_euclid(1000)
    }

    /// This node.
    pub(crate) fn me(&self) -> &Node {
        &self.nodes[self.myself]
    }

    /// This node, for modification.
    pub(crate) fn me_mut(&mut self) -> &mut Node {
        &mut self.nodes[self.myself]
    }

    /// The primary of this node, if it is a replica and knows it.
    pub(crate) fn my_primary(&self) -> Option<NodeIx> {
        self.me().primary
    }

    /// The configuration epoch that a node announces: that of its primary if it is a replica.
    pub(crate) fn announced_epoch(&self, ix: NodeIx) -> u64 {
        let node = &self.nodes[ix];
        let primary = node.primary.filter(|_| node.is_replica());
        self.nodes[primary.unwrap_or(ix)].config_epoch
    }

    /// Number of votes, or of reports, that are a majority.
    pub(crate) fn quorum(&self) -> usize {
        self.size / 2 + 1
    }

    /// Asks for work before the loop sleeps.
    pub(crate) fn later(&mut self, todo: Todo) {
        self.todo |= todo;
    }

    /// Queues an action.
    pub(crate) fn emit(&mut self, action: Action) {
        self.flush_left();
        if let Action::Send { link, packet } = &action {
            self.queued_output += packet.len();
            if let Some(link) = self.links.get_mut(*link) {
                link.queued += packet.len();
            }
        }
        self.actions.push_back(action);
    }

    /// Queues a save before everything else that is pending.
    pub(crate) fn emit_save(&mut self, fsync: bool) {
        self.todo -= Todo::SAVE;
        if fsync {
            self.todo -= Todo::FSYNC;
        }
        self.save = Some(self.save == Some(true) || fsync);
    }

    /// Notes that a slot has lost its owner.
    pub(crate) fn note_left(&mut self, slot: u16) {
        self.left.insert(slot);
    }

    /// Takes the next action.
    pub(crate) fn take_action(&mut self) -> Option<Action> {
        if let Some(fsync) = self.save.take() {
            return Some(Action::Save { fsync });
        }
        self.flush_left();
        let action = self.actions.pop_front()?;
        if let Action::Send { link, packet } = &action {
            self.queued_output -= packet.len();
            if let Some(link) = self.links.get_mut(*link) {
                link.queued -= packet.len();
            }
        }
        Some(action)
    }

    /// Queues a log line; its text is only made if lines of that level are wanted.
    pub(crate) fn log(&mut self, level: Level, text: impl FnOnce(&Self) -> String) {
        if level >= self.settings.log_level {
            let text = text(self);
            self.emit(Action::Log { level, text });
        }
    }

    /// A node as most log lines show it: `<name> (<name for humans>)`.
    pub(crate) fn shown(&self, ix: NodeIx) -> String {
        let node = &self.nodes[ix];
        format!("{} ({})", node.name, node.human_name)
    }

    fn flush_left(&mut self) {
        if !self.left.is_empty() {
            let slots = Box::new(std::mem::take(&mut self.left));
            self.actions.push_back(Action::SlotsLeft { slots });
        }
    }
}
