//! The step of cron, every 100 ms: links, pings, failure detection, failover.

use crate::action::{Action, Level};
use crate::election;
use crate::failure;
use crate::health;
use crate::ids::NodeIx;
use crate::links::Link;
use crate::manual;
use crate::membership;
use crate::migration;
use crate::node::Flags;
use crate::ownership;
use crate::packet::Kind;
use crate::role;
use crate::send;
use crate::state::{Cluster, Health};

/// Runs between two pings of the node that has not answered for longest: one per second.
const PING_RUNS: u64 = 10;
/// Number of nodes, chosen at random, that it is selected from.
const PING_CHOICE: usize = 5;
/// Least time for a handshake; otherwise it is the node timeout.
const MIN_HANDSHAKE_MS: i64 = 1000;

/// Connections begun per run. A TLS connection costs tenths of a millisecond and tens of KB until it has failed, and gossip may
/// bring any number of nodes that do not exist.
pub const MAX_CONNECTS: usize = 200;
/// Connections that have begun and are not complete, so that nodes that do not answer leave descriptors for clients.
pub const MAX_CONNECTING: usize = 1000;

/// One run.
pub(crate) fn run(c: &mut Cluster) {
    c.cron_runs += 1;
    c.pfail_nodes = 0;
    reconnect(c);
    if c.cron_runs.is_multiple_of(PING_RUNS) {
        ping_one(c);
    }
    let mut orphans = Orphans::default();
    let mut suspected = false;
    for ix in c.nodes.list().to_vec() {
        let skipped = Flags::MYSELF | Flags::NOADDR | Flags::HANDSHAKE;
        if !c.nodes[ix].is(skipped) {
            orphans.count(c, ix);
            suspected |= watch(c, ix);
        }
    }
    manual::check_timeout(c);
    if c.me().is_replica() {
        ownership::leave_chain(c);
        follow_primary(c);
        manual::proceed(c);
        election::proceed(c);
        let wanted = orphans.primaries > 0 && orphans.most >= 2 && orphans.mine == orphans.most;
        // An election that was just won makes this node a primary.
        if wanted && c.settings.allow_replica_migration && c.me().is_replica() {
            migration::proceed(c, orphans.most);
        }
    }
    if suspected || c.health == Health::Fail {
        health::update(c);
    }
}

/// Counts suspects, ends handshakes that take too long, and connects to nodes without a link: as many as may be, the others in
/// the next runs.
fn reconnect(c: &mut Cluster) {
    let nodes = c.nodes.list().to_vec();
    let outgoing = c.links.iter().filter(|(_, link)| !link.inbound);
    let connecting = outgoing.filter(|(_, link)| !link.is_connected).count();
    let mut left = MAX_CONNECTS.min(MAX_CONNECTING.saturating_sub(connecting));
    let first = c.connect_from % nodes.len();
    c.connect_from = 0;
    let mut is_missed = false;
    for place in (first..nodes.len()).chain(0..first) {
        let ix = nodes[place];
        if !lacks_link(c, ix) {
            continue;
        }
        if left > 0 {
            left -= 1;
            connect(c, ix);
        } else if !is_missed {
            is_missed = true;
            c.connect_from = place;
        }
    }
}

/// Counts a suspect, ends a handshake that takes too long; whether the node is there and a link to it is not.
fn lacks_link(c: &mut Cluster, ix: NodeIx) -> bool {
    let node = &c.nodes[ix];
    if node.is(Flags::MYSELF | Flags::NOADDR) {
        return false;
    }
    c.pfail_nodes += usize::from(node.is(Flags::PFAIL));
    let handshake_ms = c.settings.node_timeout_ms.max(MIN_HANDSHAKE_MS);
    let node = &c.nodes[ix];
    if node.is(Flags::HANDSHAKE) && c.now_ms() - node.created_ms > handshake_ms {
        membership::delete_node(c, ix);
        return false;
    }
    node.link.is_none()
}

fn connect(c: &mut Cluster, ix: NodeIx) {
    let created_ms = c.now_ms();
    let node = &c.nodes[ix];
    let (ip, port) = (node.ip.to_string(), node.bus_port);
    let hostname = node.hostname.to_string();
    let link = c.links.insert(Link {
        node: Some(ix),
        inbound: false,
        is_connected: false,
        created_ms,
        peer_ip: node.ip.clone(),
        peer_port: node.bus_port,
        local_ip: Box::default(),
        input: Vec::new(),
        queued: 0,
    });
    c.nodes[ix].link = Some(link);
    c.emit(Action::Connect {
        link,
        ip,
        port,
        hostname,
    });
}

/// Pings the node that has not answered for longest, of some chosen at random.
fn ping_one(c: &mut Cluster) {
    let mut oldest: Option<(i64, NodeIx)> = None;
    for _ in 0..PING_CHOICE {
        let ix = c.nodes.random(&mut c.rng);
        let node = &c.nodes[ix];
        let busy = !is_linked(c, ix) || node.ping_sent_ms != 0;
        if busy || node.is(Flags::MYSELF | Flags::HANDSHAKE) {
            continue;
        }
        if oldest.is_none_or(|(pong_ms, _)| node.pong_received_ms < pong_ms) {
            oldest = Some((node.pong_received_ms, ix));
        }
    }
    if let Some((_, ix)) = oldest {
        ping(c, ix);
    }
}

/// Whether there is a link to a node that is connected. A PING for another would be made for nothing if that fails, and
/// its gossip grows with the cluster.
fn is_linked(c: &Cluster, ix: NodeIx) -> bool {
    let link = c.nodes[ix].link.and_then(|link| c.links.get(link));
    link.is_some_and(|link| link.is_connected)
}

fn ping(c: &mut Cluster, ix: NodeIx) {
    if let Some(link) = c.nodes[ix].link {
        send::ping(c, link, Kind::Ping);
    }
}

/// What replica migration needs to know.
#[derive(Default)]
struct Orphans {
    /// Primaries with slots that are supposed to have replicas and have none that works.
    primaries: usize,
    /// Highest number of working replicas of a primary.
    most: usize,
    /// Number of those of this node's primary.
    mine: usize,
}

impl Orphans {
    fn count(&mut self, c: &Cluster, ix: NodeIx) {
        let node = &c.nodes[ix];
        if !c.me().is_replica() || !node.is_primary() || node.has_failed() {
            return;
        }
        let replicas = migration::working_replicas(c, ix);
        let orphaned = replicas == 0 && node.slots.is_some() && node.is(Flags::MIGRATE_TO);
        self.primaries += usize::from(orphaned);
        self.most = self.most.max(replicas);
        if c.my_primary() == Some(ix) {
            self.mine = replicas;
        }
    }
}

/// Pings a node when that is due, and marks it as suspected if it does not answer; true if it was marked now.
fn watch(c: &mut Cluster, ix: NodeIx) -> bool {
    let now_ms = c.now_ms();
    let timeout_ms = c.settings.node_timeout_ms;
    let node = &c.nodes[ix];
    let waiting_ms = now_ms - node.ping_sent_ms;
    let silent_ms = now_ms - node.data_received_ms;
    let is_pinged = node.ping_sent_ms != 0;
    let late = waiting_ms > timeout_ms / 2 && silent_ms > timeout_ms / 2;
    // The connection may be broken although the node is alive: another is tried, once per node timeout.
    if let Some(link) = node.link.filter(|_| is_pinged && late) {
        let created_ms = c.links.get(link).map_or(now_ms, |link| link.created_ms);
        if now_ms - created_ms > timeout_ms {
            membership::close_link(c, link);
        }
    }
    let interval_ms = match c.settings.ping_interval_ms {
        0 => timeout_ms / 2,
        interval_ms => interval_ms,
    };
    let node = &c.nodes[ix];
    let due = !is_pinged && now_ms - node.pong_received_ms > interval_ms;
    let failing_over = c.manual.end_ms != 0 && c.me().is_primary() && c.manual.replica == Some(ix);
    if node.link.is_some() && (due || failing_over) {
        if is_linked(c, ix) {
            ping(c, ix);
        } else if due {
            // The PING is sent when the link is connected. Until then the node counts as pinged, or it could never be
            // suspected.
            c.nodes[ix].ping_sent_ms = now_ms;
        }
        return false;
    }
    let suspect = is_pinged && waiting_ms.min(silent_ms) > timeout_ms;
    if !suspect || node.is(Flags::PFAIL | Flags::FAIL) {
        return false;
    }
    c.nodes[ix].flags |= Flags::PFAIL;
    if c.me().is_primary() && c.size == 1 {
        failure::mark_if_agreed(c, ix);
    } else {
        c.log(Level::Debug, |c| {
            format!("*** NODE {} possibly failing", c.nodes[ix].name)
        });
    }
    true
}

/// A replica that does not replicate yet starts to when it knows the address of its primary.
fn follow_primary(c: &mut Cluster) {
    let primary = c.my_primary().filter(|_| !c.facts.replicating);
    if let Some(ix) = primary.filter(|ix| !c.nodes[*ix].is(Flags::NOADDR)) {
        role::replicate(c, ix);
    }
}
