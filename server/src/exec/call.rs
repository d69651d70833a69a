//! Calls a command and completes the call: time, statistics, the error reply, blocking, propagation.

use table::CmdId;
use table::keys::routed;
use table::spec::Group;
use table::words::Flags;

use crate::egress::invalidate::{flush_own, note_overflow};
use crate::exec::observe::{Execution, observe};
use crate::exec::refuse::refuse;
use crate::feed::propagate::{Grouping, command_to, end_of_unit, is_wanted};
use crate::server::{Ctx, Proc, Propagate, Server};
use crate::state::blocked::{Block, BlockedCommand};
use crate::state::caller::{Caller, Targets};
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

/// Calls a command.
///
/// A fault after a partial reply replaces the partial reply. The clock is read once per command: a command starts when
/// the previous one of the same batch ended (`turn.clock_ns`, set when the batch began). A command that blocks is not
/// counted in the statistics until it is unblocked.
pub fn call(srv: &mut Server, caller: &mut Caller, invocation: &Invocation<'_>, reply: &mut Reply) {
    let started = srv.turn.clock_ns;
    let (cmd, db) = (invocation.cmd, caller.session.db);
    let no_touch = caller.session.no_touch && cmd != TOUCH;
    if srv.unit.depth == 0 {
        srv.unit.began_ns = started;
    }
    let outer = srv.unit.enter(cmd, caller, no_touch);
    watchdog::executing(Some(cmd));
    let outcome = execute(srv, caller, invocation, reply);
    let ended = clock::monotonic_ns();
    srv.turn.clock_ns = ended;
    let now_ns = ended - started;
    let spent_ns = now_ns + invocation.before.map_or(0, |before| before.spent_ns);
    if let Some(client) = srv.clients.get_mut(caller.client) {
        if caller.changes_session() {
            client.session = caller.session;
        }
        if client.tracking.is_some() {
            remember_keys(srv, caller.client, invocation);
        }
    }
    if spent_ns >= srv.observers.from_ns() {
        let execution = Execution {
            cmd,
            argv: invocation.argv,
            is_first: invocation.before.is_none(),
            now_ns,
            total_ns: outcome.block.is_none().then_some(spent_ns),
        };
        observe(srv, caller, &execution);
    }
    if let Some(block) = outcome.block {
        block_client(srv, caller, invocation, *block, outcome.rewrite, spent_ns);
    } else {
        count(srv, cmd, spent_ns, outcome.failed);
        if let Some(rewrite) = outcome.rewrite {
            propagate(srv, db, &rewrite, outcome.targets);
        } else {
            propagate(srv, db, invocation.argv, outcome.targets);
        }
    }
    srv.unit.leave(outer);
    watchdog::executing(srv.unit.running.command);
    if srv.unit.depth == 0 {
        end(srv, caller.client, cmd, ended);
    }
}

/// Propagates a command as `argv` when the unit ends, to as many of these targets as its caller allows.
#[inline]
fn propagate(srv: &mut Server, db: usize, argv: &Argv, targets: Targets) {
    if !targets.is_empty() {
        command_to(srv, targets, db, argv);
    }
}

/// A command that no other one has called has ended, at this monotonic time: what it has queued is passed on.
#[inline]
fn end(srv: &mut Server, id: ClientId, cmd: CmdId, ended_ns: u64) {
    if !srv.tracking.pending.is_empty() {
        flush_own(srv);
    }
    srv.unit.now_ms = (ended_ns as i64 + srv.turn.clock_offset_ns) / 1_000_000;
    // A command that blocks may have deleted an expired key.
    if is_wanted(srv) {
        let before = srv.replication.offset;
        end_of_unit(srv, Grouping::of(cmd));
        // A client that only reads does not wait for the writes of others.
        if srv.replication.offset != before
            && let Some(client) = srv.clients.get_mut(id)
        {
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
    let outer = srv.unit.enter(invocation.cmd, caller, false);
    let outcome = execute(srv, caller, invocation, reply);
    srv.unit.leave(outer);
    !outcome.failed
}

/// Remembers the keys that a client has read, which it may keep in a cache.
#[cold]
fn remember_keys(srv: &mut Server, id: ClientId, invocation: &Invocation<'_>) {
    let client = srv.clients.get(id);
    let own = client.and_then(|client| client.tracking.as_ref());
    if !own.is_some_and(|own| own.remembers()) {
        return;
    }
    let (spec, argv) = (table::spec(invocation.cmd), invocation.argv);
    // Of a script only what its commands read counts.
    let reads = spec.flags.contains(Flags::READONLY) && spec.group != Group::Scripting;
    if reads && !spec.flags.contains(Flags::PUBSUB) {
        for key in routed(spec, &|at| &argv[at], argv.len()).iter() {
            srv.tracking.remember(id, &argv[key.pos as usize]);
        }
        note_overflow(srv);
    }
}

/// What a proc has left behind.
struct Outcome {
    rewrite: Option<Box<Argv>>,
    block: Option<Box<Block>>,
    targets: Targets,
    failed: bool,
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
        failed: false,
        block: None,
    };
    let done = (invocation.proc)(&mut cx);
    let targets = match cx.propagate {
        Propagate::IfChanged if cx.srv.keys.changes == changes => Targets::empty(),
        Propagate::IfChanged | Propagate::Always => Targets::all(),
        Propagate::ToReplicas => Targets::REPLICAS,
        Propagate::Never => Targets::empty(),
    };
    let (rewrite, block) = (cx.rewrite, cx.block);
    let failed = done.is_err() || cx.failed;
    if let Err(fault) = done {
        reply.rewind(mark);
        refuse(srv, reply, &fault);
    }
    Outcome {
        rewrite,
        block,
        targets,
        failed,
    }
}

/// Blocks the caller's client. A command that blocks again keeps its first deadline.
#[cold]
fn block_client(
    srv: &mut Server,
    caller: &Caller,
    invocation: &Invocation<'_>,
    mut block: Block,
    rewrite: Option<Box<Argv>>,
    spent_ns: u64,
) {
    if let (Block::Keys(block), Some(before)) = (&mut block, invocation.before)
        && let Block::Keys(before) = &before.block
    {
        block.deadline_ms = before.deadline_ms;
    }
    let argv = rewrite.map_or_else(|| invocation.argv.detached(), |argv| *argv);
    let mut command = BlockedCommand::new(invocation.cmd, argv, caller.session.db, block);
    command.spent_ns = spent_ns;
    command.seen_version = srv.keys.version;
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
