//! The RDB format, version 11: the serialised form of databases and values.
//!
//! ```text
//! file     "REDIS" version (4 digits) { record } EOF checksum (8 bytes, from version 5 on)
//! record   AUX name value | SELECTDB number | RESIZEDB keys expires | FUNCTION2 code
//!          | [EXPIRETIME_MS at] [IDLE seconds | FREQ counter] type key value
//! payload  type value version (2 bytes) checksum (8 bytes)          as returned by DUMP
//! ```
//!
//! * [`cursor`] decodes the format's numbers and strings, [`write`] encodes them.
//! * [`decoder`] is a push decoder: bytes are fed as they arrive, and items are returned as soon as they are complete.
//!   It can suspend inside a value, so it serves files, sockets, RESTORE and the check tool.
//! * [`value`] decodes the values of all types and encodings, [`stream`] those of streams; [`ziplist`] reads the
//!   encodings of versions before 10.
//! * [`encoder`] encodes values.
//! * [`shallow`] optionally keeps values that only a deep check finds to be corrupt.
//!
//! This module does no I/O and reads no clock.

pub mod cursor;
pub mod decoder;
pub mod encoder;
pub mod library;
pub mod shallow;
pub mod stream;
pub mod value;
pub mod write;
pub mod ziplist;

use std::fmt;

use crate::ds::listpack::has_frame;

/// What a file begins with, before its version.
pub const SIGNATURE: &[u8] = b"REDIS";

/// The version written, and the newest one that is read.
pub const VERSION: u16 = 11;

/// Opcodes of records that are not keys.
pub mod op {
    /// Code of a function library.
    pub const FUNCTION2: u8 = 245;
    /// Code of a function library in the format of the 7.0 release candidates.
    pub const FUNCTION_PRE_GA: u8 = 246;
    /// Auxiliary data of a module.
    pub const MODULE_AUX: u8 = 247;
    /// Idle time of the next key in seconds.
    pub const IDLE: u8 = 248;
    /// LFU counter of the next key.
    pub const FREQ: u8 = 249;
    /// An auxiliary field: name and value.
    pub const AUX: u8 = 250;
    /// Number of keys in the database, and of keys with an expiry.
    pub const RESIZEDB: u8 = 251;
    /// Expiry of the next key in milliseconds.
    pub const EXPIRETIME_MS: u8 = 252;
    /// The same in seconds.
    pub const EXPIRETIME: u8 = 253;
    /// Number of the database that follows.
    pub const SELECTDB: u8 = 254;
    /// End of the file.
    pub const EOF: u8 = 255;
}

/// Type codes: a type and its encoding.
pub mod ty {
    /// A string.
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
    /// A module value in the format of version 1.
    pub const MODULE: u8 = 6;
    /// A module value.
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
    /// A stream with the metadata of 7.0.
    pub const STREAM_LISTPACKS_2: u8 = 19;
    /// A set as a listpack.
    pub const SET_LISTPACK: u8 = 20;
    /// A stream with the metadata of 7.2.
    pub const STREAM_LISTPACKS_3: u8 = 21;

    /// Whether there is a type with this code.
    pub fn exists(code: u8) -> bool {
        matches!(code, STRING..=MODULE_2 | HASH_ZIPMAP..=STREAM_LISTPACKS_3)
    }
}

/// Codes of list nodes.
pub mod container {
    /// One plain element.
    pub const PLAIN: u64 = 1;
    /// A listpack.
    pub const PACKED: u64 = 2;
}

/// The depth of check that detects a corruption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// In the frame of a value or of one of its parts.
    Frame,
    /// Inside a part.
    Part,
    /// The parts are valid but contradict each other or the metadata.
    Whole,
}

/// A corruption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Description, as a sentence.
    pub reason: String,
    /// The depth at which it is detected.
    pub depth: Depth,
}

impl Corrupt {
    /// A corruption with this reason, detected in a frame.
    pub fn new(reason: impl Into<String>) -> Self {
        Corrupt::at(Depth::Frame, reason)
    }

    /// A corruption with this reason, detected at a depth.
    pub fn at(depth: Depth, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Corrupt { reason, depth }
    }

    /// A corrupt listpack: its frame or its content.
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
