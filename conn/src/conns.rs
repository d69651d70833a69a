//! The connections of one loop: a slab, and what can be done with a connection.
//!
//! A connection is named by a `ConnId`, which is also the data word of its registration with the
//! loop. Bytes are moved by `io`, which knows neither loop nor slab; this file applies what such a
//! call came to (`apply`). The handlers that run when a socket is ready are in `drive`.
//!
//! # Invariants
//! 1. A connection is registered with the loop from `insert` to `close`, and watched for
//!    `Connection::interest`, which `watch` restores after every change.
//! 2. `pending` holds the ids of all connections whose read handler is to run without an event
//!    (`Connection::is_pending`), and perhaps others: whoever takes one out checks it again.
//! 3. Whoever opened a connection closes it, also one that failed: only `close` removes it. From then
//!    on its id is stale and finds nothing. The slot of one that is lent is reused only after it was
//!    given back.
//! 4. `Conns` is `Send` and has no globals.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use ae::event_loop::{EventLoop, Host};
use ae::file::{FileProc, Mask};
use ae::time::TimerId;

use crate::admission::{Admission, HandshakeLimits};
use crate::connection::{ConnId, ConnProc, Connection, Phase};
use crate::error::{ConnError, Step};
use crate::io::{self, Budget, Busy, Moved, Readiness};
use crate::lend::Lost;
use crate::stream::{Io, Stream};
use crate::tls::bio::Pool;
use crate::tls::census::Census;
use crate::tls::context::TlsContext;
use crate::tls::info::TlsStats;
use crate::tls::stream::{ClosedTls, TlsStream};

/// How long closed connections are freed in one turn.
const FREEING: Duration = Duration::from_micros(500);

/// The owner of a loop and its connections.
pub trait ConnHost: Host {
    /// The connections.
    fn conns(&mut self) -> &mut Conns<Self>;
    /// The loop and the connections.
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

/// What is left of a closed TLS connection.
enum Leftover {
    /// All but its socket.
    Memory(#[expect(dead_code, reason = "kept to be dropped")] ClosedTls),
    /// Everything: its peer has ended it, so nobody waits for its end.
    All(Box<TlsStream>),
}

/// The connections of one loop.
pub struct Conns<S> {
    pub(crate) slots: Vec<Slot<S>>,
    pub(crate) vacant: Vec<u32>,
    pub(crate) pending: VecDeque<ConnId>,
    /// Closed TLS connections that are not freed yet.
    closed: VecDeque<Leftover>,
    /// How many of `closed` still have a socket.
    open_sockets: usize,
    pub(crate) admission: Admission,
    /// The timer for handshakes to be given up, and when it fires.
    pub(crate) deadline_timer: Option<(TimerId, Instant)>,
    pub(crate) pool: Pool,
    /// What was written in this turn.
    pub(crate) busy: Busy,
    pub(crate) stats: TlsStats,
    /// Connections whose handshake is done.
    pub(crate) census: Census,
    /// Connections that are lent.
    pub(crate) loans: usize,
    pub(crate) lost: Lost,
}

impl<S> Conns<S> {
    /// No connections yet.
    pub fn new(limits: HandshakeLimits) -> Self {
        Self {
            slots: Vec::new(),
            vacant: Vec::new(),
            pending: VecDeque::new(),
            closed: VecDeque::new(),
            open_sockets: 0,
            admission: Admission::new(limits),
            deadline_timer: None,
            pool: Pool::new(),
            busy: Busy::default(),
            stats: TlsStats::default(),
            census: Census::default(),
            loans: 0,
            lost: Lost::default(),
        }
    }

    /// Changes the bounds on handshakes. A deadline that runs already stays. If there are more slots than
    /// before, connections that wait for one go on.
    pub fn set_limits(&mut self, el: &mut EventLoop<S>, limits: HandshakeLimits) {
        self.admission.set_limits(limits);
        self.wake_parked(el);
    }

    /// Reads into `buf`: from a plain socket once, from TLS as many records as were received. Would-block
    /// may also mean that the connection has used up its budget of this turn; the read handler runs
    /// again in the next.
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
        let readiness = Readiness {
            ready: el.ready(fd),
            is_closing: el.is_closing(fd),
        };
        connection.budget.begin(el.turn(), self.busy);
        let moved = io::read(
            &mut connection.stream,
            &mut self.pool,
            readiness,
            &mut connection.budget,
            buf,
        );
        apply(el, connection, &mut self.pending, id, moved)
    }

    /// Writes `data`. A plain socket takes what it has room for. With TLS the bytes that were
    /// accepted are collected, to be sent by `flush` (or, without it, from the loop), and nothing is
    /// accepted while earlier bytes wait for the socket. Fewer bytes than offered, or would-block, may
    /// also mean that the connection has used up its budget of this turn; the write handler runs
    /// again in the next.
    pub fn write(&mut self, el: &mut EventLoop<S>, id: ConnId, data: &[u8]) -> Io {
        self.send(el, id, |stream, pool, readiness, budget| {
            io::write(stream, pool, readiness, budget, data)
        })
    }

    /// Writes several pieces, to a plain socket in one system call.
    pub fn write_vectored(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        pieces: &[IoSlice<'_>],
    ) -> Io {
        self.send(el, id, |stream, pool, readiness, budget| {
            io::write_vectored(stream, pool, readiness, budget, pieces)
        })
    }

    /// Sends what is collected: `Done(0)` if nothing is left, `WouldBlock` if bytes remain
    /// (`pending_out`), which are sent from the loop.
    pub fn flush(&mut self, el: &mut EventLoop<S>, id: ConnId) -> Io {
        if self.get(id).is_some_and(Connection::collects_nothing) {
            return Io::Done(0);
        }
        self.send(el, id, |stream, pool, readiness, _| {
            io::flush(stream, pool, readiness)
        })
    }

    /// Bytes that were accepted and are not in the kernel. They count as output of the connection.
    pub fn pending_out(&self, id: ConnId) -> usize {
        self.get(id).map_or(0, Connection::unsent)
    }

    /// Sets the handler that runs when there is something to read, or removes it.
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

    /// Sets the handler that runs when there is room to write, or removes it. With `barrier` it runs
    /// before the read handler, never after it in one turn.
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

    /// A protected connection keeps its read handler, but the handler does not run, neither for an
    /// event nor in the pending pass.
    pub fn protect(&mut self, el: &mut EventLoop<S>, id: ConnId, protected: bool) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        connection.is_protected = protected;
        self.reading_changed(el, id);
    }

    /// Closes it: sends what is collected and, with TLS, close_notify, until the socket is full. With
    /// TLS this may be done in a later turn if the peer has ended the connection. A stale id is
    /// harmless. One that is lent is closed when it is given back; its id is stale at once.
    pub fn close(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        let is_lent = connection.stream.is_lent();
        connection.is_closed = true;
        let slot = &mut self.slots[id.index()];
        slot.generation = next_generation(slot.generation);
        if !is_lent {
            self.remove(el, id);
        }
    }

    /// Removes a connection that `close` has marked. `id` is the one that it had.
    pub(crate) fn remove(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        let Some(connection) = self.slots[id.index()].connection.take() else {
            return;
        };
        self.vacant.push(id.index() as u32);
        el.forget(connection.stream.fd());
        if let Some(kind) = connection.kind {
            self.census.leave(kind);
        }
        let is_being_accepted = connection.is_being_accepted();
        let has_left = matches!(connection.phase, Phase::Ended | Phase::Failed);
        if let Stream::Tls(mut tls) = connection.stream {
            self.closed.push_back(if connection.is_abandoned {
                Leftover::Memory(tls.close())
            } else if has_left {
                self.open_sockets += 1;
                Leftover::All(tls)
            } else {
                tls.shutdown(&mut self.pool);
                Leftover::Memory(tls.close())
            });
        }
        if is_being_accepted {
            self.leave_admission(el, id);
        }
    }

    /// Ends and frees closed TLS connections, until the time for that is spent. It takes 40 us for one that was idle, so
    /// when thousands of clients leave at once, commands of others are served in between.
    pub(crate) fn free_closed(&mut self) {
        let mut began = None;
        while let Some(leftover) = self.closed.pop_front() {
            let began = began.get_or_insert_with(Instant::now);
            if let Leftover::All(mut tls) = leftover {
                self.open_sockets -= 1;
                tls.shutdown(&mut self.pool);
            }
            if began.elapsed() >= FREEING {
                break;
            }
        }
    }

    /// How many closed connections still have their socket, and with it a descriptor, for a turn or more.
    pub fn closing(&self) -> usize {
        self.open_sockets
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Connection<S>> {
        peek(&self.slots, id)
    }

    /// Adds a connection and registers it, with `proc` for both directions.
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
        let connection = Connection {
            watched: interest,
            ..connection
        };
        if self.vacant.pop().is_none() {
            self.slots.push(Slot {
                generation,
                connection: None,
            });
        }
        self.slots[index].connection = Some(connection);
        Ok(id)
    }

    /// Makes the loop watch its socket for its present interest.
    pub(crate) fn watch(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id) {
            watch(connection, el);
        }
    }

    /// The handshake of an incoming connection is done or has failed, or the connection was closed:
    /// the next ones get the slots that are free.
    pub(crate) fn leave_admission(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if self.admission.end(id) {
            self.wake_parked(el);
        }
    }

    /// Lets parked connections go on, one for each free slot.
    fn wake_parked(&mut self, el: &mut EventLoop<S>) {
        while let Some(next) = self.admission.wake_parked() {
            if let Some(connection) = find(&mut self.slots, next) {
                connection.is_parked = false;
                self.watch(el, next);
            }
        }
    }

    /// The read handler or the protection has changed.
    pub(crate) fn reading_changed(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id)
            && !connection.can_read()
            && let Stream::Tls(tls) = &mut connection.stream
        {
            tls.shelve(&mut self.pool);
        }
        self.list(id);
        self.watch(el, id);
    }

    /// Adds it to the pending queue if it is pending.
    pub(crate) fn list(&mut self, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id) {
            enlist(connection, &mut self.pending, id);
        }
    }

    /// Takes the next connection out of the pending queue; `None` at its end. The handler is given if
    /// the connection is still pending.
    pub(crate) fn unlist(&mut self) -> Option<(ConnId, Option<ConnProc<S>>)> {
        let id = self.pending.pop_front()?;
        let handler = find(&mut self.slots, id).and_then(|connection| {
            connection.is_listed = false;
            let handler = connection.read.filter(|_| connection.is_pending());
            connection.has_unreported_failure &= handler.is_none();
            handler
        });
        Some((id, handler))
    }

    /// True if `process_pending` has work that no event reports, so the loop must not sleep. To be asked
    /// at the end of the before-sleep hook, since everything in it may make a connection pending (a reply
    /// that resumes a client, for instance).
    pub fn has_pending(&mut self) -> bool {
        while let Some(&id) = self.pending.front() {
            let is_pending = match find(&mut self.slots, id) {
                Some(connection) => {
                    connection.is_listed = connection.is_pending();
                    connection.is_listed
                }
                None => false,
            };
            if is_pending {
                return true;
            }
            self.pending.pop_front();
        }
        !self.closed.is_empty()
    }

    /// Makes a call that writes or flushes.
    fn send(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        call: impl FnOnce(&mut Stream, &mut Pool, Readiness, &mut Budget) -> Moved,
    ) -> Io {
        let Some(connection) = find(&mut self.slots, id) else {
            return gone(Step::Write);
        };
        match connection.phase {
            Phase::Open | Phase::Ended => {}
            Phase::Failed => return failed(connection),
            Phase::Dialing | Phase::Waiting | Phase::Handshaking => return Io::WouldBlock,
        }
        let readiness = Readiness {
            ready: el.ready(connection.stream.fd()),
            // Of no concern to a write.
            is_closing: false,
        };
        connection.budget.begin(el.turn(), self.busy);
        let before = connection.budget.written();
        let moved = call(
            &mut connection.stream,
            &mut self.pool,
            readiness,
            &mut connection.budget,
        );
        self.busy
            .add(el.turn(), connection.budget.written() - before);
        apply(el, connection, &mut self.pending, id, moved)
    }
}

/// Applies what a call came to: to the connection, the loop and the pending queue.
#[inline]
fn apply<S>(
    el: &mut EventLoop<S>,
    connection: &mut Connection<S>,
    pending: &mut VecDeque<ConnId>,
    id: ConnId,
    Moved { io, drained }: Moved,
) -> Io {
    if !drained.is_empty() {
        el.drained(connection.stream.fd(), drained);
    }
    let io = match io {
        Io::Failed(_) | Io::Eof => connection.note_end(io),
        // A plain socket has no state of its own that could have changed.
        other if !connection.stream.is_tls() => return other,
        other => other,
    };
    enlist(connection, pending, id);
    watch(connection, el);
    io
}

/// Adds a connection to the pending queue if it is pending.
#[inline]
fn enlist<S>(connection: &mut Connection<S>, pending: &mut VecDeque<ConnId>, id: ConnId) {
    if !connection.is_listed && connection.is_pending() {
        connection.is_listed = true;
        pending.push_back(id);
    }
}

/// Makes the loop watch a connection's socket for its present interest.
#[inline]
fn watch<S>(connection: &mut Connection<S>, el: &mut EventLoop<S>) {
    let interest = connection.interest();
    if interest != connection.watched {
        connection.watched = interest;
        el.set_mask(connection.stream.fd(), interest);
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

pub(crate) fn gone(step: Step) -> Io {
    Io::Failed(ConnError::new(step, "the connection is closed"))
}

fn failed<S>(connection: &mut Connection<S>) -> Io {
    connection.has_unreported_failure = false;
    let unknown = || ConnError::new(Step::Read, "the connection has failed");
    Io::Failed(connection.error.clone().unwrap_or_else(unknown))
}

/// Generations start at 1 and skip 0, so that an id is never the word 0.
fn next_generation(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(1)
}
