//! Malformed streams from a primary to its replica and from a replica to its primary: the other end is a live server
//! and must go on answering. `tests/fuzz/primary` and `tests/fuzz/replica` hold the seed inputs of either side.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};

use tests::client::{Client, Transport};
use tests::corpus::Corpus;
use tests::pair::change_role;
use tests::server::Server;
use tests::wait::{PATIENCE, until};

/// Mutated files of the corpus per target.
const MUTANTS: usize = 1000;

/// Sends all bytes, and reads until the other end closes.
fn send_all(mut socket: TcpStream, bytes: &[u8]) {
    // The other end may close before it has read all of them.
    let _ = socket.write_all(bytes);
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read_to_end(&mut Vec::new());
}

/// Makes the server a replica and returns its connection. The port is a new one each time, so that a reconnection to
/// the previous one cannot arrive here.
fn connect_replica(client: &mut Client) -> TcpStream {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = listener.local_addr().expect("the listener is bound").port();
    // A primary that becomes a replica would try a partial resynchronization.
    change_role(client, "REPLICAOF NO ONE");
    change_role(client, &format!("REPLICAOF 127.0.0.1 {port}"));
    let (socket, _) = listener.accept().expect("a replica connects");
    socket
        .set_read_timeout(Some(PATIENCE))
        .expect("the socket option can be set");
    socket
}

#[test]
fn a_replica_survives_any_input_from_its_primary() {
    for load in ["disabled", "swapdb"] {
        let server = Server::start(&["--repl-diskless-load", load]);
        let mut client = server.client(Transport::Tcp);
        Corpus::load("primary").run(21, MUTANTS, |bytes, _| {
            send_all(connect_replica(&mut client), bytes);
            let reply = client.text("PING");
            assert!(reply == "PONG" || reply.starts_with("-LOADING"), "{reply}");
        });
        // The unmodified inputs have gone through a whole synchronization, too.
        let log = server.log();
        assert!(log.contains("MASTER <-> REPLICA sync: Finished with success"));
        assert!(log.contains("Successful partial resynchronization with master."));
    }
}

#[test]
fn a_primary_survives_any_input_from_its_replicas() {
    let server = Server::start(&["--repl-diskless-sync-delay", "0"]);
    let mut client = server.client(Transport::Tcp);
    client.text("SET a 1");
    Corpus::load("replica").run(22, MUTANTS, |bytes, _| {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, server.port));
        send_all(socket.expect("the server listens"), bytes);
        assert_eq!(client.text("PING"), "PONG");
    });
    assert_ne!(client.info("sync_full"), "0");
    until("all replicas to disconnect", || {
        (client.info("connected_slaves") == "0").then_some(())
    });
}
