//! Key lookup for commands. An expired key does not exist for them and is deleted on the way.
//!
//! A lookup for reading counts a hit or a miss and renews the access time. A lookup for writing only renews the access
//! time. A lookup that only asks about the key (EXISTS, TYPE, TTL, OBJECT) only counts.

use data::value::Type;
use data::value::aggregate::Kind;
use data::value::damaged::Damaged;
use data::value::db::{Db, Place};
use data::value::entry::EntryRef;
use table::words::Flags;

use crate::keyspace::expired::delete_expired;
use crate::keyspace::notify::{created, missed};
use crate::keyspace::recency::{recency, touched};
use crate::server::Server;
use crate::wire::fault::{DAMAGED, Fault, WRONG_TYPE};

/// The database with this number.
#[inline]
pub fn db(srv: &Server, db: usize) -> &Db {
    &srv.keys.dbs[db].db
}

/// The database with this number.
#[inline]
pub fn db_mut(srv: &mut Server, db: usize) -> &mut Db {
    &mut srv.keys.dbs[db].db
}

/// The hash of a key, which is known for most keys of a pipeline.
#[inline]
pub fn key_hash(srv: &Server, key: &[u8]) -> u64 {
    let known = srv.turn.key_hash.get(key);
    let hash = || srv.keys.dbs[0].db.hash(key);
    debug_assert!(known.is_none_or(|known| known == hash()), "a stale hash");
    known.unwrap_or_else(hash)
}

/// The place of a key. An expired key is deleted.
#[inline]
pub fn live_place(srv: &mut Server, number: usize, key: &[u8]) -> Option<Place> {
    live_hashed(srv, number, key_hash(srv, key), key)
}

#[inline]
fn live_hashed(srv: &mut Server, number: usize, hash: u64, key: &[u8]) -> Option<Place> {
    let keys = db(srv, number);
    let place = keys.locate(hash, key)?;
    if keys.at(place).has_expired(srv.unit.now_ms) {
        return expired_place(srv, number, key, place);
    }
    Some(place)
}

/// What a lookup finds at an expired key. Commands of the primary and of the append-only file still find it: its
/// deletion follows in their stream. For everybody else it does not exist; it is deleted unless this server is a
/// replica or paused. A write command deletes it even then, since it may be about to store another value under the key.
#[cold]
fn expired_place(srv: &mut Server, number: usize, key: &[u8], place: Place) -> Option<Place> {
    if srv.unit.running.obeyed {
        return Some(place);
    }
    let writes = |cmd| table::spec(cmd).flags.contains(Flags::WRITE);
    let is_held = srv.replication.is_replica() || srv.pauses.scope().is_some();
    if !is_held || srv.unit.running.command.is_some_and(writes) {
        delete_expired(srv, number, key);
    }
    None
}

/// Whether a key has expired and was not deleted yet.
pub fn is_expired(srv: &Server, number: usize, key: &[u8]) -> bool {
    let entry = db(srv, number).find(key);
    entry.is_some_and(|entry| entry.has_expired(srv.unit.now_ms))
}

/// The place of a key; counts a hit or a miss.
#[inline]
fn counted_place(srv: &mut Server, number: usize, key: &[u8]) -> Option<Place> {
    counted_hashed(srv, number, key_hash(srv, key), key)
}

#[inline]
fn counted_hashed(srv: &mut Server, number: usize, hash: u64, key: &[u8]) -> Option<Place> {
    let Some(place) = live_hashed(srv, number, hash, key) else {
        srv.stats.misses += 1;
        missed(srv, number, key);
        return None;
    };
    srv.stats.hits += 1;
    Some(place)
}

/// The place of a key for reading.
#[inline]
fn place_read(srv: &mut Server, number: usize, key: &[u8]) -> Option<Place> {
    let place = counted_place(srv, number, key)?;
    touch(srv, number, place);
    Some(place)
}

/// The entry of a key for a command that does not use its value: counts a hit or a miss, keeps the access time.
pub fn glance<'a>(srv: &'a mut Server, number: usize, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = counted_place(srv, number, key)?;
    Some(db(srv, number).at(place))
}

/// The same without an event if the key does not exist: OBJECT.
pub fn inspect<'a>(srv: &'a mut Server, number: usize, key: &[u8]) -> Option<EntryRef<'a>> {
    let Some(place) = live_place(srv, number, key) else {
        srv.stats.misses += 1;
        return None;
    };
    srv.stats.hits += 1;
    Some(db(srv, number).at(place))
}

/// The entry of a key for reading.
#[inline]
pub fn find_read<'a>(srv: &'a mut Server, number: usize, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = place_read(srv, number, key)?;
    Some(db(srv, number).at(place))
}

/// As [`find_read`] for each of several keys, in order. Their cache misses overlap.
pub fn find_read_each<'k>(
    srv: &mut Server,
    number: usize,
    keys: impl Iterator<Item = &'k [u8]>,
    mut each: impl FnMut(Option<EntryRef<'_>>),
) {
    /// Keys whose lines and entries are prefetched together.
    const BATCH: usize = 32;
    let mut keys = keys;
    let (mut batch, mut hashes) = (Vec::with_capacity(BATCH), Vec::with_capacity(BATCH));
    loop {
        batch.clear();
        hashes.clear();
        batch.extend(keys.by_ref().take(BATCH));
        if batch.is_empty() {
            return;
        }
        let db = db(srv, number);
        db.hash_batch(&batch, &mut hashes);
        hashes.iter().for_each(|&hash| db.prefetch_line(hash));
        hashes.iter().for_each(|&hash| db.prefetch_entry(hash));
        for (key, &hash) in batch.iter().zip(&hashes) {
            let place = counted_hashed(srv, number, hash, key);
            if let Some(place) = place {
                touch(srv, number, place);
            }
            each(place.map(|place| self::db(srv, number).at(place)));
        }
    }
}

/// As [`find_read`] for each of several keys, in order; the entries are borrowed together. Ends at the first entry that
/// `check` refuses.
///
/// # Errors
/// The fault of `check`.
pub fn find_read_all<'a>(
    srv: &'a mut Server,
    number: usize,
    keys: &[&[u8]],
    check: fn(EntryRef<'_>) -> Result<(), Fault>,
) -> Result<Vec<Option<EntryRef<'a>>>, Fault> {
    let mut exist = Vec::with_capacity(keys.len());
    for key in keys {
        let entry = find_read(srv, number, key);
        exist.push(entry.is_some());
        entry.map_or(Ok(()), check)?;
    }
    // A lookup may delete an expired key, so that the places of the others change, or hide one that a replica keeps.
    let db = db(srv, number);
    let found = keys.iter().zip(exist);
    let found = found.map(|(key, exists)| exists.then(|| db.find(key)).flatten());
    Ok(found.collect())
}

/// The entry of a key for writing.
#[inline]
pub fn find_write<'a>(srv: &'a mut Server, number: usize, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = live_place(srv, number, key)?;
    touch(srv, number, place);
    Some(db(srv, number).at(place))
}

/// The entry of a key without statistics and without access time.
pub fn peek<'a>(srv: &'a mut Server, number: usize, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = live_place(srv, number, key)?;
    Some(db(srv, number).at(place))
}

/// The value of a key for reading, which must be of type `K` if it is there.
///
/// # Errors
/// `WRONGTYPE`.
#[inline]
pub fn read<'a, K: Kind>(
    srv: &'a mut Server,
    number: usize,
    key: &[u8],
) -> Result<Option<&'a K>, Fault> {
    match find_read(srv, number, key) {
        None => Ok(None),
        Some(entry) => entry.get().map(Some).ok_or_else(|| refusal::<K>(entry)),
    }
}

/// The value of a key for writing, which must be of type `K` if it is there.
///
/// # Errors
/// `WRONGTYPE`.
#[inline]
pub fn write<'a, K: Kind>(
    srv: &'a mut Server,
    number: usize,
    key: &[u8],
) -> Result<Option<&'a mut K>, Fault> {
    let Some(place) = live_place(srv, number, key) else {
        return Ok(None);
    };
    touch(srv, number, place);
    value_at(srv, number, place).map(Some)
}

/// The value of a key for commands that count as readers but modify consumer groups, or continue the resize of a table.
///
/// # Errors
/// `WRONGTYPE`.
pub fn read_mut<'a, K: Kind>(
    srv: &'a mut Server,
    number: usize,
    key: &[u8],
) -> Result<Option<&'a mut K>, Fault> {
    let Some(place) = place_read(srv, number, key) else {
        return Ok(None);
    };
    value_at(srv, number, place).map(Some)
}

/// The value of a key for writing, which must be of type `K`; an empty one is created if the key does not exist. The
/// caller fills it, or removes it with `keyspace/delete::drop_if_empty`.
///
/// # Errors
/// `WRONGTYPE`.
#[inline]
pub fn write_or_create<'a, K: Kind>(
    srv: &'a mut Server,
    number: usize,
    key: &[u8],
) -> Result<&'a mut K, Fault> {
    let hash = key_hash(srv, key);
    let place = match live_hashed(srv, number, hash, key) {
        Some(place) => {
            touch(srv, number, place);
            place
        }
        None => {
            let lru = fresh(srv);
            created(srv, number, key);
            db_mut(srv, number).create::<K>(hash, key, lru)
        }
    };
    value_at(srv, number, place)
}

/// The value at a place, which must be of type `K`.
#[inline]
fn value_at<K: Kind>(srv: &mut Server, number: usize, place: Place) -> Result<&mut K, Fault> {
    let entry = db(srv, number).at(place);
    if entry.ty() != K::TYPE {
        return Err(refusal::<K>(entry));
    }
    db_mut(srv, number).value_mut(place).ok_or(WRONG_TYPE)
}

/// The entry must hold a `K`.
///
/// # Errors
/// `WRONGTYPE`.
pub fn need<K: Kind>(entry: EntryRef<'_>) -> Result<(), Fault> {
    entry
        .get::<K>()
        .map(drop)
        .ok_or_else(|| refusal::<K>(entry))
}

/// The fault for an entry that is not a `K`: another type, or a damaged value.
#[cold]
fn refusal<K: Kind>(entry: EntryRef<'_>) -> Fault {
    let damaged = entry.get::<Damaged>().map(Damaged::ty);
    if damaged == Some(K::TYPE) {
        DAMAGED
    } else {
        WRONG_TYPE
    }
}

/// Renews the access time of a key, unless the client asked for NO-TOUCH.
fn touch(srv: &Server, number: usize, place: Place) {
    if !srv.unit.running.no_touch {
        let entry = db(srv, number).at(place);
        let seed = srv.turn.clock_ns ^ entry.address() as u64;
        let now_ms = srv.unit.now_ms;
        entry.set_lru(touched(&srv.config, entry.lru(), now_ms, seed));
    }
}

/// The access time of a new key.
#[inline]
pub fn fresh(srv: &Server) -> u32 {
    recency(&srv.config, srv.unit.now_ms)
}

/// The entry must hold a string.
///
/// # Errors
/// `WRONGTYPE`.
#[inline]
pub fn need_string(entry: EntryRef<'_>) -> Result<EntryRef<'_>, Fault> {
    if entry.ty() == Type::String {
        Ok(entry)
    } else {
        Err(WRONG_TYPE)
    }
}
