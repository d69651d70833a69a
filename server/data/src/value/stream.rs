//! The value of type stream: a log of entries, and groups of consumers that read it.
//!
//! The log is in `value/stream_log.rs`, on nodes of `value/stream_node.rs`; a group in `value/stream_group.rs`. An empty
//! stream stays: its last id is not to be given away twice.

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
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.log().len()
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.log().is_empty()
    }

    /// The encoding that OBJECT ENCODING names.
    pub fn encoding(&self) -> Encoding {
        Encoding::Stream
    }

    /// Verifies the log and every group; panics when an invariant does not hold. For tests.
    pub fn check(&self) {
        self.log().check();
        self.groups().for_each(|(_, group)| group.check());
    }

    /// Bytes that it takes beyond its entry, estimated from `samples` nodes; 0 looks at all.
    pub fn memory(&self, samples: usize) -> usize {
        let groups: usize = self
            .groups()
            .map(|(name, group)| name.len() + group.memory())
            .sum();
        size_of::<Body>() + self.log().memory(samples) + groups
    }

    /// Its entries.
    pub fn log(&self) -> &Log {
        &self.body.log
    }

    /// Its entries, to be changed.
    pub fn log_mut(&mut self) -> &mut Log {
        &mut self.body.log
    }

    /// Its groups in the order of their names.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        let groups = self.body.groups.iter();
        groups.map(|(name, group)| (&**name, group))
    }

    /// The group of a name.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.body.groups.get(name)
    }

    /// The group of a name, to be changed, and the entries beside it.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<(&Log, &mut Group)> {
        let body = &mut *self.body;
        Some((&body.log, body.groups.get_mut(name)?))
    }

    /// Adds a group; false when there is one of this name.
    pub fn create_group(&mut self, name: &[u8], group: Group) -> bool {
        let free = self.group(name).is_none();
        if free {
            self.body.groups.insert(name.into(), group);
        }
        free
    }

    /// Removes a group; whether it was there.
    pub fn destroy_group(&mut self, name: &[u8]) -> bool {
        self.body.groups.remove(name).is_some()
    }
}
