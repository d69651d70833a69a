//! INCR, DECR and their variants.

use data::util::longdouble::LongDouble;
use data::value::db::Expire;
use data::value::{NewValue, ValueRef};
use table::string as rows;

use crate::commands::Family;
use crate::commands::args::int;
use crate::feed::propagate::instead;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{db_mut, find_write, key_hash, need_string};
use crate::keyspace::store::store;
use crate::server::{Ctx, Done};
use crate::wire::fault::{
    DECREMENT_OVERFLOW, Fault, NAN_OR_INFINITY, NOT_FLOAT, NOT_INTEGER, OVERFLOW,
};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::INCR, incr),
    (&rows::DECR, decr),
    (&rows::INCRBY, incrby),
    (&rows::DECRBY, decrby),
    (&rows::INCRBYFLOAT, incrbyfloat),
];

/// The integer under a key; `None` if it does not exist.
fn current(cx: &mut Ctx<'_>, key: &[u8]) -> Result<Option<i64>, Fault> {
    match find_write(cx.srv, cx.db, key) {
        None => Ok(None),
        Some(entry) => need_string(entry)?
            .value()
            .to_i64()
            .map(Some)
            .ok_or(NOT_INTEGER),
    }
}

fn add(cx: &mut Ctx<'_>, increment: i64) -> Done {
    let key = &cx.argv[1];
    let before = current(cx, key)?;
    let after = before.unwrap_or(0).checked_add(increment).ok_or(OVERFLOW)?;
    if before.is_some() {
        let hash = key_hash(cx.srv, key);
        db_mut(cx.srv, cx.db).set_int(hash, key, after);
    } else {
        store(cx.srv, cx.db, key, NewValue::from(after), Expire::Clear);
    }
    key_changed(cx.srv, cx.db, key, 1, Event::String("incrby"));
    cx.reply.int(after);
    Ok(())
}

fn incr(cx: &mut Ctx<'_>) -> Done {
    add(cx, 1)
}

fn decr(cx: &mut Ctx<'_>) -> Done {
    add(cx, -1)
}

fn incrby(cx: &mut Ctx<'_>) -> Done {
    let increment = int(&cx.argv[2])?;
    add(cx, increment)
}

fn decrby(cx: &mut Ctx<'_>) -> Done {
    let decrement = int(&cx.argv[2])?;
    add(cx, decrement.checked_neg().ok_or(DECREMENT_OVERFLOW)?)
}

fn incrbyfloat(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let before = match find_write(cx.srv, cx.db, key) {
        None => LongDouble::from_i64(0),
        Some(entry) => match need_string(entry)?.value() {
            ValueRef::Int(n) => LongDouble::from_i64(n),
            value => LongDouble::parse(&value.to_vec()).ok_or(NOT_FLOAT)?,
        },
    };
    let increment = LongDouble::parse(&argv[2]).ok_or(NOT_FLOAT)?;
    let after = before + increment;
    if !after.is_finite() {
        return Err(NAN_OR_INFINITY);
    }
    let text = after.format();
    store(cx.srv, cx.db, key, NewValue::Text(&text), Expire::Keep);
    key_changed(cx.srv, cx.db, key, 1, Event::String("incrbyfloat"));
    // Another machine may compute another last digit, so the result is propagated.
    instead(cx, [b"SET".as_slice(), key, &text, b"KEEPTTL"]);
    cx.reply.bulk(&text);
    Ok(())
}
