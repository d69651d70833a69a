//! The ground floor of the server: bytes, numbers, tables and values.
//!
//! Nothing here does I/O, reads a clock or the configuration, logs, or knows what a reply is: times
//! and limits come in as arguments, results go out as values. That keeps every part testable by
//! itself, usable on any thread, and free to be replaced behind its narrow face.
//!
//! * [`util`] holds what knows nothing of keys: numbers, patterns, hashing, checksums, memory.
//! * [`ds`] holds the data structures.
//! * [`rdb`] reads and writes databases as bytes.
//! * [`value`] puts them together: an entry (key, header and small value in one allocation), the
//!   string value, and [`value::db::Db`], the keyspace with its index of expiring keys.
//!
//! Three statics live here, and no others: the hashing seed (`util/hash`), the resize policy and the count of
//! scattered tables (`ds/table`).

pub mod ds;
pub mod rdb;
pub mod util;
pub mod value;
