//! The databases, and the position of active expiry in them.

use std::collections::BTreeSet;

use data::util::rand::Rng;
use data::value::db::Db;

/// One numbered database.
#[derive(Default)]
pub struct Database {
    /// Keys, values, expiries.
    pub db: Db,
    /// Moving average of the time to live of volatile keys, in milliseconds.
    pub avg_ttl_ms: i64,
    /// Cursor of the scan over volatile keys.
    pub expire_cursor: u64,
}

impl Database {
    /// An empty one of the same kind.
    pub fn new_like(&self) -> Self {
        Database {
            db: self.db.new_like(),
            ..Database::default()
        }
    }
}

/// All databases.
pub struct Keys {
    /// By number.
    pub dbs: Vec<Database>,
    /// Random numbers for RANDOMKEY and sampling.
    pub rng: Rng,
    /// The database at which active expiry continues.
    pub expire_next_db: usize,
    /// The latest slow cycle of active expiry reached its time limit.
    pub expire_timed_out: bool,
    /// When the latest fast cycle began, monotonic microseconds.
    pub expire_fast_at_us: u64,
    /// Volatile keys written by clients of a writable replica, which no primary will delete.
    pub own_expires: BTreeSet<(usize, Box<[u8]>)>,
    /// The key of `own_expires` that active expiry has visited last.
    pub own_cursor: (usize, Box<[u8]>),
    /// Changes of the data set since the server started; it only rises. A command that raises it is propagated.
    pub changes: u64,
    /// Raised by every change of any key, including expiry.
    pub version: u64,
    /// DEBUG SET-ACTIVE-EXPIRE.
    pub active_expire: bool,
}

impl Keys {
    /// `count` empty databases; a node of a cluster uses only the first.
    pub fn new(count: usize, is_cluster: bool, seed: u64) -> Self {
        let numbered = |number| Database {
            db: Db::numbered(number),
            ..Database::default()
        };
        let mut dbs: Vec<Database> = (0..count).map(numbered).collect();
        if is_cluster {
            dbs[0].db = Db::by_slot();
        }
        Keys {
            dbs,
            rng: Rng::new(seed),
            expire_next_db: 0,
            expire_timed_out: false,
            expire_fast_at_us: 0,
            own_expires: BTreeSet::new(),
            own_cursor: (0, Box::default()),
            changes: 0,
            version: 0,
            active_expire: true,
        }
    }

    /// Number of keys in all databases.
    pub fn total(&self) -> usize {
        self.dbs.iter().map(|database| database.db.len()).sum()
    }
}
