//! The sockets that accept connections.

use conn::listener::Listener;

/// The transport of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Plain TCP.
    Tcp,
    /// A Unix socket.
    Unix,
    /// TLS over TCP.
    Tls,
    /// The cluster's bus, over TCP or TLS.
    Bus,
}

impl Kind {
    /// Its name in log lines and INFO.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Tcp => "tcp",
            Kind::Unix => "unix",
            Kind::Tls => "tls",
            Kind::Bus => "cluster",
        }
    }
}

/// One listening socket.
pub struct Open {
    /// Its transport.
    pub kind: Kind,
    /// The address as configured, or the path.
    pub address: String,
    /// Its port; 0 for a Unix socket.
    pub port: u16,
    /// The socket.
    pub listener: Listener,
}

/// All listening sockets.
#[derive(Default)]
pub struct Listeners {
    /// In the order they were opened.
    pub open: Vec<Open>,
}

impl Listeners {
    /// The listener behind a descriptor.
    pub fn by_fd(&self, fd: i32) -> Option<&Open> {
        self.open.iter().find(|open| open.listener.fd() == fd)
    }

    /// Removes and returns all listeners of a kind.
    pub fn take(&mut self, kind: Kind) -> Vec<Open> {
        let (taken, kept) = std::mem::take(&mut self.open)
            .into_iter()
            .partition(|open| open.kind == kind);
        self.open = kept;
        taken
    }
}
