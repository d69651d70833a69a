//! Elections: how a replica replaces its primary.
//!
//! A replica whose primary has failed waits for half a second to a second, and a second more for each replica with more
//! data. Then it takes the next epoch and asks all primaries with slots for a vote. With a majority it takes over the
//! slots, and the epoch becomes its configuration epoch. If the majority does not come in time it tries again. An
//! election ends with the role or the primary that it was about (`role`); in Redis its votes also decide the next one,
//! if that begins soon, with an old epoch.
//!
//! A primary votes once per epoch, for a replica whose primary has failed (or that performs a manual failover), and that knows
//! of no older configuration of its slots than the voter. The vote is on disk before it is sent.

use crate::action::Level;
use crate::health;
use crate::ids::NodeIx;
use crate::manual;
use crate::membership;
use crate::node::Flags;
use crate::ownership;
use crate::packet::Kind;
use crate::packet::header::Header;
use crate::role;
use crate::send::{self, Audience};
use crate::state::{Cluster, Obstacle, Todo};

/// Minimum timeout of an election.
const MIN_TIMEOUT_MS: i64 = 2000;
/// Fixed delay, in which FAIL reaches all nodes.
const DELAY_MS: i64 = 500;
/// Upper limit of the random delay.
const RANDOM_DELAY_MS: u64 = 500;
/// Delay for each replica with more data.
const RANK_DELAY_MS: i64 = 1000;
/// How often an obstacle is logged.
const LOG_PERIOD_MS: i64 = 10_000;
/// For this long after the failure, in addition to the node timeout, obstacles are not logged.
const LOG_DELAY_MS: i64 = 5000;

/// Starts an election, or continues the current one.
pub(crate) fn proceed(c: &mut Cluster) {
    c.todo -= Todo::FAILOVER;
    let now_ms = c.now_ms();
    let age_ms = now_ms - c.election.start_ms;
    let timeout_ms = c
        .settings
        .node_timeout_ms
        .saturating_mul(2)
        .max(MIN_TIMEOUT_MS);
    let is_manual = c.manual.end_ms != 0 && c.manual.can_start;
    if !has_reason(c, is_manual) {
        c.election.obstacle = Obstacle::None;
        return;
    }
    if !is_manual && is_data_old(c) {
        note_obstacle(c, Obstacle::DataAge);
        return;
    }
    if age_ms > timeout_ms.saturating_mul(2) {
        schedule(c);
        return;
    }
    if !c.election.asked && c.manual.end_ms == 0 {
        update_rank(c);
    }
    if now_ms < c.election.start_ms {
        note_obstacle(c, Obstacle::WaitingDelay);
    } else if age_ms > timeout_ms {
        note_obstacle(c, Obstacle::Expired);
    } else if !c.election.asked {
        ask(c);
    } else if c.election.votes >= c.quorum() {
        win(c);
    } else {
        note_obstacle(c, Obstacle::WaitingVotes);
    }
}

/// Whether this node is a replica whose primary has slots and has failed, or a manual failover can start.
fn has_reason(c: &Cluster, is_manual: bool) -> bool {
    let Some(primary) = c.my_primary().filter(|_| c.me().is_replica()) else {
        return false;
    };
    let primary = &c.nodes[primary];
    let automatic = primary.has_failed() && !c.settings.no_failover;
    (automatic || is_manual) && primary.slots.is_some()
}

/// Whether the data set is older than `cluster-replica-validity-factor` allows. That the primary did not answer for the node
/// timeout before it was marked as failed does not count.
fn is_data_old(c: &Cluster) -> bool {
    let settings = &c.settings;
    if settings.validity_factor == 0 {
        return false;
    }
    let mut age_ms = c.facts.data_age_ms;
    if age_ms > settings.node_timeout_ms {
        age_ms -= settings.node_timeout_ms;
    }
    let allowed_ms = settings
        .node_timeout_ms
        .saturating_mul(settings.validity_factor);
    let allowed_ms = allowed_ms.saturating_add(settings.replication_ping_s.saturating_mul(1000));
    age_ms > allowed_ms
}

fn schedule(c: &mut Cluster) {
    let now_ms = c.now_ms();
    let rank = rank(c);
    let random_ms = c.rng.below(RANDOM_DELAY_MS) as i64;
    let delay_ms = DELAY_MS + random_ms + rank as i64 * RANK_DELAY_MS;
    c.election.start_ms = now_ms + delay_ms;
    c.election.rank = rank;
    c.election.votes = 0;
    c.election.asked = false;
    if c.manual.end_ms != 0 {
        c.election.start_ms = now_ms;
        c.election.rank = 0;
        c.later(Todo::FAILOVER);
    }
    c.log(Level::Notice, |c| {
        format!(
            "Start of election delayed for {} milliseconds (rank #{}, offset {}).",
            c.election.start_ms - now_ms,
            c.election.rank,
            c.facts.offset
        )
    });
    // The other replicas learn this one's offset, and increase their delay if it is higher.
    send::broadcast_pong(c, Audience::Replicas);
}

/// Number of other replicas of the same primary that have more data and take part.
fn rank(c: &Cluster) -> usize {
    let Some(primary) = c.my_primary() else {
        return 0;
    };
    let others = c.nodes[primary]
        .replicas
        .iter()
        .filter(|ix| **ix != c.myself);
    let nodes = others.map(|ix| &c.nodes[*ix]);
    let ahead = nodes.filter(|node| !node.is(Flags::NOFAILOVER) && node.offset > c.facts.offset);
    ahead.count()
}

fn update_rank(c: &mut Cluster) {
    let rank = rank(c);
    if rank <= c.election.rank {
        return;
    }
    let added_ms = (rank - c.election.rank) as i64 * RANK_DELAY_MS;
    c.election.start_ms += added_ms;
    c.election.rank = rank;
    c.log(Level::Notice, |_| {
        format!("Replica rank updated to #{rank}, added {added_ms} milliseconds of delay.")
    });
}

fn ask(c: &mut Cluster) {
    c.epoch = c.epoch.saturating_add(1);
    c.election.epoch = c.epoch;
    c.election.asked = true;
    let epoch = c.epoch;
    c.log(Level::Notice, |_| {
        format!("Starting a failover election for epoch {epoch}.")
    });
    send::auth_request(c);
    c.later(Todo::SAVE | Todo::STATE | Todo::FSYNC);
}

fn win(c: &mut Cluster) {
    c.log(Level::Notice, |_| {
        "Failover election won: I'm the new master.".to_owned()
    });
    let epoch = c.election.epoch;
    if c.me().config_epoch < epoch {
        c.me_mut().config_epoch = epoch;
        c.log(Level::Notice, |_| {
            format!("configEpoch set to {epoch} after successful failover")
        });
    }
    replace_primary(c);
}

/// Makes this node the primary of its primary's slots. It has its new epoch already.
pub(crate) fn replace_primary(c: &mut Cluster) {
    let Some(old) = c.my_primary().filter(|_| c.me().is_replica()) else {
        return;
    };
    role::become_primary(c);
    let slots = c.nodes[old].slots.clone().unwrap_or_default();
    for slot in slots.iter() {
        membership::unassign(c, slot);
        membership::assign(c, slot, c.myself);
    }
    health::update(c);
    c.emit_save(true);
    send::broadcast_pong(c, Audience::All);
    manual::reset(c);
}

/// A primary with slots voted for this node.
pub(crate) fn count_vote(c: &mut Cluster, epoch: u64) {
    if epoch >= c.election.epoch {
        c.election.votes += 1;
        c.later(Todo::FAILOVER);
    }
}

/// Logs an obstacle if it is new, or has been there for some time.
fn note_obstacle(c: &mut Cluster, obstacle: Obstacle) {
    let now_ms = c.now_ms();
    if obstacle == c.election.obstacle && now_ms - c.election.logged_ms < LOG_PERIOD_MS {
        return;
    }
    c.election.obstacle = obstacle;
    let quiet_ms = c.settings.node_timeout_ms.saturating_add(LOG_DELAY_MS);
    let primary = c.my_primary().map(|ix| &c.nodes[ix]);
    if primary.is_some_and(|node| node.has_failed() && now_ms - node.fail_ms < quiet_ms) {
        return;
    }
    c.election.logged_ms = now_ms;
    let reason = match obstacle {
        Obstacle::DataAge => {
            "Disconnected from master for longer than allowed. Please check the 'cluster-replica-validity-factor' configuration option."
        }
        Obstacle::WaitingDelay => "Waiting the delay before I can start a new failover.",
        Obstacle::Expired => "Failover attempt expired.",
        Obstacle::WaitingVotes => "Waiting for votes, but majority still not reached.",
        Obstacle::None => "Unknown reason code.",
    };
    c.log(Level::Notice, |_| {
        format!("Currently unable to failover: {reason}")
    });
    if matches!(obstacle, Obstacle::WaitingVotes | Obstacle::Expired) {
        let (quorum, votes) = (c.quorum(), c.election.votes);
        c.log(Level::Notice, |_| {
            format!("Needed quorum: {quorum}. Number of votes received so far: {votes}")
        });
    }
}

/// A replica asks for a vote.
pub(crate) fn vote(c: &mut Cluster, ix: NodeIx, request: &Header<'_>) {
    if c.me().is_replica() || c.me().slots.is_none() {
        return;
    }
    if let Err(reason) = may_vote(c, ix, request) {
        c.log(Level::Warning, |c| {
            format!("Failover auth denied to {}: {reason}", c.shown(ix))
        });
        return;
    }
    let now_ms = c.now_ms();
    c.last_vote_epoch = c.epoch;
    if let Some(primary) = c.nodes[ix].primary {
        c.nodes[primary].voted_ms = now_ms;
    }
    c.later(Todo::SAVE | Todo::FSYNC);
    send::empty(c, ix, Kind::AuthAck);
    c.log(Level::Notice, |c| {
        format!(
            "Failover auth granted to {} for epoch {}",
            c.shown(ix),
            c.epoch
        )
    });
}

/// Why a replica gets no vote.
fn may_vote(c: &Cluster, ix: NodeIx, request: &Header<'_>) -> Result<(), String> {
    let (asked, current) = (request.epoch, c.epoch);
    if asked < current {
        return Err(format!("reqEpoch ({asked}) < curEpoch({current})"));
    }
    if c.last_vote_epoch == current {
        return Err(format!("already voted for epoch {current}"));
    }
    let node = &c.nodes[ix];
    if node.is_primary() {
        return Err("it is a master node".to_owned());
    }
    let Some(primary) = node.primary else {
        return Err("I don't know its master".to_owned());
    };
    let primary = &c.nodes[primary];
    if !primary.has_failed() && !request.force_ack {
        return Err("its master is up".to_owned());
    }
    let period_ms = c.settings.node_timeout_ms.saturating_mul(2);
    let since_ms = c.now_ms() - primary.voted_ms;
    if since_ms < period_ms {
        let left_ms = period_ms - since_ms;
        return Err(format!(
            "can't vote about this master before {left_ms} milliseconds"
        ));
    }
    let epoch = request.config_epoch;
    if let Some((slot, newer)) = ownership::newer_epoch(c, epoch, &request.slots) {
        return Err(format!("slot {slot} epoch ({newer}) > reqEpoch ({epoch})"));
    }
    Ok(())
}
