//! Data layer of the server: numbers, strings, data structures, values and the RDB format.
//!
//! This crate does no I/O, reads no clock and no configuration, does not log, and knows nothing of replies: times and
//! limits are arguments, and results are returned as values. So every part can be tested separately, used on any
//! thread, and replaced behind its small interface.
//!
//! * [`util`] contains utilities independent of keys: numbers, patterns, hashing, checksums, memory.
//! * [`ds`] contains the data structures.
//! * [`rdb`] encodes and decodes databases.
//! * [`value`] combines them: an entry (key, header and small value in one allocation), the value types, and
//!   [`value::db::Db`], the keyspace with its index of keys with an expiry.
//!
//! The crate has three statics: the hashing seed (`util/hash`), the resize policy and the count of scattered tables
//! (`ds/table`).

pub mod ds;
pub mod rdb;
pub mod util;
pub mod value;
