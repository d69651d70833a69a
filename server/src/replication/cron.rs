//! Replication's step of cron, once a second.

use crate::replication::primary;
use crate::replication::replica::connect;
use crate::server::Server;

/// Checks the link to the primary and the replicas.
pub fn replication_cron(srv: &mut Server) {
    connect::cron(srv);
    primary::cron::cron(srv);
}
