//! One transport: a plain socket or TLS over one; and `Io`, the answer of every read and write.

use std::io::IoSlice;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockaddrStorage, getsockname, recv, send, sendmsg};

use crate::addr::Addr;
use crate::error::ConnError;
use crate::tls::context::TlsContext;
use crate::tls::stream::TlsStream;

/// The result of a read or a write.
#[derive(Debug)]
#[must_use]
pub enum Io {
    /// This many bytes were moved. Fewer than asked for is not an error.
    Done(usize),
    /// Nothing can be moved now; the loop calls the handler when something can.
    WouldBlock,
    /// The peer has closed its side. Only reads answer this.
    Eof,
    /// The connection has failed; every later call answers the same.
    Failed(ConnError),
}

/// A transport. Two words wide.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TCP whose TLS handshake has not begun: until then it costs no more than a plain connection.
    Unstarted(TcpStream, TlsContext),
    /// TLS.
    Tls(Box<TlsStream>),
    /// The transport is lent to another thread; this stands in for it.
    Lent(Box<Absent>),
}

/// What remains known of a transport that is lent.
#[derive(Debug)]
pub struct Absent {
    /// The socket's descriptor, which stays open.
    pub(crate) fd: RawFd,
    pub(crate) is_tls: bool,
    /// As of `lend`.
    pub(crate) unsent: usize,
    /// As of `lend`.
    pub(crate) memory: usize,
}

impl Stream {
    /// The socket's descriptor.
    pub fn fd(&self) -> RawFd {
        match self {
            Self::Unix(socket) => socket.as_raw_fd(),
            Self::Tcp(socket) | Self::Unstarted(socket, _) => socket.as_raw_fd(),
            Self::Tls(tls) => tls.socket().as_raw_fd(),
            Self::Lent(absent) => absent.fd,
        }
    }

    /// The TCP socket under it, if it is one and not lent.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) | Self::Unstarted(socket, _) => Some(socket),
            Self::Tls(tls) => Some(tls.socket()),
            Self::Unix(_) | Self::Lent(_) => None,
        }
    }

    /// The TLS over it, once its handshake has begun.
    pub fn tls(&self) -> Option<&TlsStream> {
        match self {
            Self::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// True if it speaks TLS, or will.
    pub fn is_tls(&self) -> bool {
        match self {
            Self::Tls(_) | Self::Unstarted(..) => true,
            Self::Lent(absent) => absent.is_tls,
            Self::Tcp(_) | Self::Unix(_) => false,
        }
    }

    /// True while the transport is lent.
    pub(crate) fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }

    /// Bytes that were accepted by a write and are not in the kernel.
    pub(crate) fn unsent(&self) -> usize {
        match self {
            Self::Tls(tls) => tls.unsent(),
            Self::Lent(absent) => absent.unsent,
            _ => 0,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Tls(tls) => tls.memory(),
            Self::Lent(absent) => absent.memory,
            _ => 0,
        }
    }

    /// The address of this end; the path for a Unix socket that was accepted.
    pub fn local(&self) -> Option<Addr> {
        match self {
            Self::Unix(socket) => {
                let addr = socket.local_addr().ok()?;
                addr.as_pathname()
                    .map(|path| Addr::Unix(path.to_path_buf()))
            }
            Self::Lent(absent) => local_of(absent.fd),
            _ => self
                .tcp()
                .and_then(|socket| socket.local_addr().ok())
                .map(Addr::Tcp),
        }
    }

    /// The address of the other end of a TCP connection.
    pub fn remote(&self) -> Option<SocketAddr> {
        self.tcp().and_then(|socket| socket.peer_addr().ok())
    }

    /// The error of a non-blocking connect that failed. Reading it clears it on the socket.
    pub(crate) fn take_error(&self) -> Option<std::io::Error> {
        let error = match self {
            Self::Unix(socket) => socket.take_error(),
            _ => self.tcp()?.take_error(),
        };
        error.unwrap_or_else(Some)
    }
}

/// The address that a TCP socket is bound to.
fn local_of(fd: RawFd) -> Option<Addr> {
    let addr = getsockname::<SockaddrStorage>(fd).ok()?;
    let v4 = addr
        .as_sockaddr_in()
        .map(|&addr| SocketAddrV4::from(addr).into());
    let v6 = || {
        addr.as_sockaddr_in6()
            .map(|&addr| SocketAddrV6::from(addr).into())
    };
    v4.or_else(v6).map(Addr::Tcp)
}

/// Receives from a plain socket; `Ok(None)` is would-block.
pub(crate) fn receive(fd: RawFd, buf: &mut [u8]) -> Result<Option<usize>, Errno> {
    retry(|| recv(fd, buf, MsgFlags::empty()))
}

/// Sends to a plain socket; `Ok(None)` is would-block.
pub(crate) fn transmit(fd: RawFd, data: &[u8]) -> Result<Option<usize>, Errno> {
    retry(|| send(fd, data, MsgFlags::MSG_NOSIGNAL))
}

/// Sends several pieces to a plain socket in one call; `Ok(None)` is would-block.
pub(crate) fn transmit_vectored(fd: RawFd, pieces: &[IoSlice<'_>]) -> Result<Option<usize>, Errno> {
    retry(|| sendmsg::<()>(fd, pieces, &[], MsgFlags::MSG_NOSIGNAL, None))
}

fn retry(mut call: impl FnMut() -> nix::Result<usize>) -> Result<Option<usize>, Errno> {
    loop {
        match call() {
            Ok(n) => return Ok(Some(n)),
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
}
