//! The data set as commands: the base of an append-only file without a snapshot (`aof-use-rdb-preamble no`).
//!
//! Each key is a command that creates it, with up to 64 elements, more commands for the rest, and one for its expiry.
//! Recency is not part of it.

use std::io;

use conn::encode::{self, array, bulk};
use data::ds::item::Item;
use data::util::num::format_f64_g17;
use data::value::aggregate::AggregateRef;
use data::value::entry::EntryRef;
use data::value::stream::Stream;
use data::value::stream_group::{Consumer, Group};
use data::value::stream_id::{IdRoom, StreamId};
use data::value::{Scratch, Type};

use crate::persist::fork::Reporter;
use crate::persist::sink::FileOutput;
use crate::server::Server;
use crate::state::slowdown::Slowdown;
use crate::warning;

/// Elements per command.
const ELEMENTS: usize = 64;
/// Room for the text of an id.
const NO_ID: IdRoom = [0; size_of::<IdRoom>()];

/// Writes all libraries and databases.
///
/// # Errors
/// Those of the file.
pub fn write_all(
    srv: &Server,
    out: &mut FileOutput,
    reporter: Option<&mut Reporter>,
) -> io::Result<()> {
    for (_, library) in srv.scripts.libraries.iter() {
        request(out, &[b"FUNCTION", b"LOAD", &library.code])?;
    }
    write_databases(srv, out, reporter)?;
    out.flush()
}

fn write_databases(
    srv: &Server,
    out: &mut FileOutput,
    mut reporter: Option<&mut Reporter>,
) -> io::Result<()> {
    let mut slowdown = Slowdown::new(srv.config.rdb_key_save_delay);
    for (number, database) in srv.keys.dbs.iter().enumerate() {
        if database.db.is_empty() {
            continue;
        }
        request(out, &[b"SELECT", number.to_string().as_bytes()])?;
        for entry in database.db.iter() {
            write_entry(out, entry)?;
            if let Some(reporter) = reporter.as_deref_mut() {
                reporter.key();
            }
            slowdown.take();
        }
    }
    Ok(())
}

fn write_entry(out: &mut FileOutput, entry: EntryRef<'_>) -> io::Result<()> {
    let key = entry.key();
    if entry.ty() == Type::Damaged {
        let key = String::from_utf8_lossy(key);
        warning!("Key '{key}' has a damaged value and is not saved");
        return Ok(());
    }
    match entry.aggregate() {
        None => {
            let mut scratch = Scratch::default();
            request(out, &[b"SET", key, entry.value().bytes(&mut scratch)])?;
        }
        Some(value) => write_aggregate(out, key, value)?,
    }
    if let Some(at_ms) = entry.expire() {
        request(out, &[b"PEXPIREAT", key, at_ms.to_string().as_bytes()])?;
    }
    Ok(())
}

fn write_aggregate(out: &mut FileOutput, key: &[u8], value: AggregateRef<'_>) -> io::Result<()> {
    match value {
        AggregateRef::List(list) => {
            let mut batches = Batches::new(out, b"RPUSH", key, 1, list.len());
            let mut items = list.iter();
            while let Some(item) = items.next() {
                batches.element()?;
                batches.item(item);
            }
        }
        AggregateRef::Set(set) => {
            let mut batches = Batches::new(out, b"SADD", key, 1, set.len());
            for member in set.iter() {
                batches.element()?;
                batches.item(member);
            }
        }
        AggregateRef::Zset(zset) => {
            let mut batches = Batches::new(out, b"ZADD", key, 2, zset.len());
            for (member, score) in zset.iter() {
                batches.element()?;
                batches.bytes(&format_f64_g17(score));
                batches.item(member);
            }
        }
        AggregateRef::Hash(hash) => {
            let mut batches = Batches::new(out, b"HMSET", key, 2, hash.len());
            for (name, value) in hash.iter() {
                batches.element()?;
                batches.item(name);
                batches.item(value);
            }
        }
        AggregateRef::Stream(stream) => write_stream(out, key, stream)?,
        AggregateRef::Damaged(_) => {}
    }
    out.drain_if_full()
}

/// Commands of up to [`ELEMENTS`] elements each.
struct Batches<'a> {
    out: &'a mut FileOutput,
    name: &'a [u8],
    key: &'a [u8],
    /// Arguments per element.
    width: usize,
    /// Elements still to come, and those of the present command.
    left: usize,
    room: usize,
}

impl<'a> Batches<'a> {
    fn new(
        out: &'a mut FileOutput,
        name: &'a [u8],
        key: &'a [u8],
        width: usize,
        len: usize,
    ) -> Self {
        Batches {
            out,
            name,
            key,
            width,
            left: len,
            room: 0,
        }
    }

    /// Begins an element, and a command if the present one is full.
    fn element(&mut self) -> io::Result<()> {
        if self.room == 0 {
            self.room = self.left.min(ELEMENTS);
            self.out.drain_if_full()?;
            array(2 + self.room * self.width, &mut self.out.buf);
            bulk(self.name, &mut self.out.buf);
            bulk(self.key, &mut self.out.buf);
        }
        self.room -= 1;
        self.left -= 1;
        Ok(())
    }

    fn bytes(&mut self, arg: &[u8]) {
        bulk(arg, &mut self.out.buf);
    }

    fn item(&mut self, item: Item<'_>) {
        self.bytes(item.bytes(&mut Scratch::default()));
    }
}

fn write_stream(out: &mut FileOutput, key: &[u8], stream: &Stream) -> io::Result<()> {
    let log = stream.log();
    let mut room = NO_ID;
    for entry in log.entries(StreamId::MIN, StreamId::MAX, false) {
        let pairs = entry.pairs().collect::<Vec<_>>();
        array(3 + pairs.len() * 2, &mut out.buf);
        for arg in [b"XADD", key, entry.id.text(&mut room)] {
            bulk(arg, &mut out.buf);
        }
        for item in pairs.iter().flat_map(|(field, value)| [field, value]) {
            bulk(item.bytes(&mut Scratch::default()), &mut out.buf);
        }
        out.drain_if_full()?;
    }
    if log.is_empty() {
        // XADD creates the stream, and MAXLEN 0 removes the entry again.
        request(out, &[b"XADD", key, b"MAXLEN", b"0", b"0-1", b"x", b"y"])?;
    }
    let (mut last, mut deleted) = (NO_ID, NO_ID);
    let set_id: [&[u8]; 7] = [
        b"XSETID",
        key,
        log.last_id.text(&mut last),
        b"ENTRIESADDED",
        &digits(log.entries_added),
        b"MAXDELETEDID",
        log.max_deleted_id.text(&mut deleted),
    ];
    request(out, &set_id)?;
    for (name, group) in stream.groups() {
        write_group(out, key, name, group)?;
    }
    Ok(())
}

fn write_group(out: &mut FileOutput, key: &[u8], name: &[u8], group: &Group) -> io::Result<()> {
    let mut room = NO_ID;
    let read = group.entries_read.unwrap_or(-1).to_string();
    let create: [&[u8]; 7] = [
        b"XGROUP",
        b"CREATE",
        key,
        name,
        group.last_id.text(&mut room),
        b"ENTRIESREAD",
        read.as_bytes(),
    ];
    request(out, &create)?;
    for consumer in group.consumers() {
        write_consumer(out, key, (name, group), consumer)?;
    }
    Ok(())
}

fn write_consumer(
    out: &mut FileOutput,
    key: &[u8],
    (name, group): (&[u8], &Group),
    consumer: &Consumer,
) -> io::Result<()> {
    if consumer.pending().is_empty() {
        // XCLAIM creates the others.
        let create: [&[u8]; 5] = [b"XGROUP", b"CREATECONSUMER", key, name, consumer.name()];
        request(out, &create)?;
    }
    let mut room = NO_ID;
    for &id in consumer.pending() {
        let Some(nack) = group.nack(id) else {
            continue;
        };
        let delivered = nack.delivered_ms.to_string();
        let claim: [&[u8]; 12] = [
            b"XCLAIM",
            key,
            name,
            consumer.name(),
            b"0",
            id.text(&mut room),
            b"TIME",
            delivered.as_bytes(),
            b"RETRYCOUNT",
            &digits(nack.deliveries),
            b"JUSTID",
            b"FORCE",
        ];
        request(out, &claim)?;
    }
    Ok(())
}

fn digits(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn request(out: &mut FileOutput, args: &[&[u8]]) -> io::Result<()> {
    encode::request(args.iter(), &mut out.buf);
    out.drain_if_full()
}
