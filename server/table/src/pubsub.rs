//! Rows of the Pub/Sub commands.
//!
//! Shard channels have a key spec marked NOT_KEY: a cluster routes them by slot like keys.

#![expect(missing_docs, reason = "a row says what it is in its summary")]

use crate::arg::{pattern, string};
use crate::spec::{Group, Spec, at, one, spec, to};
use crate::words::access::NOT_KEY;
use crate::words::channel::PATTERN;
use crate::words::flag::{FAST, LOADING, MAY_REPLICATE, NOSCRIPT, SENTINEL, STALE};
use crate::words::{channel, flag};

/// All rows, ordered by name, each container before its subcommands.
pub static ROWS: &[&Spec] = &[
    &PSUBSCRIBE,
    &PUBLISH,
    &PUBSUB,
    &PUBSUB_CHANNELS,
    &PUBSUB_HELP,
    &PUBSUB_NUMPAT,
    &PUBSUB_NUMSUB,
    &PUBSUB_SHARDCHANNELS,
    &PUBSUB_SHARDNUMSUB,
    &PUNSUBSCRIBE,
    &SPUBLISH,
    &SSUBSCRIBE,
    &SUBSCRIBE,
    &SUNSUBSCRIBE,
    &UNSUBSCRIBE,
];

const fn row(full_name: &'static str, arity: i16) -> Spec {
    spec(full_name, arity, Group::PubSub)
}

pub static PSUBSCRIBE: Spec = row("psubscribe", -2)
    .since("2.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE | SENTINEL)
    .channels(PATTERN | channel::SUBSCRIBE)
    .summary("Receive the messages of all channels that match patterns.")
    .complexity("O(N), N the patterns given")
    .args(&[pattern("pattern").multiple()]);

pub static PUBLISH: Spec = row("publish", 3)
    .since("2.0.0")
    .flags(flag::PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE | SENTINEL)
    .channel(channel::PUBLISH)
    .summary("Send a message to a channel.")
    .complexity("O(N+M), N the subscribers of the channel, M all patterns subscribed to")
    .args(&[string("channel"), string("message")]);

pub static PUBSUB: Spec = row("pubsub", -2)
    .since("2.8.0")
    .summary("Hold the commands that inspect Pub/Sub.")
    .complexity("That of the subcommand");

pub static PUBSUB_CHANNELS: Spec = row("pubsub|channels", -2)
    .since("2.8.0")
    .flags(flag::PUBSUB | LOADING | STALE)
    .summary("List the channels that have subscribers.")
    .complexity("O(N), N the channels with subscribers")
    .args(&[pattern("pattern").optional()]);

pub static PUBSUB_HELP: Spec = row("pubsub|help", 2)
    .since("6.2.0")
    .flags(LOADING | STALE)
    .summary("List the subcommands of PUBSUB.")
    .complexity("O(1)");

pub static PUBSUB_NUMPAT: Spec = row("pubsub|numpat", 2)
    .since("2.8.0")
    .flags(flag::PUBSUB | LOADING | STALE)
    .summary("Count the patterns that are subscribed to.")
    .complexity("O(1)");

pub static PUBSUB_NUMSUB: Spec = row("pubsub|numsub", -2)
    .since("2.8.0")
    .flags(flag::PUBSUB | LOADING | STALE)
    .summary("Count the subscribers of channels.")
    .complexity("O(N), N the channels given")
    .args(&[string("channel").optional().multiple()]);

pub static PUBSUB_SHARDCHANNELS: Spec = row("pubsub|shardchannels", -2)
    .since("7.0.0")
    .flags(flag::PUBSUB | LOADING | STALE)
    .summary("List the shard channels that have subscribers.")
    .complexity("O(N), N the shard channels with subscribers")
    .args(&[pattern("pattern").optional()]);

pub static PUBSUB_SHARDNUMSUB: Spec = row("pubsub|shardnumsub", -2)
    .since("7.0.0")
    .flags(flag::PUBSUB | LOADING | STALE)
    .summary("Count the subscribers of shard channels.")
    .complexity("O(N), N the shard channels given")
    .args(&[string("shardchannel").optional().multiple()]);

pub static PUNSUBSCRIBE: Spec = row("punsubscribe", -1)
    .since("2.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE | SENTINEL)
    .channels(PATTERN | channel::UNSUBSCRIBE)
    .summary("Stop receiving the messages of channels that match patterns.")
    .complexity("O(N), N the patterns given")
    .args(&[pattern("pattern").optional().multiple()]);

pub static SPUBLISH: Spec = row("spublish", 3)
    .since("7.0.0")
    .flags(flag::PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE)
    .key(NOT_KEY, at(1), one())
    .channel(channel::PUBLISH)
    .summary("Send a message to a shard channel.")
    .complexity("O(N), N the subscribers of the channel")
    .args(&[string("shardchannel"), string("message")]);

pub static SSUBSCRIBE: Spec = row("ssubscribe", -2)
    .since("7.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE)
    .key(NOT_KEY, at(1), to(-1))
    .channels(channel::SUBSCRIBE)
    .summary("Receive the messages of shard channels.")
    .complexity("O(N), N the shard channels given")
    .args(&[string("shardchannel").multiple()]);

pub static SUBSCRIBE: Spec = row("subscribe", -2)
    .since("2.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE | SENTINEL)
    .channels(channel::SUBSCRIBE)
    .summary("Receive the messages of channels.")
    .complexity("O(N), N the channels given")
    .args(&[string("channel").multiple()]);

pub static SUNSUBSCRIBE: Spec = row("sunsubscribe", -1)
    .since("7.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE)
    .key(NOT_KEY, at(1), to(-1))
    .channels(channel::UNSUBSCRIBE)
    .summary("Stop receiving the messages of shard channels.")
    .complexity("O(N), N the shard channels given")
    .args(&[string("shardchannel").optional().multiple()]);

pub static UNSUBSCRIBE: Spec = row("unsubscribe", -1)
    .since("2.0.0")
    .flags(flag::PUBSUB | NOSCRIPT | LOADING | STALE | SENTINEL)
    .channels(channel::UNSUBSCRIBE)
    .summary("Stop receiving the messages of channels.")
    .complexity("O(N), N the channels given")
    .args(&[string("channel").optional().multiple()]);
