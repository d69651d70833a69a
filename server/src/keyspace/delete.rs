//! Removing keys on a client's behalf, and emptying databases.

use data::value::db::Db;

use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::free::free_entry;
use crate::keyspace::lookup::live_place;
use crate::server::Server;

/// Removes a key for DEL and UNLINK; whether it was there.
pub fn delete(srv: &mut Server, db: usize, key: &[u8], lazy: bool) -> bool {
    if live_place(srv, db, key).is_none() {
        return false;
    }
    let Some(entry) = srv.keys.dbs[db].db.remove(key) else {
        return false;
    };
    free_entry(srv, entry, lazy);
    key_changed(srv, db, key, 1, Event::Generic("del"));
    true
}

/// Empties one database, or all; how many keys went.
pub fn flush(srv: &mut Server, db: Option<usize>, lazy: bool) -> usize {
    let numbers = db.map_or(0..srv.keys.dbs.len(), |number| number..number + 1);
    let mut removed = 0;
    for number in numbers {
        let database = &mut srv.keys.dbs[number];
        let keys = database.db.len();
        let old: Db = database.db.clear();
        database.avg_ttl_ms = 0;
        database.expire_cursor = 0;
        removed += keys;
        if lazy && keys > 0 {
            srv.background.free(Box::new(old), keys as u64);
        }
    }
    removed
}
