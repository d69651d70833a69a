//! One connection of a loop: its id, its phases, its handlers, and what its socket is watched for.
//!
//! ```text
//!   connect ──► Dialing ──► Handshaking ──┐
//!                   └────── plain ────────┼──► Open ──read met end of file──► Ended
//!   accept ───► Waiting ──► Handshaking ──┤      │                              │
//!       └────────── plain ────────────────┘      └────── read or write failed ──┴──► Failed
//!                    any of the first three may go to Failed
//! ```
//!
//! Invariants:
//! 1. `on_ready` is taken when it is called, so it runs once.
//! 2. `error` is set exactly in `Failed`.
//! 3. `is_listed` says that the id is in the loop's pending queue.

use ae::file::Mask;

use crate::addr::Addr;
use crate::error::ConnError;
use crate::stream::Stream;
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

/// Called with the host and the connection that has something to do.
pub type ConnProc<S> = fn(&mut S, ConnId);

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Outgoing; the peer has not answered yet, or TLS is being agreed on.
    Connecting,
    /// Incoming; TLS is being agreed on.
    Accepting,
    /// Usable.
    Connected,
    /// The peer has closed its side (what is written still reaches it), or there is no such
    /// connection.
    Closed,
    /// Broken; `error` says why.
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The non-blocking connect is under way.
    Dialing,
    /// Incoming TLS, before its handshake has begun.
    Waiting,
    Handshaking,
    Open,
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
    pub(crate) phase: Phase,
    pub(crate) is_outgoing: bool,
    pub(crate) is_protected: bool,
    /// The write handler goes before the read handler.
    pub(crate) has_barrier: bool,
    /// In the pending queue.
    pub(crate) is_listed: bool,
    /// In phase Waiting: its first bytes are there and no slot was free.
    pub(crate) is_parked: bool,
}

impl<S> Connection<S> {
    pub(crate) fn new(stream: Stream, peer: Addr, phase: Phase, data: u64) -> Self {
        Self {
            stream,
            peer,
            data,
            read: None,
            write: None,
            on_ready: None,
            error: None,
            phase,
            is_outgoing: false,
            is_protected: false,
            has_barrier: false,
            is_listed: false,
            is_parked: false,
        }
    }

    /// Begins the server's side of a handshake. On failure it is as it was, but for TLS.
    pub(crate) fn greet(self) -> (Self, Result<(), ConnError>) {
        let Stream::Greeting(socket, context) = self.stream else {
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

    /// True for an incoming connection whose handshake is not done.
    pub(crate) fn is_being_accepted(&self) -> bool {
        matches!(self.phase, Phase::Waiting | Phase::Handshaking) && !self.is_outgoing
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

    /// What the socket has to become before a write goes on.
    pub(crate) fn write_direction(&self) -> Mask {
        match self.stream.tls().map(TlsStream::write_wants) {
            Some(Want::Read) => Mask::READABLE,
            _ => Mask::WRITABLE,
        }
    }

    /// Bytes that were accepted by a write and are not in the kernel.
    pub(crate) fn unsent(&self) -> usize {
        self.stream.tls().map_or(0, TlsStream::unsent)
    }

    /// True if it is to be read before the next poll, since the socket has nothing to say about it.
    pub(crate) fn is_pending(&self) -> bool {
        self.phase == Phase::Open
            && self.can_read()
            && self.stream.tls().is_some_and(TlsStream::is_pending)
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
