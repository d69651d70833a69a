//! Ranges: the ZRANGE family, ZRANGESTORE, ZCOUNT, ZLEXCOUNT, ZREMRANGEBY*.
//!
//! Every range, by rank, score or member, is converted to a range of ranks, so that reading, counting and deleting are
//! written once.

use std::ops::Range;

use data::ds::item::Item;
use data::value::aggregate::Kind;
use data::value::zset::Zset;
use data::value::zset_range::{LexRange, ScoreRange};
use table::sorted_set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::commands::zset::bounds::{lex_range, rank_range, score_range};
use crate::config::limits::zset_limits;
use crate::keyspace::change::{Event, key_changed};
use crate::keyspace::delete::drop_if_empty;
use crate::keyspace::lookup::{read, write};
use crate::keyspace::store::store_aggregate;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::{Reply, Resp};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ZRANGE, |cx| zrange(cx, Form::ANY)),
    (&rows::ZREVRANGE, |cx| zrange(cx, Form::RANK.reversed())),
    (&rows::ZRANGEBYSCORE, |cx| zrange(cx, Form::SCORE)),
    (&rows::ZREVRANGEBYSCORE, |cx| {
        zrange(cx, Form::SCORE.reversed())
    }),
    (&rows::ZRANGEBYLEX, |cx| zrange(cx, Form::LEX)),
    (&rows::ZREVRANGEBYLEX, |cx| zrange(cx, Form::LEX.reversed())),
    (&rows::ZRANGESTORE, zrangestore),
    (&rows::ZCOUNT, |cx| count(cx, By::Score)),
    (&rows::ZLEXCOUNT, |cx| count(cx, By::Lex)),
    (&rows::ZREMRANGEBYRANK, |cx| {
        remove(cx, By::Rank, "zremrangebyrank")
    }),
    (&rows::ZREMRANGEBYSCORE, |cx| {
        remove(cx, By::Score, "zremrangebyscore")
    }),
    (&rows::ZREMRANGEBYLEX, |cx| {
        remove(cx, By::Lex, "zremrangebylex")
    }),
];

/// What the bounds refer to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// The parts of a range that the command's name determines; options determine the rest.
#[derive(Clone, Copy)]
struct Form {
    /// The bounds, if they are fixed.
    by: Option<By>,
    /// The direction, if it is fixed.
    reverse: Option<bool>,
    /// Whether WITHSCORES is allowed.
    scores: bool,
}

impl Form {
    const ANY: Form = Form {
        by: None,
        reverse: None,
        scores: true,
    };
    const STORE: Form = Form {
        scores: false,
        ..Form::ANY
    };
    const RANK: Form = Form::fixed(By::Rank);
    const SCORE: Form = Form::fixed(By::Score);
    const LEX: Form = Form::fixed(By::Lex);

    const fn fixed(by: By) -> Form {
        Form {
            by: Some(by),
            reverse: Some(false),
            scores: true,
        }
    }

    fn reversed(self) -> Form {
        Form {
            reverse: Some(true),
            ..self
        }
    }
}

/// Parsed bounds, before the set is known.
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(ScoreRange),
    Lex(LexRange<'a>),
}

impl<'a> Bounds<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Self, Fault> {
        Ok(match by {
            By::Rank => Bounds::Ranks(int(min)?, int(max)?),
            By::Score => Bounds::Scores(score_range(min, max)?),
            By::Lex => Bounds::Lex(lex_range(min, max)?),
        })
    }

    /// The ranks within the bounds.
    fn ranks(&self, zset: &Zset, reverse: bool) -> Range<usize> {
        match self {
            Bounds::Ranks(start, stop) => {
                let range = rank_range(*start, *stop, zset.len());
                if reverse {
                    zset.len() - range.end..zset.len() - range.start
                } else {
                    range
                }
            }
            Bounds::Scores(range) => zset.ranks_by_score(range),
            Bounds::Lex(range) => zset.ranks_by_lex(range),
        }
    }
}

/// A parsed range.
struct Query<'a> {
    bounds: Bounds<'a>,
    reverse: bool,
    scores: bool,
    offset: i64,
    limit: i64,
}

impl Query<'_> {
    /// The ranks of the reply.
    fn ranks(&self, zset: &Zset) -> Range<usize> {
        let range = self.bounds.ranks(zset, self.reverse);
        let Ok(offset) = usize::try_from(self.offset) else {
            return 0..0;
        };
        let left = range.len().saturating_sub(offset);
        let taken = usize::try_from(self.limit).map_or(left, |limit| limit.min(left));
        if self.reverse {
            let end = range.end - offset.min(range.len());
            end - taken..end
        } else {
            let start = range.start + offset.min(range.len());
            start..start + taken
        }
    }
}

/// Parses `min max [options]` from the cursor on.
fn parse<'a>(mut args: Args<'a>, form: Form) -> Result<Query<'a>, Fault> {
    let (first, second) = (args.need()?, args.need()?);
    let (mut by, mut reverse) = (form.by, form.reverse);
    let (mut scores, mut limit) = (false, None);
    while !args.is_done() {
        if form.scores && args.word("withscores") {
            scores = true;
        } else if args.left() > 2 && args.word("limit") {
            limit = Some((args.int()?, args.int()?));
        } else if reverse.is_none() && args.word("rev") {
            reverse = Some(true);
        } else if by.is_none() && args.word("bylex") {
            by = Some(By::Lex);
        } else if by.is_none() && args.word("byscore") {
            by = Some(By::Score);
        } else {
            return Err(SYNTAX);
        }
    }
    let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
    if by == By::Rank && limit.is_some_and(|(_, limit)| limit != -1) {
        return Err(Fault::new(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if by == By::Lex && scores {
        return Err(Fault::new(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    let (min, max) = if reverse && by != By::Rank {
        (second, first)
    } else {
        (first, second)
    };
    let (offset, limit) = match limit {
        Some(limit) if by != By::Rank => limit,
        _ => (0, -1),
    };
    Ok(Query {
        bounds: Bounds::parse(by, min, max)?,
        reverse,
        scores,
        offset,
        limit,
    })
}

/// Replies with members and optional scores: pairs in RESP3, a flat list in RESP2.
pub fn reply_members<'a>(
    reply: &mut Reply,
    members: impl ExactSizeIterator<Item = (Item<'a>, f64)>,
    scores: bool,
) {
    let nested = scores && reply.resp == Resp::V3;
    reply.array(if scores && !nested {
        members.len() * 2
    } else {
        members.len()
    });
    for (member, score) in members {
        if nested {
            reply.array(2);
        }
        reply.item(member);
        if scores {
            reply.double(score);
        }
    }
}

fn zrange(cx: &mut Ctx<'_>, form: Form) -> Done {
    let query = parse(Args::from(cx.argv, 2), form)?;
    match read::<Zset>(cx.srv, cx.db, &cx.argv[1])? {
        Some(zset) => {
            let members = zset.range(query.ranks(zset), query.reverse);
            reply_members(cx.reply, members, query.scores);
        }
        None => cx.reply.array(0),
    }
    Ok(())
}

fn zrangestore(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let query = parse(Args::from(argv, 3), Form::STORE)?;
    let limits = zset_limits(&cx.srv.config);
    let result = match read::<Zset>(cx.srv, cx.db, &argv[2])? {
        Some(zset) => {
            let ranks = query.ranks(zset);
            // For other bounds Redis only knows the number of members at the end.
            let expected = match query.bounds {
                Bounds::Ranks(..) => ranks.len(),
                _ => 0,
            };
            zset.part(ranks, expected, &limits)
        }
        None => Zset::new(),
    };
    let len = result.len();
    let event = Event::Zset("zrangestore");
    store_aggregate(cx.srv, cx.db, &argv[1], result.wrap(), event);
    cx.reply.int(len as i64);
    Ok(())
}

fn count(cx: &mut Ctx<'_>, by: By) -> Done {
    let argv = cx.argv;
    let bounds = Bounds::parse(by, &argv[2], &argv[3])?;
    let zset = read::<Zset>(cx.srv, cx.db, &argv[1])?;
    let count = zset.map_or(0, |zset| bounds.ranks(zset, false).len());
    cx.reply.int(count as i64);
    Ok(())
}

fn remove(cx: &mut Ctx<'_>, by: By, event: &'static str) -> Done {
    let argv = cx.argv;
    let key = &argv[1];
    let bounds = Bounds::parse(by, &argv[2], &argv[3])?;
    let removed = match write::<Zset>(cx.srv, cx.db, key)? {
        Some(zset) => {
            let ranks = bounds.ranks(zset, false);
            zset.remove_range(ranks)
        }
        None => 0,
    };
    if removed > 0 {
        key_changed(cx.srv, cx.db, key, removed as u64, Event::Zset(event));
        drop_if_empty(cx.srv, cx.db, key);
    }
    cx.reply.int(removed as i64);
    Ok(())
}
