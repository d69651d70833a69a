//! `--scan`: prints the names of all keys.

use words::quote;

use crate::format::Output;
use crate::modes::keys::Walk;
use crate::options::Options;
use crate::out::{Exit, print};
use crate::session::Session;

/// Prints the keys, one per line.
///
/// # Errors
/// The server does not answer; a message was printed.
pub fn run(session: &mut Session, options: &Options) -> Result<(), Exit> {
    session.connect_or_exit()?;
    let mut walk = Walk::new();
    while let Some(keys) = walk.page(session, options)? {
        let mut lines = Vec::new();
        for key in keys {
            if options.format.output == Output::Standard {
                quote(&mut lines, &key);
            } else {
                lines.extend_from_slice(&key);
            }
            lines.push(b'\n');
        }
        print(lines);
        walk.pause(options, true);
    }
    Ok(())
}
