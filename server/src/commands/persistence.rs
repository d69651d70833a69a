//! SAVE, BGSAVE, LASTSAVE, BGREWRITEAOF.

use table::server as rows;

use crate::commands::Family;
use crate::persist::aof::rewrite;
use crate::persist::bgsave::{begin, save_now};
use crate::server::{Ctx, Done};
use crate::state::caller::Kind;
use crate::state::child::Purpose;
use crate::wire::fault::{ERR, Fault, SYNTAX};

/// Rows and procs.
pub static PROCS: Family = &[
    (&rows::SAVE, save),
    (&rows::BGSAVE, bgsave),
    (&rows::LASTSAVE, lastsave),
    (&rows::BGREWRITEAOF, bgrewriteaof),
];

/// Whether a child of this kind is running.
fn is_running(cx: &Ctx<'_>, purpose: Purpose) -> bool {
    let child = cx.srv.child.as_ref();
    child.is_some_and(|child| child.purpose == purpose)
}

/// Whether a child that writes a snapshot is running, be it for a file or for replicas.
fn is_saving(cx: &Ctx<'_>) -> bool {
    is_running(cx, Purpose::Save) || is_running(cx, Purpose::Stream)
}

fn save(cx: &mut Ctx<'_>) -> Done {
    if is_saving(cx) {
        return Err(Fault::new("ERR Background save already in progress"));
    }
    cx.srv.snapshot.saves += 1;
    if !save_now(cx.srv) {
        return Err(ERR);
    }
    cx.reply.ok();
    Ok(())
}

fn bgsave(cx: &mut Ctx<'_>) -> Done {
    let argv = cx.argv;
    let schedule = match argv.len() {
        1 => false,
        2 if argv[1].eq_ignore_ascii_case(b"schedule") => true,
        _ => return Err(SYNTAX),
    };
    // The save must include the rest of the transaction.
    let in_exec = cx.caller.kind == Kind::Transaction;
    if is_saving(cx) {
        return Err(Fault::new("ERR Background save already in progress"));
    }
    if cx.srv.child.is_some() || in_exec {
        if !schedule && !in_exec {
            return Err(Fault::new(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. \
                 Use BGSAVE SCHEDULE in order to schedule a BGSAVE whenever possible.",
            ));
        }
        cx.srv.snapshot.scheduled = true;
        cx.reply.status("Background saving scheduled");
    } else if begin(cx.srv) {
        cx.reply.status("Background saving started");
    } else {
        return Err(ERR);
    }
    Ok(())
}

fn lastsave(cx: &mut Ctx<'_>) -> Done {
    cx.reply.int(cx.srv.snapshot.last_save);
    Ok(())
}

fn bgrewriteaof(cx: &mut Ctx<'_>) -> Done {
    if is_running(cx, Purpose::Rewrite) {
        return Err(Fault::new(
            "ERR Background append only file rewriting already in progress",
        ));
    }
    // The rewrite must include the rest of the transaction.
    if cx.srv.child.is_some() || cx.caller.kind == Kind::Transaction {
        cx.srv.aof.rewrites.scheduled = true;
        // A rewrite that is requested is not delayed because of earlier failures.
        cx.srv.aof.rewrites.forget_failures();
        cx.reply
            .status("Background append only file rewriting scheduled");
    } else if rewrite::begin(cx.srv) {
        cx.reply
            .status("Background append only file rewriting started");
    } else {
        return Err(Fault::new(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information.",
        ));
    }
    Ok(())
}
