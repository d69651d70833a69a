//! One connection of a loop: its id, its phases, its handlers, and what its socket is watched for.
//!
//! While its transport is lent to another thread (`lend`) a connection keeps its phase and handlers,
//! but its socket is watched for nothing and no handler runs.
//!
//! ```text
//!   connect ──► Dialing ──► Handshaking ──┐
//!                   └────── plain ────────┼──► Open ──read met end of file──► Ended
//!   accept ───► Waiting ──► Handshaking ──┤      │                              │
//!       └────────── plain ────────────────┘      └────── read or write failed ──┴──► Failed
//!                    any of the first three may go to Failed
//! ```
//!
//! # Invariants
//! 1. `on_ready` is taken when it is called, so it runs once.
//! 2. `error` is set exactly in `Failed`.
//! 3. `is_listed` says that the id is in the loop's pending queue.
//! 4. A failure that the loop met itself (`has_unreported_failure`) is reported by the next call of
//!    the read handler, also if that may run only later.

use ae::file::Mask;

use crate::addr::Addr;
use crate::error::ConnError;
use crate::io::Budget;
use crate::stream::{Io, Stream};
use crate::tls::census::Kind;
use crate::tls::stream::{TlsStream, Want};

/// Names a connection of one loop. A stale id finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnId {
    index: u32,
    generation: u32,
}

impl ConnId {
    pub(crate) fn new(index: usize, generation: u32) -> Self {
        // A slab is bounded by the number of descriptors.
        Self {
            index: index as u32,
            generation,
        }
    }

    /// The id as one word, never 0.
    pub fn to_word(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    /// The id back from its word.
    pub fn from_word(word: u64) -> Self {
        Self {
            index: word as u32,
            generation: (word >> 32) as u32,
        }
    }

    pub(crate) fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) fn generation(self) -> u32 {
        self.generation
    }
}

/// Called with the host and the connection.
pub type ConnProc<S> = fn(&mut S, ConnId);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Outgoing; the connect or the TLS handshake is in progress.
    Connecting,
    /// Incoming; the TLS handshake is in progress.
    Accepting,
    /// Usable.
    Connected,
    /// The peer has closed its side (it still receives what is written), or there is no such
    /// connection.
    Closed,
    /// It has failed; `error` says why.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The non-blocking connect is in progress.
    Dialing,
    /// Incoming TLS, before its handshake has begun.
    Waiting,
    Handshaking,
    Open,
    /// A read met end of file.
    Ended,
    Failed,
}

pub(crate) struct Connection<S> {
    pub(crate) stream: Stream,
    pub(crate) peer: Addr,
    pub(crate) data: u64,
    pub(crate) read: Option<ConnProc<S>>,
    pub(crate) write: Option<ConnProc<S>>,
    pub(crate) on_ready: Option<ConnProc<S>>,
    pub(crate) error: Option<ConnError>,
    pub(crate) budget: Budget,
    /// Where it is counted, once its TLS handshake is done.
    pub(crate) kind: Option<Kind>,
    pub(crate) phase: Phase,
    /// What the loop was last told to watch for.
    pub(crate) watched: Mask,
    pub(crate) is_outgoing: bool,
    pub(crate) is_protected: bool,
    /// The write handler runs before the read handler.
    pub(crate) has_barrier: bool,
    /// In the pending queue.
    pub(crate) is_listed: bool,
    /// In phase Waiting: its first byte will tell whether the peer speaks TLS.
    pub(crate) is_mixed: bool,
    /// In phase Waiting: its first bytes have arrived and no slot was free.
    pub(crate) is_parked: bool,
    /// Closed while lent: it is removed when it is given back.
    pub(crate) is_closed: bool,
    /// Another process goes on with it, so nothing is sent when it is closed.
    pub(crate) is_abandoned: bool,
    /// It failed outside a read or write of its owner, which has not been called since.
    pub(crate) has_unreported_failure: bool,
}

impl<S> Connection<S> {
    /// True if what is written goes straight to the socket.
    #[inline]
    pub(crate) fn collects_nothing(&self) -> bool {
        let is_plain = matches!(self.stream, Stream::Tcp(_) | Stream::Unix(_));
        is_plain && self.phase == Phase::Open
    }

    pub(crate) fn new(stream: Stream, peer: Addr, phase: Phase, data: u64) -> Self {
        Self {
            stream,
            peer,
            data,
            read: None,
            write: None,
            on_ready: None,
            error: None,
            budget: Budget::default(),
            kind: None,
            phase,
            watched: Mask::empty(),
            is_outgoing: false,
            is_protected: false,
            has_barrier: false,
            is_listed: false,
            is_mixed: false,
            is_parked: false,
            is_closed: false,
            is_abandoned: false,
            has_unreported_failure: false,
        }
    }

    /// Begins the server's side of a handshake. If that fails the connection is a plain one.
    pub(crate) fn start_handshake(self) -> (Self, Result<(), ConnError>) {
        let Stream::Unstarted(socket, context) = self.stream else {
            return (self, Ok(()));
        };
        match TlsStream::accept(&context, socket) {
            Ok(tls) => (
                Self {
                    stream: Stream::Tls(Box::new(tls)),
                    phase: Phase::Handshaking,
                    ..self
                },
                Ok(()),
            ),
            Err((error, socket)) => (
                Self {
                    stream: Stream::Tcp(socket),
                    ..self
                },
                Err(error),
            ),
        }
    }

    /// The connection of a peer that does not speak TLS.
    pub(crate) fn without_tls(self) -> Self {
        let stream = match self.stream {
            Stream::Unstarted(socket, _) => Stream::Tcp(socket),
            other => other,
        };
        Self {
            stream,
            phase: Phase::Open,
            ..self
        }
    }

    /// True for an incoming connection whose handshake is not done.
    pub(crate) fn is_being_accepted(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Handshaking) && !self.is_outgoing
    }

    /// Enters the phase that a read or write ended in; the failure it answers names the peer.
    pub(crate) fn note_end(&mut self, io: Io) -> Io {
        match io {
            Io::Failed(error) => {
                let error = error.with_peer(&self.peer);
                self.phase = Phase::Failed;
                self.error = Some(error.clone());
                Io::Failed(error)
            }
            Io::Eof => {
                self.phase = Phase::Ended;
                Io::Eof
            }
            other => other,
        }
    }

    /// True if bytes can be moved through it.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.phase, Phase::Open | Phase::Ended)
    }

    pub(crate) fn state(&self) -> State {
        match self.phase {
            Phase::Dialing => State::Connecting,
            Phase::Waiting => State::Accepting,
            Phase::Handshaking if self.is_outgoing => State::Connecting,
            Phase::Handshaking => State::Accepting,
            Phase::Open => State::Connected,
            Phase::Ended => State::Closed,
            Phase::Failed => State::Failed,
        }
    }

    /// What its socket is to be watched for.
    pub(crate) fn interest(&self) -> Mask {
        let mut mask = Mask::empty();
        if self.stream.is_lent() {
            return mask;
        }
        mask.set(Mask::READABLE, self.wants_readable());
        mask.set(Mask::WRITABLE, self.wants_writable());
        mask
    }

    fn wants_readable(&self) -> bool {
        match self.phase {
            Phase::Waiting => !self.is_parked,
            Phase::Handshaking => true,
            Phase::Open => {
                self.can_read()
                    || (self.write.is_some() && self.write_direction() == Mask::READABLE)
            }
            Phase::Dialing | Phase::Ended | Phase::Failed => false,
        }
    }

    fn wants_writable(&self) -> bool {
        match self.phase {
            Phase::Dialing => true,
            Phase::Waiting | Phase::Failed => false,
            Phase::Handshaking => self.unsent() > 0,
            Phase::Open | Phase::Ended => {
                self.unsent() > 0
                    || (self.write.is_some() && self.write_direction() == Mask::WRITABLE)
            }
        }
    }

    /// True if its read handler may run.
    pub(crate) fn can_read(&self) -> bool {
        self.read.is_some() && !self.is_protected
    }

    /// What the socket has to become before a write continues.
    pub(crate) fn write_direction(&self) -> Mask {
        match self.stream.tls().map(TlsStream::write_wants) {
            Some(Want::Read) => Mask::READABLE,
            _ => Mask::WRITABLE,
        }
    }

    /// Bytes that were accepted by a write and are not in the kernel.
    pub(crate) fn unsent(&self) -> usize {
        self.stream.unsent()
    }

    /// True if its read handler is to run before the next poll, because no event of the socket will
    /// cause it to.
    pub(crate) fn is_pending(&self) -> bool {
        if !self.can_read() {
            return false;
        }
        match self.phase {
            Phase::Open => self.stream.tls().is_some_and(TlsStream::is_pending),
            Phase::Failed => self.has_unreported_failure && !self.stream.is_lent(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_word() {
        for (index, generation) in [
            (0, 1),
            (7, 1),
            (u32::MAX as usize, u32::MAX),
            (1, 0x8000_0000),
        ] {
            let id = ConnId::new(index, generation);
            assert_ne!(id.to_word(), 0);
            assert_eq!(ConnId::from_word(id.to_word()), id);
        }
    }
}
