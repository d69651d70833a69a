//! Writing a snapshot file: to a temporary file that replaces the old one when it is complete and on disk.
//!
//! # Invariants
//! 1. Under the configured name there is always a complete file or none; any failure leaves the old one.
//! 2. A temporary file's name contains the pid of its writer; it is removed on failure.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use data::rdb::encoder::{self, Writer};
use data::value::Type;

use crate::keyspace::recency::saved;
use crate::persist::fork::Reporter;
use crate::persist::sink::FileOutput;
use crate::persist::unlink::unlink;
use crate::server::Server;
use crate::state::background::Background;
use crate::state::replication::replica::SnapshotFilter;
use crate::state::slowdown::Slowdown;
use crate::sys::{clock, directory, host, memory};
use crate::{notice, warning};

/// What a snapshot is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// A file of its own, or a replica.
    Snapshot,
    /// The base of the append-only file.
    AofBase,
}

/// A step of saving.
#[derive(Clone, Copy)]
enum Step {
    Open,
    /// Under the name that Redis's log has for it.
    Write(&'static str),
    Rename,
    SyncDirectory,
}

/// The failed step and its reason.
struct Failure {
    step: Step,
    error: io::Error,
}

/// Wraps an error into a [`Failure`].
fn during(step: Step) -> impl Fn(io::Error) -> Failure {
    move |error| Failure { step, error }
}

/// The name of the temporary file of a process.
pub fn temp_name(pid: u32) -> String {
    format!("temp-{pid}.rdb")
}

/// Removes the temporary file of a child that did not finish.
pub fn remove_temp(background: &Background, pid: i32) {
    if let Ok(pid) = u32::try_from(pid) {
        unlink(background, Path::new(&temp_name(pid)));
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
        Step::Open => warning!(
            "Failed opening the temp RDB file {temp} (in server root dir {}) for saving: {why}",
            directory()
        ),
        Step::Rename => warning!(
            "Error moving temp DB file {temp} on the final destination {name} (in server root dir {}): {why}",
            directory()
        ),
        Step::SyncDirectory => warning!("Failed to fsync directory while saving DB: {why}"),
        Step::Write(name) => warning!("Write error while saving DB to the disk({name}): {why}"),
    }
}

fn write(srv: &Server, temp: &str, reporter: Option<&mut Reporter>) -> Result<(), Failure> {
    let mut out = output(srv, File::create(temp).map_err(during(Step::Open))?);
    out.sink.syncs_in_steps = srv.config.rdb_save_incremental_fsync;
    let everything = SnapshotFilter::default();
    snapshot(srv, &mut out, everything, Usage::Snapshot, reporter)
        .map_err(during(Step::Write("rdbSaveRio")))?;
    out.sink
        .file
        .sync_all()
        .map_err(during(Step::Write("fsync")))
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
    let mut out = output(srv, pipe);
    let head = [b"$EOF:", mark, b"\r\n"].concat();
    let written = out
        .sink
        .file
        .write_all(&head)
        .and_then(|()| snapshot(srv, &mut out, without, Usage::Snapshot, Some(reporter)))
        .and_then(|()| out.sink.file.write_all(mark));
    if let Err(error) = &written {
        warning!(
            "Write error sending DB to replicas: {}",
            host::reason(error)
        );
    }
    written.is_ok()
}

/// A rename is durable only after the directory was synced.
fn put_in_place(temp: &str, name: &str) -> Result<(), Failure> {
    fs::rename(temp, name).map_err(during(Step::Rename))?;
    directory::sync(directory::parent(Path::new(name))).map_err(during(Step::SyncDirectory))
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

/// An output with the checksum that the configuration asks for.
pub fn output(srv: &Server, file: File) -> FileOutput {
    let mut out = FileOutput::new(file);
    out.sink.checksum = srv.config.rdbchecksum.then_some(0);
    out
}

/// Writes a snapshot without the parts in `without`.
///
/// # Errors
/// Those of the file.
pub fn snapshot(
    srv: &Server,
    out: &mut FileOutput,
    without: SnapshotFilter,
    usage: Usage,
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
    let base = [("aof-base", u8::from(usage == Usage::AofBase).to_string())];
    for (name, value) in facts.into_iter().chain(place).chain(base) {
        encoder::aux(buf, name.as_bytes(), value.as_bytes());
    }
    if !without.functions {
        for (_, library) in srv.scripts.libraries.iter() {
            encoder::function(buf, &library.code, srv.config.rdbcompression);
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
    out: &mut FileOutput,
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
            let FileOutput { buf, sink } = &mut *out;
            let mut to = Writer {
                out: buf,
                compress: srv.config.rdbcompression,
                empty: &mut |buf| sink.empty(buf),
            };
            encoder::entry(&mut to, entry, recency);
            sink.take_failure()?;
            if let Some(reporter) = reporter.as_deref_mut() {
                reporter.key();
            }
            slowdown.take();
        }
    }
    Ok(())
}
