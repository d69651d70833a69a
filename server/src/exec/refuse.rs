//! Error replies, and counting them.

use crate::server::Server;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Replies with an error instead of a result.
pub fn refuse(srv: &mut Server, reply: &mut Reply, fault: &Fault) {
    srv.stats.count_error(fault.code());
    reply.fault(fault);
}
