//! `--pipe`: mass insertion. Standard input is sent to the server unchanged, and the replies are counted.
//!
//! Reads and writes alternate as the socket becomes ready. After the last byte of input an ECHO of random bytes is sent:
//! its reply is the last one.
//!
//! Sends block. That cannot deadlock, because a Redis server keeps reading while it has replies to write. Reads do not
//! block: over TLS a socket also becomes readable because of session tickets, and then no reply follows.

use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use conn::blocking::Failure;
use conn::encode::request;
use conn::error::system_reason;
use conn::resp::{Decoder, Value};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::dice::Dice;
use crate::out::{Exit, complain, fail, print};
use crate::session::{GLANCE, Session};

/// Bytes of input at a time.
const CHUNK: usize = 16 * 1024;
/// Bytes of replies at a time.
const REPLIES: usize = 64 * 1024;
/// Interval of the check for the time-out, in milliseconds.
const TICK_MS: u16 = 1000;
/// Length of the random argument of ECHO.
const MAGIC: usize = 20;

/// The state of a mass insertion.
struct Insertion {
    decoder: Decoder,
    errors: u64,
    replies: u64,
    /// The expected last reply, once the input has ended.
    magic: Option<Vec<u8>>,
    done: bool,
    heard: Instant,
}

/// Sends standard input and reads all replies; after the last command, `patience` is the time-out for each.
///
/// # Errors
/// There were error replies, or the connection failed; a message was printed.
pub fn run(session: &mut Session, patience: Option<Duration>) -> Result<(), Exit> {
    session.connect_or_exit()?;
    if let Ok(client) = session.client() {
        client.set_read_timeout(Some(GLANCE));
    }
    let mut insertion = Insertion {
        decoder: Decoder::default(),
        errors: 0,
        replies: 0,
        magic: None,
        done: false,
        heard: Instant::now(),
    };
    while !insertion.done {
        let ended = insertion.magic.is_some();
        let (readable, writable) = match ready(session, !ended) {
            Ok(ready) => ready,
            Err(error) => {
                return fail(format!(
                    "Error waiting for the server: {}",
                    system_reason(&error)
                ));
            }
        };
        if readable {
            insertion.read(session)?;
        }
        if writable {
            insertion.write(session)?;
        }
        // As in Redis, whole seconds count.
        let waited = insertion.heard.elapsed().as_secs();
        let seconds = patience.map_or(u64::MAX, |patience| patience.as_secs());
        if ended && waited > seconds {
            complain(format!("No replies for {seconds} seconds: exiting."));
            insertion.errors += 1;
            break;
        }
    }
    let Insertion {
        errors, replies, ..
    } = insertion;
    print(format!("errors: {errors}, replies: {replies}\n"));
    if errors > 0 { Err(Exit(1)) } else { Ok(()) }
}

impl Insertion {
    fn read(&mut self, session: &mut Session) -> Result<(), Exit> {
        let mut buf = vec![0; REPLIES];
        match session.client().and_then(|client| client.receive(&mut buf)) {
            Ok(0) => {
                complain("Error reading replies from server");
                return fail("Error: Server closed the connection");
            }
            Ok(n) => self.decoder.feed(&buf[..n]),
            Err(Failure::TimedOut) => return Ok(()),
            Err(failure) => {
                complain("Error reading replies from server");
                return fail(session.describe(&failure));
            }
        }
        loop {
            match self.decoder.next_value() {
                Ok(Some(reply)) => self.count(&reply),
                Ok(None) => return Ok(()),
                Err(error) => {
                    complain("Error reading replies from server");
                    return fail(format!("Error: {error}"));
                }
            }
        }
    }

    fn count(&mut self, reply: &Value) {
        self.heard = Instant::now();
        match reply {
            Value::Push(_) => return,
            Value::Error(text) => {
                complain(text);
                self.errors += 1;
            }
            Value::Bulk(text) if self.magic.as_ref() == Some(text) => {
                print("Last reply received from server.\n");
                self.done = true;
                return;
            }
            _ => {}
        }
        self.replies += 1;
    }

    fn write(&mut self, session: &mut Session) -> Result<(), Exit> {
        let mut buf = vec![0; CHUNK];
        let read = loop {
            match stdin().lock().read(&mut buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        match read {
            Ok(0) => {
                buf = self.final_echo();
                print("All data transferred. Waiting for the last reply...\n");
                self.heard = Instant::now();
            }
            Ok(n) => buf.truncate(n),
            Err(error) => {
                return fail(format!(
                    "Error reading from stdin: {}",
                    system_reason(&error)
                ));
            }
        }
        match session.client().and_then(|client| client.send(&buf)) {
            Ok(()) => Ok(()),
            // Replies that were sent before the connection was closed may tell why.
            Err(Failure::Closed) if self.magic.is_none() => self.read(session),
            Err(failure) => fail(format!("Error writing to the server: {failure}")),
        }
    }

    /// The final ECHO. It follows a newline, so that the server recognizes it even if the input ended inside a line.
    fn final_echo(&mut self) -> Vec<u8> {
        let mut dice = Dice::new();
        let magic: Vec<u8> = (0..MAGIC).map(|_| dice.roll() as u8).collect();
        let mut words = b"\r\n".to_vec();
        request([b"ECHO", magic.as_slice()].iter(), &mut words);
        self.magic = Some(magic);
        words
    }
}

/// Waits until the connection is readable or, with `to_write`, writable.
fn ready(session: &mut Session, to_write: bool) -> io::Result<(bool, bool)> {
    let Ok(client) = session.present_client() else {
        return Err(io::ErrorKind::NotConnected.into());
    };
    let mut wanted = PollFlags::POLLIN;
    wanted.set(PollFlags::POLLOUT, to_write);
    let buffered = client.has_buffered();
    let mut fds = [PollFd::new(client.as_fd(), wanted)];
    let timeout = if buffered { 0 } else { TICK_MS };
    match poll(&mut fds, PollTimeout::from(timeout)) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(errno.into()),
    }
    let found = fds[0].revents().unwrap_or(PollFlags::empty());
    let writable = found.contains(PollFlags::POLLOUT);
    let readable = buffered || found.intersects(!PollFlags::POLLOUT);
    Ok((readable, writable))
}
