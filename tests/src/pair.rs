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

/// Makes a server a replica of the one on a port of this machine. While a data set is being loaded that is refused, and
/// retried here.
pub fn follow(replica: &mut Client, port: u16) {
    change_role(replica, &format!("REPLICAOF 127.0.0.1 {port}"));
}

/// Executes a REPLICAOF command. While a data set is being loaded that is refused, and retried here.
///
/// # Panics
/// If it is refused for another reason.
pub fn change_role(client: &mut Client, command: &str) {
    until("REPLICAOF to be accepted", || {
        match client.text(command).as_str() {
            "OK" => Some(()),
            refused => {
                assert!(refused.starts_with("-LOADING"), "{refused}");
                None
            }
        }
    });
}

/// Waits until a replica has caught up with its primary.
pub fn wait_for_offset(primary: &mut Client, replica: &mut Client) {
    until("the same offset", || {
        let offset = primary.info("master_repl_offset");
        let same = replica.info("slave_repl_offset") == offset;
        (same && replica.info("master_link_status") == "up").then_some(())
    });
}

/// Waits until a replica has caught up with its primary, and compares both.
///
/// # Panics
/// If the data sets differ.
pub fn wait_for_sync(primary: &mut Client, replica: &mut Client) {
    wait_for_offset(primary, replica);
    let digest = primary.text("DEBUG DIGEST");
    assert_eq!(replica.text("DEBUG DIGEST"), digest);
}
