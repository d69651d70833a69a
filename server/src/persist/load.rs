//! Loading a snapshot file into the databases.
//!
//! The file is fed to the decoder in pieces of `loading-process-events-interval-bytes`; between two of them clients
//! are served. They get a LOADING error, except for the few commands that need no data.

use std::fs::File;
use std::io::{self, Read};

use data::rdb::decoder::{Decoder, Item, WRONG_CHECKSUM};

use crate::config::limits::rdb_options;
use crate::exec::nested::process_events_inside;
use crate::feed::propagate::deletion;
use crate::keyspace::defrag::defrag_if_due;
use crate::persist::insert::{Announced, insert};
use crate::server::Server;
use crate::state::keys::Database;
use crate::state::latency::Event;
use crate::state::loading::{Counts, Existing, LoadSession, StreamPlace};
use crate::state::replication::link::CONTINUES_OWN_HISTORY;
use crate::state::scripts::libraries::Libraries;
use crate::state::slowdown::Slowdown;
use crate::state::snapshot::Loading;
use crate::sys::{clock, host, memory, process};
use crate::{notice, warning};

/// The size assumed for a snapshot of unknown size when tables are presized.
const UNKNOWN_SIZE: u64 = 4 * 1024 * 1024;

/// Number of keys whose table positions are prefetched together: each would be a cache miss of its own.
const TOGETHER: usize = 16;

/// Why loading failed.
#[derive(Debug)]
pub enum LoadError {
    /// The file does not exist.
    Missing,
    /// The file cannot be opened, or is not a snapshot of a known version; that was logged.
    Unreadable,
    /// The snapshot is damaged or does not fit this server; that was logged.
    Corrupt,
    /// The server was asked to shut down meanwhile.
    Stopped,
}

/// Loads the snapshot at start.
///
/// # Errors
/// A sentence: the server must not run without the file's data. `None` if it was asked to shut down.
pub fn at_start(srv: &mut Server) -> Result<(), Option<String>> {
    let began_us = clock::monotonic_us();
    match load(srv, Existing::Refuse) {
        Ok(mut session) => {
            continue_history(srv, &mut session);
            notice!(
                "DB loaded from disk: {:.3} seconds",
                (clock::monotonic_us() - began_us) as f64 / 1e6
            );
            Ok(())
        }
        Err(LoadError::Missing) => Ok(()),
        Err(LoadError::Unreadable) => Err(Some(
            "Fatal error loading the DB, check server logs. Exiting.".into(),
        )),
        Err(LoadError::Corrupt) => Err(Some(
            "Terminating server after rdb file reading failure.".into(),
        )),
        Err(LoadError::Stopped) => Err(None),
    }
}

/// Continues the history that the snapshot belongs to: a replica requests the rest from its primary; a primary lets
/// replicas continue from the old id, under a new id of its own.
fn continue_history(srv: &mut Server, session: &mut LoadSession) {
    let place = session.place;
    let (Some(id), Some(offset)) = (place.id, place.offset) else {
        return;
    };
    let replication = &mut srv.replication;
    replication.offset = offset;
    replication.create_backlog();
    match &mut replication.link {
        Some(link) => {
            notice!("{CONTINUES_OWN_HISTORY}");
            replication.id = id;
            link.cached = Some(place.db.unwrap_or(0));
        }
        None => {
            replication.id2 = id;
            replication.second_offset = offset as i64 + 1;
        }
    }
    let lazy = srv.config.lazyfree_lazy_expire;
    for (db, key) in session.gone.take().into_iter().flatten() {
        deletion(srv, db, &key, lazy);
    }
}

/// Loads the file under `dbfilename`.
///
/// # Errors
/// See [`LoadError`]. What was loaded until then stays in the databases.
pub fn load(srv: &mut Server, existing: Existing) -> Result<LoadSession, LoadError> {
    let name = srv.config.dbfilename.clone();
    let opened = File::open(&name).and_then(|file| {
        let total = file.metadata()?.len();
        Ok((file, total))
    });
    let (mut file, total) = match opened {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(LoadError::Missing),
        Err(error) => {
            warning!(
                "Fatal error: can't open the RDB file {name} for reading: {}",
                host::reason(&error)
            );
            return Err(LoadError::Unreadable);
        }
    };
    let mut session = begin(srv, existing, total, None);
    session.gone = (!srv.replication.is_replica()).then(Vec::new);
    let loaded = read(srv, &mut file, &mut session);
    end(srv);
    loaded.map(|()| session)
}

/// Databases beside those of the server, into which a snapshot is loaded.
pub struct Beside {
    /// The databases.
    pub dbs: Vec<Database>,
    /// Whether clients are served from the old data set meanwhile, instead of getting LOADING errors.
    pub serves_old: bool,
}

/// Begins to load a snapshot of `bytes` bytes (0 is unknown): into the databases of the server, or into others beside
/// them.
pub fn begin(
    srv: &mut Server,
    existing: Existing,
    bytes: u64,
    beside: Option<Beside>,
) -> LoadSession {
    let serves_old = beside.as_ref().is_some_and(|beside| beside.serves_old);
    enter(srv, bytes, serves_old);
    LoadSession {
        beside: beside.map(|beside| beside.dbs),
        ..session(srv, existing, bytes)
    }
}

/// Enters the loading state, for `bytes` bytes (0 is unknown).
pub fn enter(srv: &mut Server, bytes: u64, serves_old: bool) {
    srv.snapshot.loading = Some(Loading {
        started: clock::unix_ms() / 1000,
        total: bytes,
        serves_old,
        ..Loading::default()
    });
}

/// A load of a snapshot of `bytes` bytes (0 is unknown) into the databases of the server.
pub fn session(srv: &Server, existing: Existing, bytes: u64) -> LoadSession {
    let list = srv.debug.list_limits(&srv.config);
    let sums = srv.config.rdbchecksum && !srv.debug.skip_checksums;
    LoadSession {
        decoder: Decoder::new(rdb_options(&srv.config, list), sums),
        existing,
        keeps_expired: false,
        before: 0,
        beside: None,
        now_ms: clock::unix_ms(),
        db: 0,
        bytes: if bytes == 0 { UNKNOWN_SIZE } else { bytes },
        libraries: Libraries::default(),
        place: StreamPlace::default(),
        counts: Counts::default(),
        gone: None,
        slowdown: Slowdown::new(srv.config.key_load_delay),
    }
}

/// Ends the loading state.
pub fn end(srv: &mut Server) {
    srv.snapshot.loading = None;
    srv.unit.now_ms = srv.turn.refresh();
}

/// Feeds the next bytes of a snapshot; returns whether it is complete.
///
/// # Errors
/// It is damaged; that was logged.
pub fn feed(srv: &mut Server, session: &mut LoadSession, bytes: &[u8]) -> Result<bool, LoadError> {
    session.decoder.feed(bytes);
    let mut waiting = Vec::with_capacity(TOGETHER);
    loop {
        let item = match session.decoder.next_item() {
            Ok(Some(Item::Key(key))) => {
                waiting.push(Announced::new(srv, session, *key));
                if waiting.len() == TOGETHER {
                    insert_keys(srv, session, &mut waiting)?;
                }
                continue;
            }
            next => {
                insert_keys(srv, session, &mut waiting)?;
                next.map_err(|corrupt| match session.decoder.position() {
                    0 => no_snapshot(&corrupt.reason),
                    _ => failed(&session.decoder, &corrupt.reason),
                })?
            }
        };
        let Some(item) = item else {
            break;
        };
        let end = matches!(item, Item::End);
        insert(srv, session, item).map_err(|why| refused(&why))?;
        if end {
            return Ok(true);
        }
    }
    if let Some(loading) = &mut srv.snapshot.loading {
        loading.loaded = session.before + session.decoder.position();
    }
    Ok(false)
}

/// Inserts the prefetched keys in their order.
fn insert_keys(
    srv: &mut Server,
    session: &mut LoadSession,
    keys: &mut Vec<Announced>,
) -> Result<(), LoadError> {
    for key in keys.drain(..) {
        key.insert(srv, session).map_err(|why| refused(&why))?;
        session.slowdown.take();
    }
    Ok(())
}

/// The snapshot is intact but does not fit this server.
fn refused(why: &str) -> LoadError {
    warning!("{why}");
    LoadError::Corrupt
}

/// The signature or the version of the snapshot is wrong.
fn no_snapshot(why: &str) -> LoadError {
    warning!("{why}");
    LoadError::Unreadable
}

/// The snapshot is truncated.
pub fn cut_short(session: &LoadSession) -> LoadError {
    warning!("Short read or OOM loading DB. Unrecoverable error, aborting now.");
    failed(&session.decoder, "Unexpected EOF reading RDB file")
}

/// Reads a snapshot from a file to its end.
///
/// # Errors
/// It is damaged, which was logged, or the server was asked to shut down.
pub fn read(srv: &mut Server, file: &mut File, session: &mut LoadSession) -> Result<(), LoadError> {
    let piece = srv.config.loading_process_events_interval_bytes.max(1024) as usize;
    let mut buf = vec![0; piece];
    loop {
        let n = fill(file, &mut buf).map_err(|error| {
            let why = format!("Read error: {}", host::reason(&error));
            failed(&session.decoder, &why)
        })?;
        if n == 0 {
            return Err(cut_short(session));
        }
        if feed(srv, session, &buf[..n])? {
            return Ok(());
        }
        look_around(srv)?;
    }
}

/// Reads what the file has next; 0 bytes at its end.
///
/// # Errors
/// Those of the file.
pub fn fill(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Between two pieces: serves clients, checks for signals, samples memory, defragments what is loaded.
///
/// # Errors
/// The server was asked to shut down.
pub fn look_around(srv: &mut Server) -> Result<(), LoadError> {
    let started = srv.latency_clock();
    memory::sample_peak();
    defrag_if_due(srv);
    srv.note_latency_since(Event::WhileBlockedCron, started);
    process_events_inside(srv);
    if process::shutdown_signal().is_some() {
        warning!("Received shutdown signal during loading, exiting now.");
        return Err(LoadError::Stopped);
    }
    if srv.shutdown.asap.is_some() {
        return Err(LoadError::Stopped);
    }
    Ok(())
}

/// Logs the error and its offset in the file.
fn failed(decoder: &Decoder, why: &str) -> LoadError {
    let short = if why.starts_with(WRONG_CHECKSUM) {
        warning!("{why}");
        "RDB CRC error"
    } else {
        why
    };
    let checked = if decoder.current_key().is_empty() {
        ""
    } else {
        " (integrity check failed)"
    };
    warning!(
        "Internal error in RDB reading offset {} -> {short}{checked}",
        decoder.position()
    );
    if !decoder.current_key().is_empty() {
        warning!(
            "The value of key '{}': integrity check failed",
            String::from_utf8_lossy(decoder.current_key())
        );
    }
    LoadError::Corrupt
}
