//! Propagation of consumer group reads and claims: not the command, which depends on the clock and on what is pending,
//! but its outcome.

use data::util::num::{MAX_I64_DIGITS, write_i64};
use data::value::stream_group::{Group, Nack};
use data::value::stream_id::{IdRoom, StreamId};

use crate::feed::propagate::{also, is_wanted};
use crate::server::{Ctx, Server};

/// Entries that were added to or removed from pending lists, as far as they are to be propagated.
pub struct Told {
    is_wanted: bool,
    entries: Vec<Pending>,
}

impl Told {
    /// An empty list.
    pub fn new(srv: &Server) -> Self {
        Told {
            is_wanted: is_wanted(srv),
            entries: Vec::new(),
        }
    }

    /// An entry is pending for `group` under `id`, or was removed.
    pub fn push(&mut self, group: &Group, id: StreamId, nack: Nack) {
        if self.is_wanted {
            let mut room: IdRoom = [0; size_of::<IdRoom>()];
            self.push_as(group, id.text(&mut room), nack);
        }
    }

    /// As [`Told::push`], with the id as the client has written it.
    pub fn push_as(&mut self, group: &Group, id: &[u8], nack: Nack) {
        if self.is_wanted {
            self.entries.push(Pending::of(group, id, nack));
        }
    }
}

/// The state of a pending entry that is propagated.
struct Pending {
    id: Vec<u8>,
    consumer: Vec<u8>,
    nack: Nack,
    /// The last delivered id of the group.
    last_id: StreamId,
}

impl Pending {
    fn of(group: &Group, id: &[u8], nack: Nack) -> Self {
        Pending {
            id: id.to_vec(),
            consumer: group.consumer(nack.consumer).name().to_vec(),
            nack,
            last_id: group.last_id,
        }
    }
}

/// A consumer was created for which no entry is pending that would create it elsewhere.
pub fn joined(cx: &mut Ctx<'_>, key: &[u8], group: &[u8], consumer: &[u8]) {
    let args = [
        b"XGROUP".as_slice(),
        b"CREATECONSUMER",
        key,
        group,
        consumer,
    ];
    also(cx.srv, cx.db, args.into_iter());
}

/// Propagates the changes; entries that no longer exist are removed elsewhere by claiming them.
pub fn pending(cx: &mut Ctx<'_>, key: &[u8], group: &[u8], told: &Told) {
    for entry in &told.entries {
        let mut last: IdRoom = [0; size_of::<IdRoom>()];
        let mut time = [0; MAX_I64_DIGITS];
        let mut count = [0; MAX_I64_DIGITS];
        let args = [
            b"XCLAIM".as_slice(),
            key,
            group,
            &entry.consumer,
            b"0",
            &entry.id,
            b"TIME",
            write_i64(entry.nack.delivered_ms, &mut time),
            b"RETRYCOUNT",
            write_i64(entry.nack.deliveries as i64, &mut count),
            b"FORCE",
            b"JUSTID",
            b"LASTID",
            entry.last_id.text(&mut last),
        ];
        also(cx.srv, cx.db, args.into_iter());
    }
}

/// A group has advanced without new pending entries (NOACK).
pub fn read_on(cx: &mut Ctx<'_>, key: &[u8], group: &[u8], position: (StreamId, Option<i64>)) {
    let mut id: IdRoom = [0; size_of::<IdRoom>()];
    let mut read = [0; MAX_I64_DIGITS];
    let args = [
        b"XGROUP".as_slice(),
        b"SETID",
        key,
        group,
        position.0.text(&mut id),
        b"ENTRIESREAD",
        write_i64(position.1.unwrap_or(-1), &mut read),
    ];
    also(cx.srv, cx.db, args.into_iter());
}
