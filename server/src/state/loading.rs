//! A snapshot that is being loaded: how far its decoder is, where its keys go, what it has told about itself.
//!
//! It is fed with bytes as they come (`persist/load`), be it from a file or from the link to a primary.

use data::rdb::decoder::Decoder;

use crate::state::keys::Database;
use crate::state::replication::id::ReplId;
use crate::state::slowdown::Slowdown;

/// What happens to a key of the snapshot that there is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The snapshot is refused.
    Refuse,
    /// It is replaced.
    Replace,
}

/// The place in a stream of writes at which the snapshot was made, as far as it tells.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamPlace {
    /// The history.
    pub id: Option<ReplId>,
    /// The offset in it.
    pub offset: Option<u64>,
    /// The database that the stream had selected.
    pub db: Option<usize>,
}

/// What is found out while loading.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Keys that were inserted.
    pub loaded: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// Keys without elements.
    pub empty: u64,
}

/// A snapshot that is being loaded.
pub struct Session {
    /// From bytes to items.
    pub decoder: Decoder,
    /// What happens to keys that there are already.
    pub existing: Existing,
    /// The databases that are filled, when they are not those of the server.
    pub beside: Option<Vec<Database>>,
    /// When it began, in milliseconds of Unix time.
    pub now_ms: i64,
    /// The database that is being filled.
    pub db: usize,
    /// Bytes of the snapshot, if known; no table is made bigger for more keys than can be in there.
    pub bytes: u64,
    /// Code of libraries.
    pub functions: Vec<Vec<u8>>,
    /// Its place in a stream of writes.
    pub place: StreamPlace,
    /// How many keys came.
    pub counts: Counts,
    /// Keys whose time was over, with their database: replicas that go on with the data set have them yet. Only noted where
    /// there may be such replicas.
    pub gone: Option<Vec<(usize, Vec<u8>)>>,
    /// `key-load-delay`.
    pub slowdown: Slowdown,
}
