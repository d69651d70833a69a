//! Appending writes to the append-only file: into its buffer, which is written before the loop sleeps.

use crate::feed::replicas::{EXEC, MULTI, select_request};
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::caller::Targets;
use crate::state::propagation::Propagation;

/// Appends the writes of a unit; several that belong together (`whole`) between MULTI and EXEC.
pub fn feed(srv: &mut Server, propagation: &Propagation, whole: bool) {
    let count = propagation.to(Targets::AOF).count();
    if count == 0 {
        return;
    }
    let whole = whole && count > 1;
    if is_open(srv) {
        append_all(srv, propagation, whole);
    }
    let added = if whole { 2 } else { 0 };
    srv.replication.count_unkept(count as u64 + added);
}

fn append_all(srv: &mut Server, propagation: &Propagation, whole: bool) {
    if srv.config.aof_timestamp_enabled {
        annotate(srv);
    }
    let aof = &mut srv.aof;
    if whole {
        aof.append(MULTI);
    }
    for (db, request) in propagation.to(Targets::AOF) {
        if aof.selected != Some(db) {
            aof.selected = Some(db);
            aof.append(select_request(db).as_bytes());
        }
        aof.append(request);
    }
    if whole {
        aof.append(EXEC);
    }
}

/// Whether writes are appended. Until the first rewrite begins there is no file for them, and its base will contain them.
fn is_open(srv: &Server) -> bool {
    match srv.aof.status {
        Status::Off => false,
        Status::On => true,
        Status::WaitsForRewrite => srv.aof.file.is_some(),
    }
}

/// Annotates the file with the time, at most once per second, so that it can be truncated to a point in time.
fn annotate(srv: &mut Server) {
    let now = srv.unit.now_s();
    if now > srv.aof.annotated {
        srv.aof.annotated = now;
        srv.aof.append(annotation(now).as_bytes());
    }
}

/// The annotation of a time, in Unix seconds.
pub fn annotation(now: i64) -> String {
    format!("#TS:{now}\r\n")
}
