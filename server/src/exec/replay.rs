//! Executing the commands of an append-only file.
//!
//! Neither the gate nor the call's bookkeeping applies: the commands were admitted, recorded and propagated when they were
//! executed first. A command that fails is logged, and the next one follows; `propagation-error-behavior` can make the
//! process end instead. What administers a server is not executed, since no server writes it into the file.
//!
//! A transaction is executed when its EXEC is read. Without one, nothing of it is executed.

use table::spec::Spec;
use table::words::Flags;
use table::{CmdId, generic, transactions};

use crate::config::values::PropagationError;
use crate::exec::call::{self, Invocation};
use crate::exec::obeyed;
use crate::exec::process::{Unresolved, resolve};
use crate::exec::refuse::refuse;
use crate::server::Server;
use crate::state::caller::Caller;
use crate::state::multi::Multi;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;
use crate::wire::reply::Reply;

const MULTI: CmdId = table::id(&transactions::MULTI);
const EXEC: CmdId = table::id(&transactions::EXEC);
const MIGRATE: CmdId = table::id(&generic::MIGRATE);

/// The execution of one file.
pub struct Replay {
    caller: Caller,
    /// The transaction whose EXEC was not read yet.
    multi: Option<Multi>,
    reply: Reply,
}

impl Default for Replay {
    fn default() -> Self {
        let mut reply = Reply::default();
        reply.muted = true;
        Replay {
            caller: Caller::aof(),
            multi: None,
            reply,
        }
    }
}

impl Replay {
    /// The selected database.
    #[inline]
    pub fn db(&self) -> usize {
        self.caller.session.db
    }

    /// Whether a transaction is incomplete.
    #[inline]
    pub fn in_transaction(&self) -> bool {
        self.multi.is_some()
    }
}

/// Executes a command, or queues it for EXEC.
///
/// # Errors
/// This server does not have the command, so the file does not fit it.
#[inline]
pub fn execute(srv: &mut Server, replay: &mut Replay, argv: &Argv) -> Result<(), Unresolved> {
    let (cmd, spec, proc) = resolve(&srv.commands, argv)?;
    if let Some(multi) = &mut replay.multi
        && cmd != EXEC
    {
        multi.push(cmd, spec.flags, argv);
        return Ok(());
    }
    if cmd == MULTI {
        replay.multi = Some(Multi::default());
        return Ok(());
    }
    match replay.multi.take() {
        Some(multi) => execute_queue(srv, replay, &multi),
        None => {
            let invocation = Invocation {
                cmd,
                proc,
                argv,
                before: None,
            };
            run(srv, replay, spec, &invocation);
        }
    }
    if let Some(fault) = replay.reply.unheard.take() {
        let panics = srv.config.propagation_error_behavior == PropagationError::Panic;
        let ends = ["server", "AOF-loading-client"];
        obeyed::report(srv, ends, table::full_name(cmd), &fault, panics);
    }
    Ok(())
}

#[cold]
fn execute_queue(srv: &mut Server, replay: &mut Replay, multi: &Multi) {
    let mut queue = multi.queue.reader();
    let mut argv = Argv::default();
    while let Some(cmd) = queue.next_into(&mut argv) {
        let proc = srv.commands.rows[cmd.index()].proc;
        let invocation = Invocation {
            cmd,
            proc: proc.expect("only what can be executed is queued"),
            argv: &argv,
            before: None,
        };
        let succeeded = run(srv, replay, table::spec(cmd), &invocation);
        // As in Redis, these are counted while others are not.
        srv.stats.commands += 1;
        srv.stats.command(cmd).failed += u64::from(!succeeded);
    }
}

/// Executes a command; whether it has succeeded.
#[inline]
fn run(srv: &mut Server, replay: &mut Replay, spec: &Spec, invocation: &Invocation<'_>) -> bool {
    let administers = spec.flags.contains(Flags::ADMIN) && !spec.flags.contains(Flags::WRITE);
    if administers || invocation.cmd == MIGRATE {
        let text = "ERR this command is not executed from an append-only file";
        refuse(srv, &mut replay.reply, &Fault::new(text));
        return false;
    }
    call::replay(srv, &mut replay.caller, invocation, &mut replay.reply)
}
