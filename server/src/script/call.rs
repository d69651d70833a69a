//! `redis.call` and `redis.pcall`: a command within a script.
//!
//! The gate is not asked: the script passed it, and what could change since then is checked here, in Redis's order.

use data::util::num::{f64_to_i64, push_f64, push_i64};
use lua::bulk::View;
use lua::function::{Outcome, Raise};
use lua::stack::Stack;
use table::CmdId;
use table::spec::{Group, Spec};
use table::words::Flags;

use crate::exec::call::{self, Invocation};
use crate::exec::gate;
use crate::exec::permission;
use crate::exec::process::{Unresolved, find, resolve, resolve_found};
use crate::exec::route::{Located, Redirection, route};
use crate::keyspace::lookup::key_hash;
use crate::script::convert::push_reply;
use crate::script::debug::echo;
use crate::script::error::{push_counted_fault, push_fault, raise};
use crate::server::{Proc, Server};
use crate::state::caller::Caller;
use crate::state::scripts::run::{Run, RunFlags};
use crate::state::scripts::{Scratch, ShortName};
use crate::state::turn::KeyHash;
use crate::wire::argv::Argv;
use crate::wire::fault::{Fault, NO_REPLICAS, OOM, READ_ONLY};
use crate::wire::output::KEEP_TAIL;

/// Nanoseconds of a command that count as an instruction of Lua, so that a script of slow commands is interrupted in time.
const NS_PER_STEP: usize = 10;

/// Bytes that are copied in about the time of an instruction.
const BYTES_PER_STEP: usize = 16;

/// `redis.call`: an error of the command is raised.
pub fn call(stack: &mut Stack<'_>) -> Outcome {
    if execute(stack) { Ok(1) } else { Err(Raise) }
}

/// `redis.pcall`: an error of the command is returned.
pub fn pcall(stack: &mut Stack<'_>) -> Outcome {
    execute(stack);
    Ok(1)
}

/// Executes the command whose arguments are on the stack, and pushes its reply; whether that is not an error.
fn execute(stack: &mut Stack<'_>) -> bool {
    let Some(srv) = running(stack) else {
        let text = b"ERR redis.call/pcall can only be called inside a script invocation";
        push_fault(stack, text);
        return false;
    };
    let began_ns = srv.turn.clock_ns;
    let mut scratch = srv.scripts.scratch.take().unwrap_or_default();
    let succeeded = execute_with(stack, &mut scratch);
    scratch.argv.release();
    if let Some(srv) = running(stack) {
        srv.scripts.scratch = Some(scratch);
        let spent_ns = srv.turn.clock_ns.saturating_sub(began_ns);
        stack.charge(spent_ns as usize / NS_PER_STEP);
    }
    succeeded
}

/// The server, while it runs a script.
pub fn running<'a>(stack: &'a mut Stack<'_>) -> Option<&'a mut Server> {
    let srv = stack.host::<Server>()?;
    srv.scripts.run.is_some().then_some(srv)
}

fn execute_with(stack: &mut Stack<'_>, scratch: &mut Scratch) -> bool {
    if let Err(message) = take_arguments(stack, &mut scratch.argv) {
        echo::fault(stack, message);
        push_fault(stack, message);
        return false;
    }
    let Some(srv) = running(stack) else {
        return false;
    };
    let is_debugged = srv.scripts.debug.session.is_some();
    if is_debugged {
        echo::command(srv, &scratch.argv);
    }
    if let Err(fault) = run_command(srv, scratch) {
        srv.stats.count_error(fault.code());
        echo::fault(stack, &fault.0);
        push_counted_fault(stack, &fault.0);
        return false;
    }
    if is_debugged {
        let out = &mut scratch.reply.out;
        if out.chunks() > 0 {
            out.tail = std::mem::take(out).into_bytes();
        }
        echo::reply(srv, &out.tail);
    }
    let resp = scratch.reply.resp;
    let out = &mut scratch.reply.out;
    let succeeded = if out.chunks() == 0 {
        push_reply(stack, &out.tail, resp);
        out.tail.first() != Some(&b'-')
    } else {
        let bytes = std::mem::take(out).into_bytes();
        push_reply(stack, &bytes, resp);
        bytes.first() != Some(&b'-')
    };
    out.tail.clear();
    if out.tail.capacity() > KEEP_TAIL {
        out.clear();
    }
    succeeded
}

/// Takes the arguments of a command from the stack.
///
/// # Errors
/// There is none, or one is neither a text nor a number.
pub fn take_arguments(stack: &mut Stack<'_>, argv: &mut Argv) -> Result<(), &'static [u8]> {
    if stack.top() == 0 {
        return Err(b"ERR Please specify at least one argument for this redis lib call");
    }
    let mut text = Vec::new();
    let mut all_fit = true;
    let mut copied = 0;
    stack.for_each(|value| match value {
        View::String(bytes) => {
            copied += bytes.len();
            argv.push(bytes);
        }
        View::Number(number) => {
            text.clear();
            push_number(&mut text, number);
            argv.push(&text);
        }
        _ => all_fit = false,
    });
    stack.set_top(0);
    stack.charge(copied / BYTES_PER_STEP);
    if all_fit {
        Ok(())
    } else {
        Err(b"ERR Lua redis lib command arguments must be strings or integers")
    }
}

/// A number as an argument: an integer without an exponent, if it is one.
fn push_number(out: &mut Vec<u8>, number: f64) {
    match f64_to_i64(number) {
        Some(integer) => push_i64(out, integer),
        None if number.is_nan() && number.is_sign_negative() => out.extend_from_slice(b"-nan"),
        None => push_f64(out, number),
    }
}

/// Runs the command in `scratch.argv`; its reply is in `scratch.reply`.
///
/// # Errors
/// The command may not run. Its refusal is counted, but not the error.
fn run_command(srv: &mut Server, scratch: &mut Scratch) -> Result<(), Fault> {
    let argv = &scratch.argv;
    let (cmd, spec, proc) = resolve_for_script(srv, argv, &mut scratch.latest)?;
    let Some(run) = &srv.scripts.run else {
        return Ok(());
    };
    let mut caller = run.caller;
    let reject = |srv: &mut Server, fault| {
        srv.stats.command(cmd).rejected += 1;
        Err(fault)
    };
    let outer_hash = srv.turn.key_hash;
    srv.turn.key_hash = first_key_hash(srv, spec, argv);
    if let Err(fault) = admit(srv, &caller, cmd, spec, argv) {
        srv.turn.key_hash = outer_hash;
        return reject(srv, fault);
    }
    if spec.flags.contains(Flags::WRITE)
        && let Some(run) = &mut srv.scripts.run
    {
        run.flags |= RunFlags::HAS_WRITTEN;
    }
    let reply = &mut scratch.reply;
    reply.resp = caller.session.resp;
    let invocation = Invocation {
        cmd,
        proc,
        argv,
        before: None,
    };
    if srv.snapshot.loading.is_some() && caller.obeyed {
        call::replay(srv, &mut caller, &invocation, reply);
    } else {
        call::call(srv, &mut caller, &invocation, reply);
    }
    srv.turn.key_hash = outer_hash;
    if let Some(run) = &mut srv.scripts.run {
        run.caller.session = caller.session;
    }
    Ok(())
}

/// The hash of the first key, if it is the first argument: many commands need it more than once. In a cluster, routing
/// determines it.
fn first_key_hash(srv: &Server, spec: &Spec, argv: &Argv) -> KeyHash {
    if spec.range.first != 1 || argv.len() < 2 || srv.cluster.is_some() {
        return KeyHash::NONE;
    }
    let key = &argv[1];
    KeyHash::of((key, key_hash(srv, key)))
}

/// The row and the proc of a command.
fn resolve_for_script(
    srv: &mut Server,
    argv: &Argv,
    latest: &mut Option<(ShortName, CmdId)>,
) -> Result<(CmdId, &'static Spec, Proc), Fault> {
    let name = ShortName::of(&argv[0]);
    let known = latest.filter(|(known, _)| name == Some(*known));
    let cmd = known.map_or_else(|| find(&srv.commands, &argv[0]), |(_, cmd)| Some(cmd));
    if known.is_none() {
        *latest = name.zip(cmd);
    }
    resolve_found(&srv.commands, cmd, argv).map_err(|unresolved| {
        Fault::new(match unresolved {
            Unresolved::Arity(cmd) => {
                srv.stats.command(cmd).rejected += 1;
                "ERR Wrong number of args calling Redis command from script"
            }
            Unresolved::Command | Unresolved::Subcommand => {
                "ERR Unknown Redis command called from script"
            }
        })
    })
}

/// Whether a command of a script may run.
///
/// # Errors
/// Why not.
fn admit(
    srv: &mut Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
) -> Result<(), Fault> {
    // No script runs within a script, and none changes what is being run, whatever a debugging command allows.
    let may_call_all = srv.debug.scripts_may_call_all && spec.group != Group::Scripting;
    if spec.flags.contains(Flags::NOSCRIPT) && !may_call_all {
        return Err(Fault::new(
            "ERR This Redis command is not allowed from script",
        ));
    }
    if gate::is_stale(srv) && !spec.flags.contains(Flags::STALE) {
        return Err(Fault::new(
            "ERR Can not execute the command on a stale replica",
        ));
    }
    if let Some(denied) = permission::denied(srv, caller, cmd, spec, argv) {
        permission::log(srv, caller, cmd, argv, denied);
        let text = permission::sentence(srv, caller, cmd, denied);
        return Err(Fault::bytes(
            [b"ERR ACL failure in script: ", text.as_slice()].concat(),
        ));
    }
    admit_state(srv, caller, cmd, spec)?;
    admit_slot(srv, caller, cmd, spec, argv)
}

/// Whether the state of the server and the script's own flags admit a command.
fn admit_state(srv: &Server, caller: &Caller, cmd: CmdId, spec: &Spec) -> Result<(), Fault> {
    let Some(run) = &srv.scripts.run else {
        return Ok(());
    };
    let flags = run.flags;
    let writes = Flags::WRITE | Flags::MAY_REPLICATE;
    if flags.contains(RunFlags::READ_ONLY) && spec.flags.intersects(writes) {
        let text = "ERR Write commands are not allowed from read-only scripts.";
        return Err(Fault::new(text));
    }
    if flags.contains(RunFlags::HAS_WRITTEN) {
        return Ok(());
    }
    if spec.flags.contains(Flags::WRITE) {
        admit_write(srv, caller, cmd)?;
    }
    let may_exceed = flags.contains(RunFlags::ALLOW_OOM) || caller.obeyed;
    if spec.flags.contains(Flags::DENYOOM) && !may_exceed && is_out_of_memory(srv) {
        return Err(OOM);
    }
    Ok(())
}

/// Whether this node of a cluster serves the keys of a command, and whether the script may use them.
fn admit_slot(
    srv: &mut Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
) -> Result<(), Fault> {
    let routed = route(srv, caller, cmd, spec, spec.flags, argv).map_err(|why| {
        Fault::new(match why {
            Redirection::DownReadOnly => {
                "ERR Script attempted to execute a write command while the cluster is down and readonly"
            }
            Redirection::Down => {
                "ERR Script attempted to execute a command while the cluster is down"
            }
            _ => "ERR Script attempted to access a non local key in a cluster node",
        })
    })?;
    let Some((run, Located { slot, hash })) = srv.scripts.run.as_mut().zip(routed) else {
        return Ok(());
    };
    srv.turn.key_hash = hash;
    if run.flags.contains(RunFlags::ALLOW_CROSS_SLOT) || *run.slot.get_or_insert(slot) == slot {
        return Ok(());
    }
    Err(Fault::new(
        "ERR Script attempted to access keys that do not hash to the same slot",
    ))
}

/// Whether more than `maxmemory` was in use when the command that runs the script began.
pub fn is_out_of_memory(srv: &Server) -> bool {
    srv.config.maxmemory > 0 && srv.eviction.found_no_room
}

/// Whether the state of the server admits a script's first write.
fn admit_write(srv: &Server, caller: &Caller, cmd: CmdId) -> Result<(), Fault> {
    let is_replica = srv.replication.link.is_some();
    if is_replica && srv.config.replica_read_only && !caller.obeyed {
        return Err(READ_ONLY);
    }
    if let Some(fault) = gate::disk_fault(srv, cmd, true) {
        return Err(fault);
    }
    if srv.config.min_replicas_to_write > 0 && gate::lacks_replicas(srv) {
        return Err(NO_REPLICAS);
    }
    Ok(())
}

/// `redis.acl_check_cmd`: whether the user may run a command.
pub fn check_permission(stack: &mut Stack<'_>) -> Outcome {
    let mut argv = Argv::default();
    if let Err(message) = take_arguments(stack, &mut argv) {
        echo::fault(stack, message);
        push_fault(stack, message);
        return Err(Raise);
    }
    let Some(srv) = running(stack) else {
        return Err(raise(
            stack,
            "redis.acl_check_cmd() can only be called inside a script invocation",
        ));
    };
    let found = resolve(&srv.commands, &argv);
    let Some(cmd) = found.map_or_else(Unresolved::cmd, |(cmd, ..)| Some(cmd)) else {
        return Err(raise(
            stack,
            "Invalid command passed to redis.acl_check_cmd()",
        ));
    };
    let caller = srv.scripts.run.as_ref().map(|run: &Run| run.caller);
    let spec = table::spec(cmd);
    let may =
        caller.is_none_or(|caller| permission::denied(srv, &caller, cmd, spec, &argv).is_none());
    stack.push_boolean(may);
    Ok(1)
}
