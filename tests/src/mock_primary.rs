//! A mock primary that sends what a test scripts, over TCP or TLS.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

use openssl::ssl::{Ssl, SslContext, SslFiletype, SslMethod, SslStream, SslVerifyMode};

use crate::certs;
use crate::client::Transport;
use crate::wait::{PATIENCE, has_input, until};

/// Its replication id.
pub const ID: &str = "0123456789abcdef0123456789abcdef01234567";
/// The EOF marker of a data set of unknown size.
pub const EOF_MARKER: &str = "fedcba9876543210fedcba9876543210fedcba98";

/// A listening mock primary.
pub struct MockPrimary {
    listener: TcpListener,
    tls: Option<SslContext>,
    /// Its port.
    pub port: u16,
}

/// A replication link, seen from either end.
pub struct Link {
    wire: Wire,
    inbox: Vec<u8>,
}

/// The transport of a link.
pub(crate) enum Wire {
    Tcp(TcpStream),
    Tls(SslStream<TcpStream>),
}

fn context(cert: &str, key: &str) -> SslContext {
    let mut builder = SslContext::builder(SslMethod::tls_server()).expect("OpenSSL allocates");
    builder
        .set_certificate_file(cert, SslFiletype::PEM)
        .expect("the certificate loads");
    builder
        .set_private_key_file(key, SslFiletype::PEM)
        .expect("the key loads");
    builder
        .set_ca_file(certs::file("ca.crt"))
        .expect("the test CA loads");
    builder.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    builder.build()
}

impl MockPrimary {
    /// Starts to listen.
    ///
    /// # Panics
    /// If there is no loopback interface.
    pub fn new(transport: Transport) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
        listener
            .set_nonblocking(true)
            .expect("the socket option can be set");
        let port = listener.local_addr().expect("the listener is bound").port();
        let tls = (transport == Transport::Tls)
            .then(|| context(&certs::file("redis.crt"), &certs::file("redis.key")));
        MockPrimary {
            listener,
            tls,
            port,
        }
    }

    /// The same with another certificate.
    pub fn with_certificate(self, cert: &str, key: &str) -> Self {
        MockPrimary {
            tls: Some(context(cert, key)),
            ..self
        }
    }

    /// Accepts the next replica and asserts that it rejects the TLS handshake.
    ///
    /// # Panics
    /// If the replica completes it.
    pub fn expect_tls_rejection(&self) {
        let context = self.tls.as_ref().expect("a primary with TLS");
        let ssl = Ssl::new(context).expect("OpenSSL allocates");
        let ended = ssl.accept(self.accept_socket()).map(|mut tls| {
            // With TLS 1.3 the client's verdict arrives after the handshake.
            tls.read(&mut [0; 64])
        });
        assert!(
            !matches!(ended, Ok(Ok(1..))),
            "the replica completed the handshake"
        );
    }

    /// Waits for a replica's TCP connection.
    ///
    /// # Panics
    /// If none arrives.
    pub fn accept_socket(&self) -> TcpStream {
        let (socket, _) = until("a replica to connect", || self.listener.accept().ok());
        socket
            .set_nonblocking(false)
            .expect("the socket option can be set");
        socket
            .set_nodelay(true)
            .expect("the socket option can be set");
        socket
            .set_read_timeout(Some(PATIENCE))
            .expect("the socket option can be set");
        socket
    }

    /// Whether no connection is pending.
    pub fn has_no_pending_connection(&self) -> bool {
        matches!(self.listener.accept(), Err(error) if error.kind() == ErrorKind::WouldBlock)
    }

    /// Waits for a replica.
    ///
    /// # Panics
    /// If none arrives, or if its TLS handshake fails.
    pub fn accept(&self) -> Link {
        let socket = self.accept_socket();
        let wire = match &self.tls {
            None => Wire::Tcp(socket),
            Some(context) => {
                let ssl = Ssl::new(context).expect("OpenSSL allocates");
                Wire::Tls(ssl.accept(socket).expect("the handshake succeeds"))
            }
        };
        Link::new(wire)
    }

    /// Waits for a replica and answers its handshake up to PSYNC; returns the link and the arguments of PSYNC.
    ///
    /// # Panics
    /// If the replica deviates from the handshake.
    pub fn accept_handshake(&self) -> (Link, Vec<String>) {
        let mut link = self.accept();
        loop {
            let request = link.request();
            match request[0].as_str() {
                "PING" => link.send("+PONG\r\n"),
                "REPLCONF" | "AUTH" => link.send("+OK\r\n"),
                "PSYNC" => return (link, request),
                other => panic!("unexpected command from the replica: {other}"),
            }
        }
    }
}

impl Link {
    pub(crate) fn new(wire: Wire) -> Self {
        Link {
            wire,
            inbox: Vec::new(),
        }
    }

    /// Waits for `len` bytes.
    pub(crate) fn take(&mut self, len: usize) -> Vec<u8> {
        while self.inbox.len() < len {
            assert_ne!(self.read(), 0, "the other end has closed");
        }
        self.inbox.drain(..len).collect()
    }

    /// Whether the other end has sent something that was not read.
    pub(crate) fn has_input(&self) -> bool {
        let socket = match &self.wire {
            Wire::Tcp(socket) => socket,
            Wire::Tls(tls) => tls.get_ref(),
        };
        !self.inbox.is_empty() || has_input(socket.as_raw_fd())
    }

    fn read(&mut self) -> usize {
        let mut buf = [0; 4096];
        let read = match &mut self.wire {
            Wire::Tcp(socket) => socket.read(&mut buf),
            Wire::Tls(tls) => tls.read(&mut buf),
        };
        let n = read.unwrap_or(0);
        self.inbox.extend_from_slice(&buf[..n]);
        n
    }

    /// Waits for a line.
    pub(crate) fn line(&mut self) -> String {
        loop {
            if let Some(end) = self.inbox.windows(2).position(|pair| pair == b"\r\n") {
                let line: Vec<u8> = self.inbox.drain(..end + 2).collect();
                return String::from_utf8_lossy(&line[..end]).into_owned();
            }
            assert_ne!(self.read(), 0, "the other end has closed");
        }
    }

    /// Waits for the next request; empty lines are skipped. Arguments that are not UTF-8 are escaped.
    ///
    /// # Panics
    /// If none arrives.
    pub fn request(&mut self) -> Vec<String> {
        let mut head = self.line();
        while head.trim().is_empty() {
            head = self.line();
        }
        let Some(count) = head.trim().strip_prefix('*') else {
            return vec![head];
        };
        let count: usize = count.parse().expect("a number of words");
        (0..count).map(|_| self.word()).collect()
    }

    fn word(&mut self) -> String {
        let size = self.line();
        let size: usize = size[1..].parse().expect("a size");
        let mut word = self.take(size + 2);
        word.truncate(size);
        match String::from_utf8(word) {
            Ok(text) => text,
            Err(bytes) => bytes.as_bytes().escape_ascii().to_string(),
        }
    }

    /// Waits until the replica acknowledges this offset.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for_ack(&mut self, offset: u64) {
        let wanted = offset.to_string();
        until("an acknowledgement", || {
            let request = self.request();
            assert_eq!(request[..2], ["REPLCONF", "ACK"], "{request:?}");
            (request[2] == wanted).then_some(())
        });
    }

    /// Sends bytes.
    ///
    /// # Panics
    /// If the replica has closed the link.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        assert!(self.try_send(bytes), "the other end has closed");
    }

    /// Sends bytes; false if the other end has closed the link.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        let bytes = bytes.as_ref();
        let sent = match &mut self.wire {
            Wire::Tcp(socket) => socket.write_all(bytes),
            Wire::Tls(tls) => tls.write_all(bytes),
        };
        sent.is_ok()
    }

    /// Sends bytes one at a time.
    pub fn send_bytewise(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]);
        }
    }

    /// Waits until the replica closes the link.
    pub fn wait_for_close(mut self) {
        while self.read() > 0 {
            self.inbox.clear();
        }
    }

    /// Reads until the other end closes the link.
    pub(crate) fn read_to_end(mut self) -> Vec<u8> {
        while self.read() > 0 {}
        self.inbox
    }

    /// Announces a full resynchronization at `offset`.
    pub fn start_full_resync(&mut self, offset: u64) {
        self.send(format!("+FULLRESYNC {ID} {offset}\r\n"));
    }
}

/// An RDB file of string keys, without a checksum.
pub fn rdb(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = b"REDIS0011\xfe\x00".to_vec();
    for (key, value) in pairs {
        bytes.push(0);
        for text in [key, value] {
            bytes.push(u8::try_from(text.len()).expect("a short text"));
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.push(0xff);
    bytes.extend_from_slice(&[0; 8]);
    bytes
}

/// An RDB file framed for the link: with a size in front, or between EOF markers.
pub fn framed(rdb: &[u8], diskless: bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    if diskless {
        bytes.extend_from_slice(format!("$EOF:{EOF_MARKER}\r\n").as_bytes());
        bytes.extend_from_slice(rdb);
        bytes.extend_from_slice(EOF_MARKER.as_bytes());
    } else {
        bytes.extend_from_slice(format!("${}\r\n", rdb.len()).as_bytes());
        bytes.extend_from_slice(rdb);
    }
    bytes
}
