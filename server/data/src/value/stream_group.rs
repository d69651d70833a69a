//! A consumer group of a stream: its position, its consumers, and the pending entries list (PEL).
//!
//! A pending entry is in the group's map with the number of its consumer, and its id is in the set of that consumer.
//! Numbers are indices into a vector and are reused after a consumer was deleted; consumers are found and listed by
//! name.
//!
//! # Invariants
//! 1. An id is in the group's map exactly if it is in the set of one consumer, the one whose number the map holds.
//! 2. `by_name` has the numbers of all consumers in the order of their names.

use std::collections::{BTreeMap, BTreeSet};

use crate::ds::relocation::{Relocator, relocate_bytes, relocate_map, relocate_set, relocate_vec};
use crate::value::stream_id::StreamId;
use crate::value::stream_log::Log;

/// Number of a consumer in its group; valid until the consumer is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerId(u32);

/// A pending entry: delivered but not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// Time of the last delivery, in milliseconds of Unix time.
    pub delivered_ms: i64,
    /// Number of deliveries.
    pub deliveries: u64,
    /// The consumer that it was last delivered to.
    pub consumer: ConsumerId,
}

/// A consumer.
#[derive(Clone, Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// Time of its last attempt to read, in milliseconds of Unix time (`seen-time`).
    pub seen_ms: i64,
    /// Time when it last received an entry (`active-time`), if it ever did.
    pub active_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

/// A consumer group.
#[derive(Clone, Debug, Default)]
pub struct Group {
    /// Id of the last entry that was delivered.
    pub last_id: StreamId,
    /// Number of entries that the group has read, if known.
    pub entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Nack>,
    consumers: Vec<Option<Consumer>>,
    by_name: Vec<ConsumerId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Ids of its pending entries.
    pub fn pending(&self) -> &BTreeSet<StreamId> {
        &self.pending
    }
}

impl Group {
    /// A group that starts after an id.
    pub fn new(last_id: StreamId, entries_read: Option<i64>) -> Self {
        Group {
            last_id,
            entries_read,
            ..Group::default()
        }
    }

    /// The consumers in the order of their names.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.by_name.iter().map(|&id| self.consumer(id))
    }

    /// A consumer.
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        match &self.consumers[id.0 as usize] {
            Some(consumer) => consumer,
            None => unreachable!("numbers of consumers that have left are nowhere"),
        }
    }

    /// A consumer for modification.
    pub fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        match &mut self.consumers[id.0 as usize] {
            Some(consumer) => consumer,
            None => unreachable!("numbers of consumers that have left are nowhere"),
        }
    }

    /// Position of a name in `by_name`, or where it would be inserted.
    fn place(&self, name: &[u8]) -> Result<usize, usize> {
        self.by_name
            .binary_search_by(|&id| self.consumer(id).name().cmp(name))
    }

    /// The consumer with a name.
    pub fn find(&self, name: &[u8]) -> Option<ConsumerId> {
        self.place(name).ok().map(|at| self.by_name[at])
    }

    /// The consumer with a name, created if necessary. Returns whether it was created.
    pub fn join(&mut self, name: &[u8], now_ms: i64) -> (ConsumerId, bool) {
        let at = match self.place(name) {
            Ok(at) => return (self.by_name[at], false),
            Err(at) => at,
        };
        let has_free = self.by_name.len() < self.consumers.len();
        let free = has_free.then(|| self.consumers.iter().position(Option::is_none));
        let free = free.flatten();
        let number = free.unwrap_or_else(|| {
            self.consumers.push(None);
            self.consumers.len() - 1
        });
        self.consumers[number] = Some(Consumer {
            name: name.into(),
            seen_ms: now_ms,
            active_ms: None,
            pending: BTreeSet::new(),
        });
        let id = ConsumerId(number as u32);
        self.by_name.insert(at, id);
        (id, true)
    }

    /// Deletes a consumer with its pending entries. Returns their number; `None` if there is no such consumer.
    pub fn delete_consumer(&mut self, name: &[u8]) -> Option<usize> {
        let at = self.place(name).ok()?;
        let id = self.by_name.remove(at);
        let consumer = self.consumers[id.0 as usize].take()?;
        for id in &consumer.pending {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// All pending entries in the order of their ids.
    pub fn pending(&self) -> &BTreeMap<StreamId, Nack> {
        &self.pending
    }

    /// A pending entry.
    pub fn nack(&self, id: StreamId) -> Option<Nack> {
        self.pending.get(&id).copied()
    }

    /// Makes an entry pending for a consumer, replacing any previous owner.
    pub fn assign(&mut self, id: StreamId, nack: Nack) {
        let before = self.pending.insert(id, nack);
        match before {
            Some(before) if before.consumer == nack.consumer => return,
            Some(before) => {
                self.consumer_mut(before.consumer).pending.remove(&id);
            }
            None => {}
        }
        self.consumer_mut(nack.consumer).pending.insert(id);
    }

    /// Removes a pending entry. Returns whether it was pending.
    pub fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(nack) = self.pending.remove(&id) else {
            return false;
        };
        self.consumer_mut(nack.consumer).pending.remove(&id);
        true
    }

    /// Counts an entry that the group reads for the first time, or recomputes the counter if its value can be
    /// determined.
    pub fn advance(&mut self, log: &Log, id: StreamId) {
        match self.entries_read {
            Some(read) if !log.is_broken_from(id) => {
                self.entries_read = Some(read.wrapping_add(1));
            }
            _ if log.entries_added > 0 => self.entries_read = log.count_up_to(id),
            _ => {}
        }
        self.last_id = id;
    }

    /// Number of entries that the group has yet to read, if known.
    pub fn lag(&self, log: &Log) -> Option<i64> {
        if log.entries_added == 0 {
            return Some(0);
        }
        let read = match self.entries_read {
            Some(read) if !log.is_broken_from(self.last_id) => read,
            _ => log.count_up_to(self.last_id)?,
        };
        Some((log.entries_added as i64).wrapping_sub(read))
    }

    /// Moves the allocations of some consumers from a number on, and at first those of the group. Lists of pending entries
    /// that are too big to be rebuilt at once stay. Returns the number of the next consumer, 0 at the end.
    pub fn relocate(&mut self, first: usize, relocator: &mut dyn Relocator) -> usize {
        /// Consumers that are relocated at once.
        const SLICE: usize = 8;
        if first == 0 {
            relocate_map(&mut self.pending, relocator);
            relocate_vec(&mut self.consumers, relocator);
            relocate_vec(&mut self.by_name, relocator);
        }
        let slice = self.consumers.iter_mut().skip(first).take(SLICE);
        for consumer in slice.flatten() {
            relocate_bytes(&mut consumer.name, relocator);
            relocate_set(&mut consumer.pending, relocator);
        }
        if first + SLICE < self.consumers.len() {
            first + SLICE
        } else {
            0
        }
    }

    /// Verifies the invariants; panics on a violation. For tests.
    pub fn check(&self) {
        let mut owned = 0;
        for (number, consumer) in self.consumers.iter().enumerate() {
            for id in consumer.iter().flat_map(|consumer| &consumer.pending) {
                let owner = self.pending.get(id).map(|nack| nack.consumer.0 as usize);
                assert_eq!(owner, Some(number), "the consumer of a pending entry");
                owned += 1;
            }
        }
        assert_eq!(owned, self.pending.len(), "a pending entry of nobody");
        let names: Vec<&[u8]> = self.consumers().map(Consumer::name).collect();
        assert!(names.is_sorted_by(|a, b| a < b), "consumers by name");
        assert_eq!(names.len(), self.consumers.iter().flatten().count());
    }

    /// Memory of the group in bytes.
    pub fn memory(&self) -> usize {
        let names: usize = self.consumers().map(|consumer| consumer.name.len()).sum();
        let per_entry = size_of::<(StreamId, Nack)>() + size_of::<StreamId>();
        size_of::<Self>()
            + names
            + self.consumers.len() * size_of::<Option<Consumer>>()
            + self.pending.len() * per_entry
    }
}

impl Log {
    /// Whether XDEL may have deleted an entry at or after `start`, so that the number of entries read cannot be
    /// counted.
    fn is_broken_from(&self, start: StreamId) -> bool {
        !self.is_empty()
            && self.max_deleted_id != StreamId::MIN
            && self.first_id() <= self.max_deleted_id
            && start <= self.max_deleted_id
    }

    /// Number of entries ever added up to an id, if it can be determined: for ids at either end of the stream.
    pub fn count_up_to(&self, id: StreamId) -> Option<i64> {
        let added = self.entries_added as i64;
        if added == 0 {
            return Some(0);
        }
        if id == self.last_id || self.is_empty() && id < self.last_id {
            return Some(added);
        }
        let whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id();
        if id > self.last_id || !whole || id > self.first_id() {
            return None;
        }
        let gone = added.wrapping_sub(self.len() as i64);
        Some(if id == self.first_id() {
            gone.wrapping_add(1)
        } else {
            gone
        })
    }
}
