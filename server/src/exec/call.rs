//! Calls a command, and settles what a call leaves behind: time, statistics, the fault it may have ended in, the wait it
//! may have begun, what is propagated.

use ae::time::Next;
use table::CmdId;

use crate::exec::refuse::refuse;
use crate::feed::propagate::{also, end_of_unit, is_wanted};
use crate::server::{Ctx, Origin, Proc, Propagate, Server};
use crate::state::blocked::{Parked, Wait};
use crate::state::client::ClientFlags;
use crate::state::client_id::ClientId;
use crate::sys::clock;
use crate::wire::reply::Reply;
use crate::wire::request::Argv;

/// It renews the recency of keys whatever its client asked for.
const TOUCH: CmdId = table::id(&table::generic::TOUCH);

/// A command that is to be called.
#[derive(Clone, Copy)]
pub struct Call<'a> {
    /// On whose behalf.
    pub origin: Origin,
    /// Its row.
    pub cmd: CmdId,
    /// Its proc.
    pub proc: Proc,
    /// Its arguments.
    pub argv: &'a Argv,
    /// It has been called before and has waited since.
    pub before: Option<&'a Parked>,
}

/// Calls a command.
///
/// A fault after a partial reply replaces it. The clock is read once: a command begins when the one before it in the
/// same batch of input ended (`unit.clock_ns`, set when the batch began). A command that has to wait leaves no trace in
/// the statistics until its wait is over.
pub fn call(srv: &mut Server, call: Call<'_>, reply: &mut Reply) {
    let id = call.origin.client_id();
    let started = srv.unit.clock_ns;
    let (client_db, no_touch) = srv.clients.get(id).map_or((0, false), |client| {
        (client.db, client.flags.contains(ClientFlags::NO_TOUCH))
    });
    srv.unit.no_touch = no_touch && call.cmd != TOUCH;
    let outer = srv.unit.command.replace(call.cmd);
    let mark = reply.mark();
    let dirty = srv.stats.dirty;
    srv.unit.depth += 1;
    let now_ms = srv.unit.now_ms;
    let mut cx = Ctx {
        srv,
        argv: call.argv,
        reply,
        cmd: call.cmd,
        db: client_db,
        origin: call.origin,
        now_ms,
        rewrite: None,
        propagate: Propagate::IfChanged,
        wait: None,
    };
    let done = (call.proc)(&mut cx);
    let (rewrite, wait, propagate) = (cx.rewrite.take(), cx.wait.take(), cx.propagate);
    srv.unit.depth -= 1;
    if srv.unit.depth > 0 {
        // The rest of the unit is EXEC's again.
        srv.unit.command = outer;
    }
    let failed = done.is_err();
    if let Err(fault) = done {
        reply.rewind(mark);
        refuse(srv, reply, &fault);
    }
    let ended = clock::monotonic_ns();
    srv.unit.clock_ns = ended;
    if srv.unit.depth == 0 {
        srv.unit.now_ms = (ended as i64 + srv.unit.clock_offset_ns) / 1_000_000;
    }
    let spent_ns = ended - started + call.before.map_or(0, |before| before.spent_ns);
    match wait {
        Some(wait) => park(srv, id, &call, rewrite, wait, client_db, spent_ns),
        None => {
            settle(srv, call.cmd, spent_ns, failed);
            let changed = srv.stats.dirty != dirty;
            if propagate == Propagate::Always || (changed && propagate != Propagate::Never) {
                let argv = rewrite.as_ref().unwrap_or(call.argv);
                also(srv, client_db, argv.iter());
            }
        }
    }
    // One that waits may have met a key whose time is over.
    if srv.unit.depth == 0 && is_wanted(srv) {
        end_of_unit(srv);
        if let Some(client) = srv.clients.get_mut(id) {
            client.written_offset = srv.replication.offset;
        }
    }
}

/// Lets a client wait. A command that waits again keeps its first deadline.
#[cold]
fn park(
    srv: &mut Server,
    id: ClientId,
    call: &Call<'_>,
    rewrite: Option<Argv>,
    mut wait: Wait,
    db: usize,
    spent_ns: u64,
) {
    if let (Wait::Keys(wait), Some(before)) = (&mut wait, call.before)
        && let Wait::Keys(before) = &before.wait
    {
        wait.deadline_ms = before.deadline_ms;
    }
    if let Some(at_ms) = wait.deadline_ms()
        && srv
            .blocked
            .next_deadline()
            .is_none_or(|first| at_ms < first)
    {
        // To wake the loop in time. A later deadline is seen by the clockwork at the latest.
        let ms = (at_ms - srv.unit.now_ms).max(0) as u64;
        srv.el.add_timer(ms, |_, _, _| Next::Never, 0);
    }
    let argv = rewrite.unwrap_or_else(|| call.argv.detached());
    if let Some(client) = srv.clients.get_mut(id) {
        let parked = srv.blocked.park(id, call.cmd, argv, db, wait, spent_ns);
        client.parked = Some(parked);
    }
}

/// Counts a command that is done.
#[inline]
pub fn settle(srv: &mut Server, cmd: CmdId, elapsed_ns: u64, failed: bool) {
    srv.stats.commands += 1;
    let tracking = srv.config.latency_tracking;
    let stats = srv.stats.command(cmd);
    stats.calls += 1;
    stats.time_ns += elapsed_ns;
    stats.failed += u64::from(failed);
    if tracking {
        stats.latency.record(elapsed_ns);
    }
}
