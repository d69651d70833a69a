//! The supervisor under which this server was started (`supervised`): systemd, which receives `sd_notify(3)` messages and waits
//! for the one that says READY, or upstart, which waits until the process stops itself.
//!
//! # Invariants
//! 1. A supervised process stays in the foreground, whatever `daemonize` says: a supervisor takes the exit of the process that
//!    it started for the end of the service.

use crate::config::values::Supervised;
use crate::server::Server;
use crate::sys::{host, process};
use crate::{notice, verbose, warning};

/// Finds the supervisor that `wanted` admits, and notifies it. Must be called before the process would go into the background.
pub fn begin(wanted: Supervised) -> Supervised {
    match wanted {
        Supervised::Auto if process::has_variable("UPSTART_JOB") => {
            verbose!("Upstart supervision detected.");
            begin_upstart()
        }
        Supervised::Auto if process::has_variable("NOTIFY_SOCKET") => {
            verbose!("Systemd supervision detected.");
            begin_systemd()
        }
        Supervised::Upstart => begin_upstart(),
        Supervised::Systemd => begin_systemd(),
        Supervised::Auto | Supervised::No => Supervised::No,
    }
}

fn begin_upstart() -> Supervised {
    if !process::has_variable("UPSTART_JOB") {
        warning!("upstart supervision requested, but UPSTART_JOB not found!");
        return Supervised::No;
    }
    notice!("supervised by upstart, will stop to signal readiness.");
    process::stop_for_upstart();
    Supervised::Upstart
}

fn begin_systemd() -> Supervised {
    if let Err(error) = process::notify_systemd("STATUS=Redis is loading...\n") {
        warning!("systemd supervision error: {}", host::reason(&error));
        return Supervised::No;
    }
    notice!(
        "Supervised by systemd. Please make sure you set appropriate values for TimeoutStartSec and TimeoutStopSec in your \
         service unit."
    );
    Supervised::Systemd
}

/// Says that the server accepts connections.
pub fn ready(srv: &Server) {
    srv.process.notify(if srv.replication.is_replica() {
        "STATUS=Ready to accept connections in read-only mode. Waiting for MASTER <-> REPLICA sync\nREADY=1\n"
    } else {
        "STATUS=Ready to accept connections\nREADY=1\n"
    });
}
