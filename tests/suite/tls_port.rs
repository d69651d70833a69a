//! What one TLS port can do: certificates of two types, and clients without TLS.

use std::io::{Read, Write};
use std::net::TcpStream;

use tests::certs::{self, CertSpec, file_in, issue};
use tests::client::{Transport, send_raw, show};
use tests::openssl_client::{self, OpensslClient};
use tests::server::{Server, temp_dir};
use tests::wait::{PATIENCE, until};

#[test]
fn the_certificate_is_one_that_the_client_can_verify() {
    let folder = temp_dir();
    issue(
        folder.path(),
        &CertSpec {
            name: "ec",
            subject: "/CN=ec",
            ..CertSpec::default()
        },
    );
    let lists = |ending: &str| {
        let (rsa, ec) = (
            certs::file(&format!("redis.{ending}")),
            format!("ec.{ending}"),
        );
        format!("{rsa} {}", file_in(folder.path(), &ec))
    };
    let args = [
        "--tls-cert-file",
        &lists("crt"),
        "--tls-key-file",
        &lists("key"),
    ];
    let server = Server::start(&[&args[..], &["--tls-auto-reload", "yes"]].concat());
    let subject = |algorithms: &str| {
        let context = openssl_client::context(true, |builder| {
            builder
                .set_sigalgs_list(algorithms)
                .expect("OpenSSL knows them");
        });
        let mut peer = OpensslClient::connect(server.tls_port, &context, None).expect("admitted");
        peer.ping().expect("a reply");
        let cert = peer.ssl().peer_certificate().expect("a certificate");
        let last = cert.subject_name().entries().last();
        let name = last.expect("a name").data().to_string();
        name.expect("UTF-8")
    };
    // The CA's own signature is by RSA, as is that of the client.
    let rsa = "RSA-PSS+SHA256:RSA+SHA256";
    assert_eq!(subject(rsa), "Generic-cert");
    assert_eq!(subject(&format!("ECDSA+SHA256:{rsa}")), "ec");
    let mut admin = server.client(Transport::Tcp);
    // The one that expires first is shown.
    assert_eq!(admin.info("tls_server_cert_subject"), "CN=ec");
    // Both files are watched.
    issue(
        folder.path(),
        &CertSpec {
            name: "ec",
            subject: "/CN=renewed",
            ..CertSpec::default()
        },
    );
    until("the new certificate", || {
        (admin.info("tls_server_cert_subject") == "CN=renewed").then_some(())
    });
    assert_eq!(subject(&format!("ECDSA+SHA256:{rsa}")), "renewed");
}

#[test]
fn lists_that_do_not_fit_together_are_refused() {
    let folder = temp_dir();
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let file = |name: &str| certs::file(name);
    let mut set = |cert: &str, key: &str| {
        let reply = admin.call(&["CONFIG", "SET", "tls-cert-file", cert, "tls-key-file", key]);
        (show(&reply), admin.info("tls_last_reload_error"))
    };
    let two = |a: &str, b: &str| format!("{} {}", file(a), file(b));
    let (reply, why) = set(&two("redis.crt", "server.crt"), &file("redis.key"));
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert!(
        why.ends_with("2 certificates and 1 keys are configured"),
        "{why}"
    );
    let (reply, why) = set(
        &two("redis.crt", "server.crt"),
        &two("redis.key", "server.key"),
    );
    assert!(reply.starts_with("-ERR"), "{reply}");
    assert!(
        why.ends_with("two certificates have keys of the same type"),
        "{why}"
    );
    // A name with a space is one file.
    let spaced = |name: &str| file_in(folder.path(), name);
    for ending in ["crt", "key"] {
        let to = spaced(&format!("a name.{ending}"));
        std::fs::copy(file(&format!("server.{ending}")), to).expect("the folder is writable");
    }
    let (reply, _) = set(&spaced("a name.crt"), &spaced("a name.key"));
    assert_eq!(reply, "OK");
}

#[test]
fn a_mixed_port_serves_clients_with_and_without_tls() {
    let server = Server::start(&["--tls-mixed-port", "yes"]);
    let mut tls = server.client(Transport::Tls);
    assert_eq!(tls.text("PING"), "PONG");
    assert_eq!(
        send_raw(server.tls_port, b"PING\r\nQUIT\r\n"),
        b"+PONG\r\n+OK\r\n"
    );
    // One byte after the other, among others whose handshakes never begin or never end.
    let idle: Vec<TcpStream> = (0..100)
        .map(|number| {
            let mut socket =
                TcpStream::connect(("127.0.0.1", server.tls_port)).expect("it listens");
            if number % 2 == 0 {
                socket.write_all(&[22, 3, 1]).expect("sent");
            }
            socket
        })
        .collect();
    let mut plain = TcpStream::connect(("127.0.0.1", server.tls_port)).expect("it listens");
    plain.set_read_timeout(Some(PATIENCE)).expect("an option");
    for byte in b"*2\r\n$6\r\nclient\r\n$4\r\ninfo\r\n" {
        plain.write_all(&[*byte]).expect("sent");
    }
    let mut reply = vec![0; 2000];
    let mut len = 0;
    while !reply[..len].ends_with(b"\n\r\n") {
        len += plain.read(&mut reply[len..]).expect("a reply");
    }
    let line = String::from_utf8_lossy(&reply[..len]);
    assert!(line.contains(" tls=no login=none"), "{line}");
    let mut second = server.client(Transport::Tls);
    assert_eq!(second.text("PING"), "PONG");
    assert_eq!(tls.info("tls_connections"), "2");
    drop(idle);
    // A peer that goes away after its first bytes is a failure, as on any TLS port.
    server.wait_for_log(&["the peer closed the connection during the handshake"]);
    // Plain connections count as such, and the port can be given back to TLS alone.
    assert_eq!(tls.text("CONFIG SET tls-mixed-port no"), "OK");
    let answer = send_raw(server.tls_port, b"PING\r\n");
    assert!(!answer.starts_with(b"+PONG"), "{answer:?}");
    plain.write_all(b"PING\r\n").expect("sent");
    plain
        .read_exact(&mut reply[..7])
        .expect("the connection stays");
    assert_eq!(&reply[..7], b"+PONG\r\n");
}

/// Rights are those of any client without a certificate.
#[test]
fn a_plain_client_of_a_mixed_port_has_to_authenticate() {
    let users = ["--tls-auth-clients-user", "CN", "--requirepass", "secret"];
    let server = Server::start(&[&["--tls-mixed-port", "yes"], &users[..]].concat());
    let reply = send_raw(
        server.tls_port,
        b"GET k\r\nAUTH secret\r\nGET k\r\nQUIT\r\n",
    );
    let text = String::from_utf8_lossy(&reply);
    assert_eq!(
        text,
        "-NOAUTH Authentication required.\r\n+OK\r\n$-1\r\n+OK\r\n"
    );
}

/// A client without TLS may be silent for as long as `timeout` allows, which is for ever by default.
#[test]
fn a_silent_client_of_a_mixed_port_is_one_without_tls() {
    let server = Server::start(&["--tls-mixed-port", "yes"]);
    let mut admin = server.client(Transport::Tcp);
    let connect = || TcpStream::connect(("127.0.0.1", server.tls_port)).expect("it listens");
    let (mut silent, mut slow) = (connect(), connect());
    slow.write_all(&[22, 3, 1]).expect("sent");
    let port = silent.local_addr().expect("connected").port();
    until("a client", || {
        admin
            .text("CLIENT LIST")
            .contains(&format!(" addr=127.0.0.1:{port} "))
            .then_some(())
    });
    silent.write_all(b"PING\r\n").expect("sent");
    let mut reply = [0; 7];
    silent.read_exact(&mut reply).expect("a reply");
    assert_eq!(&reply, b"+PONG\r\n");
    // Who has begun a handshake has to finish it.
    server.wait_for_log(&["the handshake was not finished in time"]);
    let mut rest = Vec::new();
    let _ = slow.read_to_end(&mut rest);
    assert_eq!(admin.info("connected_clients"), "2");
    assert_eq!(admin.info("tls_handshakes_failed"), "1");
}

/// As when a load balancer looks whether the port is there.
#[test]
fn who_leaves_a_mixed_port_without_a_byte_has_failed_no_handshake() {
    let server = Server::start(&["--tls-mixed-port", "yes"]);
    let mut admin = server.client(Transport::Tcp);
    let accepted = admin.info("total_connections_received");
    drop(TcpStream::connect(("127.0.0.1", server.tls_port)).expect("the port listens"));
    until("the connection to be accepted", || {
        (admin.info("total_connections_received") != accepted).then_some(())
    });
    assert_eq!(admin.info("tls_handshakes_failed"), "0");
    assert!(!server.log().contains("Error accepting"));
}

/// With `port 0` the mixed port is the one of clients without TLS, too.
#[test]
fn nodes_and_primaries_are_told_the_mixed_port() {
    let mixed = ["--port", "0", "--tls-mixed-port", "yes"];
    let node = Server::start(&[&mixed[..], &["--cluster-enabled", "yes"]].concat());
    let mut client = node.client(Transport::Tls);
    let nodes = client.text("CLUSTER NODES");
    let (port, bus) = (node.tls_port, node.tls_port + 10_000);
    assert!(nodes.contains(&format!(" :{port}@{bus} ")), "{nodes}");
    let primary = Server::start(&[]);
    let replica = Server::start(
        &[
            &mixed[..],
            &["--replicaof", &format!("127.0.0.1 {}", primary.port)],
        ]
        .concat(),
    );
    let mut client = primary.client(Transport::Tcp);
    let line = until("the replica", || {
        let line = client.info("slave0");
        (!line.is_empty()).then_some(line)
    });
    assert!(
        line.contains(&format!(",port={},", replica.tls_port)),
        "{line}"
    );
}

#[test]
fn values_with_which_no_handshake_succeeds_are_not_taken() {
    let server = Server::start(&[]);
    let mut admin = server.client(Transport::Tcp);
    let blank = ["CONFIG", "SET", "tls-cert-file", " ", "tls-key-file", " "];
    let reply = show(&admin.call(&blank));
    assert!(reply.starts_with("-ERR CONFIG SET failed"), "{reply}");
    server.wait_for_log(&["the list of files is empty"]);
    // An empty list stands for the default, as an empty list of ciphers does.
    assert_eq!(
        show(&admin.call(&["CONFIG", "SET", "tls-groups", ""])),
        "OK"
    );
    assert_eq!(server.client(Transport::Tls).text("PING"), "PONG");
}
