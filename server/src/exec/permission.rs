//! Whether the caller's user may execute a command, and what the client is told if not.

use table::CmdId;
use table::spec::Spec;

use crate::server::{Ctx, Server};
use crate::session::auth::{context, log_refusal};
use crate::state::acl::log::{Reason, Refusal};
use crate::state::acl::patterns::Access;
use crate::state::acl::user::{Attempt, Denied, User};
use crate::state::caller::Caller;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;

/// Why the caller's user may not execute a command; `None` if it may. Checked before a command is queued or called, again
/// for each command that EXEC takes from the queue, and again for a blocked command that is executed again.
#[inline]
pub fn denied(
    srv: &Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
) -> Option<Denied> {
    if srv.acl.is_unrestricted_default(caller.session.user) {
        return None;
    }
    check(srv, caller, cmd, spec, argv)
}

#[inline(never)]
fn check(
    srv: &Server,
    caller: &Caller,
    cmd: CmdId,
    spec: &'static Spec,
    argv: &Argv,
) -> Option<Denied> {
    if caller.obeyed {
        return None;
    }
    // A user is missing if it was deleted while a command of the client was on the stack.
    let Some(user) = srv.acl.get(caller.session.user) else {
        return Some(Denied::Command);
    };
    if user.is_unrestricted() {
        return None;
    }
    user.denies(&Attempt {
        cmd,
        spec,
        argv: &|at| &argv[at],
        argc: argv.len(),
    })
}

/// Logs a refusal.
#[cold]
pub fn log(srv: &mut Server, caller: &Caller, cmd: CmdId, argv: &Argv, denied: Denied) {
    let (reason, object) = match denied {
        Denied::Command => (Reason::Command, table::full_name(cmd).as_bytes()),
        Denied::Key(at) => (Reason::Key, &argv[at]),
        Denied::Channel(at) => (Reason::Channel, &argv[at]),
    };
    let user = srv.acl.get(caller.session.user);
    let refusal = Refusal {
        reason,
        context: context(caller),
        object: object.to_vec(),
        username: user.map_or(Vec::new(), |user| user.name().to_vec()),
    };
    log_refusal(srv, caller, argv, refusal);
}

/// The reply to a command that its user may not execute.
pub fn fault(srv: &Server, caller: &Caller, cmd: CmdId, denied: Denied) -> Fault {
    let text = sentence(srv, caller, cmd, denied);
    Fault::bytes([b"NOPERM ".as_slice(), &text].concat())
}

/// The sentence that says what the caller's user may not do.
pub fn sentence(srv: &Server, caller: &Caller, cmd: CmdId, denied: Denied) -> Vec<u8> {
    match denied {
        Denied::Command => {
            let user = srv.acl.get(caller.session.user);
            no_command(user.map_or(b"", User::name), cmd)
        }
        Denied::Key(_) => b"No permissions to access a key".to_vec(),
        Denied::Channel(_) => b"No permissions to access a channel".to_vec(),
    }
}

/// The sentence that says that a user may not use a command.
pub fn no_command(user: &[u8], cmd: CmdId) -> Vec<u8> {
    let name = table::full_name(cmd).as_bytes();
    let parts: [&[u8]; 5] = [
        b"User ",
        user,
        b" has no permissions to run the '",
        name,
        b"' command",
    ];
    parts.concat()
}

/// The reply of EXEC in place of the reply to a command that its user may no longer execute.
pub fn fault_in_transaction(denied: Denied) -> Fault {
    let why = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments",
    };
    Fault::new(format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: {why}"
    ))
}

/// Whether the caller's user may read every key, whatever its name: SORT computes the names of keys that BY and GET
/// read.
pub fn may_read_all_keys(cx: &Ctx<'_>) -> bool {
    let argv = cx.argv;
    cx.caller.obeyed
        || cx.srv.acl.get(cx.caller.session.user).is_some_and(|user| {
            let attempt = Attempt {
                cmd: cx.cmd,
                spec: table::spec(cx.cmd),
                argv: &|at| &argv[at],
                argc: argv.len(),
            };
            user.is_unrestricted() || user.admits_any_key(&attempt, Access::READ)
        })
}
