//! Removing a key whose time is over, met by a command or sought out.

use crate::feed::propagate::deletion;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::free::free_entry;
use crate::server::Server;

/// Removes a key whose time is over.
pub fn delete_expired(srv: &mut Server, db: usize, key: &[u8]) {
    let Some(entry) = srv.keys.dbs[db].db.remove(key) else {
        return;
    };
    let lazy = srv.config.lazyfree_lazy_expire;
    free_entry(srv, entry, lazy);
    srv.stats.expired_keys += 1;
    key_changed(srv, db, key, 0, Event::Expired);
    deletion(srv, db, key, lazy);
}
