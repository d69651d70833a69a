//! `--pipe`: standard input goes to the server as it is, and replies are counted.
//!
//! Reading and writing alternate as the socket allows. After the last byte of input comes an ECHO of random bytes:
//! when they come back, every reply has.
//!
//! A send waits for the socket, and may do so: a Redis server reads on, whatever it has still to write. A read does not
//! wait, for over TLS a socket becomes readable by session tickets too, and then no reply follows.

use std::io::{self, Read, stdin};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use conn::blocking::Failure;
use conn::resp::{Decoder, Value, encode};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::dice::Dice;
use crate::oneshot::reason;
use crate::out::{Exit, complain, fail, print};
use crate::session::{GLANCE, Session};

/// Bytes of input at a time.
const CHUNK: usize = 16 * 1024;
/// Bytes of replies at a time.
const REPLIES: usize = 64 * 1024;
/// Milliseconds after which silence is looked at.
const TICK_MS: u16 = 1000;
/// Bytes of the last word.
const MAGIC: usize = 20;

/// What has come of a transfer.
struct Transfer {
    decoder: Decoder,
    errors: u64,
    replies: u64,
    /// What the last reply will be, once the input has ended.
    magic: Option<Vec<u8>>,
    done: bool,
    heard: Instant,
}

/// Sends standard input and waits for all replies, after the last command at most `patience` for each.
///
/// # Errors
/// There were error replies, or the connection failed; it was said.
pub fn run(session: &mut Session, patience: Option<Duration>) -> Result<(), Exit> {
    session.connect_or_exit()?;
    if let Ok(client) = session.client() {
        client.set_read_timeout(Some(GLANCE));
    }
    let mut transfer = Transfer {
        decoder: Decoder::default(),
        errors: 0,
        replies: 0,
        magic: None,
        done: false,
        heard: Instant::now(),
    };
    while !transfer.done {
        let ended = transfer.magic.is_some();
        let (readable, writable) = match ready(session, !ended) {
            Ok(ready) => ready,
            Err(error) => return fail(format!("Error waiting for the server: {}", reason(&error))),
        };
        if readable {
            transfer.read(session)?;
        }
        if writable {
            transfer.write(session)?;
        }
        let waited = transfer.heard.elapsed();
        if ended && patience.is_some_and(|patience| waited > patience) {
            let seconds = patience.map_or(0, |patience| patience.as_secs());
            complain(format!("No replies for {seconds} seconds: exiting."));
            transfer.errors += 1;
            break;
        }
    }
    let Transfer {
        errors, replies, ..
    } = transfer;
    print(format!("errors: {errors}, replies: {replies}\n"));
    if errors > 0 { Err(Exit(1)) } else { Ok(()) }
}

impl Transfer {
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
                buf = self.last_words();
                print("All data transferred. Waiting for the last reply...\n");
                self.heard = Instant::now();
            }
            Ok(n) => buf.truncate(n),
            Err(error) => return fail(format!("Error reading from stdin: {}", reason(&error))),
        }
        match session.client().and_then(|client| client.send(&buf)) {
            Ok(()) => Ok(()),
            // What the server has said before it hung up is still to be read, and tells why.
            Err(Failure::Closed) if self.magic.is_none() => self.read(session),
            Err(failure) => fail(format!("Error writing to the server: {failure}")),
        }
    }

    /// The ECHO, behind a line end: should the input have stopped in the middle of a line, the server still sees it.
    fn last_words(&mut self) -> Vec<u8> {
        let mut dice = Dice::new();
        let magic: Vec<u8> = (0..MAGIC).map(|_| dice.roll() as u8).collect();
        let mut words = b"\r\n".to_vec();
        encode(&mut words, &[b"ECHO", magic.as_slice()]);
        self.magic = Some(magic);
        words
    }
}

/// Waits until the connection can be read, or written if that is wanted.
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
