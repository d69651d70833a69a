//! Inserting the items of an RDB file into the databases.
//!
//! Expired keys are skipped, except on a replica and in the base of an append-only file, and so are empty keys. Function
//! libraries go into a set of their own, which becomes the server's when the file is complete.

use data::rdb::decoder::{Item, Loaded, Recency};
use data::value::db::{Db, Expire};

use crate::keyspace::recency::{frequency_of, idle_since, recency};
use crate::script::library;
use crate::server::Server;
use crate::state::loading::{Existing, LoadSession};
use crate::state::replication::id::ReplId;
use crate::sys::clock;
use crate::{debug, notice};

/// Empty keys named in the log; further ones are only counted.
const NAMED_EMPTY_KEYS: u64 = 10;

/// Minimum size of a key in a file: type, key and value.
const MIN_KEY: u64 = 3;

/// Inserts one item.
///
/// # Errors
/// A sentence: the file does not fit this server.
pub fn insert(srv: &mut Server, session: &mut LoadSession, item: Item) -> Result<(), String> {
    match item {
        Item::Version(_) => {}
        Item::Aux(name, value) => note_fact(srv, session, &name, &value),
        Item::SelectDb(number) => {
            session.db = usize::try_from(number)
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
            let most = session.bytes / MIN_KEY;
            let db = target(srv, session);
            if db.is_empty() {
                db.reserve(keys.min(most) as usize, expires.min(most) as usize);
            }
        }
        Item::Function(code) => {
            let replace = session.existing != Existing::Refuse;
            library::load(srv, &mut session.libraries, &code, replace, None).map_err(
                |message| {
                    format!(
                        "Failed creating the library: {}",
                        String::from_utf8_lossy(&message)
                    )
                },
            )?;
        }
        Item::Key(key) => Announced::new(srv, session, *key).insert(srv, session)?,
        Item::End => finish(srv, session)?,
    }
    Ok(())
}

/// The database being filled.
fn target<'a>(srv: &'a mut Server, session: &'a mut LoadSession) -> &'a mut Db {
    let number = session.db;
    match &mut session.beside {
        Some(dbs) => &mut dbs[number].db,
        None => &mut srv.keys.dbs[number].db,
    }
}

/// A key to be inserted whose position in the table is being prefetched.
pub struct Announced {
    hash: u64,
    key: Loaded,
}

impl Announced {
    /// Prefetches the position of a key.
    pub fn new(srv: &mut Server, session: &mut LoadSession, key: Loaded) -> Self {
        let db = target(srv, session);
        let hash = db.hash(&key.key);
        db.prefetch_line(hash);
        Announced { hash, key }
    }

    /// Inserts the key into the database being filled.
    ///
    /// # Errors
    /// A sentence: the key exists already, which is not allowed.
    pub fn insert(self, srv: &mut Server, session: &mut LoadSession) -> Result<(), String> {
        let Announced { hash, key } = self;
        let shown = || String::from_utf8_lossy(&key.key).into_owned();
        let Some(value) = key.value else {
            if session.counts.empty < NAMED_EMPTY_KEYS {
                notice!("rdbLoadObject skipping empty key: {}", shown());
            }
            session.counts.empty += 1;
            return Ok(());
        };
        // A replica keeps expired keys until its primary deletes them.
        let keeps = srv.replication.is_replica() || session.keeps_expired;
        if !keeps && key.expire.is_some_and(|at_ms| at_ms < session.now_ms) {
            session.counts.expired += 1;
            if let Some(gone) = &mut session.gone {
                gone.push((session.db, key.key));
            }
            return Ok(());
        }
        let config = &srv.config;
        let told = match key.recency {
            Recency::Unknown => None,
            Recency::Idle(seconds) => idle_since(
                config,
                i64::try_from(seconds).unwrap_or(i64::MAX),
                session.now_ms,
            ),
            Recency::Frequency(counter) => frequency_of(config, i64::from(counter), session.now_ms),
        };
        let lru = told.unwrap_or_else(|| recency(config, session.now_ms));
        let expire = key.expire.map_or(Expire::Clear, Expire::At);
        let (existing, number) = (session.existing, session.db);
        let db = target(srv, session);
        if existing == Existing::Refuse && db.find_hashed(hash, &key.key).is_some() {
            return Err(format!(
                "RDB has duplicated key '{}' in DB {}",
                shown(),
                number
            ));
        }
        drop(db.set_hashed(hash, &key.key, value, expire, lru));
        session.counts.loaded += 1;
        Ok(())
    }
}

fn finish(srv: &mut Server, session: &mut LoadSession) -> Result<(), String> {
    let new = std::mem::take(&mut session.libraries);
    if session.beside.is_some() || srv.scripts.libraries.is_empty() {
        library::replace_all(srv, new, false);
    } else {
        let replace = session.existing == Existing::Replace;
        library::change(srv, |srv, old| library::join(srv, old, &new, replace))
            .map_err(|message| String::from_utf8_lossy(&message).into_owned())?;
    }
    srv.snapshot.keys_loaded = session.counts.loaded;
    srv.snapshot.keys_expired = session.counts.expired;
    let (loaded, expired) = (session.counts.loaded, session.counts.expired);
    if session.counts.empty > 0 {
        notice!(
            "Done loading RDB, keys loaded: {loaded}, keys expired: {expired}, empty keys skipped: {}.",
            session.counts.empty
        );
    } else {
        notice!("Done loading RDB, keys loaded: {loaded}, keys expired: {expired}.");
    }
    Ok(())
}

/// Handles an auxiliary field.
fn note_fact(srv: &mut Server, session: &mut LoadSession, name: &[u8], value: &[u8]) {
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
        b"repl-stream-db" => session.place.db = usize::try_from(number).ok(),
        b"repl-id" => session.place.id = ReplId::parse(value),
        b"repl-offset" => session.place.offset = u64::try_from(number).ok(),
        b"redis-bits" | b"lua" | b"aof-base" | b"aof-preamble" => {}
        [b'%', ..] => notice!("RDB '{}': {text}", String::from_utf8_lossy(name)),
        _ => debug!(
            "Unrecognized RDB AUX field: '{}'",
            String::from_utf8_lossy(name)
        ),
    }
}
