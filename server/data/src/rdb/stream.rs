//! Streams in the RDB format.
//!
//! ```text
//! nodes { id (16 bytes) listpack } length last-id
//!     [from 7.0 on: first-id max-deleted-id entries-added]
//! groups { name last-id [from 7.0 on: entries-read]
//!     pending { id (16 bytes) delivered (8 bytes) deliveries }
//!     consumers { name seen (8 bytes) [from 7.2 on: active (8 bytes)] pending { id (16 bytes) } } }
//! ```
//!
//! Braces are a count followed by that many repetitions. A raw id is big-endian; all other ids are two lengths of the
//! format; times are little-endian milliseconds.

use std::mem;

use crate::ds::listpack::{FRAME, Listpack, has_frame};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::encoder::Writer;
use crate::rdb::{Corrupt, Depth, ty};
use crate::value::stream::Stream;
use crate::value::stream_group::Group;
use crate::value::stream_id::StreamId;
use crate::value::stream_node::is_sound;
use crate::value::stream_parts::{GroupBuilder, StreamBuilder, Totals};

fn write_id(to: &mut Writer<'_>, id: StreamId) {
    to.length(id.ms);
    to.length(id.seq);
}

/// Appends a stream in the format of 7.2.
pub fn write(to: &mut Writer<'_>, stream: &Stream) {
    let log = stream.log();
    to.length(log.nodes_len() as u64);
    for (id, pack) in log.nodes() {
        to.length(16);
        to.raw(&id.to_be_bytes());
        to.text(&pack.to_rdb());
        to.drain_if_full();
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
        to.drain_if_full();
    }
    to.length(group.consumers().len() as u64);
    for consumer in group.consumers() {
        to.text(consumer.name());
        to.raw(&consumer.seen_ms.to_le_bytes());
        to.raw(&consumer.active_ms.unwrap_or(-1).to_le_bytes());
        to.length(consumer.pending().len() as u64);
        for id in consumer.pending() {
            to.raw(&id.to_be_bytes());
            to.drain_if_full();
        }
    }
}

/// The part to be read next, with the number of parts that are left.
#[derive(Clone, Copy)]
enum Next {
    Begin,
    Nodes(u64),
    Totals,
    Groups(u64),
    Pending(u64),
    Consumers(u64),
    /// Consumers left, and ids left of the current one.
    Owned(u64, u64),
    Done,
}

/// A stream being decoded.
pub struct Reader {
    ty: u8,
    next: Next,
    stream: StreamBuilder,
    /// The current group, and the number of groups after it.
    group: Option<(Vec<u8>, GroupBuilder)>,
    groups_left: u64,
    /// Shallow check: nodes are neither inspected nor kept.
    frames_only: bool,
}

fn read_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    let (ms, seq) = (cursor.length()?, cursor.length()?);
    Ok(StreamId { ms, seq })
}

fn read_raw_id(cursor: &mut Cursor<'_>) -> Result<StreamId, Stop> {
    let bytes = cursor.take(16)?.first_chunk().copied();
    bytes.map(StreamId::from_be_bytes).ok_or(Stop::Short)
}

fn damaged(reason: &str) -> Stop {
    Stop::Corrupt(Corrupt::new(reason))
}

fn must(holds: bool, reason: &str) -> Result<(), Stop> {
    if holds { Ok(()) } else { Err(damaged(reason)) }
}

/// Whether the back length of the node's last element is wrong. That element is an integer, so its size is 1 to 5 or 9
/// bytes.
fn last_size_is_wrong(bytes: &[u8]) -> bool {
    let size = bytes.len().checked_sub(2).map(|at| bytes[at]);
    has_frame(bytes) && !matches!(size, Some(1..=5 | 9))
}

fn no_group() -> Stop {
    damaged("Stream integrity check failed.")
}

impl Reader {
    /// A stream of one of the three type codes.
    pub fn new(ty: u8) -> Self {
        Reader {
            ty,
            next: Next::Begin,
            stream: StreamBuilder::default(),
            group: None,
            groups_left: 0,
            frames_only: false,
        }
    }

    /// A reader that checks only frames; the resulting stream has no entries.
    pub fn of_frames(ty: u8) -> Self {
        Reader {
            frames_only: true,
            ..Reader::new(ty)
        }
    }

    /// Decodes one part. Returns the stream once it is complete.
    ///
    /// # Errors
    /// The part is incomplete, and then nothing has been consumed; or it is corrupt.
    pub fn step(&mut self, cursor: &mut Cursor<'_>) -> Result<Option<Stream>, Stop> {
        self.next = match self.next {
            Next::Begin => Next::Nodes(cursor.length()?),
            Next::Nodes(0) => Next::Totals,
            Next::Nodes(left) => {
                let name = cursor.text()?;
                let pack = cursor.text()?;
                self.node(&name, &pack)?;
                Next::Nodes(left - 1)
            }
            Next::Totals => {
                let totals = self.totals(cursor)?;
                let groups = cursor.length()?;
                if !self.frames_only && !self.stream.totals(&totals) {
                    let reason = "Stream length inconsistent with its entries";
                    return Err(Corrupt::at(Depth::Whole, reason).into());
                }
                Next::Groups(groups)
            }
            Next::Groups(0) => Next::Done,
            Next::Groups(left) => self.begin_group(cursor, left)?,
            Next::Pending(left) => self.pending(cursor, left)?,
            Next::Consumers(0) => {
                let (name, group) = self.group.take().ok_or_else(no_group)?;
                let group = group
                    .finish()
                    .ok_or_else(|| damaged("Stream CG PEL entry without consumer"))?;
                must(
                    self.stream.group(&name, group),
                    "Duplicated consumer group name",
                )?;
                Next::Groups(self.groups_left)
            }
            Next::Consumers(left) => self.consumer(cursor, left)?,
            Next::Owned(consumers, 0) => Next::Consumers(consumers),
            Next::Owned(consumers, left) => {
                let id = read_raw_id(cursor)?;
                must(
                    self.group()?.owned(id),
                    "Consumer entry not found in group global PEL",
                )?;
                Next::Owned(consumers, left - 1)
            }
            Next::Done => Next::Done,
        };
        Ok(matches!(self.next, Next::Done).then(|| mem::take(&mut self.stream).finish()))
    }

    fn node(&mut self, name: &[u8], bytes: &[u8]) -> Result<(), Stop> {
        const DAMAGED: &str = "Stream listpack integrity check failed.";
        let id = name
            .try_into()
            .map_err(|_| damaged("Stream node key entry is not the size of a stream ID"))?;
        if self.frames_only {
            must(has_frame(bytes), DAMAGED)?;
            return must(bytes.len() > FRAME, "Empty listpack inside stream");
        }
        let pack = Listpack::from_rdb(bytes).filter(is_sound);
        let pack = pack.ok_or_else(|| match last_size_is_wrong(bytes) {
            true => Corrupt::at(Depth::Whole, "Corrupt stream, no last entry is found"),
            false => Corrupt::in_pack(bytes, DAMAGED),
        })?;
        must(
            self.stream.node(StreamId::from_be_bytes(id), pack),
            "Listpack re-added with existing key",
        )
    }

    fn group(&mut self) -> Result<&mut GroupBuilder, Stop> {
        let group = self.group.as_mut();
        group.map(|(_, group)| group).ok_or_else(no_group)
    }

    fn totals(&self, cursor: &mut Cursor<'_>) -> Result<Totals, Stop> {
        let len = cursor.length()?;
        let last_id = read_id(cursor)?;
        let history = if self.ty == ty::STREAM_LISTPACKS {
            None
        } else {
            // The first id is derived from the nodes.
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
        must(
            self.group()?.pending(id, delivered_ms, deliveries),
            "Duplicated global PEL entry loading stream consumer group",
        )?;
        Ok(Next::Pending(left - 1))
    }

    fn consumer(&mut self, cursor: &mut Cursor<'_>, left: u64) -> Result<Next, Stop> {
        let name = cursor.text()?;
        let seen_ms = cursor.u64()? as i64;
        // Files before 7.2 do not store the active time; the seen time is the best estimate.
        let active_ms = if self.ty == ty::STREAM_LISTPACKS_3 {
            Some(cursor.u64()? as i64).filter(|&ms| ms != -1)
        } else {
            Some(seen_ms)
        };
        let owned = cursor.length()?;
        must(
            self.group()?.consumer(&name, seen_ms, active_ms),
            "Duplicate stream consumer detected.",
        )?;
        Ok(Next::Owned(left - 1, owned))
    }
}
