//! Questions about a connection, options of its socket, the word of its owner, and statistics.
//!
//! Of a connection that is lent to another thread the socket cannot be reached: options are left as
//! they are, and what its TLS says is unknown until it is given back.

use std::io;
use std::os::fd::RawFd;
use std::os::linux::net::TcpStreamExt;

use nix::sys::socket::{Shutdown, setsockopt, shutdown, sockopt};

use crate::addr::Addr;
use crate::connection::{ConnId, Connection, Phase, State};
use crate::conns::{Conns, Slot, find};
use crate::error::ConnError;
use crate::tls::context::TlsContext;
use crate::tls::examine::Details;
use crate::tls::info::{Identity, Sessions, TlsStats, Traffic};
use crate::tls::stream::TlsStream;

impl<S> Conns<S> {
    /// Makes the kernel acknowledge at once what was received. For a request that is incomplete: a peer
    /// that holds its second segment back until the first is acknowledged would wait 40 ms for the
    /// delayed acknowledgement.
    pub fn want_ack(&self, id: ConnId) {
        if let Some(socket) = self.get(id).and_then(|connection| connection.stream.tcp()) {
            // Only a hint; a socket that is being reset may refuse it.
            let _ = socket.set_quickack(true);
        }
    }

    /// Makes the kernel probe the peer when nothing was received for `secs` seconds, with three more
    /// probes a third of that apart. No effect on a Unix socket.
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

    /// Sends small segments at once instead of collecting them in the kernel (TCP_NODELAY). No effect
    /// on a Unix socket.
    ///
    /// # Errors
    /// The system refuses, or there is no such connection.
    pub fn set_nodelay(&self, id: ConnId, nodelay: bool) -> io::Result<()> {
        let connection = self.get(id).ok_or(io::ErrorKind::NotConnected)?;
        match (connection.stream.tcp(), &connection.peer) {
            (Some(socket), Addr::Tcp(_)) => socket.set_nodelay(nodelay),
            _ => Ok(()),
        }
    }

    /// Ends a connection in both directions. Its owner is told as of one that the peer has closed.
    pub fn sever(&self, id: ConnId) {
        if let Some(connection) = self.get(id) {
            // One that is not connected any more has ended already.
            let _ = shutdown(connection.stream.fd(), Shutdown::Both);
        }
    }

    /// True until `close`.
    pub fn exists(&self, id: ConnId) -> bool {
        self.get(id).is_some()
    }

    /// Its state.
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

    /// The address of this end. Asked from the kernel each time: it is seldom needed, and keeping it
    /// would cost every connection 32 bytes.
    pub fn local(&self, id: ConnId) -> Option<Addr> {
        self.get(id)?.stream.local()
    }

    /// True if it speaks TLS.
    pub fn is_tls(&self, id: ConnId) -> bool {
        self.get(id)
            .is_some_and(|connection| connection.stream.is_tls())
    }

    /// The identity of the peer, by a certificate that was verified.
    pub fn peer_cert(&self, id: ConnId) -> Option<Identity> {
        self.tls(id)?.peer_identity()
    }

    /// The subject of that certificate, as in [`Identity`]; empty if there is none.
    pub fn peer_subject(&self, id: ConnId) -> &str {
        self.tls(id).map_or("", TlsStream::peer_subject)
    }

    /// The certificate in the peer's chain that a context's lists revoke; it may have been good when the connection was
    /// made.
    pub fn revoked_by(&self, id: ConnId, context: &TlsContext) -> Option<String> {
        self.tls(id)?.revoked_by(context)
    }

    /// Whether it is going to have a TLS handshake, or has one.
    pub fn is_shaking_hands(&self, id: ConnId) -> bool {
        self.is_tls(id) && matches!(self.state(id), State::Connecting | State::Accepting)
    }

    /// `TLSv1.3`, once the handshake is done.
    pub fn tls_version(&self, id: ConnId) -> Option<&'static str> {
        Some(self.sessions(id)?.version)
    }

    /// `TLS_AES_256_GCM_SHA384`, once the handshake is done.
    pub fn cipher(&self, id: ConnId) -> Option<&'static str> {
        Some(self.sessions(id)?.cipher)
    }

    /// All about its TLS, once the handshake is done.
    pub fn tls_details(&self, id: ConnId) -> Option<Details> {
        self.tls(id).map(TlsStream::details)
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
            let stream = connection.stream.memory();
            size_of::<Slot<S>>() + connection.peer.heap_len() + stream
        })
    }

    /// How many there are, those included that were closed while they were lent.
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
                .filter(|connection| !connection.is_closed)
                .map(|_| ConnId::new(index, slot.generation))
        };
        self.slots.iter().enumerate().filter_map(id)
    }

    /// Statistics of TLS.
    pub fn stats(&self) -> TlsStats {
        TlsStats {
            in_flight: self.admission.in_flight(),
            waiting: self.admission.waiting(),
            traffic: self.pool.traffic,
            current: self.census.present(),
            ..self.stats.clone()
        }
    }

    /// Counts from zero again. The latest failure stays known.
    pub fn reset_stats(&mut self) {
        self.stats = TlsStats {
            last_failure: self.stats.last_failure.take(),
            ..TlsStats::default()
        };
        self.pool.traffic = Traffic::default();
    }

    /// What its handshake came to.
    fn sessions(&self, id: ConnId) -> Option<&Sessions> {
        Some(self.census.get(self.get(id)?.kind?))
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
}
