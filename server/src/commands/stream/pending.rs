//! XPENDING.

use data::value::stream::Stream;
use data::value::stream_group::{Group, Nack};
use data::value::stream_id::StreamId;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::ids::{range_end, range_start};
use crate::commands::stream::reply::{no_group, reply_id};
use crate::keyspace::lookup::read;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::XPENDING, xpending)];

/// Arguments of the extended form.
struct PendingFilter<'a> {
    min_idle_ms: i64,
    start: StreamId,
    end: StreamId,
    count: usize,
    consumer: Option<&'a [u8]>,
}

fn parse<'a>(cx: &Ctx<'a>) -> Result<Option<PendingFilter<'a>>, Fault> {
    let argv = cx.argv;
    if argv.len() == 3 {
        return Ok(None);
    }
    if !(6..=9).contains(&argv.len()) {
        return Err(SYNTAX);
    }
    let mut args = Args::from(argv, 3);
    let mut min_idle_ms = 0;
    if args.word("idle") {
        min_idle_ms = args.int()?;
        if args.left() < 3 {
            return Err(SYNTAX);
        }
    }
    let (start, end) = (args.need()?, args.need()?);
    // COUNT is checked before the ids.
    let count = usize::try_from(args.int()?).unwrap_or(0);
    Ok(Some(PendingFilter {
        min_idle_ms,
        start: range_start(start)?,
        end: range_end(end)?,
        count,
        consumer: args.take(),
    }))
}

fn xpending(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let filter = parse(cx)?;
    let stream = read::<Stream>(cx.srv, cx.db, &argv[1])?;
    let group = stream
        .and_then(|stream| stream.group(&argv[2]))
        .ok_or_else(|| no_group(&argv[1], &argv[2]))?;
    match filter {
        None => reply_summary(cx.reply, group),
        Some(filter) => reply_list(cx.reply, group, &filter, now_ms),
    }
    Ok(())
}

/// The summary: number of pending entries, smallest and greatest id, number per consumer.
fn reply_summary(reply: &mut Reply, group: &Group) {
    let pending = group.pending();
    reply.array(4);
    reply.int(pending.len() as i64);
    let ends = (pending.first_key_value(), pending.last_key_value());
    let (Some((&first, _)), Some((&last, _))) = ends else {
        reply.null();
        reply.null();
        reply.null_array();
        return;
    };
    reply_id(reply, first);
    reply_id(reply, last);
    let mark = reply.defer();
    let mut written = 0;
    for consumer in group.consumers() {
        let pending = consumer.pending().len();
        if pending > 0 {
            reply.array(2);
            reply.bulk(consumer.name());
            reply.bulk_int(pending as i64);
            written += 1;
        }
    }
    reply.close_array(mark, written);
}

/// The extended form: some pending entries, of all consumers or of one.
fn reply_list(reply: &mut Reply, group: &Group, filter: &PendingFilter<'_>, now_ms: i64) {
    let consumer = match filter.consumer.map(|name| group.find(name)) {
        Some(None) => return reply.array(0),
        Some(Some(id)) => Some(group.consumer(id)),
        None => None,
    };
    if filter.start > filter.end {
        return reply.array(0);
    }
    let range = filter.start..=filter.end;
    let nacks: Box<dyn Iterator<Item = (StreamId, Nack)>> = match consumer {
        Some(consumer) => {
            let ids = consumer.pending().range(range);
            Box::new(ids.filter_map(|&id| Some((id, group.nack(id)?))))
        }
        None => Box::new(group.pending().range(range).map(|(&id, &nack)| (id, nack))),
    };
    let idle_ms = |nack: Nack| now_ms.wrapping_sub(nack.delivered_ms);
    let mark = reply.defer();
    let mut written = 0;
    let idle = |nack: Nack| filter.min_idle_ms == 0 || idle_ms(nack) >= filter.min_idle_ms;
    for (id, nack) in nacks.filter(|&(_, nack)| idle(nack)).take(filter.count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.consumer(nack.consumer).name());
        reply.int(idle_ms(nack).max(0));
        reply.int(nack.deliveries as i64);
        written += 1;
    }
    reply.close_array(mark, written);
}
