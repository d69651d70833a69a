//! One connection without its loop: reads and writes that wait for the socket, and letting go of a connection that a
//! forked child goes on with.
//!
//! For a command that talks to its own client while it runs. The loop stands still meanwhile; nothing of what happens
//! here changes its registrations. What it believes of the socket's readiness may be out of date afterwards, which costs
//! it a call that finds nothing: bytes that arrive later are reported as a new edge.
//!
//! # Two processes and one TLS session
//!
//! After a fork both have the keys and the record numbers of the session. Only one of them may send: two records with the
//! same number would share a nonce. So the parent calls `abandon` before it does anything else with the connection, and it
//! sends nothing, close_notify included.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ae::event_loop::EventLoop;
use ae::file::Mask;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::connection::{ConnId, Phase};
use crate::conns::{Conns, find, gone};
use crate::error::{Cause, ConnError, Step};
use crate::io::{self, Budget, Readiness};
use crate::stream::{Io, Stream};
use crate::tls::stream::TlsStream;

/// Nothing is known of the socket, so each call asks the kernel.
const UNKNOWN: Readiness = Readiness {
    ready: Mask::READABLE.union(Mask::WRITABLE),
    is_closing: true,
};

impl<S> Conns<S> {
    /// Reads into `buf`, and waits until there is something, at most for `patience`. Would-block means that nothing came, or
    /// that a signal has arrived.
    pub fn read_waiting(&mut self, id: ConnId, buf: &mut [u8], patience: Duration) -> Io {
        let Some(connection) = find(&mut self.slots, id) else {
            return gone(Step::Read);
        };
        if connection.phase != Phase::Open || connection.stream.is_lent() {
            return Io::Eof;
        }
        loop {
            // A budget keeps a loop's turn short; here there is none.
            let mut budget = Budget::default();
            let stream = &mut connection.stream;
            let moved = io::read(stream, &mut self.pool, UNKNOWN, &mut budget, buf);
            if !matches!(moved.io, Io::WouldBlock) {
                return moved.io;
            }
            if stream.tls().is_some_and(TlsStream::is_pending) {
                continue;
            }
            match wait(stream, PollFlags::POLLIN, patience) {
                Ok(true) => {}
                Ok(false) => return Io::WouldBlock,
                Err(errno) => return Io::Failed(ConnError::io(Step::Read, &errno.into())),
            }
        }
    }

    /// Writes all of `data`, and waits until the socket has taken it, at most for `patience`.
    ///
    /// # Errors
    /// The connection has failed, or it was full for that long; part of the data may have been sent.
    pub fn write_waiting(
        &mut self,
        id: ConnId,
        mut data: &[u8],
        patience: Duration,
    ) -> Result<(), ConnError> {
        let until = Instant::now() + patience;
        let closed = || ConnError::because(Cause::Closed, Step::Write, "the connection is closed");
        let connection = find(&mut self.slots, id).ok_or_else(closed)?;
        if !connection.is_usable() || connection.stream.is_lent() {
            return Err(closed());
        }
        let stream = &mut connection.stream;
        loop {
            let mut budget = Budget::default();
            let moved = if data.is_empty() {
                io::flush(stream, &mut self.pool, UNKNOWN)
            } else {
                io::write(stream, &mut self.pool, UNKNOWN, &mut budget, data)
            };
            match moved.io {
                Io::Done(n) if data.is_empty() || n > 0 => {
                    if data.is_empty() {
                        return Ok(());
                    }
                    data = &data[n..];
                    continue;
                }
                Io::Done(_) | Io::WouldBlock => {}
                Io::Eof => return Err(closed()),
                Io::Failed(error) => return Err(error),
            }
            // What TLS has collected must leave before it accepts more.
            if let Io::Failed(error) = io::flush(stream, &mut self.pool, UNKNOWN).io {
                return Err(error);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let reason = "the peer takes no data";
                return Err(ConnError::because(Cause::Timeout, Step::Write, reason));
            }
            wait(stream, PollFlags::POLLOUT, left)
                .map_err(|errno| ConnError::io(Step::Write, &errno.into()))?;
        }
    }

    /// Tells the peer that nothing follows: close_notify, unless the socket is full. For a process that is about to end.
    pub fn farewell(&mut self, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id)
            && connection.is_usable()
            && let Stream::Tls(tls) = &mut connection.stream
        {
            tls.shutdown(&mut self.pool);
        }
    }

    /// Closes this process's end without a word to the peer: a forked child goes on with the connection. The id is stale at
    /// once.
    pub fn abandon(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id) {
            connection.is_abandoned = true;
        }
        self.close(el, id);
    }
}

/// Waits until a socket is ready; false if a signal has arrived or the time is over.
fn wait(stream: &Stream, wanted: PollFlags, patience: Duration) -> Result<bool, Errno> {
    let fd = match (stream, stream.tcp()) {
        (Stream::Unix(socket), _) => socket.as_fd(),
        (_, Some(socket)) => socket.as_fd(),
        (_, None) => return Err(Errno::EBADF),
    };
    let timeout = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    match poll(&mut [PollFd::new(fd, wanted)], timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(errno) => Err(errno),
    }
}
