//! EXEC: the queued commands, one after the other, as one unit.

use crate::exec::call::{Call, call};
use crate::server::{Ctx, Origin};
use crate::state::multi::Multi;

/// Executes a transaction and answers with the array of its answers.
///
/// Each command sees the database that the one before it selected. None may block: one that finds nothing answers as if
/// its time were over.
pub fn execute(cx: &mut Ctx<'_>, multi: Multi) {
    let id = cx.client_id();
    cx.reply.array(multi.queue.len());
    for queued in multi.queue {
        let Some(proc) = cx.srv.commands.procs[queued.cmd.index()] else {
            continue;
        };
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
