//! Outgoing sockets: a connect that does not wait.

use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrLike, SockaddrStorage, UnixAddr, bind, connect,
    setsockopt, socket, sockopt,
};

use crate::addr::Addr;
use crate::error::{ConnError, Step};

/// Where an outgoing connection goes.
#[derive(Clone, Copy, Debug)]
pub enum Target<'a> {
    /// A TCP port.
    Tcp {
        /// An address, or a name. A name is resolved on the spot, which takes as long as the
        /// system's resolver does: a server dials addresses.
        host: &'a str,
        /// The port.
        port: u16,
        /// The address of this machine to come from.
        bind_source: Option<&'a str>,
    },
    /// A Unix socket.
    Unix(&'a Path),
}

/// Begins to connect to `target`: a socket that is connected or on its way, and the address it goes
/// to. Of a name with several addresses it is the first that does not refuse at once.
///
/// # Errors
/// The name has no address, or every address refuses at once.
pub(crate) fn dial(target: &Target<'_>) -> Result<(OwnedFd, Addr), ConnError> {
    match *target {
        Target::Tcp {
            host,
            port,
            bind_source,
        } => dial_host(host, port, bind_source),
        Target::Unix(path) => dial_unix(path),
    }
}

fn dial_host(
    host: &str,
    port: u16,
    bind_source: Option<&str>,
) -> Result<(OwnedFd, Addr), ConnError> {
    let to = format!("{host}:{port}");
    let resolving = |error: io::Error| ConnError::io(Step::Resolve, &error).with_peer(&to);
    let source = bind_source
        .map(|name| resolve(name, 0))
        .transpose()
        .map_err(resolving)?;
    let mut last = ConnError::new(Step::Resolve, "the name has no address").with_peer(&to);
    for addr in resolve(host, port).map_err(resolving)? {
        match dial_tcp(addr, source.as_deref()) {
            Ok(fd) => return Ok((fd, Addr::Tcp(addr))),
            Err(error) => last = ConnError::io(Step::Connect, &error).with_peer(&Addr::Tcp(addr)),
        }
    }
    Err(last)
}

fn resolve(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)]),
        Err(_) => Ok((host, port).to_socket_addrs()?.collect()),
    }
}

fn dial_tcp(addr: SocketAddr, sources: Option<&[SocketAddr]>) -> io::Result<OwnedFd> {
    let fd = new_socket(if addr.is_ipv6() {
        AddressFamily::Inet6
    } else {
        AddressFamily::Inet
    })?;
    // Requests and replies are whole when they are written: to hold one back until the last is
    // acknowledged gains nothing.
    setsockopt(&fd, sockopt::TcpNoDelay, &true)?;
    if let Some(sources) = sources {
        let same_family = sources
            .iter()
            .find(|source| source.is_ipv6() == addr.is_ipv6());
        let source = same_family.ok_or(io::ErrorKind::AddrNotAvailable)?;
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        bind(fd.as_raw_fd(), &SockaddrStorage::from(*source))?;
    }
    begin(fd, &SockaddrStorage::from(addr))
}

fn dial_unix(path: &Path) -> Result<(OwnedFd, Addr), ConnError> {
    let dialled = UnixAddr::new(path)
        .map_err(io::Error::from)
        .and_then(|addr| begin(new_socket(AddressFamily::Unix)?, &addr));
    let addr = Addr::Unix(path.to_path_buf());
    match dialled {
        Ok(fd) => Ok((fd, addr)),
        Err(error) => Err(ConnError::io(Step::Connect, &error).with_peer(&addr)),
    }
}

fn new_socket(family: AddressFamily) -> io::Result<OwnedFd> {
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
