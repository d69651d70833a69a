//! A replica that only reads: what a server propagates, request by request.

use std::net::TcpStream;

use openssl::ssl::Ssl;

use crate::client::Transport;
use crate::pair::port;
use crate::primary::{Link, Wire, request};
use crate::server::Server;
use crate::stranger;
use crate::wait::PATIENCE;

/// A replica of a server.
pub struct Follower {
    link: Link,
    /// The history and the offset that it was promised.
    pub promised: (String, u64),
}

impl Follower {
    /// Gets the data set of a server and follows its stream.
    ///
    /// # Panics
    /// The server does not do what a primary does.
    pub fn new(server: &Server, transport: Transport) -> Self {
        Follower::of(port(server, transport), transport)
    }

    /// As [`Follower::new`], of whoever listens on a port.
    ///
    /// # Panics
    /// It does not do what a primary does.
    pub fn of(port: u16, transport: Transport) -> Self {
        let mut link = connect(port, transport);
        link.send(request("REPLCONF listening-port 1"));
        assert_eq!(link.line(), "+OK");
        link.send(request("PSYNC ? -1"));
        let line = link.line();
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(words[0], "+FULLRESYNC", "{line}");
        let promised = (words[1].to_owned(), words[2].parse().expect("an offset"));
        let size = loop {
            let line = link.line();
            if let Some(size) = line.trim().strip_prefix('$') {
                break size.parse().expect("a size");
            }
        };
        assert!(link.take(size).starts_with(b"REDIS00"));
        let mut follower = Follower { link, promised };
        follower.acknowledge(follower.promised.1);
        follower
    }

    /// Waits for the next request; signs of life are stepped over.
    pub fn hear(&mut self) -> String {
        loop {
            let request = self.link.request();
            if request[0] != "PING" {
                return request.join(" ");
            }
        }
    }

    /// Says what no replica says.
    pub fn say(&mut self, command: &str) {
        self.link.send(request(command));
    }

    /// What comes until the server closes.
    pub fn rest(self) -> Vec<u8> {
        self.link.rest()
    }

    /// Waits until the server closes.
    pub fn wait_for_end(self) {
        self.link.wait_for_end();
    }

    /// Says how far it is.
    pub fn acknowledge(&mut self, offset: u64) {
        self.link.send(request(&format!("REPLCONF ACK {offset}")));
    }
}

/// Asks a server to go on with a history; the line that it answers with.
///
/// # Panics
/// It does not answer.
pub fn resume(server: &Server, transport: Transport, history: &str, offset: u64) -> String {
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
        .expect("a socket option");
    Link::new(match transport {
        Transport::Tls => {
            let ssl = Ssl::new(&stranger::context(true, |_| {})).expect("an object");
            Wire::Tls(ssl.connect(socket).expect("a handshake"))
        }
        _ => Wire::Tcp(socket),
    })
}

/// A replica that has asked for a data set and reads nothing of it.
pub struct Asleep(Link);

/// Asks for a data set that needs no file, and then sleeps.
///
/// # Panics
/// The server does not do what a primary does.
pub fn asleep(server: &Server, transport: Transport) -> Asleep {
    let mut link = connect(port(server, transport), transport);
    link.send(request("REPLCONF capa eof capa psync2"));
    assert_eq!(link.line(), "+OK");
    link.send(request("PSYNC ? -1"));
    let line = link.line();
    assert!(line.starts_with("+FULLRESYNC"), "{line}");
    Asleep(link)
}

impl Asleep {
    /// Whether the server holds the connection; it sends an acknowledgement, which changes nothing.
    pub fn is_there(&mut self) -> bool {
        self.0.send(request("REPLCONF ACK 0"));
        true
    }
}
