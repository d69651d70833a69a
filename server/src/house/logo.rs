//! The banner at start.

use crate::server::Server;
use crate::sys::log;

/// Writes the banner to the log, without stamps.
pub fn show(srv: &Server) {
    let port = match (srv.config.port, srv.config.tls_port) {
        (0, 0) => srv.config.unixsocket.clone(),
        (tcp, 0) => tcp.to_string(),
        (0, tls) => format!("{tls} (TLS)"),
        (tcp, tls) => format!("{tcp}, {tls} (TLS)"),
    };
    let version = env!("CARGO_PKG_VERSION");
    let pid = std::process::id();
    let text = format!(
        r"
        .-------------.
       /   .-----.    /|     Redis {version} ({bits} bit), in Rust
      /   /     /    / |
     /---'-----'----/  |     Running in {mode} mode
     |   .-----.    | /|     Port: {port}
     |   | o o |    |/ |     PID: {pid}
     |   '--+--'    |  /
     |      |       | /
     '--------------'

",
        bits = usize::BITS,
        mode = srv.config.mode(),
    );
    log::raw(text.as_bytes());
}
