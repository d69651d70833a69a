//! SAVE, BGSAVE, LASTSAVE.

use table::server as rows;

use crate::commands::Family;
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
];

/// Whether a saving child is running.
fn is_saving(cx: &Ctx<'_>) -> bool {
    cx.srv
        .child
        .as_ref()
        .is_some_and(|child| child.purpose == Purpose::Save)
}

fn save(cx: &mut Ctx<'_>) -> Done {
    if is_saving(cx) {
        return Err(Fault::new("ERR Background save already in progress"));
    }
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
