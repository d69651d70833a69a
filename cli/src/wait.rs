//! Waiting for the server, the keyboard and Ctrl-C at once.

use std::io::stdin;
use std::os::fd::AsFd;

use conn::blocking::Failure;
use conn::error::{ConnError, Step};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::session::Session;

/// Milliseconds after which a wait for a key ends, so that the status line is drawn again.
const KEY_MS: u16 = 5000;

/// What came first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Ctrl-C.
    Interrupt,
    /// The server sent something, or closed the connection.
    Server,
    /// A key was pressed, or standard input ended.
    Key,
    /// Nothing within the time-out.
    Nothing,
}

/// Waits until the server sends something; false if Ctrl-C came first.
///
/// # Errors
/// There is no connection, or poll failed.
pub fn for_reply(session: &Session) -> Result<bool, Failure> {
    loop {
        match wait(session, false, PollTimeout::NONE)? {
            Event::Nothing | Event::Key => {}
            Event::Interrupt => return Ok(false),
            Event::Server => return Ok(true),
        }
    }
}

/// Waits for the server or a key, for [`KEY_MS`] at most.
///
/// # Errors
/// There is no connection, or poll failed.
pub fn for_reply_or_key(session: &Session) -> Result<Event, Failure> {
    wait(session, true, PollTimeout::from(KEY_MS))
}

fn wait(session: &Session, for_key: bool, timeout: PollTimeout) -> Result<Event, Failure> {
    let client = session.present_client()?;
    if client.has_buffered() {
        return Ok(Event::Server);
    }
    let keyboard = stdin();
    // In order of precedence.
    let mut events = Vec::with_capacity(3);
    let mut fds = Vec::with_capacity(3);
    if let Some(interrupts) = &session.interrupts {
        events.push(Event::Interrupt);
        fds.push(PollFd::new(interrupts.as_fd(), PollFlags::POLLIN));
    }
    events.push(Event::Server);
    fds.push(PollFd::new(client.as_fd(), PollFlags::POLLIN));
    if for_key {
        events.push(Event::Key);
        fds.push(PollFd::new(keyboard.as_fd(), PollFlags::POLLIN));
    }
    match poll(&mut fds, timeout) {
        Ok(_) | Err(Errno::EINTR) => {}
        Err(errno) => return Err(Failure::Conn(ConnError::io(Step::Read, &errno.into()))),
    }
    let ready = fds.iter().position(|fd| fd.any().unwrap_or(true));
    let event = ready.map_or(Event::Nothing, |at| events[at]);
    if event == Event::Interrupt
        && let Some(interrupts) = &session.interrupts
    {
        interrupts.take();
    }
    Ok(event)
}
