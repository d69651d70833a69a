//! Telling a client that it gets no result, and counting that.

use crate::server::Server;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// Answers with a fault instead of executing.
pub fn refuse(srv: &mut Server, reply: &mut Reply, fault: &Fault) {
    srv.stats.count_error(fault.code());
    reply.fault(fault);
}
