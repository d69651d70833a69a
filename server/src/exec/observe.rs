//! What is recorded of an executed command besides its statistics: the slow log, the latency monitor, and MONITOR.

use table::CmdId;
use table::words::Flags;
use words::quoted;

use crate::egress::publish::{Message, send};
use crate::exec::redact::redacted;
use crate::report::client_line::peer_text;
use crate::server::Server;
use crate::state::caller::{Caller, NO_CLIENT};
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::latency::Event;
use crate::state::slowlog::{Entry, trimmed};
use crate::sys::clock;
use crate::wire::argv::Argv;
use crate::wire::output::Output;
use crate::wire::reply::{Reply, Resp};

/// One execution of a command.
pub struct Execution<'a> {
    /// The command.
    pub cmd: CmdId,
    /// Its arguments.
    pub argv: &'a Argv,
    /// It was not blocked before.
    pub is_first: bool,
    /// How long it took, in nanoseconds.
    pub now_ns: u64,
    /// How long all its executions took, in nanoseconds. `None` if it is blocked now.
    pub total_ns: Option<u64>,
}

/// Records an execution that somebody may want to be told of (`Observers::from_ns`).
#[cold]
pub fn observe(srv: &mut Server, caller: &Caller, execution: &Execution<'_>) {
    if srv.config.latency_monitor_threshold > 0 {
        let is_fast = table::spec(execution.cmd).flags.contains(Flags::FAST);
        let event = if is_fast {
            Event::FastCommand
        } else {
            Event::Command
        };
        srv.note_latency(event, execution.now_ns / 1_000_000);
    }
    if let Some(total_ns) = execution.total_ns {
        let client = if caller.shows_client() {
            caller.client
        } else {
            NO_CLIENT
        };
        log_if_slow(srv, client, execution.cmd, execution.argv, total_ns);
    }
    // A command that was blocked was shown when it blocked.
    let flags = table::spec(execution.cmd).flags;
    if execution.is_first && !flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN) {
        show(srv, caller, execution.cmd, execution.argv);
    }
}

/// Adds a command to the slow log if it took too long.
#[inline]
pub fn log_if_slow(srv: &mut Server, id: ClientId, cmd: CmdId, argv: &Argv, spent_ns: u64) {
    if srv.observers.is_slow(spent_ns) {
        log_slow(srv, id, cmd, argv, spent_ns / 1000);
    }
}

/// The thresholds were changed by CONFIG SET.
pub fn thresholds_changed(srv: &mut Server) {
    let (slower_than_us, latency_ms) = (
        srv.config.slowlog_log_slower_than,
        srv.config.latency_monitor_threshold,
    );
    srv.observers.set_thresholds(slower_than_us, latency_ms);
    trim_slow_log(srv);
}

/// Drops the oldest entries beyond `slowlog-max-len`; while the log is off it stays as it is.
pub fn trim_slow_log(srv: &mut Server) {
    if srv.observers.has_slow_log() {
        srv.slowlog.trim(srv.config.slowlog_max_len as usize);
    }
}

/// Adds a command that took `duration_us`, and drops the oldest entries beyond the limit.
#[cold]
fn log_slow(srv: &mut Server, id: ClientId, cmd: CmdId, argv: &Argv, duration_us: u64) {
    if table::spec(cmd).flags.contains(Flags::SKIP_SLOWLOG) {
        return;
    }
    let client = srv.clients.get(id);
    let peer = client.map_or_else(String::new, |client| peer_text(srv, client));
    let name = client.map_or_else(Vec::new, |client| client.name.clone());
    srv.slowlog.add(|id| Entry {
        id,
        time: srv.unit.now_s(),
        duration_us,
        args: trimmed(redacted(cmd, argv).into_iter()),
        peer,
        name,
    });
    srv.slowlog.trim(srv.config.slowlog_max_len as usize);
}

/// Shows a command to the clients in MONITOR.
#[inline]
pub fn show(srv: &mut Server, caller: &Caller, cmd: CmdId, argv: &Argv) {
    if !srv.observers.monitors().is_empty() {
        feed_monitors(srv, caller, cmd, argv);
    }
}

#[cold]
fn feed_monitors(srv: &mut Server, caller: &Caller, cmd: CmdId, argv: &Argv) {
    let mut line = Reply::behind(Output::default(), Resp::V2, 0);
    line.status(&monitor_line(srv, caller, cmd, argv));
    let mut message = Message::reply(line.out.into_bytes());
    send(srv, |outbox, receivers| {
        outbox.deliver_all(receivers.observers.monitors(), &mut message);
    });
}

fn monitor_line(srv: &Server, caller: &Caller, cmd: CmdId, argv: &Argv) -> String {
    let now_us = clock::unix_us();
    let client = srv.clients.get(caller.client);
    let peer = match client {
        _ if !caller.shows_client() => "lua".into(),
        Some(client) if client.flags.contains(ClientFlags::UNIX) => {
            format!("unix:{}", srv.config.unixsocket)
        }
        Some(client) => peer_text(srv, client),
        None => "?:0".into(),
    };
    let mut line = format!(
        "{}.{:06} [{} {peer}]",
        now_us / 1_000_000,
        now_us % 1_000_000,
        caller.session.db
    );
    for arg in redacted(cmd, argv) {
        line.push(' ');
        line.push_str(&String::from_utf8_lossy(&quoted(arg)));
    }
    line
}
