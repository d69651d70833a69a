//! Appending writes to the append-only file: into its buffer, which is written before the loop sleeps.

use std::iter;

use crate::feed::replicas::{EXEC, MULTI, select_request};
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::caller::Targets;
use crate::state::propagation::Propagation;

/// Appends the writes of a unit; several that belong together (`whole`) between MULTI and EXEC.
pub fn feed(srv: &mut Server, propagation: &Propagation, whole: bool) {
    let mut writes = propagation.to(Targets::AOF);
    let Some(first) = writes.next() else {
        return;
    };
    let mut rest = writes.peekable();
    let whole = whole && rest.peek().is_some();
    let kept = if is_open(srv) {
        append_all(srv, iter::once(first).chain(rest), whole)
    } else {
        1 + rest.count()
    };
    let count = kept as u64 + if whole { 2 } else { 0 };
    srv.replication.count_unkept(count);
}

/// Appends writes, each with its database; returns their number.
fn append_all<'a>(
    srv: &mut Server,
    writes: impl Iterator<Item = (usize, &'a [u8])>,
    whole: bool,
) -> usize {
    if srv.config.aof_timestamp_enabled {
        annotate(srv);
    }
    let aof = &mut srv.aof;
    if whole {
        aof.append(MULTI);
    }
    let mut count = 0;
    for (db, request) in writes {
        if aof.selected != Some(db) {
            aof.selected = Some(db);
            aof.append(select_request(db).as_bytes());
        }
        aof.append(request);
        count += 1;
    }
    if whole {
        aof.append(EXEC);
    }
    count
}

/// Whether writes are appended. Until the first rewrite begins there is no file for them, and its base will contain them.
fn is_open(srv: &Server) -> bool {
    match srv.aof.status {
        Status::Off => false,
        Status::On => true,
        Status::WaitsForRewrite => srv.aof.file.is_some(),
    }
}

/// Notes the time in the file, once per second, so that it can be truncated to a point in time.
fn annotate(srv: &mut Server) {
    let now = srv.unit.now_ms / 1000;
    if now > srv.aof.annotated {
        srv.aof.annotated = now;
        srv.aof.append(annotation(now).as_bytes());
    }
}

/// The line that notes a time, in Unix seconds.
pub fn annotation(now: i64) -> String {
    format!("#TS:{now}\r\n")
}
