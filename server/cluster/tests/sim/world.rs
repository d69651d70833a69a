//! A network of nodes on a simulated clock.
//!
//! Nodes run the protocol core; all else is simulated: connections (in order, with a random delay each, held back across a
//! partition, closed when a node crashes), nodes.conf (what was saved last is what a restart loads) and replication (a replica
//! that reaches its primary has its offset after a moment).
//!
//! Everything depends on the seed alone.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;

use cluster::action::{Action, Facts, Level, Pause};
use cluster::ids::LinkId;
use cluster::packet::Kind;
use cluster::packet::decode::decode;
use cluster::settings::{Settings, derived_bus_port};
use cluster::state::Cluster;
use data::util::rand::Rng;

/// Begin of time.
const START_MS: i64 = 1_700_000_000_000;

/// The port of clients of every node; nodes differ by address.
const PORT: u16 = 7000;

/// A node and what its server would keep.
pub struct Node {
    /// The protocol, unless the node is down.
    pub cluster: Option<Cluster>,
    /// nodes.conf.
    pub file: Vec<u8>,
    /// What it was at the last save with fsync.
    durable: Vec<u8>,
    /// Number of saves.
    pub saves: u64,
    /// Connections by link.
    conns: BTreeMap<LinkId, usize>,
    /// What it replicates.
    pub follows: Option<usize>,
    /// Replication offset.
    pub offset: i64,
    /// When its data was last up to date.
    synced_ms: i64,
    /// Until when clients are paused.
    pub paused_ms: i64,
    /// How far its clock is ahead.
    skew_ms: i64,
    /// Messages that were delivered to its subscribers.
    pub messages: Vec<Vec<u8>>,
    /// Slots whose keys it was told to drop.
    pub dropped: u64,
    /// Number of restarts: cron of a former run stops.
    run: u64,
}

/// One side of a connection.
#[derive(Clone, Copy)]
struct End {
    node: usize,
    run: u64,
    link: LinkId,
}

enum Item {
    Packet(Arc<Vec<u8>>),
    Connected,
    Refused,
    Closed,
}

/// A connection, from the node that connects to the other. `queues[0]` leads to the other.
struct Conn {
    ends: [Option<End>; 2],
    nodes: [usize; 2],
    queues: [VecDeque<Item>; 2],
    pumping: [bool; 2],
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Cron { node: usize, run: u64 },
    Pump { conn: usize, direction: usize },
    Open { conn: usize },
}

/// The world.
pub struct World {
    pub now_ms: i64,
    pub rng: Rng,
    pub nodes: Vec<Node>,
    pub timeout_ms: i64,
    /// Side of a partition by node; nodes of different sides do not reach each other.
    pub sides: Vec<usize>,
    /// Pairs of nodes that do not reach each other.
    pub cut: Vec<(usize, usize)>,
    /// Upper limit of the delay of a packet.
    pub delay_ms: u64,
    /// Upper limit of the time until a connection request arrives, beside that delay.
    pub connect_ms: u64,
    /// One of how many actions is the last before a crash; 0 for none.
    pub crash_rate: u64,
    /// Log lines, if they are wanted.
    pub log: Option<Vec<String>>,
    /// Packets delivered.
    pub delivered: u64,
    /// Votes: node and epoch. More than one is a fault.
    pub votes: BTreeMap<(usize, u64), u32>,
    /// Elections that were won.
    pub won: u64,
    conns: Vec<Option<Conn>>,
    events: BinaryHeap<Reverse<(i64, u64, Event)>>,
    sequence: u64,
}

impl World {
    pub fn new(seed: u64, nodes: usize, timeout_ms: i64) -> Self {
        let mut world = World {
            now_ms: START_MS,
            rng: Rng::new(seed),
            nodes: Vec::new(),
            timeout_ms,
            sides: vec![0; nodes],
            cut: Vec::new(),
            delay_ms: 20,
            connect_ms: 0,
            crash_rate: 0,
            log: None,
            delivered: 0,
            votes: BTreeMap::new(),
            won: 0,
            conns: Vec::new(),
            events: BinaryHeap::new(),
            sequence: 0,
        };
        for _ in 0..nodes {
            let skew_ms = world.rng.below(200) as i64;
            world.nodes.push(Node {
                cluster: None,
                file: Vec::new(),
                durable: Vec::new(),
                saves: 0,
                conns: BTreeMap::new(),
                follows: None,
                offset: 1,
                synced_ms: START_MS,
                paused_ms: 0,
                skew_ms,
                messages: Vec::new(),
                dropped: 0,
                run: 0,
            });
        }
        world
    }

    pub fn ip(node: usize) -> String {
        format!("10.0.{}.{}", node / 256, node % 256)
    }

    fn by_ip(&self, ip: &str, port: u16) -> Option<usize> {
        let mut parts = ip.strip_prefix("10.0.")?.split('.');
        let (high, low): (usize, usize) =
            (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let node = high * 256 + low;
        (node < self.nodes.len() && (port == PORT || port == PORT + 10_000)).then_some(node)
    }

    pub fn settings(&self) -> Settings {
        let log = self.log.is_some();
        Settings {
            node_timeout_ms: self.timeout_ms,
            tcp_port: PORT,
            bus_port: derived_bus_port(PORT),
            log_level: if log { Level::Verbose } else { Level::Warning },
            ..Settings::default()
        }
    }

    pub fn facts(&self, node: usize) -> Facts {
        let node = &self.nodes[node];
        Facts {
            now_ms: self.now_ms + node.skew_ms,
            offset: node.offset,
            replicating: node.follows.is_some(),
            data_age_ms: self.now_ms - node.synced_ms,
        }
    }

    /// Starts a node that is down, from its file if there is one.
    pub fn start(&mut self, node: usize) {
        let rng = self.rng.fork();
        let (settings, facts) = (self.settings(), self.facts(node));
        let cluster = match self.nodes[node].file.as_slice() {
            [] => Cluster::new(rng, settings, facts),
            file => Cluster::load(file, rng, settings, facts).expect("what was saved loads"),
        };
        self.nodes[node].run += 1;
        self.nodes[node].follows = None;
        self.nodes[node].cluster = Some(cluster);
        let run = self.nodes[node].run;
        let first_ms = self.now_ms + self.rng.below(100) as i64;
        self.schedule(first_ms, Event::Cron { node, run });
        self.settle(node);
    }

    /// Stops a node at once; what it did not save is lost.
    pub fn crash(&mut self, node: usize) {
        // Now and then its machine loses power, and what was saved without fsync is lost as well.
        if self.crash_rate > 0 && self.rng.below(3) == 0 && !self.nodes[node].durable.is_empty() {
            self.nodes[node].file = self.nodes[node].durable.clone();
        }
        self.nodes[node].cluster = None;
        self.nodes[node].follows = None;
        for (_, conn) in std::mem::take(&mut self.nodes[node].conns) {
            self.hang_up(conn, node);
        }
    }

    pub fn is_up(&self, node: usize) -> bool {
        self.nodes[node].cluster.is_some()
    }

    pub fn cluster(&self, node: usize) -> &Cluster {
        self.nodes[node].cluster.as_ref().expect("the node is up")
    }

    /// Nodes that are up.
    pub fn up(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|node| self.is_up(*node))
            .collect()
    }

    /// Does something with a node, as a command would, and what follows from it.
    pub fn with<T>(&mut self, node: usize, act: impl FnOnce(&mut Cluster, Facts) -> T) -> T {
        let facts = self.facts(node);
        let cluster = self.nodes[node].cluster.as_mut().expect("the node is up");
        let result = act(cluster, facts);
        self.settle(node);
        result
    }

    /// Whether two nodes reach each other.
    pub fn reach(&self, first: usize, second: usize) -> bool {
        let pair = (first.min(second), first.max(second));
        self.sides[first] == self.sides[second] && !self.cut.contains(&pair)
    }

    /// Closes a connection at random.
    pub fn break_link(&mut self) {
        let open: Vec<usize> = (0..self.conns.len())
            .filter(|at| self.conns[*at].is_some())
            .collect();
        if !open.is_empty() {
            let conn = open[self.rng.below(open.len() as u64) as usize];
            let ends = self.conns[conn].as_ref().map(|conn| conn.ends);
            for end in ends.into_iter().flatten().flatten() {
                self.nodes[end.node].conns.remove(&end.link);
                self.tell_closed(end);
            }
            self.drop_conn(conn);
        }
    }

    /// Runs for a time.
    pub fn run(&mut self, ms: i64) {
        let end_ms = self.now_ms + ms;
        while let Some(Reverse((at_ms, _, _))) = self.events.peek() {
            if *at_ms > end_ms {
                break;
            }
            if let Some(Reverse((at_ms, _, event))) = self.events.pop() {
                self.now_ms = at_ms;
                self.handle(event);
            }
        }
        self.now_ms = end_ms;
    }

    /// Runs until a condition holds, at most for a time; whether it does.
    pub fn run_until(&mut self, ms: i64, mut done: impl FnMut(&World) -> bool) -> bool {
        let end_ms = self.now_ms + ms;
        while self.now_ms < end_ms {
            if done(self) {
                return true;
            }
            self.run(100);
        }
        done(self)
    }

    fn schedule(&mut self, at_ms: i64, event: Event) {
        self.sequence += 1;
        self.events.push(Reverse((at_ms, self.sequence, event)));
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Cron { node, run } => self.cron(node, run),
            Event::Open { conn } => self.open(conn),
            Event::Pump { conn, direction } => self.pump(conn, direction),
        }
    }

    fn cron(&mut self, node: usize, run: u64) {
        if !self.is_up(node) || self.nodes[node].run != run {
            return;
        }
        self.replicate(node);
        self.with(node, Cluster::cron);
        self.schedule(self.now_ms + 100, Event::Cron { node, run });
    }

    /// A primary gets writes, unless clients are paused; a replica gets what its primary has.
    fn replicate(&mut self, node: usize) {
        let now_ms = self.now_ms;
        let Some(primary) = self.nodes[node].follows else {
            self.nodes[node].synced_ms = now_ms;
            if self.nodes[node].paused_ms <= now_ms {
                self.nodes[node].offset += self.rng.below(3) as i64;
            }
            return;
        };
        if self.is_up(primary) && self.reach(primary, node) {
            self.nodes[node].offset = self.nodes[primary].offset;
            self.nodes[node].synced_ms = now_ms;
        }
    }

    /// Ends a turn of a node's loop: what it wants is done.
    fn settle(&mut self, node: usize) {
        let facts = self.facts(node);
        let Some(cluster) = self.nodes[node].cluster.as_mut() else {
            return;
        };
        cluster.before_sleep(facts);
        let pause = cluster.take_pause();
        let actions: Vec<Action> = std::iter::from_fn(|| cluster.next_action()).collect();
        match pause {
            Some(Pause::Until(until_ms)) => self.nodes[node].paused_ms = until_ms,
            Some(Pause::End) => self.nodes[node].paused_ms = 0,
            None => {}
        }
        for action in actions {
            if self.crash_rate > 0 && self.rng.below(self.crash_rate) == 0 {
                self.crash(node);
                return;
            }
            self.act(node, action);
        }
    }

    fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Save { fsync } => {
                self.nodes[node].file = self.cluster(node).encode();
                if fsync {
                    self.nodes[node].durable = self.nodes[node].file.clone();
                }
                self.nodes[node].saves += 1;
            }
            Action::Connect { link, ip, port, .. } => self.connect(node, link, &ip, port),
            Action::Send { link, packet } => {
                if packet[12..14] == Kind::AuthAck.number().to_be_bytes() {
                    let decoded = decode(&packet).expect("what is sent can be read");
                    let vote = (node, decoded.header.epoch);
                    *self.votes.entry(vote).or_default() += 1;
                }
                self.send(node, link, Item::Packet(packet));
            }
            Action::Close { link } => {
                if let Some(conn) = self.nodes[node].conns.remove(&link) {
                    self.hang_up(conn, node);
                }
            }
            Action::Replicate { ip, port } => {
                self.nodes[node].follows = self.by_ip(&ip, port).filter(|other| *other != node);
            }
            Action::BecomePrimary => {
                self.nodes[node].follows = None;
                self.won += 1;
            }
            Action::FlushAll | Action::SlotsLeft { .. } => {}
            Action::Publish { message, .. } => self.nodes[node].messages.push(message),
            Action::DropKeys { slots } => self.nodes[node].dropped += u64::from(slots.len()),
            Action::Log { text, .. } => {
                if let Some(log) = &mut self.log {
                    let at_ms = self.now_ms - START_MS;
                    log.push(format!("{at_ms:>8} node {node}: {text}"));
                }
            }
        }
    }

    fn delay(&mut self) -> i64 {
        1 + self.rng.below(self.delay_ms.max(1)) as i64
    }

    fn connect(&mut self, node: usize, link: LinkId, ip: &str, port: u16) {
        let peer = self.by_ip(ip, port).unwrap_or(node);
        let run = self.nodes[node].run;
        let conn = Conn {
            ends: [Some(End { node, run, link }), None],
            nodes: [node, peer],
            queues: [VecDeque::new(), VecDeque::new()],
            pumping: [false, false],
        };
        // A place is never used again: events for a connection that is gone must not reach another.
        let id = self.conns.len();
        self.conns.push(Some(conn));
        self.nodes[node].conns.insert(link, id);
        let spread_ms = self.rng.below(self.connect_ms + 1) as i64;
        let at_ms = self.now_ms + self.delay() + spread_ms;
        self.schedule(at_ms, Event::Open { conn: id });
    }

    /// A connection request arrives.
    fn open(&mut self, id: usize) {
        let Some(conn) = self.conns[id].as_ref() else {
            return;
        };
        let [from, to] = conn.nodes;
        if !self.reach(from, to) {
            // Tried again, as TCP does.
            self.schedule(self.now_ms + 500, Event::Open { conn: id });
            return;
        }
        if !self.is_up(to) {
            self.push(id, 1, Item::Refused);
            return;
        }
        let (peer, own) = (World::ip(from), World::ip(to));
        let facts = self.facts(to);
        let cluster = self.nodes[to].cluster.as_mut().expect("the node is up");
        let link = cluster.accepted(&peer, 40_000, &own, facts);
        let run = self.nodes[to].run;
        self.nodes[to].conns.insert(link, id);
        if let Some(conn) = self.conns[id].as_mut() {
            conn.ends[1] = Some(End {
                node: to,
                run,
                link,
            });
        }
        self.push(id, 1, Item::Connected);
        self.start_pump(id, 0);
    }

    fn send(&mut self, node: usize, link: LinkId, item: Item) {
        if let Some(&id) = self.nodes[node].conns.get(&link)
            && let Some(conn) = &self.conns[id]
        {
            let first = conn.ends[0].is_some_and(|end| end.node == node && end.link == link);
            self.push(id, usize::from(!first), item);
        }
    }

    /// Queues something that travels over a connection.
    fn push(&mut self, id: usize, direction: usize, item: Item) {
        if let Some(conn) = self.conns[id].as_mut() {
            conn.queues[direction].push_back(item);
            // What is sent before the connection is open waits.
            if direction == 1 || conn.ends[1].is_some() {
                self.start_pump(id, direction);
            }
        }
    }

    fn start_pump(&mut self, id: usize, direction: usize) {
        let at_ms = self.now_ms + self.delay();
        if let Some(conn) = self.conns[id].as_mut()
            && !conn.pumping[direction]
            && !conn.queues[direction].is_empty()
        {
            conn.pumping[direction] = true;
            self.schedule(
                at_ms,
                Event::Pump {
                    conn: id,
                    direction,
                },
            );
        }
    }

    /// Delivers what is first in a queue.
    fn pump(&mut self, id: usize, direction: usize) {
        let Some([from, to]) = self.conns[id].as_ref().map(|conn| conn.nodes) else {
            return;
        };
        if !self.reach(from, to) {
            let event = Event::Pump {
                conn: id,
                direction,
            };
            self.schedule(self.now_ms + 200, event);
            return;
        }
        let Some(conn) = self.conns[id].as_mut() else {
            return;
        };
        conn.pumping[direction] = false;
        let end = conn.ends[1 - direction];
        let Some(item) = conn.queues[direction].pop_front() else {
            return;
        };
        self.start_pump(id, direction);
        let Some(end) = end else { return };
        match item {
            Item::Closed | Item::Refused => {
                self.drop_conn(id);
                self.nodes[end.node].conns.remove(&end.link);
                if matches!(item, Item::Closed) {
                    self.tell_closed(end);
                } else if self.runs(end) {
                    let facts = self.facts(end.node);
                    if let Some(cluster) = self.nodes[end.node].cluster.as_mut() {
                        cluster.failed(end.link, "Connection refused", facts);
                    }
                    self.settle(end.node);
                }
            }
            Item::Connected if self.runs(end) => {
                let own = World::ip(end.node);
                self.with(end.node, |cluster, facts| {
                    cluster.connected(end.link, &own, facts);
                });
            }
            Item::Packet(packet) if self.runs(end) => {
                self.delivered += 1;
                // In two parts now and then.
                let cut = match self.rng.below(8) {
                    0 => self.rng.below(packet.len() as u64) as usize,
                    _ => packet.len(),
                };
                let (first, second) = packet.split_at(cut);
                self.with(end.node, |cluster, facts| {
                    cluster.received(end.link, first, facts);
                    cluster.received(end.link, second, facts);
                });
            }
            Item::Connected | Item::Packet(_) => {}
        }
    }

    /// Whether the node of an end is up and has not been restarted.
    fn runs(&self, end: End) -> bool {
        self.is_up(end.node) && self.nodes[end.node].run == end.run
    }

    fn tell_closed(&mut self, end: End) {
        if self.runs(end) {
            self.with(end.node, |cluster, facts| cluster.closed(end.link, facts));
        }
    }

    /// A node closes its side of a connection; the other side learns it in time.
    fn hang_up(&mut self, id: usize, node: usize) {
        let Some(conn) = self.conns[id].as_mut() else {
            return;
        };
        let mine = conn
            .ends
            .iter()
            .position(|end| end.is_some_and(|end| end.node == node));
        let Some(mine) = mine else { return };
        conn.ends[mine] = None;
        conn.queues[1 - mine].clear();
        match conn.ends[1 - mine] {
            Some(_) => self.push(id, mine, Item::Closed),
            None => self.drop_conn(id),
        }
    }

    fn drop_conn(&mut self, id: usize) {
        self.conns[id] = None;
    }
}
