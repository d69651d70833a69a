//! Failures of commands that are obeyed: they succeeded where they come from, so the data sets differ.

use crate::exec::process::resolve;
use crate::server::Server;
use crate::warning;
use crate::wire::argv::Argv;
use crate::wire::fault::Fault;

/// Bytes of an error shown in the log.
const SHOWN: usize = 4096;

/// Counts and logs that a command has failed. `receiver` and `sender` are what Redis calls this server and the source of the
/// command. With `panics` the process ends.
#[cold]
pub fn report(
    srv: &mut Server,
    [receiver, sender]: [&str; 2],
    argv: &Argv,
    fault: &Fault,
    panics: bool,
) {
    let text = String::from_utf8_lossy(&fault.0[..fault.0.len().min(SHOWN)]);
    let name = resolve(&srv.commands, argv).map_or("<unknown>", |(cmd, ..)| table::full_name(cmd));
    warning!(
        "== CRITICAL == This {receiver} is sending an error to its {sender}: '-{text}' after processing the command '{name}'"
    );
    srv.stats.unexpected_error_replies += 1;
    assert!(
        !panics,
        "This {receiver} panicked sending an error to its {sender} after processing the command '{name}'"
    );
}
