//! Freeing what keys held: here when it is small, on the background thread when it is big.

use data::value::db::Old;
use data::value::entry::Entry;

use crate::server::Server;

/// A value of this size is worth a trip to the background thread, in bytes.
const BIG: usize = 64 * 1024;

/// Frees an entry that was taken out; `lazy` allows the background thread.
pub fn free_entry(srv: &Server, entry: Entry, lazy: bool) {
    if lazy && entry.view().memory() >= BIG {
        srv.background.free(Box::new(entry), 1);
    }
}

/// Frees what a value replaced.
#[inline]
pub fn free_old(srv: &Server, old: Option<Old>) {
    if let Some(Old::Buffer(buffer)) = old
        && buffer.len() >= BIG
        && srv.config.lazyfree_lazy_server_del
    {
        srv.background.free(Box::new(buffer), 1);
    }
}
