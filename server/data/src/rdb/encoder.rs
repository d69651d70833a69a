//! Writing records and values; every function appends to a buffer that the caller empties as it likes.

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

/// Begins a file.
pub fn header(out: &mut Vec<u8>) {
    out.extend_from_slice(format!("REDIS{VERSION:04}").as_bytes());
}

/// A fact about the file.
pub fn aux(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(op::AUX);
    text(out, name, false);
    text(out, value, false);
}

/// What follows belongs to this database.
pub fn select_db(out: &mut Vec<u8>, number: u64) {
    out.push(op::SELECTDB);
    length(out, number);
}

/// How many keys, and keys that expire, the database has.
pub fn resize_db(out: &mut Vec<u8>, keys: u64, expires: u64) {
    out.push(op::RESIZEDB);
    length(out, keys);
    length(out, expires);
}

/// Code of a library.
pub fn function(out: &mut Vec<u8>, code: &[u8], compress: bool) {
    out.push(op::FUNCTION2);
    text(out, code, compress);
}

/// Ends a file, but for the checksum of eight bytes.
pub fn eof(out: &mut Vec<u8>) {
    out.push(op::EOF);
}

/// A key with all that belongs to it.
pub fn entry(out: &mut Vec<u8>, entry: EntryRef<'_>, recency: Recency, compress: bool) {
    if let Some(at_ms) = entry.expire() {
        out.push(op::EXPIRETIME_MS);
        out.extend_from_slice(&at_ms.to_le_bytes());
    }
    match recency {
        Recency::Unknown => {}
        Recency::Idle(seconds) => {
            out.push(op::IDLE);
            length(out, seconds);
        }
        Recency::Frequency(counter) => out.extend_from_slice(&[op::FREQ, counter]),
    }
    out.push(type_of(entry));
    text(out, entry.key(), compress);
    value(out, entry, compress);
}

/// A value by itself, as DUMP answers it.
pub fn payload(entry: EntryRef<'_>, compress: bool) -> Vec<u8> {
    let mut out = vec![type_of(entry)];
    value(&mut out, entry, compress);
    out.extend_from_slice(&VERSION.to_le_bytes());
    let sum = crc64(0, &out);
    out.extend_from_slice(&sum.to_le_bytes());
    out
}

/// The code of a value's type and encoding.
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

fn value(out: &mut Vec<u8>, entry: EntryRef<'_>, compress: bool) {
    match entry.aggregate() {
        None => string(out, entry.value(), compress),
        Some(AggregateRef::List(own)) => list(out, own, compress),
        Some(AggregateRef::Set(own)) => set(out, own, compress),
        Some(AggregateRef::Zset(own)) => zset(out, own, compress),
        Some(AggregateRef::Hash(own)) => hash(out, own, compress),
        Some(AggregateRef::Stream(own)) => stream::write(out, own, compress),
        Some(AggregateRef::Damaged(own)) => out.extend(own.payload().iter().skip(1)),
    }
}

fn string(out: &mut Vec<u8>, value: ValueRef<'_>, compress: bool) {
    match value {
        ValueRef::Int(number) => integer(out, number),
        ValueRef::Bytes(bytes) => text(out, bytes, compress),
        ValueRef::Shared(bytes) => text(out, bytes, compress),
    }
}

fn list(out: &mut Vec<u8>, list: &List, compress: bool) {
    match list {
        List::Packed(pack) => {
            length(out, 1);
            length(out, container::PACKED);
            text(out, &pack.to_rdb(), compress);
        }
        List::Quick(quick) => {
            length(out, quick.node_count() as u64);
            quick
                .nodes()
                .for_each(|node| list_node(out, node, compress));
        }
    }
}

fn list_node(out: &mut Vec<u8>, node: &Node, compress: bool) {
    match node {
        Node::Plain(bytes) => {
            length(out, container::PLAIN);
            text(out, bytes.bytes(), compress);
        }
        Node::Packed(pack) => {
            length(out, container::PACKED);
            text(out, &pack.to_rdb(), compress);
        }
        // It is compressed already, and of the very bytes that are to be written.
        Node::Squeezed(squeezed) if compress => {
            length(out, container::PACKED);
            out.push(0xc3);
            length(out, squeezed.lzf.len() as u64);
            length(out, squeezed.len as u64);
            out.extend_from_slice(&squeezed.lzf);
        }
        Node::Squeezed(_) => {
            length(out, container::PACKED);
            let pack = node.unpacked().unwrap_or_default();
            text(out, &pack.to_rdb(), compress);
        }
    }
}

fn set(out: &mut Vec<u8>, set: &Set, compress: bool) {
    match set {
        Set::Ints(ints) => text(out, &ints.to_rdb(), compress),
        Set::Packed(pack) => text(out, &pack.to_rdb(), compress),
        Set::Table(members) => {
            length(out, members.len() as u64);
            for member in members.iter() {
                text(out, member.key(), compress);
            }
        }
    }
}

fn hash(out: &mut Vec<u8>, hash: &Hash, compress: bool) {
    match hash {
        Hash::Packed(pack) => text(out, &pack.to_rdb(), compress),
        Hash::Table(fields) => {
            length(out, fields.len() as u64);
            for field in fields.iter() {
                let (name, value) = field.pair();
                text(out, name, compress);
                text(out, value, compress);
            }
        }
    }
}

/// From the greatest to the least, as Redis does: read so, each member is added in front of all others.
fn zset(out: &mut Vec<u8>, zset: &Zset, compress: bool) {
    if let Zset::Packed(pack) = zset {
        return text(out, &pack.to_rdb(), compress);
    }
    length(out, zset.len() as u64);
    for (member, score) in zset.range(0..zset.len(), true) {
        text(out, member.bytes(&mut [0; MAX_I64_DIGITS]), compress);
        out.extend_from_slice(&score.to_le_bytes());
    }
}
