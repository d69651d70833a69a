//! What the program says, and how it ends.
//!
//! Everything for standard output goes through [`print`], which flushes: replies are bytes, and whoever reads them by a
//! pipe wants each as it comes. `println!` would panic when that reader is gone; here the program just ends, as one
//! that is killed by SIGPIPE does.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process;

/// The program is to end with this code; the reason was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

/// Writes to standard output.
pub fn print(text: impl AsRef<[u8]>) {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    if let Err(error) = written {
        if error.kind() != ErrorKind::BrokenPipe {
            complain(format!("Error writing to standard output: {error}"));
        }
        process::exit(1);
    }
}

/// Writes a line to standard error.
pub fn complain(text: impl AsRef<[u8]>) {
    let mut err = stderr().lock();
    // Nobody is left to tell.
    let _ = err.write_all(text.as_ref());
    let _ = err.write_all(b"\n");
}

/// Says why and ends in failure.
///
/// # Errors
/// Always: `return fail(…)`.
pub fn fail<T>(text: impl AsRef<[u8]>) -> Result<T, Exit> {
    complain(text);
    Err(Exit(1))
}
