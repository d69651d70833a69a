//! ZADD, ZINCRBY, ZREM, ZSCORE, ZRANK, ZCARD and their variants.

use data::value::zset::Zset;
use table::sorted_set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, float};
use crate::config::limits::zset_limits;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{read, write, write_or_create};
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX, arity};
use crate::wire::reply::Resp;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ZADD, |cx| zadd(cx, false)),
    (&rows::ZINCRBY, |cx| zadd(cx, true)),
    (&rows::ZREM, zrem),
    (&rows::ZCARD, zcard),
    (&rows::ZSCORE, zscore),
    (&rows::ZMSCORE, zmscore),
    (&rows::ZRANK, |cx| zrank(cx, false)),
    (&rows::ZREVRANK, |cx| zrank(cx, true)),
];

/// Options of ZADD.
#[derive(Clone, Copy, Default)]
struct AddOptions {
    only_new: bool,
    only_existing: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

/// Outcome for one member.
enum Outcome {
    /// An option forbids the change.
    Nothing,
    Added(f64),
    Updated(f64),
    /// The score is unchanged.
    Same(f64),
}

fn parse_options(args: &mut Args<'_>) -> AddOptions {
    let mut options = AddOptions::default();
    loop {
        let flag = match () {
            () if args.word("nx") => &mut options.only_new,
            () if args.word("xx") => &mut options.only_existing,
            () if args.word("ch") => &mut options.count_changed,
            () if args.word("incr") => &mut options.increment,
            () if args.word("gt") => &mut options.only_greater,
            () if args.word("lt") => &mut options.only_less,
            () => return options,
        };
        *flag = true;
    }
}

fn check_options(options: AddOptions, pairs: usize) -> Done {
    let conflict = if options.only_new && options.only_existing {
        "ERR XX and NX options at the same time are not compatible"
    } else if options.only_greater && (options.only_new || options.only_less)
        || options.only_less && options.only_new
    {
        "ERR GT, LT, and/or NX options at the same time are not compatible"
    } else if options.increment && pairs > 1 {
        "ERR INCR option supports a single increment-element pair"
    } else {
        return Ok(());
    };
    Err(Fault::new(conflict))
}

impl AddOptions {
    /// The new score of a member, from its old one and the options, and the outcome.
    fn choose(self, old: Option<f64>, given: f64) -> (Option<f64>, Result<Outcome, Fault>) {
        let Some(old) = old else {
            return if self.only_existing {
                (None, Ok(Outcome::Nothing))
            } else {
                (Some(given), Ok(Outcome::Added(given)))
            };
        };
        if self.only_new {
            return (None, Ok(Outcome::Nothing));
        }
        let score = if self.increment { old + given } else { given };
        if score.is_nan() {
            let fault = Fault::new("ERR resulting score is not a number (NaN)");
            return (None, Err(fault));
        }
        if self.only_less && score >= old || self.only_greater && score <= old {
            (None, Ok(Outcome::Nothing))
        } else if score == old {
            (None, Ok(Outcome::Same(score)))
        } else {
            (Some(score), Ok(Outcome::Updated(score)))
        }
    }
}

fn zadd(cx: &mut Ctx<'_>, increment: bool) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let mut args = Args::from(argv, 2);
    // ZINCRBY knows the options as well, but has no room for them.
    let mut options = parse_options(&mut args);
    options.increment |= increment;
    if args.is_done() || args.left() % 2 == 1 {
        return Err(SYNTAX);
    }
    check_options(options, args.left() / 2)?;
    let mut pairs = Vec::with_capacity(args.left() / 2);
    while let (Some(score), Some(member)) = (args.take(), args.take()) {
        pairs.push((float(score)?, member));
    }
    let limits = zset_limits(&cx.srv.config);
    if options.only_existing && read_for_write(cx, key)?.is_none() {
        return answer_added(cx, options, None, 0, 0);
    }
    let zset: &mut Zset = write_or_create(cx.srv, cx.db, key)?;
    zset.choose_encoding(pairs.len(), pairs[0].1.len(), &limits);
    let (mut added, mut updated, mut score, mut fault) = (0, 0, None, None);
    for (given, member) in pairs {
        match zset.update(member, &limits, |old| options.choose(old, given)) {
            Ok(Outcome::Nothing) => {}
            Ok(Outcome::Same(same)) => score = Some(same),
            Ok(Outcome::Added(new)) => {
                added += 1;
                score = Some(new);
            }
            Ok(Outcome::Updated(new)) => {
                updated += 1;
                score = Some(new);
            }
            Err(error) => {
                fault = Some(error);
                break;
            }
        }
    }
    if added + updated > 0 {
        let event = if options.increment { "zincr" } else { "zadd" };
        key_changed(cx.srv, cx.db, key, added + updated, Event::Zset(event));
    }
    match fault {
        Some(fault) => Err(fault),
        None => answer_added(cx, options, score, added, updated),
    }
}

fn read_for_write<'a>(cx: &'a mut Ctx<'_>, key: &[u8]) -> Result<Option<&'a mut Zset>, Fault> {
    write(cx.srv, cx.db, key)
}

fn answer_added(
    cx: &mut Ctx<'_>,
    options: AddOptions,
    score: Option<f64>,
    added: u64,
    updated: u64,
) -> Done {
    match score {
        Some(score) if options.increment => cx.reply.double(score),
        None if options.increment => cx.reply.null(),
        _ if options.count_changed => cx.reply.int((added + updated) as i64),
        _ => cx.reply.int(added as i64),
    }
    Ok(())
}

fn zrem(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let removed = match write::<Zset>(cx.srv, cx.db, key)? {
        Some(zset) => argv
            .iter()
            .skip(2)
            .filter(|member| zset.remove(member).is_some())
            .count(),
        None => 0,
    };
    if removed > 0 {
        key_changed(cx.srv, cx.db, key, removed as u64, Event::Zset("zrem"));
        drop_if_empty(cx.srv, cx.db, key);
    }
    cx.reply.int(removed as i64);
    Ok(())
}

fn zcard(cx: &mut Ctx<'_>) -> Done {
    let zset = read::<Zset>(cx.srv, cx.db, &cx.argv[1])?;
    cx.reply.int(zset.map_or(0, Zset::len) as i64);
    Ok(())
}

fn zscore(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    match zset.and_then(|zset| zset.score(&argv[2])) {
        Some(score) => cx.reply.double(score),
        None => cx.reply.null(),
    }
    Ok(())
}

fn zmscore(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    cx.reply.array(argv.len() - 2);
    for member in argv.iter().skip(2) {
        match zset.and_then(|zset| zset.score(member)) {
            Some(score) => cx.reply.double(score),
            None => cx.reply.null(),
        }
    }
    Ok(())
}

fn zrank(cx: &mut Ctx<'_>, from_end: bool) -> Done {
    let argv = cx.argv;
    let with_score = match argv.len() {
        3 => false,
        4 if argv[3].eq_ignore_ascii_case(b"withscore") => true,
        4 => return Err(SYNTAX),
        _ => return Err(arity(table::full_name(cx.cmd))),
    };
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    let found = zset.and_then(|zset| {
        let (rank, score) = zset.rank(&argv[2])?;
        let rank = if from_end {
            zset.len() - 1 - rank
        } else {
            rank
        };
        Some((rank, score))
    });
    match found {
        Some((rank, score)) if with_score => {
            cx.reply.array(2);
            cx.reply.int(rank as i64);
            cx.reply.double(score);
        }
        Some((rank, _)) => cx.reply.int(rank as i64),
        None if with_score || cx.reply.resp == Resp::V3 => cx.reply.null_array(),
        None => cx.reply.null(),
    }
    Ok(())
}
