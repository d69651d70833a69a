//! Finding keys on behalf of commands: a key whose time is over is not there, and is removed on the way.
//!
//! A lookup for reading counts as hit or miss and renews the key's recency; one for writing renews it only.

use data::ds::table::Place;
use data::value::Type;
use data::value::db::Db;
use data::value::entry::EntryRef;

use crate::keyspace::expired::delete_expired;
use crate::keyspace::recency::{recency, touched};
use crate::server::{Ctx, Server};
use crate::state::client::ClientFlags;
use crate::wire::fault::{Fault, WRONG_TYPE};

/// The database of a number.
#[inline]
pub fn db(srv: &Server, db: usize) -> &Db {
    &srv.keys.dbs[db].db
}

/// The database of a number.
#[inline]
pub fn db_mut(srv: &mut Server, db: usize) -> &mut Db {
    &mut srv.keys.dbs[db].db
}

/// Where a key is, unless its time is over: then it is removed.
#[inline]
pub fn live_place(srv: &mut Server, number: usize, key: &[u8]) -> Option<Place> {
    let hash = Db::hash(key);
    let keys = db(srv, number);
    let place = keys.locate(hash, key)?;
    if let Some(at_ms) = keys.at(place).expire()
        && srv.unit.now_ms > at_ms
    {
        delete_expired(srv, number, key);
        return None;
    }
    Some(place)
}

/// The entry of a key for reading.
#[inline]
pub fn find_read<'a>(cx: &'a mut Ctx<'_>, key: &[u8]) -> Option<EntryRef<'a>> {
    let Some(place) = live_place(cx.srv, cx.db, key) else {
        cx.srv.stats.misses += 1;
        return None;
    };
    cx.srv.stats.hits += 1;
    touch(cx, place);
    Some(db(cx.srv, cx.db).at(place))
}

/// The entry of a key for writing.
#[inline]
pub fn find_write<'a>(cx: &'a mut Ctx<'_>, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = live_place(cx.srv, cx.db, key)?;
    touch(cx, place);
    Some(db(cx.srv, cx.db).at(place))
}

/// The entry of a key for those who only look at it from outside: no statistics, no recency.
pub fn peek<'a>(cx: &'a mut Ctx<'_>, key: &[u8]) -> Option<EntryRef<'a>> {
    let place = live_place(cx.srv, cx.db, key)?;
    Some(db(cx.srv, cx.db).at(place))
}

/// Renews a key's recency, unless the client asked not to (CLIENT NO-TOUCH) and the command is not TOUCH itself.
fn touch(cx: &Ctx<'_>, place: Place) {
    let quiet = cx
        .srv
        .clients
        .get(cx.client_id())
        .is_some_and(|client| client.flags.contains(ClientFlags::NO_TOUCH));
    if !quiet || cx.cmd == TOUCH {
        let entry = db(cx.srv, cx.db).at(place);
        entry.set_lru(touched(&cx.srv.config, entry.lru(), cx.now_ms));
    }
}

const TOUCH: table::CmdId = table::id(&table::generic::TOUCH);

/// The value of recency for a new key.
#[inline]
pub fn fresh(cx: &Ctx<'_>) -> u32 {
    recency(&cx.srv.config, cx.now_ms)
}

/// An entry must hold a string.
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
