//! The RDB format, version 11: databases as bytes.
//!
//! ```text
//! file     "REDIS" version (4 digits) { record } EOF checksum (8 bytes, from version 5 on)
//! record   AUX name value | SELECTDB number | RESIZEDB keys expires | FUNCTION2 code
//!          | [EXPIRETIME_MS at] [IDLE seconds | FREQ counter] type key value
//! payload  type value version (2 bytes) checksum (8 bytes)          what DUMP answers
//! ```
//!
//! * [`cursor`] reads the format's numbers and strings, [`write`] writes them.
//! * [`decoder`] is pushed: bytes go in as they come, items come out as soon as they are whole. It stops and goes on
//!   inside a value, so a file, a socket, RESTORE and the check tool are all served by it.
//! * [`value`] builds the values of all types and encodings, [`stream`] those of streams, [`ziplist`] reads the encodings of versions before 10.
//! * [`encoder`] writes values.
//! * [`shallow`] keeps, if so wished, what only a look inside its parts shows to be damaged.
//!
//! Nothing here does I/O or knows a clock.

pub mod cursor;
pub mod decoder;
pub mod encoder;
pub mod shallow;
pub mod stream;
pub mod value;
pub mod write;
pub mod ziplist;

use std::fmt;

use crate::ds::listpack::has_frame;

/// The version written, and the newest that is read.
pub const VERSION: u16 = 11;

/// Codes of records that are no keys.
pub mod op {
    /// Code of a library.
    pub const FUNCTION2: u8 = 245;
    /// Code of a library as release candidates of 7.0 wrote it.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Data of a module.
    pub const MODULE_AUX: u8 = 247;
    /// Seconds since the next key was used.
    pub const IDLE: u8 = 248;
    /// LFU counter of the next key.
    pub const FREQ: u8 = 249;
    /// A fact about the file: name and value.
    pub const AUX: u8 = 250;
    /// How many keys and expiring keys the database has.
    pub const RESIZEDB: u8 = 251;
    /// When the next key expires, in milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// The same in seconds.
    pub const EXPIRETIME: u8 = 253;
    /// The database that follows.
    pub const SELECTDB: u8 = 254;
    /// The end.
    pub const EOF: u8 = 255;
}

/// Codes of types and their encodings.
pub mod ty {
    /// A text.
    pub const STRING: u8 = 0;
    /// A list, element by element.
    pub const LIST: u8 = 1;
    /// A set, member by member.
    pub const SET: u8 = 2;
    /// A sorted set with scores as text.
    pub const ZSET: u8 = 3;
    /// A hash, field by field.
    pub const HASH: u8 = 4;
    /// A sorted set with scores as doubles.
    pub const ZSET_2: u8 = 5;
    /// A value of a module, in an old form.
    pub const MODULE: u8 = 6;
    /// A value of a module.
    pub const MODULE_2: u8 = 7;
    /// A hash as a zipmap.
    pub const HASH_ZIPMAP: u8 = 9;
    /// A list as a ziplist.
    pub const LIST_ZIPLIST: u8 = 10;
    /// A set as an intset.
    pub const SET_INTSET: u8 = 11;
    /// A sorted set as a ziplist.
    pub const ZSET_ZIPLIST: u8 = 12;
    /// A hash as a ziplist.
    pub const HASH_ZIPLIST: u8 = 13;
    /// A list of ziplists.
    pub const LIST_QUICKLIST: u8 = 14;
    /// A stream of listpacks.
    pub const STREAM_LISTPACKS: u8 = 15;
    /// A hash as a listpack.
    pub const HASH_LISTPACK: u8 = 16;
    /// A sorted set as a listpack.
    pub const ZSET_LISTPACK: u8 = 17;
    /// A list of listpacks and plain elements.
    pub const LIST_QUICKLIST_2: u8 = 18;
    /// A stream with the facts of 7.0.
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// A set as a listpack.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream with the facts of 7.2.
    pub const STREAM_LISTPACKS_3: u8 = 21;
}

/// Codes of a list's nodes.
pub mod container {
    /// One element.
    pub const PLAIN: u64 = 1;
    /// A listpack.
    pub const PACKED: u64 = 2;
}

/// How deep one has to look to see a damage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// It is in the frame of a value or of one of its parts.
    Frame,
    /// It is inside a part.
    Part,
    /// The parts are sound and contradict each other, or what is said of them.
    Whole,
}

/// What is wrong with the bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// A sentence.
    pub reason: String,
    /// Where it shows.
    pub depth: Depth,
}

impl Corrupt {
    /// With this reason, in a frame.
    pub fn new(reason: impl Into<String>) -> Self {
        Corrupt::at(Depth::Frame, reason)
    }

    /// With this reason, at a depth.
    pub fn at(depth: Depth, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Corrupt { reason, depth }
    }

    /// In a listpack of these bytes, which is refused.
    pub fn in_pack(pack: &[u8], reason: &str) -> Self {
        let depth = match has_frame(pack) {
            true => Depth::Part,
            false => Depth::Frame,
        };
        Corrupt::at(depth, reason)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Corrupt {}
