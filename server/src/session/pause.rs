//! Letting clients wait for a while.

use ae::time::Next;

use crate::server::Server;
use crate::state::pauses::{Purpose, Scope};

/// Lets commands wait until `end_ms`, in milliseconds of Unix time.
pub fn pause(srv: &mut Server, purpose: Purpose, scope: Scope, end_ms: i64) {
    srv.pauses.begin(purpose, scope, end_ms);
    if end_ms != i64::MAX {
        let ms = (end_ms - srv.unit.now_ms).max(0) as u64;
        // Only to wake the loop in time: before it sleeps again it looks at all pauses.
        srv.el.add_timer(ms, |_, _, _| Next::Never, 0);
    }
}

/// Ends the pause of a purpose. Those who waited go on before the loop sleeps, if no other pause is left.
pub fn unpause(srv: &mut Server, purpose: Purpose) {
    srv.pauses.end(purpose);
}
