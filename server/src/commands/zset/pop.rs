//! ZPOPMIN, ZPOPMAX, ZMPOP and their blocking variants.

use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::Type;
use data::value::zset::Zset;
use table::sorted_set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, deadline, positive, take_count};
use crate::feed::propagate::instead;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::write;
use crate::server::{Ctx, Done};
use crate::session::block::block_on_keys;
use crate::state::blocked::KeyBlock;
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::Resp;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ZPOPMIN, |cx| zpop(cx, End::Min)),
    (&rows::ZPOPMAX, |cx| zpop(cx, End::Max)),
    (&rows::BZPOPMIN, |cx| bzpop(cx, End::Min)),
    (&rows::BZPOPMAX, |cx| bzpop(cx, End::Max)),
    (&rows::ZMPOP, zmpop),
    (&rows::BZMPOP, bzmpop),
];

/// A member and its score.
type Pair = (Vec<u8>, f64);
/// The popped members.
type Pairs = Vec<Pair>;

#[derive(Clone, Copy)]
enum End {
    Min,
    Max,
}

impl End {
    fn of_word(args: &mut Args<'_>) -> Result<Self, Fault> {
        if args.word("min") {
            Ok(End::Min)
        } else if args.word("max") {
            Ok(End::Max)
        } else {
            Err(SYNTAX)
        }
    }

    fn pop_name(self) -> &'static [u8] {
        match self {
            End::Min => b"ZPOPMIN",
            End::Max => b"ZPOPMAX",
        }
    }

    fn event(self) -> Event {
        Event::Zset(match self {
            End::Min => "zpopmin",
            End::Max => "zpopmax",
        })
    }
}

/// Pops up to `count` members of a non-empty set.
fn take(cx: &mut Ctx<'_>, key: &[u8], end: End, count: usize) -> Result<Pairs, Fault> {
    let Some(zset) = write::<Zset>(cx.srv, cx.db, key)? else {
        return Ok(Vec::new());
    };
    let (len, count) = (zset.len(), count.min(zset.len()));
    let (ranks, reverse) = match end {
        End::Min => (0..count, false),
        End::Max => (len - count..len, true),
    };
    let taken: Vec<_> = zset
        .range(ranks.clone(), reverse)
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    zset.remove_range(ranks);
    if count > 0 {
        key_changed(cx.srv, cx.db, key, count as u64, end.event());
        drop_if_empty(cx.srv, cx.db, key);
    }
    Ok(taken)
}

/// Replies with members and scores; each pair is an array if `nested`.
fn reply_pairs(cx: &mut Ctx<'_>, pairs: &[Pair], nested: bool) {
    cx.reply
        .array(if nested { pairs.len() } else { pairs.len() * 2 });
    for (member, score) in pairs {
        if nested {
            cx.reply.array(2);
        }
        cx.reply.bulk(member);
        cx.reply.double(*score);
    }
}

fn zpop(cx: &mut Ctx<'_>, end: End) -> Done {
    let argv = cx.argv;
    let count = match argv.len() {
        2 => None,
        3 => Some(take_count(&argv[2])?),
        _ => return Err(SYNTAX),
    };
    let taken = take(cx, &argv[1], end, count.unwrap_or(1))?;
    let nested = count.is_some() && cx.reply.resp == Resp::V3;
    reply_pairs(cx, &taken, nested);
    Ok(())
}

/// Pops from the first key that holds a set.
fn take_first<'a>(
    cx: &mut Ctx<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
    end: End,
    count: usize,
) -> Result<Option<(&'a [u8], Pairs)>, Fault> {
    for key in keys {
        let taken = take(cx, key, end, count)?;
        if !taken.is_empty() {
            return Ok(Some((key, taken)));
        }
    }
    Ok(None)
}

fn bzpop(cx: &mut Ctx<'_>, end: End) -> Done {
    let argv = cx.argv;
    let last = argv.len() - 1;
    let deadline_ms = deadline(&argv[last], cx.now_ms)?;
    let keys = || (1..last).map(|at| &argv[at]);
    match take_first(cx, keys(), end, 1)? {
        Some((key, taken)) => {
            instead(cx, [end.pop_name(), key]);
            cx.reply.array(3);
            cx.reply.bulk(key);
            for (member, score) in taken {
                cx.reply.bulk(&member);
                cx.reply.double(score);
            }
        }
        None => block_on_keys(
            cx,
            KeyBlock {
                ty: Type::Zset,
                keys: keys().map(Into::into).collect(),
                deadline_ms,
                on_nokey: false,
            },
        ),
    }
    Ok(())
}

/// Arguments of ZMPOP from `numkeys` on.
struct Multi<'a> {
    keys: Vec<&'a [u8]>,
    end: End,
    count: usize,
}

fn parse_multi<'a>(mut args: Args<'a>) -> Result<Multi<'a>, Fault> {
    let keys = args.keys()?;
    let end = End::of_word(&mut args)?;
    let mut count = None;
    while !args.is_done() {
        if count.is_some() || !args.word_with_value("count") {
            return Err(SYNTAX);
        }
        let fault = Fault::new("ERR count should be greater than 0");
        count = Some(positive(args.need()?, fault)?);
    }
    let count = count.unwrap_or(1);
    Ok(Multi { keys, end, count })
}

/// Pops and replies with the key and the members; false if all sets are empty.
fn pop_multi(cx: &mut Ctx<'_>, multi: &Multi<'_>) -> Result<bool, Fault> {
    let keys = multi.keys.iter().copied();
    let Some((key, taken)) = take_first(cx, keys, multi.end, multi.count)? else {
        return Ok(false);
    };
    let mut digits = [0; MAX_I64_DIGITS];
    let count = write_i64(taken.len() as i64, &mut digits);
    instead(cx, [multi.end.pop_name(), key, count]);
    cx.reply.array(2);
    cx.reply.bulk(key);
    reply_pairs(cx, &taken, true);
    Ok(true)
}

fn zmpop(cx: &mut Ctx<'_>) -> Done {
    let multi = parse_multi(Args::from(cx.argv, 1))?;
    if !pop_multi(cx, &multi)? {
        cx.reply.null_array();
    }
    Ok(())
}

fn bzmpop(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let multi = parse_multi(Args::from(argv, 2))?;
    let deadline_ms = deadline(&argv[1], cx.now_ms)?;
    if !pop_multi(cx, &multi)? {
        let wait = KeyBlock {
            ty: Type::Zset,
            keys: multi.keys.iter().map(|&key| key.into()).collect(),
            deadline_ms,
            on_nokey: false,
        };
        block_on_keys(cx, wait);
    }
    Ok(())
}
