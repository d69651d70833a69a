//! Saving: SAVE, BGSAVE and save points.
//!
//! ```text
//!          begin                       save_ended: exit 0
//! idle ───────────> child is saving ───────────────> saved: changes since then remain
//!   ^                      │ any other end
//!   └── 5 seconds ── failed <┘        killed quietly (FLUSHALL): as if it had never been
//! ```

use crate::persist::fork;
use crate::persist::rdb_file::{remove_temp, save, temp_name};
use crate::server::Server;
use crate::state::child::{Child, Purpose};
use crate::state::latency::Event;
use crate::sys::child::Ended;
use crate::sys::{host, process};
use crate::{notice, warning};

/// Seconds between a failed save and the next attempt.
const RETRY_DELAY: i64 = 5;

/// Saves in this process; whether that succeeded.
pub fn save_now(srv: &mut Server) -> bool {
    process::begin_writing(&temp_name(std::process::id()));
    let saved = save(srv, None);
    process::end_writing();
    if saved {
        srv.stats.dirty = 0;
        srv.snapshot.last_save = srv.unit.now_s();
        srv.snapshot.failed = false;
    }
    saved
}

/// Forks a child that saves; whether that succeeded. There must be no child yet.
pub fn begin(srv: &mut Server) -> bool {
    srv.snapshot.saves += 1;
    srv.snapshot.dirty_before = srv.stats.dirty;
    srv.snapshot.last_try = srv.unit.now_s();
    let made = fork::start(srv, Purpose::Save, |srv, reporter| {
        save(srv, Some(reporter))
    });
    match made {
        Ok(pid) => {
            notice!("Background saving started by pid {pid}");
            srv.snapshot.started = srv.unit.now_s();
            true
        }
        Err(error) => {
            warning!("Can't save in background: fork: {}", host::reason(&error));
            srv.snapshot.failed = true;
            false
        }
    }
}

/// Starts a save if a save point is due or one was scheduled; there must be no child.
pub fn begin_if_due(srv: &mut Server) {
    if srv.snapshot.loading.is_some() {
        return;
    }
    let elapsed = srv.unit.now_s() - srv.snapshot.last_save;
    let may_try = !srv.snapshot.failed || srv.unit.now_s() - srv.snapshot.last_try > RETRY_DELAY;
    if !may_try {
        return;
    }
    let due =
        srv.config.save.iter().find(|point| {
            srv.stats.dirty >= point.changes.unsigned_abs() && elapsed > point.seconds
        });
    if let Some(point) = due {
        notice!(
            "{} changes in {} seconds. Saving...",
            point.changes,
            point.seconds
        );
        begin(srv);
    } else if srv.snapshot.scheduled && begin(srv) {
        srv.snapshot.scheduled = false;
    }
}

/// The saving child has ended.
pub fn save_ended(srv: &mut Server, child: &Child, ended: Ended) {
    let snapshot = &mut srv.snapshot;
    match ended {
        Ended::Exit(0) => {
            notice!("Background saving terminated with success");
            srv.stats.dirty = srv.stats.dirty.saturating_sub(snapshot.dirty_before);
            snapshot.last_save = srv.unit.now_s();
            snapshot.failed = false;
        }
        Ended::Exit(_) => {
            warning!("Background saving error");
            snapshot.failed = true;
        }
        Ended::Signal(signal) => {
            warning!("Background saving terminated by signal {signal}");
            snapshot.failed |= ended != Ended::QUIETLY;
        }
    }
    snapshot.last_cow = child.latest.cow;
    snapshot.last_duration = Some(srv.unit.now_s() - snapshot.started);
    if ended != Ended::Exit(0) {
        let started = srv.latency_clock();
        remove_temp(&srv.background, child.pid);
        srv.note_latency_since(Event::RdbUnlinkTempFile, started);
    }
}

/// All databases were emptied by a client: the child's snapshot is obsolete, and the file must not bring the keys
/// back.
pub fn all_flushed(srv: &mut Server) {
    fork::kill(srv, Purpose::Save);
    fork::kill(srv, Purpose::Stream);
    if !srv.config.save.is_empty() {
        save_now(srv);
    }
}

/// Kills the child that writes a snapshot, and removes its file: the server shuts down.
pub fn abandon(srv: &Server) {
    let saving = fork::kill(srv, Purpose::Save);
    if saving
        .or_else(|| fork::kill(srv, Purpose::Stream))
        .is_some()
    {
        warning!("There is a child saving an .rdb. Killing it!");
    }
    if let Some(pid) = saving {
        remove_temp(&srv.background, pid);
    }
}
