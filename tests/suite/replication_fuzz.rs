//! What a primary says to its replica, and a replica to its primary, broken in every way: a live server is on the other end
//! of the socket, and goes on answering. `tests/fuzz/primary` holds what primaries say, `tests/fuzz/replica` what replicas say.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use tests::client::{Client, Transport};
use tests::corpus::Corpus;
use tests::server::Server;
use tests::wait::{PATIENCE, until};

/// Changed files of the corpus per target.
const MUTANTS: usize = 1000;

/// Says all of it and hears the other end out.
fn say(mut socket: TcpStream, bytes: &[u8]) {
    // The other end may have heard enough before the end of it.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
}

/// While a data set is being loaded nobody may change roles.
fn change_role(client: &mut Client, command: &str) {
    until("another role", || match client.text(command).as_str() {
        "OK" => Some(()),
        refused => {
            assert!(refused.starts_with("-LOADING"), "{refused}");
            None
        }
    });
}

/// Makes a server a replica; its connection. The port is one that it has not tried before: what it may have begun by
/// itself meanwhile goes elsewhere.
fn attract(client: &mut Client) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("it is bound").port();
    // A primary that becomes a replica may go on with what it has.
    change_role(client, "REPLICAOF NO ONE");
    change_role(client, &format!("REPLICAOF 127.0.0.1 {port}"));
    let (socket, _) = listener.accept().expect("a replica connects");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket option");
    socket
}

#[test]
fn a_replica_stands_whatever_its_primary_says() {
    for load in ["disabled", "swapdb"] {
        let server = Server::start(&["--repl-diskless-load", load]);
        let mut client = server.client(Transport::Tcp);
        Corpus::load("primary").run(21, MUTANTS, |bytes, _| {
            say(attract(&mut client), bytes);
            let reply = client.text("PING");
            assert!(reply == "PONG" || reply.starts_with("-LOADING"), "{reply}");
        });
        // The whole way was gone, too.
        let log = server.log();
        assert!(log.contains("MASTER <-> REPLICA sync: Finished with success"));
        assert!(log.contains("Successful partial resynchronization with master."));
    }
}

#[test]
fn a_primary_stands_whatever_its_replicas_say() {
    let server = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let mut client = server.client(Transport::Tcp);
    client.text("SET a 1");
    Corpus::load("replica").run(22, MUTANTS, |bytes, _| {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port));
        say(socket.expect("it listens"), bytes);
        assert_eq!(client.text("PING"), "PONG");
    });
    assert_ne!(client.info("sync_full"), "0");
    until("everybody is gone", || {
        (client.info("connected_slaves") == "0").then_some(())
    });
}
