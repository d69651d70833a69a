//! Deleting an expired key, found by a command or by active expiry.

use crate::feed::propagate::deletion;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::free::free_entry;
use crate::server::Server;
use crate::state::latency;

/// Whether a key with this expiry time is to be deleted at once. On a replica it is not: the primary deletes it. Nor is it
/// while the append-only file is loaded: a later command of the file may need it.
pub fn is_past(srv: &Server, at_ms: i64, now_ms: i64) -> bool {
    at_ms <= now_ms && !srv.replication.is_replica() && !srv.unit.running.obeyed
}

/// Deletes an expired key.
pub fn delete_expired(srv: &mut Server, db: usize, key: &[u8]) {
    let started = srv.latency_clock();
    let Some(entry) = srv.keys.dbs[db].db.remove(key) else {
        return;
    };
    let lazy = srv.config.lazyfree_lazy_expire;
    free_entry(srv, entry, lazy);
    srv.stats.expired_keys += 1;
    key_changed(srv, db, key, 0, Event::Expired);
    deletion(srv, db, key, lazy);
    srv.note_latency_since(latency::Event::ExpireDel, started);
}
