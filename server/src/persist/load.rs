//! Loading a snapshot file into the databases.
//!
//! The file is fed to the decoder in pieces of `loading-process-events-interval-bytes`; between two of them clients are
//! served, if whoever loads says so. They are told that the server is loading, or get an answer to those few commands
//! that need no data.

use std::fs::File;
use std::io::{self, Read};

use ae::event_loop::{What, process_events};
use data::rdb::decoder::{Decoder, Item};

use crate::config::limits::rdb_options;
use crate::persist::insert::{Existing, Insertion, insert};
use crate::persist::rdb_file::Pause;
use crate::server::Server;
use crate::state::snapshot::Loading;
use crate::sys::{clock, host, memory, process};
use crate::{notice, warning};

/// How a decoder's words for a wrong checksum begin.
const WRONG_CHECKSUM: &str = "Wrong RDB checksum";

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

/// What is done about clients while a file is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// They are served.
    Serve,
    /// They wait: a command is being executed, and it is the one that loads.
    Hold,
}

/// Loads the snapshot when the server starts.
///
/// # Errors
/// A sentence: the server must not run without what is in the file. `None` when it was told to end, and shall.
pub fn at_start(srv: &mut Server) -> Result<(), Option<String>> {
    let began_us = clock::monotonic_us();
    match load(srv, Existing::Refuse, Clients::Serve) {
        Ok(()) => {
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

/// Loads the file under `dbfilename`.
///
/// # Errors
/// See [`LoadError`]. What was loaded until then is in the databases.
pub fn load(srv: &mut Server, existing: Existing, clients: Clients) -> Result<(), LoadError> {
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
    srv.snapshot.loading = Some(Loading {
        started: clock::unix_ms() / 1000,
        total,
        ..Loading::default()
    });
    let loaded = read(srv, file, Insertion::new(existing, total), clients);
    srv.snapshot.loading = None;
    srv.unit.refresh();
    loaded
}

fn read(
    srv: &mut Server,
    mut file: File,
    mut insertion: Insertion,
    clients: Clients,
) -> Result<(), LoadError> {
    let list = srv.debug.list_limits(&srv.config);
    let mut decoder = Decoder::new(rdb_options(&srv.config, list), srv.config.rdbchecksum);
    let mut pause = Pause::new(srv.config.key_load_delay);
    let piece = srv.config.loading_process_events_interval_bytes.max(1024) as usize;
    let mut buf = vec![0; piece];
    loop {
        let n = fill(&mut file, &mut buf)
            .map_err(|error| failed(&decoder, &format!("Read error: {}", host::reason(&error))))?;
        if n == 0 {
            return Err(failed(&decoder, "Unexpected EOF reading RDB file"));
        }
        decoder.feed(&buf[..n]);
        loop {
            let item = match decoder.next_item() {
                Ok(Some(item)) => item,
                Ok(None) => break,
                Err(corrupt) => return Err(failed(&decoder, &corrupt.0)),
            };
            let (end, key) = (matches!(item, Item::End), matches!(item, Item::Key(_)));
            insert(srv, &mut insertion, item).map_err(|why| {
                warning!("{why}");
                LoadError::Corrupt
            })?;
            if end {
                return Ok(());
            }
            if key {
                pause.take();
            }
        }
        if let Some(loading) = &mut srv.snapshot.loading {
            loading.loaded = decoder.position();
        }
        look_around(srv, clients)?;
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
fn look_around(srv: &mut Server, clients: Clients) -> Result<(), LoadError> {
    memory::sample_peak();
    if clients == Clients::Hold {
        return Ok(());
    }
    let look = What {
        hooks: true,
        ..What::FILES_ONLY
    };
    process_events(srv, look);
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
