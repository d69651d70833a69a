//! DEBUG DIGEST: a digest of values that depends on their content but not on their encoding.
//!
//! It is 20 bytes long. Unordered elements are combined with XOR, so their order does not matter; ordered ones are
//! mixed in sequence. Redis computes the same digest for the same data, so the datasets of two servers can be
//! compared.

use crate::util::grisu;
use crate::util::num::format_f64;
use crate::util::sha::{self, sha1};
use crate::value::aggregate::AggregateRef;
use crate::value::db::Db;
use crate::value::entry::EntryRef;
use crate::value::stream_id::StreamId;
use crate::value::{Scratch, Type};

/// A digest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

impl Digest {
    /// Combines `bytes` regardless of order.
    fn join(&mut self, bytes: &[u8]) {
        let hash = sha1(bytes);
        self.0
            .iter_mut()
            .zip(hash)
            .for_each(|(own, other)| *own ^= other);
    }

    /// Combines `bytes` in sequence.
    fn mix(&mut self, bytes: &[u8]) {
        self.join(bytes);
        self.0 = sha1(&self.0);
    }

    /// The digest as 40 hexadecimal digits.
    pub fn hex(&self) -> [u8; 40] {
        sha::hex(&self.0)
    }
}

/// The digest of all databases, each with its number.
pub fn of_all<'a>(dbs: impl Iterator<Item = &'a Db>) -> Digest {
    let mut all = Digest::default();
    for (number, db) in dbs.enumerate() {
        if db.is_empty() {
            continue;
        }
        all.mix(&(number as u32).to_be_bytes());
        for entry in db.iter() {
            let mut digest = Digest::default();
            digest.mix(entry.key());
            add_value(&mut digest, entry);
            all.join(&digest.0);
        }
    }
    all
}

/// The digest of a value and its expiry.
pub fn of_value(entry: EntryRef<'_>) -> Digest {
    let mut digest = Digest::default();
    add_value(&mut digest, entry);
    digest
}

fn add_value(digest: &mut Digest, entry: EntryRef<'_>) {
    // The type numbers are Redis's; 5 is the number of module values.
    let number: u32 = match entry.shown_type() {
        Type::Stream => 6,
        ty => ty as u32,
    };
    digest.mix(&number.to_be_bytes());
    match entry.aggregate() {
        None => digest.mix(entry.value().bytes(&mut Scratch::default())),
        Some(value) => add_aggregate(digest, value),
    }
    if entry.expire().is_some() {
        digest.join(b"!!expire!!");
    }
}

fn add_aggregate(digest: &mut Digest, value: AggregateRef<'_>) {
    let pair = |one: &[u8], other: &[u8]| {
        let mut digest = Digest::default();
        digest.mix(one);
        digest.mix(other);
        digest.0
    };
    match value {
        AggregateRef::List(list) => {
            let mut items = list.iter();
            while let Some(item) = items.next() {
                digest.mix(item.bytes(&mut Scratch::default()));
            }
        }
        AggregateRef::Set(set) => {
            for member in set.iter() {
                digest.join(member.bytes(&mut Scratch::default()));
            }
        }
        AggregateRef::Hash(hash) => {
            for (name, value) in hash.iter() {
                digest.join(&pair(&name.to_vec(), &value.to_vec()));
            }
        }
        AggregateRef::Zset(zset) => {
            for (member, score) in zset.iter() {
                digest.join(&pair(&member.to_vec(), &score_text(score)));
            }
        }
        AggregateRef::Damaged(damaged) => digest.mix(damaged.payload()),
        AggregateRef::Stream(stream) => {
            for entry in stream.log().entries(StreamId::MIN, StreamId::MAX, false) {
                digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (field, value) in entry.pairs() {
                    digest.mix(&field.to_vec());
                    digest.mix(&value.to_vec());
                }
            }
        }
    }
}

/// A score as its shortest digits, even for an integer.
fn score_text(score: f64) -> Vec<u8> {
    if score == 0.0 || !score.is_finite() {
        return format_f64(score);
    }
    let mut text = Vec::new();
    grisu::push_f64(&mut text, score);
    text
}
