//! Errors that nobody expects. A command that is obeyed has succeeded where it comes from, so if it fails the data sets
//! differ.

use crate::server::Server;
use crate::warning;
use crate::wire::fault::Fault;

/// Bytes of an error shown in the log.
const SHOWN: usize = 4096;

/// Counts and logs that the command `name` has failed. `receiver` and `sender` are what Redis calls this server and the
/// source of the command. With `panics` the process ends.
#[cold]
pub fn report(
    srv: &mut Server,
    [receiver, sender]: [&str; 2],
    name: &str,
    fault: &Fault,
    panics: bool,
) {
    let text = String::from_utf8_lossy(&fault.0[..fault.0.len().min(SHOWN)]);
    note(srv, [receiver, sender], name, &text);
    assert!(
        !panics,
        "This {receiver} panicked sending an error to its {sender} after processing the command '{name}'"
    );
}

/// Counts and logs an error in reply to a command whose source expects none.
#[cold]
pub fn note(srv: &mut Server, [receiver, sender]: [&str; 2], name: &str, text: &str) {
    warning!(
        "== CRITICAL == This {receiver} is sending an error to its {sender}: '-{text}' after processing the command '{name}'"
    );
    srv.stats.unexpected_error_replies += 1;
}
