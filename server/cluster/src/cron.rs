//! What happens every 100 ms.

use crate::state::Cluster;

/// One run.
pub(crate) fn run(c: &mut Cluster) {
    c.cron_runs += 1;
}
