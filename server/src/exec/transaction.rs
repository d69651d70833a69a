//! EXEC: the queued commands, one after the other, as one unit.

use crate::exec::call::{Call, call};
use crate::server::{Ctx, Origin, Propagate};
use crate::state::multi::Multi;

/// Executes a transaction and answers with the array of its answers.
///
/// Each command sees the database that the one before it selected. None may block: one that finds nothing answers as if
/// its time were over.
pub fn execute(cx: &mut Ctx<'_>, multi: Multi) {
    let id = cx.client_id();
    cx.reply.array(multi.queue.len());
    // Each command tells for itself.
    cx.propagate = Propagate::Never;
    for queued in multi.queue {
        let proc = cx.srv.commands.procs[queued.cmd.index()];
        let proc = proc.expect("only what can be executed is queued");
        let inner = Call {
            origin: Origin::Exec(id),
            cmd: queued.cmd,
            proc,
            argv: &queued.argv,
            before: None,
        };
        call(cx.srv, inner, cx.reply);
    }
}
