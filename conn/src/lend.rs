//! Connections lent to another thread, for I/O without the loop.
//!
//! `Conns::lend` takes the transport out of a connection. Whoever holds the `Lent`, a thread with a
//! `Pool` of its own, reads and writes with the same code as the owner (`io`). Meanwhile the owner's
//! loop watches the socket for nothing; reads and writes by the owner answer would-block; handlers,
//! protection and the data word may be changed as always. `Conns::give_back` puts the transport back
//! and applies everything that was deferred: the end of the connection that the thread met, events,
//! and a close.
//!
//! ```text
//!   owner:   lend ─────────── events are recorded, close is noted ─────────── give_back
//!   thread:       └─► Lent: read, write, flush with its own pool and budget ─┘
//! ```
//!
//! Invariants:
//! 1. Readiness that the thread uses up is taken out of the loop first (`take_ready`). An edge that
//!    arrives meanwhile sets the bits anew, so `give_back` cannot lose it.
//! 2. A `Lent` must be given back to the `Conns` that it is from: until then its slot, its descriptor
//!    and its registration stay, also if it was closed.
//! 3. Only usable connections are lent, so no handshake is in progress while one is.

use ae::event_loop::EventLoop;
use ae::file::Mask;
use std::io::IoSlice;

use crate::connection::{ConnId, Phase};
use crate::conns::{Conns, find};
use crate::error::ConnError;
use crate::io::{self, Budget, Moved, Readiness};
use crate::stream::{Absent, Io, Stream};
use crate::tls::bio::Pool;
use crate::tls::stream::TlsStream;

/// The transport of a connection, for use by another thread.
#[derive(Debug)]
#[must_use = "a connection that is not given back is lost"]
pub struct Lent {
    id: ConnId,
    stream: Stream,
    readiness: Readiness,
    budget: Budget,
    phase: Phase,
    error: Option<ConnError>,
}

impl Lent {
    /// The connection. It may have been closed by its owner since.
    pub fn id(&self) -> ConnId {
        self.id
    }

    /// Reads into `buf`, as `Conns::read`.
    pub fn read(&mut self, pool: &mut Pool, buf: &mut [u8]) -> Io {
        match self.phase {
            Phase::Open => {}
            Phase::Ended => return Io::Eof,
            _ => return self.failed(),
        }
        let (stream, budget) = (&mut self.stream, &mut self.budget);
        let moved = io::read(stream, pool, self.readiness, budget, buf);
        self.apply(moved)
    }

    /// Writes `data`, as `Conns::write`.
    pub fn write(&mut self, pool: &mut Pool, data: &[u8]) -> Io {
        if self.phase == Phase::Failed {
            return self.failed();
        }
        let (stream, budget) = (&mut self.stream, &mut self.budget);
        let moved = io::write(stream, pool, self.readiness, budget, data);
        self.apply(moved)
    }

    /// Writes several pieces, as `Conns::write_vectored`.
    pub fn write_vectored(&mut self, pool: &mut Pool, pieces: &[IoSlice<'_>]) -> Io {
        if self.phase == Phase::Failed {
            return self.failed();
        }
        let (stream, budget) = (&mut self.stream, &mut self.budget);
        let moved = io::write_vectored(stream, pool, self.readiness, budget, pieces);
        self.apply(moved)
    }

    /// Sends what is collected, as `Conns::flush`.
    pub fn flush(&mut self, pool: &mut Pool) -> Io {
        if self.phase == Phase::Failed {
            return self.failed();
        }
        let moved = io::flush(&mut self.stream, pool, self.readiness);
        self.apply(moved)
    }

    /// Bytes that were accepted and are not in the kernel.
    pub fn pending_out(&self) -> usize {
        self.stream.unsent()
    }

    /// True if a read would give something without input from the socket.
    pub fn is_pending(&self) -> bool {
        self.phase == Phase::Open && self.stream.tls().is_some_and(TlsStream::is_pending)
    }

    fn apply(&mut self, Moved { io, drained }: Moved) -> Io {
        self.readiness.ready.remove(drained);
        match &io {
            Io::Failed(error) => {
                self.phase = Phase::Failed;
                self.error = Some(error.clone());
            }
            Io::Eof => self.phase = Phase::Ended,
            Io::Done(_) | Io::WouldBlock => {}
        }
        io
    }

    fn failed(&self) -> Io {
        self.error.clone().map_or(Io::Eof, Io::Failed)
    }
}

impl<S> Conns<S> {
    /// Lends a connection that is usable and not lent already.
    pub fn lend(&mut self, el: &mut EventLoop<S>, id: ConnId) -> Option<Lent> {
        let connection = find(&mut self.slots, id)?;
        if !connection.is_usable() || connection.stream.is_lent() {
            return None;
        }
        let fd = connection.stream.fd();
        let absent = Absent {
            fd,
            is_tls: connection.stream.is_tls(),
            unsent: connection.stream.unsent(),
            memory: connection.stream.memory(),
        };
        connection.budget.begin(el.turn());
        let stream = std::mem::replace(&mut connection.stream, Stream::Lent(Box::new(absent)));
        let lent = Lent {
            id,
            stream,
            readiness: Readiness {
                ready: el.take_ready(fd),
                is_closing: el.is_closing(fd),
            },
            budget: connection.budget,
            phase: connection.phase,
            error: None,
        };
        self.watch(el, id);
        Some(lent)
    }

    /// Takes a lent connection back, and applies what happened meanwhile.
    pub fn give_back(&mut self, el: &mut EventLoop<S>, lent: Lent) {
        let Lent {
            id,
            stream,
            readiness,
            budget,
            phase,
            error,
        } = lent;
        let slot = self.slots.get_mut(id.index());
        let fd = stream.fd();
        let owner = slot
            .and_then(|slot| slot.connection.as_mut())
            .filter(|connection| connection.stream.is_lent() && connection.stream.fd() == fd);
        let Some(connection) = owner else {
            debug_assert!(false, "a connection was given back to the wrong owner");
            return;
        };
        connection.stream = stream;
        connection.budget = budget;
        connection.phase = phase;
        connection.error = error.map(|error| error.with_peer(&connection.peer));
        if connection.is_closed {
            return self.remove(el, id);
        }
        el.restore_ready(fd, readiness.ready & (Mask::READABLE | Mask::WRITABLE));
        self.reading_changed(el, id);
    }

    /// Adds the bytes and records that a thread's `pool` has counted to this loop's statistics.
    pub fn merge_traffic(&mut self, pool: &mut Pool) {
        self.pool.traffic.add(std::mem::take(&mut pool.traffic));
    }
}
