//! XREAD and XREADGROUP, blocking or not.

use data::value::Type;
use data::value::stream::Stream;
use data::value::stream_group::{ConsumerId, Group, Nack};
use data::value::stream_id::{IdRoom, StreamId};
use data::value::stream_log::Log;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::{Args, deadline_ms};
use crate::commands::stream::ids::exact_id;
use crate::commands::stream::propagate::{self, Told};
use crate::commands::stream::reply::{no_group, reply_entries, reply_entry, reply_id};
use crate::keyspace::change::{Event, key_changed_unwatched};
use crate::keyspace::lookup::{read, read_mut};
use crate::server::{Ctx, Done, Propagate};
use crate::session::block::block_on_keys;
use crate::state::blocked::KeyBlock;
use crate::state::caller::Kind;
use crate::wire::fault::{Fault, SYNTAX};
use crate::wire::reply::{Reply, Resp};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::XREAD, |cx| xread(cx, false)),
    (&rows::XREADGROUP, |cx| xread(cx, true)),
];

/// The consumer of XREADGROUP.
#[derive(Clone, Copy)]
struct Reader<'a> {
    group: &'a [u8],
    consumer: &'a [u8],
    /// NOACK.
    no_ack: bool,
}

/// Arguments.
struct Read<'a> {
    reader: Option<Reader<'a>>,
    count: Option<usize>,
    /// Deadline, if the command may block.
    block: Option<Option<i64>>,
    keys: Vec<&'a [u8]>,
    ids: Vec<&'a [u8]>,
    /// Index of the first id.
    ids_at: usize,
}

/// Where reading starts in one stream.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    /// After an id.
    After(StreamId),
    /// `>`: after the last delivered id of the group.
    New,
}

fn xread(cx: &mut Ctx<'_>, of_group: bool) -> Done {
    let request = parse(cx, of_group)?;
    if of_group {
        // Its outcome is propagated instead.
        cx.propagate = Propagate::Never;
    }
    let mut from = Vec::with_capacity(request.keys.len());
    for (key, id) in request.keys.iter().zip(&request.ids) {
        from.push(start(cx, &request, key, id)?);
    }
    let mark = cx.reply.defer();
    let mut served = 0;
    for (key, &from) in request.keys.iter().zip(&from) {
        let given = match (request.reader, from) {
            (Some(reader), from) => serve_group(cx, key, reader, from, request.count)?,
            (None, From::After(id)) => serve(cx, key, id, request.count)?,
            (None, From::New) => false,
        };
        served += usize::from(given);
    }
    if served > 0 {
        match cx.reply.resp {
            Resp::V2 => cx.reply.close_array(mark, served),
            Resp::V3 => cx.reply.close_map(mark, served),
        }
        return Ok(());
    }
    cx.reply.rewind(mark);
    match request.block {
        Some(deadline_ms) => wait(cx, &request, &from, deadline_ms),
        None => cx.reply.null_array(),
    }
    Ok(())
}

fn parse<'a>(cx: &Ctx<'a>, of_group: bool) -> Result<Read<'a>, Fault> {
    let only_group = |option: &str| {
        Fault::new(format!(
            "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
        ))
    };
    let mut args = Args::from(cx.argv, 1);
    let (mut names, mut no_ack, mut count, mut block) = (None, false, None, None);
    while !args.word_with_value("streams") {
        if args.word_with_value("block") {
            if cx.caller.kind == Kind::Script {
                let parts: [&[u8]; 3] = [
                    b"ERR ",
                    &cx.argv[0],
                    b" command is not allowed with BLOCK option from scripts",
                ];
                return Err(Fault::quoting(&parts));
            }
            block = Some(deadline_ms(args.need()?, cx.now_ms)?);
        } else if args.word_with_value("count") {
            // Only a positive COUNT is a limit.
            count = usize::try_from(args.int()?).ok().filter(|&count| count > 0);
        } else if args.left() >= 3 && args.word("group") {
            if !of_group {
                return Err(only_group("GROUP"));
            }
            names = Some((args.need()?, args.need()?));
        } else if args.word("noack") {
            if !of_group {
                return Err(only_group("NOACK"));
            }
            no_ack = true;
        } else {
            return Err(SYNTAX);
        }
    }
    let streams = args.left();
    if streams % 2 == 1 {
        let sign = if of_group { '>' } else { '$' };
        return Err(Fault::new(format!(
            "ERR Unbalanced '{}' list of streams: for each stream key an ID or '{sign}' must be specified.",
            table::full_name(cx.cmd)
        )));
    }
    if of_group && names.is_none() {
        return Err(Fault::new("ERR Missing GROUP option for XREADGROUP"));
    }
    let keys: Vec<_> = (0..streams / 2).filter_map(|_| args.take()).collect();
    let ids_at = args.position();
    let ids = std::iter::from_fn(|| args.take()).collect();
    Ok(Read {
        reader: names.map(|(group, consumer)| Reader {
            group,
            consumer,
            no_ack,
        }),
        count,
        block,
        keys,
        ids,
        ids_at,
    })
}

/// Where reading starts in one stream, which must have the type and the group.
fn start(cx: &mut Ctx<'_>, request: &Read<'_>, key: &[u8], id: &[u8]) -> Result<From, Fault> {
    let stream = read::<Stream>(cx.srv, cx.db, key)?;
    if let Some(reader) = request.reader
        && stream.is_none_or(|stream| stream.group(reader.group).is_none())
    {
        let mut text = no_group(key, reader.group).0.into_owned();
        text.extend_from_slice(b" in XREADGROUP with GROUP option");
        return Err(Fault::bytes(text));
    }
    match (id, request.reader) {
        (b"$", Some(_)) => Err(Fault::new(
            "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by \
             specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
        )),
        (b"$", None) => Ok(From::After(
            stream.map_or(StreamId::MIN, |stream| stream.log().last_id),
        )),
        (b">", Some(_)) => Ok(From::New),
        (b">", None) => Err(Fault::new(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        (id, reader) => match exact_id(id)? {
            // `$` in XREADGROUP has no useful meaning; Redis treats it so.
            StreamId::MAX if reader.is_some() => Ok(From::New),
            id => Ok(From::After(id)),
        },
    }
}

/// The header of one stream's part of the reply.
fn reply_head(reply: &mut Reply, key: &[u8]) {
    if reply.resp == Resp::V2 {
        reply.array(2);
    }
    reply.bulk(key);
}

/// Replies with the entries after an id; false if there are none.
fn serve(cx: &mut Ctx<'_>, key: &[u8], id: StreamId, count: Option<usize>) -> Result<bool, Fault> {
    let Some(stream) = read::<Stream>(cx.srv, cx.db, key)? else {
        return Ok(false);
    };
    let log = stream.log();
    let Some(start) = id.next().filter(|_| log.top_id() > id) else {
        return Ok(false);
    };
    reply_head(cx.reply, key);
    reply_entries(cx.reply, log.entries(start, StreamId::MAX, false), count);
    Ok(true)
}

/// Delivers new entries to a consumer, or lists its pending ones; false if there is nothing new.
fn serve_group(
    cx: &mut Ctx<'_>,
    key: &[u8],
    reader: Reader<'_>,
    from: From,
    count: Option<usize>,
) -> Result<bool, Fault> {
    let now_ms = cx.now_ms;
    let mut told = Told::new(cx.srv);
    let mut read_on = None;
    let Some(stream) = read_mut::<Stream>(cx.srv, cx.db, key)? else {
        return Ok(false);
    };
    let Some((log, group)) = stream.group_mut(reader.group) else {
        return Ok(false);
    };
    let (consumer, joined) = group.join(reader.consumer, now_ms);
    group.consumer_mut(consumer).seen_ms = now_ms;
    let served = match from {
        From::After(id) => {
            reply_head(cx.reply, key);
            reply_history(cx.reply, log, group, consumer, id, count, now_ms);
            true
        }
        From::New if log.top_id() > group.last_id => {
            reply_head(cx.reply, key);
            let keep = (!reader.no_ack).then_some(consumer);
            deliver(cx.reply, log, group, keep, count, now_ms, &mut told);
            read_on = reader.no_ack.then_some((group.last_id, group.entries_read));
            true
        }
        From::New => false,
    };
    if joined {
        let event = Event::Stream("xgroup-createconsumer");
        key_changed_unwatched(cx.srv, cx.db, key, 1, event);
        if reader.no_ack {
            propagate::joined(cx, key, reader.group, reader.consumer);
        }
    }
    propagate::pending(cx, key, reader.group, &told);
    if let Some(position) = read_on {
        propagate::read_on(cx, key, reader.group, position);
    }
    if served {
        key_changed_unwatched(cx.srv, cx.db, key, 1, Event::Silent);
    }
    Ok(served)
}

/// Delivers the entries that the group has not read yet; they become pending for the consumer, if one is given.
fn deliver(
    reply: &mut Reply,
    log: &Log,
    group: &mut Group,
    keep: Option<ConsumerId>,
    count: Option<usize>,
    now_ms: i64,
    told: &mut Told,
) {
    let start = group.last_id.next().unwrap_or(StreamId::MAX);
    let entries = log.entries(start, StreamId::MAX, false);
    let mark = reply.defer();
    let mut written = 0;
    for entry in entries.take(count.unwrap_or(usize::MAX)) {
        group.advance(log, entry.id);
        reply_entry(reply, &entry);
        written += 1;
        if let Some(consumer) = keep {
            // It may be pending already, after XGROUP SETID: then its owner changes.
            let nack = Nack {
                delivered_ms: now_ms,
                deliveries: 1,
                consumer,
            };
            group.assign(entry.id, nack);
            group.consumer_mut(consumer).active_ms = Some(now_ms);
            told.push(group, entry.id, nack);
        }
    }
    reply.close_array(mark, written);
}

/// Lists a consumer's pending entries after an id. For deleted entries only the id is replied.
fn reply_history(
    reply: &mut Reply,
    log: &Log,
    group: &mut Group,
    consumer: ConsumerId,
    id: StreamId,
    count: Option<usize>,
    now_ms: i64,
) {
    let pending = group.consumer(consumer).pending();
    let ids: Vec<StreamId> = match id.next() {
        Some(start) => pending
            .range(start..)
            .take(count.unwrap_or(usize::MAX))
            .copied()
            .collect(),
        None => Vec::new(),
    };
    reply.array(ids.len());
    for id in ids {
        match (log.get(id), group.nack(id)) {
            (Some(entry), Some(nack)) => {
                reply_entry(reply, &entry);
                let again = Nack {
                    delivered_ms: now_ms,
                    deliveries: nack.deliveries.wrapping_add(1),
                    ..nack
                };
                group.assign(id, again);
            }
            _ => {
                reply.array(2);
                reply_id(reply, id);
                reply.null_array();
            }
        }
    }
}

/// Blocks the command. `$` is replaced by the current last id, so that it keeps its meaning.
fn wait(cx: &mut Ctx<'_>, request: &Read<'_>, from: &[From], deadline_ms: Option<i64>) {
    let mut replaced = Vec::new();
    for (at, (id, from)) in request.ids.iter().zip(from).enumerate() {
        if let (b"$", From::After(meant)) = (*id, from) {
            let mut room: IdRoom = [0; size_of::<IdRoom>()];
            replaced.push((request.ids_at + at, meant.text(&mut room).to_vec()));
        }
    }
    if !replaced.is_empty() {
        cx.rewrite = Some(Box::new(cx.argv.replacing(&replaced)));
    }
    let wait = KeyBlock {
        ty: Type::Stream,
        keys: request.keys.iter().map(|&key| key.into()).collect(),
        deadline_ms,
        on_nokey: request.reader.is_some(),
    };
    block_on_keys(cx, wait);
}
