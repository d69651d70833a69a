//! Coordinates of members: GEOADD, GEOPOS, GEODIST, GEOHASH.

use data::util::geo::Point;
use data::util::num::push_i64;
use data::value::zset::Zset;
use table::geo as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::geo::args::{point, unit};
use crate::config::limits::zset_limits;
use crate::feed::propagate::is_wanted;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::lookup::{read, write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::argv::Argv;
use crate::wire::fault::SYNTAX;
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::GEOADD, geoadd),
    (&rows::GEOPOS, geopos),
    (&rows::GEODIST, geodist),
    (&rows::GEOHASH, geohash),
];

fn geoadd(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let mut args = Args::from(argv, 2);
    let (mut only_new, mut only_existing, mut count_changed) = (false, false, false);
    loop {
        let flag = match () {
            () if args.word("nx") => &mut only_new,
            () if args.word("xx") => &mut only_existing,
            () if args.word("ch") => &mut count_changed,
            () => break,
        };
        *flag = true;
    }
    if args.is_done() || !args.left().is_multiple_of(3) || only_new && only_existing {
        return Err(SYNTAX);
    }
    let options = argv.len() - args.left();
    let mut members = Vec::with_capacity(args.left() / 3);
    while !args.is_done() {
        members.push((point(&mut args)?.score(), args.need()?));
    }
    if is_wanted(cx.srv) {
        cx.rewrite = Some(Box::new(as_zadd(argv, options, &members)));
    }
    let limits = zset_limits(&cx.srv.config);
    if only_existing && write::<Zset>(cx.srv, cx.db, key)?.is_none() {
        cx.reply.int(0);
        return Ok(());
    }
    let zset: &mut Zset = write_or_create(cx.srv, cx.db, key)?;
    zset.choose_encoding(members.len(), members[0].1.len(), &limits);
    let (mut added, mut moved) = (0, 0);
    for (score, member) in members {
        let score = score as f64;
        zset.update(member, &limits, |old| {
            let changes = match old {
                None if !only_existing => &mut added,
                Some(old) if !only_new && old != score => &mut moved,
                _ => return (None, ()),
            };
            *changes += 1;
            (Some(score), ())
        });
    }
    if added + moved > 0 {
        key_changed(cx.srv, cx.db, key, added + moved, Event::Zset("zadd"));
    }
    let counted = if count_changed { added + moved } else { added };
    cx.reply.int(counted as i64);
    Ok(())
}

/// The equivalent ZADD, which is what is propagated.
fn as_zadd(argv: &Argv, options: usize, members: &[(u64, &[u8])]) -> Argv {
    let scores: Vec<Vec<u8>> = members
        .iter()
        .map(|(score, _)| {
            let mut digits = Vec::new();
            push_i64(&mut digits, *score as i64);
            digits
        })
        .collect();
    let head = [&b"zadd"[..]].into_iter();
    let head = head.chain(argv.iter().take(options).skip(1));
    let pairs = scores.iter().zip(members);
    Argv::of(head.chain(pairs.flat_map(|(score, (_, member))| [score, *member])))
}

/// Replies with something about the coordinates of each given member.
fn each_place(cx: &mut Ctx<'_>, none: fn(&mut Reply), answer: impl Fn(&mut Reply, Point)) -> Done {
    let argv = cx.argv;
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    cx.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => answer(cx.reply, Point::of_score(score)),
            None => none(cx.reply),
        }
    }
    Ok(())
}

fn geopos(cx: &mut Ctx<'_>) -> Done {
    each_place(cx, Reply::null_array, |reply, place| {
        reply.array(2);
        reply.double_decimals(place.longitude);
        reply.double_decimals(place.latitude);
    })
}

fn geohash(cx: &mut Ctx<'_>) -> Done {
    each_place(cx, Reply::null, |reply, place| {
        reply.bulk(&place.geohash());
    })
}

fn geodist(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let unit = match argv.len() {
        4 => 1.0,
        5 => unit(&argv[4])?,
        _ => return Err(SYNTAX),
    };
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    let place = |member| {
        let score = zset.and_then(|zset| zset.score(member));
        score.map(Point::of_score)
    };
    match (place(&argv[2]), place(&argv[3])) {
        (Some(one), Some(other)) => reply_distance(cx.reply, one.distance(other) / unit),
        _ => cx.reply.null(),
    }
    Ok(())
}

/// A distance with four decimals, a bulk string in both protocols.
pub fn reply_distance(reply: &mut Reply, distance: f64) {
    let scaled = (distance * 10_000.0).round_ties_even() as i64;
    let (whole, part) = (scaled / 10_000, scaled % 10_000);
    reply.bulk(format!("{whole}.{part:04}").as_bytes());
}
