//! Servers that are to follow each other.

use crate::client::{Client, Transport};
use crate::server::Server;
use crate::wait::until;

/// A server whose links are of this kind, and a client of it.
pub fn start(transport: Transport, args: &[&str]) -> (Server, Client) {
    let mut all = vec!["--repl-diskless-sync-delay", "0"];
    // A sign of life is a part of the stream, and would make one server know more than another.
    all.extend(["--repl-ping-replica-period", "3600"]);
    if transport == Transport::Tls {
        all.extend(["--tls-replication", "yes"]);
    }
    all.extend(args);
    let server = Server::start(&all);
    let client = server.client(Transport::Tcp);
    (server, client)
}

/// Where replicas find a server.
pub fn port(server: &Server, transport: Transport) -> u16 {
    match transport {
        Transport::Tls => server.tls_port,
        _ => server.port,
    }
}

/// Waits until a replica follows its primary's stream.
pub fn wait_for_link(replica: &mut Client) {
    until("a link", || {
        (replica.info("master_link_status") == "up").then_some(())
    });
}
