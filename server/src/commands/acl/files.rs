//! ACL LOAD and SAVE: the ACL file.

use table::server as rows;

use crate::commands::Family;
use crate::house::users::{load, save};
use crate::server::{Ctx, Done};
use crate::session::auth::close_orphans;
use crate::sys::host::reason;
use crate::warning;
use crate::wire::fault::Fault;

/// Rows and procs.
pub static PROCS: Family = &[(&rows::ACL_LOAD, load_file), (&rows::ACL_SAVE, save_file)];

fn need_file(cx: &Ctx<'_>) -> Done {
    if !cx.srv.config.aclfile.is_empty() {
        return Ok(());
    }
    Err(Fault::new(
        "ERR This Redis instance is not configured to use an ACL file. You may want to specify users via the ACL \
         SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis configuration file set) in order \
         to store users in the Redis configuration.",
    ))
}

/// All clients but those of the default user are closed, since their users were replaced.
fn load_file(cx: &mut Ctx<'_>) -> Done {
    need_file(cx)?;
    load(cx.srv).map_err(|errors| Fault::new(format!("ERR {errors}")))?;
    let closes_caller = close_orphans(cx.srv, cx.caller);
    cx.reply.ok();
    cx.reply.muted |= closes_caller;
    Ok(())
}

fn save_file(cx: &mut Ctx<'_>) -> Done {
    need_file(cx)?;
    save(cx.srv).map_err(|error| {
        warning!("Writing ACL file for ACL SAVE: {}", reason(&error));
        Fault::new(
            "ERR There was an error trying to save the ACLs. Please check the server logs for more information",
        )
    })?;
    cx.reply.ok();
    Ok(())
}
