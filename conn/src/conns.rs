//! The connections of one loop: a slab, and what can be done with a connection.
//!
//! A connection is named by a `ConnId`, which is also the data word of its registration with the
//! loop. This file moves bytes and keeps the registration true; what runs when a socket is ready is
//! `drive`'s.
//!
//! Invariants:
//! 1. A connection is registered with the loop from its first moment to `close`, and watched for
//!    `Connection::interest`, which `watch` restores after every change.
//! 2. `pending` holds the ids of connections that have decrypted data and may be read
//!    (`Connection::is_pending`), and perhaps others: whoever takes one out looks again.
//! 3. Whoever opened a connection closes it, also one that failed: only `close` removes it. Its id
//!    is stale from then on, and finds nothing.
//! 4. Conns is `Send` and has no globals.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::RawFd;

use ae::event_loop::{EventLoop, Host};
use ae::file::{FileProc, Mask};
use ae::time::TimerId;
use nix::errno::Errno;

use crate::admission::{Admission, Limits};
use crate::connection::{ConnId, ConnProc, Connection, Phase};
use crate::error::{ConnError, Step};
use crate::stream::{Io, Stream, receive, transmit, transmit_vectored};
use crate::tls::bio::Pool;
use crate::tls::context::TlsContext;
use crate::tls::info::TlsStats;
use crate::tls::stream::TlsStream;

/// Who owns connections, beside a loop.
pub trait ConnHost: Host {
    /// The connections.
    fn conns(&mut self) -> &mut Conns<Self>;
    /// Both at once.
    fn io(&mut self) -> (&mut EventLoop<Self>, &mut Conns<Self>);
}

/// How an outgoing connection speaks TLS.
#[derive(Clone, Copy, Debug)]
pub struct ClientTls<'a> {
    /// Certificates and settings.
    pub context: &'a TlsContext,
    /// The server name to ask for.
    pub sni: Option<&'a str>,
    /// The name or address that the peer's certificate must be for.
    pub verify_name: Option<&'a str>,
}

pub(crate) struct Slot<S> {
    pub(crate) generation: u32,
    pub(crate) connection: Option<Connection<S>>,
}

/// The connections of one loop.
pub struct Conns<S> {
    pub(crate) slots: Vec<Slot<S>>,
    pub(crate) vacant: Vec<u32>,
    pub(crate) pending: VecDeque<ConnId>,
    pub(crate) admission: Admission,
    pub(crate) deadline_timer: Option<TimerId>,
    pub(crate) pool: Pool,
    pub(crate) stats: TlsStats,
}

impl<S> Conns<S> {
    /// No connections yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            pending: VecDeque::new(),
            admission: Admission::new(limits),
            deadline_timer: None,
            pool: Pool::new(),
            stats: TlsStats::default(),
        }
    }

    /// Changes the bounds on handshakes, for those to come.
    pub fn set_limits(&mut self, limits: Limits) {
        self.admission.set_limits(limits);
    }

    /// Reads into `buf`, from TLS as many records as it holds.
    pub fn read(&mut self, el: &mut EventLoop<S>, id: ConnId, buf: &mut [u8]) -> Io {
        let Some(connection) = find(&mut self.slots, id) else {
            return gone(Step::Read);
        };
        match connection.phase {
            Phase::Open => {}
            Phase::Ended => return Io::Eof,
            Phase::Failed => return failed(connection),
            Phase::Dialing | Phase::Waiting | Phase::Handshaking => return Io::WouldBlock,
        }
        let fd = connection.stream.fd();
        let io = match &mut connection.stream {
            Stream::Tls(tls) => {
                tls.set_readiness(el.ready(fd).contains(Mask::READABLE), el.is_closing(fd));
                let io = tls.read(&mut self.pool, buf);
                if tls.is_drained() {
                    el.drained(fd, Mask::READABLE);
                }
                io
            }
            _ => read_plain(el, fd, buf),
        };
        self.conclude(el, id, io)
    }

    /// Writes `data`. A plain socket takes what it has room for. With TLS the bytes that were
    /// accepted are collected, to be sent by `flush` (or, when that is forgotten, from the loop),
    /// and nothing is accepted while earlier ones wait for the socket.
    pub fn write(&mut self, el: &mut EventLoop<S>, id: ConnId, data: &[u8]) -> Io {
        self.send(el, id, data.len(), |stream, pool, fd| match stream {
            Stream::Tls(tls) => tls.write(pool, data),
            _ => moved(transmit(fd, data)),
        })
    }

    /// Writes several pieces, to a plain socket in one system call.
    pub fn write_vectored(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        pieces: &[IoSlice<'_>],
    ) -> Io {
        let wanted = pieces.iter().map(|piece| piece.len()).sum();
        self.send(el, id, wanted, |stream, pool, fd| match stream {
            Stream::Tls(tls) => tls.write_vectored(pool, pieces),
            _ => moved(transmit_vectored(fd, pieces)),
        })
    }

    /// Sends what is collected: `Done(0)` when nothing is left, `WouldBlock` when bytes remain
    /// (`pending_out`); those go on from the loop.
    pub fn flush(&mut self, el: &mut EventLoop<S>, id: ConnId) -> Io {
        self.send(el, id, 0, |stream, pool, _| match stream {
            Stream::Tls(tls) => tls.flush(pool),
            _ => Io::Done(0),
        })
    }

    /// Bytes that were accepted and the kernel does not have. They belong to the connection's
    /// output.
    pub fn pending_out(&self, id: ConnId) -> usize {
        self.get(id).map_or(0, Connection::unsent)
    }

    /// Sets what runs when there is something to read, or nothing.
    pub fn set_read_handler(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        handler: Option<ConnProc<S>>,
    ) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        connection.read = handler;
        self.reading_changed(el, id);
    }

    /// Sets what runs when there is room to write, or nothing. With `barrier` it runs before the
    /// read handler, never after it in one turn.
    pub fn set_write_handler(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        handler: Option<ConnProc<S>>,
        barrier: bool,
    ) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        connection.write = handler;
        connection.has_barrier = barrier && handler.is_some();
        self.watch(el, id);
    }

    /// True if it has a read handler.
    pub fn has_read_handler(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.read.is_some())
    }

    /// True if it has a write handler.
    pub fn has_write_handler(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.write.is_some())
    }

    /// A protected connection keeps its read handler, but it does not run: neither from the socket
    /// nor from the pending pass.
    pub fn protect(&mut self, el: &mut EventLoop<S>, id: ConnId, protected: bool) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        connection.is_protected = protected;
        self.reading_changed(el, id);
    }

    /// Closes it: sends what is collected and, with TLS, a goodbye, as far as the socket takes
    /// them. A stale id is harmless.
    pub fn close(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if find(&mut self.slots, id).is_none() {
            return;
        }
        let slot = &mut self.slots[id.index()];
        slot.generation = next_generation(slot.generation);
        let Some(connection) = slot.connection.take() else {
            return;
        };
        self.vacant.push(id.index() as u32);
        let Connection {
            mut stream,
            phase,
            is_outgoing,
            ..
        } = connection;
        if let Stream::Tls(tls) = &mut stream {
            tls.shutdown(&mut self.pool);
        }
        el.forget(stream.fd());
        drop(stream);
        self.leave(el, phase, is_outgoing);
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Connection<S>> {
        peek(&self.slots, id)
    }

    /// Takes a connection in and registers it, with `proc` for both directions.
    pub(crate) fn insert(
        &mut self,
        el: &mut EventLoop<S>,
        connection: Connection<S>,
        proc: FileProc<S>,
        step: Step,
    ) -> Result<ConnId, ConnError> {
        let fd = connection.stream.fd();
        let index = self
            .vacant
            .last()
            .map_or(self.slots.len(), |&index| index as usize);
        let generation = self.slots.get(index).map_or(1, |slot| slot.generation);
        let id = ConnId::new(index, generation);
        let interest = connection.interest();
        let both = Mask::READABLE | Mask::WRITABLE;
        if let Err(error) = el.add(fd, both, proc, id.to_word()) {
            return Err(ConnError::io(step, &error).with_peer(&connection.peer));
        }
        el.set_mask(fd, interest);
        if self.vacant.pop().is_none() {
            self.slots.push(Slot {
                generation,
                connection: None,
            });
        }
        self.slots[index].connection = Some(connection);
        Ok(id)
    }

    /// Makes the loop watch its socket for what it is interested in now.
    pub(crate) fn watch(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if let Some(connection) = self.get(id) {
            el.set_mask(connection.stream.fd(), connection.interest());
        }
    }

    /// A connection has left `phase`: if it held a slot, or may have been woken for one, the next
    /// gets it.
    pub(crate) fn leave(&mut self, el: &mut EventLoop<S>, phase: Phase, is_outgoing: bool) {
        match phase {
            Phase::Handshaking if !is_outgoing => self.admission.free_slot(),
            Phase::Waiting => {}
            _ => return,
        }
        while let Some(id) = self.admission.next_parked() {
            if let Some(connection) =
                find(&mut self.slots, id).filter(|connection| connection.phase == Phase::Waiting)
            {
                connection.is_parked = false;
                self.watch(el, id);
                break;
            }
        }
    }

    fn reading_changed(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id)
            && !connection.can_read()
            && let Stream::Tls(tls) = &mut connection.stream
        {
            tls.shelve(&mut self.pool);
        }
        self.list(id);
        self.watch(el, id);
    }

    /// Puts it into the pending queue if it belongs there.
    pub(crate) fn list(&mut self, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id)
            && !connection.is_listed
            && connection.is_pending()
        {
            connection.is_listed = true;
            self.pending.push_back(id);
        }
    }

    /// Takes the next connection out of the pending queue; `None` at its end. Its handler is there
    /// if it is still to be read.
    pub(crate) fn unlist(&mut self) -> Option<(ConnId, Option<ConnProc<S>>)> {
        let id = self.pending.pop_front()?;
        let handler = find(&mut self.slots, id).and_then(|connection| {
            connection.is_listed = false;
            connection.read.filter(|_| connection.is_pending())
        });
        Some((id, handler))
    }

    /// The one way of everything that goes out; `wanted` is how much `call` would like to move.
    fn send(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        wanted: usize,
        call: impl FnOnce(&mut Stream, &mut Pool, RawFd) -> Io,
    ) -> Io {
        let Some(connection) = find(&mut self.slots, id) else {
            return gone(Step::Write);
        };
        match connection.phase {
            Phase::Open | Phase::Ended => {}
            Phase::Failed => return failed(connection),
            Phase::Dialing | Phase::Waiting | Phase::Handshaking => return Io::WouldBlock,
        }
        let fd = connection.stream.fd();
        if connection.stream.tls().is_some_and(TlsStream::is_stalled)
            && !el.ready(fd).contains(Mask::WRITABLE)
        {
            return Io::WouldBlock;
        }
        let io = call(&mut connection.stream, &mut self.pool, fd);
        let is_full = match (connection.stream.tls(), &io) {
            (Some(tls), _) => tls.is_stalled(),
            (None, Io::Done(n)) => *n < wanted,
            (None, io) => matches!(io, Io::WouldBlock),
        };
        if is_full {
            el.drained(fd, Mask::WRITABLE);
        }
        self.conclude(el, id, io)
    }

    /// Draws the consequences of a read or a write.
    fn conclude(&mut self, el: &mut EventLoop<S>, id: ConnId, io: Io) -> Io {
        let Some(connection) = find(&mut self.slots, id) else {
            return io;
        };
        let io = match io {
            Io::Failed(error) => {
                let error = error.with_peer(&connection.peer);
                connection.phase = Phase::Failed;
                connection.error = Some(error.clone());
                Io::Failed(error)
            }
            Io::Eof => {
                connection.phase = Phase::Ended;
                Io::Eof
            }
            // Only TLS has more to it than the socket.
            other if !connection.stream.is_tls() => return other,
            other => other,
        };
        self.list(id);
        self.watch(el, id);
        io
    }
}

fn read_plain<S>(el: &mut EventLoop<S>, fd: RawFd, buf: &mut [u8]) -> Io {
    let received = receive(fd, buf);
    let is_drained = match received {
        // Less than asked for means that nothing is left, unless a FIN may be behind it.
        Ok(Some(n)) => n == 0 || (n < buf.len() && !el.is_closing(fd)),
        Ok(None) => true,
        Err(_) => false,
    };
    if is_drained && !buf.is_empty() {
        el.drained(fd, Mask::READABLE);
    }
    match received {
        Ok(Some(0)) if !buf.is_empty() => Io::Eof,
        Ok(Some(n)) => Io::Done(n),
        Ok(None) => Io::WouldBlock,
        Err(errno) => Io::Failed(ConnError::io(Step::Read, &errno.into())),
    }
}

/// The answer to a write on a plain socket.
fn moved(sent: Result<Option<usize>, Errno>) -> Io {
    match sent {
        Ok(Some(n)) => Io::Done(n),
        Ok(None) => Io::WouldBlock,
        Err(errno) => Io::Failed(ConnError::io(Step::Write, &errno.into())),
    }
}

pub(crate) fn peek<S>(slots: &[Slot<S>], id: ConnId) -> Option<&Connection<S>> {
    slots
        .get(id.index())
        .filter(|slot| slot.generation == id.generation())?
        .connection
        .as_ref()
}

pub(crate) fn find<S>(slots: &mut [Slot<S>], id: ConnId) -> Option<&mut Connection<S>> {
    slots
        .get_mut(id.index())
        .filter(|slot| slot.generation == id.generation())?
        .connection
        .as_mut()
}

fn gone(step: Step) -> Io {
    Io::Failed(ConnError::new(step, "the connection is closed"))
}

fn failed<S>(connection: &Connection<S>) -> Io {
    let unknown = || ConnError::new(Step::Read, "the connection has failed");
    Io::Failed(connection.error.clone().unwrap_or_else(unknown))
}

/// Generations start at 1 and skip 0, so that an id is never the word 0.
fn next_generation(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(1)
}
