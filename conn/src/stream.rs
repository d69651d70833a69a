//! One transport: a plain socket or TLS over one, and `Io`, the answer of every read and write.

use std::io::IoSlice;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send, sendmsg};

use crate::addr::Addr;
use crate::error::ConnError;
use crate::tls::context::TlsContext;
use crate::tls::stream::TlsStream;

/// What became of a read or a write.
#[derive(Debug)]
#[must_use]
pub enum Io {
    /// So many bytes were moved. Fewer than asked for is not an error.
    Done(usize),
    /// Nothing can be moved now; the loop says when.
    WouldBlock,
    /// The peer has closed its side. Only reads answer this.
    Eof,
    /// The connection is broken, for good.
    Failed(ConnError),
}

/// A transport. Two words wide.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// TCP that will speak TLS once its handshake may begin: until then it costs no more than a
    /// plain one.
    Greeting(TcpStream, TlsContext),
    /// TLS.
    Tls(Box<TlsStream>),
}

impl Stream {
    /// The socket's descriptor.
    pub fn fd(&self) -> RawFd {
        match self {
            Self::Unix(socket) => socket.as_raw_fd(),
            Self::Tcp(socket) | Self::Greeting(socket, _) => socket.as_raw_fd(),
            Self::Tls(tls) => tls.socket().as_raw_fd(),
        }
    }

    /// The TCP socket under it, if it is one.
    pub fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Tcp(socket) | Self::Greeting(socket, _) => Some(socket),
            Self::Tls(tls) => Some(tls.socket()),
            Self::Unix(_) => None,
        }
    }

    /// The TLS over it, once there is any.
    pub fn tls(&self) -> Option<&TlsStream> {
        match self {
            Self::Tls(tls) => Some(tls),
            _ => None,
        }
    }

    /// True if it speaks TLS, or will.
    pub fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_) | Self::Greeting(..))
    }

    /// The address of this end; the path for a Unix socket that was accepted.
    pub fn local(&self) -> Option<Addr> {
        match self {
            Self::Unix(socket) => {
                let addr = socket.local_addr().ok()?;
                addr.as_pathname()
                    .map(|path| Addr::Unix(path.to_path_buf()))
            }
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

    /// The error that a non-blocking connect ended with, if it did; reading it takes it off the
    /// socket.
    pub(crate) fn take_error(&self) -> Option<std::io::Error> {
        let error = match self {
            Self::Unix(socket) => socket.take_error(),
            _ => self.tcp()?.take_error(),
        };
        error.unwrap_or_else(Some)
    }
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
