//! Hashes: setting, reading, counting, scanning and deleting fields.

use data::ds::item::Item;
use data::util::longdouble::LongDouble;
use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::Scratch;
use data::value::hash::{Hash, Pair};
use table::hash as rows;

use crate::commands::Family;
use crate::commands::args::{Args, ScanOptions, int, scan_cursor};
use crate::config::limits::hash_limits;
use crate::feed::propagate::instead;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{read, write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::fault::{
    Fault, HASH_NOT_FLOAT, HASH_NOT_INTEGER, INCREMENT_NAN_OR_INFINITY, NAN_OR_INFINITY, NOT_FLOAT,
    OVERFLOW, arity,
};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::HSET, |cx| {
        let created = set_fields(cx)?;
        cx.reply.int(created as i64);
        Ok(())
    }),
    (&rows::HMSET, |cx| {
        set_fields(cx)?;
        cx.reply.ok();
        Ok(())
    }),
    (&rows::HSETNX, hsetnx),
    (&rows::HINCRBY, hincrby),
    (&rows::HINCRBYFLOAT, hincrbyfloat),
    (&rows::HDEL, hdel),
    (&rows::HGET, hget),
    (&rows::HMGET, hmget),
    (&rows::HEXISTS, hexists),
    (&rows::HLEN, hlen),
    (&rows::HSTRLEN, hstrlen),
    (&rows::HGETALL, hgetall),
    (&rows::HKEYS, |cx| list(cx, |(name, _)| name)),
    (&rows::HVALS, |cx| list(cx, |(_, value)| value)),
    (&rows::HSCAN, hscan),
];

/// Sets fields for HSET and HMSET; returns the number of new ones.
fn set_fields(cx: &mut Ctx<'_>) -> Result<usize, Fault> {
    let argv = cx.argv;
    let key = &argv[1];
    if !argv.len().is_multiple_of(2) {
        return Err(arity(table::full_name(cx.cmd)));
    }
    let limits = hash_limits(&cx.srv.config);
    let hash = write_or_create::<Hash>(cx.srv, cx.db, key)?;
    hash.choose_encoding(argv.iter().skip(2), &limits);
    let created = (2..argv.len())
        .step_by(2)
        .filter(|&name| hash.set(&argv[name], &argv[name + 1], &limits))
        .count();
    let fields = (argv.len() / 2 - 1) as u64;
    key_changed(cx.srv, cx.db, key, fields, Event::Hash("hset"));
    Ok(created)
}

fn hsetnx(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (key, name, value) = (&argv[1], &argv[2], &argv[3]);
    let limits = hash_limits(&cx.srv.config);
    let hash = write_or_create::<Hash>(cx.srv, cx.db, key)?;
    if hash.contains(name) {
        cx.reply.int(0);
        return Ok(());
    }
    hash.set(name, value, &limits);
    key_changed(cx.srv, cx.db, key, 1, Event::Hash("hset"));
    cx.reply.int(1);
    Ok(())
}

fn hincrby(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (key, name) = (&argv[1], &argv[2]);
    let increment = int(&argv[3])?;
    let limits = hash_limits(&cx.srv.config);
    // An increment of a missing field cannot fail, so no empty hash is left behind.
    let hash = write_or_create::<Hash>(cx.srv, cx.db, key)?;
    let before = match hash.get(name) {
        Some(value) => value.to_i64().ok_or(HASH_NOT_INTEGER)?,
        None => 0,
    };
    let after = before.checked_add(increment).ok_or(OVERFLOW)?;
    let mut digits = [0; MAX_I64_DIGITS];
    hash.set(name, write_i64(after, &mut digits), &limits);
    key_changed(cx.srv, cx.db, key, 1, Event::Hash("hincrby"));
    cx.reply.int(after);
    Ok(())
}

fn hincrbyfloat(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let (key, name) = (&argv[1], &argv[2]);
    let increment = LongDouble::parse(&argv[3]).ok_or(NOT_FLOAT)?;
    if !increment.is_finite() {
        return Err(INCREMENT_NAN_OR_INFINITY);
    }
    let limits = hash_limits(&cx.srv.config);
    let hash = write_or_create::<Hash>(cx.srv, cx.db, key)?;
    let before = match hash.get(name) {
        Some(Item::Int(number)) => LongDouble::from_i64(number),
        Some(Item::Bytes(text)) => LongDouble::parse(text).ok_or(HASH_NOT_FLOAT)?,
        None => LongDouble::from_i64(0),
    };
    let after = before + increment;
    if !after.is_finite() {
        return Err(NAN_OR_INFINITY);
    }
    let text = after.format();
    hash.set(name, &text, &limits);
    key_changed(cx.srv, cx.db, key, 1, Event::Hash("hincrbyfloat"));
    // Another machine may compute another last digit, so the result is propagated.
    instead(cx, [b"HSET".as_slice(), key, name, &text]);
    cx.reply.bulk(&text);
    Ok(())
}

fn hdel(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let Some(hash) = write::<Hash>(cx.srv, cx.db, key)? else {
        cx.reply.int(0);
        return Ok(());
    };
    let removed = argv.iter().skip(2).filter(|name| hash.remove(name)).count();
    if removed > 0 {
        key_changed(cx.srv, cx.db, key, removed as u64, Event::Hash("hdel"));
        drop_if_empty(cx.srv, cx.db, key);
    }
    cx.reply.int(removed as i64);
    Ok(())
}

fn hget(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let hash = read::<Hash>(cx.srv, cx.db, &argv[1])?;
    match hash.and_then(|hash| hash.get(&argv[2])) {
        Some(value) => cx.reply.item(value),
        None => cx.reply.null(),
    }
    Ok(())
}

fn hmget(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let hash = read::<Hash>(cx.srv, cx.db, &argv[1])?;
    cx.reply.array(argv.len() - 2);
    for name in argv.iter().skip(2) {
        match hash.and_then(|hash| hash.get(name)) {
            Some(value) => cx.reply.item(value),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn hexists(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let hash = read::<Hash>(cx.srv, cx.db, &argv[1])?;
    let held = hash.is_some_and(|hash| hash.contains(&argv[2]));
    cx.reply.int(i64::from(held));
    Ok(())
}

fn hlen(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let fields = read::<Hash>(cx.srv, cx.db, key)?.map_or(0, Hash::len);
    cx.reply.int(fields as i64);
    Ok(())
}

fn hstrlen(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let hash = read::<Hash>(cx.srv, cx.db, &argv[1])?;
    let value = hash.and_then(|hash| hash.get(&argv[2]));
    cx.reply.int(value.map_or(0, |value| value.len() as i64));
    Ok(())
}

fn hgetall(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[1];
    let hash = read::<Hash>(cx.srv, cx.db, key)?;
    cx.reply.map(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.iter().for_each(|(name, value)| {
            cx.reply.item(name);
            cx.reply.item(value);
        });
    }
    Ok(())
}

/// Replies with one side of each pair.
fn list(cx: &mut Ctx<'_>, side: fn(Pair<'_>) -> Item<'_>) -> Done {
    let key = &cx.argv[1];
    let hash = read::<Hash>(cx.srv, cx.db, key)?;
    cx.reply.array(hash.map_or(0, Hash::len));
    if let Some(hash) = hash {
        hash.iter().for_each(|pair| cx.reply.item(side(pair)));
    }
    Ok(())
}

fn hscan(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let cursor = scan_cursor(&argv[2])?;
    let mut found = Vec::new();
    let mut next = 0;
    if let Some(hash) = read::<Hash>(cx.srv, cx.db, &argv[1])? {
        let options = ScanOptions::read(Args::from(argv, 3), false)?;
        let mut scratch = Scratch::default();
        next = hash.scan(cursor, options.count, &mut |(name, value)| {
            if options.matches(name.bytes(&mut scratch)) {
                found.push((name, value));
            }
        });
    }
    cx.reply.array(2);
    cx.reply.bulk(next.to_string().as_bytes());
    cx.reply.array(2 * found.len());
    for (name, value) in found {
        cx.reply.item(name);
        cx.reply.item(value);
    }
    Ok(())
}
