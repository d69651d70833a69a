//! The state of loading a snapshot: decoder, target databases, and what the snapshot says about itself.
//!
//! `persist/load` feeds it with bytes from a file or from the link to a primary.

use data::rdb::decoder::Decoder;

use crate::state::keys::Database;
use crate::state::replication::id::ReplId;
use crate::state::scripts::libraries::Libraries;
use crate::state::slowdown::Slowdown;

/// What happens to a key of the snapshot that exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The snapshot is refused.
    Refuse,
    /// The existing key is replaced.
    Replace,
}

/// The position in the stream of writes at which the snapshot was made, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamPlace {
    /// The replication id.
    pub id: Option<ReplId>,
    /// The offset.
    pub offset: Option<u64>,
    /// The database that the stream had selected.
    pub db: Option<usize>,
}

/// Counters of a load.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Keys that were inserted.
    pub loaded: u64,
    /// Keys that had expired.
    pub expired: u64,
    /// Empty keys.
    pub empty: u64,
}

/// A load in progress.
pub struct LoadSession {
    /// The decoder.
    pub decoder: Decoder,
    /// What happens to keys that exist already.
    pub existing: Existing,
    /// Expired keys are loaded: the commands that follow in the append-only file may refer to them.
    pub keeps_expired: bool,
    /// Bytes of other files that were loaded before.
    pub before: u64,
    /// The databases that are filled, if they are not those of the server.
    pub beside: Option<Vec<Database>>,
    /// When it began, in milliseconds of Unix time.
    pub now_ms: i64,
    /// The database that is being filled.
    pub db: usize,
    /// Size of the snapshot, if known; tables are not presized for more keys than fit into it.
    pub bytes: u64,
    /// Its libraries of functions.
    pub libraries: Libraries,
    /// Its position in the stream of writes.
    pub place: StreamPlace,
    /// Counters.
    pub counts: Counts,
    /// Keys that had expired, with their database. Replicas that continue from this snapshot still have them, so
    /// deletions are propagated. Only collected where there may be such replicas.
    pub gone: Option<Vec<(usize, Vec<u8>)>>,
    /// `key-load-delay`.
    pub slowdown: Slowdown,
}
