//! Streams in the format.
//!
//! ```text
//! nodes { id (16 bytes) listpack } length last-id
//!     [from 7.0 on: first-id max-deleted-id entries-added]
//! groups { name last-id [from 7.0 on: entries-read]
//!     pending { id (16 bytes) delivered (8 bytes) deliveries }
//!     consumers { name seen (8 bytes) [from 7.2 on: active (8 bytes)] pending { id (16 bytes) } } }
//! ```
//!
//! Braces are a number, and so many of what is inside. A raw id is big-endian; all other numbers of an id are lengths of the
//! format, times are little-endian milliseconds.

use std::mem;

use crate::ds::listpack::Listpack;
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::encoder::Writer;
use crate::rdb::{Corrupt, ty};
use crate::value::stream::Stream;
use crate::value::stream_group::Group;
use crate::value::stream_id::StreamId;
use crate::value::stream_parts::{GroupBuilder, StreamBuilder, Totals};

fn write_id(to: &mut Writer<'_>, id: StreamId) {
    to.length(id.ms);
    to.length(id.seq);
}

/// Appends a stream in the form of 7.2.
pub fn write(to: &mut Writer<'_>, stream: &Stream) {
    let log = stream.log();
    to.length(log.nodes_len() as u64);
    for (id, pack) in log.nodes() {
        to.length(16);
        to.raw(&id.to_be_bytes());
        to.text(&pack.to_rdb());
        to.rest();
    }
    to.length(log.len() as u64);
    for id in [log.last_id, log.first_id(), log.max_deleted_id] {
        write_id(to, id);
    }
    to.length(log.entries_added);
    to.length(stream.groups().len() as u64);
    for (name, group) in stream.groups() {
        write_group(to, name, group);
    }
}

fn write_group(to: &mut Writer<'_>, name: &[u8], group: &Group) {
    to.text(name);
    write_id(to, group.last_id);
    to.length(group.entries_read.unwrap_or(-1) as u64);
    to.length(group.pending().len() as u64);
    for (id, nack) in group.pending() {
        to.raw(&id.to_be_bytes());
        to.raw(&nack.delivered_ms.to_le_bytes());
        to.length(nack.deliveries);
        to.rest();
    }
    to.length(group.consumers().len() as u64);
    for consumer in group.consumers() {
        to.text(consumer.name());
        to.raw(&consumer.seen_ms.to_le_bytes());
        to.raw(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
        to.length(consumer.pending().len() as u64);
        for id in consumer.pending() {
            to.raw(&id.to_be_bytes());
            to.rest();
        }
    }
}

/// What is read next; the numbers are how many are still to come.
#[derive(Clone, Copy)]
enum Next {
    Begin,
    Nodes(u64),
    Totals,
    Groups(u64),
    Pending(u64),
    Consumers(u64),
    /// Of consumers, and of the ids of the one at hand.
    Owned(u64, u64),
    Done,
}

/// A stream that is being read.
pub struct Reader {
    ty: u8,
    next: Next,
    stream: StreamBuilder,
    /// The group at hand, and how many follow it.
    group: Option<(Vec<u8>, GroupBuilder)>,
    groups_left: u64,
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    let (ms, seq) = (cursor.length()?, cursor.length()?);
    Ok(StreamId { ms, seq })
}

fn read_raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    let bytes = cursor.take(16)?.first_chunk().copied();
    bytes.map(StreamId::from_be_bytes).ok_or(Stop::Short)
}

fn damaged() -> Stop {
    Stop::Corrupt(Corrupt::new("Stream integrity check failed."))
}

fn must(holds: bool) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(damaged()) }
}

impl Reader {
    /// A stream of one of the three types.
    pub fn new(ty: u8) -> Self {
        Reader {
            ty,
            next: Next::Begin,
            stream: StreamBuilder::default(),
            group: None,
            groups_left: 0,
        }
    }

    /// Reads one part; the stream, once it is whole.
    ///
    /// # Errors
    /// The part is not all there, and then nothing has been read; or it is damaged.
    pub fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Stream>, Stop> {
        self.next = match self.next {
            Next::Begin => Next::Nodes(cursor.length()?),
            Next::Nodes(0) => Next::Totals,
            Next::Nodes(left) => {
                let name = cursor.text()?;
                let pack = cursor.text()?;
                let id = name.as_ref().try_into().map_err(|_| damaged())?;
                let pack = Listpack::from_rdb(&pack).ok_or_else(damaged)?;
                must(self.stream.node(StreamId::from_be_bytes(id), pack))?;
                Next::Nodes(left - 1)
            }
            Next::Totals => {
                let totals = self.totals(cursor)?;
                let groups = cursor.length()?;
                must(self.stream.totals(&totals))?;
                Next::Groups(groups)
            }
            Next::Groups(0) => Next::Done,
            Next::Groups(left) => self.begin_group(cursor, left)?,
            Next::Pending(left) => self.pending(cursor, left)?,
            Next::Consumers(0) => {
                let (name, group) = self.group.take().ok_or_else(damaged)?;
                let group = group.finish().ok_or_else(damaged)?;
                must(self.stream.group(&name, group))?;
                Next::Groups(self.groups_left)
            }
            Next::Consumers(left) => self.consumer(cursor, left)?,
            Next::Owned(consumers, 0) => Next::Consumers(consumers),
            Next::Owned(consumers, left) => {
                let id = read_raw_id(cursor)?;
                must(self.group()?.owned(id))?;
                Next::Owned(consumers, left - 1)
            }
            Next::Done => Next::Done,
        };
        Ok(matches!(self.next, Next::Done).then(|| mem::take(&mut self.stream).finish()))
    }

    fn group(&mut self) -> Result<&mut GroupBuilder, Stop> {
        let group = self.group.as_mut();
        group.map(|(_, group)| group).ok_or_else(damaged)
    }

    fn totals(&self, cursor: &mut Cursor<'_>) -> Result<Totals, Stop> {
        let len = cursor.length()?;
        let last_id = read_id(cursor)?;
        let history = if self.ty == ty::STREAM_LISTPACKS {
            None
        } else {
            // The first id follows from the nodes.
            read_id(cursor)?;
            Some((read_id(cursor)?, cursor.length()?))
        };
        Ok(Totals {
            len,
            last_id,
            history,
        })
    }

    fn begin_group(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Result<Next, Stop> {
        let name = cursor.text()?.into_owned();
        let last_id = read_id(cursor)?;
        let entries_read = if self.ty == ty::STREAM_LISTPACKS {
            self.stream.log().count_up_to(last_id)
        } else {
            Some(cursor.length()? as i64).filter(|&read| read != -1)
        };
        let pending = cursor.length()?;
        self.group = Some((name, GroupBuilder::new(last_id, entries_read)));
        self.groups_left = left - 1;
        Ok(Next::Pending(pending))
    }

    fn pending(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Result<Next, Stop> {
        if left == 0 {
            return Ok(Next::Consumers(cursor.length()?));
        }
        let id = read_raw_id(cursor)?;
        let (delivered_ms, deliveries) = (cursor.u64()? as i64, cursor.length()?);
        must(self.group()?.pending(id, delivered_ms, deliveries))?;
        Ok(Next::Pending(left - 1))
    }

    fn consumer(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Result<Next, Stop> {
        let name = cursor.text()?;
        let seen_ms = cursor.u64()? as i64;
        // Files before 7.2 do not say when it was last given something: when it was last seen is the best guess.
        let active_ms = if self.ty == ty::STREAM_LISTPACKS_3 {
            Some(cursor.u64()? as i64).filter(|&ms| ms != -1)
        } else {
            Some(seen_ms)
        };
        let owned = cursor.length()?;
        must(self.group()?.consumer(&name, seen_ms, active_ms))?;
        Ok(Next::Owned(left - 1, owned))
    }
}
