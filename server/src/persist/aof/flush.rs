//! Writing the buffer of the append-only file, and forcing the file to the disk.
//!
//! The loop writes before it sleeps. What follows depends on `appendfsync`:
//!
//! | policy | fsync | output |
//! |---|---|---|
//! | always | ordered from the thread after each write; while it runs, writing is put off | held until the fsync that covers the writes before it (`egress/held`) |
//! | everysec | ordered once per second; while it runs, writing is put off for up to two seconds | sent at once |
//! | no | left to the system | sent at once |
//!
//! While a child is running and `no-appendfsync-on-rewrite` is set, no fsync is ordered, and new output is sent at once.
//!
//! Output that is held stays held when the policy changes; the fsync that it waits for is ordered under any policy.
//!
//! A failed write is repeated with the next turn, and writes are refused meanwhile. With `always` there is no way back: the
//! server exits, and nothing that is held is sent.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use crate::config::values::AppendFsync;
use crate::exec::unblock::serve_acknowledged;
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::blocked::BlockKind;
use crate::state::latency::Event;
use crate::sys::{child, clock, host};
use crate::{notice, warning};

/// Period of fsyncs with `everysec`, in milliseconds.
const PERIOD_MS: i64 = 1000;
/// How long writing is put off because of a running fsync, in milliseconds.
const PATIENCE_MS: i64 = 2000;
/// Seconds between two log lines about failed writes.
const LOG_PERIOD: i64 = 30;
/// Capacity of the buffer that is kept, in bytes.
const KEEP: usize = 4 * 1024 * 1024;

/// Writes the buffer and orders an fsync if one is due. With `force` it does not wait for a running one.
pub fn flush(srv: &mut Server, force: bool) {
    if !srv.aof.is_on() {
        return;
    }
    let Some(file) = srv.aof.file.clone() else {
        return;
    };
    if !srv.aof.buffer.is_empty() {
        if !force && is_put_off(srv) {
            return;
        }
        if !write(srv, &file) {
            return;
        }
    }
    order_sync(srv, &file);
}

/// Whether no fsync is ordered because a child is running.
fn is_suspended(srv: &Server) -> bool {
    srv.child.is_some() && srv.config.no_appendfsync_on_rewrite
}

/// Whether writing is put off: the system may block a write to a file while it is forced to the disk. With `always` nothing is
/// gained by a write that the next fsync covers anyway; while fsyncs are suspended, none does.
fn is_put_off(srv: &mut Server) -> bool {
    if srv.config.appendfsync == AppendFsync::No || !srv.aof.syncer.is_busy() {
        return false;
    }
    if srv.config.appendfsync == AppendFsync::Always {
        return !is_suspended(srv);
    }
    let now_ms = clock::unix_ms();
    if srv.aof.postponed_ms == 0 {
        srv.aof.postponed_ms = now_ms;
    }
    if now_ms - srv.aof.postponed_ms < PATIENCE_MS {
        return true;
    }
    srv.aof.delayed += 1;
    notice!(
        "Asynchronous AOF fsync is taking too long (disk is busy?). Writing the AOF buffer without waiting for fsync to \
         complete, this may slow down Redis."
    );
    false
}

/// Writes the buffer; whether all of it was written.
fn write(srv: &mut Server, file: &File) -> bool {
    if srv.debug.aof_flush_sleep_us > 0 {
        std::thread::sleep(std::time::Duration::from_micros(
            srv.debug.aof_flush_sleep_us,
        ));
    }
    let began_us = clock::monotonic_us();
    let buffer = std::mem::take(&mut srv.aof.buffer);
    let (n, error) = write_all(file, &buffer);
    let spent_ms = (clock::monotonic_us() - began_us) / 1000;
    note_write(srv, spent_ms);
    srv.aof.postponed_ms = 0;
    let n = match error {
        Some(error) => report(srv, file, &error, n, buffer.len()),
        None => n,
    };
    let aof = &mut srv.aof;
    aof.size += n as u64;
    aof.file_size += n as u64;
    aof.written += n as u64;
    aof.buffer = buffer;
    if n < aof.buffer.len() {
        aof.buffer.drain(..n);
        return false;
    }
    aof.buffer.clear();
    aof.buffer.shrink_to(KEEP);
    if aof.write_error.take().is_some() {
        notice!("AOF write error looks solved, Redis can write again.");
    }
    true
}

fn note_write(srv: &mut Server, ms: u64) {
    let circumstance = if srv.aof.syncer.is_busy() {
        Event::AofWritePendingFsync
    } else if srv.child.is_some() {
        Event::AofWriteActiveChild
    } else {
        Event::AofWriteAlone
    };
    srv.note_latency(circumstance, ms);
    srv.note_latency(Event::AofWrite, ms);
}

/// Writes as much as possible: the number of bytes, and the error that stopped it.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut done = 0;
    while done < bytes.len() {
        match file.write(&bytes[done..]) {
            Ok(0) => return (done, Some(io::ErrorKind::WriteZero.into())),
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (done, Some(error)),
        }
    }
    (done, None)
}

/// Deals with a failed write of `n` of `wanted` bytes. A part of a request is removed from the file again; returns how
/// many bytes it has gained.
fn report(srv: &mut Server, file: &File, error: &io::Error, n: usize, wanted: usize) -> usize {
    let now = srv.unit.now_ms / 1000;
    let may_log = now - srv.aof.write_error_logged > LOG_PERIOD;
    if may_log {
        srv.aof.write_error_logged = now;
    }
    let why = host::reason(error);
    let mut gained = n;
    if n == 0 {
        if may_log {
            warning!("Error writing to the AOF file: {why}");
        }
    } else {
        if may_log {
            warning!(
                "Short write while writing to the AOF file: (nwritten={n}, expected={wanted})"
            );
        }
        match file.set_len(srv.aof.file_size) {
            Ok(()) => gained = 0,
            Err(error) if may_log => warning!(
                "Could not remove short write from the append-only file.  Redis may refuse to load the AOF the next time \
                 it starts.  ftruncate: {}",
                host::reason(&error)
            ),
            Err(_) => {}
        }
    }
    if srv.config.appendfsync == AppendFsync::Always {
        warning!(
            "Can't recover from AOF write error when the AOF fsync policy is 'always'. Exiting..."
        );
        child::exit(1);
    }
    srv.aof.write_error = Some(why);
    gained
}

/// Orders an fsync of what was written, if the policy wants one now.
fn order_sync(srv: &mut Server, file: &Arc<File>) {
    let offset = srv.replication.offset;
    // After a failure a further fsync shows whether the disk has recovered.
    if srv.aof.ordered == srv.aof.written && srv.aof.sync_error.is_none() {
        let policy = srv.config.appendfsync;
        if srv.aof.synced == srv.aof.written
            && policy != AppendFsync::No
            && srv.aof.status == Status::On
        {
            // What was only sent to replicas since needs no fsync.
            advance_offset(srv, offset);
        }
        return;
    }
    let now_ms = clock::unix_ms();
    let is_due = match srv.config.appendfsync {
        _ if srv.aof.held.awaited() > srv.aof.ordered => true,
        _ if is_suspended(srv) => false,
        AppendFsync::Always => srv.aof.ordered < srv.aof.written || !srv.aof.syncer.is_busy(),
        AppendFsync::Everysec => now_ms - srv.aof.sync_ms >= PERIOD_MS && !srv.aof.syncer.is_busy(),
        AppendFsync::No => false,
    };
    if is_due {
        srv.aof.sync_ms = now_ms;
        force(srv, file);
    }
}

/// Writes what is appended and forces it to the disk before it returns.
///
/// # Errors
/// A sentence, which was logged.
pub fn sync_now(srv: &mut Server) -> Result<(), String> {
    flush(srv, true);
    let Some(file) = srv.aof.file.clone() else {
        return Ok(());
    };
    srv.aof.syncer.drain();
    // What the thread has failed to force may not be forced by another attempt.
    take_progress(srv);
    if let Err(error) = file.sync_data() {
        let sentence = format!("Fail to fsync the AOF file: {}.", host::reason(&error));
        warning!("{sentence}");
        return Err(sentence);
    }
    let aof = &mut srv.aof;
    aof.syncer.forget_failure();
    aof.sync_error = None;
    aof.ordered = aof.written;
    aof.synced = aof.written;
    if aof.status == Status::On {
        let offset = srv.replication.offset;
        advance_offset(srv, offset);
    }
    Ok(())
}

/// Orders an fsync of what was written to a file.
pub fn force(srv: &mut Server, file: &Arc<File>) {
    let mark = srv.aof.mark(srv.replication.offset);
    srv.aof.ordered = mark.position;
    srv.aof.syncer.force(file, mark);
}

/// Takes in what the fsync thread has achieved.
pub fn take_progress(srv: &mut Server) {
    if !srv.aof.is_on() {
        return;
    }
    let progress = srv.aof.syncer.progress();
    if srv.config.appendfsync == AppendFsync::Always {
        srv.note_latency(Event::AofFsyncAlways, progress.longest_us / 1000);
    }
    if let Some(error) = progress.new_failure {
        let why = host::reason(&error);
        if srv.config.appendfsync == AppendFsync::Always {
            warning!(
                "Can't persist AOF for fsync error when the AOF fsync policy is 'always': {why}. Exiting..."
            );
            child::exit(1);
        }
        if srv.aof.sync_error.is_none() {
            warning!("Fail to fsync the AOF file: {why}");
        }
    }
    srv.aof.sync_error = progress.failure.map(|error| host::reason(&error));
    let Some(mark) = progress.reached else {
        return;
    };
    srv.aof.synced = srv.aof.synced.max(mark.position);
    if srv.aof.status == Status::On {
        advance_offset(srv, mark.offset);
    }
}

/// Raises the offset that is on the disk, and serves the clients that wait for it.
pub fn advance_offset(srv: &mut Server, offset: u64) {
    if srv.aof.synced_offset.is_some_and(|known| known >= offset) {
        return;
    }
    srv.aof.synced_offset = Some(offset);
    if srv.blocked.has_kind(BlockKind::Replicas) {
        serve_acknowledged(srv);
    }
}
