//! Deleting keys, and emptying databases.

use data::value::aggregate::AggregateRef;
use data::value::db::Db;
use data::value::entry::EntryRef;

use crate::egress::invalidate::all_changed;
use crate::keyspace::change::{Event, contents_replaced, database_changes, key_changed, touch_all};
use crate::keyspace::free::free_entry;
use crate::keyspace::lookup::{db, db_mut, live_place};
use crate::server::Server;
use crate::state::keys::Database;

/// Deletes a key for DEL and UNLINK; false if it did not exist.
pub fn delete(srv: &mut Server, db: usize, key: &[u8], lazy: bool) -> bool {
    live_place(srv, db, key).is_some() && delete_target(srv, db, key, lazy)
}

/// Deletes the target of a command whose result is empty; false if it did not exist. Unlike [`delete`], it does not ask
/// whether the key has expired.
pub fn delete_target(srv: &mut Server, db: usize, key: &[u8], lazy: bool) -> bool {
    remove(srv, db, key, lazy, Event::Generic("del"))
}

/// Removes a key that another node serves now. For clients it is not deleted, so no event is published.
pub fn drop_moved(srv: &mut Server, key: &[u8], lazy: bool) -> bool {
    remove(srv, 0, key, lazy, Event::Silent)
}

fn remove(srv: &mut Server, db: usize, key: &[u8], lazy: bool, event: Event) -> bool {
    let Some(entry) = srv.keys.dbs[db].db.remove(key) else {
        return false;
    };
    free_entry(srv, entry, lazy);
    key_changed(srv, db, key, 1, event);
    true
}

/// Deletes a key whose value became empty; whether it did.
pub fn drop_if_empty(srv: &mut Server, number: usize, key: &[u8]) -> bool {
    let empty = db(srv, number)
        .find(key)
        .and_then(EntryRef::aggregate)
        .is_some_and(AggregateRef::is_empty);
    if empty {
        // An empty value is cheap to free.
        drop(db_mut(srv, number).remove(key));
        key_changed(srv, number, key, 0, Event::Generic("del"));
    }
    empty
}

/// Replaces all databases; the old ones are freed in the background.
pub fn exchange(srv: &mut Server, others: Vec<Database>) {
    all_changed(srv);
    for (number, other) in others.into_iter().enumerate() {
        let old = std::mem::replace(&mut srv.keys.dbs[number], other);
        contents_replaced(srv, number);
        touch_all(srv, number, &old.db);
        let keys = old.db.len() as u64;
        srv.background.free(Box::new(old), keys);
    }
}

/// Empties one database or all; returns the number of keys.
pub fn flush(srv: &mut Server, db: Option<usize>, lazy: bool) -> usize {
    let numbers = db.map_or(0..srv.keys.dbs.len(), |number| number..number + 1);
    let mut removed = 0;
    all_changed(srv);
    for number in numbers {
        database_changes(srv, number, None);
        let database = &mut srv.keys.dbs[number];
        let keys = database.db.len();
        let old: Db = database.db.clear();
        database.avg_ttl_ms = 0;
        database.expire_cursor = 0;
        removed += keys;
        contents_replaced(srv, number);
        if lazy && keys > 0 {
            srv.background.free(Box::new(old), keys as u64);
        }
    }
    removed
}
