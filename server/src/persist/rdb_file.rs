//! Writing a snapshot file: to a temporary file that replaces the old one when it is complete and on disk.
//!
//! # Invariants
//! 1. Under the configured name there is always a complete file or none; any failure leaves the old one.
//! 2. A temporary file's name contains the pid of its writer; it is removed on failure.

use std::fs::{self, File};
use std::io::{self, Write};

use data::rdb::encoder::{self, Writer};
use data::util::crc::crc64;
use data::value::Type;

use crate::keyspace::recency::saved;
use crate::persist::fork::Reporter;
use crate::server::Server;
use crate::state::replication::replica::SnapshotFilter;
use crate::state::slowdown::Slowdown;
use crate::sys::{clock, host, memory};
use crate::{notice, warning};

/// Approximate size of the write buffer, in bytes.
const CHUNK: usize = 64 * 1024;
/// Bytes between two fsyncs, with `rdb-save-incremental-fsync`.
const SYNC_STEP: u64 = 4 * 1024 * 1024;

/// The failed step and its reason.
struct Failure {
    step: &'static str,
    error: io::Error,
}

/// Wraps an error into a [`Failure`].
fn during(step: &'static str) -> impl Fn(io::Error) -> Failure {
    move |error| Failure { step, error }
}

/// The name of the temporary file of a process.
pub fn temp_name(pid: u32) -> String {
    format!("temp-{pid}.rdb")
}

/// Removes the temporary file of a child that did not finish.
pub fn remove_temp(pid: i32) {
    if let Ok(pid) = u32::try_from(pid) {
        let _ = fs::remove_file(temp_name(pid));
    }
}

/// Saves the data set under `dbfilename`; whether that succeeded. A failure is logged.
pub fn save(srv: &Server, reporter: Option<&mut Reporter>) -> bool {
    let temp = temp_name(std::process::id());
    let name = &srv.config.dbfilename;
    let saved = write(srv, &temp, reporter).and_then(|()| put_in_place(&temp, name));
    match saved {
        Ok(()) => notice!("DB saved on disk"),
        Err(failure) => {
            let _ = fs::remove_file(&temp);
            report(&failure, &temp, name);
            return false;
        }
    }
    true
}

fn report(failure: &Failure, temp: &str, name: &str) {
    let directory = || {
        std::env::current_dir().map_or_else(|_| "unknown".into(), |dir| dir.display().to_string())
    };
    let why = host::reason(&failure.error);
    match failure.step {
        "open" => warning!(
            "Failed opening the temp RDB file {temp} (in server root dir {}) for saving: {why}",
            directory()
        ),
        "rename" => warning!(
            "Error moving temp DB file {temp} on the final destination {name} (in server root dir {}): {why}",
            directory()
        ),
        "directory" => warning!("Failed to fsync directory while saving DB: {why}"),
        step => warning!("Write error saving DB on disk({step}): {why}"),
    }
}

fn write(srv: &Server, temp: &str, reporter: Option<&mut Reporter>) -> Result<(), Failure> {
    let mut out = Output::new(srv, File::create(temp).map_err(during("open"))?);
    out.sink.sync = srv.config.rdb_save_incremental_fsync;
    snapshot(srv, &mut out, SnapshotFilter::default(), reporter).map_err(during("write"))?;
    out.sink.file.sync_all().map_err(during("fsync"))
}

/// Writes a snapshot without the parts in `without` to a pipe, between a line with the end marker and the marker
/// itself; whether that succeeded.
pub fn stream(
    srv: &Server,
    pipe: File,
    mark: &[u8],
    without: SnapshotFilter,
    reporter: &mut Reporter,
) -> bool {
    let mut out = Output::new(srv, pipe);
    let head = [b"$EOF:", mark, b"\r\n"].concat();
    let written = out
        .sink
        .file
        .write_all(&head)
        .and_then(|()| snapshot(srv, &mut out, without, Some(reporter)))
        .and_then(|()| out.sink.file.write_all(mark));
    if let Err(error) = &written {
        warning!(
            "Write error sending DB to replicas: {}",
            host::reason(error)
        );
    }
    written.is_ok()
}

/// A rename is durable only after the directory was forced to the disk.
fn put_in_place(temp: &str, name: &str) -> Result<(), Failure> {
    fs::rename(temp, name).map_err(during("rename"))?;
    File::open(".")
        .and_then(|directory| directory.sync_all())
        .map_err(during("directory"))
}

/// A snapshot being written: its buffer and destination.
struct Output {
    buf: Vec<u8>,
    sink: Sink,
}

/// The destination of a snapshot.
struct Sink {
    file: File,
    /// Checksum of the bytes, if wanted.
    checksum: Option<u64>,
    sync: bool,
    unsynced: u64,
    /// The first failure; nothing is written after it.
    failure: Option<io::Error>,
}

impl Output {
    fn new(srv: &Server, file: File) -> Self {
        Output {
            buf: Vec::with_capacity(CHUNK * 2),
            sink: Sink {
                file,
                checksum: srv.config.rdbchecksum.then_some(0),
                sync: false,
                unsynced: 0,
                failure: None,
            },
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.empty(&mut self.buf);
        self.sink.check()
    }
}

impl Sink {
    /// Writes the buffer, unless a write has failed before.
    fn empty(&mut self, buf: &mut Vec<u8>) {
        if self.failure.is_none() {
            self.failure = self.write(buf).err();
        }
        buf.clear();
        // The buffer of one huge element must not be kept.
        buf.shrink_to(CHUNK * 2);
    }

    /// Whether all writes have succeeded.
    fn check(&mut self) -> io::Result<()> {
        self.failure.take().map_or(Ok(()), Err)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(sum) = &mut self.checksum {
            *sum = crc64(*sum, bytes);
        }
        self.file.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.sync && self.unsynced >= SYNC_STEP {
            // Forces bytes to the disk bit by bit, so that the disk is not busy with all of them at the end.
            self.file.sync_data()?;
            self.unsynced = 0;
        }
        Ok(())
    }
}

/// The position in the stream of writes: id, offset and selected database. A server that loads the snapshot may
/// continue from there.
fn place(srv: &Server) -> Option<[(&'static str, String); 3]> {
    let replication = &srv.replication;
    let db = match &replication.link {
        Some(link) => link.stream_db(&srv.clients)?,
        // If none is selected, the next write selects one.
        None if replication.backlog.is_some() => replication.selected.unwrap_or(0),
        None => return None,
    };
    Some([
        ("repl-stream-db", db.to_string()),
        ("repl-id", replication.id.to_string()),
        ("repl-offset", replication.offset.to_string()),
    ])
}

fn snapshot(
    srv: &Server,
    out: &mut Output,
    without: SnapshotFilter,
    reporter: Option<&mut Reporter>,
) -> io::Result<()> {
    let buf = &mut out.buf;
    encoder::header(buf);
    let facts = [
        ("redis-ver", env!("CARGO_PKG_VERSION").to_owned()),
        ("redis-bits", usize::BITS.to_string()),
        ("ctime", (clock::unix_ms() / 1000).to_string()),
        ("used-mem", memory::used().to_string()),
    ];
    let place = place(srv).into_iter().flatten();
    let base = [("aof-base", "0".to_owned())];
    for (name, value) in facts.into_iter().chain(place).chain(base) {
        encoder::aux(buf, name.as_bytes(), value.as_bytes());
    }
    if !without.functions {
        for code in &srv.snapshot.functions {
            encoder::function(buf, code, srv.config.rdbcompression);
        }
    }
    if !without.data {
        databases(srv, out, reporter)?;
    }
    encoder::eof(&mut out.buf);
    out.flush()?;
    let sum = out.sink.checksum.unwrap_or(0);
    out.sink.file.write_all(&sum.to_le_bytes())
}

fn databases(
    srv: &Server,
    out: &mut Output,
    mut reporter: Option<&mut Reporter>,
) -> io::Result<()> {
    let now_ms = clock::unix_ms();
    let mut slowdown = Slowdown::new(srv.config.rdb_key_save_delay);
    for (number, database) in srv.keys.dbs.iter().enumerate() {
        let db = &database.db;
        if db.is_empty() {
            continue;
        }
        encoder::select_db(&mut out.buf, number as u64);
        encoder::resize_db(&mut out.buf, db.len() as u64, db.expires_len() as u64);
        for entry in db.iter() {
            if entry.ty() == Type::Damaged {
                // Files are checked completely when they are loaded: a damaged value would make the whole file
                // unloadable.
                let key = String::from_utf8_lossy(entry.key());
                warning!("Key '{key}' has a damaged value and is not saved");
                continue;
            }
            let recency = saved(&srv.config, entry.lru(), now_ms);
            let Output { buf, sink } = &mut *out;
            let mut to = Writer {
                out: buf,
                compress: srv.config.rdbcompression,
                empty: &mut |buf| sink.empty(buf),
            };
            encoder::entry(&mut to, entry, recency);
            sink.check()?;
            if let Some(reporter) = reporter.as_deref_mut() {
                reporter.key();
            }
            slowdown.take();
        }
    }
    Ok(())
}
