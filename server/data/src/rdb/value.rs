//! Decodes values of every type from every encoding of any version.
//!
//! A value written element by element is decoded one element per step and grows as it would by commands, so it ends in
//! the encoding that the current limits call for. (A sorted set is converted at the end: a tree keeps a negative zero
//! among its scores if it stays a tree.) A value written as one buffer is checked, element by element and for
//! duplicates, and then used as it is, unless it exceeds the current limits.
//!
//! Everything is checked whatever `sanitize-dump-payload` says: no input is trusted, and the buffers are traversed
//! once anyway. The directive only permits duplicate elements in a set or a hash, which commands can handle.

use std::collections::HashSet;

use crate::ds::intset::Intset;
use crate::ds::item::Item;
use crate::ds::listpack::Listpack;
use crate::ds::node;
use crate::ds::quicklist::{End, Quicklist};
use crate::rdb::cursor::{Cursor, Stop};
use crate::rdb::stream::Reader;
use crate::rdb::ziplist::{read_ziplist, read_zipmap};
use crate::rdb::{Corrupt, Depth, container, ty};
use crate::util;
use crate::value::aggregate::{Aggregate, Kind};
use crate::value::hash::{self, Hash};
use crate::value::list::List;
use crate::value::set::{self, Set};
use crate::value::zset::{self, Zset};
use crate::value::{NewValue, Value};

/// Limits of the compact encodings.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Of lists.
    pub list: node::ListLimits,
    /// Of sets.
    pub set: set::SetLimits,
    /// Of hashes.
    pub hash: hash::HashLimits,
    /// Of sorted sets.
    pub zset: zset::ZsetLimits,
    /// Whether a listpack of a set or hash may contain duplicates, as long as it stays a listpack.
    pub twice: bool,
}

/// A decoded value; `None` if it has no elements and so does not exist.
pub type Built = Option<NewValue<'static>>;

/// A value being decoded.
pub struct Builder {
    ty: u8,
    /// Number of elements left; `None` before it is known.
    left: Option<u64>,
    partial: Partial,
}

/// The elements decoded so far.
enum Partial {
    /// A value that is decoded in one step.
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
    /// A value with a type code.
    ///
    /// # Errors
    /// The code is unknown, or that of a module type.
    pub fn begin(ty: u8, options: &Options) -> Result<Self, Corrupt> {
        let partial = match ty {
            ty::LIST => Partial::List(List::new()),
            ty::LIST_QUICKLIST | ty::LIST_QUICKLIST_2 => {
                Partial::Nodes(Box::new(Quicklist::new(options.list)))
            }
            ty::SET => Partial::Set(Set::new()),
            ty::ZSET | ty::ZSET_2 => Partial::Zset(Zset::tree_with_room(0)),
            ty::HASH => Partial::Hash(Hash::new()),
            ty::STRING
            | ty::HASH_ZIPMAP
            | ty::LIST_ZIPLIST
            | ty::SET_INTSET
            | ty::ZSET_ZIPLIST
            | ty::HASH_ZIPLIST
            | ty::HASH_LISTPACK
            | ty::ZSET_LISTPACK
            | ty::SET_LISTPACK => Partial::Whole,
            ty::STREAM_LISTPACKS | ty::STREAM_LISTPACKS_2 | ty::STREAM_LISTPACKS_3 => {
                Partial::Stream(Box::new(Reader::new(ty)))
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
            partial,
        })
    }

    /// Decodes an element. Returns the value once it is complete.
    ///
    /// # Errors
    /// The element is incomplete, and then nothing has been consumed; or it is corrupt.
    pub fn step(
        &mut self,
        cursor: &mut Cursor<'_>,
        options: &Options,
    ) -> Result<Option<Built>, Stop> {
        match &mut self.partial {
            Partial::Whole => return whole(self.ty, cursor, options).map(Some),
            // A stream without entries does exist.
            Partial::Stream(reader) => {
                let stream = reader.step(cursor)?;
                return Ok(stream.map(|stream| Some(NewValue::Aggregate(stream.wrap()))));
            }
            _ => {}
        }
        let left = match self.left {
            Some(left) => left,
            None => {
                let count = cursor.length()?;
                self.reserve(count, options);
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

    /// Reserves capacity for the announced number of elements, limited in case the number is corrupt.
    fn reserve(&mut self, count: u64, options: &Options) {
        const MOST: u64 = 1 << 20;
        let count = count.min(MOST) as usize;
        match &mut self.partial {
            Partial::Set(set) => set.reserve(count, &options.set),
            Partial::Zset(zset) => *zset = Zset::tree_with_room(count),
            Partial::Hash(hash) => hash.reserve(count, &options.hash),
            _ => {}
        }
    }

    fn element(&mut self, cursor: &mut Cursor<'_>, options: &Options) -> Result<(), Stop> {
        match &mut self.partial {
            Partial::Whole | Partial::Stream(_) => {}
            Partial::List(list) => {
                let text = cursor.text()?;
                list.push(End::Tail, [&text[..]].into_iter(), &options.list);
            }
            Partial::Nodes(nodes) => add_node(nodes, self.ty, cursor)?,
            Partial::Set(set) => {
                let member = cursor.text()?;
                if !set.add(Item::Bytes(&member), &options.set) {
                    return Err(corrupt("a set has a member twice"));
                }
            }
            Partial::Zset(zset) => {
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
            Partial::Hash(hash) => {
                let (name, value) = (cursor.text()?, cursor.text()?);
                add_field(hash, &name, &value, options)?;
            }
        }
        Ok(())
    }

    fn built(&mut self, options: &Options) -> Built {
        let aggregate = match std::mem::replace(&mut self.partial, Partial::Whole) {
            Partial::Whole | Partial::Stream(_) => return None,
            Partial::List(list) => list.reencoded(&options.list).wrap(),
            Partial::Nodes(nodes) => List::Quick(nodes).reencoded(&options.list).wrap(),
            Partial::Set(set) => set.wrap(),
            Partial::Zset(zset) => zset.reencoded(&options.zset).wrap(),
            Partial::Hash(hash) => hash.wrap(),
        };
        value(aggregate)
    }
}

fn value(aggregate: Aggregate) -> Built {
    (!aggregate.view().is_empty()).then_some(NewValue::Aggregate(aggregate))
}

fn add_field(hash: &mut Hash, name: &[u8], value: &[u8], options: &Options) -> Result<(), Corrupt> {
    let texts = [name, value];
    hash.choose_encoding(texts.into_iter(), &options.hash);
    if hash.set(name, value, &options.hash) {
        Ok(())
    } else {
        Err(Corrupt::new("a hash has a field twice"))
    }
}

fn add_node(nodes: &mut Quicklist, ty: u8, cursor: &mut Cursor<'_>) -> Result<(), Stop> {
    if ty == ty::LIST_QUICKLIST {
        let bytes = cursor.text()?;
        nodes.push_pack(pack_of_ziplist(&bytes, "Ziplist")?);
        return Ok(());
    }
    let container = cursor.length()?;
    let bytes = cursor.text()?;
    match container {
        container::PLAIN if !bytes.is_empty() => nodes.push_plain(&bytes),
        container::PACKED => nodes.push_pack(pack_of(&bytes, "Listpack")?),
        _ => return Err(corrupt("Quicklist integrity check failed.")),
    }
    Ok(())
}

/// A value written as one string.
fn whole(ty: u8, cursor: &mut Cursor<'_>, options: &Options) -> Result<Built, Stop> {
    let text = cursor.text()?;
    Ok(match ty {
        ty::STRING => Some(string(text.into_owned())),
        ty::SET_INTSET => {
            let ints = Intset::from_rdb(&text, true)
                .ok_or_else(|| corrupt("Intset integrity check failed."))?;
            value(set_of_ints(ints, options).wrap())
        }
        ty::SET_LISTPACK => value(set_of(pack_of(&text, "Set listpack")?, options)?.wrap()),
        ty::HASH_ZIPMAP => {
            let mut hash = Hash::new();
            read_zipmap(&text, |name, value| {
                add_field(&mut hash, name, value, options)
            })?;
            value(hash.wrap())
        }
        ty::HASH_ZIPLIST => {
            let pack = pack_of_ziplist(&text, "Hash ziplist")?;
            value(hash_of(pack, &strict(options), "Hash ziplist")?.wrap())
        }
        ty::HASH_LISTPACK => {
            let pack = pack_of(&text, "Hash listpack")?;
            value(hash_of(pack, options, "Hash listpack")?.wrap())
        }
        ty::ZSET_ZIPLIST => {
            let pack = pack_of_ziplist(&text, "Zset ziplist")?;
            value(zset_of(pack, options, "Zset ziplist")?.wrap())
        }
        ty::ZSET_LISTPACK => {
            let pack = pack_of(&text, "Zset listpack")?;
            value(zset_of(pack, options, "Zset listpack")?.wrap())
        }
        _ => {
            // Redis keeps it a quicklist of one node, which OBJECT ENCODING shows.
            let mut nodes = Quicklist::new(options.list);
            nodes.push_pack(pack_of_ziplist(&text, "List ziplist")?);
            value(List::Quick(Box::new(nodes)).wrap())
        }
    })
}

/// A string as SET would store it.
fn string(text: Vec<u8>) -> NewValue<'static> {
    match NewValue::encode(&text) {
        NewValue::Owned(number) => NewValue::Owned(number),
        _ => NewValue::Owned(Value::Str(text)),
    }
}

/// Error message for a corrupt buffer of this kind.
fn failed(what: &str) -> String {
    format!("{what} integrity check failed.")
}

fn pack_of(bytes: &[u8], what: &str) -> Result<Listpack, Stop> {
    Listpack::from_rdb(bytes).ok_or_else(|| Corrupt::in_pack(bytes, &failed(what)).into())
}

/// Every corruption of a ziplist counts as one of its frame, since ziplists have no shallow check.
fn pack_of_ziplist(bytes: &[u8], what: &str) -> Result<Listpack, Stop> {
    let mut pack = Listpack::new();
    let read = read_ziplist(bytes, |item| {
        if !pack.has_room(item.len()) {
            return Err(Corrupt::new("a ziplist is too big"));
        }
        pack.push_back(item);
        Ok(())
    });
    read.map_err(|_| corrupt(&failed(what)))?;
    Ok(pack)
}

fn strict(options: &Options) -> Options {
    Options {
        twice: false,
        ..*options
    }
}

/// Checks that the elements are complete groups of `step` and, unless duplicates are permitted, that the first
/// elements of the groups are distinct.
fn check_groups(pack: &Listpack, step: usize, twice: bool, what: &str) -> Result<(), Stop> {
    if !pack.len().is_multiple_of(step) {
        return Err(Corrupt::at(Depth::Part, failed(what)).into());
    }
    if twice || is_distinct(pack, step) {
        return Ok(());
    }
    let reason = format!("{} Found a {what} with dup elements", failed(what));
    Err(Corrupt::at(Depth::Whole, reason).into())
}

/// Whether every `step`th element, starting with the first, is unique.
fn is_distinct(pack: &Listpack, step: usize) -> bool {
    let names = || pack.iter().step_by(step);
    let mut hashes: Vec<u64> = names()
        .map(|name| util::hash::hash(name.bytes(&mut Default::default())))
        .collect();
    hashes.sort_unstable();
    // Texts with different hashes differ; only those with equal hashes are compared.
    hashes.is_sorted_by(|one, other| one < other) || {
        let mut seen = HashSet::with_capacity(hashes.len());
        names().all(|name| seen.insert(name.to_vec()))
    }
}

/// Whether the pairs are in the order of a sorted set; `None` if a score is invalid.
fn is_in_order(pack: &Listpack) -> Option<bool> {
    let mut items = pack.iter();
    let mut last: Option<(f64, Item<'_>)> = None;
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = zset::score_of(score)?;
        let after = last.is_none_or(|(before, name)| {
            let names =
                || name.bytes(&mut Default::default()) < member.bytes(&mut Default::default());
            before < score || before == score && names()
        });
        if !after {
            return Some(false);
        }
        last = Some((score, member));
    }
    Some(true)
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
    let fits = pack.len() <= options.set.max_entries;
    check_groups(&pack, 1, options.twice && fits, "Set listpack")?;
    if fits {
        return Ok(Set::Packed(pack));
    }
    let mut set = Set::new();
    set.reserve(pack.len(), &options.set);
    for member in pack.iter() {
        set.add(member, &options.set);
    }
    Ok(set)
}

fn hash_of(pack: Listpack, options: &Options, what: &str) -> Result<Hash, Stop> {
    let fits = pack.len() / 2 <= options.hash.max_entries;
    check_groups(&pack, 2, options.twice && fits, what)?;
    if fits {
        return Ok(Hash::Packed(pack));
    }
    let mut hash = Hash::new();
    hash.reserve(pack.len() / 2, &options.hash);
    let mut items = pack.iter();
    while let (Some(name), Some(value)) = (items.next(), items.next()) {
        hash.set(&name.to_vec(), &value.to_vec(), &options.hash);
    }
    Ok(hash)
}

fn zset_of(pack: Listpack, options: &Options, what: &str) -> Result<Zset, Stop> {
    let damaged = || Corrupt::at(Depth::Part, failed(what));
    check_groups(&pack, 2, false, what)?;
    if is_in_order(&pack).ok_or_else(damaged)? && pack.len() / 2 <= options.zset.max_entries {
        return Ok(Zset::Packed(pack));
    }
    let mut zset = Zset::tree_with_room(pack.len() / 2);
    let mut items = pack.iter();
    while let (Some(member), Some(score)) = (items.next(), items.next()) {
        let score = zset::score_of(score).ok_or_else(damaged)?;
        zset.set(&member.to_vec(), score, &options.zset);
    }
    Ok(zset.reencoded(&options.zset))
}
