//! What happens while a script takes long: other clients are told that the server is busy, and one of them may kill it.

use lua::function::Raise;
use lua::stack::Stack;

use crate::exec::nested::process_events_inside;
use crate::script::error::{self, raise};
use crate::server::Server;
use crate::state::scripts::run::RunFlags;
use crate::sys::clock;
use crate::{notice, warning};

/// Called about every 100,000 instructions of a script or of the code of a library.
///
/// # Errors
/// The script was killed, or the code has taken too long.
pub fn check(stack: &mut Stack<'_>) -> Result<(), Raise> {
    let Some(srv) = stack.host::<Server>() else {
        return Ok(());
    };
    if let Some(load) = &srv.scripts.load {
        let elapsed_ms = clock::monotonic_us().saturating_sub(load.started_us) / 1000;
        if load
            .timeout_ms
            .is_some_and(|timeout_ms| elapsed_ms > timeout_ms)
        {
            return Err(raise(stack, "FUNCTION LOAD timeout"));
        }
    } else if is_killed(srv) {
        notice!("Lua script killed by user with SCRIPT KILL.");
        let raised = raise(stack, "Script killed by user with SCRIPT KILL...");
        error::add_place(stack, 0);
        return Err(raised);
    }
    Ok(())
}

/// Serves other clients if the script has run for long enough; whether it is to end.
fn is_killed(srv: &mut Server) -> bool {
    let threshold_ms = srv.config.busy_reply_threshold;
    let Some(run) = srv.scripts.run.as_mut() else {
        return false;
    };
    if !run.is_busy() {
        let elapsed_ms = clock::monotonic_us().saturating_sub(run.started_us) / 1000;
        if threshold_ms <= 0 || (elapsed_ms as i64) < threshold_ms {
            return false;
        }
        run.flags |= RunFlags::BUSY;
        let kill = if run.is_eval() {
            "SCRIPT KILL"
        } else {
            "FUNCTION KILL"
        };
        warning!(
            "Slow script detected: still in execution after {elapsed_ms} milliseconds. You can try killing the script using \
             the {kill} command. Script name is: {}.",
            String::from_utf8_lossy(run.name.bytes())
        );
    }
    process_events_inside(srv);
    if srv.shutdown.asap.is_some() {
        // SHUTDOWN NOSAVE: all that belongs to it is done.
        std::process::exit(0);
    }
    let run = srv.scripts.run.as_ref();
    run.is_some_and(|run| run.flags.contains(RunFlags::KILLED))
}
