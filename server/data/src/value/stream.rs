//! The stream type: a log of entries, and the consumer groups that read it.
//!
//! The log is in `value/stream_log.rs`, on nodes of `value/stream_node.rs`; groups are in `value/stream_group.rs`. An
//! empty stream is kept, because its last id must not be assigned again.

use std::collections::BTreeMap;

use crate::value::Encoding;
use crate::value::stream_group::Group;
use crate::value::stream_log::Log;

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
