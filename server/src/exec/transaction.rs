//! EXEC: the queued commands, one after the other, as one unit.

use crate::exec::call::{Invocation, call};
use crate::exec::permission;
use crate::exec::refuse::refuse;
use crate::server::{Ctx, Propagate};
use crate::state::multi::Multi;
use crate::wire::argv::Argv;

/// Executes a transaction and replies with the array of the replies.
///
/// Each command sees the session as the previous one left it. The caller's permissions are checked again, since they
/// may have changed since the command was queued. No command may block: one that finds nothing replies as if it had
/// timed out.
pub fn execute(cx: &mut Ctx<'_>, multi: &Multi) {
    cx.reply.array(multi.queue.len());
    // Each queued command is propagated on its own; EXEC itself is not.
    cx.propagate = Propagate::Never;
    let mut caller = cx.caller.in_transaction();
    let mut queue = multi.queue.reader();
    let mut argv = Argv::default();
    while let Some(cmd) = queue.next_into(&mut argv) {
        let spec = table::spec(cmd);
        if let Some(denied) = permission::denied(cx.srv, &caller, cmd, spec, &argv) {
            permission::log(cx.srv, &caller, cmd, &argv, denied);
            let fault = permission::fault_in_transaction(denied);
            refuse(cx.srv, cx.reply, &fault);
            continue;
        }
        let proc = cx.srv.commands.rows[cmd.index()].proc;
        let invocation = Invocation {
            cmd,
            proc: proc.expect("only what can be executed is queued"),
            argv: &argv,
            before: None,
        };
        call(cx.srv, &mut caller, &invocation, cx.reply);
    }
    cx.caller.session = caller.session;
}
