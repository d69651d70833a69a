//! Pub/Sub: SUBSCRIBE and its kin, PUBLISH, SPUBLISH, PUBSUB.

use data::util::glob::matches;
use table::pubsub as rows;

use crate::cluster::events::tell;
use crate::commands::Family;
use crate::egress::publish::{publish, publish_to_shard};
use crate::server::{Ctx, Done, Propagate};
use crate::session::subscribe::{count, settle, subscribe, unsubscribe, unsubscribe_all};
use crate::state::caller;
use crate::state::client::{ClientFlags, Closing};
use crate::state::pubsub::Kind;
use crate::wire::fault::{Fault, subcommand_syntax};
use crate::wire::reply::Reply;

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SUBSCRIBE, subscribe_channels),
    (&rows::UNSUBSCRIBE, unsubscribe_channels),
    (&rows::PSUBSCRIBE, subscribe_patterns),
    (&rows::PUNSUBSCRIBE, unsubscribe_patterns),
    (&rows::SSUBSCRIBE, subscribe_shards),
    (&rows::SUNSUBSCRIBE, unsubscribe_shards),
    (&rows::PUBLISH, publish_message),
    (&rows::SPUBLISH, publish_shard_message),
    (&rows::PUBSUB_CHANNELS, channels),
    (&rows::PUBSUB_NUMSUB, numsub),
    (&rows::PUBSUB_NUMPAT, numpat),
    (&rows::PUBSUB_SHARDCHANNELS, shard_channels),
    (&rows::PUBSUB_SHARDNUMSUB, shard_numsub),
    (&rows::PUBSUB_HELP, help),
];

fn subscribe_channels(cx: &mut Ctx<'_>) -> Done {
    subscribe_to(cx, Kind::Channel, b"subscribe")
}

fn unsubscribe_channels(cx: &mut Ctx<'_>) -> Done {
    unsubscribe_from(cx, Kind::Channel, b"unsubscribe")
}

fn subscribe_patterns(cx: &mut Ctx<'_>) -> Done {
    subscribe_to(cx, Kind::Pattern, b"psubscribe")
}

fn unsubscribe_patterns(cx: &mut Ctx<'_>) -> Done {
    unsubscribe_from(cx, Kind::Pattern, b"punsubscribe")
}

fn subscribe_shards(cx: &mut Ctx<'_>) -> Done {
    // A transaction may contain SUBSCRIBE and PSUBSCRIBE for the sake of old clients, and only these.
    if cx.caller.kind == caller::Kind::Transaction {
        return Err(Fault::new(
            "ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client",
        ));
    }
    subscribe_to(cx, Kind::Shard, b"ssubscribe")
}

fn unsubscribe_shards(cx: &mut Ctx<'_>) -> Done {
    unsubscribe_from(cx, Kind::Shard, b"sunsubscribe")
}

/// Confirmations are messages, so CLIENT REPLY does not silence them. Returns whether replies are silenced.
fn unmute(cx: &mut Ctx<'_>) -> bool {
    let client = cx.srv.clients.get(cx.caller.client);
    let is_heard = client.is_some_and(|client| {
        client.closing == Closing::No && !client.flags.contains(ClientFlags::PRIMARY)
    });
    let muted = cx.reply.muted;
    cx.reply.muted &= !is_heard;
    muted
}

fn confirm(reply: &mut Reply, word: &[u8], name: Option<&[u8]>, count: usize) {
    reply.push(3);
    reply.bulk(word);
    match name {
        Some(name) => reply.bulk(name),
        None => reply.null(),
    }
    reply.int(count as i64);
}

fn subscribe_to(cx: &mut Ctx<'_>, kind: Kind, word: &[u8]) -> Done {
    let (argv, id) = (cx.argv, cx.caller.client);
    let muted = unmute(cx);
    for name in argv.iter().skip(1) {
        subscribe(cx.srv, id, kind, name);
        confirm(cx.reply, word, Some(name), count(cx.srv, id, kind));
    }
    cx.reply.muted = muted;
    settle(cx.srv, cx.caller);
    Ok(())
}

fn unsubscribe_from(cx: &mut Ctx<'_>, kind: Kind, word: &[u8]) -> Done {
    let (argv, id) = (cx.argv, cx.caller.client);
    let muted = unmute(cx);
    for name in argv.iter().skip(1) {
        unsubscribe(cx.srv, id, kind, name);
        confirm(cx.reply, word, Some(name), count(cx.srv, id, kind));
    }
    if argv.len() == 1 {
        let reply = &mut *cx.reply;
        let mut is_any = false;
        unsubscribe_all(cx.srv, id, kind, |name, left| {
            is_any = true;
            confirm(reply, word, Some(name), left);
        });
        if !is_any {
            confirm(cx.reply, word, None, count(cx.srv, id, kind));
        }
    }
    cx.reply.muted = muted;
    settle(cx.srv, cx.caller);
    Ok(())
}

fn publish_message(cx: &mut Ctx<'_>) -> Done {
    let receivers = publish(cx.srv, &cx.argv[1], &cx.argv[2]);
    pass_on(cx, false);
    cx.reply.int(receivers as i64);
    Ok(())
}

fn publish_shard_message(cx: &mut Ctx<'_>) -> Done {
    let receivers = publish_to_shard(cx.srv, &cx.argv[1], &cx.argv[2]);
    pass_on(cx, true);
    cx.reply.int(receivers as i64);
    Ok(())
}

/// Passes a message on: in a cluster to the other nodes, else to the replicas.
fn pass_on(cx: &mut Ctx<'_>, is_sharded: bool) {
    let argv = cx.argv;
    let told = tell(cx.srv, |core, facts| {
        core.publish(&argv[1], &argv[2], is_sharded, facts);
    });
    cx.propagate = match told {
        Some(()) => Propagate::IfChanged,
        None => Propagate::ToReplicas,
    };
}

fn channels(cx: &mut Ctx<'_>) -> Done {
    list(cx, Kind::Channel)
}

fn shard_channels(cx: &mut Ctx<'_>) -> Done {
    list(cx, Kind::Shard)
}

fn list(cx: &mut Ctx<'_>, kind: Kind) -> Done {
    let argv = cx.argv;
    if argv.len() > 3 {
        return Err(subcommand_syntax(&argv[0], &argv[1]));
    }
    let pattern = (argv.len() == 3).then(|| &argv[2]);
    let mark = cx.reply.defer();
    let mut found = 0;
    for name in cx.srv.pubsub.channels(kind) {
        if pattern.is_none_or(|pattern| matches(pattern, name, false)) {
            cx.reply.bulk(name);
            found += 1;
        }
    }
    cx.reply.close_array(mark, found);
    Ok(())
}

fn numsub(cx: &mut Ctx<'_>) -> Done {
    subscriber_counts(cx, Kind::Channel)
}

fn shard_numsub(cx: &mut Ctx<'_>) -> Done {
    subscriber_counts(cx, Kind::Shard)
}

fn subscriber_counts(cx: &mut Ctx<'_>, kind: Kind) -> Done {
    cx.reply.array((cx.argv.len() - 2) * 2);
    for name in cx.argv.iter().skip(2) {
        cx.reply.bulk(name);
        let count = cx.srv.pubsub.subscribers(kind, name).len();
        cx.reply.int(count as i64);
    }
    Ok(())
}

fn numpat(cx: &mut Ctx<'_>) -> Done {
    let count = cx.srv.pubsub.count(Kind::Pattern);
    cx.reply.int(count as i64);
    Ok(())
}

fn help(cx: &mut Ctx<'_>) -> Done {
    cx.reply.help(&[
        "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "CHANNELS [<pattern>]",
        "    Channels with subscribers whose name matches <pattern> (default: all).",
        "HELP",
        "    This text.",
        "NUMPAT",
        "    How many patterns are subscribed to.",
        "NUMSUB [<channel> ...]",
        "    How many clients are subscribed to each channel; patterns do not count.",
        "SHARDCHANNELS [<pattern>]",
        "    Shard channels with subscribers whose name matches <pattern> (default: all).",
        "SHARDNUMSUB [<shardchannel> ...]",
        "    How many clients are subscribed to each shard channel.",
    ]);
    Ok(())
}
