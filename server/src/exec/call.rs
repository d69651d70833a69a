//! Calls a command, and settles what a call leaves behind: time, statistics, the fault it may have ended in.

use table::CmdId;

use crate::exec::refuse::refuse;
use crate::server::{Ctx, Origin, Proc, Server};
use crate::state::client::{ClientFlags, ClientId};
use crate::sys::clock;
use crate::wire::reply::Reply;
use crate::wire::request::Argv;

/// It renews the recency of keys whatever its client asked for.
const TOUCH: CmdId = table::id(&table::generic::TOUCH);

/// Runs `proc` for a client.
///
/// A fault after a partial reply replaces it. The clock is read once: a command begins when the one before it in the
/// same batch of input ended (`unit.clock_ns`, set when the batch began).
pub fn call(
    srv: &mut Server,
    id: ClientId,
    cmd: CmdId,
    proc: Proc,
    argv: &Argv,
    reply: &mut Reply,
) {
    let started = srv.unit.clock_ns;
    let (client_db, no_touch) = srv.clients.get(id).map_or((0, false), |client| {
        (client.db, client.flags.contains(ClientFlags::NO_TOUCH))
    });
    srv.unit.no_touch = no_touch && cmd != TOUCH;
    let mark = reply.mark();
    srv.unit.depth += 1;
    let now_ms = srv.unit.now_ms;
    let done = proc(&mut Ctx {
        srv,
        argv,
        reply,
        cmd,
        db: client_db,
        origin: Origin::Client(id),
        now_ms,
    });
    srv.unit.depth -= 1;
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
    settle(srv, cmd, ended - started, failed);
}

#[inline]
fn settle(srv: &mut Server, cmd: CmdId, elapsed_ns: u64, failed: bool) {
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
