//! The blocking client: its bounds in time, against peers that answer a byte at a time or not at all.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use conn::blocking::{Client, Failure};
use conn::conns::ClientTls;
use conn::dial::Place;
use conn::error::Step;
use conn::tls::context::{ClientTlsConfig, TlsContext};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket,
};

/// Far below what a bound that each byte renews would take: 20 ms times the bytes that are sent.
const AT_MOST: Duration = Duration::from_secs(10);
const BOUND: Duration = Duration::from_millis(300);

/// Sends `first` and then zeros, one byte for each time the peer has been silent for 20 ms.
fn trickle(first: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("a client");
        let wait = Duration::from_millis(20);
        socket.set_read_timeout(Some(wait)).expect("an option");
        let mut bytes = first.iter().copied().chain(std::iter::repeat(b'0'));
        let mut sink = [0; 4096];
        loop {
            match socket.read(&mut sink) {
                Ok(0) => return,
                _ if bytes
                    .next()
                    .is_some_and(|b| socket.write_all(&[b]).is_err()) =>
                {
                    return;
                }
                _ => {}
            }
        }
    });
    port
}

fn place(port: u16) -> Place<'static> {
    Place::Tcp {
        host: "127.0.0.1",
        port,
        source: None,
    }
}

#[test]
fn a_reply_that_trickles_is_bounded_by_time_out_and_deadline() {
    for by_deadline in [false, true] {
        let port = trickle(b"+");
        let mut client = Client::connect(&place(port), None, Some(AT_MOST)).expect("it listens");
        let begun = Instant::now();
        if by_deadline {
            client.set_deadline(Some(begun + BOUND));
        } else {
            client.set_read_timeout(Some(BOUND));
        }
        let read = client.call(&["PING"]);
        assert!(matches!(read, Err(Failure::TimedOut)), "{read:?}");
        assert!((BOUND..AT_MOST).contains(&begun.elapsed()), "{by_deadline}");
    }
}

#[test]
fn a_unix_socket_whose_queue_is_full_is_refused_at_once() {
    let path = std::env::temp_dir().join(format!("conn-{}-full", std::process::id()));
    let flags = SockFlag::SOCK_CLOEXEC;
    let server = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
    let addr = UnixAddr::new(&path).expect("a short path");
    bind(server.as_raw_fd(), &addr).expect("a new path");
    let one = Backlog::new(1).expect("in range");
    listen(&server, one).expect("bound");
    let mut waiting = Vec::new();
    let refused = loop {
        match Client::connect(&Place::Unix(&path), None, None) {
            Ok(client) => waiting.push(client),
            Err(error) => break error,
        }
        assert!(waiting.len() < 10, "the queue has an end");
    };
    let _ = std::fs::remove_file(&path);
    assert_eq!(refused.reason(), "Resource temporarily unavailable");
}

#[test]
fn a_handshake_that_trickles_is_bounded() {
    // The header of a handshake record that announces 16 KiB.
    let port = trickle(b"\x16\x03\x03\x40\x00");
    let config = ClientTlsConfig {
        insecure: true,
        ..ClientTlsConfig::default()
    };
    let context = TlsContext::for_client(&config).expect("a context");
    let tls = ClientTls {
        context: &context,
        sni: None,
        verify_name: None,
    };
    let begun = Instant::now();
    let error = Client::connect(&place(port), Some(tls), Some(BOUND))
        .err()
        .expect("it does not end");
    assert_eq!(error.step(), Step::Handshake);
    assert!(error.reason().contains("did not answer in time"), "{error}");
    assert!((BOUND..AT_MOST).contains(&begun.elapsed()));
}

#[test]
fn a_peer_that_does_not_read_bounds_a_send() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let mut client = Client::connect(&place(port), None, Some(AT_MOST)).expect("it listens");
    let (_socket, _): (TcpStream, _) = listener.accept().expect("a client");
    let begun = Instant::now();
    client.set_deadline(Some(begun + BOUND));
    let sent = client.send(&vec![0; 64 << 20]);
    assert!(matches!(sent, Err(Failure::TimedOut)), "{sent:?}");
    assert!((BOUND..AT_MOST).contains(&begun.elapsed()));
}

#[test]
fn a_failure_names_the_place_as_it_was_given() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = closed.local_addr().expect("bound").port();
    drop(closed);
    let refused = Place::Tcp {
        host: "localhost",
        port,
        source: None,
    };
    for timeout in [None, Some(AT_MOST)] {
        let error = Client::connect(&refused, None, timeout)
            .err()
            .expect("nobody listens");
        assert_eq!(
            error.to_string(),
            format!("connecting to localhost:{port}: Connection refused")
        );
    }
}
