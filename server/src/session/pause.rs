//! Pausing commands of clients for a while.

use crate::server::Server;
use crate::state::pauses::{Purpose, Scope};

/// Holds commands back until `end_ms`, in milliseconds of Unix time.
pub fn pause(srv: &mut Server, purpose: Purpose, scope: Scope, end_ms: i64) {
    srv.pauses.begin(purpose, scope, end_ms);
}

/// Ends the pause of a purpose. Commands that were held back run before the loop sleeps, if no other pause is left.
pub fn unpause(srv: &mut Server, purpose: Purpose) {
    srv.pauses.end(purpose);
}
