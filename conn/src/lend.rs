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
//! # Invariants
//! 1. Readiness that the thread uses up is taken out of the loop first (`take_ready`). An edge that
//!    arrives meanwhile sets the bits anew, so `give_back` cannot lose it.
//! 2. A `Lent` must be given back to the `Conns` that it is from: until then its slot, its descriptor
//!    and its registration stay, also if it was closed. One that is dropped instead, because its thread
//!    has panicked, returns by itself (`Lost`): the owner finds it in its next turn, as a connection
//!    that has failed.
//! 3. Only usable connections are lent, so no handshake is in progress while one is.

use ae::event_loop::EventLoop;
use ae::file::Mask;
use std::io::IoSlice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::connection::{ConnId, Phase};
use crate::conns::{Conns, find};
use crate::error::{ConnError, Step};
use crate::io::{self, Budget, Moved, Readiness};
use crate::stream::{Absent, Io, Stream};
use crate::tls::bio::Pool;
use crate::tls::stream::TlsStream;

/// The transport of a connection, for use by another thread.
#[derive(Debug)]
#[must_use = "a connection that is dropped has failed"]
pub struct Lent {
    /// `None` once it was given back.
    loan: Option<Loan>,
    lost: Lost,
}

/// What was taken out of a connection.
#[derive(Debug)]
struct Loan {
    id: ConnId,
    stream: Stream,
    readiness: Readiness,
    budget: Budget,
    phase: Phase,
    error: Option<ConnError>,
}

/// Where what is dropped returns to its owner.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lost(Arc<Mutex<Vec<Loan>>>);

impl Lost {
    fn loans(&self) -> MutexGuard<'_, Vec<Loan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(loan) = self.loan.take() {
            self.lost.loans().push(loan);
        }
    }
}

impl Lent {
    fn loan(&self) -> &Loan {
        self.loan.as_ref().expect("there until it is given back")
    }

    fn loan_mut(&mut self) -> &mut Loan {
        self.loan.as_mut().expect("there until it is given back")
    }

    /// The connection. It may have been closed by its owner since.
    pub fn id(&self) -> ConnId {
        self.loan().id
    }

    /// Reads into `buf`, as `Conns::read`.
    pub fn read(&mut self, pool: &mut Pool, buf: &mut [u8]) -> Io {
        let loan = self.loan_mut();
        match loan.phase {
            Phase::Open => {}
            Phase::Ended => return Io::Eof,
            _ => return loan.failed(),
        }
        let (stream, budget) = (&mut loan.stream, &mut loan.budget);
        let moved = io::read(stream, pool, loan.readiness, budget, buf);
        loan.apply(moved)
    }

    /// Writes `data`, as `Conns::write`.
    pub fn write(&mut self, pool: &mut Pool, data: &[u8]) -> Io {
        self.loan_mut()
            .send(|stream, readiness, budget| io::write(stream, pool, readiness, budget, data))
    }

    /// Writes several pieces, as `Conns::write_vectored`.
    pub fn write_vectored(&mut self, pool: &mut Pool, pieces: &[IoSlice<'_>]) -> Io {
        self.loan_mut().send(|stream, readiness, budget| {
            io::write_vectored(stream, pool, readiness, budget, pieces)
        })
    }

    /// Sends what is collected, as `Conns::flush`.
    pub fn flush(&mut self, pool: &mut Pool) -> Io {
        self.loan_mut()
            .send(|stream, readiness, _| io::flush(stream, pool, readiness))
    }

    /// Bytes that were accepted and are not in the kernel.
    pub fn pending_out(&self) -> usize {
        self.loan().stream.unsent()
    }

    /// True if a read would give something without input from the socket.
    pub fn is_pending(&self) -> bool {
        let loan = self.loan();
        loan.phase == Phase::Open && loan.stream.tls().is_some_and(TlsStream::is_pending)
    }
}

impl Loan {
    /// Makes a call that writes or flushes.
    fn send(&mut self, call: impl FnOnce(&mut Stream, Readiness, &mut Budget) -> Moved) -> Io {
        if self.phase == Phase::Failed {
            return self.failed();
        }
        let moved = call(&mut self.stream, self.readiness, &mut self.budget);
        self.apply(moved)
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
        connection.budget.begin(el.turn(), self.busy);
        let stream = std::mem::replace(&mut connection.stream, Stream::Lent(Box::new(absent)));
        let loan = Loan {
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
        self.loans += 1;
        self.watch(el, id);
        Some(Lent {
            loan: Some(loan),
            lost: self.lost.clone(),
        })
    }

    /// Takes a lent connection back, and applies what happened meanwhile.
    pub fn give_back(&mut self, el: &mut EventLoop<S>, mut lent: Lent) {
        if let Some(loan) = lent.loan.take() {
            self.take_back(el, loan);
        }
    }

    /// Takes back the connections whose threads have dropped them: they have failed.
    pub(crate) fn take_lost(&mut self, el: &mut EventLoop<S>) {
        if self.loans == 0 {
            return;
        }
        let lost = std::mem::take(&mut *self.lost.loans());
        for mut loan in lost {
            let id = loan.id;
            if loan.phase != Phase::Failed {
                let why = "the thread that used the connection has ended";
                loan.phase = Phase::Failed;
                loan.error = Some(ConnError::new(Step::Read, why));
            }
            self.take_back(el, loan);
            if let Some(connection) = find(&mut self.slots, id) {
                connection.has_unreported_failure = true;
            }
            self.list(id);
        }
    }

    fn take_back(&mut self, el: &mut EventLoop<S>, loan: Loan) {
        let Loan {
            id,
            stream,
            readiness,
            budget,
            phase,
            error,
        } = loan;
        let slot = self.slots.get_mut(id.index());
        let fd = stream.fd();
        let owner = slot
            .and_then(|slot| slot.connection.as_mut())
            .filter(|connection| connection.stream.is_lent() && connection.stream.fd() == fd);
        let Some(connection) = owner else {
            debug_assert!(false, "a connection was given back to the wrong owner");
            return;
        };
        self.loans -= 1;
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
