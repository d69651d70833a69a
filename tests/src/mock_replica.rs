//! A mock replica that only reads: it reports what a server propagates, request by request.

use std::net::TcpStream;

use openssl::ssl::Ssl;

use crate::client::{Transport, request};
use crate::mock_primary::{Link, Wire};
use crate::openssl_client;
use crate::pair::port;
use crate::server::Server;
use crate::wait::PATIENCE;

/// A replica of a server.
pub struct MockReplica {
    link: Link,
    /// The replication id and offset that +FULLRESYNC named.
    pub resync_point: (String, u64),
}

impl MockReplica {
    /// Takes a full resynchronization from a server and follows its stream.
    ///
    /// # Panics
    /// If the server deviates from the replication protocol.
    pub fn new(server: &Server, transport: Transport) -> Self {
        MockReplica::connect(port(server, transport), transport)
    }

    /// As [`MockReplica::new`], with any server that listens on a port.
    ///
    /// # Panics
    /// If it deviates from the replication protocol.
    pub fn connect(port: u16, transport: Transport) -> Self {
        MockReplica::synchronize(port, transport, || {})
    }

    /// As [`MockReplica::connect`]; `meanwhile` is called when the snapshot is announced, and then all of it is read.
    ///
    /// # Panics
    /// If the server deviates from the replication protocol.
    pub fn synchronize(port: u16, transport: Transport, meanwhile: impl FnOnce()) -> Self {
        let mut link = connect(port, transport);
        link.send(request("REPLCONF listening-port 1"));
        assert_eq!(link.line(), "+OK");
        link.send(request("PSYNC ? -1"));
        let line = link.line();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "+FULLRESYNC", "{line}");
        let resync_point = (words[1].to_owned(), words[2].parse().expect("an offset"));
        let size = loop {
            let line = link.line();
            if let Some(size) = line.trim().strip_prefix('$') {
                break size.parse().expect("a size");
            }
        };
        meanwhile();
        assert!(link.take(size).starts_with(b"REDIS00"));
        let mut mock = MockReplica { link, resync_point };
        mock.acknowledge(mock.resync_point.1);
        mock
    }

    /// Waits for the next request; PINGs are skipped.
    pub fn next_request(&mut self) -> String {
        loop {
            let request = self.link.request();
            if request[0] != "PING" {
                return request.join(" ");
            }
        }
    }

    /// Whether the server has sent something that was not read.
    pub fn has_input(&self) -> bool {
        self.link.has_input()
    }

    /// Sends a command over the replication link.
    pub fn send_command(&mut self, command: &str) {
        self.link.send(request(command));
    }

    /// Reads until the server closes the link.
    pub fn read_to_end(self) -> Vec<u8> {
        self.link.read_to_end()
    }

    /// Waits until the server closes the link.
    pub fn wait_for_close(self) {
        self.link.wait_for_close();
    }

    /// Acknowledges an offset.
    pub fn acknowledge(&mut self, offset: u64) {
        self.link.send(request(&format!("REPLCONF ACK {offset}")));
    }
}

/// Asks a server for a partial resynchronization; returns its answer.
///
/// # Panics
/// If it does not answer.
pub fn psync(server: &Server, transport: Transport, history: &str, offset: u64) -> String {
    let mut link = connect(port(server, transport), transport);
    link.send(request("REPLCONF capa psync2"));
    assert_eq!(link.line(), "+OK");
    link.send(request(&format!("PSYNC {history} {offset}")));
    link.line()
}

fn connect(port: u16, transport: Transport) -> Link {
    let socket = TcpStream::connect(("127.0.0.1", port)).expect("the port listens");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("the socket option can be set");
    Link::new(match transport {
        Transport::Tls => {
            let ssl = Ssl::new(&openssl_client::context(true, |_| {})).expect("OpenSSL allocates");
            Wire::Tls(ssl.connect(socket).expect("the handshake succeeds"))
        }
        _ => Wire::Tcp(socket),
    })
}

/// A replica that has asked for a full resynchronization and reads nothing of it, for as long as this lives.
pub struct StalledReplica {
    _link: Link,
}

/// Asks for a diskless full resynchronization and then stops reading.
///
/// # Panics
/// If the server deviates from the replication protocol.
pub fn stalled(server: &Server, transport: Transport) -> StalledReplica {
    let mut link = connect(port(server, transport), transport);
    link.send(request("REPLCONF capa eof capa psync2"));
    assert_eq!(link.line(), "+OK");
    link.send(request("PSYNC ? -1"));
    let line = link.line();
    assert!(line.starts_with("+FULLRESYNC"), "{line}");
    StalledReplica { _link: link }
}
