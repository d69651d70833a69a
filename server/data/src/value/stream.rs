//! The stream type: a log of entries, and the consumer groups that read it.
//!
//! The log is in `value/stream_log.rs`, on nodes of `value/stream_node.rs`; groups are in `value/stream_group.rs`. An
//! empty stream is kept, because its last id must not be assigned again.

use std::collections::BTreeMap;

use crate::ds::relocation::{Relocator, relocate_box, relocate_map};
use crate::value::Encoding;
use crate::value::stream_group::Group;
use crate::value::stream_log::Log;

/// The cursor of the first group; see [`Stream::relocate`].
const GROUPS: u64 = 1 << 48;
/// Maximum number of consumers of a group that are relocated, and the distance of the cursors of two groups.
const CONSUMERS: u64 = 1 << 20;

/// A stream.
#[derive(Clone, Default)]
pub struct Stream {
    body: Box<Body>,
}

#[derive(Clone, Default)]
struct Body {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
}

impl Stream {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.log().len()
    }

    /// Whether the stream has no entries.
    pub fn is_empty(&self) -> bool {
        self.log().is_empty()
    }

    /// The encoding that OBJECT ENCODING reports.
    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Verifies the log and every group; panics on a violation. For tests.
    pub fn check(&self) {
        self.log().check();
        self.groups().for_each(|(_, group)| group.check());
    }

    /// Memory beyond the entry, estimated from `samples` nodes; 0 visits all of them.
    pub fn memory(&self, samples: usize) -> usize {
        let groups: usize = self
            .groups()
            .map(|(name, group)| name.len() + group.memory())
            .sum();
        size_of::<Body>() + self.log().memory(samples) + groups
    }

    /// Moves the allocations of some nodes, or of some consumers of one group. A cursor below [`GROUPS`] is one of the
    /// nodes. From there on it is the number of the group, times [`CONSUMERS`], plus that of the first consumer. Returns
    /// the next cursor, 0 at the end.
    pub fn relocate(&mut self, cursor: u64, count: usize, relocator: &mut dyn Relocator) -> u64 {
        if cursor == 0 {
            relocate_box(&mut self.body, relocator, Body::default);
            relocate_map(&mut self.body.groups, relocator);
        }
        let Body { log, groups } = &mut *self.body;
        let Some(place) = cursor.checked_sub(GROUPS) else {
            return match log.nodes.relocate(cursor, count, relocator) {
                0 if !groups.is_empty() => GROUPS,
                next => next,
            };
        };
        let (number, consumer) = (place / CONSUMERS, place % CONSUMERS);
        let mut groups = groups.values_mut().skip(number as usize);
        let next = groups
            .next()
            .map_or(0, |group| group.relocate(consumer as usize, relocator));
        if next > 0 && (next as u64) < CONSUMERS {
            GROUPS + number * CONSUMERS + next as u64
        } else if groups.next().is_some() {
            GROUPS + (number + 1) * CONSUMERS
        } else {
            0
        }
    }

    /// The log of entries.
    pub fn log(&self) -> &Log {
        &self.body.log
    }

    /// The log for modification.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.body.log
    }

    /// The groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        let groups = self.body.groups.iter();
        groups.map(|(name, group)| (&**name, group))
    }

    /// The group with a name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.body.groups.get(name)
    }

    /// The group with a name for modification, and the log.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        let body = &mut *self.body;
        Some((&body.log, body.groups.get_mut(name)?))
    }

    /// Adds a group. Returns false if the name exists.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        let free = self.group(name).is_none();
        if free {
            self.body.groups.insert(name.into(), group);
        }
        free
    }

    /// Removes a group. Returns whether it existed.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        self.body.groups.remove(name).is_some()
    }
}
