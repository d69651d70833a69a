//! Values: what a key holds, how it is stored, and the database.
//!
//! There are three types for strings: [`NewValue`] is passed in by callers, [`ValueRef`] is what readers see, and
//! [`Value`] is owned and independent of an entry. Aggregates ([`aggregate`]) are modified in place. Only
//! `value/entry.rs` knows how a value is laid out in its entry.

pub mod aggregate;
pub mod damaged;
pub mod db;
pub mod digest;
pub mod entry;
pub mod hash;
pub mod list;
mod part;
pub mod record;
pub mod records;
pub mod set;
pub mod set_algebra;
mod slots;
pub mod stored;
pub mod stream;
pub mod stream_group;
pub mod stream_id;
pub mod stream_index;
pub mod stream_log;
pub mod stream_node;
pub mod stream_parts;
pub mod stream_radix;
pub mod string;
pub mod zset;
pub mod zset_range;

use std::sync::Arc;

use crate::util::num::{MAX_I64_DIGITS, i64_len, parse_i64, write_i64};
use crate::value::aggregate::Aggregate;

/// The type of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Type {
    /// Bytes, or an integer that represents its decimal text.
    #[default]
    String = 0,
    /// A list.
    List = 1,
    /// A set.
    Set = 2,
    /// A sorted set.
    Zset = 3,
    /// A hash.
    Hash = 4,
    /// A stream.
    Stream = 5,
    /// Corrupt bytes that claim to be one of the others ([`damaged`]).
    Damaged = 6,
}

impl Type {
    /// The name that the TYPE command reports.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::Zset => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
            Type::Damaged => "damaged",
        }
    }
}

/// The encoding of a value as OBJECT ENCODING reports it. For a string it depends on the history of edits, which
/// clients can see, not on where the bytes are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// A canonical 64-bit integer.
    Int,
    /// A text of at most [`EMBSTR_MAX`] bytes that was stored as a whole.
    Embstr,
    /// A longer text, or one that was edited in place.
    #[default]
    Raw,
    /// A listpack.
    Listpack,
    /// A list of listpacks.
    Quicklist,
    /// A sorted array of integers.
    Intset,
    /// A hash table.
    Hashtable,
    /// A sorted set too big for a listpack. The name is Redis's; the structure is a B+ tree.
    Skiplist,
    /// A stream.
    Stream,
}

impl Encoding {
    /// The name that OBJECT ENCODING reports.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Int => "int",
            Encoding::Embstr => "embstr",
            Encoding::Raw => "raw",
            Encoding::Listpack => "listpack",
            Encoding::Quicklist => "quicklist",
            Encoding::Intset => "intset",
            Encoding::Hashtable => "hashtable",
            Encoding::Skiplist => "skiplist",
            Encoding::Stream => "stream",
        }
    }
}

/// Maximum length of a text that reports `embstr`.
pub const EMBSTR_MAX: usize = 44;

/// An owned string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// An integer that represents its decimal text.
    Int(i64),
    /// A text.
    Str(Vec<u8>),
    /// A text that reports `raw` whatever its length.
    Raw(Vec<u8>),
    /// A text in a buffer that may be shared.
    Shared(Arc<Vec<u8>>),
}

impl Value {
    /// Length of the value as text.
    pub fn len(&self) -> usize {
        self.view().len()
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Borrows the value.
    pub fn view(&self) -> ValueRef<'_> {
        match self {
            Value::Int(number) => ValueRef::Int(*number),
            Value::Str(text) | Value::Raw(text) => ValueRef::Bytes(text),
            Value::Shared(buffer) => ValueRef::Shared(buffer),
        }
    }
}

/// A value to be stored. Small texts are copied into the entry; big owned ones keep their buffer.
#[derive(Clone, Debug)]
pub enum NewValue<'a> {
    /// A text, which reports `embstr` or `raw` by its length.
    Text(&'a [u8]),
    /// A text that reports `raw` whatever its length.
    Raw(&'a [u8]),
    /// An owned string.
    Owned(Value),
    /// An aggregate.
    Aggregate(Aggregate),
}

impl<'a> NewValue<'a> {
    /// A text as SET stores it: as an integer if it is the canonical text of one.
    #[inline]
    pub fn encode(text: &'a [u8]) -> Self {
        parse_i64(text).map_or(NewValue::Text(text), |number| {
            NewValue::Owned(Value::Int(number))
        })
    }

    /// The same for an owned buffer.
    pub fn encode_shared(buffer: Arc<Vec<u8>>) -> NewValue<'static> {
        NewValue::Owned(match parse_i64(&buffer) {
            Some(number) => Value::Int(number),
            None => Value::Shared(buffer),
        })
    }
}

impl From<Value> for NewValue<'_> {
    fn from(value: Value) -> Self {
        NewValue::Owned(value)
    }
}

impl From<Aggregate> for NewValue<'_> {
    fn from(value: Aggregate) -> Self {
        NewValue::Aggregate(value)
    }
}

impl From<i64> for NewValue<'_> {
    fn from(number: i64) -> Self {
        NewValue::Owned(Value::Int(number))
    }
}

/// A string borrowed from its entry.
#[derive(Clone, Copy, Debug)]
pub enum ValueRef<'a> {
    /// A text.
    Bytes(&'a [u8]),
    /// An integer that represents its decimal text.
    Int(i64),
    /// A text in a buffer that may be shared, for instance with a reply.
    Shared(&'a Arc<Vec<u8>>),
}

/// Buffer for the text of an integer: see [`ValueRef::bytes`].
pub type Scratch = [u8; MAX_I64_DIGITS];

impl<'a> ValueRef<'a> {
    /// Length of the value as text.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            ValueRef::Bytes(text) => text.len(),
            ValueRef::Int(number) => i64_len(*number),
            ValueRef::Shared(buffer) => buffer.len(),
        }
    }

    /// Whether it is the empty text.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as text; the digits of an integer are written to `scratch`.
    #[inline]
    pub fn bytes<'b>(&self, scratch: &'b mut Scratch) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            ValueRef::Bytes(text) => text,
            ValueRef::Int(number) => write_i64(number, scratch),
            ValueRef::Shared(buffer) => buffer,
        }
    }

    /// Appends the value as text.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.bytes(&mut Scratch::default()));
    }

    /// The value as an integer, as INCR reads it.
    pub fn to_i64(&self) -> Option<i64> {
        match self {
            ValueRef::Int(number) => Some(*number),
            ValueRef::Bytes(text) => parse_i64(text),
            ValueRef::Shared(buffer) => parse_i64(buffer),
        }
    }

    /// The value as an owned text.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write_to(&mut text);
        text
    }
}
