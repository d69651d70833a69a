//! XINFO.

use data::value::stream::Stream;
use data::value::stream_group::{Consumer, Group};
use data::value::stream_id::StreamId;
use data::value::stream_log::Log;
use table::stream as rows;

use crate::commands::Family;
use crate::commands::args::Args;
use crate::commands::stream::reply::{no_group_of, reply_entries, reply_entry_or_null, reply_id};
use crate::keyspace::lookup::read;
use crate::server::{Ctx, Done};
use crate::wire::fault::{Fault, NO_SUCH_KEY, subcommand_syntax};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::XINFO_STREAM, stream),
    (&rows::XINFO_GROUPS, groups),
    (&rows::XINFO_CONSUMERS, consumers),
    (&rows::XINFO_HELP, help),
];

/// Default of COUNT in XINFO STREAM FULL.
const DEFAULT_COUNT: usize = 10;

fn int(reply: &mut Reply, name: &str, number: i64) {
    reply.bulk(name.as_bytes());
    reply.int(number);
}

fn int_or_null(reply: &mut Reply, name: &str, number: Option<i64>) {
    reply.bulk(name.as_bytes());
    match number {
        Some(number) => reply.int(number),
        None => reply.null(),
    }
}

fn id(reply: &mut Reply, name: &str, id: StreamId) {
    reply.bulk(name.as_bytes());
    reply_id(reply, id);
}

fn text(reply: &mut Reply, name: &str, text: &[u8]) {
    reply.bulk(name.as_bytes());
    reply.bulk(text);
}

/// Whether FULL is given, and its COUNT; 0 is all.
fn parse_full(cx: &Ctx<'_>) -> Result<Option<usize>, Fault> {
    let syntax = || subcommand_syntax(&cx.argv[0], &cx.argv[1]);
    let mut args = Args::from(cx.argv, 3);
    if args.is_done() {
        return Ok(None);
    }
    if !matches!(args.left(), 1 | 3) || !args.word("full") {
        return Err(syntax());
    }
    if args.is_done() {
        return Ok(Some(DEFAULT_COUNT));
    }
    if !args.word("count") {
        return Err(syntax());
    }
    Ok(Some(usize::try_from(args.int()?).unwrap_or(DEFAULT_COUNT)))
}

fn stream(cx: &mut Ctx<'_>) -> Done {
    let key = &cx.argv[2];
    // A missing key is reported before invalid options.
    let full = parse_full(cx);
    let stream = read::<Stream>(cx.srv, cx.db, key)?.ok_or(NO_SUCH_KEY)?;
    let full = full?;
    let (reply, log) = (&mut *cx.reply, stream.log());
    reply.map(if full.is_some() { 9 } else { 10 });
    reply_log(reply, log);
    match full {
        Some(count) => {
            let count = Some(count).filter(|&count| count > 0);
            reply.bulk(b"entries");
            let entries = log.entries(StreamId::MIN, StreamId::MAX, false);
            reply_entries(reply, entries, count);
            reply.bulk(b"groups");
            reply.array(stream.groups().len());
            for (name, group) in stream.groups() {
                reply_group_full(reply, log, name, group, count);
            }
        }
        None => {
            int(reply, "groups", stream.groups().len() as i64);
            for (name, reverse) in [(b"first-entry".as_slice(), false), (b"last-entry", true)] {
                reply.bulk(name);
                let entry = log.entries(StreamId::MIN, StreamId::MAX, reverse).next();
                reply_entry_or_null(reply, entry.as_ref());
            }
        }
    }
    Ok(())
}

fn reply_log(reply: &mut Reply, log: &Log) {
    int(reply, "length", log.len() as i64);
    int(reply, "radix-tree-keys", log.nodes_len() as i64);
    int(reply, "radix-tree-nodes", log.radix_nodes() as i64);
    id(reply, "last-generated-id", log.last_id);
    id(reply, "max-deleted-entry-id", log.max_deleted_id);
    int(reply, "entries-added", log.entries_added as i64);
    id(reply, "recorded-first-entry-id", log.first_id());
}

fn reply_group_full(
    reply: &mut Reply,
    log: &Log,
    name: &[u8],
    group: &Group,
    count: Option<usize>,
) {
    let count = count.unwrap_or(usize::MAX);
    reply.map(7);
    text(reply, "name", name);
    id(reply, "last-delivered-id", group.last_id);
    int_or_null(reply, "entries-read", group.entries_read);
    int_or_null(reply, "lag", group.lag(log));
    int(reply, "pel-count", group.pending().len() as i64);
    reply.bulk(b"pending");
    reply.array(group.pending().len().min(count));
    for (&id, nack) in group.pending().iter().take(count) {
        reply.array(4);
        reply_id(reply, id);
        reply.bulk(group.consumer(nack.consumer).name());
        reply.int(nack.delivered_ms);
        reply.int(nack.deliveries as i64);
    }
    reply.bulk(b"consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply_consumer_full(reply, group, consumer, count);
    }
}

fn reply_consumer_full(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    let pending = consumer.pending();
    reply.map(5);
    text(reply, "name", consumer.name());
    int(reply, "seen-time", consumer.seen_ms);
    int(reply, "active-time", consumer.active_ms.unwrap_or(-1));
    int(reply, "pel-count", pending.len() as i64);
    reply.bulk(b"pending");
    reply.array(pending.len().min(count));
    for &id in pending.iter().take(count) {
        let nack = group.nack(id);
        reply.array(3);
        reply_id(reply, id);
        reply.int(nack.map_or(0, |nack| nack.delivered_ms));
        reply.int(nack.map_or(0, |nack| nack.deliveries as i64));
    }
}

fn groups(cx: &mut Ctx<'_>) -> Done {
    let stream = read::<Stream>(cx.srv, cx.db, &cx.argv[2])?.ok_or(NO_SUCH_KEY)?;
    let reply = &mut *cx.reply;
    reply.array(stream.groups().len());
    for (name, group) in stream.groups() {
        reply.map(6);
        text(reply, "name", name);
        int(reply, "consumers", group.consumers().len() as i64);
        int(reply, "pending", group.pending().len() as i64);
        id(reply, "last-delivered-id", group.last_id);
        int_or_null(reply, "entries-read", group.entries_read);
        int_or_null(reply, "lag", group.lag(stream.log()));
    }
    Ok(())
}

fn consumers(cx: &mut Ctx<'_>) -> Done {
    let (argv, now_ms) = (cx.argv, cx.now_ms);
    let stream = read::<Stream>(cx.srv, cx.db, &argv[2])?.ok_or(NO_SUCH_KEY)?;
    let group = stream
        .group(&argv[3])
        .ok_or_else(|| no_group_of(&argv[3], &argv[2]))?;
    let reply = &mut *cx.reply;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        text(reply, "name", consumer.name());
        int(reply, "pending", consumer.pending().len() as i64);
        let idle_ms = now_ms.wrapping_sub(consumer.seen_ms).max(0);
        int(reply, "idle", idle_ms);
        let inactive_ms = consumer.active_ms.map(|at_ms| now_ms.wrapping_sub(at_ms));
        int(reply, "inactive", inactive_ms.unwrap_or(-1));
    }
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CONSUMERS <key> <groupname>",
        "    The consumers of a group.",
        "GROUPS <key>",
        "    The groups of a stream.",
        "STREAM <key> [FULL [COUNT <count>]]",
        "    A stream, with all that belongs to it if FULL.",
        "HELP",
        "    This text.",
    ]);
    Ok(())
}
