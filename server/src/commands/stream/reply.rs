//! Stream ids and entries as replies.

use data::value::stream_id::{IdRoom, StreamId};
use data::value::stream_node::Entry;

use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

/// An id, as a bulk string.
#[inline]
pub fn reply_id(reply: &mut Reply, id: StreamId) {
    let mut room: IdRoom = [0; size_of::<IdRoom>()];
    reply.bulk(id.text(&mut room));
}

/// An entry: its id, and its fields and values in one array.
pub fn reply_entry(reply: &mut Reply, entry: &Entry<'_>) {
    reply.array(2);
    reply_id(reply, entry.id);
    reply.array(2 * entry.len);
    for (field, value) in entry.pairs() {
        reply.item(field);
        reply.item(value);
    }
}

/// An entry, or null.
pub fn reply_entry_or_null(reply: &mut Reply, entry: Option<&Entry<'_>>) {
    match entry {
        Some(entry) => reply_entry(reply, entry),
        None => reply.null(),
    }
}

/// An array of at most `count` entries, or of all.
pub fn reply_entries<'a>(
    reply: &mut Reply,
    entries: impl Iterator<Item = Entry<'a>>,
    count: Option<usize>,
) {
    let mark = reply.defer();
    let mut written = 0;
    for entry in entries.take(count.unwrap_or(usize::MAX)) {
        reply_entry(reply, &entry);
        written += 1;
    }
    reply.close_array(mark, written);
}

/// The key or the group does not exist.
pub fn no_group(key: &[u8], group: &[u8]) -> Fault {
    let parts = [
        b"NOGROUP No such key '".as_slice(),
        key,
        b"' or consumer group '",
        group,
        b"'",
    ];
    Fault::quoting(&parts)
}

/// The group does not exist.
pub fn no_group_of(group: &[u8], key: &[u8]) -> Fault {
    let parts = [
        b"NOGROUP No such consumer group '".as_slice(),
        group,
        b"' for key name '",
        key,
        b"'",
    ];
    Fault::quoting(&parts)
}
