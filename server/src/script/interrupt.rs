//! What happens while a script takes long: other clients are told that the server is busy, and one of them may kill it.

use lua::function::{Outcome, Raise};
use lua::stack::Stack;

use crate::exec::nested::process_events_inside;
use crate::script::error::push_fault;
use crate::server::Server;
use crate::state::scripts::run::RunFlags;
use crate::sys::clock;
use crate::{notice, warning};

/// Called after each so many instructions of a script.
///
/// # Errors
/// The script was killed.
pub fn check(stack: &mut Stack<'_>) -> Outcome {
    let Some(srv) = stack.host::<Server>() else {
        return Ok(0);
    };
    if is_killed(srv) {
        notice!("Lua script killed by user with SCRIPT KILL.");
        push_fault(stack, b"ERR Script killed by user with SCRIPT KILL...");
        return Err(Raise);
    }
    Ok(0)
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
