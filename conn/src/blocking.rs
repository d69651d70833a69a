//! A connection that waits, for programs with nothing else to do: redis-cli and tests.
//!
//! It is the same stream as the evented one, over a socket in blocking mode; TLS runs in its direct mode, which sends what
//! a handshake step produced before it waits for the answer.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::conns::ClientTls;
use crate::dial::Target;
use crate::error::{ConnError, Step};
use crate::resp::{Decoder, ProtocolError, Value, encode};
use crate::stream::Io;
use crate::tls::bio::Pool;
use crate::tls::stream::{Handshake, TlsStream};

/// Bytes asked for at once.
const CHUNK: usize = 64 * 1024;

/// Why a request got no reply.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The server closed the connection.
    Closed,
    /// Nothing came within the read time-out.
    TimedOut,
    /// The connection failed.
    Conn(ConnError),
    /// What came is not RESP.
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
}

impl Client {
    /// Connects, and does the TLS handshake when there is one; `timeout` bounds each step that waits.
    ///
    /// # Errors
    /// A sentence that names the peer, the step and the cause.
    pub fn connect(
        target: &Target<'_>,
        tls: Option<ClientTls<'_>>,
        timeout: Option<Duration>,
    ) -> Result<Self, ConnError> {
        let transport = match *target {
            Target::Unix(path) => Transport::Unix(UnixStream::connect(path).map_err(|error| {
                ConnError::io(Step::Connect, &error).with_peer(&path.display())
            })?),
            Target::Tcp { host, port, .. } => {
                let socket = dial(host, port, timeout)?;
                match tls {
                    None => Transport::Tcp(socket),
                    Some(tls) => {
                        let _ = socket.set_read_timeout(timeout);
                        let transport = handshake(socket, &tls)
                            .map_err(|error| error.with_peer(&format_args!("{host}:{port}")))?;
                        transport.socket_timeout(None);
                        transport
                    }
                }
            }
        };
        Ok(Client {
            transport,
            decoder: Decoder::default(),
        })
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection failed, or the server closed it.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match &mut self.transport {
            Transport::Tcp(socket) => socket
                .write_all(bytes)
                .map_err(|error| write_failure(&error)),
            Transport::Unix(socket) => socket
                .write_all(bytes)
                .map_err(|error| write_failure(&error)),
            Transport::Tls(stream, pool) => send_tls(stream, pool, bytes),
        }
    }

    /// Waits for bytes and puts them into `buf`; 0 is the end.
    ///
    /// # Errors
    /// The connection failed, or nothing came in time.
    pub fn receive(&mut self, buf: &mut [u8]) -> Result<usize, Failure> {
        match &mut self.transport {
            Transport::Tcp(socket) => receive_plain(socket, buf),
            Transport::Unix(socket) => receive_plain(socket, buf),
            Transport::Tls(stream, pool) => {
                stream.set_readiness(true, false);
                match stream.read(pool, buf) {
                    Io::Done(n) => Ok(n),
                    Io::Eof => Ok(0),
                    Io::WouldBlock => Err(Failure::TimedOut),
                    Io::Failed(error) => Err(Failure::Conn(error)),
                }
            }
        }
    }

    /// Sends a command.
    ///
    /// # Errors
    /// As [`Client::send`].
    pub fn write<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<(), Failure> {
        let mut out = Vec::new();
        encode(&mut out, args);
        self.send(&out)
    }

    /// Waits for a whole reply or push message.
    ///
    /// # Errors
    /// The connection ended, nothing came in time, or what came is not RESP.
    pub fn read(&mut self) -> Result<Value, Failure> {
        let mut buf = vec![0; CHUNK];
        loop {
            if let Some(value) = self.decoder.next_value().map_err(Failure::Protocol)? {
                return Ok(value);
            }
            match self.receive(&mut buf)? {
                0 => return Err(Failure::Closed),
                n => self.decoder.feed(&buf[..n]),
            }
        }
    }

    /// A reply that has already come, if there is one.
    ///
    /// # Errors
    /// What came is not RESP.
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

    /// Takes what was received and not decoded: the stream goes on as something else.
    pub fn take_rest(&mut self) -> Vec<u8> {
        self.decoder.take_rest()
    }

    /// Bounds how long a read waits; `None` is for ever.
    pub fn set_read_timeout(&mut self, timeout: Option<Duration>) {
        self.transport.socket_timeout(timeout);
    }

    /// Bounds how long a send waits while the peer reads nothing; `None` is for ever.
    pub fn set_write_timeout(&mut self, timeout: Option<Duration>) {
        let _ = match &self.transport {
            Transport::Tcp(socket) => socket.set_write_timeout(timeout),
            Transport::Unix(socket) => socket.set_write_timeout(timeout),
            Transport::Tls(stream, _) => stream.socket().set_write_timeout(timeout),
        };
    }

    /// Says that nothing more will be sent; replies still come. TLS says it by a close_notify.
    pub fn finish_sending(&mut self) {
        match &mut self.transport {
            Transport::Tcp(socket) => drop(socket.shutdown(Shutdown::Write)),
            Transport::Unix(socket) => drop(socket.shutdown(Shutdown::Write)),
            Transport::Tls(stream, pool) => stream.shutdown(pool),
        }
    }

    /// Whether bytes wait that no wake-up of the descriptor will tell of.
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

    /// The descriptor, to wait for it.
    pub fn fd(&self) -> RawFd {
        match &self.transport {
            Transport::Tcp(socket) => socket.as_raw_fd(),
            Transport::Unix(socket) => socket.as_raw_fd(),
            Transport::Tls(stream, _) => stream.socket().as_raw_fd(),
        }
    }
}

/// To wait for it beside other descriptors. [`Client::has_buffered`] comes first.
impl AsFd for Client {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.transport {
            Transport::Tcp(socket) => socket.as_fd(),
            Transport::Unix(socket) => socket.as_fd(),
            Transport::Tls(stream, _) => stream.socket().as_fd(),
        }
    }
}

impl Transport {
    fn socket_timeout(&self, timeout: Option<Duration>) {
        let _ = match self {
            Transport::Tcp(socket) => socket.set_read_timeout(timeout),
            Transport::Unix(socket) => socket.set_read_timeout(timeout),
            Transport::Tls(stream, _) => stream.socket().set_read_timeout(timeout),
        };
    }
}

/// Reaches the first address of a name that answers.
fn dial(host: &str, port: u16, timeout: Option<Duration>) -> Result<TcpStream, ConnError> {
    let to = format!("{host}:{port}");
    let addrs = (host, port)
        .to_socket_addrs()
        .map_err(|error| ConnError::io(Step::Resolve, &error).with_peer(&to))?;
    let mut last = ConnError::new(Step::Resolve, "the name has no address").with_peer(&to);
    for addr in addrs {
        let dialled = match timeout {
            Some(timeout) => TcpStream::connect_timeout(&addr, timeout),
            None => TcpStream::connect(addr),
        };
        match dialled {
            Ok(socket) => {
                let _ = socket.set_nodelay(true);
                return Ok(socket);
            }
            Err(error) => last = ConnError::io(Step::Connect, &error).with_peer(&to),
        }
    }
    Err(last)
}

fn handshake(socket: TcpStream, tls: &ClientTls<'_>) -> Result<Transport, ConnError> {
    let mut pool = Pool::new();
    let mut stream = TlsStream::connect(tls.context, socket, tls.sni, tls.verify_name, true)?;
    stream.set_readiness(true, false);
    match stream.handshake(&mut pool) {
        Handshake::Done => Ok(Transport::Tls(Box::new(stream), pool)),
        Handshake::WouldBlock => Err(ConnError::new(
            Step::Handshake,
            "the server did not answer in time",
        )),
        Handshake::Failed(error) => Err(error),
    }
}

fn write_failure(error: &std::io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe | ErrorKind::ConnectionReset => Failure::Closed,
        _ => Failure::Conn(ConnError::io(Step::Write, error)),
    }
}

fn receive_plain(socket: &mut impl Read, buf: &mut [u8]) -> Result<usize, Failure> {
    loop {
        match socket.read(buf) {
            Ok(n) => return Ok(n),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Failure::TimedOut);
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                return Err(Failure::Closed);
            }
            Err(error) => return Err(Failure::Conn(ConnError::io(Step::Read, &error))),
        }
    }
}

fn send_tls(stream: &mut TlsStream, pool: &mut Pool, mut bytes: &[u8]) -> Result<(), Failure> {
    while !bytes.is_empty() {
        match stream.write(pool, bytes) {
            Io::Done(n) => bytes = &bytes[n..],
            // Only a send time-out can make a blocking socket refuse.
            Io::WouldBlock => return Err(Failure::TimedOut),
            Io::Eof => return Err(Failure::Closed),
            Io::Failed(error) => return Err(Failure::Conn(error)),
        }
    }
    match stream.flush(pool) {
        Io::Done(_) => Ok(()),
        Io::WouldBlock => Err(Failure::TimedOut),
        Io::Eof => Err(Failure::Closed),
        Io::Failed(error) => Err(Failure::Conn(error)),
    }
}
