//! Freeing values: small ones at once, big ones on the background thread.

use data::value::aggregate::Aggregate;
use data::value::entry::{Entry, Old};

use crate::server::Server;

/// Values of this size and more are freed on the background thread, in bytes.
const BIG: usize = 64 * 1024;
/// So are values with more elements than this, as in Redis.
const MANY: usize = 64;

/// Frees a deleted entry; `lazy` allows the background thread.
pub fn free_entry(srv: &Server, entry: Entry, lazy: bool) {
    let view = entry.view();
    let big = match view.aggregate() {
        Some(aggregate) => aggregate.len() > MANY,
        None => view.memory(0) >= BIG,
    };
    if lazy && big {
        srv.background.free(Box::new(entry), 1);
    }
}

/// Frees a value that was replaced.
#[inline]
pub fn free_old(srv: &Server, old: Option<Old>) {
    let lazy = srv.config.lazyfree_lazy_server_del;
    match old {
        Some(Old::Buffer(buffer)) if lazy && buffer.len() >= BIG => {
            srv.background.free(Box::new(buffer), 1);
        }
        Some(Old::Aggregate(aggregate)) => free_aggregate(srv, aggregate, lazy),
        _ => {}
    }
}

/// Frees a value that was removed from its key.
pub fn free_aggregate(srv: &Server, aggregate: Aggregate, lazy: bool) {
    if lazy && aggregate.view().len() > MANY {
        srv.background.free(Box::new(aggregate), 1);
    }
}
