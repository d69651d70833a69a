//! Loading a snapshot file into the databases.
//!
//! The file is fed to the decoder in pieces of `loading-process-events-interval-bytes`; between two of them clients are
//! served. They are told that the server is loading, or get an answer to those few commands that need no data.

use std::fs::File;
use std::io::{self, Read};

use data::rdb::decoder::{Decoder, Item};

use crate::config::limits::rdb_options;
use crate::exec::nested::process_events_inside;
use crate::feed::propagate::deletion;
use crate::persist::insert::{Announced, insert};
use crate::server::Server;
use crate::state::keys::Database;
use crate::state::loading::{Counts, Existing, Session, StreamPlace};
use crate::state::slowdown::Slowdown;
use crate::state::snapshot::Loading;
use crate::sys::{clock, host, memory, process};
use crate::{notice, warning};

/// How a decoder's words for a wrong checksum begin.
const WRONG_CHECKSUM: &str = "Wrong RDB checksum";

/// A snapshot of unknown size counts as one of so many bytes when room is made for its keys.
const UNKNOWN_SIZE: u64 = 4 * 1024 * 1024;

/// Keys whose places in the table are fetched together: none of them is near, and one by one each would be waited for.
const TOGETHER: usize = 16;

/// Why nothing, or not all, was loaded.
#[derive(Debug)]
pub enum LoadError {
    /// There is no file.
    Missing,
    /// It cannot be opened; that was logged.
    Unreadable,
    /// It is damaged, or does not fit; that was logged.
    Corrupt,
    /// The server was told to end meanwhile.
    Stopped,
}

/// Loads the snapshot when the server starts.
///
/// # Errors
/// A sentence: the server must not run without what is in the file. `None` when it was told to end, and shall.
pub fn at_start(srv: &mut Server) -> Result<(), Option<String>> {
    let began_us = clock::monotonic_us();
    match load(srv, Existing::Refuse) {
        Ok(mut session) => {
            resume(srv, &mut session);
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

/// Goes on in the history that the data set belongs to. A replica asks its primary for what came after; a primary lets
/// replicas that know as much go on with it, under a history of its own.
fn resume(srv: &mut Server, session: &mut Session) {
    let place = session.place;
    let (Some(id), Some(offset)) = (place.id, place.offset) else {
        return;
    };
    let replication = &mut srv.replication;
    replication.offset = offset;
    replication.create_backlog();
    match &mut replication.link {
        Some(link) => {
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
/// See [`LoadError`]. What was loaded until then is in the databases.
pub fn load(srv: &mut Server, existing: Existing) -> Result<Session, LoadError> {
    let name = srv.config.dbfilename.clone();
    let opened = File::open(&name).and_then(|file| {
        let total = file.metadata()?.len();
        Ok((file, total))
    });
    let (file, total) = match opened {
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
    let loaded = read(srv, file, &mut session);
    end(srv);
    loaded.map(|()| session)
}

/// Begins to load a snapshot of so many bytes (0 is unknown): into the databases of the server, or into others beside
/// them. Clients are told that data is missing, unless there is other data to go on with (`serve`).
pub fn begin(
    srv: &mut Server,
    existing: Existing,
    bytes: u64,
    beside: Option<(Vec<Database>, bool)>,
) -> Session {
    srv.snapshot.loading = Some(Loading {
        started: clock::unix_ms() / 1000,
        total: bytes,
        serves_old: beside.as_ref().is_some_and(|&(_, serve)| serve),
        ..Loading::default()
    });
    let list = srv.debug.list_limits(&srv.config);
    let sums = srv.config.rdbchecksum && !srv.debug.skip_checksums;
    Session {
        decoder: Decoder::new(rdb_options(&srv.config, list), sums),
        existing,
        beside: beside.map(|(dbs, _)| dbs),
        now_ms: clock::unix_ms(),
        db: 0,
        bytes: if bytes == 0 { UNKNOWN_SIZE } else { bytes },
        functions: Vec::new(),
        place: StreamPlace::default(),
        counts: Counts::default(),
        gone: None,
        slowdown: Slowdown::new(srv.config.key_load_delay),
    }
}

/// Nothing is being loaded any more.
pub fn end(srv: &mut Server) {
    srv.snapshot.loading = None;
    srv.unit.now_ms = srv.turn.refresh();
}

/// Takes in the next bytes of a snapshot; whether that was all of it.
///
/// # Errors
/// It is damaged; that was logged.
pub fn feed(srv: &mut Server, session: &mut Session, bytes: &[u8]) -> Result<bool, LoadError> {
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
                next.map_err(|corrupt| failed(&session.decoder, &corrupt.reason))?
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
        loading.loaded = session.decoder.position();
    }
    Ok(false)
}

/// Inserts the keys that were announced, in their order.
fn insert_keys(
    srv: &mut Server,
    session: &mut Session,
    keys: &mut Vec<Announced>,
) -> Result<(), LoadError> {
    for key in keys.drain(..) {
        key.insert(srv, session).map_err(|why| refused(&why))?;
        session.slowdown.take();
    }
    Ok(())
}

/// The snapshot is whole, and does not fit.
fn refused(why: &str) -> LoadError {
    warning!("{why}");
    LoadError::Corrupt
}

/// The snapshot has ended before its end.
pub fn cut_short(session: &Session) -> LoadError {
    failed(&session.decoder, "Unexpected EOF reading RDB file")
}

fn read(srv: &mut Server, mut file: File, session: &mut Session) -> Result<(), LoadError> {
    let piece = srv.config.loading_process_events_interval_bytes.max(1024) as usize;
    let mut buf = vec![0; piece];
    loop {
        let n = fill(&mut file, &mut buf).map_err(|error| {
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

fn fill(file: &mut File, buf: &mut [u8]) -> io::Result<usize> {
    loop {
        match file.read(buf) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Between two pieces: clients, signals, figures.
fn look_around(srv: &mut Server) -> Result<(), LoadError> {
    memory::sample_peak();
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

/// Logs what is wrong with the file and where.
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
