//! Searching by distance: GEOSEARCH, GEOSEARCHSTORE, and the older GEORADIUS family.

use std::ops::Range;

use data::ds::item::Item;
use data::util::geo::{Point, Search};
use data::util::part::sort_part;
use data::value::aggregate::Kind;
use data::value::db::Expire;
use data::value::zset::Zset;
use table::geo as rows;

use crate::commands::Family;
use crate::commands::geo::position::reply_distance;
use crate::commands::geo::query::{Order, Query, Style, With, parse};
use crate::config::limits::zset_limits;
use crate::keyspace::change::{Event, key_stored};
use crate::keyspace::delete::delete_target;
use crate::keyspace::lookup::read;
use crate::keyspace::store::store;
use crate::server::{Ctx, Done};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::GEOSEARCH, |cx| search(cx, Style::Search)),
    (&rows::GEOSEARCHSTORE, |cx| search(cx, Style::SearchStore)),
    (&rows::GEORADIUS, |cx| {
        search(cx, Style::Radius { may_store: true })
    }),
    (&rows::GEORADIUS_RO, |cx| {
        search(cx, Style::Radius { may_store: false })
    }),
    (&rows::GEORADIUSBYMEMBER, |cx| {
        search(cx, Style::RadiusByMember { may_store: true })
    }),
    (&rows::GEORADIUSBYMEMBER_RO, |cx| {
        search(cx, Style::RadiusByMember { may_store: false })
    }),
];

/// A member within the area.
struct Hit<'a> {
    member: Item<'a>,
    score: f64,
    place: Point,
    /// In metres.
    distance: f64,
}

fn search(cx: &mut Ctx<'_>, style: Style) -> Done {
    let argv = cx.argv;
    let limits = zset_limits(&cx.srv.config);
    let zset = read::<Zset>(cx.srv, cx.db, &argv[style.key()])?;
    let query = parse(argv, style, zset)?;
    let (hits, unit) = match (zset, &query.search) {
        (Some(zset), Some(search)) => (find(zset, search, &query), search.unit),
        _ => (Vec::new(), 1.0),
    };
    let Some(target) = query.store else {
        reply_hits(cx.reply, &hits, query.with, unit);
        return Ok(());
    };
    let mut result = Zset::tree_with_room(hits.len());
    for hit in &hits {
        let score = if target.distances {
            hit.distance / unit
        } else {
            hit.score
        };
        result.set(hit.member.bytes(&mut Default::default()), score, &limits);
    }
    let event = Event::Zset(if style.is_search() {
        "geosearchstore"
    } else {
        "georadiusstore"
    });
    let result = result.reencoded(&limits);
    let len = result.len();
    if len == 0 {
        let lazy = cx.srv.config.lazyfree_lazy_server_del;
        delete_target(cx.srv, cx.db, target.key, lazy);
    } else {
        let value = result.wrap().into();
        let is_new = store(cx.srv, cx.db, target.key, value, Expire::Clear);
        key_stored(cx.srv, (cx.db, target.key), is_new, len as u64, event);
    }
    cx.reply.int(len as i64);
    Ok(())
}

/// The members that match a query, in its order.
fn find<'a>(zset: &'a Zset, search: &Search, query: &Query<'_>) -> Vec<Hit<'a>> {
    let enough = query.count.filter(|_| query.any).unwrap_or(usize::MAX);
    let mut hits = Vec::new();
    for cell in search.cells() {
        if hits.len() < enough {
            find_in(zset, cell.scores(), search, enough, &mut hits);
        }
    }
    let wanted = query.count.unwrap_or(usize::MAX).min(hits.len());
    if let Some(order) = query.order {
        let compare = |one: &Hit<'_>, other: &Hit<'_>| {
            let nearer = one.distance.total_cmp(&other.distance);
            match order {
                Order::Ascending => nearer,
                Order::Descending => nearer.reverse(),
            }
        };
        if wanted == hits.len() {
            hits.sort_by(compare);
        } else {
            sort_part(&mut hits, 0..wanted, compare);
        }
    }
    hits.truncate(wanted);
    hits
}

/// Adds the members within the area from a range of scores, until there are enough.
fn find_in<'a>(
    zset: &'a Zset,
    scores: Range<f64>,
    search: &Search,
    enough: usize,
    hits: &mut Vec<Hit<'a>>,
) {
    let members = zset.range_from(scores.start);
    for (member, score) in members.take_while(|(_, score)| *score < scores.end) {
        let place = Point::of_score(score);
        if let Some(distance) = search.distance(place) {
            hits.push(Hit {
                member,
                score,
                place,
                distance,
            });
            if hits.len() >= enough {
                return;
            }
        }
    }
}

fn reply_hits(reply: &mut Reply, hits: &[Hit<'_>], with: With, unit: f64) {
    let more = [with.distance, with.score, with.place];
    let more = more.into_iter().filter(|&wanted| wanted).count();
    reply.array(hits.len());
    for hit in hits {
        if more > 0 {
            reply.array(1 + more);
        }
        reply.item(hit.member);
        if with.distance {
            reply_distance(reply, hit.distance / unit);
        }
        if with.score {
            reply.int(hit.score as i64);
        }
        if with.place {
            reply.array(2);
            reply.double_decimals(hit.place.longitude);
            reply.double_decimals(hit.place.latitude);
        }
    }
}
