//! Failure detection.
//!
//! ```text
//!          no answer within the node timeout (cron)          a majority reports it, or FAIL comes
//!   up ───────────────────────────────────────────► PFAIL ─────────────────────────────────────► FAIL
//!   ▲                a PONG (receive)                 │                                            │
//!   ├─────────────────────────────────────────────────┘                                            │
//!   └──────────────── a PONG, if it is a replica or nobody took its slots (clear) ─────────────────┘
//! ```
//!
//! Primaries report by gossip which nodes they suspect or consider failed. This is not a consensus; it does not need to be, as
//! the following election requires a majority.

use crate::action::Level;
use crate::ids::NodeIx;
use crate::node::{Flags, Report};
use crate::send;
use crate::state::{Cluster, Todo};

/// How long a report counts, in node timeouts.
const REPORT_TIMEOUTS: i64 = 2;

/// Node timeouts after which FAIL is cleared for a primary that is reachable again and was not replaced.
const UNDO_TIMEOUTS: i64 = 2;

/// Number of other primaries with a valid failure report about a node.
pub(crate) fn count_reports(c: &mut Cluster, ix: NodeIx) -> usize {
    let valid_ms = c.settings.node_timeout_ms.saturating_mul(REPORT_TIMEOUTS);
    let now_ms = c.now_ms();
    let reports = &mut c.nodes[ix].reports;
    reports.retain(|report| now_ms - report.at_ms <= valid_ms);
    reports.len()
}

/// A primary reports that a node does not answer.
pub(crate) fn add_report(c: &mut Cluster, about: NodeIx, from: NodeIx) {
    let at_ms = c.now_ms();
    c.nodes[from].has_reported = true;
    let reports = &mut c.nodes[about].reports;
    match reports.iter_mut().find(|report| report.from == from) {
        Some(report) => report.at_ms = at_ms,
        None => {
            reports.push(Report { from, at_ms });
            c.log(Level::Verbose, |c| {
                let (from, about) = (c.shown(from), c.shown(about));
                format!("Node {from} reported node {about} as not reachable.")
            });
        }
    }
    mark_if_agreed(c, about);
}

/// A primary reports that a node answers.
pub(crate) fn remove_report(c: &mut Cluster, about: NodeIx, from: NodeIx) {
    let reports = &mut c.nodes[about].reports;
    let Some(at) = reports.iter().position(|report| report.from == from) else {
        return;
    };
    reports.remove(at);
    c.log(Level::Verbose, |c| {
        let (from, about) = (c.shown(from), c.shown(about));
        format!("Node {from} reported node {about} is back online.")
    });
}

/// Marks a suspected node as failed if a majority of primaries reported it, and broadcasts FAIL.
pub(crate) fn mark_if_agreed(c: &mut Cluster, ix: NodeIx) {
    let node = &c.nodes[ix];
    if !node.is(Flags::PFAIL) || node.has_failed() {
        return;
    }
    let agreed = count_reports(c, ix) + usize::from(c.me().is_primary());
    if agreed < c.quorum() {
        return;
    }
    c.log(Level::Notice, |c| {
        format!("Marking node {} as failing (quorum reached).", c.shown(ix))
    });
    mark(c, ix);
    send::fail(c, ix);
}

/// Marks a node as failed.
pub(crate) fn mark(c: &mut Cluster, ix: NodeIx) {
    let now_ms = c.now_ms();
    let node = &mut c.nodes[ix];
    node.flags -= Flags::PFAIL;
    node.flags |= Flags::FAIL;
    node.fail_ms = now_ms;
    c.later(Todo::STATE | Todo::SAVE);
}

/// A failed node has answered: clears FAIL unless a replica may be about to replace it.
pub(crate) fn clear(c: &mut Cluster, ix: NodeIx) {
    let node = &c.nodes[ix];
    let undo_ms = c.settings.node_timeout_ms.saturating_mul(UNDO_TIMEOUTS);
    let reason = if node.is_replica() {
        ":replica is reachable again."
    } else if node.slots.is_none() {
        ":master without slots is reachable again."
    } else if node.is_primary() && c.now_ms() - node.fail_ms > undo_ms {
        ": is reachable again and nobody is serving its slots after some time."
    } else {
        return;
    };
    c.log(Level::Notice, |c| {
        format!("Clear FAIL state for node {}{reason}", c.shown(ix))
    });
    c.nodes[ix].flags -= Flags::FAIL;
    c.later(Todo::STATE | Todo::SAVE);
}
