//! Building values of every type from every encoding that any version wrote.
//!
//! A value that is written element by element is read so: a step takes one element, and the value grows as commands would
//! make it grow, so that it ends in the encoding that the limits of now ask for. (A sorted set is settled at its end: what
//! was a tree keeps a negative zero among its scores if it stays one.) A value that is written as one buffer is
//! checked, element by element and for elements that come twice, and then taken as it is, unless it is too big by now.
//!
//! Everything is checked whatever `sanitize-dump-payload` says: nothing here trusts a byte, and the buffers are looked
//! through once anyway.

use std::collections::HashSet;
use std::sync::Arc;

use crate::ds::intset::Intset;
use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::node;
use crate::ds::quicklist::{End, Quicklist};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::stream::Reader;
use crate::rdb::ziplist::{read_ziplist, read_zipmap};
use crate::rdb::{Corrupt, container, ty};
use crate::util;
use crate::value::aggregate::{Aggregate, Kind};
use crate::value::hash::{self, Hash};
use crate::value::list::List;
use crate::value::set::{self, Set};
use crate::value::zset::{self, Zset};
use crate::value::{NewValue, Value};

/// Up to which size values keep their compact encodings.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of lists.
    pub list: node::Limits,
    /// Of sets.
    pub set: set::Limits,
    /// Of hashes.
    pub hash: hash::Limits,
    /// Of sorted sets.
    pub zset: zset::Limits,
}

/// A value as it comes out: `None` when it has no elements, and so is none.
pub type Built = Option<NewValue<'static>>;

/// A value that is being read.
pub struct Builder {
    ty: u8,
    /// Elements that are still to come; `None` before their number is known.
    left: Option<u64>,
    growing: Growing,
}

/// What has been read of it.
enum Growing {
    /// A value that is read in one step.
    Whole,
    List(List),
    Nodes(Box<Quicklist>),
    Set(Set),
    Zset(Zset),
    Hash(Hash),
    Stream(Box<Reader>),
}

fn corrupt(reason: &str) -> Stop {
    Stop::Corrupt(Corrupt::new(reason))
}

impl Builder {
    /// A value of a type.
    ///
    /// # Errors
    /// There is no such type, or it is one of modules.
    pub fn begin(ty: u8, options: &Options) -> Result<Self, Corrupt> {
        let growing = match ty {
            ty::LIST => Growing::List(List::new()),
            ty::LIST_QUICKLIST | ty::LIST_QUICKLIST_2 => {
                Growing::Nodes(Box::new(Quicklist::new(options.list)))
            }
            ty::SET => Growing::Set(Set::new()),
            ty::ZSET | ty::ZSET_2 => Growing::Zset(Zset::unsettled(0)),
            ty::HASH => Growing::Hash(Hash::new()),
            ty::STRING
            | ty::HASH_ZIPMAP
            | ty::LIST_ZIPLIST
            | ty::SET_INTSET
            | ty::ZSET_ZIPLIST
            | ty::HASH_ZIPLIST
            | ty::HASH_LISTPACK
            | ty::ZSET_LISTPACK
            | ty::SET_LISTPACK => Growing::Whole,
            ty::STREAM_LISTPACKS | ty::STREAM_LISTPACKS_2 | ty::STREAM_LISTPACKS_3 => {
                Growing::Stream(Box::new(Reader::new(ty)))
            }
            ty::MODULE | ty::MODULE_2 => {
                return Err(Corrupt::new(
                    "The RDB file contains a value of a module, and no module is loaded",
                ));
            }
            _ => return Err(Corrupt::new(format!("Unknown RDB encoding type {ty}"))),
        };
        Ok(Builder {
            ty,
            left: None,
            growing,
        })
    }

    /// Reads an element; the value, once it is whole.
    ///
    /// # Errors
    /// The element is not all there, and then nothing has been read; or it is damaged.
    pub fn step(
        &mut self,
        cursor: &mut Cursor<'_>,
        options: &Options,
    ) -> Result<Option<Built>, Stop> {
        match &mut self.growing {
            Growing::Whole => return whole(self.ty, cursor, options).map(Some),
            // A stream without entries is one all the same.
            Growing::Stream(reader) => {
                let stream = reader.step(cursor)?;
                return Ok(stream.map(|stream| Some(NewValue::Aggregate(stream.wrap()))));
            }
            _ => {}
        }
        let left = match self.left {
            Some(left) => left,
            None => {
                let count = cursor.length()?;
                self.expect(count, options);
                self.left = Some(count);
                if count > 0 {
                    return Ok(None);
                }
                0
            }
        };
        if left > 0 {
            self.element(cursor, options)?;
            self.left = Some(left - 1);
        }
        Ok((left <= 1).then(|| self.built(options)))
    }

    /// So many elements are announced. That is taken as a hint, for numbers that a file of some size can keep.
    fn expect(&mut self, count: u64, options: &Options) {
        const MOST: u64 = 1 << 20;
        let count = count.min(MOST) as usize;
        match &mut self.growing {
            Growing::Set(set) => set.reserve(count, &options.set),
            Growing::Zset(zset) => *zset = Zset::unsettled(count),
            Growing::Hash(hash) => hash.reserve(count, &options.hash),
            _ => {}
        }
    }

    fn element(&mut self, cursor: &mut Cursor<'_>, options: &Options) -> Result<(), Stop> {
        match &mut self.growing {
            Growing::Whole | Growing::Stream(_) => {}
            Growing::List(list) => {
                let text = cursor.text()?;
                list.push(End::Tail, [&text[..]].into_iter(), &options.list);
            }
            Growing::Nodes(nodes) => add_node(nodes, self.ty, cursor)?,
            Growing::Set(set) => {
                let member = cursor.text()?;
                if !set.add(Item::Bytes(&member), &options.set) {
                    return Err(corrupt("a set has a member twice"));
                }
            }
            Growing::Zset(zset) => {
                let member = cursor.text()?;
                let score = match self.ty {
                    ty::ZSET => cursor.score_text()?,
                    _ => cursor.f64()?,
                };
                if score.is_nan() {
                    return Err(corrupt("Zset with NAN score detected"));
                }
                if zset.set(&member, score, &options.zset).is_some() {
                    return Err(corrupt("a sorted set has a member twice"));
                }
            }
            Growing::Hash(hash) => {
                let (name, value) = (cursor.text()?, cursor.text()?);
                add_field(hash, &name, &value, options)?;
            }
        }
        Ok(())
    }

    fn built(&mut self, options: &Options) -> Built {
        let aggregate = match std::mem::replace(&mut self.growing, Growing::Whole) {
            Growing::Whole | Growing::Stream(_) => return None,
            Growing::List(list) => list.settled(&options.list).wrap(),
            Growing::Nodes(nodes) => List::Quick(nodes).settled(&options.list).wrap(),
            Growing::Set(set) => set.wrap(),
            Growing::Zset(zset) => zset.settled(&options.zset).wrap(),
            Growing::Hash(hash) => hash.wrap(),
        };
        value(aggregate)
    }
}

fn value(aggregate: Aggregate) -> Built {
    (!aggregate.view().is_empty()).then_some(NewValue::Aggregate(aggregate))
}

fn add_field(hash: &mut Hash, name: &[u8], value: &[u8], options: &Options) -> Result<(), Stop> {
    let texts = [name, value];
    hash.expect(texts.into_iter(), &options.hash);
    if hash.set(name, value, &options.hash) {
        Ok(())
    } else {
        Err(corrupt("a hash has a field twice"))
    }
}

fn add_node(nodes: &mut Quicklist, ty: u8, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    if ty == ty::LIST_QUICKLIST {
        let bytes = cursor.text()?;
        nodes.push_pack(pack_of_ziplist(&bytes)?);
        return Ok(());
    }
    let container = cursor.length()?;
    let bytes = cursor.text()?;
    match container {
        container::PLAIN => nodes.push_plain(&bytes),
        container::PACKED => nodes.push_pack(pack_of(&bytes)?),
        _ => return Err(corrupt("Quicklist integrity check failed.")),
    }
    Ok(())
}

/// A value that is written as one string.
fn whole(ty: u8, cursor: &mut Cursor<'_>, options: &Options) -> Result<Built, Stop> {
    let text = cursor.text()?;
    Ok(match ty {
        ty::STRING => Some(string(text.into_owned())),
        ty::SET_INTSET => {
            let ints = Intset::from_rdb(&text, true)
                .ok_or_else(|| corrupt("Intset integrity check failed."))?;
            value(set_of_ints(ints, options).wrap())
        }
        ty::SET_LISTPACK => value(set_of(pack_of(&text)?, options)?.wrap()),
        ty::HASH_ZIPMAP => {
            let mut hash = Hash::new();
            let mut twice = Ok(());
            read_zipmap(&text, |name, value| {
                twice = add_field(&mut hash, name, value, options);
                Ok(())
            })?;
            twice?;
            value(hash.wrap())
        }
        ty::HASH_ZIPLIST => value(hash_of(pack_of_ziplist(&text)?, options)?.wrap()),
        ty::HASH_LISTPACK => value(hash_of(pack_of(&text)?, options)?.wrap()),
        ty::ZSET_ZIPLIST => value(zset_of(pack_of_ziplist(&text)?, options)?.wrap()),
        ty::ZSET_LISTPACK => value(zset_of(pack_of(&text)?, options)?.wrap()),
        _ => {
            let list = List::Packed(pack_of_ziplist(&text)?);
            value(list.settled(&options.list).wrap())
        }
    })
}

/// A string as SET would store it.
fn string(text: Vec<u8>) -> NewValue<'static> {
    match NewValue::encode(&text) {
        NewValue::Owned(number) => NewValue::Owned(number),
        _ if text.len() < 64 => NewValue::Owned(Value::Str(text)),
        _ => NewValue::Owned(Value::Shared(Arc::new(text))),
    }
}

fn pack_of(bytes: &[u8]) -> Result<Listpack, Stop> {
    Listpack::from_rdb(bytes).ok_or_else(|| corrupt("listpack integrity check failed."))
}

fn pack_of_ziplist(bytes: &[u8]) -> Result<Listpack, Stop> {
    let mut pack = Listpack::new();
    read_ziplist(bytes, |item| {
        if !pack.has_room(item.len()) {
            return Err(Corrupt::new("a ziplist is too big"));
        }
        pack.push_back(item);
        Ok(())
    })?;
    Ok(pack)
}

/// Whether every `step`th element, from the first on, is there once, and the last one is whole.
fn is_distinct(pack: &Listpack, step: usize) -> bool {
    let names = || pack.iter().step_by(step);
    let mut hashes: Vec<u64> = names()
        .map(|name| util::hash::hash(name.bytes(&mut Default::default())))
        .collect();
    hashes.sort_unstable();
    // Texts with different hashes differ; the others have to be looked at.
    let differ = hashes.is_sorted_by(|one, other| one < other) || {
        let mut seen = HashSet::with_capacity(hashes.len());
        names().all(|name| seen.insert(name.to_vec()))
    };
    pack.len().is_multiple_of(step) && differ
}

/// Whether the pairs of members and scores are in the order of a sorted set.
///
/// # Errors
/// A score is none.
fn is_in_order(pack: &Listpack) -> Result<bool, Stop> {
    let mut items = pack.iter();
    let mut last: Option<(f64, Item<'_>)> = None;
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = zset::score_of(score)
            .ok_or_else(|| corrupt("Zset listpack integrity check failed."))?;
        let after = last.is_none_or(|(before, name)| {
            let names =
                || name.bytes(&mut Default::default()) < member.bytes(&mut Default::default());
            before < score || before == score && names()
        });
        if !after {
            return Ok(false);
        }
        last = Some((score, member));
    }
    Ok(true)
}

fn set_of_ints(ints: Intset, options: &Options) -> Set {
    if ints.len() <= options.set.max_ints {
        return Set::Ints(ints);
    }
    let mut set = Set::new();
    set.reserve(ints.len(), &options.set);
    for number in &ints {
        set.add(Item::Int(number), &options.set);
    }
    set
}

fn set_of(pack: Listpack, options: &Options) -> Result<Set, Stop> {
    if !is_distinct(&pack, 1) {
        return Err(corrupt("Set listpack integrity check failed."));
    }
    if pack.len() <= options.set.max_entries {
        return Ok(Set::Packed(pack));
    }
    let mut set = Set::new();
    set.reserve(pack.len(), &options.set);
    for member in pack.iter() {
        set.add(member, &options.set);
    }
    Ok(set)
}

fn hash_of(pack: Listpack, options: &Options) -> Result<Hash, Stop> {
    if !is_distinct(&pack, 2) {
        return Err(corrupt("Hash listpack integrity check failed."));
    }
    if pack.len() / 2 <= options.hash.max_entries {
        return Ok(Hash::Packed(pack));
    }
    let mut hash = Hash::new();
    let mut items = pack.iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        hash.set(&name.to_vec(), &value.to_vec(), &options.hash);
    }
    Ok(hash)
}

fn zset_of(pack: Listpack, options: &Options) -> Result<Zset, Stop> {
    let damaged = || corrupt("Zset listpack integrity check failed.");
    if !is_distinct(&pack, 2) {
        return Err(damaged());
    }
    if is_in_order(&pack)? && pack.len() / 2 <= options.zset.max_entries {
        return Ok(Zset::Packed(pack));
    }
    let mut zset = Zset::unsettled(pack.len() / 2);
    let mut items = pack.iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = zset::score_of(score).ok_or_else(damaged)?;
        zset.set(&member.to_vec(), score, &options.zset);
    }
    Ok(zset.settled(&options.zset))
}
