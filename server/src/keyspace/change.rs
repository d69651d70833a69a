//! Every change of a key or a database ends in a call of this file.
//!
//! A change is counted, fails the transactions of clients that watch the key, invalidates it in the caches of clients,
//! marks it ready for clients blocked on it, and is published as a keyspace event. No other file raises `Stats::dirty`
//! or `Keys::changes`; `exec/call` decides from the latter whether a command is propagated.

use data::ds::quicklist::End;
use data::value::db::Db;
use data::value::entry::EntryRef;

use crate::config::values::EventClasses;
use crate::egress::invalidate;
use crate::keyspace::notify::notify;
use crate::server::Server;
use crate::state::client_id::ClientId;

/// What happened to a key: the class that `notify-keyspace-events` names by a letter, and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `g`: commands for keys of any type.
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
    /// `x`: the key has expired.
    Expired,
    /// `e`: the key was evicted.
    Evicted,
    /// No event: what readers of the key see has not changed.
    Silent,
}

impl Event {
    /// The class and the name that are published.
    fn published(self) -> Option<(EventClasses, &'static str)> {
        Some(match self {
            Event::Generic(name) => (EventClasses::GENERIC, name),
            Event::String(name) => (EventClasses::STRING, name),
            Event::List(name) => (EventClasses::LIST, name),
            Event::Set(name) => (EventClasses::SET, name),
            Event::Zset(name) => (EventClasses::ZSET, name),
            Event::Hash(name) => (EventClasses::HASH, name),
            Event::Stream(name) => (EventClasses::STREAM, name),
            Event::Expired => (EventClasses::EXPIRED, "expired"),
            Event::Evicted => (EventClasses::EVICTED, "evicted"),
            Event::Silent => return None,
        })
    }

    /// An element was added to an end of a list.
    pub fn pushed(end: End) -> Self {
        Event::List(match end {
            End::Head => "lpush",
            End::Tail => "rpush",
        })
    }

    /// An element was removed from an end of a list.
    pub fn popped(end: End) -> Self {
        Event::List(match end {
            End::Head => "lpop",
            End::Tail => "rpop",
        })
    }
}

/// A key has changed; `changes` is what that adds to the number of changes since the last save.
#[inline]
pub fn key_changed(srv: &mut Server, db: usize, key: &[u8], changes: u64, event: Event) {
    observed_change(srv, (db, key), changes, event, false);
}

/// A change that is told to those that watch the key or have cached it.
#[inline]
fn observed_change(
    srv: &mut Server,
    (db, key): (usize, &[u8]),
    changes: u64,
    event: Event,
    is_replaced: bool,
) {
    tell_observers(srv, db, key, event);
    record(srv, db, key, changes, event, is_replaced);
}

/// Tells those that watch a key or have cached it.
#[inline]
fn tell_observers(srv: &mut Server, db: usize, key: &[u8], event: Event) {
    if !srv.watch.is_empty() {
        touch_watchers(srv, db, key);
    }
    if srv.tracking.is_active() {
        // As in Redis, what a script changes is not the client's own change in broadcasting mode.
        let by_command = !matches!(event, Event::Expired | Event::Evicted);
        let by_client = by_command && srv.scripts.run.is_none();
        let by = srv.unit.client.filter(|_| by_client);
        invalidate::key_changed(srv, key, by);
    }
}

/// A command has stored its result under a key, which replaced a value unless it `is_new`. Clients that wait for a value of
/// this type are served by a new key only, as in Redis.
pub fn key_stored(
    srv: &mut Server,
    (db, key): (usize, &[u8]),
    is_new: bool,
    changes: u64,
    event: Event,
) {
    observed_change(srv, (db, key), changes, event, !is_new);
}

/// The same for a change that clients which watch the key or have cached it do not notice: consumer groups, the
/// representation of a value.
#[inline]
pub fn key_changed_unwatched(srv: &mut Server, db: usize, key: &[u8], changes: u64, event: Event) {
    record(srv, db, key, changes, event, false);
}

/// Records a change. A value that was replaced (`is_replaced`) is gone for the clients blocked on it, and what has replaced it
/// serves none.
#[inline]
fn record(srv: &mut Server, db: usize, key: &[u8], changes: u64, event: Event, is_replaced: bool) {
    count_changes(srv, changes);
    if !srv.migration.is_idle() {
        srv.migration.spoil(db, key);
    }
    if srv.replication.is_replica() && event == Event::Generic("expire") {
        note_own_expire(srv, db, key);
    }
    if !srv.blocked.is_empty() && may_wake(srv, event) && srv.blocked.is_awaited(db, key) {
        let found = srv.keys.dbs[db].db.find(key).filter(|_| !is_replaced);
        let found = found.map(EntryRef::ty);
        srv.blocked.mark_ready(db, key, found);
    }
    if !srv.config.notify_keyspace_events.is_empty()
        && let Some((class, name)) = event.published()
    {
        notify(srv, class, name, db, key);
    }
}

/// Counts changes that have to be saved and propagated.
#[inline]
pub fn count_changes(srv: &mut Server, changes: u64) {
    srv.stats.dirty += changes;
    srv.keys.changes += changes;
    srv.keys.version += 1;
}

/// Notes a key with a time to live that a client of a writable replica has set: the primary will not delete it.
#[cold]
fn note_own_expire(srv: &mut Server, db: usize, key: &[u8]) {
    if !srv.unit.running.obeyed {
        srv.keys.own_expires.insert((db, key.into()));
    }
}

/// Whether an event may unblock one of the clients that are blocked now. A key that vanishes serves only those that
/// asked for it.
#[cold]
fn may_wake(srv: &Server, event: Event) -> bool {
    wakes(event) && (!vanishes(event) || srv.blocked.keys_on_nokey_len() > 0)
}

/// Whether the key has no value after an event.
fn vanishes(event: Event) -> bool {
    match event {
        Event::Generic(name) => matches!(name, "del" | "rename_from" | "move_from"),
        Event::Expired | Event::Evicted => true,
        _ => false,
    }
}

/// Whether an event may unblock a command. Of the stream events only these do; a time to live changes no value.
fn wakes(event: Event) -> bool {
    match event {
        Event::Stream(name) => matches!(name, "xadd" | "xgroup-destroy"),
        Event::Generic(name) => !matches!(name, "expire" | "persist"),
        Event::Silent => false,
        _ => true,
    }
}

/// Fails the transactions of the clients that watch a key, and unwatches all their keys.
#[cold]
fn touch_watchers(srv: &mut Server, db: usize, key: &[u8]) {
    let gone = srv.keys.dbs[db].db.find(key).is_none();
    for (id, watcher) in srv.watch.clients(db, key) {
        if gone && watcher.expired {
            // The key had expired already when it was watched, so its deletion is not a change.
            srv.watch.set_expired(db, key, id, false);
            continue;
        }
        let Some(client) = srv.clients.get_mut(id) else {
            continue;
        };
        client.dirty_cas = true;
        srv.watch.remove_all(id, &mut client.watched);
    }
}

/// A database is about to be emptied, or to be swapped with another one.
pub fn database_changes(srv: &mut Server, db: usize, by: Option<usize>) {
    srv.migration.spoil_all(Some(db));
    srv.keys.version += 1;
    for key in srv.watch.keys(db) {
        let was = srv.keys.dbs[db].db.find(&key).is_some();
        let will = by.and_then(|by| srv.keys.dbs[by].db.find(&key));
        if !was && will.is_none() {
            continue;
        }
        let will_be_expired = will.map(|entry| entry.has_expired(srv.unit.now_ms));
        for (id, watcher) in srv.watch.clients(db, &key) {
            match (watcher.expired, will_be_expired) {
                // An expired key that is deleted, stays expired or arrives expired has not changed.
                (true, None) => srv.watch.set_expired(db, &key, id, false),
                (true, Some(true)) => {}
                (false, Some(true)) if !was => srv.watch.set_expired(db, &key, id, true),
                _ => fail_transaction(srv, id),
            }
        }
    }
}

/// A database has other contents than before: marks the keys ready that serve a blocked client now.
pub fn contents_replaced(srv: &mut Server, number: usize) {
    let Server { keys, blocked, .. } = srv;
    // Nothing needs to be looked up in a database that was emptied.
    let db = Some(&keys.dbs[number].db).filter(|db| !db.is_empty());
    blocked.mark_all_ready(number, |key| db?.find(key).map(EntryRef::ty));
}

/// A database was replaced; `before` is what it held.
pub fn touch_all(srv: &mut Server, db: usize, before: &Db) {
    srv.migration.spoil_all(Some(db));
    srv.keys.version += 1;
    for key in srv.watch.keys(db) {
        if before.find(&key).is_none() && srv.keys.dbs[db].db.find(&key).is_none() {
            continue;
        }
        for (id, _) in srv.watch.clients(db, &key) {
            fail_transaction(srv, id);
        }
    }
}

fn fail_transaction(srv: &mut Server, id: ClientId) {
    if let Some(client) = srv.clients.get_mut(id) {
        client.dirty_cas = true;
    }
}

#[cfg(test)]
mod tests {
    use super::{Event, vanishes, wakes};

    #[test]
    fn what_leaves_a_value_as_it_was_wakes_nobody() {
        let cases = [
            (Event::Generic("expire"), false),
            (Event::Generic("persist"), false),
            (Event::Generic("del"), true),
            (Event::Generic("rename_to"), true),
            (Event::Stream("xadd"), true),
            (Event::Stream("xtrim"), false),
            (Event::String("set"), true),
            (Event::Evicted, true),
            (Event::Silent, false),
        ];
        for (event, expected) in cases {
            assert_eq!(wakes(event), expected, "{event:?}");
        }
    }

    #[test]
    fn only_what_removes_a_key_leaves_it_without_a_value() {
        let cases = [
            (Event::Generic("del"), true),
            (Event::Generic("rename_from"), true),
            (Event::Generic("rename_to"), false),
            (Event::Generic("move_from"), true),
            (Event::Generic("copy_to"), false),
            (Event::Expired, true),
            (Event::Evicted, true),
            (Event::popped(data::ds::quicklist::End::Head), false),
            (Event::Stream("xgroup-destroy"), false),
        ];
        for (event, expected) in cases {
            assert_eq!(vanishes(event), expected, "{event:?}");
        }
    }
}
