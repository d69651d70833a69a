//! Listening sockets: TCP on one address, or a Unix path.
//!
//! # Invariants
//! 1. Listening and accepted sockets are non-blocking and close-on-exec.
//! 2. An IPv6 socket accepts IPv6 only, so that `*` and `::*` can be used together.
//! 3. A Unix socket never has wider permissions than asked for, not even briefly: the socket has
//!    them before `bind` creates the file (the kernel gives the file the socket's mode, less the
//!    umask), and nobody can connect before `listen`.
//! 4. A connection that was reset while queued does not end a round of accepting: `accept`
//!    distinguishes such errors from those of the process.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::sys::socket::{self, AddressFamily, Backlog, SockaddrStorage, UnixAddr, sockopt};
use nix::sys::stat::{Mode, fchmod};

use crate::addr::Addr;
use crate::dial::new_socket;
use crate::resolve::local_address;

/// An accepted connection.
#[derive(Debug)]
pub struct Accepted {
    /// Its socket: non-blocking, close-on-exec.
    pub fd: OwnedFd,
    /// Its address.
    pub peer: Addr,
}

/// The result of `accept`.
#[derive(Debug)]
pub enum Accept {
    /// A connection.
    Conn(Accepted),
    /// The queue is empty.
    WouldBlock,
    /// One connection failed before it could be accepted: go on to the next.
    Skip(io::Error),
    /// The process is out of descriptors or memory: stop for this turn.
    Stop(io::Error),
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener, PathBuf),
}

/// A listening socket.
#[derive(Debug)]
pub struct Listener(Socket);

impl Listener {
    /// Listens on `host` (an address, a name, `*` for all of IPv4, `::*` for all of IPv6) and `port` (0: any
    /// free one). `mark` is the socket mark for routing (SO_MARK), 0 for none.
    ///
    /// # Errors
    /// The name has no address, or the system refuses: address in use, not available, family not supported.
    pub fn tcp(host: &str, port: u16, backlog: i32, mark: u32) -> io::Result<Self> {
        let addr = SocketAddr::new(resolve(host)?, port);
        let family = if addr.is_ipv6() {
            AddressFamily::Inet6
        } else {
            AddressFamily::Inet
        };
        let fd = new_socket(family)?;
        if addr.is_ipv6() {
            socket::setsockopt(&fd, sockopt::Ipv6V6Only, &true)?;
        }
        socket::setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        if mark != 0 {
            socket::setsockopt(&fd, sockopt::Mark, &mark)?;
        }
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(addr))?;
        socket::listen(&fd, backlog_of(backlog))?;
        Ok(Self(Socket::Tcp(TcpListener::from(fd))))
    }

    /// Listens on a Unix path, with permissions `perm` (as chmod takes them), or those that the umask
    /// leaves. A socket that an earlier process left there is removed.
    ///
    /// # Errors
    /// The path is too long, exists and is not a socket, or the system refuses.
    pub fn unix(path: &Path, perm: Option<u32>, backlog: i32) -> io::Result<Self> {
        let addr = UnixAddr::new(path)?;
        let fd = new_socket(AddressFamily::Unix)?;
        if fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        if let Some(perm) = perm {
            fchmod(fd.as_fd(), Mode::from_bits_truncate(perm))?;
        }
        socket::bind(fd.as_raw_fd(), &addr)?;
        if let Some(perm) = perm {
            // `bind` has applied the umask; the permissions asked for may be wider.
            fs::set_permissions(path, fs::Permissions::from_mode(perm))?;
        }
        socket::listen(&fd, backlog_of(backlog))?;
        Ok(Self(Socket::Unix(
            UnixListener::from(fd),
            path.to_path_buf(),
        )))
    }

    /// Accepts the next connection.
    pub fn accept(&self) -> Accept {
        let accepted = match &self.0 {
            Socket::Tcp(listener) => listener.accept().and_then(|(stream, addr)| {
                stream.set_nonblocking(true)?;
                Ok(Accepted {
                    fd: stream.into(),
                    peer: Addr::Tcp(addr),
                })
            }),
            Socket::Unix(listener, path) => listener.accept().and_then(|(stream, _)| {
                stream.set_nonblocking(true)?;
                Ok(Accepted {
                    fd: stream.into(),
                    peer: Addr::Unix(path.clone()),
                })
            }),
        };
        match accepted {
            Ok(accepted) => Accept::Conn(accepted),
            Err(error) => classify(error),
        }
    }

    /// The descriptor, to be watched for reading.
    pub fn fd(&self) -> RawFd {
        match &self.0 {
            Socket::Tcp(listener) => listener.as_raw_fd(),
            Socket::Unix(listener, _) => listener.as_raw_fd(),
        }
    }

    /// The port it listens on; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        match &self.0 {
            Socket::Tcp(listener) => listener.local_addr().map_or(0, |addr| addr.port()),
            Socket::Unix(..) => 0,
        }
    }

    /// The address it listens on.
    pub fn addr(&self) -> Option<Addr> {
        match &self.0 {
            Socket::Tcp(listener) => listener.local_addr().ok().map(Addr::Tcp),
            Socket::Unix(_, path) => Some(Addr::Unix(path.clone())),
        }
    }
}

/// What to do about an error of accept(2).
fn classify(error: io::Error) -> Accept {
    match error.raw_os_error() {
        Some(libc::EAGAIN) => Accept::WouldBlock,
        // The next connection would fail in the same way, and this one stays in the queue.
        Some(
            libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM | libc::EBADF | libc::EINVAL,
        ) => Accept::Stop(error),
        // A reset before it was accepted, a firewall rule, a pending network error of the new socket.
        _ => Accept::Skip(error),
    }
}

fn resolve(host: &str) -> io::Result<IpAddr> {
    match host {
        "*" => Ok(Ipv4Addr::UNSPECIFIED.into()),
        "::*" => Ok(Ipv6Addr::UNSPECIFIED.into()),
        host => local_address(host),
    }
}

fn backlog_of(backlog: i32) -> Backlog {
    Backlog::new(backlog).unwrap_or(Backlog::MAXALLOWABLE)
}
