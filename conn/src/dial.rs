//! Outgoing connections: sockets that connect without blocking, and the walk over the addresses of
//! a server until one of them accepts.
//!
//! [`Target`] is one address, and all that an event loop is ever given: nothing on a loop resolves
//! a name. [`Dialer`] goes from a name to a connection on a loop (replication, MIGRATE):
//!
//! ```text
//!   start ──► Resolving ──► Trying ──next──► a connection in progress ──► connected
//!             (a thread)      ▲                         │
//!                             └──── it has failed ──────┘         no address left: given up
//! ```
//!
//! [`Place`] is a server by name, for programs that may block (`blocking`).

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use ae::event_loop::EventLoop;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind, connect,
    setsockopt, socket, sockopt,
};

use crate::addr::Addr;
use crate::connection::{ConnId, ConnProc};
use crate::conns::{ClientTls, ConnHost, Conns};
use crate::error::{ConnError, Step};
use crate::resolve::{Hop, Lookup, Query};

/// A server by name.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// A TCP port.
    Tcp {
        /// Name or address.
        host: &'a str,
        /// The port.
        port: u16,
        /// Name or address of this machine to connect from.
        source: Option<&'a str>,
    },
    /// A Unix socket.
    Unix(&'a Path),
}

/// A server by address.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A TCP port.
    Tcp(Hop),
    /// A Unix socket.
    Unix(&'a Path),
}

/// The result of a step of a [`Dialer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialed {
    /// The name is still being resolved.
    Resolving,
    /// This connection is in progress; `on_connect` learns whether it succeeds.
    Begun(ConnId),
    /// No address is left.
    Exhausted,
}

/// The way from a server's name to a connection of an event loop.
#[derive(Debug)]
pub struct Dialer(Progress);

#[derive(Debug)]
enum Progress {
    Resolving(Lookup),
    Trying(VecDeque<Hop>),
}

impl Dialer {
    /// Starts to resolve. `wake` wakes the loop, which calls [`Dialer::next`] before it sleeps.
    pub fn start(query: Query, wake: impl FnOnce() + Send + 'static) -> Self {
        Self(Progress::Resolving(Lookup::start(query, wake)))
    }

    /// Whether the name is still being resolved, as far as is known.
    pub fn is_resolving(&self) -> bool {
        matches!(self.0, Progress::Resolving(_))
    }

    /// Begins to connect to the next address; every failure on the way is given to `report`.
    pub fn next<S: ConnHost>(
        &mut self,
        (el, conns): (&mut EventLoop<S>, &mut Conns<S>),
        tls: Option<ClientTls<'_>>,
        on_connect: ConnProc<S>,
        mut report: impl FnMut(&ConnError),
    ) -> Dialed {
        let mut hops = match std::mem::replace(&mut self.0, Progress::Trying(VecDeque::new())) {
            Progress::Trying(hops) => hops,
            Progress::Resolving(lookup) => match lookup.poll() {
                Ok(Ok(hops)) => hops.into(),
                Ok(Err(error)) => {
                    report(&error);
                    return Dialed::Exhausted;
                }
                Err(lookup) => {
                    self.0 = Progress::Resolving(lookup);
                    return Dialed::Resolving;
                }
            },
        };
        let mut dialed = Dialed::Exhausted;
        while let Some(hop) = hops.pop_front() {
            match conns.connect(el, &Target::Tcp(hop), tls, on_connect, 0) {
                Ok(conn) => {
                    dialed = Dialed::Begun(conn);
                    break;
                }
                Err(error) => report(&error),
            }
        }
        self.0 = Progress::Trying(hops);
        dialed
    }
}

/// Begins to connect to `target`: a non-blocking socket that is connected or connecting, and the
/// address of the peer.
///
/// # Errors
/// The system refuses at once.
pub(crate) fn dial(target: &Target<'_>) -> Result<(OwnedFd, Addr), ConnError> {
    let (dialed, addr) = match target {
        Target::Tcp(hop) => (dial_tcp(hop), Addr::Tcp(hop.addr)),
        Target::Unix(path) => (dial_unix(path), Addr::Unix(path.to_path_buf())),
    };
    match dialed {
        Ok(fd) => Ok((fd, addr)),
        Err(error) => Err(ConnError::io(Step::Connect, &error).with_peer(&addr)),
    }
}

fn dial_tcp(hop: &Hop) -> io::Result<OwnedFd> {
    let fd = new_socket(if hop.addr.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    })?;
    // Requests and replies are written whole, so Nagle's algorithm would only delay them.
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    // The local port may be one that a server on this machine, perhaps a node that restarts, will
    // listen on. This option, which every listener sets as well, lets it do so.
    setsockopt(&fd, sockopt::ReuseAddr, &true)?;
    if let Some(source) = hop.source {
        let source = SockaddrStorage::from(SocketAddr::new(source, 0));
        bind(fd.as_raw_fd(), &source)?;
    }
    begin(fd, &SockaddrStorage::from(hop.addr))
}

/// Connects to a Unix socket; fails at once if the queue of its server is full.
pub(crate) fn dial_unix(path: &Path) -> io::Result<OwnedFd> {
    let addr = UnixAddr::new(path)?;
    begin(new_socket(AddressFamily::Unix)?, &addr)
}

/// A socket whose calls do not block.
pub(crate) fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(socket(
        family,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        None,
    )?)
}

fn begin(fd: OwnedFd, addr: &dyn SockaddrLike) -> io::Result<OwnedFd> {
    match connect(fd.as_raw_fd(), addr) {
        // A signal does not undo a connect that has begun.
        Ok(()) | Err(Errno::EINPROGRESS | Errno::EINTR) => Ok(fd),
        Err(errno) => Err(errno.into()),
    }
}
