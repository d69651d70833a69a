//! Whether the cluster serves clients (`cluster_state`), and its size.

use slot::SLOTS;

use crate::action::Level;
use crate::node::Flags;
use crate::state::{Cluster, Health, Todo};

/// How long a primary is closed to clients after the start, so that the cluster can tell it what has changed.
const WRITABLE_DELAY_MS: i64 = 2000;

/// Limits of how long a primary that was among a minority stays closed when it is back: the node timeout between these.
const REJOIN_DELAY_MS: (i64, i64) = (500, 5000);

/// Works out the state.
pub(crate) fn update(c: &mut Cluster) {
    c.todo -= Todo::STATE;
    let now_ms = c.now_ms();
    let first_ms = *c.health_times.first_ms.get_or_insert(now_ms);
    let primary = c.me().is_primary();
    if primary && c.health == Health::Fail && now_ms - first_ms < WRITABLE_DELAY_MS {
        return;
    }
    let mut health = Health::Ok;
    if c.settings.require_full_coverage && !is_covered(c) {
        health = Health::Fail;
    }
    let with_slots = c.nodes.iter().map(|(_, node)| node);
    let with_slots = with_slots.filter(|node| node.is_primary() && node.slots.is_some());
    let (mut size, mut reachable) = (0, 0);
    for node in with_slots {
        size += 1;
        reachable += usize::from(!node.is(Flags::FAIL | Flags::PFAIL));
    }
    c.size = size;
    if reachable < c.quorum() {
        health = Health::Fail;
        c.health_times.minority_ms = now_ms;
    }
    if health == c.health {
        return;
    }
    let delay_ms = c
        .settings
        .node_timeout_ms
        .clamp(REJOIN_DELAY_MS.0, REJOIN_DELAY_MS.1);
    let closed = now_ms - c.health_times.minority_ms < delay_ms;
    if health == Health::Ok && primary && closed {
        return;
    }
    let (level, word) = match health {
        Health::Ok => (Level::Notice, "ok"),
        Health::Fail => (Level::Warning, "fail"),
    };
    c.log(level, |_| format!("Cluster state changed: {word}"));
    c.health = health;
}

/// Whether every slot has an owner that has not failed.
fn is_covered(c: &Cluster) -> bool {
    let serving = c.nodes.iter().filter(|(_, node)| !node.has_failed());
    let covered: u32 = serving.map(|(_, node)| u32::from(node.slot_count())).sum();
    covered == u32::from(SLOTS)
}
