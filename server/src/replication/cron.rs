//! The clockwork's step for replication, once a second.

use crate::replication::primary;
use crate::replication::replica::connect;
use crate::server::Server;

/// Looks at the link to the primary, and at replicas.
pub fn replication_cron(srv: &mut Server) {
    connect::cron(srv);
    primary::cron::cron(srv);
}
