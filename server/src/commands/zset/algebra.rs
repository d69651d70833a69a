//! ZUNION, ZINTER, ZDIFF, their STORE variants, and ZINTERCARD. Plain sets may take part.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::ptr;

use data::ds::item::Item;
use data::util::num::parse_f64;
use data::value::Type;
use data::value::aggregate::{AggregateRef, Kind};
use data::value::entry::EntryRef;
use data::value::set::Set;
use data::value::zset::Zset;
use table::sorted_set as rows;

use crate::commands::Family;
use crate::commands::args::{Args, int};
use crate::commands::zset::range::reply_members;
use crate::config::limits::zset_limits;
use crate::keyspace::change::Event;
use crate::keyspace::lookup::find_read_all;
use crate::keyspace::store::store_aggregate;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, LIMIT_NEGATIVE, SYNTAX, WRONG_TYPE};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::ZUNION, |cx| show(cx, Operation::Union)),
    (&rows::ZINTER, |cx| show(cx, Operation::Inter)),
    (&rows::ZDIFF, |cx| show(cx, Operation::Diff)),
    (&rows::ZUNIONSTORE, |cx| {
        store(cx, Operation::Union, "zunionstore")
    }),
    (&rows::ZINTERSTORE, |cx| {
        store(cx, Operation::Inter, "zinterstore")
    }),
    (&rows::ZDIFFSTORE, |cx| {
        store(cx, Operation::Diff, "zdiffstore")
    }),
    (&rows::ZINTERCARD, zintercard),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Inter,
    Diff,
}

/// AGGREGATE: how the scores of a member in several sets are combined.
#[derive(Clone, Copy)]
enum Aggregation {
    Sum,
    Min,
    Max,
}

impl Aggregation {
    fn of_name(name: &[u8]) -> Result<Self, Fault> {
        match name.to_ascii_lowercase().as_slice() {
            b"sum" => Ok(Aggregation::Sum),
            b"min" => Ok(Aggregation::Min),
            b"max" => Ok(Aggregation::Max),
            _ => Err(SYNTAX),
        }
    }

    fn join(self, one: f64, other: f64) -> f64 {
        match self {
            // The sum of opposite infinities is 0 by convention.
            Aggregation::Sum => number(one + other),
            Aggregation::Min => one.min(other),
            Aggregation::Max => one.max(other),
        }
    }
}

/// NaN is replaced by 0.
fn number(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// Sources, weights and aggregation.
struct Query<'a> {
    /// With their weights.
    sources: Vec<(Source<'a>, f64)>,
    aggregation: Aggregation,
    scores: bool,
    limit: usize,
}

/// Options behind the keys.
#[derive(Clone, Copy)]
struct Options {
    weights: bool,
    scores: bool,
    limit: bool,
}

/// Parses `numkeys key … [options]` from the cursor on. As in Redis, the keys are looked up before the options are read.
fn parse<'a>(cx: &'a mut Ctx<'_>, first: usize, options: Options) -> Result<Query<'a>, Fault> {
    let argv = cx.argv;
    let mut args = Args::from(argv, first);
    let count = int(args.need()?)?;
    if count < 1 {
        return Err(Fault::new(format!(
            "ERR at least 1 input key is needed for '{}' command",
            table::full_name(cx.cmd)
        )));
    }
    if count > args.left() as i64 {
        return Err(SYNTAX);
    }
    let keys = args.take_many(count as usize);
    let entries = find_read_all(cx.srv, cx.db, &keys, need_either_set)?;
    let sources = entries.into_iter();
    let mut query = Query {
        sources: sources.map(|entry| (Source::of(entry), 1.0)).collect(),
        aggregation: Aggregation::Sum,
        scores: false,
        limit: usize::MAX,
    };
    while !args.is_done() {
        if options.weights && args.left() > query.sources.len() && args.word("weights") {
            for (_, weight) in &mut query.sources {
                let given = parse_f64(args.need()?);
                *weight = given.ok_or_else(|| Fault::new("ERR weight value is not a float"))?;
            }
        } else if options.weights && args.word_with_value("aggregate") {
            query.aggregation = Aggregation::of_name(args.need()?)?;
        } else if options.scores && args.word("withscores") {
            query.scores = true;
        } else if options.limit && args.word_with_value("limit") {
            let limit = int(args.need()?)
                .ok()
                .and_then(|limit| usize::try_from(limit).ok());
            query.limit = match limit.ok_or(LIMIT_NEGATIVE)? {
                0 => usize::MAX,
                limit => limit,
            };
        } else {
            return Err(SYNTAX);
        }
    }
    Ok(query)
}

/// Both kinds of sets may be combined.
fn need_either_set(entry: EntryRef<'_>) -> Result<(), Fault> {
    match entry.ty() {
        Type::Set | Type::Zset => Ok(()),
        _ => Err(WRONG_TYPE),
    }
}

/// A source. Members of a plain set have the score 1.
#[derive(Clone, Copy)]
enum Source<'a> {
    Nothing,
    Set(&'a Set),
    Zset(&'a Zset),
}

impl<'a> Source<'a> {
    fn of(entry: Option<EntryRef<'a>>) -> Self {
        match entry.and_then(EntryRef::aggregate) {
            Some(AggregateRef::Set(set)) => Source::Set(set),
            Some(AggregateRef::Zset(zset)) => Source::Zset(zset),
            _ => Source::Nothing,
        }
    }

    fn len(self) -> usize {
        match self {
            Source::Nothing => 0,
            Source::Set(set) => set.len(),
            Source::Zset(zset) => zset.len(),
        }
    }

    /// Whether both are the same value, found by the same key.
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Source::Set(set), Source::Set(other)) => ptr::eq(set, other),
            (Source::Zset(zset), Source::Zset(other)) => ptr::eq(zset, other),
            _ => false,
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Nothing => None,
            Source::Set(set) => set.contains(Item::Bytes(member)).then_some(1.0),
            Source::Zset(zset) => zset.score(member),
        }
    }

    /// Passes members to `each` until it returns false.
    fn walk(self, each: &mut dyn FnMut(Item<'_>, f64) -> bool) {
        match self {
            Source::Nothing => {}
            Source::Set(set) => {
                set.iter().all(|member| each(member, 1.0));
            }
            Source::Zset(zset) => {
                zset.iter().all(|(member, score)| each(member, score));
            }
        }
    }
}

/// Accumulates the result by member.
type Pairs = Vec<(Vec<u8>, f64)>;

/// Combines the sources. Unions and intersections begin with the smallest one.
fn combine(query: &mut Query<'_>, operation: Operation) -> Pairs {
    let sources = &mut query.sources;
    if operation != Operation::Diff {
        sources.sort_by_key(|(source, _)| source.len());
    }
    match operation {
        Operation::Union => union(sources, query.aggregation),
        Operation::Inter => inter(sources, query.aggregation),
        Operation::Diff => diff(sources),
    }
}

fn union(sources: &[(Source<'_>, f64)], aggregation: Aggregation) -> Pairs {
    let mut scores: HashMap<Vec<u8>, f64> = HashMap::new();
    for (source, weight) in sources {
        source.walk(&mut |member, score| {
            let score = number(score * weight);
            let member = member.to_vec();
            scores
                .entry(member)
                .and_modify(|known| *known = aggregation.join(*known, score))
                .or_insert(score);
            true
        });
    }
    scores.into_iter().collect()
}

fn inter(sources: &[(Source<'_>, f64)], aggregation: Aggregation) -> Pairs {
    let mut pairs = Pairs::new();
    each_common(sources, aggregation, &mut |member, score| {
        pairs.push((member.to_vec(), score));
        true
    });
    pairs
}

/// Passes the members of the intersection with their scores to `each` until it returns false.
fn each_common(
    sources: &[(Source<'_>, f64)],
    aggregation: Aggregation,
    each: &mut dyn FnMut(&[u8], f64) -> bool,
) {
    let Some(((first, weight), others)) = sources.split_first() else {
        return;
    };
    first.walk(&mut |member, score| {
        let mut scratch = Default::default();
        let bytes = member.bytes(&mut scratch);
        let mut total = number(score * weight);
        for (other, weight) in others {
            let found = if other.is(*first) {
                Some(score)
            } else {
                other.score(bytes)
            };
            match found {
                Some(score) => total = aggregation.join(total, score * weight),
                None => return true,
            }
        }
        each(bytes, total)
    });
}

fn diff(sources: &[(Source<'_>, f64)]) -> Pairs {
    let mut pairs = Pairs::new();
    let Some(((first, _), others)) = sources.split_first() else {
        return pairs;
    };
    if others.iter().any(|(other, _)| other.is(*first)) {
        return pairs;
    }
    first.walk(&mut |member, score| {
        let mut scratch = Default::default();
        let bytes = member.bytes(&mut scratch);
        if others.iter().all(|(other, _)| other.score(bytes).is_none()) {
            pairs.push((bytes.to_vec(), score));
        }
        true
    });
    pairs
}

/// The combination of the sources, ordered by score and member.
fn ordered(query: &mut Query<'_>, operation: Operation) -> Pairs {
    let mut pairs = combine(query, operation);
    pairs.sort_unstable_by(|(one, score), (other, other_score)| {
        let by_score = score.partial_cmp(other_score).unwrap_or(Ordering::Equal);
        by_score.then_with(|| one.cmp(other))
    });
    pairs
}

fn show(cx: &mut Ctx<'_>, operation: Operation) -> Done {
    let options = Options {
        weights: operation != Operation::Diff,
        scores: true,
        limit: false,
    };
    let mut query = parse(cx, 1, options)?;
    let (pairs, scores) = (ordered(&mut query, operation), query.scores);
    let items = pairs.iter();
    let items = items.map(|(member, score)| (Item::Bytes(member), *score));
    reply_members(cx.reply, items, scores);
    Ok(())
}

fn store(cx: &mut Ctx<'_>, operation: Operation, event: &'static str) -> Done {
    let options = Options {
        weights: operation != Operation::Diff,
        scores: false,
        limit: false,
    };
    let limits = zset_limits(&cx.srv.config);
    let pairs = ordered(&mut parse(cx, 2, options)?, operation);
    let zset = Zset::collect(&pairs, &limits);
    let len = zset.len();
    let event = Event::Zset(event);
    store_aggregate(cx.srv, cx.db, &cx.argv[1], zset.wrap(), event);
    cx.reply.int(len as i64);
    Ok(())
}

fn zintercard(cx: &mut Ctx<'_>) -> Done {
    let options = Options {
        weights: false,
        scores: false,
        limit: true,
    };
    let mut query = parse(cx, 1, options)?;
    query.sources.sort_by_key(|(source, _)| source.len());
    let mut members = 0;
    each_common(&query.sources, query.aggregation, &mut |_, _| {
        members += 1;
        members < query.limit
    });
    cx.reply.int(members as i64);
    Ok(())
}
