//! Failure detection.
//!
//! A node that does not answer within the node timeout is suspected (PFAIL). Primaries tell each other whom they suspect;
//! when a majority of those with slots has done so lately, the node has failed (FAIL), and whoever notices tells all. This is
//! no consensus: it only has to hold while an election is decided, which is by a majority.

use crate::nodes::NodeIx;
use crate::state::Cluster;

/// How long a report counts, in node timeouts.
const REPORT_TIMEOUTS: i64 = 2;

/// Number of primaries that lately reported a node, without this one.
pub(crate) fn count_reports(c: &mut Cluster, ix: NodeIx) -> usize {
    let valid_ms = c.settings.node_timeout_ms.saturating_mul(REPORT_TIMEOUTS);
    let now_ms = c.now_ms();
    let reports = &mut c.nodes[ix].reports;
    reports.retain(|report| now_ms - report.at_ms <= valid_ms);
    reports.len()
}
