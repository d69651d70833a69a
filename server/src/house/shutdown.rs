//! The way out.

use crate::config::values::ShutdownFlags;
use crate::egress::flush::flush_pending;
use crate::ingress::listen::close_all;
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
    if flags.save && !flags.force {
        warning!(
            "Error trying to save the DB, can't exit: there is no RDB yet. SHUTDOWN NOSAVE or FORCE exits without."
        );
        return ShutdownOutcome::Refused;
    }
    srv.shutdown.asap = Some(flags);
    if srv.process.supervised {
        process::notify_systemd("STOPPING=1\n");
    }
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
