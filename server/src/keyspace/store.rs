//! Storing values and expiry times: what commands and active expiry share.

use std::sync::Arc;

use data::value::NewValue;
use data::value::aggregate::Aggregate;
use data::value::db::Expire;

use crate::keyspace::change::{Event, key_stored};
use crate::keyspace::delete::delete_target;
use crate::keyspace::free::free_old;
use crate::keyspace::lookup::{db, db_mut, find_write, key_hash, live_place, need_string};
use crate::keyspace::notify::created;
use crate::keyspace::recency::{recency, touched};
use crate::server::{Ctx, Server};
use crate::wire::fault::{Fault, WRONG_TYPE, invalid_expire};

/// An argument as a value: a big one shares the argument's buffer.
pub fn value_of<'a>(cx: &Ctx<'a>, arg: usize) -> NewValue<'a> {
    match cx.argv.shared(arg) {
        Some(buffer) => NewValue::encode_shared(Arc::clone(buffer)),
        None => NewValue::encode(&cx.argv[arg]),
    }
}

/// Stores a value and replaces an existing one, which counts as an access to the key; whether there was none.
pub fn store(
    srv: &mut Server,
    number: usize,
    key: &[u8],
    value: NewValue<'_>,
    expire: Expire,
) -> bool {
    if db(srv, number).expires_len() > 0 {
        // An expired key is deleted first, which is counted, propagated and published.
        live_place(srv, number, key);
    }
    let hash = key_hash(srv, key);
    let Server {
        keys,
        config,
        unit,
        turn,
        ..
    } = srv;
    let age = |before| match before {
        None => recency(config, unit.now_ms),
        Some(before) if unit.running.no_touch => before,
        Some(before) => touched(config, before, unit.now_ms, turn.clock_ns ^ hash),
    };
    let db = &mut keys.dbs[number].db;
    let before = db.len();
    let old = db.set_aged(hash, key, value, expire, age);
    let is_new = db.len() > before;
    free_old(srv, old);
    if is_new {
        created(srv, number, key);
    }
    is_new
}

/// Stores the result of a command and replaces an existing value; an empty result deletes the key instead.
pub fn store_aggregate(
    srv: &mut Server,
    number: usize,
    key: &[u8],
    value: Aggregate,
    event: Event,
) {
    if value.view().is_empty() {
        delete_target(srv, number, key, srv.config.lazyfree_lazy_server_del);
    } else {
        let is_new = store(srv, number, key, value.into(), Expire::Clear);
        key_stored(srv, (number, key), is_new, 1, event);
    }
}

/// Edits the bits of a string, which is created, or extended with zeros to `len` bytes, if necessary; `edit` is told
/// whether it was.
///
/// # Errors
/// `WRONGTYPE`.
pub fn edit_bits<R>(
    srv: &mut Server,
    number: usize,
    key: &[u8],
    len: usize,
    edit: impl FnOnce(&mut [u8], bool) -> R,
) -> Result<R, Fault> {
    match find_write(srv, number, key).map(need_string).transpose()? {
        Some(_) => {}
        None => {
            store(srv, number, key, NewValue::Raw(b""), Expire::Clear);
        }
    }
    let edited = db_mut(srv, number).edit_string(key, |text| {
        let grown = text.len() < len;
        text.grow(len);
        edit(text.bytes_mut(), grown)
    });
    edited.ok_or(WRONG_TYPE)
}

/// How an option of SET and GETEX gives a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TimeUnit {
    /// EX: seconds from now.
    Seconds,
    /// PX: milliseconds from now.
    Milliseconds,
    /// EXAT: seconds of Unix time.
    UnixSeconds,
    /// PXAT: milliseconds of Unix time.
    UnixMilliseconds,
}

impl TimeUnit {
    /// The unit that an option's name means.
    pub fn of_option(name: &[u8]) -> Option<TimeUnit> {
        match name.to_ascii_lowercase().as_slice() {
            b"ex" => Some(TimeUnit::Seconds),
            b"px" => Some(TimeUnit::Milliseconds),
            b"exat" => Some(TimeUnit::UnixSeconds),
            b"pxat" => Some(TimeUnit::UnixMilliseconds),
            _ => None,
        }
    }
}

/// A time given in `unit` as milliseconds of Unix time.
///
/// # Errors
/// It is not above 0, or does not fit.
pub fn expire_at(cx: &Ctx<'_>, value: i64, unit: TimeUnit) -> Result<i64, Fault> {
    let fault = || invalid_expire(table::full_name(cx.cmd));
    if value <= 0 {
        return Err(fault());
    }
    unix_ms(cx.now_ms, value, unit).ok_or_else(fault)
}

/// As [`expire_at`], for any value that fits.
pub fn unix_ms(now_ms: i64, value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Seconds => value.checked_mul(1000)?.checked_add(now_ms),
        TimeUnit::Milliseconds => value.checked_add(now_ms),
        TimeUnit::UnixSeconds => value.checked_mul(1000),
        TimeUnit::UnixMilliseconds => Some(value),
    }
}
