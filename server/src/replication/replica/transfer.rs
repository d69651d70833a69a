//! A full synchronization: receiving the primary's snapshot.
//!
//! ```text
//!                      ┌── disabled ─────> a temporary file ─> whole, in place ─> loaded in pieces ──┐
//! $SIZE or $EOF:MARK ──┼── on-empty-db ──> the decoder, into the databases ──────────────────────────┼─> the stream
//!                      └── swapdb ───────> the decoder, into others beside them ─> exchanged ────────┘
//! ```
//!
//! The read handler receives the snapshot, the background thread syncs a file to the disk, and a timer loads the file
//! in pieces, so that the loop keeps running. A failed transfer is discarded as a whole and requested again.
//!
//! # Invariants
//! 1. While an [`IncomingSnapshot`] is being processed it is taken out of the link, whose state is Idle then; no
//!    commands run meanwhile.
//! 2. The old data set, the cached position and this server's replicas are given up together ([`abandon_history`]), and
//!    only when their replacement is available: a complete file, the beginning of a stream, or complete other
//!    databases.

use std::borrow::Cow;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::mem;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use ae::time::{Next, TimerId};
use conn::connection::ConnId;
use conn::stream::Io;

use crate::config::values::DisklessLoad;
use crate::feed::replicas::disconnect_all;
use crate::keyspace::change::count_changes;
use crate::keyspace::delete::{exchange, flush};
use crate::persist::aof::switch;
use crate::persist::fork;
use crate::persist::load;
use crate::persist::rdb_file::remove_temp;
use crate::persist::unlink::unlink;
use crate::replication::replica::apply;
use crate::replication::replica::line::{Line, take_line};
use crate::replication::replica::link::{Again, fail, link, send};
use crate::script::library;
use crate::server::Server;
use crate::state::background::Background;
use crate::state::child::Purpose;
use crate::state::keys::Database;
use crate::state::loading::{Existing, LoadSession};
use crate::state::replication::id::{DIGITS, ReplId};
use crate::state::replication::link::{Destination, Ending, IncomingSnapshot, LinkStage, Spool};
use crate::state::scripts::libraries::Libraries;
use crate::sys::{clock, directory, host, process};
use crate::{notice, warning};

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;
/// Bytes between two fsyncs.
const SYNC_STEP: u64 = 8 * 1024 * 1024;
/// Time spent loading a file per turn of the loop, in microseconds.
const LOAD_SLICE_US: u64 = 5000;
/// Number of names tried for the temporary file.
const MAX_NAMES: i64 = 5;

/// The transfer has failed; the reason was logged.
#[derive(Clone, Copy)]
struct Failed;

/// What happens to a transfer after a step.
#[derive(Clone, Copy)]
enum After {
    /// More bytes are needed.
    Wait,
    /// The snapshot is complete.
    Done,
}

/// A snapshot will follow, with this id and offset.
pub fn begin(srv: &mut Server, conn: ConnId, promised: Option<(ReplId, u64)>) {
    let now = srv.unit.now_s();
    let Some(link) = link(srv).filter(|link| link.conn == Some(conn)) else {
        return;
    };
    link.promised = promised;
    link.last_io = now;
    link.stage = LinkStage::Transfer(Box::default());
    let rest = mem::take(&mut link.inbox);
    srv.conns
        .set_read_handler(&mut srv.el, conn, Some(on_readable));
    take_in(srv, conn, &rest);
}

/// The read handler during a transfer.
fn on_readable(srv: &mut Server, conn: ConnId) {
    let mut buf = [0; CHUNK];
    let why = match srv.conns.read(&mut srv.el, conn, &mut buf) {
        Io::Done(n) => {
            srv.stats.repl_input_bytes += n as u64;
            return take_in(srv, conn, &buf[..n]);
        }
        Io::WouldBlock => return,
        Io::Eof => "connection lost".to_owned(),
        Io::Failed(error) => error.to_string(),
    };
    let begun = link(srv).is_some_and(
        |link| matches!(&link.stage, LinkStage::Transfer(transfer) if transfer.end.is_some()),
    );
    if begun {
        warning!("I/O error trying to sync with MASTER: {why}");
    } else {
        warning!("I/O error reading bulk count from MASTER: {why}");
    }
    fail(srv, Again::Now);
}

/// Takes the transfer out of the link.
fn take(srv: &mut Server) -> Option<Box<IncomingSnapshot>> {
    let link = link(srv)?;
    match mem::take(&mut link.stage) {
        LinkStage::Transfer(transfer) => Some(transfer),
        other => {
            link.stage = other;
            None
        }
    }
}

fn take_in(srv: &mut Server, conn: ConnId, bytes: &[u8]) {
    let now = srv.unit.now_s();
    let Some(mut transfer) = take(srv) else {
        return;
    };
    if let Some(link) = link(srv)
        && !bytes.is_empty()
    {
        link.last_io = now;
    }
    let mut rest = Vec::new();
    let after = head(srv, &mut transfer, bytes).and_then(|body| match body {
        Some(body) => payload(srv, &mut transfer, &body, &mut rest),
        None => Ok(After::Wait),
    });
    continue_or_end(srv, conn, transfer, after, rest);
}

/// Puts a transfer back, or ends it.
fn continue_or_end(
    srv: &mut Server,
    conn: ConnId,
    transfer: Box<IncomingSnapshot>,
    after: Result<After, Failed>,
    rest: Vec<u8>,
) {
    let Some(link) = link(srv) else { return };
    // The stream may arrive before the file is loaded.
    link.inbox.extend(rest);
    match after {
        Ok(After::Wait) => link.stage = LinkStage::Transfer(transfer),
        Ok(After::Done) => finish(srv, conn, *transfer),
        Err(Failed) => {
            link.stage = LinkStage::Transfer(transfer);
            fail(srv, Again::Now);
        }
    }
}

/// Parses the header line; returns the bytes of `bytes` behind it, once it is complete.
fn head<'a>(
    srv: &mut Server,
    transfer: &mut IncomingSnapshot,
    bytes: &'a [u8],
) -> Result<Option<Cow<'a, [u8]>>, Failed> {
    if transfer.end.is_some() {
        return Ok(Some(bytes.into()));
    }
    let Some(link) = link(srv) else {
        return Err(Failed);
    };
    link.inbox.extend_from_slice(bytes);
    loop {
        let Some(link) = self::link(srv) else {
            return Err(Failed);
        };
        let line = match take_line(&mut link.inbox) {
            Line::Whole(line) => line,
            Line::Unfinished => return Ok(None),
            Line::TooLong => {
                warning!("Bad protocol from MASTER, the line before the data set is too long");
                return Err(Failed);
            }
        };
        // An empty line is a keepalive.
        if !line.is_empty() {
            let rest = mem::take(&mut link.inbox);
            transfer.end = Some(parse_head(&line)?);
            open_sink(srv, transfer)?;
            return Ok(Some(rest.into()));
        }
    }
}

fn parse_head(line: &[u8]) -> Result<Ending, Failed> {
    let shown = String::from_utf8_lossy(line);
    match line {
        [b'-', ..] => warning!("MASTER aborted replication with an error: {}", &shown[1..]),
        [b'$', b'E', b'O', b'F', b':', mark @ ..] => {
            if let Some(mark) = mark.first_chunk::<DIGITS>() {
                return Ok(Ending::Mark(*mark));
            }
            warning!("Bad protocol from MASTER, the mark of the end is too short: '{shown}'");
        }
        [b'$', digits @ ..] => {
            let size = str::from_utf8(digits)
                .ok()
                .and_then(|text| text.parse().ok());
            if let Some(size) = size {
                return Ok(Ending::Size(size));
            }
            warning!("Bad protocol from MASTER, the size is not a number: '{shown}'");
        }
        _ => warning!(
            "Bad protocol from MASTER, the first byte is not '$' (we received '{shown}'), are you sure the host and port \
             are right?"
        ),
    }
    Err(Failed)
}

/// Chooses and prepares the destination of the snapshot.
fn open_sink(srv: &mut Server, transfer: &mut IncomingSnapshot) -> Result<(), Failed> {
    let how = srv.config.repl_diskless_load;
    let straight =
        how == DisklessLoad::Swapdb || (how == DisklessLoad::OnEmptyDb && srv.keys.total() == 0);
    let to = if straight { "to parser" } else { "to disk" };
    let mut size = 0;
    match transfer.end {
        Some(Ending::Size(bytes)) => {
            size = bytes;
            notice!("MASTER <-> REPLICA sync: receiving {bytes} bytes from master {to}");
        }
        _ => {
            notice!("MASTER <-> REPLICA sync: receiving streamed RDB from master with EOF {to}");
        }
    }
    if !straight {
        transfer.destination = Destination::Spool(open_spool()?);
        return Ok(());
    }
    kill_saving_child(srv);
    let swap = how == DisklessLoad::Swapdb;
    let beside = swap.then(|| {
        let promised = link(srv).and_then(|link| link.promised);
        // The existing data set is an older state of the same history, which is better than none.
        load::Beside {
            dbs: srv.keys.dbs.iter().map(Database::new_like).collect(),
            serves_old: promised.is_some_and(|(id, _)| id == srv.replication.id),
        }
    });
    if !swap {
        abandon_history(srv);
        flush_old(srv);
    }
    notice!("MASTER <-> REPLICA sync: Loading DB in memory");
    // Its files belong to the old data set, and a rewriting child would make the load copy every page.
    switch::stop(srv);
    let session = load::begin(srv, Existing::Refuse, size, beside);
    transfer.destination = Destination::Parser(Box::new(session), false);
    Ok(())
}

fn open_spool() -> Result<Spool, Failed> {
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    let now = clock::unix_ms() / 1000;
    for number in 0..MAX_NAMES {
        let name = format!("temp-{}.{}.rdb", now + number, std::process::id());
        let opened = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&name);
        match opened {
            Ok(file) => {
                return Ok(Spool {
                    file,
                    name,
                    unsynced: 0,
                    syncs: Vec::new(),
                });
            }
            Err(error) => last = error,
        }
    }
    warning!(
        "Opening the temp file needed for MASTER <-> REPLICA synchronization: {}",
        host::reason(&last)
    );
    Err(Failed)
}

/// A running save would replace the file that is about to be loaded.
fn kill_saving_child(srv: &mut Server) {
    if let Some(pid) = fork::kill(srv, Purpose::Save) {
        notice!(
            "Replica is about to load the RDB file received from the master, but there is a pending RDB child running. \
             Killing process {pid} and removing its temp file to avoid any race"
        );
        remove_temp(&srv.background, pid);
    }
}

/// The data set no longer matches the backlog, so replicas cannot continue from it.
fn abandon_history(srv: &mut Server) {
    if let Some(link) = link(srv)
        && link.cached.take().is_some()
    {
        notice!("Discarding previously cached master state.");
    }
    disconnect_all(srv);
    srv.replication.drop_backlog();
}

fn flush_old(srv: &mut Server) {
    notice!("MASTER <-> REPLICA sync: Flushing old data");
    flush(srv, None, srv.config.replica_lazy_flush);
    library::replace_all(srv, Libraries::default(), srv.config.replica_lazy_flush);
}

/// Takes in bytes of the snapshot; bytes behind its end go to `rest`.
fn payload(
    srv: &mut Server,
    transfer: &mut IncomingSnapshot,
    bytes: &[u8],
    rest: &mut Vec<u8>,
) -> Result<After, Failed> {
    match transfer.end {
        Some(Ending::Size(size)) => {
            let left = usize::try_from(size - transfer.read).unwrap_or(usize::MAX);
            let (mine, behind) = bytes.split_at(left.min(bytes.len()));
            transfer.read += mine.len() as u64;
            store(srv, &mut transfer.destination, mine)?;
            if transfer.read < size {
                return Ok(After::Wait);
            }
            rest.extend_from_slice(behind);
        }
        Some(Ending::Mark(mark)) => {
            transfer.read += bytes.len() as u64;
            hold_back(srv, transfer, bytes)?;
            if transfer.tail != mark {
                return Ok(After::Wait);
            }
        }
        None => return Err(Failed),
    }
    complete(srv, transfer)
}

/// Passes on all but the last bytes, which may be the end marker.
fn hold_back(
    srv: &mut Server,
    transfer: &mut IncomingSnapshot,
    bytes: &[u8],
) -> Result<(), Failed> {
    if bytes.len() >= DIGITS {
        let (body, tail) = bytes.split_at(bytes.len() - DIGITS);
        let before = mem::replace(&mut transfer.tail, tail.to_vec());
        store(srv, &mut transfer.destination, &before)?;
        return store(srv, &mut transfer.destination, body);
    }
    let mut all = mem::take(&mut transfer.tail);
    all.extend_from_slice(bytes);
    transfer.tail = all.split_off(all.len().saturating_sub(DIGITS));
    store(srv, &mut transfer.destination, &all)
}

fn store(srv: &mut Server, destination: &mut Destination, bytes: &[u8]) -> Result<(), Failed> {
    if bytes.is_empty() {
        return Ok(());
    }
    match destination {
        Destination::Spool(spool) => write(&srv.background, spool, bytes).map_err(|error| {
            warning!(
                "Write error or short write writing to the DB dump file needed for MASTER <-> REPLICA synchronization: {}",
                host::reason(&error)
            );
            Failed
        }),
        Destination::Parser(_, true) => {
            warning!("Replication stream EOF marker is broken");
            Err(Failed)
        }
        Destination::Parser(session, ended) => {
            *ended = load::feed(srv, session, bytes).map_err(|_| not_loaded("socket"))?;
            if *ended && !session.decoder.take_rest().is_empty() {
                warning!("Replication stream EOF marker is broken");
                return Err(Failed);
            }
            Ok(())
        }
        Destination::None | Destination::Syncing(..) | Destination::Loading(..) => Err(Failed),
    }
}

fn write(background: &Background, spool: &mut Spool, bytes: &[u8]) -> io::Result<()> {
    spool.file.write_all(bytes)?;
    spool.unsynced += bytes.len() as u64;
    if spool.unsynced >= SYNC_STEP && is_synced(spool)? {
        // Syncs the bytes to the disk step by step, so that little is left at the end.
        spool.syncs = vec![background.sync(spool.file.try_clone()?)];
        spool.unsynced = 0;
    }
    Ok(())
}

/// Whether everything that was to be synced to the disk is there.
fn is_synced(spool: &Spool) -> io::Result<bool> {
    let mut all = true;
    for sync in &spool.syncs {
        match sync.get() {
            None => all = false,
            Some(Ok(())) => {}
            // The system reports a failure only once.
            Some(Err(error)) => {
                return Err(match error.raw_os_error() {
                    Some(code) => io::Error::from_raw_os_error(code),
                    None => error.kind().into(),
                });
            }
        }
    }
    Ok(all)
}

fn not_loaded(from: &str) -> Failed {
    warning!("Failed trying to load the MASTER synchronization DB from {from}, check server logs.");
    Failed
}

/// All bytes have arrived.
fn complete(srv: &mut Server, transfer: &mut IncomingSnapshot) -> Result<After, Failed> {
    match mem::take(&mut transfer.destination) {
        Destination::Parser(session, ended) => {
            if !ended {
                load::cut_short(&session);
                transfer.destination = Destination::Parser(session, false);
                return Err(not_loaded("socket"));
            }
            transfer.destination = Destination::Parser(session, true);
            Ok(After::Done)
        }
        Destination::Spool(mut spool) => {
            let size = transfer.read - transfer.tail.len() as u64;
            let started = start_sync(srv, &mut spool);
            transfer.destination = Destination::Syncing(spool, size);
            started.map(|()| After::Wait)
        }
        Destination::None | Destination::Syncing(..) | Destination::Loading(..) => Err(Failed),
    }
}

/// Starts the fsync of the complete file and the timer that watches it.
fn start_sync(srv: &mut Server, spool: &mut Spool) -> Result<(), Failed> {
    let file = spool.file.try_clone();
    let file = file.map_err(|error| complain(&error, "sync the temp DB to disk"))?;
    spool.syncs.push(srv.background.sync(file));
    let Some(link) = link(srv) else {
        return Err(Failed);
    };
    let (attempt, conn) = (link.attempt, link.conn);
    if let Some(conn) = conn {
        // The stream stays in the socket until the snapshot is loaded.
        srv.conns.set_read_handler(&mut srv.el, conn, None);
    }
    srv.el.add_timer(0, await_disk, attempt);
    Ok(())
}

/// Takes the transfer out of the link for a timer, unless the timer belongs to an earlier attempt.
fn take_for(srv: &mut Server, attempt: u64) -> Option<(ConnId, Box<IncomingSnapshot>)> {
    let link = link(srv).filter(|link| link.attempt == attempt)?;
    let conn = link.conn?;
    Some((conn, take(srv)?))
}

/// The timer that waits for the fsync.
fn await_disk(srv: &mut Server, _timer: TimerId, attempt: u64) -> Next {
    let Some((conn, mut transfer)) = take_for(srv, attempt) else {
        return Next::Never;
    };
    let Destination::Syncing(spool, size) = mem::take(&mut transfer.destination) else {
        continue_or_end(srv, conn, transfer, Err(Failed), Vec::new());
        return Next::Never;
    };
    let synced = is_synced(&spool);
    transfer.destination = Destination::Syncing(spool, size);
    let (after, next) = match synced {
        Ok(false) => (Ok(After::Wait), Next::In(1)),
        Ok(true) => (load_spool(srv, &mut transfer), Next::Never),
        Err(error) => {
            let failed = complain(&error, "sync the temp DB to disk");
            (Err(failed), Next::Never)
        }
    };
    continue_or_end(srv, conn, transfer, after, Vec::new());
    next
}

fn complain(error: &io::Error, what: &str) -> Failed {
    warning!(
        "Failed trying to {what} in MASTER <-> REPLICA synchronization: {}",
        host::reason(error)
    );
    Failed
}

/// Renames the file and begins to load it.
fn load_spool(srv: &mut Server, transfer: &mut IncomingSnapshot) -> Result<After, Failed> {
    let Destination::Syncing(spool, size) = &transfer.destination else {
        return Err(Failed);
    };
    let size = *size;
    kill_saving_child(srv);
    let name = srv.config.dbfilename.clone();
    fs::rename(&spool.name, &name)
        .map_err(|error| complain(&error, &format!("rename the temp DB into {name}")))?;
    // The rename is durable only after the directory was synced to the disk; if it never is, the snapshot is requested
    // again.
    let directory = directory::open(directory::parent(Path::new(&name)))
        .map_err(|error| complain(&error, &format!("sync DB directory {name}")))?;
    srv.background.sync(directory);
    let file = File::open(&name).map_err(|error| {
        warning!(
            "Fatal error: can't open the RDB file {name} for reading: {}",
            host::reason(&error)
        );
        Failed
    })?;
    abandon_history(srv);
    flush_old(srv);
    notice!("MASTER <-> REPLICA sync: Loading DB in memory");
    switch::stop(srv);
    let session = load::begin(srv, Existing::Refuse, size, None);
    let attempt = link(srv).map_or(0, |link| link.attempt);
    // Of a small snapshot this is all, so that no client is told LOADING.
    let after = load_from(srv, transfer, file, Box::new(session))?;
    if matches!(after, After::Wait) {
        srv.el.add_timer(0, load_piece, attempt);
    }
    Ok(after)
}

/// Loads a piece of the file.
fn load_from(
    srv: &mut Server,
    transfer: &mut IncomingSnapshot,
    mut file: File,
    mut session: Box<LoadSession>,
) -> Result<After, Failed> {
    let loaded = load_slice(srv, &mut file, &mut session);
    transfer.destination = Destination::Loading(file, session);
    match loaded {
        Ok(false) => Ok(After::Wait),
        Ok(true) => Ok(After::Done),
        Err(Failed) => Err(not_loaded("disk")),
    }
}

/// The timer that loads a file, a piece per turn of the loop.
fn load_piece(srv: &mut Server, _timer: TimerId, attempt: u64) -> Next {
    let Some((conn, mut transfer)) = take_for(srv, attempt) else {
        return Next::Never;
    };
    let Destination::Loading(file, session) = mem::take(&mut transfer.destination) else {
        continue_or_end(srv, conn, transfer, Err(Failed), Vec::new());
        return Next::Never;
    };
    let after = load_from(srv, &mut transfer, file, session);
    let next = match after {
        Ok(After::Wait) => Next::In(0),
        Ok(After::Done) | Err(Failed) => Next::Never,
    };
    continue_or_end(srv, conn, transfer, after, Vec::new());
    next
}

/// Loads for a few milliseconds; whether that was the end.
fn load_slice(
    srv: &mut Server,
    file: &mut File,
    session: &mut LoadSession,
) -> Result<bool, Failed> {
    let piece = srv.config.loading_process_events_interval_bytes;
    let mut buf = vec![0; (piece.max(1024) as usize).min(CHUNK)];
    let until = clock::monotonic_us() + LOAD_SLICE_US;
    loop {
        let n = match file.read(&mut buf) {
            Ok(0) => {
                load::cut_short(session);
                return Err(Failed);
            }
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                warning!("Reading the RDB file: {}", host::reason(&error));
                return Err(Failed);
            }
        };
        let ended = load::feed(srv, session, &buf[..n]).map_err(|_| Failed)?;
        if ended || clock::monotonic_us() >= until {
            return Ok(ended);
        }
    }
}

/// The snapshot is loaded: the stream begins.
fn finish(srv: &mut Server, conn: ConnId, transfer: IncomingSnapshot) {
    let from_file = matches!(transfer.destination, Destination::Loading(..));
    let (Destination::Loading(_, mut session) | Destination::Parser(mut session, _)) =
        transfer.destination
    else {
        return;
    };
    if let Some(dbs) = session.beside.take() {
        abandon_history(srv);
        notice!("MASTER <-> REPLICA sync: Swapping active DB with loaded DB");
        exchange(srv, dbs);
        notice!("MASTER <-> REPLICA sync: Discarding old DB in background");
    }
    load::end(srv);
    if from_file {
        remove_file_if_unwanted(srv);
    } else {
        // No file on disk has this data yet.
        count_changes(srv, 1);
    }
    let fresh = ReplId::new(process::random_bytes());
    let Some(link) = link(srv) else { return };
    let (id, offset) = link.promised.unwrap_or((fresh, 0));
    srv.replication.adopt(id, offset);
    apply::go_live(srv, conn, session.place.db.unwrap_or(0));
    notice!("MASTER <-> REPLICA sync: Finished with success");
    srv.process.notify(
        "STATUS=MASTER <-> REPLICA sync: Finished with success. Ready to accept connections in read-write mode.\n",
    );
    switch::restart_or_exit(srv);
    if matches!(transfer.end, Some(Ending::Mark(_))) {
        // The primary waits for this acknowledgement before it sends the stream.
        apply::send_ack(srv);
    }
}

fn remove_file_if_unwanted(srv: &Server) {
    if srv.config.deletes_sync_files() {
        notice!(
            "Removing the RDB file obtained from the master. This replica has persistence disabled"
        );
        unlink(&srv.background, Path::new(&srv.config.dbfilename));
    }
}

/// Cron of a transfer.
pub fn cron(srv: &mut Server, late: bool) {
    let Some(link) = link(srv) else { return };
    let LinkStage::Transfer(transfer) = &link.stage else {
        return;
    };
    match transfer.destination {
        // Keeps the primary from timing out.
        Destination::Syncing(..) | Destination::Loading(..) => send(srv, b"\n"),
        _ if late => {
            warning!(
                "Timeout receiving bulk data from MASTER... If the problem persists try to set the 'repl-timeout' parameter \
                 in redis.conf to a larger value."
            );
            fail(srv, Again::Now);
        }
        Destination::Parser(..) => send(srv, b"\n"),
        _ => {}
    }
}
