//! The one closing call of whatever changes a key.
//!
//! It counts the change, makes the transactions of those fail who watch the key, and has those served who wait for it.
//! What else follows from a changed key (client-side caching, keyspace events) has its place here and nowhere else.

use data::ds::quicklist::End;
use data::value::db::Db;

use crate::server::Server;

/// What happened to a key: the class that `notify-keyspace-events` names by a letter, and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `g`: commands that know no type.
    Generic(&'static str),
    /// `$`: strings.
    String(&'static str),
    /// `l`: lists.
    List(&'static str),
    /// `s`: sets.
    Set(&'static str),
    /// `z`: sorted sets.
    Zset(&'static str),
    /// `h`: hashes.
    Hash(&'static str),
    /// `t`: streams.
    Stream(&'static str),
    /// `x`: the time of the key was over.
    Expired,
    /// Nobody is told: the value means what it meant before.
    Silent,
}

impl Event {
    /// An element came to an end of a list.
    pub fn pushed(end: End) -> Self {
        Event::List(match end {
            End::Head => "lpush",
            End::Tail => "rpush",
        })
    }

    /// An element was taken from an end of a list.
    pub fn popped(end: End) -> Self {
        Event::List(match end {
            End::Head => "lpop",
            End::Tail => "rpop",
        })
    }
}

/// A key was changed; `changes` is how much that counts towards save points.
#[inline]
pub fn key_changed(srv: &mut Server, db: usize, key: &[u8], changes: u64, event: Event) {
    if !srv.watch.is_empty() {
        touch_watchers(srv, db, key);
    }
    key_told(srv, db, key, changes, event);
}

/// The same for what those who watch the key do not notice: groups of a stream, and what they have read.
#[inline]
pub fn key_told(srv: &mut Server, db: usize, key: &[u8], changes: u64, event: Event) {
    srv.stats.dirty += changes;
    if !srv.migration.is_idle() {
        srv.migration.spoil(db, key);
    }
    if srv.replication.is_replica() && event == Event::Generic("expire") {
        note_own_expire(srv, db, key);
    }
    if !srv.blocked.is_empty() && wakes(event) {
        srv.blocked.mark_ready(db, key);
    }
}

/// On a replica that clients may write to, their keys are not the primary's to delete.
#[cold]
fn note_own_expire(srv: &mut Server, db: usize, key: &[u8]) {
    let primary = srv.replication.link.as_ref().and_then(|link| link.client());
    if primary.is_none() || primary != srv.unit.current {
        srv.keys.own_expires.insert((db, key.into()));
    }
}

/// Whether an event may give a waiting command what it waits for. Of those of streams only these do.
fn wakes(event: Event) -> bool {
    match event {
        Event::Stream(name) => matches!(name, "xadd" | "xgroup-destroy"),
        _ => true,
    }
}

/// Makes the transactions of those who watch a key fail. Once is enough, so they watch nothing from then on.
#[cold]
fn touch_watchers(srv: &mut Server, db: usize, key: &[u8]) {
    let gone = srv.keys.dbs[db].db.find(key).is_none();
    for id in srv.watch.watchers(db, key).to_vec() {
        let Some(client) = srv.clients.get_mut(id) else {
            continue;
        };
        let watched = client
            .watched
            .iter_mut()
            .find(|watched| watched.db == db && *watched.key == *key);
        if let Some(watched) = watched.filter(|watched| watched.expired) {
            // That a key vanishes whose time was over when it was first watched is no change.
            if gone {
                watched.expired = false;
                continue;
            }
        }
        client.dirty_cas = true;
        srv.watch.remove_all(id, &mut client.watched);
    }
}

/// A database is about to be emptied, or to hold what another one holds now.
pub fn database_changes(srv: &mut Server, db: usize, by: Option<usize>) {
    srv.migration.spoil_all(Some(db));
    for key in srv.watch.keys(db) {
        let was = srv.keys.dbs[db].db.find(&key).is_some();
        let will = by.and_then(|by| srv.keys.dbs[by].db.find(&key));
        if !was && will.is_none() {
            continue;
        }
        let over = will.map(|entry| entry.expire().is_some_and(|at_ms| srv.unit.now_ms > at_ms));
        for id in srv.watch.watchers(db, &key).to_vec() {
            let Some(client) = srv.clients.get_mut(id) else {
                continue;
            };
            let watched = client
                .watched
                .iter_mut()
                .find(|watched| watched.db == db && watched.key == key);
            let Some(watched) = watched else {
                continue;
            };
            match (watched.expired, over) {
                // It was over and vanishes, stays over, or comes as one that is: no change.
                (true, None) => watched.expired = false,
                (true, Some(true)) => {}
                (false, Some(true)) if !was => watched.expired = true,
                _ => client.dirty_cas = true,
            }
        }
    }
}

/// A database holds something else than `before`: whoever watched a key that was or is there has seen it change.
pub fn touch_all(srv: &mut Server, db: usize, before: &Db) {
    srv.migration.spoil_all(Some(db));
    for key in srv.watch.keys(db) {
        if before.find(&key).is_none() && srv.keys.dbs[db].db.find(&key).is_none() {
            continue;
        }
        for id in srv.watch.watchers(db, &key).to_vec() {
            if let Some(client) = srv.clients.get_mut(id) {
                client.dirty_cas = true;
            }
        }
    }
}
