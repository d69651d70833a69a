//! Enabling and disabling the append-only file: at start, by CONFIG SET, and around a synchronization with a primary.

use std::thread;
use std::time::Duration;

use crate::exec::unblock::refuse_local_waits;
use crate::persist::aof::flush::sync_now;
use crate::persist::aof::manifest_file;
use crate::persist::aof::rewrite::{begin, delete_history, drop_temporary, kill, open};
use crate::persist::aof::{base, path, size_of};
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::child::Purpose;
use crate::sys::child;
use crate::{notice, warning};

/// Attempts to enable it after a synchronization, a second apart.
const ATTEMPTS: u32 = 10;

/// Opens the append-only file after the data set was loaded. If there are no files yet, an empty base is created.
///
/// # Errors
/// The reason why the server must not start.
pub fn open_at_start(srv: &mut Server) -> Result<(), String> {
    if !srv.config.appendonly {
        return Ok(());
    }
    let (dir, name) = (
        srv.config.appenddirname.clone(),
        srv.config.appendfilename.clone(),
    );
    manifest_file::make_directory(&dir)?;
    if srv.aof.manifest.base.is_none() && srv.aof.manifest.incr.is_empty() {
        let mut manifest = srv.aof.manifest.clone();
        let part = manifest.next_base(&name, srv.config.aof_use_rdb_preamble);
        notice!("Creating AOF base file {} on server start", part.name);
        let path = path(srv, &part.name);
        if !base::write(srv, &path.to_string_lossy(), None) {
            return Err("Error creating the AOF base file. Exiting.".into());
        }
        srv.aof.manifest = manifest;
    }
    let (part, is_new) = match srv.aof.manifest.last_incr() {
        Some(part) => (part.clone(), false),
        None => (srv.aof.manifest.next_incr(&name), true),
    };
    let incremental = path(srv, &part.name);
    srv.aof.file = Some(open(&incremental, is_new)?);
    manifest_file::save(&dir, &name, &mut srv.aof.manifest)?;
    notice!(
        "{} AOF incr file {} on server start",
        if is_new { "Creating" } else { "Opening" },
        part.name
    );
    srv.aof.file_size = size_of(&incremental);
    srv.aof.status = Status::On;
    srv.aof.selected = None;
    srv.aof.synced_offset = Some(srv.replication.offset);
    srv.aof.fsync_ms = srv.turn.clock_ms();
    delete_history(srv);
    Ok(())
}

/// Enables the append-only file at run time, by a rewrite. Inside a transaction the rewrite is scheduled instead, since
/// the base must contain the rest of the transaction. Returns whether that succeeded; a failure was logged.
pub fn start(srv: &mut Server, in_transaction: bool) -> bool {
    srv.aof.status = Status::WaitsForRewrite;
    let other_child = srv
        .child
        .as_ref()
        .is_some_and(|child| child.purpose != Purpose::Rewrite);
    if other_child {
        srv.aof.rewrites.scheduled = true;
        notice!(
            "AOF was enabled but there is already another background operation. An AOF background was scheduled to start \
             when possible."
        );
    } else if in_transaction {
        // A rewrite that is running has no incremental file for the writes since it began.
        kill(srv);
        srv.aof.rewrites.scheduled = true;
        notice!(
            "AOF was enabled during a transaction. An AOF background was scheduled to start when possible."
        );
    } else {
        if srv.child.is_some() {
            notice!(
                "AOF was enabled but there is already an AOF rewriting in background. Stopping background AOF and starting a \
                 rewrite now."
            );
            kill(srv);
        }
        if !begin(srv) {
            srv.aof.status = Status::Off;
            warning!(
                "Redis needs to enable the AOF but can't trigger a background AOF rewrite operation. Check the above logs for \
                 more info about the error."
            );
            return false;
        }
    }
    srv.aof.fsync_ms = srv.turn.clock_ms();
    srv.aof.syncer.forget_failure();
    if srv.aof.sync_error.take().is_some() {
        notice!("AOF reopen, just ignore the AOF fsync error in bio job");
    }
    if srv.aof.write_error.take().is_some() {
        warning!("AOF reopen, just ignore the last error.");
    }
    true
}

/// Disables the append-only file, after an fsync.
pub fn stop(srv: &mut Server) {
    if !srv.aof.is_on() {
        return;
    }
    if !srv.config.appendonly {
        refuse_local_waits(srv);
    }
    if let Err(sentence) = sync_now(srv) {
        warning!("{sentence}");
    }
    kill(srv);
    if srv.aof.status == Status::WaitsForRewrite {
        drop_temporary(srv);
    }
    let aof = &mut srv.aof;
    aof.file = None;
    aof.give_up();
    aof.status = Status::Off;
    aof.selected = None;
    aof.rewrites.scheduled = false;
    aof.synced_offset = None;
}

/// Enables the append-only file again after the data set was replaced by that of a primary, or after that was given up. If it
/// fails, the process exits: it must not run without the durability that its configuration promises.
pub fn restart_or_exit(srv: &mut Server) {
    if !srv.config.appendonly || srv.aof.is_on() {
        return;
    }
    for _ in 0..ATTEMPTS {
        if start(srv, false) {
            return;
        }
        warning!(
            "Failed enabling the AOF after successful master synchronization! Trying it again in one second."
        );
        thread::sleep(Duration::from_secs(1));
    }
    warning!(
        "FATAL: this replica instance finished the synchronization with its master, but the AOF can't be turned on. Exiting \
         now."
    );
    child::exit(1);
}
