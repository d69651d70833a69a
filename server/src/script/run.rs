//! Running a script: whether it may run now, its call, and the reply made of its result.

use lua::interpreter::Interpreter;
use lua::stack::{Kind, Stack};

use crate::exec::gate;
use crate::exec::route;
use crate::script::call::{is_out_of_memory, running};
use crate::script::convert::write_value;
use crate::script::interpreter::HANDLER;
use crate::script::{error, memory};
use crate::server::{Ctx, Propagate, Server};
use crate::state::caller::Caller;
use crate::state::scripts::flags::ScriptFlags;
use crate::state::scripts::run::{Name, Run, RunFlags};
use crate::wire::fault::{Fault, MASTER_DOWN, NO_REPLICAS};
use crate::wire::reply::Resp;

/// Whether a script may run now, and what holds for its run.
///
/// # Errors
/// Why not.
pub fn prepare(
    srv: &Server,
    caller: &Caller,
    script: ScriptFlags,
    read_only: bool,
) -> Result<RunFlags, Fault> {
    let stale = gate::is_stale(srv);
    if script.contains(ScriptFlags::UNDECLARED) {
        if stale {
            return Err(MASTER_DOWN);
        }
        let mut flags = RunFlags::ALLOW_CROSS_SLOT;
        flags.set(RunFlags::READ_ONLY, read_only);
        return Ok(flags);
    }
    if srv.cluster.is_some() && script.contains(ScriptFlags::NO_CLUSTER) {
        return Err(Fault::new(
            "ERR Can not run script on cluster, 'no-cluster' flag is set.",
        ));
    }
    if stale && !script.contains(ScriptFlags::ALLOW_STALE) {
        return Err(Fault::new(
            "MASTERDOWN Link with MASTER is down, replica-serve-stale-data is set to 'no' and 'allow-stale' flag is not set \
             on the script.",
        ));
    }
    if !script.contains(ScriptFlags::NO_WRITES) {
        may_write(srv, caller, read_only)?;
    }
    let may_exceed = ScriptFlags::ALLOW_OOM | ScriptFlags::NO_WRITES;
    if is_out_of_memory(srv) && !script.intersects(may_exceed) {
        return Err(Fault::new(
            "OOM allow-oom flag is not set on the script, can not run it when used memory > 'maxmemory'",
        ));
    }
    let mut flags = RunFlags::empty();
    let reads_only = read_only || script.contains(ScriptFlags::NO_WRITES);
    flags.set(RunFlags::READ_ONLY, reads_only);
    flags.set(RunFlags::ALLOW_OOM, script.contains(ScriptFlags::ALLOW_OOM));
    let any_slot = script.contains(ScriptFlags::ALLOW_CROSS_SLOT);
    flags.set(RunFlags::ALLOW_CROSS_SLOT, any_slot);
    Ok(flags)
}

/// Whether a script that has not said that it writes nothing may run now.
fn may_write(srv: &Server, caller: &Caller, read_only: bool) -> Result<(), Fault> {
    let is_replica = srv.replication.link.is_some();
    if is_replica && srv.config.replica_read_only && !caller.obeyed {
        return Err(Fault::new(
            "READONLY Can not run script with write flag on readonly replica",
        ));
    }
    if !caller.obeyed
        && let Some(text) = disk_fault(srv)
    {
        return Err(Fault::new(text));
    }
    if read_only {
        return Err(Fault::new(
            "ERR Can not execute a script with write flag using *_ro command.",
        ));
    }
    if srv.config.min_replicas_to_write > 0 && gate::lacks_replicas(srv) {
        return Err(NO_REPLICAS);
    }
    Ok(())
}

fn disk_fault(srv: &Server) -> Option<String> {
    let hint = "Writable scripts are blocked. Use 'no-writes' flag for read only scripts.";
    if gate::is_save_fault(srv) {
        return Some(format!(
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. {hint}"
        ));
    }
    let why = srv.aof.failure()?;
    Some(format!(
        "MISCONF Redis is configured to persist data to AOF, but it's currently unable to persist to disk. {hint} AOF error: \
         {why}"
    ))
}

/// Runs a script in its interpreter, and replies with its result. `push_arguments` pushes what its function is called with,
/// and returns their number.
pub fn run(
    cx: &mut Ctx<'_>,
    lua: &mut Interpreter,
    run: Run,
    position: i32,
    push_arguments: impl FnOnce(&mut Stack<'_>) -> usize,
) {
    cx.propagate = Propagate::Never;
    let slot = route::slot_of_command(cx.srv, cx.cmd, cx.argv);
    cx.srv.scripts.run = Some(Run { slot, ..run });
    memory::limit(cx.srv, lua);
    let reply = &mut *cx.reply;
    cx.failed = lua.with_host(cx.srv, |stack| {
        stack.push_kept(HANDLER);
        stack.push_kept(position);
        let arguments = push_arguments(stack);
        if stack.call(arguments, 1, 1).is_err() {
            push_reply_of_error(stack);
        }
        let run = running(stack).and_then(|srv| srv.scripts.run.as_ref());
        let resp = run.map_or(Resp::V2, |run| run.caller.session.resp);
        let failed = write_value(stack, reply, resp);
        stack.set_top(0);
        failed
    });
    cx.srv.scripts.run = None;
}

/// Puts the error table for the reply in place of the error on top of the stack.
fn push_reply_of_error(stack: &mut Stack<'_>) {
    let run = running(stack).and_then(|srv| srv.scripts.run.as_ref());
    let name = run.map(|run| run.name.clone());
    let name = name.as_ref().map_or(b"".as_slice(), Name::bytes);
    if stack.kind(-1) == Kind::Table {
        let information = error::information(stack);
        let text = error::reply(name, &information);
        if information.is_counted {
            error::push_counted_fault(stack, &text);
        } else {
            error::push_fault(stack, &text);
        }
    } else {
        let message = stack.convert_to_bytes(-1).unwrap_or(b"execution failure");
        let message = &message[..message.len().min(100)];
        let parts: [&[u8]; 4] = [b"ERR Error running script ", name, b", ", message];
        let text = parts.concat();
        error::push_fault(stack, &text);
    }
    stack.remove(-2);
}
