//! A stream in parts, for the RDB: what an encoder writes, and how a decoder puts a stream together again.
//!
//! An encoder walks [`Log::nodes`] (each listpack has `write_rdb`), the fields of the log, [`Stream::groups`], of each
//! group `pending` and `consumers`, and of each consumer `pending`, whose ids are also in the group's.
//!
//! A decoder fills a [`StreamBuilder`] and, for each group, a [`GroupBuilder`]. It has looked at every entry of every
//! node (`stream_node::is_sound`); whatever does not fit answers false or `None`, after which the builder is to be dropped.

use std::collections::BTreeMap;

use crate::ds::listpack::Listpack;
use crate::value::stream::Stream;
use crate::value::stream_group::{ConsumerId, Group, Nack};
use crate::value::stream_id::StreamId;
use crate::value::stream_log::Log;
use crate::value::stream_node::Node;

/// A stream that is being put together.
#[derive(Default)]
pub struct StreamBuilder {
    stream: Stream,
}

/// What a file says of the entries beside the nodes.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// How many entries there are.
    pub len: u64,
    /// The last id that was given away.
    pub last_id: StreamId,
    /// The highest id that was deleted, and how many entries were ever added; files before Redis 7 do not say.
    pub history: Option<(StreamId, u64)>,
}

/// A group that is being put together: first what is pending, then the consumers, each with its share of it.
pub struct GroupBuilder {
    group: Group,
    /// What is pending and has no consumer yet: when it was delivered, and how often.
    unowned: BTreeMap<StreamId, (i64, u64)>,
    consumer: Option<ConsumerId>,
}

impl StreamBuilder {
    /// Adds a node, which is sound, behind the others; false when its id is not behind theirs.
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

    /// After the nodes: what is said of them must be true.
    pub fn totals(&mut self, totals: &Totals) -> bool {
        let log = self.stream.log_mut();
        let (max_deleted_id, entries_added) = totals.history.unwrap_or((StreamId::MIN, totals.len));
        log.last_id = totals.last_id;
        log.max_deleted_id = max_deleted_id;
        log.entries_added = entries_added;
        log.renew_first_id();
        log.len as u64 == totals.len && log.top_id() <= totals.last_id
    }

    /// Adds a group; false when there is one of this name.
    pub fn group(&mut self, name: &[u8], group: Group) -> bool {
        self.stream.create_group(name, group)
    }

    /// The stream.
    pub fn finish(self) -> Stream {
        self.stream
    }

    /// Its entries so far: of files before Redis 7.0, the number that a group has read is estimated from them.
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

    /// Adds a pending entry; false when it is there already.
    pub fn pending(&mut self, id: StreamId, delivered_ms: i64, deliveries: u64) -> bool {
        let before = self.unowned.insert(id, (delivered_ms, deliveries));
        before.is_none()
    }

    /// Adds a consumer; false when there is one of this name.
    pub fn consumer(&mut self, name: &[u8], seen_ms: i64, active_ms: Option<i64>) -> bool {
        let (id, joined) = self.group.join(name, seen_ms);
        self.group.consumer_mut(id).active_ms = active_ms;
        self.consumer = Some(id);
        joined
    }

    /// Gives a pending entry to the consumer added last; false when it is none, or somebody's already.
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

    /// The group; `None` when something is pending for nobody.
    pub fn finish(self) -> Option<Group> {
        self.unowned.is_empty().then_some(self.group)
    }
}
