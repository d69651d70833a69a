//! Commands that survive restarts of the server, for modes that run continuously.

use std::thread;
use std::time::Duration;

use conn::blocking::Failure;
use conn::resp::Value;

use crate::out::{Exit, fail, print};
use crate::session::Session;

const CLEAR_LINE: &str = "\r\x1b[0K";
const PAUSE: Duration = Duration::from_secs(1);

/// Sends a command and waits for its reply, reconnecting until that succeeds.
///
/// # Errors
/// The server can be reached but cannot be used; a message was printed.
pub fn call(session: &mut Session, argv: &[&str]) -> Result<Value, Exit> {
    let mut tries = 0;
    loop {
        match session.call(argv) {
            Ok(reply) => {
                if tries > 0 {
                    print(CLEAR_LINE);
                }
                return Ok(reply);
            }
            Err(failure @ Failure::Protocol(_)) => return fail(session.describe(&failure)),
            Err(_) => {}
        }
        loop {
            tries += 1;
            print(format!("{CLEAR_LINE}Reconnecting... {tries}\r"));
            if session.reconnect()? {
                break;
            }
            // A server that restarts refuses connections at once, and nothing tells when it will accept one.
            thread::sleep(PAUSE);
        }
    }
}
