//! Freeing what keys held: here when it is small, on the background thread when it is big.

use data::value::aggregate::Aggregate;
use data::value::entry::{Entry, Old};

use crate::server::Server;

/// A value of this size is worth a trip to the background thread, in bytes.
const BIG: usize = 64 * 1024;
/// And so is a value of more elements than this, as in Redis.
const MANY: usize = 64;

/// Frees an entry that was taken out; `lazy` allows the background thread.
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

/// Frees what a value replaced.
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

/// Frees a value of many elements that was taken out of its key.
pub fn free_aggregate(srv: &Server, aggregate: Aggregate, lazy: bool) {
    if lazy && aggregate.view().len() > MANY {
        srv.background.free(Box::new(aggregate), 1);
    }
}
