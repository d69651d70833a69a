//! The one closing call of whatever changes a key.
//!
//! It counts the change. What else follows from a changed key (WATCH, client-side caching, blocked clients, keyspace
//! events) has its place here and nowhere else.

use crate::server::Server;

/// What happened to a key: the class that `notify-keyspace-events` names by a letter, and the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `g`: commands that know no type.
    Generic(&'static str),
    /// `$`: strings.
    String(&'static str),
    /// `l`: lists.
    List(&'static str),
    /// `s`: sets.
    Set(&'static str),
    /// `z`: sorted sets.
    Zset(&'static str),
    /// `h`: hashes.
    Hash(&'static str),
    /// `t`: streams.
    Stream(&'static str),
    /// `x`: the time of the key was over.
    Expired,
}

/// A key was changed; `changes` is how much that counts towards save points.
#[inline]
pub fn key_changed(srv: &mut Server, _db: usize, _key: &[u8], changes: u64, _event: Event) {
    srv.stats.dirty += changes;
}
