//! What is recorded of an executed command besides its statistics: the slow log, the latency monitor, and MONITOR.

use data::util::split::quoted;
use table::CmdId;
use table::words::Flags;

use crate::egress::push::push;
use crate::exec::redact::redacted;
use crate::report::client_line::peer_text;
use crate::server::Server;
use crate::state::caller::Caller;
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::state::latency::Event;
use crate::state::slowlog::{Entry, trimmed};
use crate::sys::clock;
use crate::wire::argv::Argv;

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

/// Records an execution. With nothing to record it costs a few comparisons.
#[inline]
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
        log_if_slow(srv, caller.client, execution.cmd, execution.argv, total_ns);
    }
    // A command that was blocked was shown when it blocked.
    if !srv.monitors.is_empty() && execution.is_first {
        feed_monitors(srv, caller, execution);
    }
}

/// Adds a command to the slow log if it took too long.
#[inline]
pub fn log_if_slow(srv: &mut Server, id: ClientId, cmd: CmdId, argv: &Argv, spent_ns: u64) {
    let slower_than_us = srv.config.slowlog_log_slower_than;
    if slower_than_us < 0 {
        return;
    }
    let is_slow = spent_ns >= (slower_than_us as u64).saturating_mul(1000);
    if is_slow || srv.slowlog.entries().len() as i64 > srv.config.slowlog_max_len {
        log_slow(srv, id, cmd, argv, is_slow.then_some(spent_ns / 1000));
    }
}

/// Adds a command that took `duration_us`, and drops the oldest entries beyond the limit.
#[cold]
fn log_slow(srv: &mut Server, id: ClientId, cmd: CmdId, argv: &Argv, duration_us: Option<u64>) {
    let is_logged = !table::spec(cmd).flags.contains(Flags::SKIP_SLOWLOG);
    if let Some(duration_us) = duration_us.filter(|_| is_logged) {
        let client = srv.clients.get(id);
        let entry = Entry {
            id: 0,
            time: srv.unit.now_ms / 1000,
            duration_us,
            args: trimmed(redacted(cmd, argv).into_iter()),
            peer: client.map_or_else(|| "?:0".into(), |client| peer_text(srv, client)),
            name: client.map_or_else(Vec::new, |client| client.name.clone()),
        };
        srv.slowlog.add(entry);
    }
    srv.slowlog.trim(srv.config.slowlog_max_len as usize);
}

/// Shows a command to the clients in MONITOR.
#[cold]
fn feed_monitors(srv: &mut Server, caller: &Caller, execution: &Execution<'_>) {
    let flags = table::spec(execution.cmd).flags;
    if flags.intersects(Flags::SKIP_MONITOR | Flags::ADMIN) {
        return;
    }
    let line = monitor_line(srv, caller, execution);
    let monitors = std::mem::take(&mut srv.monitors);
    for &id in &monitors {
        push(srv, id, |reply| reply.status(&line));
    }
    srv.monitors = monitors;
}

fn monitor_line(srv: &Server, caller: &Caller, execution: &Execution<'_>) -> String {
    let now_us = clock::unix_us();
    let client = srv.clients.get(caller.client);
    let peer = match client {
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
    for arg in redacted(execution.cmd, execution.argv) {
        line.push(' ');
        line.push_str(&String::from_utf8_lossy(&quoted(arg)));
    }
    line
}
