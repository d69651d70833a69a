//! The way out.

use crate::config::values::ShutdownFlags;
use crate::egress::flush::flush_pending;
use crate::ingress::listen::close_all;
use crate::persist::bgsave::{abandon, save_now};
use crate::server::Server;
use crate::sys::process;
use crate::{notice, warning};

/// Whether the server goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// The loop ends with this turn.
    Going,
    /// Something must not be lost; the server stays.
    Refused,
}

/// Ends the server, unless that would lose what was to be kept.
pub fn shut_down(srv: &mut Server, flags: ShutdownFlags) -> ShutdownOutcome {
    notice!("User requested shutdown...");
    if srv.process.supervised {
        process::notify_systemd("STOPPING=1\n");
    }
    abandon(srv);
    if must_save(srv, flags) && !save_finally(srv, flags.force) {
        return ShutdownOutcome::Refused;
    }
    srv.shutdown.asap = Some(flags);
    if !srv.config.pidfile.is_empty() && srv.process.wrote_pidfile {
        notice!("Removing the pid file.");
        let _ = std::fs::remove_file(&srv.config.pidfile);
    }
    flush_pending(srv);
    close_all(srv);
    warning!("Redis is now ready to exit, bye bye...");
    srv.el.stop();
    ShutdownOutcome::Going
}

/// What is not all loaded must not replace the file it is loaded from.
fn must_save(srv: &Server, flags: ShutdownFlags) -> bool {
    let wanted = flags.save || (!srv.config.save.is_empty() && !flags.nosave);
    wanted && srv.snapshot.loading.is_none()
}

/// Saves for the last time; whether the server may go.
fn save_finally(srv: &mut Server, force: bool) -> bool {
    notice!("Saving the final RDB snapshot before exiting.");
    if srv.process.supervised {
        process::notify_systemd("STATUS=Saving the final RDB snapshot\n");
    }
    if save_now(srv) {
        return true;
    }
    if force {
        warning!("Error trying to save the DB. Exit anyway.");
        return true;
    }
    warning!("Error trying to save the DB, can't exit.");
    if srv.process.supervised {
        process::notify_systemd("STATUS=Error trying to save the DB, can't exit.\n");
    }
    false
}
