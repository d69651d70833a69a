//! The life of connections: how they are accepted and connected, and what runs when a socket is
//! ready.
//!
//! Both directions of every socket have one proc, `socket_event`. It continues a connection that is
//! not usable yet (`progress`) and reports to its owner when it has become usable or failed
//! (`announce`); of a usable one it runs the handlers (`serve`) in the order that its barrier
//! requires. With TLS the direction of the socket and that of the data may differ (a write that has
//! to read first), so the order is decided here and not in `ae`.
//!
//! # Invariants
//! 1. Nothing is borrowed while a handler runs, and every step after it looks the connection up
//!    again: a handler may close any connection.
//! 2. No socket event reports data that OpenSSL or the BIO holds. `process_pending` runs the read
//!    handlers of such connections before the loop sleeps. It takes ids off the front of a queue, one
//!    at a time, so handlers may close members of the queue, and passes may nest.
//! 3. With a barrier the write handler runs before the read handler, never after it in one turn.
//! 4. A protected connection's read handler does not run, not even to report a failure; that is
//!    reported when the protection ends.

use std::io::ErrorKind;
use std::os::fd::{OwnedFd, RawFd};
use std::time::{Duration, Instant};

use ae::event_loop::EventLoop;
use ae::file::Mask;
use ae::time::{Next, TimerId};

use crate::addr::Addr;
use crate::admission::Overdue;
use crate::connection::{ConnId, ConnProc, Connection, Phase};
use crate::conns::{ClientTls, ConnHost, Conns, find};
use crate::dial::{Target, dial};
use crate::error::{Cause, ConnError, Step};
use crate::listener::Accepted;
use crate::stream::{Io, Stream};
use crate::tls::context::{TlsContext, now};
use crate::tls::info::LastFailure;
use crate::tls::stream::{Handshake, TlsStream};

/// How long one timer gives up handshakes.
const EXPIRING: Duration = Duration::from_micros(500);

/// The first byte of a TLS handshake; no request begins with it.
const HANDSHAKE_RECORD: u8 = 22;

impl<S: ConnHost> Conns<S> {
    /// Adds an accepted connection. A plain one is connected at once, and `on_accept` is not called.
    /// With TLS its handshake continues in the loop; `on_accept` runs once, when it is Connected or
    /// Failed, and in the former case the read handler after it, since data may have arrived with the
    /// last flight.
    ///
    /// # Errors
    /// The loop cannot watch its descriptor, which is closed then.
    pub fn accept(
        &mut self,
        el: &mut EventLoop<S>,
        accepted: Accepted,
        tls: Option<&TlsContext>,
        on_accept: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        self.take_in(el, accepted, tls, false, on_accept, data)
    }

    /// As `accept` with TLS, unless the first byte that the peer sends is not that of a TLS handshake: then the connection
    /// is a plain one, and `on_accept` runs as well. A peer that sends nothing within the time for a handshake is taken for a
    /// plain one, too, since a TLS client speaks first and at once. The time for a handshake begins with its first byte.
    ///
    /// # Errors
    /// As `accept`.
    pub fn accept_mixed(
        &mut self,
        el: &mut EventLoop<S>,
        accepted: Accepted,
        tls: &TlsContext,
        on_accept: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        self.take_in(el, accepted, Some(tls), true, on_accept, data)
    }

    fn take_in(
        &mut self,
        el: &mut EventLoop<S>,
        accepted: Accepted,
        tls: Option<&TlsContext>,
        is_mixed: bool,
        on_accept: ConnProc<S>,
        data: u64,
    ) -> Result<ConnId, ConnError> {
        let Accepted { fd, peer } = accepted;
        let (stream, phase) = match (tls, &peer) {
            (Some(context), _) => (
                Stream::Unstarted(fd.into(), context.clone()),
                Phase::Waiting,
            ),
            (None, Addr::Tcp(_)) => (Stream::Tcp(fd.into()), Phase::Open),
            (None, Addr::Unix(_)) => (Stream::Unix(fd.into()), Phase::Open),
        };
        let on_ready = tls.map(|_| on_accept);
        let id = self.insert(
            el,
            Connection {
                on_ready,
                is_mixed,
                ..Connection::new(stream, peer, phase, data)
            },
            socket_event::<S>,
            Step::Accept,
        )?;
        if tls.is_some() {
            self.admission.begin(Instant::now(), id);
            self.arm_deadline(el);
        }
        Ok(id)
    }

    /// Begins an outgoing connection. `on_connect` runs once, from the loop, when it is Connected or
    /// Failed. There is no deadline: the caller decides how long it waits, and closes it.
    ///
    /// # Errors
    /// The system refuses at once, or the loop cannot watch the descriptor.
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
        self.insert(el, connection, socket_event::<S>, Step::Connect)
    }

    /// Continues a connection that is not usable yet. True if it has just become Connected or Failed.
    fn progress(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        match connection.phase {
            Phase::Dialing => self.finish_dialing(el, id),
            Phase::Waiting if connection.is_mixed => self.tell_apart(el, id),
            Phase::Waiting if !self.admission.has_slot_for(id) => {
                connection.is_parked = true;
                let is_first = self.admission.park(id);
                self.watch(el, id);
                if is_first {
                    // From now on slots are contended, which ends them earlier.
                    self.arm_deadline(el);
                }
                false
            }
            // Its socket stays ready, so the loop does not sleep before the next turn.
            Phase::Waiting | Phase::Handshaking
                if !self.admission.spend(el.turn(), Instant::now()) =>
            {
                false
            }
            Phase::Waiting => match self.start_handshake(id) {
                Ok(()) => {
                    self.admission.take_slot(Instant::now(), id);
                    self.shake_hands(el, id)
                }
                Err(error) => self.fail(el, id, error),
            },
            Phase::Handshaking => self.shake_hands(el, id),
            Phase::Open | Phase::Ended | Phase::Failed => false,
        }
    }

    /// Looks at the first byte of an accepted connection. A plain one is usable at once, whatever handshakes wait for.
    fn tell_apart(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        let fd = connection.stream.fd();
        let mut first = [0];
        match connection
            .stream
            .tcp()
            .map(|socket| socket.peek(&mut first))
        {
            None => false,
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                el.drained(fd, Mask::READABLE);
                false
            }
            Some(Err(error)) if error.kind() == ErrorKind::Interrupted => false,
            Some(Err(error)) => self.fail(el, id, ConnError::io(Step::Handshake, &error)),
            // Whoever closes it without a byte has begun no handshake.
            Some(Ok(1..)) if first[0] == HANDSHAKE_RECORD => {
                connection.is_mixed = false;
                self.admission.end(id);
                self.admission.begin(Instant::now(), id);
                self.arm_deadline(el);
                self.progress(el, id)
            }
            Some(Ok(_)) => self.go_on_without_tls(el, id),
        }
    }

    /// Whether it is still unknown if an accepted connection speaks TLS.
    fn is_silent(&self, id: ConnId) -> bool {
        self.get(id).is_some_and(|connection| connection.is_mixed)
    }

    /// Makes a connection whose peer does not speak TLS usable. Always true, for `progress`.
    fn go_on_without_tls(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let place = &mut self.slots[id.index()].connection;
        *place = place.take().map(Connection::without_tls);
        self.leave_admission(el, id);
        self.watch(el, id);
        true
    }

    /// Gives an accepted connection its TLS object, which takes most of its memory.
    fn start_handshake(&mut self, id: ConnId) -> Result<(), ConnError> {
        let place = &mut self.slots[id.index()].connection;
        let Some(connection) = place.take() else {
            return Ok(());
        };
        let (connection, started) = connection.start_handshake();
        *place = Some(connection);
        started
    }

    fn finish_dialing(&mut self, el: &mut EventLoop<S>, id: ConnId) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        if let Some(error) = connection.stream.take_error() {
            return self.fail(el, id, ConnError::io(Step::Connect, &error));
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
            Handshake::Failed(error) => self.fail(el, id, error),
            Handshake::Done => {
                self.stats.handshakes_done += 1;
                self.stats.resumed += u64::from(tls.is_resumed());
                connection.phase = Phase::Open;
                connection.kind = Some(self.census.enter(tls));
                self.leave_admission(el, id);
                self.watch(el, id);
                true
            }
        }
    }

    /// Fails a connection that never became usable, and counts the failure if a handshake failed.
    /// True unless the id is stale.
    fn fail(&mut self, el: &mut EventLoop<S>, id: ConnId, error: ConnError) -> bool {
        let Some(connection) = find(&mut self.slots, id) else {
            return false;
        };
        let error = error.with_peer(&connection.peer);
        if connection.phase != Phase::Dialing {
            self.stats.failed[error.cause() as usize] += 1;
            self.stats.last_failure = Some(LastFailure {
                sentence: error.to_string(),
                unix_time: now(),
            });
        }
        connection.error = Some(error);
        connection.phase = Phase::Failed;
        self.leave_admission(el, id);
        self.watch(el, id);
        true
    }

    /// Makes sure that a timer fires when the first handshake is to be given up.
    fn arm_deadline(&mut self, el: &mut EventLoop<S>) {
        let Some(end) = self.admission.first_end() else {
            return;
        };
        match self.deadline_timer {
            // One that fires too early finds nothing and is set anew.
            Some((_, fires)) if fires <= end => return,
            Some((timer, _)) => drop(el.remove_timer(timer)),
            None => {}
        }
        let timer = el.add_timer(until(end), on_deadline::<S>, 0);
        self.deadline_timer = Some((timer, end));
    }

    /// The answer of the deadline timer: when it is to fire next.
    fn next_deadline(&mut self, timer: TimerId) -> Next {
        if self.deadline_timer.is_none_or(|(armed, _)| armed != timer) {
            // A handler has armed another one.
            return Next::Never;
        }
        let end = self.admission.first_end();
        self.deadline_timer = end.map(|end| (timer, end));
        end.map_or(Next::Never, |end| Next::In(until(end)))
    }

    /// The next connection whose time for a handshake has passed: it has failed, or, on a mixed port
    /// before its first byte, it is a plain one now.
    fn next_expired(&mut self, el: &mut EventLoop<S>) -> Option<ConnId> {
        let now = Instant::now();
        while let Some((id, why)) = self.admission.overdue(now) {
            let Some(connection) = find(&mut self.slots, id) else {
                debug_assert!(false, "admission holds live connections only");
                self.admission.end(id);
                continue;
            };
            if connection.is_mixed {
                // Its first byte may be there although no event was processed since.
                if self.tell_apart(el, id) || self.is_silent(id) && self.go_on_without_tls(el, id) {
                    return Some(id);
                }
                continue;
            }
            let why = match why {
                Overdue::Deadline => "the handshake was not finished in time",
                // Its peer has answered, and it waits for a step of this side.
                Overdue::Contended if el.ready(connection.stream.fd()).contains(Mask::READABLE) => {
                    self.admission.take_slot(now, id);
                    continue;
                }
                Overdue::Contended => "the handshake stood still while others waited",
            };
            let error = ConnError::because(Cause::Timeout, Step::Handshake, why);
            self.fail(el, id, error);
            return Some(id);
        }
        None
    }

    /// Sends what an earlier flush could not, if there is room now.
    fn flush_leftover(&mut self, el: &mut EventLoop<S>, id: ConnId) {
        let Some(connection) = self.get(id) else {
            return;
        };
        if connection.unsent() > 0
            && el.ready(connection.stream.fd()).contains(Mask::WRITABLE)
            && let Io::Failed(_) = self.flush(el, id)
            && let Some(connection) = find(&mut self.slots, id)
        {
            connection.has_unreported_failure = true;
        }
    }

    /// The handler that is to run for `direction` of the data.
    fn due(&mut self, el: &EventLoop<S>, id: ConnId, direction: Mask) -> Option<ConnProc<S>> {
        let connection = find(&mut self.slots, id)?;
        if connection.stream.is_lent() {
            return None;
        }
        let ready = el.ready(connection.stream.fd());
        let is_read = direction == Mask::READABLE;
        match connection.phase {
            Phase::Open if is_read => connection
                .read
                .filter(|_| connection.can_read() && ready.contains(Mask::READABLE)),
            Phase::Open | Phase::Ended if !is_read => connection
                .write
                .filter(|_| ready.contains(connection.write_direction())),
            Phase::Failed if is_read && connection.has_unreported_failure => {
                let read = connection.read.filter(|_| connection.can_read());
                let handler = read.or(connection.write);
                connection.has_unreported_failure = handler.is_none();
                handler
            }
            _ => None,
        }
    }

    fn has_barrier(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.has_barrier)
    }
}

/// The before-sleep pass: runs the read handler of every connection that is pending, once, and frees closed
/// connections. True if some are still pending; then the next poll must not sleep. If more happens before the poll, ask
/// `Conns::has_pending` behind it.
pub fn process_pending<S: ConnHost>(s: &mut S) -> bool {
    let (el, conns) = s.io();
    conns.take_lost(el);
    conns.free_closed();
    let rounds = s.conns().pending.len();
    if rounds > 0 {
        s.conns().stats.pending_passes += 1;
    }
    for _ in 0..rounds {
        // The queue may have become shorter, if a handler has run a pass of its own.
        let Some((id, handler)) = s.conns().unlist() else {
            break;
        };
        if let Some(handler) = handler {
            handler(s, id);
            // A handler that did not read has not listed it again.
            s.conns().list(id);
        }
    }
    !s.conns().pending.is_empty()
}

/// The proc of every connection, for both directions.
fn socket_event<S: ConnHost>(s: &mut S, _fd: RawFd, word: u64) {
    let id = ConnId::from_word(word);
    let (el, conns) = s.io();
    match conns.get(id).map(|connection| connection.phase) {
        Some(Phase::Open | Phase::Ended | Phase::Failed) => serve(s, id),
        Some(_) if conns.progress(el, id) => announce(s, id),
        Some(_) | None => {}
    }
}

/// Reports to the owner that a connection has become Connected or Failed.
fn announce<S: ConnHost>(s: &mut S, id: ConnId) {
    let on_ready = find(&mut s.conns().slots, id).and_then(|connection| connection.on_ready.take());
    if let Some(on_ready) = on_ready {
        on_ready(s, id);
    }
    // Data may have arrived in one segment with the end of the handshake; no event reports it.
    let read = s
        .conns()
        .get(id)
        .filter(|c| c.phase == Phase::Open && c.stream.tls().is_some() && c.can_read())
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

/// Gives up handshakes whose time has passed. Many end together, since they began together; those that are left are
/// given up a millisecond later.
fn on_deadline<S: ConnHost>(s: &mut S, timer: TimerId, _data: u64) -> Next {
    let began = Instant::now();
    while began.elapsed() < EXPIRING {
        let (el, conns) = s.io();
        let Some(id) = conns.next_expired(el) else {
            break;
        };
        announce(s, id);
    }
    s.conns().next_deadline(timer)
}

/// Milliseconds until `end`, rounded up: a timer that fires a moment early would find nothing.
fn until(end: Instant) -> u64 {
    let left = end.saturating_duration_since(Instant::now());
    u64::try_from(left.as_millis())
        .unwrap_or(u64::MAX)
        .saturating_add(1)
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
