//! Intersection, union and difference of sets, replied or stored.

use std::ops::{ControlFlow, Range};

use data::ds::item::Item;
use data::value::aggregate::Kind;
use data::value::entry::EntryRef;
use data::value::set::{Set, SetLimits};
use data::value::set_algebra::{
    count_common, difference, each_common, each_difference, each_of_any, intersection, union,
};
use table::set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, positive};
use crate::config::limits::set_limits;
use crate::keyspace::change::Event;
use crate::keyspace::lookup::{find_read_all, need};
use crate::keyspace::store::store_aggregate;
use crate::server::{Ctx, Done, Server};
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, LIMIT_NEGATIVE, NUMKEYS_NOT_POSITIVE, NUMKEYS_TOO_MANY, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SINTER, |cx| answer(cx, each_in_all)),
    (&rows::SINTERCARD, sintercard),
    (&rows::SINTERSTORE, |cx| {
        store_result(cx, "sinterstore", |sets, limits| {
            intersection(&all_of(sets), limits)
        })
    }),
    (&rows::SUNION, |cx| answer(cx, each_in_any)),
    (&rows::SUNIONSTORE, |cx| {
        store_result(cx, "sunionstore", |sets, limits| {
            union(&present(sets), limits)
        })
    }),
    (&rows::SDIFF, |cx| answer(cx, each_in_first)),
    (&rows::SDIFFSTORE, |cx| {
        store_result(cx, "sdiffstore", |sets, limits| match sets {
            [Some(first), others @ ..] => difference(first, &present(others), limits),
            _ => Set::new(),
        })
    }),
];

/// Passes the members of a combination of sets to a function; missing sets are `None`.
type Pass = fn(&[Option<&Set>], &SetLimits, &mut dyn FnMut(Item<'_>));

fn each_in_all(sets: &[Option<&Set>], _: &SetLimits, each: &mut dyn FnMut(Item<'_>)) {
    each_common(&all_of(sets), &mut |member| {
        each(member);
        ControlFlow::Continue(())
    });
}

fn each_in_any(sets: &[Option<&Set>], limits: &SetLimits, each: &mut dyn FnMut(Item<'_>)) {
    each_of_any(&present(sets), limits, each);
}

fn each_in_first(sets: &[Option<&Set>], limits: &SetLimits, each: &mut dyn FnMut(Item<'_>)) {
    if let [Some(first), others @ ..] = sets {
        each_difference(first, &present(others), limits, each);
    }
}

fn answer(cx: &mut Ctx<'_>, pass: Pass) -> Done {
    let limits = set_limits(&cx.srv.config);
    let sets = sets(cx.srv, cx.db, cx.argv, 1..cx.argv.len())?;
    let mark = cx.reply.defer();
    let mut members = 0;
    pass(&sets, &limits, &mut |member| {
        cx.reply.item(member);
        members += 1;
    });
    cx.reply.close_set(mark, members);
    Ok(())
}

/// Builds the result of a combination of sets; missing sets are `None`.
type Combine = fn(&[Option<&Set>], &SetLimits) -> Set;

fn store_result(cx: &mut Ctx<'_>, event: &'static str, combine: Combine) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let limits = set_limits(&cx.srv.config);
    let result = combine(&sets(cx.srv, cx.db, argv, 2..argv.len())?, &limits);
    let members = result.len();
    store_aggregate(cx.srv, cx.db, key, result.wrap(), Event::Set(event));
    cx.reply.int(members as i64);
    Ok(())
}

fn sintercard(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let keys = positive(&argv[1], NUMKEYS_NOT_POSITIVE)?;
    if keys > argv.len() - 2 {
        return Err(NUMKEYS_TOO_MANY);
    }
    let mut limit = usize::MAX;
    let mut args = Args::from(argv, 2 + keys);
    while !args.is_done() {
        if !args.word_with_value("limit") {
            return Err(SYNTAX);
        }
        let given = args.int().ok();
        let given = given.and_then(|limit| usize::try_from(limit).ok());
        limit = match given.ok_or(LIMIT_NEGATIVE)? {
            0 => usize::MAX,
            limit => limit,
        };
    }
    let sets = sets(cx.srv, cx.db, argv, 2..2 + keys)?;
    cx.reply.int(count_common(&all_of(&sets), limit) as i64);
    Ok(())
}

/// The sets under some keys, `None` for a missing one.
fn sets<'a>(
    srv: &'a mut Server,
    number: usize,
    argv: &Argv,
    keys: Range<usize>,
) -> Result<Vec<Option<&'a Set>>, Fault> {
    let keys: Vec<&[u8]> = keys.map(|at| &argv[at]).collect();
    let entries = find_read_all(srv, number, &keys, need::<Set>)?;
    let sets = entries.into_iter();
    Ok(sets.map(|entry| entry.and_then(EntryRef::get)).collect())
}

/// The sets that exist.
fn present<'a>(sets: &[Option<&'a Set>]) -> Vec<&'a Set> {
    sets.iter().copied().flatten().collect()
}

/// All sets, or none if one is missing, since the intersection is empty then.
fn all_of<'a>(sets: &[Option<&'a Set>]) -> Vec<&'a Set> {
    let all: Option<Vec<&Set>> = sets.iter().copied().collect();
    all.unwrap_or_default()
}
