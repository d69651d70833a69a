//! SCRIPT KILL and FUNCTION KILL: the script that is being run is told to end.

use crate::server::{Ctx, Done};
use crate::state::scripts::run::RunFlags;
use crate::wire::fault::{BUSY_FUNCTION, BUSY_SCRIPT, Fault};

/// The command that kills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killer {
    /// SCRIPT KILL.
    Script,
    /// FUNCTION KILL.
    Function,
}

/// Executes either command.
///
/// # Errors
/// There is no script, it may not be killed, or not by this command.
pub fn kill(cx: &mut Ctx<'_>, killer: Killer) -> Done {
    let Some(run) = &mut cx.srv.scripts.run else {
        return Err(Fault::new("NOTBUSY No scripts in execution right now."));
    };
    if run.caller.obeyed {
        return Err(Fault::new(
            "UNKILLABLE The busy script was sent by a master instance in the context of replication and cannot be killed.",
        ));
    }
    if run.flags.contains(RunFlags::HAS_WRITTEN) {
        return Err(Fault::new(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script \
             termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        ));
    }
    match (killer, run.is_eval()) {
        (Killer::Script, false) => return Err(BUSY_FUNCTION),
        (Killer::Function, true) => return Err(BUSY_SCRIPT),
        _ => run.flags |= RunFlags::KILLED,
    }
    cx.reply.ok();
    Ok(())
}
