//! Writing the buffer of the append-only file, and fsync.
//!
//! The buffer is written before the loop sleeps. What follows depends on `appendfsync`:
//!
//! | policy | fsync | replies |
//! |---|---|---|
//! | always | requested from the fsync thread after each write; writes are postponed while one is running | held until the fsync that covers the preceding writes has ended (`egress/held`) |
//! | everysec | requested once per second; writes are postponed for up to two seconds while one is running | sent at once |
//! | no | left to the system | sent at once |
//!
//! With `always`, the fsync is put off for a moment while clients return that were just sent their replies (`gather`).
//!
//! While a child is running and `no-appendfsync-on-rewrite` is set, no fsync is requested, and new replies are sent at once.
//!
//! Replies that are held stay held when the policy changes: the fsync that they wait for is requested under any policy.
//!
//! A failed write is retried in the next turn of the loop, and write commands are refused meanwhile. With `always` there is
//! no way back: the server exits, and held replies are never sent.
//!
//! # Invariants
//! 1. The periods of one and two seconds are measured by the monotonic clock: a wall clock that is set back must not suspend
//!    fsync.
//! 2. An offset is reported as durable only if the buffer was empty when it was taken ([`advance_offset`]).

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use crate::config::values::AppendFsync;
use crate::exec::unblock::serve_acknowledged;
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::blocked::BlockKind;
use crate::state::latency::Event;
use crate::sys::{child, host};
use crate::{notice, warning};

/// Period of fsync with `everysec`, in milliseconds.
const PERIOD_MS: u64 = 1000;
/// How long writes are postponed because of a running fsync, in milliseconds.
const MAX_POSTPONED_MS: u64 = 2000;
/// Seconds between two log lines about failed writes.
const LOG_PERIOD: i64 = 30;
/// Capacity of the buffer that is kept, in bytes.
const KEEP: usize = 4 * 1024 * 1024;

/// Writes the buffer and requests an fsync if one is due. With `must_write` the write does not wait for a running
/// fsync.
pub fn flush(srv: &mut Server, must_write: bool) {
    if !srv.aof.is_on() {
        return;
    }
    let Some(file) = srv.aof.file.clone() else {
        return;
    };
    if !srv.aof.buffer.is_empty() {
        if !must_write && is_postponed(srv) {
            return;
        }
        if !write(srv, &file) {
            return;
        }
    }
    request_fsync_if_due(srv, &file);
}

/// Whether fsync is suspended because a child is running.
fn is_suspended(srv: &Server) -> bool {
    srv.child.is_some() && srv.config.no_appendfsync_on_rewrite
}

/// Whether the write waits for the running fsync: the system may block a write to a file while it is being synced. With
/// `always` nothing is gained by a write that only the next fsync covers; while fsync is suspended, there is no next one.
fn is_postponed(srv: &mut Server) -> bool {
    if srv.config.appendfsync == AppendFsync::No || !srv.aof.syncer.is_busy() {
        return false;
    }
    if srv.config.appendfsync == AppendFsync::Always {
        return !is_suspended(srv) && !srv.aof.syncer.is_put_off();
    }
    let now_ms = srv.turn.clock_ms();
    let since_ms = *srv.aof.postponed_since_ms.get_or_insert(now_ms);
    if now_ms.saturating_sub(since_ms) < MAX_POSTPONED_MS {
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
    let started = srv.latency_clock();
    let buffer = std::mem::take(&mut srv.aof.buffer);
    let (n, error) = write_all(file, &buffer);
    let event = if srv.aof.syncer.is_busy() {
        Event::AofWritePendingFsync
    } else if srv.child.is_some() {
        Event::AofWriteActiveChild
    } else {
        Event::AofWriteAlone
    };
    srv.note_latency_since(event, started);
    srv.note_latency_since(Event::AofWrite, started);
    srv.aof.postponed_since_ms = None;
    let n = match error {
        Some(error) => fail_write(srv, file, &error, n, buffer.len()),
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

/// Writes as much as possible; returns the number of bytes, and the error that stopped it.
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

/// Handles a write of `wanted` bytes that failed after `n`. A part of a command is cut off the file again; returns how many
/// bytes the file has gained.
fn fail_write(srv: &mut Server, file: &File, error: &io::Error, n: usize, wanted: usize) -> usize {
    let now = srv.unit.now_s();
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

/// Requests an fsync of what was written, if the policy wants one now. The buffer is empty.
fn request_fsync_if_due(srv: &mut Server, file: &Arc<File>) {
    let offset = srv.replication.offset;
    // After a failure, a further fsync shows whether the disk has recovered.
    if srv.aof.requested == srv.aof.written && srv.aof.sync_error.is_none() {
        let policy = srv.config.appendfsync;
        if srv.aof.synced == srv.aof.written
            && policy != AppendFsync::No
            && srv.aof.status == Status::On
        {
            // What was sent to replicas only needs no fsync.
            advance_offset(srv, offset);
        }
        return;
    }
    let now_ms = srv.turn.clock_ms();
    let is_due = match srv.config.appendfsync {
        _ if srv.aof.held.awaited() > srv.aof.requested => true,
        _ if is_suspended(srv) => false,
        AppendFsync::Always => srv.aof.requested < srv.aof.written || !srv.aof.syncer.is_busy(),
        AppendFsync::Everysec => {
            now_ms.saturating_sub(srv.aof.fsync_ms) >= PERIOD_MS && !srv.aof.syncer.is_busy()
        }
        AppendFsync::No => false,
    };
    if is_due {
        srv.aof.fsync_ms = now_ms;
        let until = if srv.config.appendfsync == AppendFsync::Always {
            srv.aof.gather.wait_until()
        } else {
            None
        };
        request_fsync_until(srv, file, until);
    }
}

/// Requests an fsync of what was written to a file.
pub fn request_fsync(srv: &mut Server, file: &Arc<File>) {
    request_fsync_until(srv, file, None);
}

fn request_fsync_until(srv: &mut Server, file: &Arc<File>, until: Option<u64>) {
    let mark = srv.aof.mark(srv.replication.offset);
    srv.aof.requested = mark.position;
    srv.aof.syncer.request(file, mark, until);
    if until.is_none() {
        srv.aof.gather.close();
    }
}

/// Writes the buffer and waits for an fsync of the file.
///
/// # Errors
/// The reason why not everything that was appended is on the disk.
pub fn sync_now(srv: &mut Server) -> Result<(), String> {
    flush(srv, true);
    let Some(file) = srv.aof.file.clone() else {
        return Ok(());
    };
    srv.aof.syncer.drain();
    // What the thread has failed to sync is not covered by another fsync.
    take_progress(srv);
    if let Err(error) = file.sync_data() {
        let why = host::reason(&error);
        return Err(format!("Fail to fsync the AOF file: {why}."));
    }
    let aof = &mut srv.aof;
    aof.syncer.forget_failure();
    aof.sync_error = None;
    aof.requested = aof.written;
    aof.synced = aof.written;
    if let Some(sentence) = unwritten(srv) {
        return Err(sentence);
    }
    if srv.aof.status == Status::On {
        let offset = srv.replication.offset;
        advance_offset(srv, offset);
    }
    Ok(())
}

/// After a flush that must write: the reason why some of the buffer could not be written, if so.
pub fn unwritten(srv: &Server) -> Option<String> {
    if srv.aof.buffer.is_empty() {
        return None;
    }
    let why = srv.aof.write_error.as_deref().unwrap_or("unknown error");
    let bytes = srv.aof.buffer.len();
    Some(format!(
        "The last {bytes} bytes could not be written to the AOF file: {why}"
    ))
}

/// Applies what the fsync thread has completed.
pub fn take_progress(srv: &mut Server) {
    if !srv.aof.is_on() {
        return;
    }
    let Some(progress) = srv.aof.syncer.progress() else {
        return;
    };
    srv.aof.gather.note_fsync(progress.longest_us);
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

/// Raises the offset that is reported as durable, and serves the clients that wait for it.
pub fn advance_offset(srv: &mut Server, offset: u64) {
    if srv.aof.synced_offset.is_some_and(|known| known >= offset) {
        return;
    }
    srv.aof.synced_offset = Some(offset);
    if srv.blocked.has_kind(BlockKind::Replicas) {
        serve_acknowledged(srv);
    }
}
