//! Several sets: intersection, union and difference, answered or stored.

use std::ops::{ControlFlow, Range};

use data::value::NewValue;
use data::value::aggregate::Kind;
use data::value::db::Expire;
use data::value::entry::EntryRef;
use data::value::set::{Limits, Set};
use data::value::set_algebra::{difference, each_common, intersection, union};
use table::set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::config::limits::set_limits;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::delete;
use crate::keyspace::lookup::{db, read};
use crate::keyspace::store::store;
use crate::server::{Ctx, Done, Server};
use crate::wire::fault::{Fault, LIMIT_NEGATIVE, NUMKEYS_NOT_POSITIVE, NUMKEYS_TOO_MANY, SYNTAX};
use crate::wire::request::Argv;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SINTER, sinter),
    (&rows::SINTERCARD, sintercard),
    (&rows::SINTERSTORE, |cx| {
        store_result(cx, "sinterstore", intersection_of)
    }),
    (&rows::SUNION, |cx| answer(cx, union_of)),
    (&rows::SUNIONSTORE, |cx| {
        store_result(cx, "sunionstore", union_of)
    }),
    (&rows::SDIFF, |cx| answer(cx, difference_of)),
    (&rows::SDIFFSTORE, |cx| {
        store_result(cx, "sdiffstore", difference_of)
    }),
];

/// Makes a set of others, of which one may not be there.
type Combine = fn(&[Option<&Set>], &Limits) -> Set;

fn intersection_of(sets: &[Option<&Set>], limits: &Limits) -> Set {
    intersection(&all_of(sets), limits)
}

fn union_of(sets: &[Option<&Set>], limits: &Limits) -> Set {
    let present: Vec<&Set> = sets.iter().copied().flatten().collect();
    union(&present, limits)
}

fn difference_of(sets: &[Option<&Set>], limits: &Limits) -> Set {
    match sets.split_first() {
        Some((Some(first), others)) => {
            let others: Vec<&Set> = others.iter().copied().flatten().collect();
            difference(first, &others, limits)
        }
        _ => Set::new(),
    }
}

fn answer(cx: &mut Ctx<'_>, combine: Combine) -> Done {
    let limits = set_limits(&cx.srv.config);
    let result = combine(&sets(cx.srv, cx.db, cx.argv, 1..cx.argv.len())?, &limits);
    cx.reply.set(result.len());
    result.iter().for_each(|member| cx.reply.item(member));
    Ok(())
}

fn store_result(cx: &mut Ctx<'_>, event: &'static str, combine: Combine) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let limits = set_limits(&cx.srv.config);
    let result = combine(&sets(cx.srv, cx.db, argv, 2..argv.len())?, &limits);
    let members = result.len();
    if members > 0 {
        let value = NewValue::Aggregate(result.wrap());
        store(cx.srv, cx.db, key, value, Expire::Clear);
        key_changed(cx.srv, cx.db, key, 1, Event::Set(event));
    } else {
        let lazy = cx.srv.config.lazyfree_lazy_server_del;
        delete(cx.srv, cx.db, key, lazy);
    }
    cx.reply.int(members as i64);
    Ok(())
}

fn sinter(cx: &mut Ctx<'_>) -> Done {
    let sets = sets(cx.srv, cx.db, cx.argv, 1..cx.argv.len())?;
    let mark = cx.reply.defer();
    let mut members = 0;
    each_common(&all_of(&sets), &mut |member| {
        cx.reply.item(member);
        members += 1;
        ControlFlow::Continue(())
    });
    cx.reply.close_set(mark, members);
    Ok(())
}

fn sintercard(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let keys = int(&argv[1])
        .ok()
        .and_then(|count| usize::try_from(count).ok())
        .filter(|&count| count > 0)
        .ok_or(NUMKEYS_NOT_POSITIVE)?;
    if keys > argv.len() - 2 {
        return Err(NUMKEYS_TOO_MANY);
    }
    let mut limit = 0;
    let mut args = Args::from(argv, 2 + keys);
    while !args.is_done() {
        if !args.word_with_value("limit") {
            return Err(SYNTAX);
        }
        limit = args
            .int()
            .ok()
            .and_then(|limit| usize::try_from(limit).ok())
            .ok_or(LIMIT_NEGATIVE)?;
    }
    let sets = sets(cx.srv, cx.db, argv, 2..2 + keys)?;
    let mut members = 0;
    each_common(&all_of(&sets), &mut |_| {
        members += 1;
        if members == limit {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    cx.reply.int(members as i64);
    Ok(())
}

/// The sets under some keys, `None` where there is none. Each key is looked up for reading by itself, which may remove it
/// and needs all of the server; then they are borrowed together.
fn sets<'a>(
    srv: &'a mut Server,
    number: usize,
    argv: &Argv,
    keys: Range<usize>,
) -> Result<Vec<Option<&'a Set>>, Fault> {
    for key in keys.clone() {
        read::<Set>(srv, number, &argv[key])?;
    }
    let db = db(srv, number);
    let found = keys.map(|key| db.find(&argv[key]).and_then(EntryRef::get));
    Ok(found.collect())
}

/// All sets, or none if one is missing: then nothing is common to all.
fn all_of<'a>(sets: &[Option<&'a Set>]) -> Vec<&'a Set> {
    let all: Option<Vec<&Set>> = sets.iter().copied().collect();
    all.unwrap_or_default()
}
