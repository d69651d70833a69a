//! Servers that replicate from each other.

use crate::client::{Client, Transport};
use crate::server::Server;
use crate::wait::until;

/// Starts a server that uses this transport for replication; returns it with a client.
pub fn start(transport: Transport, args: &[&str]) -> (Server, Client) {
    let mut all = vec!["--repl-diskless-sync-delay", "0"];
    // PINGs are part of the stream and would make the offsets of two servers differ.
    all.extend(["--repl-ping-replica-period", "3600"]);
    if transport == Transport::Tls {
        all.extend(["--tls-replication", "yes"]);
    }
    all.extend(args);
    let server = Server::start(&all);
    let client = server.client(Transport::Tcp);
    (server, client)
}

/// The port of a server for replicas.
pub fn port(server: &Server, transport: Transport) -> u16 {
    match transport {
        Transport::Tls => server.tls_port,
        _ => server.port,
    }
}

/// Waits until a replica's link to its primary is up.
pub fn wait_for_link(replica: &mut Client) {
    until("the replication link", || {
        (replica.info("master_link_status") == "up").then_some(())
    });
}
