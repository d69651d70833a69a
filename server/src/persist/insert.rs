//! From the items of an RDB file to keys of the databases.
//!
//! Keys whose time is over are dropped, since nothing else would tell replicas about them, and so are keys whose value
//! has no elements. Libraries cannot be run by this server yet: their code is kept, and written again by the next save.

use data::rdb::decoder::{Item, Loaded, Recency};
use data::value::db::Expire;

use crate::keyspace::recency::{frequency_of, idle_since, recency};
use crate::server::Server;
use crate::sys::clock;
use crate::{debug, notice};

/// Empty keys that are named in the log; more are only counted.
const NAMED_EMPTY_KEYS: u64 = 10;

/// What happens to a key of the file that there is already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// The file is refused.
    Refuse,
    /// It is replaced.
    Replace,
}

/// Where a file is being loaded to, and how many keys came.
pub struct Insertion {
    existing: Existing,
    now_ms: i64,
    db: usize,
    /// Bytes of the file; no table is made bigger for more keys than can be in there.
    bytes: u64,
    functions: Vec<Vec<u8>>,
    /// Keys that were inserted.
    pub loaded: u64,
    /// Keys whose time was over.
    pub expired: u64,
    /// Keys without elements.
    pub empty: u64,
}

/// The fewest bytes that a key takes in a file: type, key and value.
const MIN_KEY: u64 = 3;

impl Insertion {
    /// Of a file of so many bytes.
    pub fn new(existing: Existing, bytes: u64) -> Self {
        Insertion {
            existing,
            now_ms: clock::unix_ms(),
            db: 0,
            bytes,
            functions: Vec::new(),
            loaded: 0,
            expired: 0,
            empty: 0,
        }
    }
}

/// Inserts one item.
///
/// # Errors
/// A sentence: the file does not fit this server.
pub fn insert(srv: &mut Server, insertion: &mut Insertion, item: Item) -> Result<(), String> {
    match item {
        Item::Version(_) => {}
        Item::Aux(name, value) => note_fact(srv, &name, &value),
        Item::SelectDb(number) => {
            insertion.db = usize::try_from(number)
                .ok()
                .filter(|&number| number < srv.keys.dbs.len())
                .ok_or_else(|| {
                    format!(
                        "Data file was created with a Redis server configured to handle more than {} databases. Exiting",
                        srv.keys.dbs.len()
                    )
                })?;
        }
        Item::ResizeDb(keys, expires) => {
            let most = insertion.bytes / MIN_KEY;
            let db = &mut srv.keys.dbs[insertion.db].db;
            if db.is_empty() {
                db.reserve(keys.min(most) as usize, expires.min(most) as usize);
            }
        }
        Item::Function(code) => {
            notice!("The RDB file has a function library, which is kept but not run");
            insertion.functions.push(code);
        }
        Item::Key(key) => insert_key(srv, insertion, *key)?,
        Item::End => finish(srv, insertion),
    }
    Ok(())
}

fn insert_key(srv: &mut Server, insertion: &mut Insertion, key: Loaded) -> Result<(), String> {
    let shown = || String::from_utf8_lossy(&key.key).into_owned();
    let Some(value) = key.value else {
        if insertion.empty < NAMED_EMPTY_KEYS {
            notice!("rdbLoadObject skipping empty key: {}", shown());
        }
        insertion.empty += 1;
        return Ok(());
    };
    if key.expire.is_some_and(|at_ms| at_ms < insertion.now_ms) {
        insertion.expired += 1;
        return Ok(());
    }
    let config = &srv.config;
    let told = match key.recency {
        Recency::Unknown => None,
        Recency::Idle(seconds) => idle_since(
            config,
            i64::try_from(seconds).unwrap_or(i64::MAX),
            insertion.now_ms,
        ),
        Recency::Frequency(counter) => frequency_of(config, i64::from(counter), insertion.now_ms),
    };
    let lru = told.unwrap_or_else(|| recency(config, insertion.now_ms));
    let expire = key.expire.map_or(Expire::Clear, Expire::At);
    let db = &mut srv.keys.dbs[insertion.db].db;
    if insertion.existing == Existing::Refuse && db.find(&key.key).is_some() {
        return Err(format!(
            "RDB has duplicated key '{}' in DB {}",
            shown(),
            insertion.db
        ));
    }
    drop(db.set(&key.key, value, expire, lru));
    insertion.loaded += 1;
    Ok(())
}

fn finish(srv: &mut Server, insertion: &mut Insertion) {
    let functions = std::mem::take(&mut insertion.functions);
    if insertion.existing == Existing::Refuse {
        srv.snapshot.functions.clear();
    }
    for code in functions {
        if !srv.snapshot.functions.contains(&code) {
            srv.snapshot.functions.push(code);
        }
    }
    srv.snapshot.keys_loaded = insertion.loaded;
    srv.snapshot.keys_expired = insertion.expired;
    let (loaded, expired) = (insertion.loaded, insertion.expired);
    if insertion.empty > 0 {
        notice!(
            "Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, empty keys skipped: {}.",
            insertion.empty
        );
    } else {
        notice!("Done loading RDB, keys loaded: {loaded}, keys expired: {expired}.");
    }
}

/// What a file tells about itself.
fn note_fact(srv: &mut Server, name: &[u8], value: &[u8]) {
    let text = String::from_utf8_lossy(value);
    let number = text.parse::<i64>().unwrap_or(0);
    match name {
        b"redis-ver" => notice!("Loading RDB produced by version {text}"),
        b"ctime" => notice!(
            "RDB age {} seconds",
            (clock::unix_ms() / 1000 - number).max(0)
        ),
        b"used-mem" => {
            notice!(
                "RDB memory usage when created {:.2} Mb",
                number as f64 / (1024.0 * 1024.0)
            );
            if let Some(loading) = &mut srv.snapshot.loading {
                loading.used_mem = u64::try_from(number).unwrap_or(0);
            }
        }
        b"aof-base" | b"aof-preamble" if number != 0 => notice!("RDB is base AOF"),
        b"redis-bits" | b"repl-stream-db" | b"repl-id" | b"repl-offset" | b"lua" | b"aof-base"
        | b"aof-preamble" => {}
        [b'%', ..] => notice!("RDB '{}': {text}", String::from_utf8_lossy(name)),
        _ => debug!(
            "Unrecognized RDB AUX field: '{}'",
            String::from_utf8_lossy(name)
        ),
    }
}
