//! Rewriting the append-only file in the background.
//!
//! ```text
//! begin: a new incremental file takes the writes from now on; a child writes the data set
//! ended: the child's file becomes the new base; the old base and the older incremental files become history
//!        manifest: [base 1] [incr 1]  ──begin──> [base 1] [incr 1] [incr 2]  ──ended──> [base 2] [incr 2]
//! ```
//!
//! At any moment the files that the manifest on disk names contain the whole data set, so a crash loses nothing. While the
//! append-only file is being enabled, the incremental file has a temporary name and is not in the manifest, because it is
//! useless until there is a base.
//!
//! # Invariants
//! 1. A rewrite begins with an empty buffer: what the base contains is not appended after it.
//! 2. Only the last incremental file of a manifest can be incomplete after a crash (with `appendfsync no`: any).

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use crate::config::values::AppendFsync;
use crate::persist::aof::flush::{
    advance_offset, flush, request_fsync, sync_now, take_progress, unwritten,
};
use crate::persist::aof::manifest_file;
use crate::persist::aof::{base, path, size_of};
use crate::persist::fork;
use crate::persist::unlink::unlink;
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::aof::manifest::{Manifest, temp_incr_name};
use crate::state::aof::rewrite::Permission;
use crate::state::child::{Child, Purpose};
use crate::state::latency::Event;
use crate::sys::child::Ended;
use crate::sys::host;
use crate::{notice, warning};

/// Permissions of an incremental file, before the process's mask applies.
const FILE_MODE: u32 = 0o644;

/// Starts a rewrite that is scheduled, or due because the file has grown; there must be no child.
pub fn begin_if_due(srv: &mut Server) {
    if srv.snapshot.loading.is_some() {
        return;
    }
    if srv.aof.rewrites.scheduled {
        if may_begin(srv) {
            begin(srv);
        }
        return;
    }
    let (percentage, min_size) = (
        srv.config.auto_aof_rewrite_percentage,
        srv.config.auto_aof_rewrite_min_size,
    );
    let size = srv.aof.size;
    if srv.aof.status != Status::On || percentage == 0 || size <= min_size.unsigned_abs() {
        return;
    }
    let base_size = srv.aof.base_size.max(1);
    let growth = (u128::from(size) * 100 / u128::from(base_size)) as i128 - 100;
    if growth >= i128::from(percentage) && may_begin(srv) {
        notice!("Starting automatic rewriting of AOF on {growth}% growth");
        begin(srv);
    }
}

/// Whether a rewrite may start now, in view of earlier failures.
fn may_begin(srv: &mut Server) -> bool {
    let now = srv.unit.now_s();
    match srv.aof.rewrites.ask(now) {
        Permission::Granted => true,
        Permission::PutOff => false,
        Permission::NewlyPutOff(minutes) => {
            warning!(
                "Background AOF rewrite has repeatedly failed and triggered the limit, will retry in {minutes} minutes"
            );
            false
        }
    }
}

/// Starts a rewrite; whether that succeeded. There must be no child.
pub fn begin(srv: &mut Server) -> bool {
    if let Err(sentence) = manifest_file::make_directory(&srv.config.appenddirname)
        .and_then(|()| begin_incremental(srv))
    {
        warning!("{sentence}");
        srv.aof.rewrites.note_refusal();
        return false;
    }
    if srv.aof.status == Status::WaitsForRewrite {
        srv.aof.syncer.start_anew();
        srv.aof.rewrites.offset = srv.replication.offset;
        srv.aof.synced_offset = Some(0);
    }
    srv.aof.rewrites.count += 1;
    let made = fork::start(srv, Purpose::Rewrite, |srv, reporter| {
        let name = base::background_name(std::process::id() as i32);
        let is_written = base::write(srv, &name, Some(reporter));
        if is_written {
            notice!("Successfully created the temporary AOF base file {name}");
        }
        is_written
    });
    match made {
        Ok(pid) => {
            notice!("Background append only file rewriting started by pid {pid}");
            srv.aof.rewrites.scheduled = false;
            srv.aof.rewrites.started = Some(srv.unit.now_s());
            true
        }
        Err(error) => {
            warning!(
                "Can't rewrite append only file in background: fork: {}",
                host::reason(&error)
            );
            srv.aof.rewrites.note_refusal();
            if srv.aof.status == Status::WaitsForRewrite {
                drop_temporary(srv);
            }
            false
        }
    }
}

/// Opens the incremental file for the writes from now on, if the append-only file is enabled.
fn begin_incremental(srv: &mut Server) -> Result<(), String> {
    if !srv.aof.is_on() {
        return Ok(());
    }
    // The file must select its database itself.
    srv.aof.selected = None;
    flush(srv, true);
    // What is left in the buffer would be written to the new file. But the base that the child writes contains it already,
    // so INCR would be executed twice when both are loaded.
    if let Some(sentence) = unwritten(srv) {
        return Err(sentence);
    }
    if srv.aof.status == Status::WaitsForRewrite {
        let name = temp_incr_name(&srv.config.appendfilename);
        let file = open(&path(srv, &name), true)?;
        notice!("Creating AOF incr file {name} on background rewrite");
        srv.aof.file = Some(file);
        srv.aof.file_size = 0;
        return Ok(());
    }
    // See invariant 2. With `appendfsync no` the loop would wait for everything that the system has not written yet.
    if srv.config.appendfsync != AppendFsync::No {
        sync_now(srv)?;
    }
    let mut manifest = srv.aof.manifest.clone();
    let part = manifest.next_incr(&srv.config.appendfilename);
    let file = open(&path(srv, &part.name), true)?;
    let saved = manifest_file::save(
        &srv.config.appenddirname,
        &srv.config.appendfilename,
        &mut manifest,
    );
    if let Err(unsaved) = saved {
        if !unsaved.is_replaced {
            let _ = fs::remove_file(path(srv, &part.name));
        }
        return Err(unsaved.sentence);
    }
    notice!("Creating AOF incr file {} on background rewrite", part.name);
    srv.aof.manifest = manifest;
    if let Some(old) = srv.aof.file.replace(file) {
        // The thread closes it as well: this is the last handle.
        request_fsync(srv, &old);
    }
    srv.aof.file_size = 0;
    Ok(())
}

/// Opens a file for appending, emptied if it is a new one.
///
/// # Errors
/// A sentence.
pub fn open(path: &Path, is_new: bool) -> Result<Arc<File>, String> {
    let opened = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(FILE_MODE)
        .open(path);
    let opened = opened.and_then(|file| {
        if is_new {
            file.set_len(0)?;
        }
        Ok(Arc::new(file))
    });
    opened.map_err(|error| {
        format!(
            "Can't open the append-only file {}: {}",
            path.file_name().unwrap_or_default().to_string_lossy(),
            host::reason(&error)
        )
    })
}

/// The rewriting child has ended.
pub fn ended(srv: &mut Server, child: &Child, ended: Ended) {
    srv.aof.rewrites.last_cow = child.latest.cow;
    let is_complete = match ended {
        Ended::Exit(0) => {
            notice!("Background AOF rewrite terminated with success");
            complete(srv, child)
        }
        Ended::Exit(_) => {
            warning!("Background AOF rewrite terminated with error");
            srv.aof.rewrites.note_failure();
            false
        }
        Ended::Signal(signal) => {
            warning!("Background AOF rewrite terminated by signal {signal}");
            if ended != Ended::QUIETLY {
                srv.aof.rewrites.note_failure();
            }
            false
        }
    };
    base::remove_temp(&srv.background, child.pid);
    let waits = srv.aof.status == Status::WaitsForRewrite;
    if !is_complete && waits {
        drop_temporary(srv);
    }
    let rewrites = &mut srv.aof.rewrites;
    let started = rewrites.started.take();
    rewrites.last_duration = started.map(|started| srv.unit.now_s() - started);
    // Enabling the append-only file is retried until it succeeds.
    rewrites.scheduled |= waits && !is_complete;
}

/// Deletes the incremental file of a failed attempt to enable the append-only file. The next attempt creates another one.
pub fn drop_temporary(srv: &mut Server) {
    let name = temp_incr_name(&srv.config.appendfilename);
    if let Some(file) = srv.aof.file.take() {
        notice!("Removing the temp incr aof file {name} in the background");
        let _ = fs::remove_file(path(srv, &name));
        srv.background.free(Box::new(file), 0);
    }
    srv.aof.give_up();
}

/// The child's file becomes the base; whether that succeeded.
fn complete(srv: &mut Server, child: &Child) -> bool {
    match install(srv, child) {
        Ok(()) => {}
        Err(sentence) => {
            warning!("{sentence}");
            srv.aof.rewrites.note_failure();
            return false;
        }
    }
    notice!("Background AOF rewrite finished successfully");
    srv.aof.rewrites.failed = false;
    srv.aof.rewrites.forget_failures();
    if srv.aof.status == Status::WaitsForRewrite {
        srv.aof.status = Status::On;
        advance_offset(srv, srv.aof.rewrites.offset);
        // Progress of fsync is reported from now on.
        take_progress(srv);
    }
    true
}

fn install(srv: &mut Server, child: &Child) -> Result<(), String> {
    let mut manifest = srv.aof.manifest.clone();
    let waits = srv.aof.status == Status::WaitsForRewrite;
    let name = &srv.config.appendfilename;
    let part = manifest.next_base(name, srv.config.aof_use_rdb_preamble);
    let temp = base::background_name(child.pid);
    let base_path = path(srv, &part.name);
    rename(srv, "base", Path::new(&temp), &base_path)?;
    let mut incremental = None;
    if waits {
        let next = manifest.next_incr(&srv.config.appendfilename);
        let temp = path(srv, &temp_incr_name(&srv.config.appendfilename));
        let new = path(srv, &next.name);
        if let Err(sentence) = rename(srv, "incr", &temp, &new) {
            let _ = fs::remove_file(&base_path);
            return Err(sentence);
        }
        incremental = Some(new);
    }
    // The incremental file that was opened when the rewrite began is still needed.
    manifest.mark_rewritten_incrs_as_history(srv.aof.is_on());
    let saved = manifest_file::save(
        &srv.config.appenddirname,
        &srv.config.appendfilename,
        &mut manifest,
    );
    if let Err(unsaved) = saved {
        if unsaved.is_replaced {
            // The manifest on disk names the new files: the next rewrite must not overwrite them.
            srv.aof.manifest.skip_numbers(&manifest);
        } else {
            let _ = fs::remove_file(&base_path);
            if let Some(incremental) = incremental {
                let temp = path(srv, &temp_incr_name(&srv.config.appendfilename));
                let _ = fs::rename(incremental, temp);
            }
        }
        return Err(unsaved.sentence);
    }
    srv.aof.manifest = manifest;
    if srv.aof.is_on() {
        srv.aof.size = size_of(&base_path) + srv.aof.file_size;
        srv.aof.base_size = srv.aof.size;
    }
    delete_history(srv);
    Ok(())
}

fn rename(srv: &mut Server, kind: &str, from: &Path, to: &Path) -> Result<(), String> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let started = srv.latency_clock();
    let renamed = fs::rename(from, to);
    srv.note_latency_since(Event::AofRename, started);
    renamed.map_err(|error| {
        format!(
            "Error trying to rename the temporary AOF {kind} file {} into {}: {}",
            from.display(),
            to.display(),
            host::reason(&error)
        )
    })?;
    let (old, new) = (name(from), name(to));
    notice!("Successfully renamed the temporary AOF {kind} file {old} into {new}");
    Ok(())
}

/// Deletes files that are no longer needed, unless `aof-disable-auto-gc` is set.
///
/// So the manifest is written twice at the end of a rewrite. The first one still lists these files: otherwise they would
/// stay forever after a crash before they are deleted. The second one is not left to the next rewrite, since operators and
/// tools expect that the files in a manifest exist.
pub fn delete_history(srv: &mut Server) {
    if srv.config.aof_disable_auto_gc || srv.aof.manifest.history.is_empty() {
        return;
    }
    for part in srv.aof.manifest.take_history() {
        notice!("Removing the history file {} in the background", part.name);
        unlink(&srv.background, &path(srv, &part.name));
    }
    save_manifest(srv);
}

/// Writes the manifest; a failure is logged, and the next change writes it again.
fn save_manifest(srv: &mut Server) {
    let (dir, name) = (
        srv.config.appenddirname.clone(),
        srv.config.appendfilename.clone(),
    );
    let manifest: &mut Manifest = &mut srv.aof.manifest;
    if let Err(unsaved) = manifest_file::save(&dir, &name, manifest) {
        warning!("{}", unsaved.sentence);
    }
}

/// Kills the rewriting child, if there is one, and removes its files.
pub fn kill(srv: &mut Server) {
    if let Some(pid) = fork::kill(srv, Purpose::Rewrite) {
        notice!("Killing running AOF rewrite child: {pid}");
        fork::wait(srv);
        base::remove_temp(&srv.background, pid);
        srv.aof.rewrites.started = None;
    }
}
