//! A TLS client on the `openssl` crate's own stream, over memory: what it produces and what it gets
//! passes through the hands of the test, which may cut it up, hold it back or spoil it.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::TcpStream;

use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslSession, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};

use super::World;
use super::certs::Issued;

/// Two heaps of bytes in place of a socket.
#[derive(Debug, Default)]
pub struct Wire {
    inbox: VecDeque<u8>,
    outbox: Vec<u8>,
    closed: bool,
}

impl Read for Wire {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.inbox.is_empty() && !self.closed {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.inbox.read(buf)
    }
}

impl Write for Wire {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.outbox.write(buf)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Peer {
    pub tls: SslStream<Wire>,
    pub socket: TcpStream,
    /// What it has read.
    pub input: Vec<u8>,
    /// How its reading ended.
    pub end: Option<String>,
}

pub fn client_context(change: impl FnOnce(&mut SslContextBuilder)) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_client()).expect("a context");
    builder.set_verify(SslVerifyMode::NONE);
    builder.set_session_cache_mode(SslSessionCacheMode::CLIENT);
    change(&mut builder);
    builder.build()
}

pub fn only(version: SslVersion) -> impl FnOnce(&mut SslContextBuilder) {
    move |builder| {
        builder
            .set_min_proto_version(Some(version))
            .expect("a version");
        builder
            .set_max_proto_version(Some(version))
            .expect("a version");
    }
}

/// Shows `issued` to the server.
pub fn showing(issued: &Issued) -> impl FnOnce(&mut SslContextBuilder) {
    let (cert, key) = (issued.cert.clone(), issued.key.clone());
    move |builder| {
        builder.set_certificate(&cert).expect("a certificate");
        builder.set_private_key(&key).expect("a key");
    }
}

impl Peer {
    pub fn new(socket: TcpStream, context: &SslContext) -> Self {
        Self::resuming(socket, context, None)
    }

    pub fn resuming(socket: TcpStream, context: &SslContext, session: Option<&SslSession>) -> Self {
        let mut ssl = Ssl::new(context).expect("an object");
        if let Some(session) = session {
            set_session(&mut ssl, session);
        }
        ssl.set_connect_state();
        let tls = SslStream::new(ssl, Wire::default()).expect("a stream");
        Self {
            tls,
            socket,
            input: Vec::new(),
            end: None,
        }
    }

    /// Takes in what the socket has.
    pub fn pull(&mut self) {
        let mut buf = [0; 65_536];
        loop {
            match self.socket.read(&mut buf) {
                Ok(0) => {
                    self.tls.get_mut().closed = true;
                    return;
                }
                Ok(n) => self.tls.get_mut().inbox.extend(&buf[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => {
                    self.tls.get_mut().closed = true;
                    return;
                }
            }
        }
    }

    /// What it would have sent by now.
    pub fn take_output(&mut self) -> Vec<u8> {
        mem::take(&mut self.tls.get_mut().outbox)
    }

    /// Sends what it has to send.
    pub fn push(&mut self) {
        let output = self.take_output();
        self.send_raw(&output);
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.socket.write(rest) {
                Ok(n) => rest = &rest[n..],
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// One step of the handshake, without the socket. True when it is done.
    pub fn step(&mut self) -> bool {
        match self.tls.do_handshake() {
            Ok(()) => true,
            Err(error) => {
                if error.code() != ErrorCode::WANT_READ {
                    self.end = Some(error.to_string());
                }
                false
            }
        }
    }

    /// The handshake with `world`, to its end on both sides.
    pub fn handshake(&mut self, world: &mut World) {
        let done = world.conns.stats().handshakes_done;
        world.until("a handshake", |world| {
            self.pull();
            let ours = self.step();
            self.push();
            ours && world.conns.stats().handshakes_done > done
        });
    }

    /// The handshake as far as it goes; its failure on this side, or how the first read ends after
    /// it.
    pub fn failure(&mut self, world: &mut World) -> String {
        world.until("a failure", |_| {
            self.pull();
            if self.end.is_none() && self.step() {
                self.read();
            }
            if self.end.is_none() {
                self.push();
            }
            self.end.is_some()
        });
        self.end.clone().expect("a failure")
    }

    /// Encrypts `data` as one record; it waits in the outbox.
    pub fn write(&mut self, data: &[u8]) {
        assert_eq!(self.tls.ssl_write(data).expect("accepted"), data.len());
    }

    /// Reads what there is.
    pub fn read(&mut self) {
        self.pull();
        let mut buf = [0; 16_384];
        loop {
            match self.tls.ssl_read(&mut buf) {
                Ok(n) => self.input.extend_from_slice(&buf[..n]),
                Err(error) if error.code() == ErrorCode::WANT_READ => return,
                Err(error) if error.code() == ErrorCode::ZERO_RETURN => {
                    self.end = Some("close_notify".into());
                    return;
                }
                Err(error) => {
                    self.end = Some(error.to_string());
                    return;
                }
            }
        }
    }

    pub fn session(&self) -> SslSession {
        self.tls.ssl().session().expect("a session").to_owned()
    }
}

#[allow(unsafe_code)]
fn set_session(ssl: &mut Ssl, session: &SslSession) {
    // SAFETY: a session of a context with the same settings, of the same process.
    unsafe { ssl.set_session(session) }.expect("a session");
}
