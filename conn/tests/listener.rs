//! Listening sockets: families, permissions, what is left behind.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use conn::addr::Addr;
use conn::listener::{Accept, Listener};

fn socket_path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("conn-{}-{name}", std::process::id()))
}

#[test]
fn all_of_ipv4_and_all_of_ipv6_can_share_a_port() {
    let four = Listener::tcp("*", 0, 511, 0).expect("a port");
    let six = Listener::tcp("::*", four.port(), 511, 0).expect("the same port");
    assert_eq!(
        six.addr().expect("an address").to_string(),
        format!("[::]:{}", four.port())
    );
    let client = TcpStream::connect(("::1", six.port())).expect("a connection");
    let Accept::Conn(accepted) = six.accept() else {
        panic!("nobody there")
    };
    assert_eq!(
        accepted.peer,
        Addr::Tcp(client.local_addr().expect("an address"))
    );
    assert!(matches!(six.accept(), Accept::WouldBlock));
    assert!(matches!(four.accept(), Accept::WouldBlock));
}

#[test]
fn names_are_resolved() {
    let local = Listener::tcp("localhost", 0, 511, 0).expect("a port");
    TcpStream::connect(("127.0.0.1", local.port())).expect("a connection");
    let error = Listener::tcp("no such name", 0, 511, 0).expect_err("no name");
    assert_eq!(error.to_string(), "Name or service not known");
    let taken = Listener::tcp("127.0.0.1", 0, 511, 0).expect("a port");
    let error = Listener::tcp("127.0.0.1", taken.port(), 511, 0).expect_err("in use");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
}

/// The flaw was a moment between making the file and narrowing it. A thread looks as often as it
/// can.
#[test]
fn a_unix_socket_never_has_wider_permissions_than_asked_for() {
    let path = socket_path("perm");
    let done = AtomicBool::new(false);
    let seen = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if let Ok(meta) = fs::symlink_metadata(&path) {
                    assert_eq!(meta.permissions().mode() & 0o077, 0, "wider than 0700");
                    seen.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        // On a busy machine the watcher may come late: then there are more rounds.
        let mut rounds = 0;
        while !watcher.is_finished() && (rounds < 300 || seen.load(Ordering::Relaxed) < 10) {
            let listener = Listener::unix(&path, Some(0o700), 511).expect("a socket");
            assert_eq!(
                fs::metadata(&path).expect("a file").permissions().mode() & 0o777,
                0o700
            );
            drop(listener);
            rounds += 1;
        }
        done.store(true, Ordering::Relaxed);
        watcher.join().expect("no panic");
    });
    let _ = fs::remove_file(&path);
}

#[test]
fn a_unix_socket_may_be_wider_than_the_umask() {
    let path = socket_path("wide");
    let listener = Listener::unix(&path, Some(0o777), 511).expect("a socket");
    assert_eq!(
        fs::metadata(&path).expect("a file").permissions().mode() & 0o777,
        0o777
    );
    let _client = UnixStream::connect(&path).expect("a connection");
    let Accept::Conn(accepted) = listener.accept() else {
        panic!("nobody there")
    };
    assert_eq!(accepted.peer, Addr::Unix(path.clone()));
    let _ = fs::remove_file(&path);
}

#[test]
fn only_a_socket_is_replaced() {
    let path = socket_path("file");
    fs::write(&path, "precious").expect("a file");
    let error = Listener::unix(&path, None, 511).expect_err("in use");
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    assert_eq!(fs::read(&path).expect("still there"), b"precious");
    let _ = fs::remove_file(&path);
}
