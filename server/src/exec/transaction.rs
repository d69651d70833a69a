//! EXEC: the queued commands, one after the other, as one unit.

use crate::exec::call::{Invocation, call};
use crate::exec::gate::permitted;
use crate::exec::refuse::refuse;
use crate::server::{Ctx, Propagate};
use crate::state::multi::Multi;

/// Executes a transaction and answers with the array of its answers.
///
/// Each command sees the session as the one before it left it, and is asked once more whether its caller is permitted to
/// use it: that may have changed since it was queued. None may block: one that finds nothing answers as if its deadline
/// had passed.
pub fn execute(cx: &mut Ctx<'_>, multi: Multi) {
    cx.reply.array(multi.queue.len());
    // Each command propagates for itself.
    cx.propagate = Propagate::Never;
    let mut caller = cx.caller.in_transaction();
    for queued in multi.queue {
        let spec = table::spec(queued.cmd);
        if let Some(fault) = permitted(cx.srv, &caller, spec) {
            refuse(cx.srv, cx.reply, &fault);
            continue;
        }
        let proc = cx.srv.commands.procs[queued.cmd.index()];
        let invocation = Invocation {
            cmd: queued.cmd,
            proc: proc.expect("only what can be executed is queued"),
            argv: &queued.argv,
            before: None,
        };
        call(cx.srv, &mut caller, &invocation, cx.reply);
    }
    cx.caller.session = caller.session;
}
