//! Freeing values: small ones at once, big ones on the background thread.

use data::value::aggregate::Aggregate;
use data::value::entry::{Entry, EntryRef, Old};

use crate::server::Server;

/// Values of this size and more are freed on the background thread, in bytes.
const BIG: usize = 64 * 1024;
/// So are values with more elements than this, as in Redis.
const MANY: usize = 64;

/// Elements from which the memory of an evicted value is estimated.
const SAMPLES: usize = 5;

/// Frees a deleted entry; `lazy` allows the background thread.
pub fn free_entry(srv: &Server, entry: Entry, lazy: bool) {
    if lazy && is_big(entry.view()) {
        srv.background.free(Box::new(entry), 1);
    }
}

/// As [`free_entry`], for an evicted key. Returns how many bytes the background thread will free.
pub fn free_evicted(srv: &Server, entry: Entry, lazy: bool) -> usize {
    if !lazy || !is_big(entry.view()) {
        return 0;
    }
    let bytes = entry.view().memory(SAMPLES);
    srv.background.free_evicted(Box::new(entry), bytes);
    bytes
}

/// Whether freeing an entry may take long.
fn is_big(entry: EntryRef<'_>) -> bool {
    match entry.aggregate() {
        Some(aggregate) => aggregate.len() > MANY,
        None => entry.memory(0) >= BIG,
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
