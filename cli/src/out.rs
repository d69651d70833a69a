//! Output and exit codes.
//!
//! All standard output goes through [`print`], which flushes, so that a reader of a pipe gets each reply at once. When that
//! reader has gone, the program exits with the code that a shell reports of one killed by SIGPIPE, where `println!` would panic.

use std::io::{ErrorKind, Write, stderr, stdout};
use std::process;

use conn::error::system_reason;

const KILLED_BY_SIGPIPE: i32 = 128 + 13;

/// The program has to end with this code; a message was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit(pub u8);

/// Writes to standard output.
pub fn print(text: impl AsRef<[u8]>) {
    let mut out = stdout().lock();
    let written = out.write_all(text.as_ref()).and_then(|()| out.flush());
    if let Err(error) = written {
        if error.kind() == ErrorKind::BrokenPipe {
            process::exit(KILLED_BY_SIGPIPE);
        }
        let reason = system_reason(&error);
        complain(format!("Error writing to standard output: {reason}"));
        process::exit(1);
    }
}

/// Writes a line to standard error.
pub fn complain(text: impl AsRef<[u8]>) {
    let mut err = stderr().lock();
    // There is nowhere else to report a failure.
    let _ = err.write_all(text.as_ref());
    let _ = err.write_all(b"\n");
}

/// Prints a message and fails.
///
/// # Errors
/// Always: `return fail(…)`.
pub fn fail<T>(text: impl AsRef<[u8]>) -> Result<T, Exit> {
    complain(text);
    Err(Exit(1))
}
