//! Shutting down.

use crate::config::values::ShutdownFlags;
use crate::egress::flush::flush_pending;
use crate::egress::release::release;
use crate::exec::unblock::give_up;
use crate::feed::replicas::queue_all;
use crate::ingress::listen::close_all;
use crate::persist::aof::flush::sync_now;
use crate::persist::aof::rewrite::kill;
use crate::persist::bgsave::{abandon, save_now};
use crate::report::replicas::{all, name};
use crate::script::debug::session::kill_all;
use crate::server::Server;
use crate::state::aof::Status;
use crate::state::blocked::BlockKind;
use crate::state::child::Purpose as Child;
use crate::state::client_id::ClientId;
use crate::state::pauses::{Purpose, Scope};
use crate::state::replication::replica::{Replica, ReplicaStage};
use crate::sys::process;
use crate::wire::fault::SHUTDOWN_FAILED;
use crate::{notice, warning};

/// Outcome of a request to shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownOutcome {
    /// The loop ends with this turn.
    Going,
    /// The final save has failed; the server stays.
    Refused,
    /// The server waits for its replicas first.
    Later,
}

/// Shuts the server down unless data would be lost. Waits for replicas first.
pub fn shut_down(srv: &mut Server, flags: ShutdownFlags) -> ShutdownOutcome {
    if srv.shutdown.waiting.is_some() {
        return ShutdownOutcome::Later;
    }
    notice!("User requested shutdown...");
    srv.process.notify("STOPPING=1\n");
    let timeout = srv.config.shutdown_timeout;
    if !flags.now && timeout != 0 && lagging(srv).next().is_some() {
        let end_ms = srv.unit.now_ms + timeout * 1000;
        srv.shutdown.waiting = Some((flags, end_ms));
        srv.replication.wants_acks = true;
        srv.pauses.begin(Purpose::Shutdown, Scope::Writes, i64::MAX);
        notice!("Waiting for replicas before shutting down.");
        return ShutdownOutcome::Later;
    }
    finish(srv, flags)
}

/// Replicas that have not acknowledged everything.
fn lagging(srv: &Server) -> impl Iterator<Item = (ClientId, &Replica)> {
    let offset = srv.replication.offset;
    let behind = move |replica: &Replica| replica.ack_offset != offset;
    all(srv)
        .filter(move |(_, _, replica)| behind(replica))
        .map(|(id, _, replica)| (id, replica))
}

/// Continues a shutdown that waits for replicas: a step of cron.
pub fn tend_shutdown(srv: &mut Server) {
    let Some((flags, end_ms)) = srv.shutdown.waiting else {
        return;
    };
    if (srv.unit.now_ms >= end_ms || lagging(srv).next().is_none())
        && finish(srv, flags) == ShutdownOutcome::Refused
    {
        cancel(srv);
    }
}

/// Cancels a shutdown that waits; whether there was one.
pub fn cancel(srv: &mut Server) -> bool {
    let waited = srv.shutdown.waiting.take().is_some();
    process::forget_shutdown_signal();
    for id in srv.blocked.of_kind(BlockKind::Shutdown) {
        give_up(srv, id, Some(&SHUTDOWN_FAILED));
    }
    srv.pauses.end(Purpose::Shutdown);
    waited
}

fn log_replicas(srv: &Server) {
    let now = srv.unit.now_s();
    let replicas = srv.replication.replicas.len();
    let mut behind = 0;
    for (id, replica) in lagging(srv) {
        behind += 1;
        let lag = match replica.stage {
            ReplicaStage::Online => now - replica.ack_at,
            _ => 0,
        };
        notice!(
            "Lagging replica {} reported offset {} behind master, lag={lag}, state={}.",
            name(srv, id),
            srv.replication.offset as i64 - replica.ack_offset as i64,
            replica.state_name()
        );
    }
    if replicas > 0 {
        notice!(
            "{} of {replicas} replicas are in sync when shutting down.",
            replicas - behind
        );
    }
}

fn finish(srv: &mut Server, flags: ShutdownFlags) -> ShutdownOutcome {
    log_replicas(srv);
    kill_all(srv);
    abandon(srv);
    let is_safe = (!srv.aof.is_on() || end_append_only(srv, flags.force))
        && (!must_save(srv, flags) || save_finally(srv, flags.force));
    if !is_safe {
        warning!("Errors trying to shut down the server. Check the logs for more information.");
        return ShutdownOutcome::Refused;
    }
    srv.shutdown.asap = Some(flags);
    if !srv.config.pidfile.is_empty() && srv.process.wrote_pidfile {
        notice!("Removing the pid file.");
        let _ = std::fs::remove_file(&srv.config.pidfile);
    }
    queue_all(srv);
    flush_pending(srv);
    close_all(srv);
    warning!("Redis is now ready to exit, bye bye...");
    srv.el.stop();
    ShutdownOutcome::Going
}

/// Brings the append-only file to its end; whether the server may exit. A rewrite is not needed: the file is complete
/// without it, unless it is the first one.
fn end_append_only(srv: &mut Server, force: bool) -> bool {
    let child = srv.child.as_ref();
    if child.is_some_and(|child| child.purpose == Child::Rewrite) {
        if srv.aof.status == Status::WaitsForRewrite {
            if !force {
                warning!("Writing initial AOF, can't exit.");
                srv.process
                    .notify("STATUS=Writing initial AOF, can't exit.\n");
                return false;
            }
            warning!("Writing initial AOF. Exit anyway.");
        }
        warning!("There is a child rewriting the AOF. Killing it!");
        kill(srv);
    }
    notice!("Calling fsync() on the AOF file.");
    if let Err(sentence) = sync_now(srv) {
        warning!("{sentence}");
    }
    release(srv);
    true
}

/// A data set that is being loaded must not replace the file that it is loaded from.
fn must_save(srv: &Server, flags: ShutdownFlags) -> bool {
    let wanted = flags.save || (!srv.config.save.is_empty() && !flags.nosave);
    wanted && srv.snapshot.loading.is_none()
}

/// The final save; whether the server may exit.
fn save_finally(srv: &mut Server, force: bool) -> bool {
    notice!("Saving the final RDB snapshot before exiting.");
    srv.process.notify("STATUS=Saving the final RDB snapshot\n");
    if save_now(srv) {
        return true;
    }
    if force {
        warning!("Error trying to save the DB. Exit anyway.");
        return true;
    }
    warning!("Error trying to save the DB, can't exit.");
    srv.process
        .notify("STATUS=Error trying to save the DB, can't exit.\n");
    false
}
