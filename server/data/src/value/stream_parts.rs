//! A stream in parts for the RDB format: what an encoder writes, and how a decoder assembles a stream.
//!
//! An encoder walks [`Log::nodes`] (each listpack has `write_rdb`), the fields of the log, [`Stream::groups`], for
//! each group `pending` and `consumers`, and for each consumer `pending`, whose ids are also in the group's.
//!
//! A decoder fills a [`StreamBuilder`] and, for each group, a [`GroupBuilder`]. It has checked every entry of every
//! node (`stream_node::is_sound`). Inconsistent parts return false or `None`, after which the builder must be dropped.

use std::collections::BTreeMap;

use crate::ds::listpack::Listpack;
use crate::value::stream::Stream;
use crate::value::stream_group::{ConsumerId, Group, Nack};
use crate::value::stream_id::StreamId;
use crate::value::stream_log::Log;
use crate::value::stream_node::Node;

/// A stream under construction.
#[derive(Default)]
pub struct StreamBuilder {
    stream: Stream,
}

/// Metadata that the file stores in addition to the nodes.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Number of entries.
    pub len: u64,
    /// The last id that was assigned.
    pub last_id: StreamId,
    /// The highest deleted id and the number of entries ever added; absent before Redis 7.
    pub history: Option<(StreamId, u64)>,
}

/// A group under construction: first its pending entries, then its consumers, each with its share of them.
pub struct GroupBuilder {
    group: Group,
    /// Pending entries without a consumer so far: delivery time and number of deliveries.
    unowned: BTreeMap<StreamId, (i64, u64)>,
    consumer: Option<ConsumerId>,
}

impl StreamBuilder {
    /// Appends a node, which must be valid. Returns false if its id is not above all others.
    pub fn node(&mut self, id: StreamId, pack: Listpack) -> bool {
        let log = self.stream.log_mut();
        let last = log.nodes.last().map(|place| log.nodes.get(place).0);
        let follows = last.is_none_or(|last| last < id);
        if !follows {
            return false;
        }
        log.len += Node::open(id, &pack).map_or(0, |node| node.live);
        log.nodes.push(id, pack);
        true
    }

    /// Adds the metadata after the nodes. Returns false if it contradicts them.
    pub fn totals(&mut self, totals: &Totals) -> bool {
        let log = self.stream.log_mut();
        let (max_deleted_id, entries_added) = totals.history.unwrap_or((StreamId::MIN, totals.len));
        log.last_id = totals.last_id;
        log.max_deleted_id = max_deleted_id;
        log.entries_added = entries_added;
        log.renew_first_id();
        log.len as u64 == totals.len && log.top_id() <= totals.last_id
    }

    /// Adds a group. Returns false if the name exists.
    pub fn group(&mut self, name: &[u8], group: Group) -> bool {
        self.stream.create_group(name, group)
    }

    /// The finished stream.
    pub fn finish(self) -> Stream {
        self.stream
    }

    /// The log so far. For files before Redis 7.0 the number of entries that a group has read is estimated from it.
    pub fn log(&self) -> &Log {
        self.stream.log()
    }
}

impl GroupBuilder {
    /// A group that has read up to an id.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        GroupBuilder {
            group: Group::new(last_id, entries_read),
            unowned: BTreeMap::new(),
            consumer: None,
        }
    }

    /// Adds a pending entry. Returns false if it exists.
    pub fn pending(&mut self, id: StreamId, delivered_ms: i64, deliveries: u64) -> bool {
        let before = self.unowned.insert(id, (delivered_ms, deliveries));
        before.is_none()
    }

    /// Adds a consumer. Returns false if the name exists.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) -> bool {
        let (id, joined) = self.group.join(name, seen_ms);
        self.group.consumer_mut(id).active_ms = active_ms;
        self.consumer = Some(id);
        joined
    }

    /// Assigns a pending entry to the consumer added last. Returns false if it is not pending or already assigned.
    pub fn owned(&mut self, id: StreamId) -> bool {
        let (Some(consumer), Some((delivered_ms, deliveries))) =
            (self.consumer, self.unowned.remove(&id))
        else {
            return false;
        };
        let nack = Nack {
            delivered_ms,
            deliveries,
            consumer,
        };
        self.group.assign(id, nack);
        true
    }

    /// The finished group; `None` if a pending entry has no consumer.
    pub fn finish(self) -> Option<Group> {
        self.unowned.is_empty().then_some(self.group)
    }
}
