//! The address of a peer, which prints as Redis prints it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The address of a peer or of this end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addr {
    /// IPv4 or IPv6, with or without TLS on top.
    Tcp(SocketAddr),
    /// The path of the listening socket; a client's own end has no name.
    Unix(PathBuf),
}

impl Addr {
    /// The address without its port: digits, or the path.
    pub fn ip(&self) -> String {
        match self {
            Self::Tcp(addr) => addr.ip().to_string(),
            Self::Unix(path) => path.display().to_string(),
        }
    }

    /// The port; 0 for a Unix socket.
    pub fn port(&self) -> u16 {
        match self {
            Self::Tcp(addr) => addr.port(),
            Self::Unix(_) => 0,
        }
    }

    /// True for a Unix socket and for a peer on this machine's loopback.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(addr) => addr.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_len(&self) -> usize {
        match self {
            Self::Tcp(_) => 0,
            Self::Unix(path) => path.capacity(),
        }
    }
}

/// As in CLIENT LIST: `127.0.0.1:5`, `[::1]:5`, `/path:0`.
impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => match addr.ip() {
                IpAddr::V4(ip) => write!(f, "{ip}:{}", addr.port()),
                // Not SocketAddr's own form, which adds the scope.
                IpAddr::V6(ip) => write!(f, "[{ip}]:{}", addr.port()),
            },
            Self::Unix(path) => write!(f, "{}:0", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_print_as_in_client_list() {
        let cases = [
            (
                Addr::Tcp("127.0.0.1:5".parse().expect("an address")),
                "127.0.0.1:5",
                "127.0.0.1",
                5,
                true,
            ),
            (
                Addr::Tcp("[::1]:5".parse().expect("an address")),
                "[::1]:5",
                "::1",
                5,
                true,
            ),
            (
                Addr::Tcp("[fe80::1%3]:70".parse().expect("an address")),
                "[fe80::1]:70",
                "fe80::1",
                70,
                false,
            ),
            (Addr::Unix("/tmp/s".into()), "/tmp/s:0", "/tmp/s", 0, true),
        ];
        for (addr, text, ip, port, local) in cases {
            assert_eq!(addr.to_string(), text);
            assert_eq!(
                (addr.ip().as_str(), addr.port(), addr.is_local()),
                (ip, port, local)
            );
        }
    }
}
