//! Encodes records and values.
//!
//! Every function appends to a buffer. Within long values the caller can empty the buffer between elements
//! ([`Writer::drain_if_full`]), so only a piece of the value is buffered.

use crate::ds::node::Node;
use crate::rdb::decoder::Recency;
use crate::rdb::stream;
use crate::rdb::write::{integer, length, text};
use crate::rdb::{VERSION, container, op, ty};
use crate::util::crc::crc64;
use crate::util::num::MAX_I64_DIGITS;
use crate::value::ValueRef;
use crate::value::aggregate::AggregateRef;
use crate::value::entry::EntryRef;
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::Set;
use crate::value::zset::Zset;

/// Starts a file.
pub fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("REDIS{VERSION:04}").as_bytes());
}

/// An auxiliary field of the file.
pub fn aux(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(op::AUX);
    text(out, name, false);
    text(out, value, false);
}

/// The number of the database that follows.
pub fn select_db(out: &mut Vec<u8>, number: u64) {
    out.push(op::SELECTDB);
    length(out, number);
}

/// Number of keys in the database, and of keys with an expiry.
pub fn resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(op::RESIZEDB);
    length(out, keys);
    length(out, expires);
}

/// Code of a function library.
pub fn function(out: &mut Vec<u8>, code: &[u8], compress: bool) {
    out.push(op::FUNCTION2);
    text(out, code, compress);
}

/// Ends a file, except for the checksum of eight bytes.
pub fn eof(out: &mut Vec<u8>) {
    out.push(op::EOF);
}

/// Buffer size from which the caller is asked to empty it.
const PIECE: usize = 64 * 1024;

/// Encodes a value into a buffer.
pub struct Writer<'a> {
    /// The buffer.
    pub out: &'a mut Vec<u8>,
    /// Whether texts are compressed if that makes them shorter.
    pub compress: bool,
    /// Called with the buffer between elements; may empty it.
    pub empty: &'a mut dyn FnMut(&mut Vec<u8>),
}

impl Writer<'_> {
    pub(super) fn length(&mut self, number: u64) {
        length(self.out, number);
    }

    pub(super) fn text(&mut self, bytes: &[u8]) {
        text(self.out, bytes, self.compress);
    }

    pub(super) fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Called between two elements.
    #[inline]
    pub(super) fn drain_if_full(&mut self) {
        if self.out.len() >= PIECE {
            (self.empty)(self.out);
        }
    }
}

/// A key with its value and attributes.
pub fn entry(to: &mut Writer<'_>, entry: EntryRef<'_>, recency: Recency) {
    if let Some(at_ms) = entry.expire() {
        to.out.push(op::EXPIRETIME_MS);
        to.raw(&at_ms.to_le_bytes());
    }
    match recency {
        Recency::Unknown => {}
        Recency::Idle(seconds) => {
            to.out.push(op::IDLE);
            to.length(seconds);
        }
        Recency::Frequency(counter) => to.raw(&[op::FREQ, counter]),
    }
    to.out.push(type_of(entry));
    to.text(entry.key());
    value(to, entry);
    to.drain_if_full();
}

/// A single value, as DUMP returns it.
pub fn payload(entry: EntryRef<'_>, compress: bool) -> Vec<u8> {
    // Most values are small; one byte that grows would be moved four times.
    let mut out = Vec::with_capacity(64);
    out.push(type_of(entry));
    let mut to = Writer {
        out: &mut out,
        compress,
        empty: &mut |_| {},
    };
    value(&mut to, entry);
    footer(&mut out);
    out
}

/// Ends a payload: version and checksum.
pub fn footer(out: &mut Vec<u8>) {
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc64(0, out);
    out.extend_from_slice(&sum.to_le_bytes());
}

/// The type code of a value's type and encoding.
fn type_of(entry: EntryRef<'_>) -> u8 {
    match entry.aggregate() {
        None => ty::STRING,
        Some(AggregateRef::List(_)) => ty::LIST_QUICKLIST_2,
        Some(AggregateRef::Set(Set::Ints(_))) => ty::SET_INTSET,
        Some(AggregateRef::Set(Set::Packed(_))) => ty::SET_LISTPACK,
        Some(AggregateRef::Set(Set::Table(_))) => ty::SET,
        Some(AggregateRef::Zset(Zset::Packed(_))) => ty::ZSET_LISTPACK,
        Some(AggregateRef::Zset(Zset::Tree(_))) => ty::ZSET_2,
        Some(AggregateRef::Hash(Hash::Packed(_))) => ty::HASH_LISTPACK,
        Some(AggregateRef::Hash(Hash::Table(_))) => ty::HASH,
        Some(AggregateRef::Stream(_)) => ty::STREAM_LISTPACKS_3,
        Some(AggregateRef::Damaged(own)) => own.payload().first().copied().unwrap_or_default(),
    }
}

fn value(to: &mut Writer<'_>, entry: EntryRef<'_>) {
    match entry.aggregate() {
        None => string(to, entry.value()),
        Some(AggregateRef::List(own)) => list(to, own),
        Some(AggregateRef::Set(own)) => set(to, own),
        Some(AggregateRef::Zset(own)) => zset(to, own),
        Some(AggregateRef::Hash(own)) => hash(to, own),
        Some(AggregateRef::Stream(own)) => stream::write(to, own),
        Some(AggregateRef::Damaged(own)) => to.raw(own.payload().get(1..).unwrap_or_default()),
    }
}

fn string(to: &mut Writer<'_>, value: ValueRef<'_>) {
    match value {
        ValueRef::Int(number) => integer(to.out, number),
        ValueRef::Bytes(bytes) => to.text(bytes),
        ValueRef::Shared(bytes) => to.text(bytes),
    }
}

fn list(to: &mut Writer<'_>, list: &List) {
    match list {
        List::Packed(pack) => {
            to.length(1);
            to.length(container::PACKED);
            to.text(&pack.to_rdb());
        }
        List::Quick(quick) => {
            to.length(quick.node_count() as u64);
            quick.nodes().for_each(|node| {
                list_node(to, node);
                to.drain_if_full();
            });
        }
    }
}

fn list_node(to: &mut Writer<'_>, node: &Node) {
    match node {
        Node::Plain(bytes) => {
            to.length(container::PLAIN);
            to.text(bytes);
        }
        Node::Packed(pack) => {
            to.length(container::PACKED);
            to.text(&pack.to_rdb());
        }
        // The node already holds the compressed form of exactly these bytes.
        Node::Compressed(compressed) if to.compress => {
            to.length(container::PACKED);
            to.out.push(0xc3);
            to.length(compressed.lzf.len() as u64);
            to.length(compressed.len as u64);
            to.raw(&compressed.lzf);
        }
        Node::Compressed(_) => {
            to.length(container::PACKED);
            let pack = node.unpacked().unwrap_or_default();
            to.text(&pack.to_rdb());
        }
    }
}

fn set(to: &mut Writer<'_>, set: &Set) {
    match set {
        Set::Ints(ints) => to.text(&ints.to_rdb()),
        Set::Packed(pack) => to.text(&pack.to_rdb()),
        Set::Table(members) => {
            to.length(members.len() as u64);
            for member in members.iter() {
                to.text(member.key());
                to.drain_if_full();
            }
        }
    }
}

fn hash(to: &mut Writer<'_>, hash: &Hash) {
    match hash {
        Hash::Packed(pack) => to.text(&pack.to_rdb()),
        Hash::Table(fields) => {
            to.length(fields.len() as u64);
            for field in fields.iter() {
                let (name, value) = field.pair();
                to.text(name);
                to.text(value);
                to.drain_if_full();
            }
        }
    }
}

/// In descending order, as Redis writes it: when reading, each member is inserted in front of all others.
fn zset(to: &mut Writer<'_>, zset: &Zset) {
    if let Zset::Packed(pack) = zset {
        return to.text(&pack.to_rdb());
    }
    to.length(zset.len() as u64);
    for (member, score) in zset.range(0..zset.len(), true) {
        to.text(member.bytes(&mut [0; MAX_I64_DIGITS]));
        to.raw(&score.to_le_bytes());
        to.drain_if_full();
    }
}
