//! The connections of one loop: a slab, what can be done with a connection, and what happens when its socket is ready.
//!
//! How it works. A connection is named by a `ConnId`, which is also the data word of its registration with the loop, for which both directions have
//! the same proc, `socket_event`. That proc moves the connection through its phases and then calls its handlers, in the order that its barrier asks for: with
//! TLS the direction of the socket and the direction of the data are not the same thing, so the order is decided here and not in `ae`.
//!
//! Invariants:
//! 1. Nothing is borrowed while a handler runs, and every step after it looks the connection up again: a handler may close any connection.
//! 2. A connection is registered with the loop from its first moment to `close`, and watched for `Connection::interest`, which `watch` restores after
//!    every change.
//! 3. What OpenSSL holds decrypted no socket event will announce. Such a connection is in `pending`, if it may be read, and `process_pending` runs its
//!    read handler before the loop sleeps. The queue holds ids, one at a time taken off its front, so handlers may close its members
//!    and nested passes may go on with it.
//! 4. Whoever opened a connection closes it, also one that failed: only `close` removes it.
//! 5. Conns is `Send` and has no globals.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::{OwnedFd, RawFd};
use std::os::linux::net::TcpStreamExt;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ae::event_loop::{EventLoop, Host};
use ae::file::Mask;
use ae::time::{Next, TimerId};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

use crate::addr::Addr;
use crate::admission::{Admission, Limits};
use crate::connection::{ConnId, ConnProc, Connection, Phase, State};
use crate::dial::{Target, dial};
use crate::error::{ConnError, Step};
use crate::listener::Accepted;
use crate::stream::{Io, Stream, receive, transmit, transmit_vectored};
use crate::tls::bio::Pool;
use crate::tls::context::TlsContext;
use crate::tls::info::{FailReason, Identity, LastFailure, Sessions, TlsStats};
use crate::tls::stream::{Handshake, TlsStream};

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

struct Slot<S> {
    generation: u32,
    connection: Option<Connection<S>>,
}

/// The connections of one loop.
pub struct Conns<S> {
    slots: Vec<Slot<S>>,
    vacant: Vec<u32>,
    pending: VecDeque<ConnId>,
    admission: Admission,
    deadline_timer: Option<TimerId>,
    pool: Pool,
    stats: TlsStats,
}

impl<S: ConnHost> Conns<S> {
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

    /// Takes over an accepted connection. A plain one is connected at once, and `on_accept` is not called. With TLS its handshake goes on in the loop;
    /// `on_accept` runs once, when it is Connected or Failed, and after the former the read handler, since data may have come with the last flight.
    ///
    /// # Errors
    /// The loop cannot watch its descriptor. The connection is closed then.
    pub fn accept(
        &mut self,
        el: &mut EventLoop<S>,
        accepted: Accepted,
        tls: Option<&TlsContext>,
        on_accept: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        let Accepted { fd, peer } = accepted;
        let (stream, phase) = match (tls, &peer) {
            (Some(context), _) => (Stream::Greeting(fd.into(), context.clone()), Phase::Waiting),
            (None, Addr::Tcp(_)) => (Stream::Tcp(fd.into()), Phase::Open),
            (None, Addr::Unix(_)) => (Stream::Unix(fd.into()), Phase::Open),
        };
        let on_ready = tls.map(|_| on_accept);
        let id = self.insert(
            el,
            Connection {
                on_ready,
                ..Connection::new(stream, peer, phase, data)
            },
            Step::Accept,
        )?;
        if tls.is_some() {
            self.admission.begin(Instant::now(), id);
            self.arm_deadline(el);
        }
        Ok(id)
    }

    /// Begins an outgoing connection. `on_connect` runs once, from the loop, when it is Connected or Failed.
    ///
    /// # Errors
    /// The name has no address, the system refuses at once, or the loop cannot watch the descriptor.
    pub fn connect(
        &mut self,
        el: &mut EventLoop<S>,
        target: &Target<'_>,
        tls: Option<ClientTls<'_>>,
        on_connect: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        let (fd, peer) = dial(target)?;
        let stream = outgoing_stream(fd, &peer, tls)?;
        let connection = Connection {
            on_ready: Some(on_connect),
            is_outgoing: true,
            ..Connection::new(stream, peer, Phase::Dialing, data)
        };
        self.insert(el, connection, Step::Connect)
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

    /// Writes `data`. A plain socket takes what it has room for. With TLS the bytes that were accepted are collected, to be sent by `flush` (or, when that
    /// is forgotten, from the loop), and nothing is accepted while earlier ones wait for the socket.
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

    /// Sends what is collected: `Done(0)` when nothing is left, `WouldBlock` when bytes remain (`pending_out`); those go on from the loop.
    pub fn flush(&mut self, el: &mut EventLoop<S>, id: ConnId) -> Io {
        self.send(el, id, 0, |stream, pool, _| match stream {
            Stream::Tls(tls) => tls.flush(pool),
            _ => Io::Done(0),
        })
    }

    /// Bytes that were accepted and the kernel does not have. They belong to the connection's output.
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

    /// Sets what runs when there is room to write, or nothing. With `barrier` it runs before the read handler, never after it in one turn.
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

    /// A protected connection keeps its read handler, but it does not run: neither from the socket nor from the pending pass.
    pub fn protect(&mut self, el: &mut EventLoop<S>, id: ConnId, protected: bool) {
        let Some(connection) = find(&mut self.slots, id) else {
            return;
        };
        connection.is_protected = protected;
        self.reading_changed(el, id);
    }

    /// Asks the kernel to acknowledge at once what has come so far. For a request that is still incomplete: a peer that holds back its second
    /// segment until the first is acknowledged would wait 40 ms for the delayed one.
    pub fn want_ack(&self, id: ConnId) {
        if let Some(socket) = self.get(id).and_then(|connection| connection.stream.tcp()) {
            // It is a hint; the socket of a dying connection may refuse it.
            let _ = socket.set_quickack(true);
        }
    }

    /// Makes the kernel look after the peer when nothing was heard for `secs` seconds: three more probes, a third of that apart. Nothing for a Unix
    /// socket.
    ///
    /// # Errors
    /// The system refuses, or there is no such connection.
    pub fn keepalive(&self, id: ConnId, secs: u32) -> io::Result<()> {
        let connection = self.get(id).ok_or(io::ErrorKind::NotConnected)?;
        let Some(socket) = connection
            .stream
            .tcp()
            .filter(|_| matches!(connection.peer, Addr::Tcp(_)))
        else {
            return Ok(());
        };
        setsockopt(socket, sockopt::KeepAlive, &true)?;
        setsockopt(socket, sockopt::TcpKeepIdle, &secs.max(1))?;
        setsockopt(socket, sockopt::TcpKeepInterval, &(secs / 3).max(1))?;
        setsockopt(socket, sockopt::TcpKeepCount, &3)?;
        Ok(())
    }

    /// Sends small segments at once instead of collecting them in the kernel. Nothing for a Unix socket.
    ///
    /// # Errors
    /// The system refuses, or there is no such connection.
    pub fn nodelay(&self, id: ConnId) -> io::Result<()> {
        let connection = self.get(id).ok_or(io::ErrorKind::NotConnected)?;
        match (connection.stream.tcp(), &connection.peer) {
            (Some(socket), Addr::Tcp(_)) => socket.set_nodelay(true),
            _ => Ok(()),
        }
    }

    /// Closes it: sends what is collected and, with TLS, a goodbye, as far as the socket takes them. A stale id is harmless.
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

    /// True until `close`.
    pub fn exists(&self, id: ConnId) -> bool {
        self.get(id).is_some()
    }

    /// What it is doing.
    pub fn state(&self, id: ConnId) -> State {
        self.get(id).map_or(State::Closed, Connection::state)
    }

    /// Why it failed.
    pub fn error(&self, id: ConnId) -> Option<&ConnError> {
        self.get(id)?.error.as_ref()
    }

    /// The owner's word; 0 if there is no such connection.
    pub fn data(&self, id: ConnId) -> u64 {
        self.get(id).map_or(0, |connection| connection.data)
    }

    /// Sets the owner's word.
    pub fn set_data(&mut self, id: ConnId, data: u64) {
        if let Some(connection) = find(&mut self.slots, id) {
            connection.data = data;
        }
    }

    /// Its descriptor; -1 if there is no such connection.
    pub fn fd(&self, id: ConnId) -> RawFd {
        self.get(id).map_or(-1, |connection| connection.stream.fd())
    }

    /// Who is at the other end.
    pub fn peer(&self, id: ConnId) -> Option<&Addr> {
        self.get(id).map(|connection| &connection.peer)
    }

    /// The address of this end. Asked from the kernel each time: it is wanted seldom, and would cost every connection 32 bytes.
    pub fn local(&self, id: ConnId) -> Option<Addr> {
        self.get(id)?.stream.local()
    }

    /// True if it speaks TLS.
    pub fn is_tls(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.stream.is_tls())
    }

    /// Who the peer is, by a certificate that was verified.
    pub fn peer_cert(&self, id: ConnId) -> Option<Identity> {
        self.tls(id)?.peer_identity()
    }

    /// `TLSv1.3`, once the handshake is done.
    pub fn tls_version(&self, id: ConnId) -> Option<&'static str> {
        self.tls(id).map(TlsStream::version)
    }

    /// `TLS_AES_256_GCM_SHA384`, once the handshake is done.
    pub fn cipher(&self, id: ConnId) -> Option<&'static str> {
        self.tls(id).map(TlsStream::cipher)
    }

    /// Bytes that OpenSSL holds for it.
    pub fn tls_memory(&self, id: ConnId) -> usize {
        self.get(id)
            .and_then(|connection| connection.stream.tls())
            .map_or(0, TlsStream::charged)
    }

    /// All bytes on the heap that it costs, OpenSSL's included.
    pub fn memory(&self, id: ConnId) -> usize {
        self.get(id).map_or(0, |connection| {
            let tls = connection.stream.tls().map_or(0, TlsStream::memory);
            size_of::<Slot<S>>() + connection.peer.heap_len() + tls
        })
    }

    /// Bytes of the buffers that the connections share.
    pub fn shared_memory(&self) -> usize {
        self.pool.memory()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.vacant.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The ids of all.
    pub fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        let id = |(index, slot): (usize, &Slot<S>)| {
            slot.connection
                .as_ref()
                .map(|_| ConnId::new(index, slot.generation))
        };
        self.slots.iter().enumerate().filter_map(id)
    }

    /// Statistics of TLS. It walks all connections: for INFO, not for a hot path.
    pub fn stats(&self) -> TlsStats {
        let mut stats = self.stats.clone();
        stats.in_flight = self.admission.in_flight();
        stats.traffic = self.pool.traffic;
        for connection in self
            .slots
            .iter()
            .filter_map(|slot| slot.connection.as_ref())
        {
            match connection.phase {
                Phase::Waiting => stats.waiting += 1,
                Phase::Open | Phase::Ended => {
                    count_session(&mut stats.current, connection.stream.tls());
                }
                Phase::Dialing | Phase::Handshaking | Phase::Failed => {}
            }
        }
        stats
    }

    fn get(&self, id: ConnId) -> Option<&Connection<S>> {
        peek(&self.slots, id)
    }

    /// The TLS of a connection whose handshake is done.
    fn tls(&self, id: ConnId) -> Option<&TlsStream> {
        let connection = self.get(id)?;
        if matches!(connection.phase, Phase::Open | Phase::Ended) {
            connection.stream.tls()
        } else {
            None
        }
    }

    fn insert(
        &mut self,
        el: &mut EventLoop<S>,
        connection: Connection<S>,
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
        if let Err(error) = el.add(fd, interest, socket_event::<S>, id.to_word()) {
            return Err(ConnError::io(step, &error).with_peer(&connection.peer));
        }
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
    fn watch(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        let Some(connection) = self.get(id) else {
            return;
        };
        let (fd, wanted) = (connection.stream.fd(), connection.interest());
        let watched = el.mask(fd);
        if watched == wanted {
            return;
        }
        el.remove(fd, watched.difference(wanted));
        let added = el.add(fd, wanted, socket_event::<S>, id.to_word());
        debug_assert!(
            added.is_ok(),
            "a registered descriptor can always be watched"
        );
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
    fn list(&mut self, id: ConnId) {
        if let Some(connection) = find(&mut self.slots, id)
            && !connection.is_listed
            && connection.is_pending()
        {
            connection.is_listed = true;
            self.pending.push_back(id);
        }
    }

    /// Takes the next connection out of the pending queue; `None` at its end. Its handler is there if it is still to be read.
    fn unlist(&mut self) -> Option<(ConnId, Option<ConnProc<S>>)> {
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
            other => other,
        };
        self.list(id);
        self.watch(el, id);
        io
    }

    /// Takes a connection that is not usable yet as far as it goes. True if it has just become Connected or Failed.
    fn progress(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        match connection.phase {
            Phase::Dialing => self.finish_dialing(el, id),
            Phase::Waiting if !self.admission.has_slot() => {
                connection.is_parked = true;
                self.admission.park(id);
                self.watch(el, id);
                false
            }
            // Its socket stays ready, so that the next turn comes without sleep.
            Phase::Waiting | Phase::Handshaking if !self.admission.spend(el.turn()) => false,
            Phase::Waiting => match self.greet(id) {
                Ok(()) => {
                    self.admission.take_slot();
                    self.shake_hands(el, id)
                }
                Err(error) => self.fail(el, id, error, Some(FailReason::Protocol)),
            },
            Phase::Handshaking => self.shake_hands(el, id),
            Phase::Open | Phase::Ended | Phase::Failed => false,
        }
    }

    /// Gives an accepted connection its TLS object, which is where its memory begins.
    fn greet(&mut self, id: ConnId) -> Result<(), ConnError> {
        let place = &mut self.slots[id.index()].connection;
        let Some(connection) = place.take() else {
            return Ok(());
        };
        let (connection, greeted) = connection.greet();
        *place = Some(connection);
        greeted
    }

    fn finish_dialing(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        if let Some(error) = connection.stream.take_error() {
            return self.fail(el, id, ConnError::io(Step::Connect, &error), None);
        }
        if matches!(connection.peer, Addr::Tcp(_)) && connection.stream.remote().is_none() {
            el.drained(connection.stream.fd(), Mask::WRITABLE);
            return false;
        }
        if connection.stream.is_tls() {
            connection.phase = Phase::Handshaking;
            return self.shake_hands(el, id);
        }
        connection.phase = Phase::Open;
        self.watch(el, id);
        true
    }

    /// One step of a handshake.
    fn shake_hands(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        let fd = connection.stream.fd();
        let Stream::Tls(tls) = &mut connection.stream else {
            return false;
        };
        tls.set_readiness(el.ready(fd).contains(Mask::READABLE), el.is_closing(fd));
        let handshake = tls.handshake(&mut self.pool);
        if tls.is_drained() {
            el.drained(fd, Mask::READABLE);
        }
        if tls.is_stalled() {
            el.drained(fd, Mask::WRITABLE);
        }
        match handshake {
            Handshake::WouldBlock => {
                self.watch(el, id);
                false
            }
            Handshake::Failed(why, error) => self.fail(el, id, error, Some(why)),
            Handshake::Done => {
                self.stats.handshakes_done += 1;
                self.stats.resumed += u64::from(tls.is_resumed());
                let (phase, is_outgoing) = (
                    mem::replace(&mut connection.phase, Phase::Open),
                    connection.is_outgoing,
                );
                self.leave(el, phase, is_outgoing);
                self.watch(el, id);
                true
            }
        }
    }

    /// Ends a connection that never became usable; `why` if TLS was what failed. Always true, for `progress`.
    fn fail(
        &mut self,
        el: &mut EventLoop<S>,
        id: ConnId,
        error: ConnError,
        why: Option<FailReason>,
    ) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        let error = error.with_peer(&connection.peer);
        if let Some(why) = why {
            self.stats.failed[why as usize] += 1;
            self.stats.last_failure = Some(LastFailure {
                sentence: error.to_string(),
                unix_time: unix_time(),
            });
        }
        connection.error = Some(error);
        let (phase, is_outgoing) = (
            mem::replace(&mut connection.phase, Phase::Failed),
            connection.is_outgoing,
        );
        self.leave(el, phase, is_outgoing);
        self.watch(el, id);
        true
    }

    /// A connection has left `phase`: if it held a slot, or may have been woken for one, the next gets it.
    fn leave(&mut self, el: &mut EventLoop<S>, phase: Phase, is_outgoing: bool) {
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

    /// Makes sure that a timer waits for the first deadline of a handshake.
    fn arm_deadline(&mut self, el: &mut EventLoop<S>) {
        if self.deadline_timer.is_none()
            && let Some(ms) = self.until_deadline()
        {
            self.deadline_timer = Some(el.add_timer(ms, on_deadline::<S>, 0));
        }
    }

    /// Milliseconds until the first deadline.
    fn until_deadline(&mut self) -> Option<u64> {
        let slots = &self.slots;
        let is_live = |id| peek(slots, id).is_some_and(Connection::is_being_accepted);
        let soonest = self.admission.soonest(Instant::now(), is_live)?;
        // A timer that fires a moment early would find nothing.
        Some(
            u64::try_from(soonest.as_millis())
                .unwrap_or(u64::MAX)
                .saturating_add(1),
        )
    }

    /// The next connection whose time for a handshake is over, now failed.
    fn next_expired(&mut self, el: &mut EventLoop<S>) -> Option<ConnId> {
        let now = Instant::now();
        while let Some(id) = self.admission.expired(now) {
            if find(&mut self.slots, id).is_some_and(|connection| connection.is_being_accepted()) {
                let error =
                    ConnError::new(Step::Handshake, "the handshake was not finished in time");
                self.fail(el, id, error, Some(FailReason::Timeout));
                return Some(id);
            }
        }
        None
    }

    /// Sends what an earlier flush could not, if there is room now.
    fn flush_leftover(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        let Some(connection) = self.get(id) else {
            return;
        };
        if connection.unsent() > 0 && el.ready(connection.stream.fd()).contains(Mask::WRITABLE) {
            // What goes wrong is kept, and met by the handler that runs next.
            let _ = self.flush(el, id);
        }
    }

    /// The handler that is to run for `direction` of the data.
    fn due(&self, el: &EventLoop<S>, id: ConnId, direction: Mask) -> Option<ConnProc<S>> {
        let connection = self.get(id)?;
        let ready = el.ready(connection.stream.fd());
        let is_read = direction == Mask::READABLE;
        match connection.phase {
            Phase::Open if is_read => connection
                .read
                .filter(|_| connection.can_read() && ready.contains(Mask::READABLE)),
            Phase::Open | Phase::Ended if !is_read => connection
                .write
                .filter(|_| ready.contains(connection.write_direction())),
            // It failed under `flush_leftover`: whoever looks finds out why.
            Phase::Failed if is_read => connection.read.or(connection.write),
            _ => None,
        }
    }

    fn has_barrier(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.has_barrier)
    }
}

/// The before-sleep pass: runs the read handler of every connection that holds decrypted data, once. True if some hold more: then the next poll must
/// not sleep.
pub fn process_pending<S: ConnHost>(s: &mut S) -> bool {
    let rounds = s.conns().pending.len();
    if rounds > 0 {
        s.conns().stats.pending_passes += 1;
    }
    for _ in 0..rounds {
        // The queue may have become shorter: a handler has run a pass of its own.
        let Some((id, handler)) = s.conns().unlist() else {
            break;
        };
        if let Some(handler) = handler {
            handler(s, id);
            // A handler that read nothing has not put it back.
            s.conns().list(id);
        }
    }
    !s.conns().pending.is_empty()
}

/// Both directions' proc of every connection.
fn socket_event<S: ConnHost>(s: &mut S, _fd: RawFd, word: u64) {
    let id = ConnId::from_word(word);
    let (el, conns) = s.io();
    match conns.get(id).map(|connection| connection.phase) {
        Some(Phase::Open | Phase::Ended | Phase::Failed) => serve(s, id),
        Some(_) if conns.progress(el, id) => announce(s, id),
        Some(_) | None => {}
    }
}

/// Tells the owner that a connection has become Connected or Failed.
fn announce<S: ConnHost>(s: &mut S, id: ConnId) {
    let on_ready = find(&mut s.conns().slots, id).and_then(|connection| connection.on_ready.take());
    if let Some(on_ready) = on_ready {
        on_ready(s, id);
    }
    // Data may have come in one segment with the end of the handshake: no event will tell of it.
    let read = s
        .conns()
        .get(id)
        .filter(|c| c.phase == Phase::Open && c.stream.is_tls() && c.can_read())
        .and_then(|c| c.read);
    if let Some(read) = read {
        read(s, id);
    }
}

/// Runs the handlers of a usable connection.
fn serve<S: ConnHost>(s: &mut S, id: ConnId) {
    let (el, conns) = s.io();
    conns.flush_leftover(el, id);
    let order = if conns.has_barrier(id) {
        [Mask::WRITABLE, Mask::READABLE]
    } else {
        [Mask::READABLE, Mask::WRITABLE]
    };
    let mut has_read = false;
    for direction in order {
        let (el, conns) = s.io();
        if has_read && conns.has_barrier(id) {
            break;
        }
        if let Some(handler) = conns.due(el, id, direction) {
            handler(s, id);
            has_read |= direction == Mask::READABLE;
        }
    }
}

fn on_deadline<S: ConnHost>(s: &mut S, _timer: TimerId, _data: u64) -> Next {
    loop {
        let (el, conns) = s.io();
        let Some(id) = conns.next_expired(el) else {
            break;
        };
        announce(s, id);
    }
    let conns = s.conns();
    match conns.until_deadline() {
        Some(ms) => Next::In(ms),
        None => {
            conns.deadline_timer = None;
            Next::Never
        }
    }
}

fn outgoing_stream(
    fd: OwnedFd,
    peer: &Addr,
    tls: Option<ClientTls<'_>>,
) -> Result<Stream, ConnError> {
    let Some(ClientTls {
        context,
        sni,
        verify_name,
    }) = tls
    else {
        return Ok(if matches!(peer, Addr::Tcp(_)) {
            Stream::Tcp(fd.into())
        } else {
            Stream::Unix(fd.into())
        });
    };
    let stream = TlsStream::connect(context, fd.into(), sni, verify_name, false);
    stream
        .map(|stream| Stream::Tls(Box::new(stream)))
        .map_err(|error| error.with_peer(peer))
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

fn peek<S>(slots: &[Slot<S>], id: ConnId) -> Option<&Connection<S>> {
    slots
        .get(id.index())
        .filter(|slot| slot.generation == id.generation())?
        .connection
        .as_ref()
}

fn find<S>(slots: &mut [Slot<S>], id: ConnId) -> Option<&mut Connection<S>> {
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

fn count_session(sessions: &mut Vec<Sessions>, tls: Option<&TlsStream>) {
    let Some(tls) = tls else { return };
    let (version, cipher) = (tls.version(), tls.cipher());
    match sessions
        .iter_mut()
        .find(|known| known.version == version && known.cipher == cipher)
    {
        Some(known) => known.connections += 1,
        None => sessions.push(Sessions {
            version,
            cipher,
            connections: 1,
        }),
    }
}

fn unix_time() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
