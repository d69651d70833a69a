//! A connection for programs that may block: redis-cli, tests, and MIGRATE inside a transaction.
//!
//! The stream is the same as on an event loop. The socket is non-blocking: an operation that has to
//! wait polls it until a deadline, so that a time-out bounds the whole operation however slowly the
//! peer answers.
//! TLS runs in its direct mode, which sends what a handshake step has produced before it asks for
//! the answer.
//!
//! # Invariants
//! 1. `deadline`, where it is set, bounds everything together. The time-outs bound one read or one
//!    send each, which ends at whichever comes first.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::conns::ClientTls;
use crate::dial::{Place, Target, dial, dial_unix};
use crate::encode::request;
use crate::error::{ConnError, Step};
use crate::resolve::{Hop, Lookup, Query, Resolved, resolve};
use crate::resp::{Decoder, ProtocolError, Value};
use crate::stream::Io;
use crate::tls::bio::Pool;
use crate::tls::examine::Shown;
use crate::tls::info::Identity;
use crate::tls::stream::{Handshake, TlsStream, Want};

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// Why a request got no reply.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server closed the connection.
    Closed,
    /// The time-out or the deadline has passed.
    TimedOut,
    /// The connection failed.
    Conn(ConnError),
    /// The bytes received are not RESP.
    Protocol(ProtocolError),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Closed => f.write_str("Server closed the connection"),
            Failure::TimedOut => f.write_str("Resource temporarily unavailable"),
            Failure::Conn(error) => error.fmt(f),
            Failure::Protocol(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Failure {}

enum Transport {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>, Pool),
}

/// A connection to a server.
pub struct Client {
    transport: Transport,
    decoder: Decoder,
    /// Anything was received.
    heard: bool,
    /// When the last send began.
    asked: Option<Instant>,
    /// What is received first goes here; kept for its memory.
    input: Vec<u8>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
    deadline: Option<Instant>,
}

impl Client {
    /// Resolves, connects to the first address that accepts, and does the TLS handshake when there
    /// is one. `timeout` bounds all of it together.
    ///
    /// # Errors
    /// A sentence that names the peer, the step and the cause.
    pub fn connect(
        place: &Place<'_>,
        tls: Option<ClientTls<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Self, ConnError> {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let (name, socket) = match *place {
            Place::Unix(path) => (
                path.display().to_string(),
                Socket::Unix(connect_unix(path)?),
            ),
            Place::Tcp { host, port, source } => {
                let query = Query {
                    host: host.to_owned(),
                    port,
                    source: source.map(str::to_owned),
                };
                let hops = look_up(query, deadline)?;
                let name = format!("{host}:{port}");
                let socket =
                    connect_any(&hops, deadline).map_err(|error| error.with_peer(&name))?;
                (name, Socket::Tcp(socket))
            }
        };
        let transport = match (socket, tls) {
            (Socket::Tcp(socket), None) => Transport::Tcp(socket),
            (Socket::Unix(socket), None) => Transport::Unix(socket),
            (socket, Some(tls)) => handshake(socket.into_stream(), &tls, deadline)
                .map_err(|error| error.with_peer(&name))?,
        };
        Ok(Client {
            transport,
            decoder: Decoder::default(),
            heard: false,
            asked: None,
            input: Vec::new(),
            read_timeout: None,
            write_timeout: None,
            deadline: None,
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection failed, or the server closed it, or did not take them in time.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<(), Failure> {
        let until = self.until(self.write_timeout);
        self.asked = Some(Instant::now());
        loop {
            let is_blocked = match &mut self.transport {
                Transport::Tls(stream, pool) => return send_tls(stream, pool, bytes, until),
                Transport::Tcp(socket) => send_plain(socket, &mut bytes)?,
                Transport::Unix(socket) => send_plain(socket, &mut bytes)?,
            };
            if !is_blocked {
                return Ok(());
            }
            wait(self.as_fd(), PollFlags::POLLOUT, until)?;
        }
    }

    /// Waits for bytes and puts them into `buf`; 0 is the end.
    ///
    /// # Errors
    /// The connection failed, or nothing came in time.
    pub fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        let until = self.until(self.read_timeout);
        self.receive_until(buf, until)
    }

    fn receive_until(&mut self, buf: &mut [u8], until: Option<Instant>) -> Result<usize, Failure> {
        loop {
            let received = match &mut self.transport {
                Transport::Tcp(socket) => receive_plain(socket, buf)?,
                Transport::Unix(socket) => receive_plain(socket, buf)?,
                Transport::Tls(stream, pool) => {
                    stream.set_readiness(true, false);
                    match stream.read(pool, buf) {
                        Io::Done(n) => Some(n),
                        Io::Eof => Some(0),
                        Io::WouldBlock => None,
                        Io::Failed(error) => return Err(Failure::Conn(error)),
                    }
                }
            };
            if let Some(n) = received {
                self.heard |= n > 0;
                return Ok(n);
            }
            wait(self.as_fd(), PollFlags::POLLIN, until)?;
        }
    }

    /// When an operation that begins now has to be done.
    fn until(&self, timeout: Option<Duration>) -> Option<Instant> {
        let ends = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        match (ends, self.deadline) {
            (Some(ends), Some(deadline)) => Some(ends.min(deadline)),
            (ends, deadline) => ends.or(deadline),
        }
    }

    /// Sends a command.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn write<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<(), Failure> {
        let mut out = Vec::new();
        request(args.iter(), &mut out);
        self.send(&out)
    }

    /// Waits for a whole reply or push message.
    ///
    /// # Errors
    /// The connection ended, nothing came in time, or what came is not RESP.
    pub fn read(&mut self) -> Result<Value, Failure> {
        let until = self.until(self.read_timeout);
        loop {
            if let Some(value) = self.buffered()? {
                return Ok(value);
            }
            let mut buf = mem::take(&mut self.input);
            buf.resize(CHUNK, 0);
            let received = self.receive_until(&mut buf, until);
            if let Ok(n) = received {
                self.decoder.feed(&buf[..n]);
            }
            self.input = buf;
            if received? == 0 {
                return Err(Failure::Closed);
            }
        }
    }

    /// A reply that has already come, if there is one.
    ///
    /// # Errors
    /// The bytes received are not RESP.
    pub fn buffered(&mut self) -> Result<Option<Value>, Failure> {
        self.decoder.next_value().map_err(Failure::Protocol)
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// As [`Client::write`] and [`Client::read`].
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value, Failure> {
        self.write(args)?;
        self.read()
    }

    /// Takes what was received and not decoded: what follows is not RESP.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.decoder.take_rest()
    }

    /// Bounds how long a read takes, also of a reply that arrives slowly; `None` removes the bound.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.read_timeout = timeout;
    }

    /// Bounds how long a send takes; `None` removes the bound.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        self.write_timeout = timeout;
    }

    /// Bounds everything from now on together; `None` removes the bound.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    /// Closes the sending half; replies still come. Over TLS that is a close_notify.
    pub fn finish_sending(&mut self) {
        match &mut self.transport {
            Transport::Tcp(socket) => drop(socket.shutdown(Shutdown::Write)),
            Transport::Unix(socket) => drop(socket.shutdown(Shutdown::Write)),
            Transport::Tls(stream, pool) => stream.shutdown(pool),
        }
    }

    /// How long the server has had to answer what was sent last; `None` if it has ever sent anything.
    pub fn unanswered(&self) -> Option<Duration> {
        let waited = || self.asked.map_or(Duration::ZERO, |asked| asked.elapsed());
        (!self.heard).then(waited)
    }

    /// Whether bytes are buffered here, which polling the descriptor does not show.
    pub fn has_buffered(&self) -> bool {
        self.decoder.pending() > 0
            || matches!(&self.transport, Transport::Tls(stream, _) if stream.is_pending())
    }

    /// The TLS version and cipher in use.
    pub fn tls(&self) -> Option<(&'static str, &'static str)> {
        match &self.transport {
            Transport::Tls(stream, _) => Some((stream.version(), stream.cipher())),
            _ => None,
        }
    }

    /// What the server has shown of its TLS.
    pub fn shown(&self) -> Option<Shown> {
        match &self.transport {
            Transport::Tls(stream, _) => Some(stream.shown()),
            _ => None,
        }
    }

    /// Whether the server's certificate is for a host name or an address; false without TLS.
    pub fn fits(&self, name: &str) -> bool {
        match &self.transport {
            Transport::Tls(stream, _) => stream.fits(name),
            _ => false,
        }
    }

    /// Who the server is by its certificate, if there is a verified one.
    pub fn identity(&self) -> Option<Identity> {
        match &self.transport {
            Transport::Tls(stream, _) => stream.peer_identity(),
            _ => None,
        }
    }

    /// The descriptor, to poll it.
    pub fn fd(&self) -> RawFd {
        match &self.transport {
            Transport::Tcp(socket) => socket.as_raw_fd(),
            Transport::Unix(socket) => socket.as_raw_fd(),
            Transport::Tls(stream, _) => stream.socket().as_raw_fd(),
        }
    }
}

/// To poll it with other descriptors, after [`Client::has_buffered`].
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.transport {
            Transport::Tcp(socket) => socket.as_fd(),
            Transport::Unix(socket) => socket.as_fd(),
            Transport::Tls(stream, _) => stream.socket().as_fd(),
        }
    }
}

/// A connected socket that has not become a transport yet.
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// The socket as the type that TLS works on: it uses nothing but the descriptor.
    fn into_stream(self) -> TcpStream {
        match self {
            Self::Tcp(socket) => socket,
            Self::Unix(socket) => TcpStream::from(OwnedFd::from(socket)),
        }
    }
}

/// Connects in blocking mode: without blocking, a full backlog is an error for a Unix socket.
fn connect_unix(path: &Path) -> Result<UnixStream, ConnError> {
    let dialed = dial_unix(path)
        .map_err(|error| ConnError::io(Step::Connect, &error).with_peer(&path.display()))?;
    Ok(dialed.into())
}

/// Resolves on this thread, or on another one if there is a deadline that may pass first.
fn look_up(query: Query, deadline: Option<Instant>) -> Resolved {
    match deadline {
        None => resolve(&query),
        Some(deadline) => Lookup::start(query, || {}).wait(deadline),
    }
}

/// Connects to the first of these addresses that accepts. If none does, the error is that of the
/// last one.
fn connect_any(hops: &[Hop], deadline: Option<Instant>) -> Result<TcpStream, ConnError> {
    let mut last = ConnError::new(Step::Resolve, "the name has no address");
    for hop in hops {
        match connect_hop(hop, deadline) {
            Ok(socket) => return Ok(socket),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn connect_hop(hop: &Hop, deadline: Option<Instant>) -> Result<TcpStream, ConnError> {
    // The caller names the peer as the user does.
    let failed = |error: &io::Error| ConnError::io(Step::Connect, error);
    let (fd, _) =
        dial(&Target::Tcp(*hop)).map_err(|error| ConnError::new(error.step(), error.reason()))?;
    let socket = TcpStream::from(fd);
    match wait(socket.as_fd(), PollFlags::POLLOUT, deadline) {
        Ok(()) => {}
        Err(Failure::TimedOut) => return Err(failed(&Errno::ETIMEDOUT.into())),
        Err(failure) => return Err(ConnError::new(Step::Connect, failure.to_string())),
    }
    match socket.take_error() {
        Ok(None) => Ok(socket),
        Ok(Some(error)) | Err(error) => Err(failed(&error)),
    }
}

fn handshake(
    socket: TcpStream,
    tls: &ClientTls<'_>,
    deadline: Option<Instant>,
) -> Result<Transport, ConnError> {
    let mut pool = Pool::new();
    let mut stream = TlsStream::connect(tls.context, socket, tls.sni, tls.verify_name, true)?;
    loop {
        stream.set_readiness(true, false);
        match stream.handshake(&mut pool) {
            Handshake::Done => return Ok(Transport::Tls(Box::new(stream), pool)),
            Handshake::Failed(error) => return Err(error),
            Handshake::WouldBlock => {}
        }
        let mut wanted = PollFlags::POLLIN;
        wanted.set(PollFlags::POLLOUT, stream.unsent() > 0);
        match wait(stream.socket().as_fd(), wanted, deadline) {
            Ok(()) => {}
            Err(Failure::TimedOut) => {
                return Err(ConnError::new(
                    Step::Handshake,
                    "the server did not answer in time",
                ));
            }
            Err(failure) => return Err(ConnError::new(Step::Handshake, failure.to_string())),
        }
    }
}

/// Blocks until the descriptor is ready (an error counts as ready), or `until` has passed.
fn wait(fd: BorrowedFd<'_>, wanted: PollFlags, until: Option<Instant>) -> Result<(), Failure> {
    loop {
        let timeout = match until {
            None => PollTimeout::NONE,
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                // Rounded up, so that the last poll does not end a moment too early.
                let left_ms = left.as_micros().div_ceil(1000);
                PollTimeout::try_from(left_ms).unwrap_or(PollTimeout::MAX)
            }
        };
        match poll(&mut [PollFd::new(fd, wanted)], timeout) {
            Ok(0) if until.is_some_and(|until| Instant::now() >= until) => {
                return Err(Failure::TimedOut);
            }
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(()),
            Err(errno) => {
                return Err(Failure::Conn(ConnError::io(Step::Read, &errno.into())));
            }
        }
    }
}

/// Sends what the socket takes; true if bytes are left.
fn send_plain(socket: &mut impl Write, bytes: &mut &[u8]) -> Result<bool, Failure> {
    while !bytes.is_empty() {
        match socket.write(bytes) {
            Ok(n) => *bytes = &bytes[n..],
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
                ) =>
            {
                return Err(Failure::Closed);
            }
            Err(error) => return Err(Failure::Conn(ConnError::io(Step::Write, &error))),
        }
    }
    Ok(false)
}

/// The bytes that have come; `None` when there are none.
fn receive_plain(socket: &mut impl Read, buf: &mut [u8]) -> Result<Option<usize>, Failure> {
    loop {
        match socket.read(buf) {
            Ok(n) => return Ok(Some(n)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return Err(Failure::Closed);
            }
            Err(error) => return Err(Failure::Conn(ConnError::io(Step::Read, &error))),
        }
    }
}

fn send_tls(
    stream: &mut TlsStream,
    pool: &mut Pool,
    mut bytes: &[u8],
    until: Option<Instant>,
) -> Result<(), Failure> {
    loop {
        let io = if bytes.is_empty() {
            stream.flush(pool)
        } else {
            stream.write(pool, bytes)
        };
        match io {
            Io::Done(_) if bytes.is_empty() => return Ok(()),
            Io::Done(n) => bytes = &bytes[n..],
            Io::Eof => return Err(Failure::Closed),
            Io::Failed(error) => return Err(Failure::Conn(error)),
            Io::WouldBlock => {
                let wanted = match stream.write_wants() {
                    Want::Read if stream.unsent() == 0 => PollFlags::POLLIN,
                    _ => PollFlags::POLLOUT,
                };
                wait(stream.socket().as_fd(), wanted, until)?;
                if let Io::Failed(error) = stream.flush(pool) {
                    return Err(Failure::Conn(error));
                }
            }
        }
    }
}
