//! Calls a command and completes the call: time, statistics, the error reply, blocking, propagation.

use table::CmdId;
use table::keys::routed;
use table::words::Flags;

use crate::egress::invalidate::flush_own;
use crate::exec::observe::{Execution, observe};
use crate::exec::refuse::refuse;
use crate::feed::propagate::{Grouping, also, end_of_unit, is_wanted};
use crate::server::{Ctx, Proc, Propagate, Server};
use crate::state::blocked::{Block, BlockedCommand};
use crate::state::caller::Caller;
use crate::state::client_id::ClientId;
use crate::sys::{clock, watchdog};
use crate::wire::argv::Argv;
use crate::wire::reply::Reply;

/// TOUCH renews the access time of keys even under CLIENT NO-TOUCH.
const TOUCH: CmdId = table::id(&table::generic::TOUCH);

/// A command that is to be called.
#[derive(Clone, Copy)]
pub struct Invocation<'a> {
    /// Its row.
    pub cmd: CmdId,
    /// Its proc.
    pub proc: Proc,
    /// Its arguments.
    pub argv: &'a Argv,
    /// It was called before and has been blocked since.
    pub before: Option<&'a BlockedCommand>,
}

/// What a proc has set in its context.
struct Outcome {
    rewrite: Option<Argv>,
    block: Option<Block>,
    propagate: Propagate,
    changed: bool,
    failed: bool,
}

/// Calls a command.
///
/// A fault after a partial reply replaces the partial reply. The clock is read once per command: a command starts when
/// the previous one of the same batch ended (`turn.clock_ns`, set when the batch began). A command that blocks is not
/// counted in the statistics until it is unblocked.
pub fn call(srv: &mut Server, caller: &mut Caller, invocation: &Invocation<'_>, reply: &mut Reply) {
    let started = srv.turn.clock_ns;
    let outer = srv.unit;
    let cmd = invocation.cmd;
    let db = caller.session.db;
    srv.unit = outer.nested(cmd, caller, caller.session.no_touch && cmd != TOUCH);
    watchdog::executing(Some(cmd));
    let outcome = execute(srv, caller, invocation, reply);
    let ended = clock::monotonic_ns();
    srv.turn.clock_ns = ended;
    let spent_ns = ended - started + invocation.before.map_or(0, |before| before.spent_ns);
    if let Some(client) = srv.clients.get_mut(caller.client) {
        client.session = caller.session;
        let own = client.tracking.as_ref();
        if own.is_some_and(|own| own.remembers()) {
            remember_keys(srv, caller.client, invocation);
        }
    }
    let execution = Execution {
        cmd,
        argv: invocation.argv,
        is_first: invocation.before.is_none(),
        now_ns: ended - started,
        total_ns: outcome.block.is_none().then_some(spent_ns),
    };
    observe(srv, caller, &execution);
    match outcome.block {
        Some(block) => {
            let argv = outcome
                .rewrite
                .unwrap_or_else(|| invocation.argv.detached());
            let mut command = BlockedCommand::new(cmd, argv, db, block);
            command.spent_ns = spent_ns;
            command.seen_version = srv.keys.version;
            block_client(srv, caller, command, invocation.before);
        }
        None => {
            count(srv, cmd, spent_ns, outcome.failed);
            let wanted = match outcome.propagate {
                Propagate::Always => true,
                Propagate::IfChanged => outcome.changed,
                Propagate::Never => false,
            };
            if wanted {
                let argv = outcome.rewrite.as_ref().unwrap_or(invocation.argv);
                also(srv, db, argv.iter());
            }
        }
    }
    srv.unit = outer;
    watchdog::executing(outer.command);
    if outer.depth > 0 {
        return;
    }
    if !srv.tracking.pending.is_empty() {
        flush_own(srv);
    }
    srv.unit.now_ms = (ended as i64 + srv.turn.clock_offset_ns) / 1_000_000;
    // A command that blocks may have deleted an expired key.
    if is_wanted(srv) {
        end_of_unit(srv, Grouping::of(cmd));
        if let Some(client) = srv.clients.get_mut(caller.client) {
            client.written_offset = srv.replication.offset;
        }
    }
}

/// Calls a command of the append-only file; whether it has succeeded. It is neither timed nor shown nor propagated.
pub fn replay(
    srv: &mut Server,
    caller: &mut Caller,
    invocation: &Invocation<'_>,
    reply: &mut Reply,
) -> bool {
    let outer = srv.unit;
    srv.unit = outer.nested(invocation.cmd, caller, false);
    let outcome = execute(srv, caller, invocation, reply);
    srv.unit = outer;
    !outcome.failed
}

/// Remembers the keys that a client has read, which it may keep in a cache.
#[cold]
fn remember_keys(srv: &mut Server, id: ClientId, invocation: &Invocation<'_>) {
    let (spec, argv) = (table::spec(invocation.cmd), invocation.argv);
    if spec.flags.contains(Flags::READONLY) && !spec.flags.contains(Flags::PUBSUB) {
        for key in routed(spec, &|at| &argv[at], argv.len()).iter() {
            srv.tracking.remember(id, &argv[key.pos as usize]);
        }
    }
}

/// Runs the proc; a fault becomes the reply.
#[inline]
fn execute(
    srv: &mut Server,
    caller: &mut Caller,
    invocation: &Invocation<'_>,
    reply: &mut Reply,
) -> Outcome {
    let mark = reply.mark();
    let changes = srv.keys.changes;
    let now_ms = srv.unit.now_ms;
    let mut cx = Ctx {
        srv,
        argv: invocation.argv,
        reply,
        cmd: invocation.cmd,
        db: caller.session.db,
        caller,
        now_ms,
        rewrite: None,
        propagate: Propagate::IfChanged,
        block: None,
    };
    let done = (invocation.proc)(&mut cx);
    let outcome = Outcome {
        rewrite: cx.rewrite.take(),
        block: cx.block.take(),
        propagate: cx.propagate,
        changed: cx.srv.keys.changes != changes,
        failed: done.is_err(),
    };
    if let Err(fault) = done {
        reply.rewind(mark);
        refuse(srv, reply, &fault);
    }
    outcome
}

/// Blocks a client. A command that blocks again keeps its first deadline.
#[cold]
fn block_client(
    srv: &mut Server,
    caller: &Caller,
    mut command: BlockedCommand,
    before: Option<&BlockedCommand>,
) {
    if let (Block::Keys(block), Some(before)) = (&mut command.block, before)
        && let Block::Keys(before) = &before.block
    {
        block.deadline_ms = before.deadline_ms;
    }
    let id = caller.client;
    if let Some(client) = srv.clients.get_mut(id) {
        client.blocked = Some(srv.blocked.block(id, command));
    }
}

/// Counts a completed command.
#[inline]
pub fn count(srv: &mut Server, cmd: CmdId, elapsed_ns: u64, failed: bool) {
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
